"""The benchmarks at a tiny size: they run, do the measured work, and write their tables."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
from sqlalchemy import Engine

from benchmarks import (
    archive,
    backfill,
    bloat,
    common,
    decode,
    filtered,
    growth,
    headline,
    ledgers,
    live,
    lookups,
    moving,
    orchestration,
    picture,
    sizes,
)
from benchmarks.processes import FLOW, PARTS, Sample
from sorobanflow.ledgers import LedgerRange
from sorobanflow.store.embedded import EmbeddedPostgres

SMALLEST = "pubnet-63800060"


@pytest.fixture(scope="module")
def services(postgres: EmbeddedPostgres, prefect_api: str) -> Iterator[common.Services]:
    # Otherwise every flow takes a second, because it waits for its heartbeat thread.
    quick = temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})
    with quick, common.services_of(postgres, prefect_api) as services:
        yield services


@pytest.fixture
def recorded(test_data: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("SOROBANFLOW_TEST_DATA", str(test_data))
    return SMALLEST


def lines(table: str) -> list[str]:
    """Return the rows of a table, after a check that every figure is a number."""
    rows = table.splitlines()[2:]
    assert not any("nan" in row or "inf" in row for row in rows), table
    return rows


@pytest.mark.long
def test_headline(services: common.Services) -> None:
    times = headline.measure(services, 1, headline.Size(ledgers=2, latency_ms=5))
    assert len(lines(headline.table(common.spread(times)))) == 6


@pytest.mark.long
def test_backfill(services: common.Services, recorded: str) -> None:
    results = backfill.measure(services, 1, [recorded]).set_index("recording")
    assert results.loc[recorded, ["transactions", "events"]].to_list() == [50, 213]
    assert all(results.loc[recorded, part] >= 0 for part in PARTS)  # measured in steps of 10 ms
    assert results.loc[recorded, FLOW] > 0
    assert results.loc[recorded, backfill.FLOW] > 0
    assert len(lines(backfill.table(results)) + lines(backfill.cpu_table(results))) == 2


def test_decode(recorded: str) -> None:
    results = decode.measure(1, [recorded])
    assert results["items"].to_list() == [50, 213]
    assert len(lines(decode.table("item", results.set_index("recording")))) == 2


def test_filtered(recorded: str) -> None:
    results = filtered.measure(1, ["pubnet-63092990"])
    assert (results["skipped"] < results["everything"] / 5).all()
    assert len(lines(filtered.table(results))) == 1


@pytest.mark.long  # takes a minute, and waits for the server's record of its tasks
def test_orchestration(services: common.Services) -> None:
    medians = orchestration.measure(services, 1, batches=2).set_index("variant")
    assert len(lines(orchestration.table(medians, 2))) == 3
    assert medians.loc[orchestration.FLOW, "start"] > 0


@pytest.mark.long
def test_bloat(services: common.Services, recorded: str) -> None:
    with common.fresh_database(services.postgres) as url:
        grown = bloat.measure(url, 1, recorded)
    assert grown.loc["events", "rows"] == 213
    assert (grown["again"] >= grown["once"]).all()
    assert len(lines(bloat.table(grown, 1))) == len(grown)


def test_sizes(database_url: str, engine: Engine, recorded: str) -> None:
    found = sizes.measure(database_url, recorded)
    assert found.transactions == 50
    rows = found.relations.query("table_name == 'stored.transactions' and name == 'rows'")["bytes"]
    values = found.columns.query("table_name == 'stored.transactions'")["bytes"]
    assert rows.item() > values.sum() > 0
    assert "| all tables |" in sizes.table(found)
    assert len(lines(sizes.detail(found))) > 1


def test_archive(services: common.Services, recorded: str) -> None:
    with common.fresh_database(services.postgres) as url:
        found = archive.measure(url, recorded)
    assert found.transactions == found.files.loc["transactions", "rows"] == 50
    assert found.files["data"].sum() > found.columns["bytes"].sum() > 0
    assert "| all files |" in archive.table(found)
    assert len(lines(archive.detail(found))) > 1


@pytest.mark.long
def test_growth(services: common.Services) -> None:
    size = growth.Size(stored=(500,), batches=1, ledgers=100)
    times = growth.measure_stored(services, 1, size)
    medians = times.groupby("stored")["ms"].agg(["median", "min", "max"])
    assert len(lines(growth.stored_table(medians))) == 1
    assert growth.measure_run(services, 1, size)["ledger"].iloc[-1] == 100


@pytest.mark.long
def test_lookups(services: common.Services) -> None:
    with common.fresh_database(services.postgres) as url:
        medians = lookups.measure(url, 1, lookups.Size(60, 20, 6))
    assert len(lines(lookups.table(medians))) == 12


@pytest.mark.long
def test_moving(services: common.Services, recorded: str) -> None:
    times = moving.measure(services.postgres, 1, recorded)
    assert times["rows"].to_list() == [732]
    assert len(lines(moving.table({recorded: times}))) == 1


def test_fifths_are_cut_where_a_sample_reached_them() -> None:
    covered = [Sample(0, 0), Sample(5, 10), Sample(6, 25), *(Sample(n, n * 10) for n in (7, 9, 10))]
    memory = [Sample(at, 100 + at) for at in range(11)]
    fifths = growth.in_fifths(covered, memory, 100)
    assert fifths["ledger"].to_list() == [25, 70, 90, 100]
    assert fifths["ms"].to_list() == pytest.approx([1000 / 15, 1000 / 45, 100, 100])
    assert fifths["mib"].to_list() == [106, 107, 109, 110]


@pytest.mark.long
def test_ledgers(services: common.Services, recorded: str) -> None:
    size = ledgers.Size(LedgerRange(10048, 10048), cores=3, transactions=5, memory=100)
    sources = ledgers.measure_sources(services.postgres, 1, size).set_index("source")
    assert sources["transactions"].to_list() == [492, 492, 492]
    assert sources.loc[ledgers.GET_LEDGERS, ledgers.PROOFS] > 0
    assert len(lines(ledgers.source_table(sources))) == 3
    cores = ledgers.measure_cores(services.postgres, 1, size).set_index("cores")[ledgers.RATE]
    assert len(lines(ledgers.core_table(cores))) == 2
    assert ledgers.measure_memory(services.postgres, size)["ledger"].iloc[-1] == 100


@pytest.mark.long
def test_live(services: common.Services) -> None:
    result = live.measure(services, every_s=0.5, follow_s=3, transactions=5)
    assert result["ledgers"] > 0
    assert 0 < result["p50"] <= result["max"] < 10
    assert len(lines(live.table([result]))) == 1


def test_lags_count_from_the_tip_on() -> None:
    beat = live.Beat(ledger=10, at=100.0, every_s=5.0)
    samples = [Sample(101, 0), Sample(111, 10), Sample(112, 12), Sample(116.5, 13), Sample(126, 15)]
    assert live.lags_of(samples, beat) == [1.5, 6.0, 1.0]


def test_lags_of_a_flow_that_never_came_to_the_tip_count_from_its_first_commit() -> None:
    beat = live.Beat(ledger=10, at=100.0, every_s=5.0)
    assert live.lags_of([Sample(190, 11), Sample(250, 30)], beat) == [55.0, 50.0]


def test_picture_is_the_same_for_the_same_results(tmp_path: Path) -> None:
    names = (headline.BEFORE, headline.AFTER, headline.DEFAULT, headline.FLOOR)
    seconds = dict(zip(names, (23.0, 2.4, 0.4, 0.2), strict=True))
    parts = dict(zip(backfill.STEPS, (2.0, 1.5, 5.0, 4.0), strict=True))
    row = parts | {backfill.FLOW: 8.0, "transactions": 14760}
    for name in ("first.svg", "again.svg"):
        recordings = {"recordings": {picture.RECORDING: row}}
        picture.draw({"seconds": seconds}, recordings, tmp_path / name)
    assert (tmp_path / "first.svg").read_bytes() == (tmp_path / "again.svg").read_bytes()


def test_results_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    common.save("one", seconds={"a": 1.5})
    assert (tmp_path / common.RESULTS / "one.json").exists()
    assert picture.results("one")["seconds"] == {"a": 1.5}
    with pytest.raises(SystemExit, match=r"python -m benchmarks\.other"):
        picture.results("other")
