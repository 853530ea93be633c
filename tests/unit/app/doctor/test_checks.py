"""Each look of the doctor by itself, where no machine can be made to be like that."""

from __future__ import annotations

import importlib.util
import shutil
import socket
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from arbit.app.doctor import addresses, files, machine, network, packages, ports, run, stores
from arbit.app.doctor.report import Ask, Finding, Found, Report, Verdict, fails
from arbit.app.door.overview import Past, Silent
from arbit.app.door.status import StatusTold
from arbit.config import Settings, load_settings
from arbit.domain.errors import BrokenRule, UserError
from arbit.domain.past import PastRun
from tests.unit.venues.virtual import VirtualClock

Patch = pytest.MonkeyPatch
NOW_NS = 1_790_000_000 * 10**9


class Day(VirtualClock):
    """A clock with a date."""

    def wall_ns(self) -> int:
        return NOW_NS + self.monotonic_ns()


def ask(settings: Settings | None = None, **more: Any) -> Ask:
    return Ask(settings, (), more.pop("clock", Day()), **more)


def settings_of(folder: Path, **said: str) -> Settings:
    return load_settings(None, {"ARBIT_DATA_DIR": str(folder), **said})


def one(found: Iterable[Found]) -> Found:
    (only,) = found
    return only


def test_every_check_has_a_name_and_a_verb() -> None:
    names = [check.name for check in run.CHECKS]
    assert len(names) == len(set(names))
    assert all(
        check.look.__name__.startswith("check_") and check.look.__doc__ for check in run.CHECKS
    )


def test_what_is_wrong_has_a_fix_or_is_a_bug(monkeypatch: Patch) -> None:
    monkeypatch.setattr(run, "CHECKS", (run.Check("x", lambda _: [fails("bad", "")], False),))
    with pytest.raises(BrokenRule, match="not what mends it"):
        run.examine(ask())


@pytest.mark.parametrize("error", [UserError("no"), OSError(5, "Input/output error")])
def test_a_look_that_cannot_be_had_is_a_finding(monkeypatch: Patch, error: Exception) -> None:
    def look(_: Ask) -> Iterable[Found]:
        raise error

    monkeypatch.setattr(run, "CHECKS", (run.Check("x", look, False),))
    report = run.examine(ask())
    assert (report.findings[0].verdict, report.ok) == (Verdict.FAIL, False)


def test_the_last_line_counts(monkeypatch: Patch) -> None:
    good = Finding("a", Verdict.PASS, "fine", "")
    assert Report((good,)).words == "well: 1 pass"
    assert Report((good, Finding("b", Verdict.WARN, "so", "do"))).words == "well: 1 pass, 1 warn"
    bad = Report((good, Finding("b", Verdict.FAIL, "no", "do", "kraken")))
    assert (bad.words, bad.findings[1].name) == ("NOT WELL: 1 pass, 1 fail", "b kraken")


@pytest.mark.parametrize(
    ("version", "verdict"),
    [((3, 10), "fail"), ((3, 11), "pass"), ((3, 13), "pass"), ((3, 14), "warn")],
)
def test_python_is_of_a_version_that_is_tested(
    monkeypatch: Patch, version: tuple[int, int], verdict: str
) -> None:
    monkeypatch.setattr(sys, "version_info", version)
    assert one(machine.check_python(ask())).verdict == verdict


