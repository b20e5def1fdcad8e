"""The environment variables that the project's programs read, and what they mean.

They are declared here because nothing else describes them. A test searches the
sources for variables that are missing here.
"""

from typing import NamedTuple


class Variable(NamedTuple):
    """A variable, the program that reads it, and what its value means."""

    name: str
    read_by: str
    meaning: str


_REGISTER = "`sorobanflow blocks`"
_STATUS = "`sorobanflow status`"

VARIABLES = (
    Variable(
        "SOROBANFLOW_RPC_URL",
        f"{_REGISTER}, {_STATUS}",
        "`url` of the block `stellar-rpc`",
    ),
    Variable(
        "SOROBANFLOW_RPC_HEADERS",
        f"{_REGISTER}, {_STATUS}",
        "`headers` of the block `stellar-rpc`, a JSON object of names and values",
    ),
    Variable(
        "SOROBANFLOW_DATABASE_URL",
        f"{_REGISTER}, {_STATUS}",
        "`url` of the block `sorobanflow-database`",
    ),
    Variable(
        "SOROBANFLOW_LAKE_URL",
        _REGISTER,
        "`url` of the block `data-lake`; empty: none is saved",
    ),
    Variable(
        "SOROBANFLOW_PROFILE",
        _REGISTER,
        "a profile: `development`, `production` or `high-load`",
    ),
    Variable(
        "SOROBANFLOW_BLOCK",
        _REGISTER,
        "name of the saved blocks; empty: `default`",
    ),
    Variable(
        "SOROBANFLOW_OWNER_URL",
        "`sorobanflow migrate`",
        "libpq URL of the tables' owner, if the block's user may not change tables",
    ),
    Variable(
        "SOROBANFLOW_NOTIFY_URL",
        "`sorobanflow alerts`",
        'webhook that gets a POST of `{"text": "…"}` when runs go wrong; a secret',
    ),
    Variable(
        "SOROBANFLOW_METRICS_DIR",
        "flows, `sorobanflow worker`, `sorobanflow metrics`",
        "folder for the counters of runs, see [metrics](metrics.md); empty: runs count nothing, "
        "and the server serves its own folder",
    ),
    Variable(
        "SOROBANFLOW_TEST_DATA",
        "`make test`, `make bench`",
        "folder with `recordings/` and `corpus/`; empty: `../shared`",
    ),
)

MAKE_VARIABLES = (
    Variable("RPC_URL", "`make run`", "URL of a node; empty: the devnet"),
    Variable("DATABASE_URL", "`make run`", "libpq URL of a database; empty: the embedded one"),
    Variable("RECORDING", "`make run`", "file of recorded ledgers to use instead of a node"),
    Variable("LAKE", "`make run`", "folder or URL of a data lake to use instead of a node"),
    Variable(
        "START",
        "`make run`",
        "first ledger: a number; of a node or recording also `oldest` or `latest`",
    ),
    Variable(
        "END",
        "`make run`",
        "last ledger of a data lake; `START` and `END` may be empty if it is a folder",
    ),
    Variable("FOLLOW", "`make run`", "seconds to follow the tip; empty: 2 with the devnet, else 0"),
    Variable(
        "UI_PORT", "`make run`, `make ui`, `sorobanflow`", "port of the Prefect server; empty: 4200"
    ),
    Variable("METRICS_PORT", "`make run`", "port of the metrics; empty: any free port"),
    Variable("DB", "`make psql`", "database of the embedded PostgreSQL; empty: `devnet`"),
    Variable("SQL", "`make psql`", "statement to run instead of opening a prompt"),
    Variable(
        "PREFECT_API_URL", "all programs", "address of a Prefect server; Prefect's own variable"
    ),
    Variable(
        "PREFECT_API_AUTH_STRING",
        "all programs",
        "`user:password` of that server, if it has one; Prefect's own variable",
    ),
    Variable("DO_NOT_TRACK", "all programs", "`1`, unless you set `0`: Prefect reports no usage"),
)
