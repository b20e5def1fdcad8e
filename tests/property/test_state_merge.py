"""State rows in any order and any split end as the newest change of each part."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, Table, text

from sorobanflow.store.tables import STATE_TABLES, VERSION_GROUPS
from tests.integration.state_changes import (
    Order,
    Row,
    newest_rows,
    state_row,
    store,
    stored,
    versions,
)

Change = tuple[int, tuple[Order, ...]]


def changes_of(table: Table) -> st.SearchStrategy[list[Change]]:
    orders = []
    for group in VERSION_GROUPS[table]:
        order: st.SearchStrategy[Order] = st.tuples(*(st.integers(1, 3) for _ in group.order))
        nullable = table.columns[group.order[0]].nullable
        orders.append(st.none() | order if nullable else order)
    return st.lists(st.tuples(st.integers(1, 3), st.tuples(*orders)), max_size=12)


def batches(changes: list[Change], cuts: set[int]) -> list[list[Change]]:
    """Split at the cuts, and wherever a key would repeat."""
    split: list[list[Change]] = [[]]
    for position, change in enumerate(changes):
        if position in cuts or change[0] in {key for key, _ in split[-1]}:
            split.append([])
        split[-1].append(change)
    return split


@pytest.mark.parametrize("table", STATE_TABLES, ids=lambda table: table.name)
@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_merge_keeps_the_newest_of_each_part(table: Table, data: Any, engine: Engine) -> None:
    changes = data.draw(changes_of(table))
    arrivals = data.draw(st.permutations(changes))
    cuts = data.draw(st.sets(st.integers(1, 12)))
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {table.name}"))

    written: list[list[Row]] = []
    for batch in batches(arrivals, cuts):
        written.append([state_row(table, key, orders) for key, orders in batch])
        store(engine, table, *written[-1])
    assert stored(engine, table) == newest_rows(table, changes)

    before = versions(engine, table)
    for rows in written:
        store(engine, table, *rows)
    assert versions(engine, table) == before