def test_windows_is_told_what_it_lacks(monkeypatch: Patch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    assert one(machine.check_system(ask())).verdict is Verdict.WARN


def test_the_standard_loop_is_slower(monkeypatch: Patch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert "uvloop" in one(machine.check_loop(ask())).fix


@pytest.mark.parametrize(
    ("found", "spec", "fits"),
    [
        ("3.14.0", ">=3.14,<4", True),
        ("3.13.9", ">=3.14,<4", False),
        ("4.0", ">=3.14,<4", False),
        ("4.5.90", "==4.5.90", True),
        ("4.5.91", "==4.5.90", False),
        ("26.1", ">=26.1", True),
        ("1.2.0b1", ">=1.2", True),
        ("1.2", "<=1.2.0", True),
        ("1.2", ">1.2", False),
        ("anything", "", True),
    ],
)
def test_a_version_is_within_its_bounds(found: str, spec: str, fits: bool) -> None:
    assert packages.fits(found, spec) is fits


def test_extras_and_other_systems_packages_are_not_asked_for(monkeypatch: Patch) -> None:
    lines = [
        "aiohttp<4,>=3.14",
        'asyncpg<1,>=0.32; extra == "postgres"',
        'uvloop<1,>=0.22; sys_platform != "win32"',
        "SQLAlchemy[asyncio]<3,>=2.1",
    ]
    monkeypatch.setattr(packages, "requires", lambda _: lines)
    assert packages.wanted() == {
        "aiohttp": "<4,>=3.14",
        "uvloop": "<1,>=0.22",
        "sqlalchemy": "<3,>=2.1",
    }
    monkeypatch.setattr(sys, "platform", "win32")
    assert "uvloop" not in (packages.wanted() or {})


def test_without_metadata_and_lock_there_is_nothing_to_compare(
    monkeypatch: Patch, tmp_path: Path
) -> None:
    def gone(_: str) -> None:
        raise PackageNotFoundError

    monkeypatch.setattr(packages, "requires", gone)
    assert packages.locked_versions(tmp_path / "none") == {}
    monkeypatch.setattr(packages, "locked_versions", dict)
    assert one(machine.check_packages(ask())).verdict is Verdict.SKIPPED
    assert packages.there("no-such-package-anywhere") == ""


@pytest.mark.parametrize(("step_ns", "verdict"), [(0, "pass"), (10**9, "warn")])
def test_a_wall_clock_that_jumps_is_seen(step_ns: int, verdict: str) -> None:
    class Jumpy(Day):
        looks = 0

        def wall_ns(self) -> int:
            self.looks += 1
            return NOW_NS + self.looks * step_ns

    assert one(machine.check_clocks(ask(clock=Jumpy()))).verdict == verdict


def test_a_monotonic_clock_that_runs_backwards_is_seen() -> None:
    class Backwards(Day):
        at = 10**12

        def monotonic_ns(self) -> int:
            self.at -= 1
            return self.at

        def wall_ns(self) -> int:
            return NOW_NS

    assert "backwards" in one(machine.check_clocks(ask(clock=Backwards()))).seen


def test_a_slow_disk_is_told(tmp_path: Path) -> None:
    class Slow(Day):
        def monotonic_ns(self) -> int:
            self.now_ns = getattr(self, "now_ns", 0) + 2 * 10**9
            return int(self.now_ns)

    found = list(files.check_disk(ask(settings_of(tmp_path), clock=Slow())))
    assert "local disk" in found[0].fix


def _free(monkeypatch: Patch, free: int) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=free))


def test_a_disk_with_little_room_is_told(tmp_path: Path, monkeypatch: Patch) -> None:
    _free(monkeypatch, 100 << 20)
    assert list(files.check_disk(ask(settings_of(tmp_path))))[1].verdict is Verdict.WARN


def test_a_log_for_which_the_disk_has_no_room_is_told(tmp_path: Path, monkeypatch: Patch) -> None:
    _free(monkeypatch, 1 << 20)
    assert "lower ARBIT_LOG__FILES" in one(files.check_log(ask(settings_of(tmp_path)))).fix
    off = settings_of(tmp_path, ARBIT_LOG__FILE="false")
    assert one(files.check_log(ask(off))).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        ("Read-only file system", "mount it for writing"),
        ("No space left on device", "the disk is full"),
        ("Disk quota exceeded", "the disk is full"),
        ("Permission denied", "chmod 700"),
    ],
)
def test_what_keeps_a_disk_from_being_written_has_its_own_fix(words: str, fix: str) -> None:
    assert files._mend(OSError(1, words), Path("here")).startswith(fix)


def test_an_old_copy_of_the_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "arbit.db").touch()
    copy = tmp_path / "arbit.db.backup-0001-0007"
    copy.touch()
    assert one(stores.check_backup(ask(settings_of(tmp_path)))).verdict is Verdict.PASS
    late = Day()
    late.wall_ns = lambda: copy.stat().st_mtime_ns + 40 * 86_400 * 10**9  # type: ignore[method-assign]  # a later day
    assert one(stores.check_backup(ask(settings_of(tmp_path), clock=late))).fix == "arbit db backup"


def _told(**more: Any) -> StatusTold:
    return StatusTold("kraken", "kraken:live:1", "live", synthetic=False, breaker="active", **more)


REAL = "--i-accept-real-orders"  # without it another account is recovered: the paper one


def on_paper(past: Past) -> Past:
    return replace(past, account="kraken:paper")


def _past(breaker: str = "active", *, held: int = 0, open_cycles: int = 0) -> Past:
    last = PastRun(
        account="kraken:live:1",
        command="live",
        version="0",
        started_ns=1,
        ended_ns=2,
        how="clean",
        cycles={"held": held} if held else {},
        conversions={},
        orders=0,
        open_cycles=open_cycles,
        breaker="",
        incidents=(),
    )
    return Past("kraken:live:1", last, breaker=breaker, breaker_why="why")


