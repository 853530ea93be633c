"""What no file of ours does, by its syntax tree: whatever it is called by there."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
# Whoever imports one of these can run what somebody else wrote.
MODULES = frozenset(
    {"pickle", "cPickle", "dill", "marshal", "shelve", "yaml", "code", "codeop", "ctypes", "pty"}
)
# By these names text becomes a program, or a program of another kind is started.
CALLS = frozenset(
    {
        *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "subprocess.getoutput"),
        *("subprocess.getstatusoutput", "asyncio.create_subprocess_shell", "os.spawnl", "os.execv"),
        *("create_subprocess_shell", "loop.subprocess_shell", "importlib.reload"),
    }
)
STARTS = frozenset({"subprocess.Popen", "subprocess.run", "asyncio.create_subprocess_exec"})
# The two that start our own exchange, with our own interpreter.
STARTERS = {"arbit/app/watch/child.py", "arbit/cli/sandbox.py"}


@functools.cache
def nodes_by_file() -> dict[str, list[ast.AST]]:
    """Every file's nodes of the kinds that are looked at, read once."""
    kinds = (ast.Import, ast.ImportFrom, ast.Call, ast.Name)
    return {
        path.relative_to(ROOT).as_posix(): [
            node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, kinds)
        ]
        for folder in ("arbit", "migrations")
        for path in sorted((ROOT / folder).rglob("*.py"))
    }


def faults(nodes: Iterable[ast.AST]) -> Iterator[str]:
    """Each thing among them that must not be."""
    for node in nodes:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from (f"imports {one}" for one in imported(node) if one in MODULES)
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name in CALLS:
                yield f"calls {name}"
            for keyword in node.keywords:
                off = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                if keyword.arg == "shell" and not off:
                    yield f"{name} with a shell"
        elif isinstance(node, ast.Name) and node.id in {"eval", "exec", "__import__"}:
            yield f"names {node.id}"


def imported(node: ast.Import | ast.ImportFrom) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name.split(".")[0] for alias in node.names)
    elif not node.level:
        yield (node.module or "").split(".")[0]


def test_no_text_becomes_a_program_and_nothing_is_unpickled_or_given_to_a_shell() -> None:
    found = {name: [*faults(nodes)] for name, nodes in nodes_by_file().items()}
    assert len(found) > 300
    assert {name: what for name, what in found.items() if what} == {}


def test_only_our_own_exchange_is_started() -> None:
    starters = {
        name
        for name, nodes in nodes_by_file().items()
        for node in nodes
        if isinstance(node, ast.Call) and ast.unparse(node.func) in STARTS
    }
    assert starters == STARTERS


@pytest.mark.parametrize(
    "planted",
    [
        "import pickle",
        "from pickle import loads as safe",
        "import yaml",
        "eval(text)",
        "run = eval",
        "builtin = exec",
        "os.system('ls')",
        "subprocess.run('ls', shell=True)",
        "Popen(words, shell=wanted)",
        "asyncio.create_subprocess_shell('ls')",
    ],
)
def test_a_planted_one_is_found(planted: str) -> None:
    assert [*faults(ast.walk(ast.parse(planted)))]
