"""Rules of the house that no linter has."""

from __future__ import annotations

import ast
import functools
import re
import runpy
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from arbit.risk.states_docs import page

ROOT = Path(__file__).parents[2]
MAX_FUNCTION_LINES = 60
MAX_FILE_LINES = 400

# Where waiting is allowed. The ports only sign for it; of the sandbox only its faces wait.
ASYNC_ROOMS = (
    *("app/", "clock.py", "ports.py", "telemetry/", "tape/", "venues/", "persistence/", "wallet/"),
)
# Of execution what performs; what decides there (steps, unwind, cycle, settling) never waits.
ASYNC_EXECUTION = (
    *("asking.py", "audit.py", "counting.py", "engine.py", "fee_watch.py", "homing.py"),
    *("opening.py", "recovery.py", "sending.py", "setup.py"),
)
ASYNC_SANDBOX = (
    *("__main__.py", "control.py", "server.py", "session.py"),
    *("order_faults.py", "sockets.py", "kraken/face.py", "kraken/private.py"),
    *("alpaca/face.py", "alpaca/gate.py"),
)
NOT_AT_TOP = {"fcntl", "uvloop"}  # fitness runs on Windows and macOS too


def modules(folder: str = "arbit") -> list[Path]:
    return sorted((ROOT / folder).rglob("*.py"))


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"), filename=str(path))


@functools.cache
def nodes(path: Path) -> list[ast.AST]:
    """Every node of a file: many rules look at all of them."""
    return list(ast.walk(parsed(path)))


def imports_of(nodes: list[ast.AST]) -> Iterator[str]:
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def at_import(tree: ast.AST) -> Iterator[ast.AST]:
    """Every node that runs when the module is imported: all but the bodies of functions."""
    for node in ast.iter_child_nodes(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield node
            yield from at_import(node)


def waits(tree: ast.Module) -> bool:
    kinds = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    return any(isinstance(node, kinds) for node in ast.walk(tree))


def test_only_the_edges_wait() -> None:
    allowed = (
        *(f"arbit/{room}" for room in ASYNC_ROOMS),
        *(f"arbit/sandbox/{name}" for name in ASYNC_SANDBOX),
        *(f"arbit/execution/{name}" for name in ASYNC_EXECUTION),
    )
    waiting = [name_of(path) for path in modules() if waits(parsed(path))]
    assert [name for name in waiting if not name.startswith(allowed)] == []
    assert "arbit/clock.py" in waiting


def test_functions_are_short_enough_to_read() -> None:
    long = [
        f"{name_of(path)}:{node.name} has {length} lines"
        for path in [*modules(), *modules("tests")]
        for node in nodes(path)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or node.lineno) - node.lineno + 1) > MAX_FUNCTION_LINES
    ]
    assert long == []


def test_files_are_short_enough_to_read() -> None:
    lengths = {
        name_of(path): len(path.read_text("utf-8").splitlines())
        for path in [*modules(), *modules("tests")]
    }
    assert {name: lines for name, lines in lengths.items() if lines > MAX_FILE_LINES} == {}


def test_only_the_command_line_loads_settings() -> None:
    callers = {
        name_of(path)
        for path in modules()
        for node in nodes(path)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in {"Settings", "load_settings"}
    }
    assert [name for name in callers if not name.startswith(("arbit/cli/", "arbit/config/"))] == []
    assert any(name.startswith("arbit/cli/") for name in callers)


def test_only_the_settings_read_the_environment() -> None:
    readers = {
        name_of(path)
        for path in modules()
        for node in nodes(path)
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"}
    }
    assert readers == {"arbit/config/load.py", "arbit/config/childs.py"}


def test_the_sandbox_shares_no_code_with_the_daemon() -> None:
    sandbox = modules("arbit/sandbox")
    assert sandbox
    for path in sandbox:
        for name in imports_of(nodes(path)):
            ours = name.split(".")[0] == "arbit"
            assert not ours or name.startswith("arbit.sandbox"), f"{name_of(path)} imports {name}"


