"""How values are written for a person."""

import pytest

from sorobanflow import texts


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 seconds"),
        (59.6, "1 minute"),
        (200, "3 minutes and 20 seconds"),
        (7500, "2 hours and 5 minutes"),
        (500_000, "5 days and 19 hours"),
        (40_000_000, "462 days and 23 hours"),
    ],
)
def test_duration_names_two_units(seconds: float, text: str) -> None:
    assert texts.duration(seconds) == text


def test_size_is_in_binary_units() -> None:
    assert (texts.size(5 * 2**30), texts.size(4096)) == ("5.0 GiB", "4.0 KiB")


def test_count_of_one_is_singular() -> None:
    assert (texts.count(1, "ledger"), texts.count(1400, "ledger")) == ("1 ledger", "1,400 ledgers")


def test_markdown_table_keeps_bars_of_values_out_of_its_columns() -> None:
    lines = texts.markdown_table([("a", "b | c"), ("d", "<b> [e](f)")])
    assert lines == ["|  |  |", "|---|---|", "| a | b \\| c |", "| d | \\<b> \\[e](f) |"]


def test_markdown_table_continues_wide_cells_in_the_next_row() -> None:
    value = " ".join(f"{n}-{n + 1}," for n in range(51_200_000, 51_200_020, 2))
    label = "a label of more words than fit into a cell"
    lines = texts.markdown_table([(label, value), ("hash", "a" * 64), ("none", "")])
    cells = [line.strip("|").split("|") for line in lines[2:]]
    assert all(len(line) <= texts.ROW_WIDTH + len("|  |  |") for line in lines)
    assert " ".join(value.strip() for _, value in cells[:4]).strip() == value
    assert [label.strip() for label, _ in cells[:2]] == [
        "a label of more words than fit",
        "into a cell",
    ]
    assert lines[-2:] == [f"| hash | {'a' * 64} |", "| none |  |"]
