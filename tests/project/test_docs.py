"""The documents: generated ones are current; links, paths and commands exist.

`test_readme` runs the README's commands, `test_analysis` runs the script. Here SQL is run
on nearly empty tables, and back-up and restore are run. For other commands the test checks
what can be wrong: module, file, option, parameter, target.
"""

import importlib.util
import os
import re
import shlex
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from prefect.flows import Flow, load_flow_from_entrypoint
from sqlalchemy import Engine

from deployments.command_line import app
from docs.generator.configuration import configuration_page
from docs.generator.environment import MAKE_VARIABLES, VARIABLES
from docs.generator.tables import tables_page
from sorobanflow import errors
from sorobanflow.ledgers import LedgerRange
from sorobanflow.pipeline.summary import RunSummary, sections
from sorobanflow.sources.rpc.stats import RpcStats
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import pool_of
from sorobanflow.store.tables import metadata

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
OTHERS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")
PAGES = sorted([*DOCS.glob("*.md"), *(ROOT / name for name in OTHERS)])
OPERATIONS = (DOCS / "operations.md").read_text()

FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
PATH = re.compile(r"`((?:benchmarks|blocks|deployments|docs|flows|src|tasks|tests)/[\w/.-]+)`")
CORE_PATH = re.compile(r"`((?:audit|decode|pipeline|rows|sources|store)/[\w/]+\.py)`")
#: Files that the reader creates.
NOT_HERE = {"deployments/.env"}
SOURCES = ("blocks", "deployments", "flows", "src", "tasks", "tests/conftest.py")

#: Variables of other programs, set for processes that are started, or read by tests.
OF_OTHERS = {"PREFECT_HOME", "PREFECT_PROFILE", "PROMETHEUS_MULTIPROC_DIR"}

#: Other programs, whose commands are not checked; `dc` is an alias of docker compose.
SYSTEM = (
    "alias", "cd", "cp", "createdb", "curl", "dc", "docker", "export", "git", "openssl", "pg_dump",
    "pg_restore",
)  # fmt: skip


def fences(language: str, *pages: Path) -> Iterator[str]:
    for page in pages:
        yield from (text for kind, text in FENCE.findall(page.read_text()) if kind == language)


def commands(*pages: Path) -> list[str]:
    text = "".join(fences("sh", *pages)).replace("\\\n", " ")
    return [line.strip() for line in text.splitlines() if line.strip() and line[0] != "#"]


COMMANDS = commands(*(page for page in PAGES if page.name != "README.md"))


@pytest.mark.parametrize("page", ["tables.md", "configuration.md"])
def test_generated_page_is_current(page: str, engine: Engine) -> None:
    wanted = tables_page(engine) if page == "tables.md" else configuration_page()
    assert (DOCS / page).read_text() == wanted, "run `python -m docs.generator`"


def test_every_table_is_described() -> None:
    headings = HEADING.findall((DOCS / "tables.md").read_text())
    assert set(metadata.tables) <= set(headings)