@pytest.mark.parametrize("path", modules(), ids=name_of)
def test_nothing_that_windows_lacks_is_needed_to_import(path: Path) -> None:
    nodes = list(at_import(parsed(path)))
    assert not NOT_AT_TOP & {name.split(".")[0] for name in imports_of(nodes)}
    assert not [n for n in nodes if isinstance(n, ast.Attribute) and n.attr == "AF_UNIX"]


def test_the_command_line_starts_without_what_only_some_commands_need() -> None:
    code = "import sys, arbit.cli; print(*sorted(m for m in sys.modules if '.' not in m))"
    run = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    loaded = set(run.stdout.split())
    assert "typer" in loaded
    assert not loaded & {"ccxt", "aiohttp", "picows", "prometheus_client", "uvloop"}


def test_every_exemption_says_why() -> None:
    exemption = re.compile(
        r"#\s*(type: ignore|noqa|pragma: no cover|fmt: off)(\[[\w, -]+\]|: [\w, ]+?\d+)?(.*)"
    )
    bare = [
        f"{name_of(path)}:{number}: {line.strip()}"
        for path in [*modules(), *modules("tests")]
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if (found := exemption.search(line)) and len(found[3].strip(" #-:")) < 8
    ]
    assert [line for line in bare if "test_architecture.py" not in line] == []


