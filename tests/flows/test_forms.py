"""The node's base64 and its JSON give the same database."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from blocks import StellarRpc
from flows.index import index
from sorobanflow.devnet import Chain, DevnetServer, Generator, ListedLedgers, Recording
from sorobanflow.pipeline.summary import RunSummary
from sorobanflow.store.tables import metadata

Checksums = Callable[[Engine], dict[str, tuple[int, str]]]
Serve = Callable[..., DevnetServer]
Blocks = Callable[[str], dict[str, str]]


def run_in(form: str, server: DevnetServer, save_blocks: Blocks) -> RunSummary:
    names = save_blocks(server.url)
    block: Any = StellarRpc.load(names["rpc"])
    block.xdr_format = form
    block.save(names["rpc"], overwrite=True)
    summary: Any = index(**names, start_ledger="oldest")
    return summary  # type: ignore[no-any-return]


def clear(engine: Engine) -> None:
    with engine.begin() as connection:
        names = ", ".join(table.name for table in metadata.sorted_tables)
        connection.execute(text(f"TRUNCATE {names}"))


#: The devnet needs milliseconds to write a transaction in JSON: of a long recording, a part.
def beginning(recording: Recording, ledgers: int) -> ListedLedgers:
    first = recording.first
    listed = [recording.ledger(number) for number in range(first, first + ledgers)]
    return ListedLedgers(listed, first, first + ledgers - 1, recording.network)


@pytest.mark.parametrize(
    ("name", "ledgers"),
    [
        ("pubnet-30822015", 11),
        ("pubnet-51000294", 1),
        ("pubnet-63092990", 1),
        ("pubnet-63800060", 1),
        ("applyload-10048", 3),
    ],
)
def test_both_forms_give_the_same_database(
    name: str,
    ledgers: int,
    recording_path: Callable[[str], Path],
    serve: Serve,
    save_blocks: Blocks,
    engine: Engine,
    checksums: Checksums,
) -> None:
    server = serve(Chain(beginning(Recording(recording_path(name)), ledgers)))
    run_in("base64", server, save_blocks)
    wanted = checksums(engine)
    assert wanted["account_entries"][0] > 0
    clear(engine)
    summary = run_in("json", server, save_blocks)
    assert summary.xdr_form == "json: as the settings say"
    assert checksums(engine) == wanted


def test_auto_chooses_json_where_it_is_equal_and_says_why(
    serve: Serve, save_blocks: Blocks, engine: Engine, checksums: Checksums
) -> None:
    server = serve(Chain(Generator(seed=31), closed=25))
    run_in("base64", server, save_blocks)
    wanted = checksums(engine)
    clear(engine)
    summary = run_in("auto", server, save_blocks)
    assert summary.xdr_form.startswith("json: equal to base64 for 5 transactions and 10 events")
    assert ("XDR form", summary.xdr_form) in summary.table()
    assert checksums(engine) == wanted
