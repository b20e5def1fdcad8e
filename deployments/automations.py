"""Create or update two automations that send a message when runs fail or stop.

    SOROBANFLOW_NOTIFY_URL    a webhook (Slack, Teams, Mattermost, …); gets {"text": "…"}

Run as `sorobanflow alerts`. One automation reports each run that ends as failed, crashed
or incomplete; the other reports that no run of `index` has succeeded for a while, for
whatever reason: late, stuck, or no worker. Both are examples to change in the UI.
"""

import os
import sys
from datetime import timedelta
from uuid import UUID

from prefect.automations import AutomationCore
from prefect.blocks.webhook import Webhook
from prefect.client.orchestration import get_client
from prefect.events.actions import CallWebhook
from prefect.events.schemas.automations import EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.types import SecretDict
from pydantic import SecretStr

from flows.harness.terminal import errors_in_one_line
from sorobanflow.texts import duration

BLOCK = "sorobanflow-notify"
FLOWS = ["index", "backfill", "backfill-range", "audit", "export"]
MAX_SILENCE = timedelta(minutes=30)

_RUN: dict[str, str | list[str]] = {"resource.id": "prefect.flow-run.*"}
_FAILURE_TEXT = (
    '{"text": {{ ("sorobanflow: " ~ flow.name ~ " run " ~ flow_run.name ~ " ended as "'
    ' ~ flow_run.state.name ~ ": " ~ flow_run.state.message) | tojson }}}'
)
_SILENCE_TEXT = '{"text": "sorobanflow: no run of index has succeeded for %s"}'


def register_automations(url: str, max_silence: timedelta = MAX_SILENCE) -> list[str]:
    """Save the webhook block and both automations; gives their names."""
    headers = SecretDict({"content-type": "application/json"})
    webhook = Webhook(url=SecretStr(url), headers=headers)
    block_id = UUID(str(webhook.save(BLOCK, overwrite=True)))
    failure = AutomationCore(
        name="sorobanflow: a run was not successful",
        description="A run failed, crashed, or left something out (state Incomplete).",
        trigger=EventTrigger(
            posture=Posture.Reactive,
            expect={"prefect.flow-run.*"},
            # By the type, not the name: Incomplete and TimedOut are of type FAILED.
            match=_resource(_RUN | {"state-type": ["FAILED", "CRASHED"]}),
            match_related=_flows(FLOWS),
            for_each={"prefect.resource.id"},
        ),
        actions=[CallWebhook(block_document_id=block_id, payload=_FAILURE_TEXT)],
    )
    silence_text = _SILENCE_TEXT % duration(max_silence.total_seconds())
    silence = AutomationCore(
        name="sorobanflow: index is silent",
        description="No run of index has succeeded for a while: late, stuck or failing.",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            expect={"prefect.flow-run.Completed"},
            match=_resource(_RUN),
            match_related=_flows(["index"]),
            within=max_silence,
        ),
        actions=[CallWebhook(block_document_id=block_id, payload=silence_text)],
    )
    with get_client(sync_client=True) as client:
        for automation in (failure, silence):
            if saved := client.read_automations_by_name(automation.name):
                client.update_automation(saved[0].id, automation)
            else:
                client.create_automation(automation)
    return [failure.name, silence.name]


def _flows(names: list[str]) -> ResourceSpecification:
    return _resource({"resource.role": "flow", "resource.name": names})


def _resource(labels: dict[str, str | list[str]]) -> ResourceSpecification:
    prefixed = {f"prefect.{name}": value for name, value in labels.items()}
    return ResourceSpecification.model_validate(prefixed)


def main() -> None:
    """Save the automations, and print their names."""
    if not (url := os.environ.get("SOROBANFLOW_NOTIFY_URL")):
        sys.exit("error: SOROBANFLOW_NOTIFY_URL is not set; set it to the webhook's address")
    with errors_in_one_line():
        for name in register_automations(url):
            print(f"saved the automation {name!r}")


if __name__ == "__main__":
    main()
