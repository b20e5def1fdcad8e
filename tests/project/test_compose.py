"""deployments/compose.yaml and what it mounts, without a container engine.

Files exist, options are known, health checks can fail, secrets stay where they are
needed; and the databases, roles and tables are made on a real server.
"""

import io
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from prefect.cli._app import _app as prefect_command
from psycopg.conninfo import make_conninfo
from rich.console import Console

from deployments.command_line import app
from sorobanflow.devnet import Chain, DevnetServer
from sorobanflow.ledgers import LedgerRange
from sorobanflow.sources.rpc.client import RpcClient
from sorobanflow.store.coverage import read_coverage
from sorobanflow.store.embedded import EmbeddedPostgres
from sorobanflow.store.engine import open_engine
from sorobanflow.store.pool import PoolSettings
from tests.integration.index_all import index_all
from tests.ledgers import generated

ROOT = Path(__file__).parents[2]
HERE = ROOT / "deployments"
TEXT = (HERE / "compose.yaml").read_text()
COMPOSE: dict[str, Any] = yaml.safe_load(TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
ONCE = {name for name, one in SERVICES.items() if one["restart"] == "no"}
LASTING = sorted(SERVICES.keys() - ONCE)
CHECKS: dict[str, list[str]] = {name: SERVICES[name]["healthcheck"]["test"] for name in LASTING}
IN_PYTHON = [name for name in LASTING if CHECKS[name][1:3] == ["python", "-c"]]
DOCKERFILE = re.sub(r"\\\n", " ", (HERE / "Dockerfile").read_text())
PASSWORDS = [f"{whose}_DB_PASSWORD" for whose in ("PREFECT", "OWNER", "INDEXER", "READER")]
SETTINGS = PoolSettings(max_idle=1, max_open=2)


def _instructions(name: str) -> list[str]:
    return re.findall(rf"^{name} +(.*)", DOCKERFILE, re.MULTILINE)


def _used(value: object) -> set[str]:
    """Variables of the user's environment that a part of the file takes."""
    return set(re.findall(r"\$\{(\w+)", str(value)))


def _volumes(service: dict[str, Any]) -> list[str]:
    return list(service.get("volumes", []))


def _help(command: list[str]) -> str:
    environment = os.environ | {"COLUMNS": "200", "NO_COLOR": "1"}
    done = subprocess.run(
        [*command, "--help"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout


def _prefect_help(command: list[str]) -> str:
    """Give the same of Prefect's command line, here: a process would import Prefect, 4 s of CPU."""
    console = Console(file=io.StringIO(), width=200)
    with pytest.raises(SystemExit, match=r"^0$"):
        prefect_command([*command, "--help"], console=console)
    return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def test_mounted_files_exist_and_volumes_are_declared() -> None:
    sources = {volume.split(":")[0] for one in SERVICES.values() for volume in _volumes(one)}
    files = {source for source in sources if source.startswith(".")}
    assert [file for file in files if not (HERE / file).exists()] == []
    assert sources - files == set(COMPOSE["volumes"])


def test_environment_is_documented_and_nothing_needed_has_a_default() -> None:
    example = (HERE / ".env.example").read_text()
    assert set(re.findall(r"^(\w+)=", example, re.MULTILINE)) == _used(TEXT)
    secrets = re.findall(r"^(\w*(?:PASSWORD|KEY|URL))=(.*)", example, re.MULTILINE)
    assert [name for name, value in secrets if value] == []
    optional = set(re.findall(r"\$\{(\w+)(?!\w*:\?)", TEXT))
    assert optional == {"SOROBANFLOW_RPC_HEADERS", "SOROBANFLOW_LAKE_URL"}


def test_each_secret_is_known_where_it_is_needed_only() -> None:
    known = {
        variable: {name for name, one in SERVICES.items() if variable in _used(one)}
        for variable in _used(TEXT)
        if not variable.startswith(("SOROBANFLOW_PROFILE", "WORKER_"))
    }
    assert known == {
        "POSTGRES_PASSWORD": {"postgres"},
        "PREFECT_DB_PASSWORD": {"postgres", "server"},
        "OWNER_DB_PASSWORD": {"postgres", "migrate", "roles"},
        "INDEXER_DB_PASSWORD": {"postgres", "setup"},
        "READER_DB_PASSWORD": {"postgres", "grafana"},
        "PREFECT_PASSWORD": {"server", "setup", "worker", "metrics"},
        "PREFECT_ENCRYPTION_KEY": {"server"},
        "GRAFANA_PASSWORD": {"grafana"},
        "SOROBANFLOW_RPC_URL": {"setup"},
        "SOROBANFLOW_RPC_HEADERS": {"setup"},
        "SOROBANFLOW_LAKE_URL": {"setup"},
    }


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_service_has_few_rights_and_is_seen_from_this_machine_only(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert str(service.get("user", "")).split(":")[0] not in ("0", "root")
    assert [port for port in service.get("ports", []) if not port.startswith("127.0.0.1:")] == []


def test_image_is_not_roots_and_made_of_the_constraints() -> None:
    assert _instructions("USER") == ["10001:10001"]
    assert DOCKERFILE.index("\nFROM ${BASE}\n") < DOCKERFILE.index("\nUSER ")
    (install,) = [line for line in _instructions("RUN") if "pip --python" in line]
    assert "--only-binary :all: --constraint constraints.txt" in install
    (check,) = re.findall(r"CMD (\[.*)", _instructions("HEALTHCHECK")[0])
    assert ["CMD", *yaml.safe_load(check)] == CHECKS["worker"]
    (command,) = _instructions("CMD")
    assert set(yaml.safe_load(command)) - {"--pool", "local", "--type", "process"} < set(
        SERVICES["worker"]["command"]
    )


def test_copied_files_exist_and_are_not_ignored() -> None:
    copied = [
        source
        for line in _instructions("COPY")
        if not line.startswith("--from")
        for source in line.split()[:-1]
    ]
    rules = (ROOT / ".dockerignore").read_text().split("\n")
    assert [source for source in copied if not (ROOT / source).exists()] == []
    assert {rule[1:] for rule in rules if rule.startswith("!")} == set(copied)
    assert rules[1] == "*"
    assert "**/.env*" in rules


@pytest.mark.parametrize(
    ("name", "words"), [("server", 3), ("worker", 3), ("metrics", 4), ("devnet", 3)]
)
def test_options_are_known(name: str, words: int) -> None:
    command = [sys.executable if word == "python" else word for word in SERVICES[name]["command"]]
    is_of_prefect = command[0] == "prefect"
    said = _prefect_help(command[1:words]) if is_of_prefect else _help(command[:words])
    wanted = {word.split("=")[0] for word in command[words:] if word.startswith("--")}
    assert wanted
    assert [option for option in wanted if not re.search(rf"{option}\b", said)] == []


def test_options_of_postgresql_are_known(postgres: EmbeddedPostgres) -> None:
    with psycopg.connect(postgres.url) as connection:
        known = {name for (name,) in connection.execute("SELECT name FROM pg_settings")}
    options = re.findall(r"--(\w+)=", " ".join(SERVICES["postgres"]["command"]))
    assert len(options) == len(SERVICES["postgres"]["command"]) - 1
    assert set(options) - known == set()
    for tool, command in (
        ("psql", SERVICES["roles"]["command"]),
        ("pg_isready", CHECKS["postgres"][1:]),
    ):
        said = _help([str(EmbeddedPostgres.psql_path().with_name(tool))])
        assert command[0] == tool
        assert [word for word in command[1:] if word.split("=")[0] not in said] == []


def test_commands_of_the_setup_exist() -> None:
    script = SERVICES["setup"]["command"][-1]
    subprocess.run(["sh", "-n", "-c", script], check=True)
    commands = re.findall(r"python -m sorobanflow (\w+)", script)
    assert commands
    assert [command for command in commands if command not in app] == []


def test_order_of_the_start_ends_with_workers_on_tables_that_have_their_roles() -> None:
    waits = {
        name: {other: how["condition"] for other, how in one.get("depends_on", {}).items()}
        for name, one in SERVICES.items()
    }
    done, healthy = "service_completed_successfully", "service_healthy"
    assert waits["worker"] == waits["metrics"] == {"setup": done}
    assert waits["setup"] == {"server": healthy, "roles": done}
    assert waits["roles"] == {"migrate": done}
    assert waits["server"] == waits["migrate"] == {"postgres": healthy}
    assert {name for conditions in waits.values() for name, how in conditions.items()
            if how == done} == ONCE  # fmt: skip


@contextmanager
def _answering(status: int) -> Iterator[int]:
    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


def _check(name: str, port: int) -> int:
    code, changed = re.subn(r"(?<=127\.0\.0\.1)(:|', )\d+", rf"\g<1>{port}", CHECKS[name][3])
    assert changed == 1
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    return done.returncode


@pytest.mark.parametrize("name", IN_PYTHON)
def test_health_check_fails_where_nobody_answers(name: str) -> None:
    with _answering(200) as port:
        assert _check(name, port) == 0
    assert _check(name, port) != 0


@pytest.mark.parametrize("name", ["server", "worker", "metrics"])
def test_health_check_fails_where_the_answer_is_no(name: str) -> None:
    with _answering(503) as port:
        assert _check(name, port) != 0


def test_health_checks_ask_the_port_of_the_command() -> None:
    asked = {name: re.findall(r"127\.0\.0\.1(?::|', )(\d+)", str(CHECKS[name])) for name in LASTING}
    for name in ("server", "metrics", "devnet"):
        command = SERVICES[name]["command"]
        assert asked[name] == [command[command.index("--port") + 1]]
    for name in ("server", "prometheus", "grafana"):
        assert SERVICES[name]["ports"] == [f"127.0.0.1:{asked[name][0]}:{asked[name][0]}"]


def test_prometheus_and_grafana_find_what_they_are_told() -> None:
    prometheus = yaml.safe_load((HERE / "prometheus" / "prometheus.yml").read_text())
    (job,) = prometheus["scrape_configs"]
    command = SERVICES["metrics"]["command"]
    assert job["static_configs"] == [{"targets": [f"metrics:{command[-1]}"]}]
    for file in prometheus["rule_files"]:
        assert yaml.safe_load((HERE / "prometheus" / file).read_text())["groups"]
    provisioning = HERE / "grafana" / "provisioning"
    sources = yaml.safe_load((provisioning / "datasources" / "sorobanflow.yaml").read_text())
    assert [source["url"] for source in sources["datasources"]] == [
        "http://prometheus:9090",
        "postgres:5432",
    ]
    password = sources["datasources"][1]["secureJsonData"]["password"]
    assert password.removeprefix("$") in SERVICES["grafana"]["environment"]
    dashboards = yaml.safe_load((provisioning / "dashboards" / "sorobanflow.yaml").read_text())
    (provider,) = dashboards["providers"]
    assert f":{provider['options']['path']}/" in " ".join(_volumes(SERVICES["grafana"]))


@pytest.fixture
def initialised(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    """A server of its own, as a new volume is filled: the roles are the whole server's."""
    with EmbeddedPostgres(tmp_path / "postgres") as server:
        given = {name: f"{name.lower()}'s" for name in PASSWORDS}
        for wrong in ({**given, PASSWORDS[-1]: ""}, {name: given[name] for name in PASSWORDS[:-1]}):
            with pytest.raises(subprocess.CalledProcessError):  # and nothing is made yet
                _psql(server.url, "postgres-init.sql", os.environ | wrong)
        _psql(server.url, "postgres-init.sql", os.environ | given)
        yield server


def _psql(url: str, file: str, environment: dict[str, str]) -> None:
    command = [str(EmbeddedPostgres.psql_path()), "-v", "ON_ERROR_STOP=1", "-f", str(HERE / file)]
    subprocess.run([*command, url], env=environment, check=True, capture_output=True)


def _refusal(url: str, statement: str) -> str | None:
    try:
        with psycopg.connect(url) as connection:
            connection.execute(statement)
    except psycopg.Error as error:
        return error.sqlstate or str(error)
    return None


def test_database_is_made_and_each_login_does_its_part(initialised: EmbeddedPostgres) -> None:
    def url(user: str, database: str = "stellar") -> str:
        return make_conninfo(initialised.url_of(database), user=user)

    command = [sys.executable, *SERVICES["migrate"]["command"][1:]]
    environment = os.environ | {"SOROBANFLOW_OWNER_URL": url("sorobanflow")}
    subprocess.run(command, cwd=ROOT, env=environment, check=True, capture_output=True)
    _psql(url("sorobanflow"), "roles.sql", dict(os.environ))
    with (
        DevnetServer(Chain(generated(), closed=3)) as node,
        RpcClient(node.url) as client,
        open_engine(url("indexer"), SETTINGS) as engine,
    ):
        index_all(client, engine, LedgerRange(1, 3))
        assert read_coverage(engine, "all").covered == ((1, 3),)
    # The embedded server asks for no password, so that they are set is looked up.
    with psycopg.connect(initialised.url) as connection:
        logins = connection.execute(
            "SELECT rolname FROM pg_authid WHERE rolcanlogin AND NOT rolsuper "
            "AND rolpassword LIKE 'SCRAM-SHA-256$%' ORDER BY 1"
        ).fetchall()
    assert logins == [("indexer",), ("prefect",), ("reader",), ("sorobanflow",)]
    assert _refusal(url("reader"), "SELECT count(*) FROM transfers") is None
    assert _refusal(url("reader"), "DELETE FROM gaps") == "42501"
    assert _refusal(url("indexer"), "ALTER TABLE events ADD COLUMN mine int") == "42501"
    assert _refusal(url("prefect", "prefect"), "CREATE TABLE theirs (id int)") is None
    for user, database in (("prefect", "stellar"), ("indexer", "prefect"), ("reader", "prefect")):
        assert "permission denied" in str(_refusal(url(user, database), "SELECT 1"))
