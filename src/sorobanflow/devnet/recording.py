"""Recorded ledgers: real transactions of a network, read from a file.

Format `stellar-recording/1`: gzip-compressed JSON lines, a header and then one
ledger per line, ascending and contiguous. The whole file is read at the start.
"""

import gzip
from pathlib import Path
from typing import Any

import msgspec

from sorobanflow.devnet.supply import Ledger, Network, NoWholeLedgersError, StoredEntry, Transaction
from sorobanflow.errors import ConfigurationError

FORMAT = "stellar-recording/1"


class Recording:
    """A supply of recorded ledgers.

    Args:
        path: The file.

    Raises:
        ConfigurationError: the file is not a recording, or has a gap.
    """

    def __init__(self, path: Path) -> None:
        with gzip.open(path, "rb") as lines:
            header = msgspec.json.decode(next(lines))
            if header.get("format") != FORMAT:
                raise ConfigurationError(
                    f"{path.name} has the format {header.get('format')!r}, expected {FORMAT!r}"
                )
            ledgers = [_ledger(msgspec.json.decode(line)) for line in lines]
        _check_contiguous(path, ledgers)
        self.network = Network(header["passphrase"], ledgers[-1].protocol)
        self.first = ledgers[0].sequence
        self.last: int | None = ledgers[-1].sequence
        self._ledgers = ledgers
        self._name = path.name

    def close_time(self, sequence: int) -> int:
        """Return when a recorded ledger closed."""
        return self.ledger(sequence).close_time

    def ledger(self, sequence: int) -> Ledger:
        """Return one recorded ledger."""
        return self._ledgers[sequence - self.first]

    def entry(self, key: bytes, ledger: int) -> StoredEntry | None:
        """Return None: entries are not kept by key."""
        return None

    def close_meta(self, sequence: int) -> bytes:
        """Refuse, because a recording holds transactions only.

        Raises:
            NoWholeLedgersError: always.
        """
        raise NoWholeLedgersError(
            f"{self._name} is a recording of transactions, without whole ledgers (headers, "
            "transaction sets, fee changes); use a ledger file or generated ledgers"
        )


def _ledger(row: dict[str, Any]) -> Ledger:
    transactions = tuple(_transaction(each) for each in row["transactions"])
    return Ledger(row["ledger"], row["close_time"], row["protocol"], transactions)


def _transaction(row: dict[str, Any]) -> Transaction:
    return Transaction(
        row["hash"],
        row["application_order"],
        row["status"] == "SUCCESS",
        row["fee_bump"],
        row["envelope_xdr"],
        row["result_xdr"],
        row["result_meta_xdr"],
    )


def _check_contiguous(path: Path, ledgers: list[Ledger]) -> None:
    sequences = [ledger.sequence for ledger in ledgers]
    if not sequences or sequences != list(range(sequences[0], sequences[0] + len(sequences))):
        raise ConfigurationError(f"{path.name} has no ledgers, or a gap; record contiguous ledgers")