def test_every_variable_is_described() -> None:
    files = [file for name in SOURCES for file in [ROOT / name, *(ROOT / name).rglob("*.py")]]
    text = "".join(file.read_text() for file in files if file.is_file())
    read = set(re.findall(r"SOROBANFLOW_[A-Z]\w+", text))
    read |= set(re.findall(r"os\.environ(?:\.get\(|\[)\"(\w+)\"", text))
    described = {one.name for one in (*VARIABLES, *MAKE_VARIABLES)}
    assert read - described == OF_OTHERS
    assert {one.name for one in VARIABLES} <= read


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    broken = [
        link
        for link in LINK.findall(page.read_text())
        if not link.startswith(("http://", "https://")) and not _leads_somewhere(page, link)
    ]
    assert broken == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paths_exist(page: Path) -> None:
    text = page.read_text()
    named = set(PATH.findall(text)) - NOT_HERE
    named |= {f"src/sorobanflow/{path}" for path in CORE_PATH.findall(text)}
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def _leads_somewhere(page: Path, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    if not target.exists():
        return False
    anchors = [
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in HEADING.findall(target.read_text() if target.suffix == ".md" else "")
    ]
    return not anchor or anchor in anchors


@pytest.mark.parametrize("command", COMMANDS)
def test_command_is_one_that_exists(command: str) -> None:
    words = [
        word
        for word in shlex.split(command, comments=True)
        if not re.fullmatch(r"[A-Z_]+=.*", word)
    ]
    program = Path(words[0]).name
    assert program in {*CHECKS, *SYSTEM}, f"no test knows the program of: {command}"
    if program in CHECKS:
        CHECKS[program](words[1:])


def _python(words: list[str]) -> None:
    if words[0] != "-m":
        assert (ROOT / words[0]).is_file()
        return
    found = importlib.util.find_spec(words[1])
    assert found is not None
    assert found.origin is not None
    source = "".join(file.read_text() for file in Path(found.origin).parent.glob("*.py"))
    own = words[2 : words.index("--")] if "--" in words else words[2:]
    unknown = [word for word in own if word.startswith("--") and f'"{word}"' not in source]
    assert unknown == []


def _sorobanflow(words: list[str]) -> None:
    """Parse the arguments; those that are handed on are checked by `_python`."""
    if words[0] == "devnet":
        _python(["-m", "sorobanflow.devnet", *words[1:]])
    else:
        app.parse_args(words, exit_on_error=False, print_error=False)


def _parameters(flow: Flow[..., Any], arguments: list[str]) -> None:
    names = [argument.partition("=")[0] for argument in arguments if "=" in argument]
    assert set(names) <= set(flow.parameters.properties)


def _make(words: list[str]) -> None:
    makefile = (ROOT / "Makefile").read_text()
    assert [word for word in words if not re.search(rf"^{word}:", makefile, re.MULTILINE)] == []


def _prefect(words: list[str]) -> None:
    if words[:2] == ["deployment", "run"]:
        deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
        (one,) = [one for one in deployments if words[2] == f"{one['name']}/{one['name']}"]
        _parameters(load_flow_from_entrypoint(one["entrypoint"]), words[3:])


def _psql(words: list[str]) -> None:
    files = [words[index + 1] for index, word in enumerate(words) if word == "-f"]
    assert [file for file in files if not (ROOT / file).is_file()] == []


def _of_environment(words: list[str]) -> None:
    missing = [word for word in words if "/" in word and not (ROOT / word).exists()]
    assert missing == []


CHECKS: dict[str, Callable[[list[str]], None]] = {
    "make": _make,
    "pip": _of_environment,
    "pre-commit": _of_environment,
    "prefect": _prefect,
    "psql": _psql,
    "pytest": _of_environment,
    "python": _python,
    "ruff": _of_environment,
    "sorobanflow": _sorobanflow,
}


def test_statements_run(engine: Engine) -> None:
    statements = list(fences("sql", *PAGES))
    assert statements
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO ledgers VALUES (1, now(), 0, 0)")
        for statement in statements:
            connection.exec_driver_sql(statement.replace("%", "%%"))


def test_back_up_and_restore(
    engine: Engine,
    database_url: str,
    postgres: EmbeddedPostgres,
    tmp_path: Path,
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO network (passphrase) VALUES ('a network')")
    lines = [line for line in commands(DOCS / "operations.md") if line.split()[0] in SYSTEM]
    assert len(lines) == 3
    host = psycopg.conninfo.conninfo_to_dict(postgres.url)["host"]
    tools = max(EmbeddedPostgres.psql_path().parents[2].glob("pginstall*/bin"))  # the server's
    environment = os.environ | {
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PGHOST": str(host),
        "PGUSER": "postgres",
        "SOROBANFLOW_DATABASE_URL": database_url,
    }
    try:
        for line in lines:
            subprocess.run(["bash", "-c", line], cwd=tmp_path, env=environment, check=True)
        with psycopg.connect(postgres.url_of("restored")) as connection:
            rows = connection.execute("SELECT passphrase FROM network").fetchall()
        assert rows == [("a network",)]
    finally:
        with psycopg.connect(postgres.url, autocommit=True) as connection:
            connection.execute("DROP DATABASE IF EXISTS restored")


def test_every_error_has_a_remedy() -> None:
    classes = [one for one in vars(errors).values() if isinstance(one, type)]
    leaves = [one.__name__ for one in classes if one.__module__ == errors.__name__]
    groups = {"SorobanflowError", "RetriableError", "EndpointError", "FatalError", "DataError"}
    assert [name for name in leaves if name not in groups and f"`{name}`" not in OPERATIONS] == []


def test_every_alert_is_explained() -> None:
    rules = yaml.safe_load((ROOT / "deployments/prometheus/alerts.yaml").read_text())
    alerts = [rule["alert"] for group in rules["groups"] for rule in group["rules"]]
    assert [alert for alert in alerts if f"`{alert}`" not in OPERATIONS] == []


def test_every_line_of_a_summary_is_explained(engine: Engine) -> None:
    summary = RunSummary(
        RpcStats(), finished=True, batch_sizes=[1000], pool=pool_of(engine).stats()
    )
    summary.gaps = [LedgerRange(1, 2)]
    labels = [name for _, lines in sections(summary.table()) for name, _ in lines]
    assert [label for label in labels if f"`{label}`" not in OPERATIONS] == []
