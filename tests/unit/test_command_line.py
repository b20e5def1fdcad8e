"""The command `sorobanflow`: wrong input is one line that helps, and help imports little."""

import os
import shlex
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest

from deployments.command_line import FLOWS, app, main
from flows.harness.home import ROOT, enter_home, with_paths_of_here
from flows.parameters.reading import parameter_schemas
from sorobanflow.__main__ import main as script

A = "a" * 64
CONTRACT = "CCW67TSZV3SSS2HXMBQ5JFGCKJNXKZM7UQUWUZPUTHXSTZLEO7SJMI75"
LEDGER = "expected a whole number from 1 to 2,147,483,647"
ANCHOR = (
    "expected a ledger and the hash of its header, 64 lower-case hex digits, such as 51000294:5f3c…"
)
COMMANDS = ", ".join(name for name in app if not name.startswith("-"))

#: What is typed after `sorobanflow`, and the whole of what it says.
WRONG = [
    ("indx", "there is no command 'indx'; did you mean index?"),
    ("frobnicate", f"there is no command 'frobnicate'; the commands are {COMMANDS}"),
    ("--folow", f"there is no command '--folow'; the commands are {COMMANDS}"),
    ("index --folow-s 30", "there is no option --folow-s; did you mean --follow-s?"),
    ("index --xyz", "there is no option --xyz; see `sorobanflow index --help`"),
    ("index 51200000", "unexpected argument '51200000'; see `sorobanflow index --help`"),
    ("index --follow-s", "--follow-s needs a value; see `sorobanflow index --help`"),
    ("index --start-ledger 0", f"--start-ledger '0': {LEDGER}, oldest or latest"),
    ("index --start-ledger 1.5", f"--start-ledger '1.5': {LEDGER}, oldest or latest"),
    (
        "index --start-ledger oldes",
        f"--start-ledger 'oldes': {LEDGER}, oldest or latest; did you mean oldest?",
    ),
    ("index --follow-s soon", "--follow-s 'soon': expected a number from 0 to 86,400"),
    ("index --stall-s 1", "--stall-s '1': expected a number from 5 to 86,400"),
    ("index --max-workers 500", "--max-workers '500': expected a whole number from 1 to 100"),
    ("index --source rcp", "--source 'rcp': expected rpc or ledgers; did you mean rpc?"),
    (
        "index --contract-ids CABC",
        "not a contract id: 'CABC'; expected C and 55 of A-Z and 2-7",
    ),
    (
        f"index --contract-ids {CONTRACT[:-1]}6",
        f"not an address: '{CONTRACT[:-1]}6'; its checksum is wrong, so a letter of it is",
    ),
    (
        "index --contract-ids " + " ".join(f"C{letter * 55}" for letter in "ABCDEF"),
        "the filter has 6 contracts and 0 topics; the node accepts up to 5 and 5",
    ),
    ("index --topics transfer", "--topics 'transfer': expected a JSON list such as [[\"*\"]]"),
    (
        """index --topics '[["pool.swap"]]'""",
        "not a topic segment: 'pool.swap'; expected a symbol of up to 32 letters, digits and '_', "
        "an address, the base64 XDR of an ScVal, '*', or '**' at the end",
    ),
    ("backfill", "--start-ledger is missing; see `sorobanflow backfill --help`"),
    ("backfill 5", "--end-ledger is missing; see `sorobanflow backfill --help`"),
    ("backfill 5 x", f"--end-ledger 'x': {LEDGER}"),
    ("backfill 5 3", "start_ledger 5 is above end_ledger 3; swap them"),
    ("backfill 5 9 --anchor 7", f"anchor '7' is not valid; {ANCHOR}"),
    (
        f"backfill 5 9 --anchor 12:{A}",
        "the anchor's ledger 12 is not in the range 5-9; give the hash of one of its ledgers, "
        "best of the last: it vouches for all before it",
    ),
    (
        "backfill 5 9 --force --fan-out deployments",
        "force works with fan_out 'here' only; leave one of them out",
    ),
    (
        "backfill 5 9 --fan-out dask",
        "--fan-out 'dask': expected here or deployments; see `sorobanflow backfill --help`",
    ),
    (
        "audit --repair=maybe",
        "--repair 'maybe': expected true or false; see `sorobanflow audit --help`",
    ),
    ("audit --sample some", "--sample 'some': expected a whole number of at least 0 or all"),
    (
        f"audit --lake default --contract-ids {CONTRACT}",
        "a lake repairs the stream of everything only; leave one out",
    ),
    ("export", "--table is missing; see `sorobanflow export --help`"),
    (
        "export events --format parkett",
        "--format 'parkett': expected parquet or csv; did you mean parquet?",
    ),
    (
        "export events --first-ledger 9 --last-ledger 5",
        "first_ledger 9 is above last_ledger 5; swap them",
    ),
    (
        "export events --rows-per-file 10",
        "--rows-per-file '10': expected a whole number of at least 1,000",
    ),
    ("ui --port 70000", "--port 70000: expected a port, 1 to 65535; see `sorobanflow ui --help`"),
    (
        "worker --port 99999",
        "--port 99999: expected a port, 1 to 65535, or 0 for a free one; "
        "see `sorobanflow worker --help`",
    ),
    ("worker --prot 1", "there is no option --prot; did you mean --port?"),
    ("metrics 9464", "unexpected argument '9464'; see `sorobanflow metrics --help`"),
    ("ui --port x", "--port 'x': expected a whole number; see `sorobanflow ui --help`"),
    ("contract add", "CONTRACT_ID is missing; see `sorobanflow contract add --help`"),
    (
        "contract add CABC --name dex",
        "not a contract id: 'CABC'; expected C and 55 of A-Z and 2-7",
    ),
    (
        f"contract add {CONTRACT} --name Dex",
        "'Dex' cannot be the name of a schema; expected up to 63 of a-z, 0-9 and _, not beginning "
        "with a digit or pg_, and no reserved word",
    ),
    ("contract lst", "there is no command 'lst'; did you mean list?"),
    ("streams forget", "NAME is missing; see `sorobanflow streams forget --help`"),
    ("streams forget all --dry", "there is no option --dry; did you mean --dry-run?"),
    ("streams forgett", "unexpected argument 'forgett'; see `sorobanflow streams --help`"),
    (
        "migrate sideways",
        "DIRECTION 'sideways': expected upgrade or downgrade; see `sorobanflow migrate --help`",
    ),
]


