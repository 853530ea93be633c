"""Runs each mutant in a process forked from one that has everything imported but what changes.

The parent of a module's mutants has imported the libraries, and every module of ours that its
tests use and that does not itself use the module. A fork then imports the mutant in its place,
its dependents and the tests, and runs them until the first that fails. Nothing is written to the
source: what is on disk is always the original. The original itself is run in the same way, before
the mutants and after them, and must pass both times.

No clock of the machine's kills: pytest's timeout and hypothesis' check for slow data are off, a
mutant's time is counted in seconds of its own processor, and one that ran out of it has to do so
twice.
"""

from __future__ import annotations

import ast
import contextlib
import gc
import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import io
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.mutation.witness import SURVIVED, TIMEOUT, Seen, Witness, read, verdict

ROOT = Path(__file__).parents[2]
PROFILE = "mutation"
MEMORY = 4 << 30  # bytes of address space: a mutant that only grows ends as an error of its own
LEAST_S = 5.0  # so much of a processor a mutant may always use
TIMES = 10.0  # and so many times what the original used
IDLE = 8.0  # it may wait this many times longer: others use the machine too
_PYTEST = ("-n", "0", "-q", "-p", "no:cacheprovider", "--tb=no", "--assert=plain")
_ON = ("--continue-on-collection-errors", "--timeout=0")


class Nursery:
    """A module and its tests. One use per process: what it imports stays imported."""

    def __init__(self, path: str, tests: Sequence[str]) -> None:
        self._name = _module(Path(path))
        self._file = ROOT / path
        self._tests = list(tests)
        self._limit_s = 120.0
        self._passing: frozenset[str] = frozenset()
        self._cache = tempfile.mkdtemp(prefix="mutation-")

    def prepare(self) -> float:
        """Import what may be shared; the processor seconds the tests take on the original."""
        os.environ.pop("PYTEST_ADDOPTS", None)  # a caller's: coverage would erase its data
        settings.register_profile(
            PROFILE,
            derandomize=True,
            deadline=None,
            database=None,
            max_examples=25,
            phases=(Phase.explicit, Phase.generate),  # what fails need not be made small
            suppress_health_check=[HealthCheck.too_slow],  # by a wall clock
        )
        for name in shareable(self._name, self._tests):
            importlib.import_module(name)
        with contextlib.redirect_stdout(io.StringIO()):  # pytest's own plugins, too
            pytest.main([*_PYTEST, "--markers"])
        # What a fork compiles it keeps for the next one, and not beside the sources.
        sys.dont_write_bytecode, sys.pycache_prefix = False, self._cache
        gc.collect()
        gc.freeze()
        if self._name in sys.modules:
            raise SystemExit(f"{self._name} is imported already: no mutant would take its place")
        self.original()  # nothing is compiled yet
        before_s = used_s(alone=True)
        self._passing = frozenset(self.original().passed)
        took_s = used_s(alone=True) - before_s
        self._limit_s = max(LEAST_S, TIMES * took_s)
        return took_s

    def original(self) -> Seen:
        """Run the module as it is, the way a mutant is run. SystemExit unless all tests pass."""
        seen, late = self._fork(self._file.read_text("utf-8"), show=False)
        passing = self._passing or frozenset(seen.passed if seen else ())
        if late or verdict(seen, passing) != SURVIVED or seen is None:
            raise SystemExit(f"{self._name}: its tests fail on the original ({late} {seen})")
        return seen

    def close(self) -> None:
        """Leave nothing behind."""
        shutil.rmtree(self._cache, ignore_errors=True)

    def run(self, source: str, *, show: bool = False) -> tuple[str, str]:
        """What became of this source, in a word of `witness`, and the test that noticed."""
        for _ in range(2):
            seen, late = self._fork(source, show=show)
            if not late:
                return verdict(seen, self._passing), seen.failed if seen else ""
        return TIMEOUT, ""

    def _fork(self, source: str, *, show: bool) -> tuple[Seen | None, bool]:
        """What a fork with this source has seen, and whether it ran out of time."""
        scratch = tempfile.mkdtemp(prefix="mutant-")
        child = os.fork()
        if not child:
            self._be(source, scratch, show=show)
        try:
            late = _is_late(child, IDLE * self._limit_s)
            return read(Path(scratch, "seen")), late
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _be(self, source: str, scratch: str, *, show: bool) -> None:
        """In the fork: take the module's place and run its tests. Never returns."""
        code = 3
        try:
            os.setpgid(0, 0)
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
            most_s = int(self._limit_s) + 1
            resource.setrlimit(resource.RLIMIT_CPU, (most_s, most_s))
            tempfile.tempdir = scratch
            if not show:
                nowhere = os.open(os.devnull, os.O_RDWR)
                for one in (0, 1, 2):
                    os.dup2(nowhere, one)
            instead, witness = _Instead(self._name, self._file, source), Witness()
            sys.meta_path.insert(0, instead)
            chosen = [f"--basetemp={scratch}/pytest", f"--hypothesis-profile={PROFILE}"]
            asked = [*_PYTEST, *_ON, *chosen, *self._tests]
            code = int(pytest.main(asked, plugins=[witness]))
            witness.seen.born = instead.is_done
            witness.seen.write(Path(scratch, "seen"))
        except BaseException:  # noqa: BLE001  whatever it is, this process ends here
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os._exit(code)


