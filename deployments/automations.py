"""Make or update the automations that tell somebody when runs go wrong.

    SOROBANFLOW_NOTIFY_URL    gets a POST of {"text": "…"}: Slack, Mattermost, any webhook

Run as `python -m deployments.automations` against the Prefect API in use. Again,
it changes what it made before. Two automations, examples to change in the UI:
one fires for each run that ends as failed, crashed or incomplete; the other when
no run of `index` was a success for a while, whatever the cause: it is late, it is
stuck, or no worker is there.
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

BLOCK = "sorobanflow-notify"
FLOWS = ["index", "backfill", "backfill-range", "audit", "export"]
SILENCE = timedelta(minutes=30)

_ENDED_BADLY = (
    '{"text": {{ ("sorobanflow: " ~ flow.name ~ " run " ~ flow_run.name ~ " ended as "'
    ' ~ flow_run.state.name ~ ": " ~ flow_run.state.message) | tojson }}}'
)
_SILENT = '{"text": "sorobanflow: no run of index was a success for %s"}'


def register_automations(url: str, silence: timedelta = SILENCE) -> list[str]:
    """Save the webhook block and both automations; gives their names.

    Args:
        url: Gets the notifications; a secret, as those of chat services are.
        silence: Time without a successful run of `index` that is too long.
    """
    headers = SecretDict({"content-type": "application/json"})
    webhook = UUID(str(Webhook(url=SecretStr(url), headers=headers).save(BLOCK, overwrite=True)))
    automations = [_ended_badly(webhook), _silent(webhook, silence)]
    for automation in automations:
        _save(automation)
    return [automation.name for automation in automations]


def _ended_badly(webhook: UUID) -> AutomationCore:
    return AutomationCore(
        name="sorobanflow: a run was not successful",
        description="A run failed, crashed, or left something out (state Incomplete).",
        trigger=EventTrigger(
            posture=Posture.Reactive,
            expect={"prefect.flow-run.*"},
            # By the type, not the name: Incomplete and TimedOut are of type FAILED.
            match=_resource(
                {
                    "prefect.resource.id": "prefect.flow-run.*",
                    "prefect.state-type": ["FAILED", "CRASHED"],
                }
            ),
            match_related=_flows(FLOWS),
            for_each={"prefect.resource.id"},
        ),
        actions=[CallWebhook(block_document_id=webhook, payload=_ENDED_BADLY)],
    )


def _silent(webhook: UUID, silence: timedelta) -> AutomationCore:
    return AutomationCore(
        name="sorobanflow: index is silent",
        description="No run of index ended well for a while: late, stuck, failing or not started.",
        trigger=EventTrigger(
            posture=Posture.Proactive,
            expect={"prefect.flow-run.Completed"},
            match=_resource({"prefect.resource.id": "prefect.flow-run.*"}),
            match_related=_flows(["index"]),
            within=silence,
        ),
        actions=[CallWebhook(block_document_id=webhook, payload=_SILENT % silence)],
    )


def _flows(names: list[str]) -> ResourceSpecification:
    return _resource({"prefect.resource.role": "flow", "prefect.resource.name": names})


def _resource(labels: dict[str, str | list[str]]) -> ResourceSpecification:
    return ResourceSpecification.model_validate(labels)


def _save(automation: AutomationCore) -> None:
    with get_client(sync_client=True) as client:
        known = client.read_automations_by_name(automation.name)
        if known:
            client.update_automation(known[0].id, automation)
        else:
            client.create_automation(automation)


if __name__ == "__main__":
    if not (address := os.environ.get("SOROBANFLOW_NOTIFY_URL")):
        sys.exit("error: SOROBANFLOW_NOTIFY_URL is not set: where are notifications to go?")
    for made in register_automations(address):
        print(f"saved the automation {made!r}")