def tracked() -> list[Path]:
    run = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if run.returncode:
        pytest.skip("not a git checkout")
    return [ROOT / name for name in run.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_machine() -> None:
    places = ("work", "root", "home", "Users", "opt", "mnt")
    machine = re.compile(rf"(?<![\w.)}}*/-])/({'|'.join(places)})/\w")
    for path in tracked():
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
            assert not machine.search(line), f"{name_of(path)}:{number}: {line.strip()}"


def test_the_readme_has_one_line_to_run_and_one_line_to_test() -> None:
    lines = (ROOT / "README.md").read_text("utf-8").splitlines()
    commands = [line for line in lines if line.startswith("python3 -m venv ")]
    assert len(commands) == 2
    assert commands[0].endswith(".venv/bin/arbit fitness --simulate --secs 20")
    assert commands[1].endswith(".venv/bin/pytest -q")
    for command in commands:
        assert "--require-hashes" in command
        lock = re.search(r"-r (\S+)", command)
        assert lock
        assert (ROOT / lock[1]).is_file()


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_the_locks_pin_everything_by_hash_and_name_no_index(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")
    assert "://" not in text
    assert "index-url" not in text
    pins = re.findall(r"^[a-z0-9][\w.,\[\]-]*==\S+.*\\\n    --hash=sha256:", text, re.MULTILINE)
    names = re.findall(r"^[a-z0-9][\w.,\[\]-]*==", text, re.MULTILINE)
    assert len(pins) == len(names) >= 30


def test_the_locks_agree_on_what_runs() -> None:
    pins = [
        set(
            re.findall(
                r"^([a-z0-9][\w.,\[\]-]*==[^\s;]+)", (ROOT / name).read_text("utf-8"), re.MULTILINE
            )
        )
        for name in ("requirements.lock", "requirements-dev.lock")
    ]
    assert pins[0] < pins[1]


def calls_of(name: str) -> list[str]:
    return [
        name_of(path)
        for path in modules()
        for node in nodes(path)
        if isinstance(node, ast.Call)
        and (
            (isinstance(node.func, ast.Name) and node.func.id == name)
            or (isinstance(node.func, ast.Attribute) and node.func.attr == name)
        )
    ]


ENVELOPE = {"Approved", "Allowance"}
OF_AN_ENVELOPE = {"allowances", "loss_budget", "expires_ns", "max_qty", "worst_price"}


def makes_an_envelope(tree: ast.Module) -> bool:
    """By its name, by another name for it, or by changing one that was made."""
    names = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name in ENVELOPE
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Name | ast.Attribute):
            held = node.value
            if (held.id if isinstance(held, ast.Name) else held.attr) in names | ENVELOPE:
                return True
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else ""
        called = node.func.id if isinstance(node.func, ast.Name) else called
        changes = {one.arg for one in node.keywords} & OF_AN_ENVELOPE
        if called in names | ENVELOPE or (called == "replace" and changes):
            return True
    return False


def test_an_envelope_is_made_by_the_gate_alone() -> None:
    makers = [name_of(path) for path in modules() if makes_an_envelope(parsed(path))]
    assert makers == ["arbit/risk/gate.py"]


@pytest.mark.parametrize(
    "planted",
    [
        "from arbit.risk.envelope import Approved\nApproved('c', p, (), b, 0)",
        "from arbit.risk.envelope import Approved as A\nA('c', p, (), b, 0)",
        "from arbit.risk import envelope\nenvelope.Approved('c', p, (), b, 0)",
        "from arbit.risk import envelope\nmade = envelope.Allowance\nmade('s', x, y, z)",
        "wider = replace(work.envelope, expires_ns=late)",
        "wider = dataclasses.replace(one, max_qty=more)",
    ],
)
def test_an_envelope_made_elsewhere_would_be_found(planted: str) -> None:
    assert makes_an_envelope(ast.parse(planted))


def sends(tree: ast.Module) -> list[str]:
    """Every `send` that is named, by what it is a part of."""
    return [
        ast.unparse(node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and node.attr == "send"
    ]


def test_no_other_room_than_the_venues_names_a_send_beside_the_one() -> None:
    """Whatever it is called from: a gateway under another name would be found too."""
    found = {
        name_of(path): sends(parsed(path))
        for path in modules()
        if not name_of(path).startswith(("arbit/venues/", "arbit/sandbox/"))
    }
    assert {name: what for name, what in found.items() if what} == {
        "arbit/execution/engine.py": ["self._sender.send"],
        "arbit/execution/homing.py": ["self._sender.send"],
        "arbit/execution/sending.py": ["self._setup.gateway.send"],
    }
    assert not [name for name in calls_of("getattr") if name.startswith("arbit/execution/")]


def test_an_order_is_sent_from_one_place_right_after_it_was_cleared() -> None:
    """The engine's one call of a gateway's `send` stands behind `clear`, in one function's turn."""
    senders = [
        name_of(path)
        for path in modules("arbit/execution")
        for node in nodes(path)
        if isinstance(node, ast.Attribute)
        and node.attr == "send"
        and isinstance(node.value, ast.Attribute)
        and node.value.attr == "gateway"
    ]
    assert senders == ["arbit/execution/sending.py"]
    tree = parsed(ROOT / "arbit/execution/sending.py")
    bodies = {
        node.name: [n.attr for n in ast.walk(node) if isinstance(n, ast.Attribute)]
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    (leaves,) = [
        name
        for name, attributes in bodies.items()
        if "gateway" in attributes and "send" in attributes
    ]
    (clears,) = [name for name, attributes in bodies.items() if "clear" in attributes]
    assert leaves in bodies[clears]
    assert [name for name, attributes in bodies.items() if leaves in attributes] == [clears]
    waits_in = [n for n in ast.walk(tree) if isinstance(n, ast.AsyncFunctionDef)]
    assert {clears, leaves}.isdisjoint({node.name for node in waits_in}), "one synchronous turn"


def test_the_states_page_is_what_the_tables_say() -> None:
    assert (ROOT / "docs" / "states.md").read_text("utf-8") == page()


def test_the_command_that_the_states_page_names_writes_that_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(ROOT / "arbit" / "risk" / "states_docs.py"), run_name="__main__")
    assert (tmp_path / "docs" / "states.md").read_bytes() == page().encode()