def used_s(*, alone: bool) -> float:
    """The processor seconds of all forks that have ended, `alone` or with their parent's."""
    whose = (
        (resource.RUSAGE_CHILDREN,) if alone else (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)
    )
    used = [resource.getrusage(one) for one in whose]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _is_late(child: int, limit_s: float) -> bool:
    """Wait for the fork; it and all it started are ended when its time is over.

    Only our own waiting counts: a machine that was frozen meanwhile makes nobody late.
    """
    pause_s, waited_s = 0.002, 0.0
    while waited_s < limit_s:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            # The kernel's word when the processor time was up.
            return os.waitstatus_to_exitcode(status) == -signal.SIGKILL
        time.sleep(pause_s)
        waited_s += pause_s
        pause_s = min(0.02, pause_s * 1.5)
    os.killpg(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


class _Instead(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds one module, and gives it another source."""

    def __init__(self, name: str, file: Path, source: str) -> None:
        self._name, self._file, self._source = name, file, source
        self.is_done = False  # imported, to its last line

    def find_spec(
        self, name: str, path: Any = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        """Only for that one."""
        if name != self._name:
            return None
        return importlib.util.spec_from_file_location(name, self._file, loader=_Source(self))

    def code(self) -> Any:
        """The mutant, compiled under the name of the original."""
        return compile(self._source, str(self._file), "exec", dont_inherit=True)


class _Source(importlib.abc.Loader):
    def __init__(self, finder: _Instead) -> None:
        self._finder = finder

    def exec_module(self, module: Any) -> None:
        """Run the mutant's own text."""
        exec(self._finder.code(), module.__dict__)  # noqa: S102  our own source, bent by us
        self._finder.is_done = True


# --- what may be imported before -----------------------------------------------------------------


def shareable(name: str, tests: Sequence[str]) -> list[str]:
    """What the tests import, at any depth, and what does not itself import module `name`."""
    imports = _imports(tests)
    tainted = {name}
    while True:
        more = {one for one, uses in imports.items() if uses & tainted} - tainted
        if not more:
            break
        tainted |= more
    # A package is imported with any of its modules.
    shared = [one for one in imports if one not in tainted and not _is_test(one)]
    return sorted(one for one in shared if _file_of(one) is not None)


def reached(tests: Sequence[str]) -> set[Path]:
    """Every file of ours that the tests import, at any depth, and they themselves."""
    files = {_file_of(one) for one in _imports(tests)}
    return {ROOT / "tests" / "conftest.py", *(file for file in files if file is not None)}


def _imports(tests: Sequence[str]) -> dict[str, set[str]]:
    """Of each module that the tests reach, what it imports of ours."""
    found: dict[str, set[str]] = {}
    waiting = [_module(Path(one)) for one in tests]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found[one] = set(_imported(one))
            waiting += found[one]
    return found


def _is_test(name: str) -> bool:
    return name.split(".", maxsplit=1)[0] == "tests"


def _module(path: Path) -> str:
    return ".".join(path.with_suffix("").parts).removesuffix(".__init__")


def _file_of(name: str) -> Path | None:
    """Where a module of ours is; None for anybody else's."""
    if name.split(".", maxsplit=1)[0] not in {"arbit", "tests"}:
        return None
    place = ROOT.joinpath(*name.split("."))
    for file in (place.with_suffix(".py"), place / "__init__.py"):
        if file.is_file():
            return file
    return None


def _imported(name: str) -> Iterator[str]:
    """The modules of ours that one imports, and the packages around them."""
    file = _file_of(name)
    if file is None:
        return
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for one in names:
            parts = one.split(".")
            around = (".".join(parts[:end]) for end in range(1, len(parts) + 1))
            yield from (each for each in around if _file_of(each) is not None)
