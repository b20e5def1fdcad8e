"""Create or update automations that send a message when a stream's health changes.

    SOROBANFLOW_NOTIFY_URL    a webhook (Slack, Teams, Mattermost, …); gets {"text": "…"}

Run as `sorobanflow alerts`, which also has a test message sent, by the way of all others: event,
automation, webhook. They react to the events that scheduled runs of `index` emit
(`flows.harness.alerts`), to their absence, and to scheduled audits that are not successful.
Runs that somebody starts, cancels or gives wrong parameters send nothing. All of them are
examples to change in the UI.
"""

from datetime import timedelta
from uuid import UUID

from prefect.automations import AutomationCore
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import get_client
from prefect.events import emit_event
from prefect.events.actions import CallWebhook
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.events.worker import EventsWorker
from prefect.types import SecretDict
from pydantic import SecretStr

from blocks.prefect_api import named_api_failures, require_api
from flows.harness.turn import SCHEDULED
from sorobanflow.texts import duration

BLOCK = "sorobanflow-notify"
MAX_SILENCE, REMINDER = timedelta(minutes=30), timedelta(hours=1)
#: As long as Prefect waits for the end of an outage of the database.
MAX_OUTAGE = timedelta(days=30)
#: What earlier versions made.
REPLACED = ("sorobanflow: a run was not successful", "sorobanflow: index is silent")

USABLE, UNUSABLE = "sorobanflow.database.usable", "sorobanflow.database.unusable"
#: One of both comes from each scheduled run of `index` that gets as far.
SIGNS_OF_LIFE = {USABLE, UNUSABLE}
#: An outage is told once per database.
_EACH = {"prefect.resource.id"}

TEST_TEXT = "sorobanflow: this is a test: messages about streams arrive here"

_TOLD = '{"text": {{ event.payload.text | tojson }}}'
_SILENCE = '{"text": "sorobanflow: no scheduled run of index has judged its stream for %s"}'
_AUDIT = (
    '{"text": {{ ("sorobanflow: " ~ flow_run.name ~ " ended as " ~ flow_run.state.name ~ ": "'
    " ~ flow_run.state.message) | tojson }}}"
)

Automation = tuple[str, EventTrigger, str]


def register_automations(
    url: str, max_silence: timedelta = MAX_SILENCE, reminder: timedelta = REMINDER
) -> list[str]:
    """Save the webhook block and the automations; gives their names."""
    headers = SecretDict({"content-type": "application/json"})
    webhook = Webhook(url=SecretStr(url), headers=headers)
    block_id = UUID(str(webhook.save(BLOCK, overwrite=True)))
    automations = [
        AutomationCore(
            name=f"sorobanflow: {name}",
            trigger=trigger,
            actions=[CallWebhook(block_document_id=block_id, payload=payload)],
        )
        for name, trigger, payload in (
            *_of_health(reminder),
            *_of_silence(max_silence, reminder),
            _of_audits(),
        )
    ]
    _save(automations)
    return [automation.name for automation in automations]


def _of_health(reminder: timedelta) -> list[Automation]:
    """Automations of what the runs tell; without the database they cannot compare."""
    told = EventTrigger(posture=Posture.Reactive, expect={"sorobanflow.stream.*"})
    away = EventTrigger(
        posture=Posture.Reactive, expect={UNUSABLE}, for_each=_EACH, within=reminder
    )
    back = EventTrigger(
        posture=Posture.Reactive,
        after={UNUSABLE},
        expect={USABLE},
        for_each=_EACH,
        within=MAX_OUTAGE,
    )
    return [
        ("the health of a stream changed", told, _TOLD),
        ("the database cannot be used", away, _TOLD),
        ("the database can be used again", back, _TOLD),
    ]


def _of_silence(max_silence: timedelta, reminder: timedelta) -> list[Automation]:
    """Automations for when nothing runs: the first message, once, and the reminders."""
    first = EventTrigger(
        posture=Posture.Proactive,
        after=SIGNS_OF_LIFE,
        expect=SIGNS_OF_LIFE,
        within=max_silence,
    )
    again = EventTrigger(posture=Posture.Proactive, expect=SIGNS_OF_LIFE, within=reminder)
    return [
        ("nothing runs", first, _SILENCE % duration(max_silence.total_seconds())),
        ("still nothing runs", again, _SILENCE % duration(reminder.total_seconds())),
    ]


def _of_audits() -> Automation:
    trigger = EventTrigger(
        posture=Posture.Reactive,
        expect={"prefect.flow-run.*"},
        # By the type, not the name: Incomplete and TimedOut are of type FAILED.
        match=_labels({"resource.id": "prefect.flow-run.*", "state-type": ["FAILED", "CRASHED"]}),
        match_related=[
            _labels({"resource.role": "flow", "resource.name": "audit"}),
            _labels({"resource.role": "tag", "resource.id": f"prefect.tag.{SCHEDULED}"}),
        ],
        for_each=_EACH,
    )
    return "a scheduled audit was not successful", trigger, _AUDIT


def _labels(labels: dict[str, str | list[str]]) -> ResourceSpecification:
    prefixed = {f"prefect.{name}": value for name, value in labels.items()}
    return ResourceSpecification.model_validate(prefixed)


def _save(automations: list[AutomationCore]) -> None:
    with get_client(sync_client=True) as client:
        for name in REPLACED:
            for saved in client.read_automations_by_name(name):
                client.delete_automation(saved.id)
        for automation in automations:
            if saved_before := client.read_automations_by_name(automation.name):
                client.update_automation(saved_before[0].id, automation)
            else:
                client.create_automation(automation)


def send_test_message() -> None:
    """Emit an event that the automations take as one of a stream, and wait until it is sent."""
    resource = {"prefect.resource.id": "sorobanflow.stream.test"}
    emit_event("sorobanflow.stream.test", resource, payload={"text": TEST_TEXT})
    EventsWorker.instance().wait_until_empty()


def main(url: str) -> None:
    """Save the automations, print their names, and send the test message."""
    require_api()
    with named_api_failures():
        for name in register_automations(url):
            print(f"saved the automation {name!r}")
    send_test_message()
    print(
        f"sent a test message, which arrives within a minute: {TEST_TEXT!r}; if it does not, "
        "look in the UI's Event Feed for an action that failed"
    )


if __name__ == "__main__":  # as it was called before
    raise SystemExit("error: run `sorobanflow alerts`")
