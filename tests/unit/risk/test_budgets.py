from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from arbit.domain.errors import UserError
from arbit.risk import budgets
from arbit.risk import kill as switch
from arbit.risk.budgets import Cooldown, DayBook, OrderRate, day_of
from arbit.risk.kill import KillSwitch, Orders, Resume

D = Decimal
DAY_NS = 86_400 * 1_000_000_000
S = 1_000_000_000


def test_a_days_loss_is_what_its_cycles_add_up_to_and_survives_a_restart() -> None:
    day = DayBook({day_of(5 * DAY_NS): D(-3)})
    day.add(D(-4), 5 * DAY_NS + 1)
    day.add(D(1), 5 * DAY_NS + 2)
    assert day.loss(5 * DAY_NS + 3) == 6
    assert day.loss(6 * DAY_NS) == 0
    day.add(D(10), 6 * DAY_NS)
    assert day.loss(6 * DAY_NS) == 0


def test_orders_flow_back_at_their_rate_up_to_ten_seconds_worth() -> None:
    rate = OrderRate(2.0)
    sent = sum(rate.take(S) for _ in range(100))
    assert sent == 20
    assert rate.take(S + S // 2)
    assert not rate.take(S + S // 2)
    assert rate.left(1_000 * S) == 20


def test_the_kill_switch_is_on_by_flag_by_its_file_and_by_another(tmp_path: Path) -> None:
    assert KillSwitch(tmp_path, on=True).on()
    other = tmp_path / "stop"
    kill = KillSwitch(tmp_path, file=other)
    assert not kill.on()
    switch.kill(tmp_path)
    assert kill.on()
    assert kill.why().endswith("KILL")
    assert switch.unkill(tmp_path)
    assert not switch.unkill(tmp_path)
    assert not kill.on()
    other.touch()
    assert kill.on()
    assert kill.why() == str(other)


def test_a_folder_that_is_gone_counts_as_a_kill(tmp_path: Path) -> None:
    kill = KillSwitch(tmp_path / "gone")
    assert kill.on()
    assert "cannot be read" in kill.why()


def test_a_file_where_the_folder_should_be_counts_as_a_kill(tmp_path: Path) -> None:
    (tmp_path / "var").touch()
    assert KillSwitch(tmp_path / "var").on()


def test_pause_stays_and_resume_is_used_up(tmp_path: Path) -> None:
    orders = Orders(tmp_path, "kraken")
    orders.pause()
    assert orders.paused()
    assert not Orders(tmp_path, "sandbox").paused()
    orders.resume()
    assert not orders.paused()
    assert orders.take_resume() is Resume.GO_ON
    assert orders.take_resume() is None


def test_a_resume_says_whether_balances_are_accepted_and_the_last_word_counts(
    tmp_path: Path,
) -> None:
    orders = Orders(tmp_path, "kraken")
    orders.resume()
    orders.resume(Resume.ACCEPT_BALANCES)
    assert orders.take_resume() is Resume.ACCEPT_BALANCES
    assert orders.take_resume() is None
    orders.resume(Resume.ACCEPT_BALANCES)
    orders.resume()
    assert orders.take_resume() is Resume.GO_ON
    assert list(tmp_path.iterdir()) == [], "nothing is left lying about"


def test_a_resume_that_cannot_be_read_resumes_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert Orders(tmp_path / "file", "kraken").take_resume() is None
    (tmp_path / "resume.kraken").write_bytes(b"\xff\xfe")
    assert Orders(tmp_path, "kraken").take_resume() is None
    (tmp_path / "resume.kraken").unlink()
    (tmp_path / "resume.kraken").mkdir()
    assert Orders(tmp_path, "kraken").take_resume() is None


def test_a_data_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="KILL"):
        switch.kill(tmp_path / "file" / "var")


def test_a_triangle_rests_after_a_cycle_and_ten_times_as_long_after_one_that_went_wrong() -> None:
    rest = Cooldown(500)
    rest.begin("a", 7 * S, went_wrong=False)
    rest.begin("b", 7 * S, went_wrong=True)
    assert rest.left_ns("a", 7 * S) == S // 2
    assert rest.left_ns("b", 7 * S) == 5 * S
    assert rest.left_ns("a", 8 * S) == rest.left_ns("never", 8 * S) == 0


def test_of_too_many_paths_those_that_have_rested_are_forgotten_and_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(budgets, "MAX_PATHS", 3)
    rest = Cooldown(1_000)
    rest.begin("old", 0, went_wrong=False)
    rest.begin("wrong", 0, went_wrong=True)
    rest.begin("just over", S, went_wrong=False)
    rest.begin("new", 2 * S, went_wrong=False)  # the third moment at which "old" is over
    assert set(rest._until_ns) == {"wrong", "new"}
    assert rest.left_ns("wrong", 2 * S) == 8 * S


def test_a_file_elsewhere_that_cannot_be_looked_at_counts_as_a_kill(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert KillSwitch(tmp_path, file=tmp_path / "file" / "stop").on()
    assert KillSwitch(tmp_path, file=tmp_path / ("n" * 5_000)).on(), "no name of a file"
    assert not KillSwitch(tmp_path, file=tmp_path / "gone" / "stop").on()


def test_a_kill_that_is_there_already_does_as_well_as_one_that_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    switch.kill(tmp_path)
    monkeypatch.setattr(Path, "touch", refuses)
    switch.kill(tmp_path)  # somebody else's file: it stops all the same
    assert KillSwitch(tmp_path).on()
    switch.unkill(tmp_path)
    with pytest.raises(UserError, match="KILL: Permission denied"):
        switch.kill(tmp_path)
