"""Learn what contracts and tokens call themselves, in a run and at its end; it never fails one."""

from collections.abc import Callable

from prefect import get_run_logger

from flows.harness.indexer import Indexer
from sorobanflow.contracts.asking import ask_for_unknown_contracts, ask_for_unknown_wasms
from sorobanflow.contracts.stored import store_specs
from sorobanflow.pipeline.summary import RunSummary


class ContractNames:
    """Reads the specs of Wasms, and asks the node for what no indexed ledger tells.

    What cannot be learnt now, a later run learns. A data lake cannot be asked.
    """

    def __init__(self, indexer: Indexer, summary: RunSummary) -> None:
        self._indexer, self._summary = indexer, summary
        self._codes = 0

    def read_new(self) -> None:
        """Read the specs of Wasms that this run stored since it last did."""
        codes = self._summary.rows["contract_code"]
        if codes > self._codes:
            self._try(self._read_specs)
        self._codes = codes

    def learn(self) -> None:
        """Read the specs of all stored Wasms, and ask the node for unknown contracts and Wasms."""
        self._try(self._read_specs)
        if self._indexer.client is not None:
            self._try(self._ask)

    def _read_specs(self) -> None:
        store_specs(self._indexer.target.engine)

    def _ask(self) -> None:
        client, engine, source = (
            self._indexer.client,
            self._indexer.target.engine,
            self._indexer.source,
        )
        assert client is not None
        # What a filtered stream holds does not show whether its contracts change their Wasm.
        named = source.event_filter.contract_ids if source.event_filter else ()
        ask_for_unknown_contracts(client, engine, source.passphrase, named)
        ask_for_unknown_wasms(client, engine)

    def _try(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:
            get_run_logger().info(f"contracts could not be named, a later run goes on: {error}")