@pytest.mark.parametrize(
    ("told", "verdict", "fix"),
    [
        (_told(), "pass", ""),
        (_told(held=["one"]), "fail", "arbit why kraken"),
        (Silent("kraken:live:1", "process 1", "hung"), "warn", "arbit status"),
        (_past(), "pass", ""),
        (_past(held=2), "fail", "arbit report --account kraken:live:1"),
        (_past(open_cycles=1), "warn", f"arbit live --venue kraken {REAL} --recover-only"),
        (on_paper(_past(open_cycles=1)), "warn", "arbit live --venue kraken --recover-only"),
        (_past("reducing"), "warn", "arbit why kraken"),
        (_past("halted"), "fail", "look into why, then: arbit resume kraken"),
    ],
)
def test_the_state_trading_was_left_in_is_told(told: Any, verdict: str, fix: str) -> None:
    first = next(iter(stores._account(told)))
    assert (first.verdict, first.fix[: len(fix)]) == (verdict, fix)


def test_a_kill_file_elsewhere_is_named(tmp_path: Path) -> None:
    file = tmp_path / "elsewhere"
    file.touch()
    data = tmp_path / "data"
    data.mkdir()
    found = list(
        stores.check_switches(ask(settings_of(data, ARBIT_RISK__KILL_SWITCH_FILE=str(file))))
    )
    assert found[0].fix == f"remove {file}"


def test_addresses_are_looked_at_and_not_asked(tmp_path: Path, monkeypatch: Patch) -> None:
    hook = "https://hooks.example.com/1"
    settings = settings_of(tmp_path, ARBIT_ALERTS__WEBHOOK_URL=hook)
    assert "not contacted" in one(addresses.check_alerts(ask(settings))).seen
    settings = settings_of(tmp_path, ARBIT_ALERTS__DISCORD_URL=hook)
    found = one(addresses.check_alerts(ask(settings)))
    assert "ARBIT_ALERTS__WEBHOOK_URL" in found.fix
    assert "hooks" not in found.seen + found.fix
    bad = {"ARBIT_ALERTS__WEBHOOK_URL": hook, "ARBIT_ALERTS__CA_FILE": str(tmp_path / "none.pem")}
    assert one(addresses.check_alerts(ask(settings_of(tmp_path, **bad)))).verdict is Verdict.FAIL


def test_a_node_needs_what_reads_a_chain(tmp_path: Path, monkeypatch: Patch) -> None:
    said = {
        "ARBIT_WALLET__RPC_URL": "http://127.0.0.1:8545",
        "ARBIT_WALLET__ADDRESSES": "0x" + "ab" * 20,
    }
    settings = settings_of(tmp_path, **said)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    assert one(addresses.check_chain(ask(settings))).fix.endswith("'arbit[wallet]'")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: object())
    assert one(addresses.check_chain(ask(settings))).seen.startswith("127.0.0.1")


def test_a_system_without_unix_sockets_has_no_door(tmp_path: Path, monkeypatch: Patch) -> None:
    monkeypatch.delattr(socket, "AF_UNIX")
    assert one(ports.check_door(ask(settings_of(tmp_path)))).verdict is Verdict.SKIPPED


def test_only_what_somebody_spoke_of_is_configured(tmp_path: Path) -> None:
    def names(venue: str = "", **said: str) -> list[str]:
        return [one.name for one in network.configured(settings_of(tmp_path, **said), venue)]

    assert names() == []
    assert names("kraken") == ["kraken"]
    assert names(ARBIT_DEFAULT_VENUES="kraken,bitstamp") == ["kraken", "bitstamp"]
    assert names(ARBIT_VENUES__KRAKEN__TAKER_FEE_BPS="26") == ["kraken"]
    assert names(ARBIT_VENUES__SANDBOX__TAKER_FEE_BPS="26") == []  # it has no address
    assert names("sandbox") == []


@pytest.mark.parametrize(
    ("why", "fix"),
    [
        ("our clock is 9 s behind the venue's", "set the clock"),
        ("the API key may withdraw", "make a key there without the right to withdraw"),
        ("or vouch for it by name in X", "make a key without it, or vouch for it in"),
        ("the API key may not query", "correct the key's permissions there"),
    ],
)
def test_what_is_wrong_with_a_key_has_its_own_fix(why: str, fix: str) -> None:
    assert network._mended(why, "kraken").startswith(fix)


def test_no_room_for_the_self_test_is_told(monkeypatch: Patch) -> None:
    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(run, "known_answers", full)
    found = one(run.check_itself(ask()))
    assert (found.verdict, found.fix) == (
        Verdict.FAIL,
        "set TMPDIR to a folder that can be written",
    )


@pytest.mark.parametrize("look", [check.look for check in run.CHECKS if check.settings])
def test_without_settings_a_look_that_needs_them_says_nothing(
    look: Callable[[Ask], Iterable[Found]],
) -> None:
    assert list(look(ask())) == []
