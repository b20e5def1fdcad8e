"""Three questions that an analyst asks of an indexed database, answered with pandas.

    python docs/analysis.py DATABASE_URL [PNG]

1. Which tokens move most, and how many addresses hold them?
2. What do contract calls pay for their resources, over time?
3. How many transactions fail, and why?

With a second argument the fees are drawn to that file, which needs matplotlib. Copy
what you need: each query stands alone, on the tables and views of `docs/tables.md`.

Amounts stay exact. PostgreSQL sums NUMERIC without loss, and pandas gets it as
Decimal (`coerce_float=False`). Add up Decimals as integers of the smallest unit:
Python rounds their sums to 28 digits, and amounts have up to 39. Only drawings and
shares use floats.
"""

import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
from psycopg.conninfo import conninfo_to_dict
from sqlalchemy import Engine, bindparam, create_engine, text
from sqlalchemy.pool import NullPool

STROOPS = 10_000_000  # per XLM
POINTS = 24  # in time, per table or drawing

MOVES = """
SELECT contract_id, coalesce(max(symbol), left(contract_id, 8) || '…') AS token,
  count(*) AS moves, coalesce(sum(scaled_amount), sum(amount)) AS amount
FROM transfers WHERE type = 'transfer' GROUP BY contract_id ORDER BY moves DESC, 1 LIMIT 5
"""
HOLDINGS = """
SELECT contract_id, count(*) AS holders, sum(amount) AS held,
  sum(amount) FILTER (WHERE place <= 10) AS held_by_ten
FROM (
  SELECT contract_id, amount,
    row_number() OVER (PARTITION BY contract_id ORDER BY amount DESC) AS place
  FROM balances WHERE contract_id IN :tokens AND amount > 0
    AND source NOT IN ('claimable_balance', 'liquidity_pool')
) AS b GROUP BY contract_id
"""
CALLS = """
SELECT closed_at, non_refundable_fee_charged + refundable_fee_charged AS stroops
FROM transactions WHERE non_refundable_fee_charged IS NOT NULL ORDER BY closed_at
"""
OUTCOMES = """
SELECT t.successful, coalesce(t.inner_result_code, t.result_code) AS result,
  coalesce(o.type, '') AS operation, coalesce(o.result_code, '') AS operation_result,
  count(*) AS transactions
FROM transactions AS t
LEFT JOIN LATERAL (
  SELECT type, result_code FROM operations
  WHERE tx_hash = t.hash AND result_code <> 'success' ORDER BY op_index LIMIT 1
) AS o ON NOT t.successful
GROUP BY 1, 2, 3, 4 ORDER BY transactions DESC, 2, 3, 4
"""


def connect(url: str) -> Engine:
    """Open an engine for any libpq URL or connection string."""
    parts: dict[str, Any] = dict(conninfo_to_dict(url))
    return create_engine("postgresql+psycopg://", connect_args=parts, poolclass=NullPool)


def read(engine: Engine, query: str, **values: object) -> pd.DataFrame:
    """Read a query; NUMERIC stays Decimal."""
    statement = text(query)
    for name, value in values.items():
        statement = statement.bindparams(bindparam(name, value, expanding=True))
    with engine.connect() as connection:
        return pd.read_sql(statement, connection, coerce_float=False)


def tokens(engine: Engine) -> pd.DataFrame:
    """Find the tokens that move most, and the share of their ten largest holders.

    `amount` is in the token's unit, or in its smallest unit if its decimals are unknown.
    Only holders in the indexed ledgers are known: if these do not start at the token's
    first ledger, `holders` is a lower bound.
    """
    moved = read(engine, MOVES)
    if moved.empty:
        return moved
    held = read(engine, HOLDINGS, tokens=moved["contract_id"].to_list())
    answer = moved.merge(held, how="left", on="contract_id")
    answer["holders"] = answer["holders"].fillna(0).astype(int)
    answer["ten hold, %"] = 100 * answer["held_by_ten"].astype(float) / answer["held"].astype(float)
    return answer[["token", "moves", "amount", "holders", "ten hold, %"]]


def fees(calls: pd.DataFrame) -> pd.DataFrame:
    """Sum up what contract calls paid for their resources, in XLM, per period.

    Args:
        calls: One row per call: `closed_at`, and the `stroops` that it paid.
    """
    if calls.empty:
        return calls
    calls["closed_at"] = pd.to_datetime(calls["closed_at"], utc=True)
    calls["time"] = calls["closed_at"].dt.floor(_step(calls["closed_at"]))
    by_time = calls.groupby("time")["stroops"]
    return pd.DataFrame(
        {
            "time": list(by_time.groups),
            "calls": by_time.size().array,
            "median": by_time.median().array / STROOPS,
            "95th percentile": by_time.quantile(0.95).array / STROOPS,
            "sum": [Decimal(int(stroops)) / STROOPS for stroops in by_time.sum()],
        }
    )


def failures(engine: Engine) -> pd.DataFrame:
    """Count the failed transactions, by result and by the first operation that failed."""
    outcomes = read(engine, OUTCOMES)
    outcomes["share, %"] = 100 * outcomes["transactions"] / outcomes["transactions"].sum()
    failed = outcomes[~outcomes["successful"].astype(bool)]
    return failed.drop(columns="successful").reset_index(drop=True)


def draw(by_time: pd.DataFrame, path: Path) -> None:
    """Draw what contract calls paid over time."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    axes.plot(by_time["time"], by_time["median"], marker="o", label="median")
    axes.plot(by_time["time"], by_time["95th percentile"], marker="o", label="95th percentile")
    axes.set_ylabel("XLM per call")
    axes.set_yscale("log")
    axes.set_title("Resource fees of contract calls")
    axes.legend()
    axes.tick_params(axis="x", rotation=30)
    figure.savefig(path, dpi=120)


def _step(times: "pd.Series[pd.Timestamp]") -> str:
    """Choose a round period that gives about `POINTS` of them."""
    span = (times.max() - times.min()).total_seconds()
    steps = {"1s": 1, "10s": 10, "1min": 60, "10min": 600, "1h": 3600, "6h": 21_600}
    return next((name for name, seconds in steps.items() if span <= POINTS * seconds), "1D")


def _show(question: str, answer: pd.DataFrame) -> None:
    lines = answer.to_string(index=False, float_format="{:.4g}".format)
    print(f"\n{question}\n\n{'nothing is stored' if answer.empty else lines}")


def main(arguments: list[str]) -> int:
    """Answer the questions; return the exit code."""
    if not 1 <= len(arguments) <= 2:
        print("usage: python docs/analysis.py DATABASE_URL [PNG]", file=sys.stderr)
        return 2
    engine = connect(arguments[0])
    by_time = fees(read(engine, CALLS))
    _show("Which tokens move most, and how many addresses hold them?", tokens(engine))
    _show("What do contract calls pay for their resources, in XLM?", by_time.tail(POINTS))
    _show("How many transactions fail, and why?", failures(engine))
    if len(arguments) == 2 and not by_time.empty:
        draw(by_time, Path(arguments[1]))
        print(f"\ndrew {arguments[1]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
