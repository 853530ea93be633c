"""Every exit code that is documented is produced by a test: here, or where its part is tested.

`ELSEWHERE` names those tests; a name that is not there, or a test that does not speak of its code,
fails here. A new command adds its rows.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NoReturn

import pytest

from arbit.app.alerts.alerts_test import Tried
from arbit.cli import main
from arbit.cli.exits import EVERYWHERE, WHEN, Code
from arbit.sandbox.keys import WITHDRAW_KEY, WITHDRAW_SECRET
from arbit.sandbox.server import SandboxServer
from tests.integration.cli_desk import Desk
from tests.integration.server_thread import at, served
from tests.integration.test_commands import BESIDE
from tests.integration.typing_in import Run, typing_in

ROOT = Path(__file__).parents[2]
NOWHERE = {
    "ARBIT_VENUES__SANDBOX__REST_URL": "http://127.0.0.1:1",
    "ARBIT_VENUES__SANDBOX__WS_URL": "ws://127.0.0.1:1",
}
THIEF = {
    "ARBIT_VENUES__SANDBOX__API_KEY": WITHDRAW_KEY,
    "ARBIT_VENUES__SANDBOX__API_SECRET": WITHDRAW_SECRET,
}
BOUND = {"ARBIT_INVENTORY__TARGETS": "BTC=0.1"}
UNTOLD = {"ARBIT_ALERTS__WEBHOOK_URL": "https://127.0.0.1:1/hook"}  # a private one is not gone to

# What is typed, and what is set beside the addresses of an exchange of our own.
HERE: Mapping[tuple[str, Code], tuple[list[str], Mapping[str, str]]] = {
    ("fitness", Code.OK): (["--secs", "0.1", "--json"], {}),
    ("live", Code.UNREACHABLE): (["--secs", "1", "--json"], NOWHERE),
    ("convert", Code.REFUSED): (["100", "USD", "ETH", "--max-cost-bps", "0"], {}),
    ("convert", Code.UNREACHABLE): (["100", "USD", "ETH"], NOWHERE),
    ("rebalance", Code.OK): (["--dry-run", "--json"], BOUND),
    ("rebalance", Code.REFUSED): (["--json"], BOUND | THIEF),
    ("rebalance", Code.UNREACHABLE): (["--json"], BOUND | NOWHERE),
    ("shadow", Code.OK): (["--venue", "sandbox"], {}),
    ("shadow", Code.REFUSED): (["--venue", "kraken"], {}),
    ("status", Code.FOUND): (["--data-dir", "."], {}),
    ("why", Code.FOUND): (["--data-dir", "."], {}),
    ("alerts:test", Code.UNREACHABLE): ([], UNTOLD),
}
_I = "tests/integration"
_CONTROL, _DB = f"{_I}/test_control_cli.py", f"{_I}/test_journal_cli.py"
_PLAN, _CONFIG, _KEYS = (f"{_I}/test_{name}_cli.py" for name in ("plan", "config", "keys_check"))
_ASKED, _REPORT = f"{_I}/test_asked_daemon.py", f"{_I}/test_report_cli.py"
_ONES = f"{_I}/test_fitness_processes.py"
_NOT_THERE = "test_a_venue_that_is_not_there_is_one_line_and_code_4"
ELSEWHERE: Mapping[tuple[str, Code], tuple[str, str]] = {
    ("fitness", Code.FOUND): (
        _ONES,
        "test_a_sandbox_that_dies_breaks_the_run_off_and_the_report_says_so",
    ),
    ("fitness", Code.UNREACHABLE): (
        f"{_I}/test_fitness_cli.py",
        "test_a_venue_that_nobody_answers_for_is_exit_code_4_and_one_line",
    ),
    ("markets", Code.OK): (_PLAN, "test_markets_have_their_limits_increments_and_both_fees"),
    ("triangles", Code.OK): (_PLAN, "test_triangles_have_their_hurdle_and_say_why_not"),
    ("plan", Code.OK): (_PLAN, "test_a_plan_uses_the_accounts_own_fees_and_volume"),
    ("markets", Code.UNREACHABLE): (_PLAN, _NOT_THERE),
    ("triangles", Code.UNREACHABLE): (_PLAN, _NOT_THERE),
    ("plan", Code.UNREACHABLE): (_PLAN, _NOT_THERE),
    ("live", Code.OK): (
        f"{_I}/test_live_cli.py",
        "test_cycles_complete_twice_in_one_folder_and_every_digit_agrees",
    ),
    ("live", Code.FOUND): (
        f"{_I}/test_two_venues.py",
        "test_a_bug_in_one_lane_ends_that_lane_alone_and_the_exit_code_says_so",
    ),
    ("live", Code.REFUSED): (
        f"{_I}/test_live_cli.py",
        "test_a_key_that_may_withdraw_is_refused_by_safety",
    ),
    ("convert", Code.OK): (
        f"{_I}/test_convert_cli.py",
        "test_a_dry_run_shows_direct_and_indirect_side_by_side_and_touches_nothing",
    ),
    ("status", Code.OK): (_ASKED, "test_status_tells_what_it_is_doing"),
    ("why", Code.OK): (
        _ASKED,
        "test_why_tells_how_near_it_came_what_was_refused_and_what_was_chosen",
    ),
    ("pause", Code.OK): (_CONTROL, "test_a_pause_and_a_resume_name_who_is_told"),
    ("resume", Code.OK): (_CONTROL, "test_a_pause_and_a_resume_name_who_is_told"),
    ("kill", Code.OK): (_CONTROL, "test_a_kill_that_is_heard_names_its_file_and_who_was_told"),
    ("unkill", Code.OK): (_CONTROL, "test_a_kill_of_one_venue_stops_that_one_alone"),
    ("keys:check", Code.OK): (_KEYS, "test_a_fit_key_is_fit_and_every_market_was_rehearsed"),
    ("keys:check", Code.REFUSED): (_KEYS, "test_an_unfit_key_is_refused_with_its_reason"),
    ("keys:check", Code.UNREACHABLE): (_KEYS, "test_a_venue_that_is_not_there_is_unreachable"),
    ("alerts:test", Code.OK): (
        f"{_I}/test_exit_codes.py",
        "test_a_test_of_alerts_that_arrived_is_code_0",
    ),
    ("report", Code.OK): (
        _REPORT,
        "test_a_report_tells_results_causes_and_balances_beside_a_daemon",
    ),
    ("export", Code.OK): (
        _REPORT,
        "test_an_export_is_written_whole_and_never_over_a_strangers_file",
    ),
    ("doctor", Code.OK): (
        f"{_I}/test_doctor.py",
        "test_a_fresh_folder_is_well_and_nothing_is_made_or_contacted",
    ),
    ("doctor", Code.FOUND): (
        f"{_I}/test_doctor.py",
        "test_a_person_reads_a_line_for_each_check_and_its_fix_below",
    ),
    ("config show", Code.OK): (_CONFIG, "test_each_setting_says_where_it_comes_from"),
    ("config check", Code.OK): (_CONFIG, "test_settings_that_are_in_order_say_so"),
    ("config init", Code.OK): (
        _CONFIG,
        "test_the_first_file_is_the_owner_s_alone_and_good_as_it_is",
    ),
    ("db upgrade", Code.OK): (_DB, "test_upgrade_makes_a_file_and_then_has_nothing_to_do"),
    ("db current", Code.OK): (_DB, "test_upgrade_says_from_where_to_where"),
    ("db check", Code.OK): (_DB, "test_check_prints_wallets_and_leaves_in_peace"),
    ("db check", Code.REFUSED): (_DB, "test_check_names_what_disagrees_and_leaves_with_three"),
    ("db backup", Code.OK): (_DB, "test_a_backup_taken_beside_a_daemon_holds_what_was_committed"),
    ("sandbox", Code.OK): (
        _ONES,
        "test_the_sandbox_as_a_server_says_that_nothing_is_real_and_stops_politely",
    ),
}


@pytest.fixture(scope="module")
def exchange() -> Iterator[SandboxServer]:
    with served() as running:
        yield running


@pytest.fixture
def typed(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    exchange: SandboxServer,
) -> Run:
    ours = {"ARBIT_LOCK_DIR": str(tmp_path / "locks"), "ARBIT_VENUES__SANDBOX__RATE_TIER": "pro"}
    return typing_in(tmp_path, monkeypatch, capsys, {**at(exchange, "sandbox"), **ours})


@pytest.mark.parametrize(
    ("name", "code"), HERE, ids=[f"{name} {code.value}" for name, code in HERE]
)
def test_a_command_ends_with_the_code_that_is_documented(
    desk: Desk, exchange: SandboxServer, name: str, code: Code
) -> None:
    words, settings = HERE[name, code]
    ours = {**at(exchange, "sandbox"), "ARBIT_VENUES__SANDBOX__RATE_TIER": "pro"}
    done = desk.within(*name.split(), *words, **ours | dict(settings))
    assert done.returncode == code, done.stdout + done.stderr
    if code is Code.UNREACHABLE and name != "alerts:test":
        assert len(done.stderr.splitlines()) == 1


def test_a_test_of_alerts_that_arrived_is_code_0(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = [Tried("webhook", arrived=True, why="", ms=1.0)]
    monkeypatch.setattr("arbit.app.alerts.alerts_test.run_alerts_test", lambda _: tried)
    done = desk.within("alerts:test")
    assert (done.returncode, done.stdout) == (0, "webhook: arrived (1 ms)\n")


@pytest.mark.parametrize("name", WHEN)
def test_ctrl_c_is_code_130_whatever_the_command(
    typed: Run, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def interrupted(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    for first in (
        *("arbit.config.load_settings", "arbit.config.load.hear_settings", "subprocess.Popen"),
        "arbit.app.config.init.write_env",
    ):
        monkeypatch.setattr(first, interrupted)
    code, out, err = typed(*name.split(), *BESIDE.get(name, []))
    assert (code, out, err) == (130, "", "")


def test_every_documented_code_of_every_command_is_produced_somewhere() -> None:
    documented = {(name, code) for name, own in WHEN.items() for code in (*own, Code.OK)}
    assert HERE.keys().isdisjoint(ELSEWHERE)
    assert HERE.keys() | ELSEWHERE.keys() == documented
    # 2: `test_commands` types a mistake to every command; 130: above.
    assert {Code.OK, Code.MISTAKE, Code.INTERRUPTED} == EVERYWHERE


@pytest.mark.parametrize(
    ("name", "code"), ELSEWHERE, ids=[f"{name} {code.value}" for name, code in ELSEWHERE]
)
def test_the_test_that_is_named_is_there_and_speaks_of_its_code(name: str, code: Code) -> None:
    file, test = ELSEWHERE[name, code]
    text = (ROOT / file).read_text("utf-8")
    (found,) = [
        one
        for one in ast.walk(ast.parse(text))
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef) and one.name == test
    ]
    body = ast.get_source_segment(text, found) or ""
    if code is not Code.OK:
        assert re.search(rf"\b{code.value}\b|Code\.{code.name}\b", body)


def test_a_fault_of_our_own_is_code_1_and_a_traceback(
    typed: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python's own end of a process: `main` lets through what it does not know."""

    def broken(*_: object, **__: object) -> NoReturn:
        raise ZeroDivisionError("planted")

    monkeypatch.setattr("arbit.config.load_settings", broken)
    monkeypatch.setattr(sys, "argv", ["arbit", "fitness"])
    with pytest.raises(ZeroDivisionError, match="planted"):
        main()
