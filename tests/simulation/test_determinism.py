"""The same seed is the same run wherever, whenever and after whatever; and the gate sees it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.simulation import determinism
from tests.simulation.planted.__main__ import BELIEFS, NAME

READ = """
import datetime, time
from datetime import datetime as bound, date
from time import time as now
def days():
    print(int(now() // 86400), time.time_ns() // 86400 // 10**9)
    print(int(time.clock_gettime(time.CLOCK_REALTIME) // 86400))
    days = [bound.now(datetime.UTC), datetime.datetime.utcnow(), date.today(), bound.today()]
    texts = [time.ctime(), time.asctime()]
    days += [bound.strptime(text, "%a %b %d %H:%M:%S %Y") for text in texts]
    days += [bound.strptime(time.strftime("%d.%m.%Y"), "%d.%m.%Y")]
    days += [bound(*time.gmtime()[:3]), bound(*time.localtime()[:3])]
    for day in days:
        print(day.toordinal() - bound(1970, 1, 1).toordinal())
"""
DATED = "from tests.simulation import dates\ndates.shift(int(sys.argv[1]), ['__main__'])\ndays()\n"


def test_the_same_seed_is_the_same_run_in_another_process_and_what_is_not_is_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever the hash seed, the time zone, the date, the working folder, and the seeds before.

    In one pair of processes: two seeds of which nothing depends on those, and one for each belief
    that does. CI compares twenty of the former right after the tests.
    """
    monkeypatch.setenv(NAME, "beliefs")
    seeds = [str(seed) for seed in range(len(BELIEFS))]
    one, two = determinism.compared("tests.simulation.planted", range(len(BELIEFS)))
    assert list(one) == list(two)[::-1] == seeds
    differs = [seed for seed, belief in zip(seeds, BELIEFS, strict=True) if "nothing" not in belief]
    assert determinism.differing(one, two) == differs == seeds[2:]


def test_a_process_lives_a_year_later_by_whatever_way_it_asks() -> None:
    def told(shift_s: int) -> list[int]:
        text = f"import sys\n{READ}\n{DATED}"
        command = [sys.executable, "-c", text, str(shift_s)]
        ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        return [int(day) for day in ran.stdout.split()]

    today, later = told(0), told(366 * 86_400)
    assert len(today) == 12
    assert {b - a for a, b in zip(today, later, strict=True)} <= {366, 367}  # midnight may come
    assert max(today) - min(today) <= 1
