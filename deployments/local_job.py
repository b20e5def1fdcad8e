"""What a local run indexes, from the environment: a node, a recording, a data lake, the devnet."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from deployments.addresses import check_http, check_lake
from sorobanflow.errors import ConfigurationError
from sorobanflow.ledgers import LAST_LEDGER

HOME = Path(".sorobanflow")
DEVNET_DATABASE = "devnet"
#: Two more ledgers close; others closed while the rest of a local run started.
DEVNET_FOLLOW_S = 2.0
DEVNET_OPTIONS = ("--ledgers", "60", "--close-every", "1", "--state", str(HOME / "devnet.json"))
#: The variables that name a source; at most one of them is given.
SOURCES = ("RPC_URL", "RECORDING", "LAKE")


class Job(NamedTuple):
    """What to index: the ledgers of a node with the flow `index`, of a lake with `backfill`."""

    database: str  # name of the embedded database for it
    parameters: dict[str, Any]  # of the flow
    rpc_url: str | None = None  # of a real node; None: the devnet, unless there is a lake
    lake: str | None = None  # folder or URL of a data lake
    devnet_options: tuple[str, ...] = DEVNET_OPTIONS

    @property
    def has_both_ends(self) -> bool:
        """Whether the first and the last ledger are given, as a backfill needs them."""
        return {"start_ledger", "end_ledger"} <= self.parameters.keys()


def job_from_environment() -> Job:
    """Choose a source by RPC_URL, RECORDING or LAKE; without them, the devnet's ledgers.

    Raises:
        ConfigurationError: several are given, or a value is not valid.
    """
    given = [name for name in SOURCES if os.environ.get(name)]
    if len(given) > 1:
        raise ConfigurationError(f"{' and '.join(given)} are given; give one of them")
    if given == ["LAKE"]:
        return _lake_job(os.environ["LAKE"])
    parameters = {"start_ledger": _start(), "follow_s": _follow_s()}
    if given == ["RPC_URL"]:
        rpc_url = os.environ["RPC_URL"]
        check_http("RPC_URL", rpc_url)
        return Job(_identifier(f"node {urlsplit(rpc_url).hostname or ''}"), parameters, rpc_url)
    parameters["start_ledger"] = parameters["start_ledger"] or "oldest"
    if given == ["RECORDING"]:
        return _recording_job(os.environ["RECORDING"], parameters)
    if not os.environ.get("FOLLOW"):
        parameters["follow_s"] = DEVNET_FOLLOW_S
    return Job(DEVNET_DATABASE, parameters)


def _recording_job(recording: str, parameters: dict[str, Any]) -> Job:
    if not Path(recording).is_file():
        raise ConfigurationError(f"RECORDING={recording}: there is no such file")
    # An earlier recording may be stored already, with a gap between the two.
    parameters |= {"allow_gap": True, "stall_s": None}
    database = _identifier(Path(recording).name.split(".")[0])
    return Job(database, parameters, devnet_options=("--recording", recording))


def _lake_job(lake: str) -> Job:
    """Read the range too; of a folder the ledgers that it has are the default."""
    check_lake("LAKE", lake)
    ends = dict(_ends())
    if "://" in lake:
        if len(ends) < 2:
            raise ConfigurationError(
                "START and END are not both given; expected the first and the last ledger to "
                "index, as LAKE is a URL, whose objects are not listed"
            )
        parts = urlsplit(lake)
        return Job(_identifier(f"lake {parts.hostname or ''} {parts.path}"), ends, lake=lake)
    if not Path(lake).is_dir():
        raise ConfigurationError(f"LAKE={lake}: there is no such folder")
    folder = Path(lake).resolve()
    return Job(_identifier(f"lake {folder.name}"), ends, lake=str(folder))


def _ends() -> Iterator[tuple[str, int]]:
    for variable, parameter in (("START", "start_ledger"), ("END", "end_ledger")):
        text = os.environ.get(variable)
        if text:
            yield parameter, _ledger(variable, text, "a ledger number")


def _start() -> int | str | None:
    text = os.environ.get("START")
    if not text or text in ("oldest", "latest"):
        return text or None
    return _ledger("START", text, "a ledger number, oldest or latest")


def _ledger(variable: str, text: str, expected: str) -> int:
    if text.isascii() and text.isdigit() and 1 <= int(text) <= LAST_LEDGER:
        return int(text)
    raise ConfigurationError(f"{variable}={text}: expected {expected}")


def _follow_s() -> float:
    text = os.environ.get("FOLLOW") or "0"
    if not re.fullmatch(r"[0-9]{1,5}(\.[0-9]+)?", text, re.ASCII):
        raise ConfigurationError(f"FOLLOW={text}: expected seconds, 0 to 86400")
    return float(text)


def _identifier(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:60]