HIDDEN = "(the rest is not shown: it may hold a secret)"
HTTP = f"expected an http or https URL with a host, such as https://host/path {HIDDEN}"
LIBPQ = (
    "expected postgresql://user@host:port/database, or a libpq string of key=value pairs " + HIDDEN
)

#: A variable of the environment, the commands that use it, and what they say.
WRONG_ADDRESSES = [
    ("RPC_URL=ftp://x/secret", "blocks deploy", f"begins with ftp://; {HTTP}"),
    ("RPC_URL=secret", "blocks deploy", f"has no scheme; {HTTP}"),
    ("RPC_URL=https://", "blocks", f"begins with https://, and nothing follows; {HTTP}"),
    ("RPC_HEADERS=secret", "blocks", "is not a JSON object of header names and values"),
    ("DATABASE_URL=mysql://secret", "blocks deploy", f"begins with mysql://; {LIBPQ}"),
    ("DATABASE_URL=secret", "blocks", f"has no scheme; {LIBPQ}"),
    (
        "LAKE_URL=ftp://secret",
        "blocks deploy",
        "begins with ftp://; expected a folder, or a URL with file, http, https, s3 or gs "
        + HIDDEN,
    ),
    ("LAKE_URL=http:///secret", "blocks", f"begins with http://; {HTTP}"),
    ("NOTIFY_URL=secret", "alerts", f"has no scheme; {HTTP}"),
    ("NOTIFY_URL=", "alerts", "is not set; set it to the webhook's address"),
]


@pytest.mark.parametrize(("given", "commands", "said"), WRONG_ADDRESSES)
def test_wrong_address_is_one_line_without_it_and_starts_nothing(
    given: str,
    commands: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    name, _, value = given.partition("=")
    monkeypatch.setenv(f"SOROBANFLOW_{name}", value)
    for command in commands.split():
        assert main([command]) == 2
        assert capsys.readouterr() == ("", f"error: SOROBANFLOW_{name} {said}\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("typed", "said"), WRONG, ids=[typed[:40] for typed, _ in WRONG])
def test_wrong_input_is_one_line_and_starts_nothing(
    typed: str,
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:1/api")
    assert main(shlex.split(typed)) == 2
    assert capsys.readouterr() == ("", f"error: {said}\n")
    assert list(tmp_path.iterdir()) == []


def test_every_flow_has_its_parameters_as_options(capsys: pytest.CaptureFixture[str]) -> None:
    for name, kind in FLOWS.items():
        assert main([name, "--help"]) == 0
        said = capsys.readouterr().out
        options = {"--" + field.replace("_", "-") for field in parameter_schemas(kind)}
        assert {option for option in options if f"{option} " not in said} == set()


@pytest.mark.parametrize("command", [name for name in app if not name.startswith("-")])
def test_help_of_every_command_starts_nothing(
    command: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    ends = pytest.raises(SystemExit, match=r"^0$") if command == "devnet" else nullcontext()
    with ends:
        assert main([command, "--help"]) == 0
    assert capsys.readouterr().out.lower().startswith("usage: ")
    assert list(tmp_path.iterdir()) == []


def test_wrong_input_of_the_devnet_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["devnet", "--port", "x"])
    said = "argument --port: invalid int value: 'x'; see `python -m sorobanflow.devnet --help`"
    assert (ended.value.code, capsys.readouterr().err) == (2, f"error: {said}\n")


def test_library_without_its_flows_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "deployments.command_line", None)
    assert script() == 2
    said = "sorobanflow is installed as a library, without its flows and its command"
    told = f"error: {said}; clone the repository, and run `make` there\n"
    assert capsys.readouterr().err == told


def test_commands_work_in_the_clone_from_a_folder_without_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert with_paths_of_here({"folder": Path("x"), "table": "y"})["folder"] == tmp_path / "x"
    enter_home()
    assert Path.cwd() == ROOT
    assert with_paths_of_here({"folder": Path("x")}) == {"folder": Path("x")}
    assert capsys.readouterr().err == f"using the data in {ROOT / '.sorobanflow'}\n"
    (tmp_path / ".sorobanflow").mkdir()
    monkeypatch.chdir(tmp_path)
    enter_home()
    assert (Path.cwd(), capsys.readouterr().err) == (tmp_path, "")


def test_help_and_wrong_input_import_no_heavy_module_in_any_encoding(tmp_path: Path) -> None:
    code = (
        "import sys; from deployments.command_line import main\n"
        "codes = [main(words.split()) for words in ('--help', 'index --help', 'backfill 5 3')]\n"
        "heavy = {'prefect', 'pandas', 'pyarrow', 'sqlalchemy', 'psycopg', 'stellar_sdk'}\n"
        "print(codes, sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONIOENCODING": "ascii", "LANG": "C"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[0, 0, 2] []"
