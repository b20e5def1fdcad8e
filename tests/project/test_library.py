"""The wheel: its metadata asks for what it imports, and it works where only it is installed."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from sorobanflow import library
from sorobanflow.devnet import write_lake
from sorobanflow.errors import ConfigurationError
from sorobanflow.extras import require
from sorobanflow.ledgers import LedgerRange
from tests.ledgers import generated

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/library.md").read_text()
EXAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
DISTRIBUTIONS = packages_distributions()
OURS = {"sorobanflow", "flows", "tasks", "blocks", "deployments"}
#: Asked for without being imported: what Prefect's server needs held back.
HELD_BACK = {"fastapi"}
#: What needs an extra, in the wheel.
OF_EXTRAS = {"embedded": ("store/embedded.py",), "export": ("archive", "export")}
UV = Path(sys.executable).with_name("uv")

#: Imports every module of the package, and prints those that say which extra they need.
IMPORT_ALL = """
import importlib, pkgutil, sorobanflow
from sorobanflow.errors import ConfigurationError
def refused(package):
    for one in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if one.name.endswith((".__main__", ".migrations")):
            continue
        try:
            module = importlib.import_module(one.name)
        except ConfigurationError as error:
            print(one.name, str(error).rpartition(" ")[2])
        else:
            if one.ispkg:
                refused(module)
refused(sorobanflow)
"""


def _names(requirements: Iterable[str]) -> set[str]:
    return {re.split(r"[\s\[<>=~!]", one)[0].lower() for one in requirements}


def _imports(*files: Path) -> set[str]:
    """Give the distributions that the modules of files and folders import."""
    modules = [module for file in files for one in _modules(file) for module in _imported(one)]
    names = {module.partition(".")[0] for module in modules}
    return {
        DISTRIBUTIONS[name][0].lower().replace("_", "-")
        for name in names - OURS - sys.stdlib_module_names
    }


def _modules(path: Path) -> Iterable[Path]:
    return path.rglob("*.py") if path.is_dir() else [path]


def _imported(module: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def test_metadata_asks_for_what_is_imported() -> None:
    core = ROOT / "src/sorobanflow"
    special = {core / path for paths in OF_EXTRAS.values() for path in paths}
    plain = [one for one in core.rglob("*.py") if not special & {one, *one.parents}]
    needed = _names(PROJECT["dependencies"])
    assert _imports(*plain) == needed
    for extra, paths in OF_EXTRAS.items():
        assert _imports(*(core / path for path in paths)) - needed == _names(EXTRAS[extra])
    folders = [ROOT / name for name in ("blocks", "tasks", "flows", "deployments")]
    assert _imports(*folders) - needed == _names(EXTRAS["flows"]) - HELD_BACK
    assert EXTRAS["all"] == ["sorobanflow[embedded,export,flows]"]


def test_missing_package_names_its_extra() -> None:
    require("export", "pandas")
    with pytest.raises(ConfigurationError, match=r"^no_such_package .* 'sorobanflow\[export\]'$"):
        require("export", "pandas", "no_such_package")


def test_surface_is_described_and_typed() -> None:
    names = PAGE[PAGE.index("## The names") :]
    assert [name for name in library.__all__ if f"`{name}`" not in names] == []
    assert (ROOT / "src/sorobanflow/py.typed").is_file()


@pytest.fixture(scope="module")
def clean_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the wheel and what its metadata asks for, and no more."""
    if not UV.exists():
        pytest.skip(f"there is no {UV}")
    folder = tmp_path_factory.mktemp("wheel")
    python = folder / "env/bin/python"
    _uv("build", "--wheel", "--out-dir", str(folder), str(ROOT))
    _uv("venv", "--python", sys.executable, str(folder / "env"))
    (wheel,) = folder.glob("*.whl")
    constraints = str(ROOT / "constraints.txt")
    into = ("--python", str(python), "--constraint", constraints)
    _uv("pip", "install", *into, str(wheel))
    return python


def _uv(*arguments: str) -> None:
    """Run uv with what its cache holds."""
    command = [str(UV), *arguments, "--offline", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if "network was disabled" in done.stderr:
        pytest.skip(f"uv's cache lacks a package: {done.stderr[-300:]}")
    assert done.returncode == 0, done.stderr


def _printed(python: Path, code: str, folder: Path) -> list[str]:
    """Run code with a Python in a folder, away from this checkout."""
    environment = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    done = subprocess.run(
        [str(python), "-c", code],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.usefixtures("new_database")
def test_examples_run_where_only_the_wheel_is_installed(
    clean_python: Path, database_url: str, tmp_path: Path
) -> None:
    write_lake(generated(), tmp_path / "lake", LedgerRange(1, 10))
    code = "".join(EXAMPLES).replace("postgresql://me@db.example.org/stellar", database_url)
    lines = _printed(clean_python, code, tmp_path)
    assert len(lines) > 100
    assert re.match(r"2 C[A-Z2-7]{55} \[", lines[0])
    assert lines[-7:-1] == [f"{ledger} 0" for ledger in range(3, 9)]
    assert lines[-1] == "2-10"  # no ledger before 2 can be had whole


def test_command_of_the_wheel_says_where_it_is(clean_python: Path, tmp_path: Path) -> None:
    command = [str(clean_python.with_name("sorobanflow")), "index"]
    done = subprocess.run(
        command, cwd=tmp_path, env={}, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert re.fullmatch(r"error: .* clone the repository, and run `make` there\n", done.stderr)


@pytest.mark.long
def test_every_module_imports_or_names_its_extra(clean_python: Path, tmp_path: Path) -> None:
    assert _printed(clean_python, IMPORT_ALL, tmp_path) == [
        "sorobanflow.archive 'sorobanflow[export]'",
        "sorobanflow.export 'sorobanflow[export]'",
        "sorobanflow.store.embedded 'sorobanflow[embedded]'",
    ]
