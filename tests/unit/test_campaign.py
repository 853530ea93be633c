"""What campaigns do alike: shares of seeds, the lines of several processes, patches that end."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import pytest

from tests.campaign import MOST_TOLD, _shares, gathered, run, seeds_of
from tests.patches import patched, replaced

RAISES = ["timeit", "-n", "1", "-r", "1", "raise ValueError"]  # ends with 1


def asked(**changes: Any) -> argparse.Namespace:
    usual = {"seeds": 10, "start": 100, "seed": None, "jobs": 1, "step": 1}
    return argparse.Namespace(
        **(usual | {"worker": False, "hashes": False, "backwards": False} | changes)
    )


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_every_seed_is_some_processs_and_no_others(jobs: int) -> None:
    shares = []
    for words in _shares("m", asked(jobs=jobs)):
        told = dict(zip(words[2::2], map(int, words[3::2]), strict=True))
        one = asked(start=told["--start"], seeds=told["--seeds"], step=told["--step"])
        shares += list(seeds_of(one))
    assert sorted(shares) == list(range(100, 110))


def test_one_seed_is_replayed_alone() -> None:
    assert list(seeds_of(asked(seed=7))) == [7]


def test_the_last_seed_may_be_the_first() -> None:
    assert list(seeds_of(asked(seeds=3, backwards=True))) == [102, 101, 100]
    assert list(seeds_of(asked(seed=7, backwards=True))) == [7]
    assert {share[-1] for share in _shares("m", asked(jobs=2, backwards=True))} == {"--backwards"}


def test_the_lines_of_every_process_come(tmp_path: Path) -> None:
    commands = []
    for seed in (3, 1, 2):
        file = tmp_path / f"{seed}.json"
        file.write_text(f'{{"seed": {seed}}}')
        commands.append(["json.tool", "--compact", str(file)])
    assert sorted(told["seed"] for told in gathered(commands)) == [1, 2, 3]


WAITS = """
import json, pathlib, sys, time
over = pathlib.Path(__file__).with_name("over")
for _ in range(1_000):
    if over.exists():
        break
    time.sleep(0.01)
print(json.dumps({"waited_for_the_other": over.exists()}))
"""
TELLS = """
import json, pathlib
for number in range(2_000):
    print(json.dumps({"number": number, "more": "x" * 500}), flush=True)
pathlib.Path(__file__).with_name("over").touch()
"""


def test_a_process_that_has_much_to_tell_does_not_wait_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "first_waits.py").write_text(WAITS)
    (tmp_path / "second_tells.py").write_text(TELLS)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    told = list(gathered([["first_waits"], ["second_tells"]]))
    assert {"waited_for_the_other": True} in told
    assert [one["number"] for one in told if "number" in one] == list(range(2_000))


def test_a_process_that_ends_badly_ends_the_campaign() -> None:
    with pytest.raises(SystemExit, match="ended with 1"):
        list(gathered([RAISES]))
    assert list(gathered([RAISES], ends_well=(0, 1))) == []


def test_findings_are_told_with_their_replay_and_not_without_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Tally:
        def add(self, told: dict[str, Any]) -> None:
            assert told["seed"] == 4

    found = [f"[2] {number}" for number in range(MOST_TOLD + 2)]
    run("tests.it", asked(), iter([{"seed": 4, "violations": found}]), Tally())
    said = capsys.readouterr().out
    assert said.count("python -m tests.it --seed 4\n") == MOST_TOLD
    assert "seed 4: and 2 more" in said


def test_what_was_replaced_is_as_before_even_when_planting_breaks() -> None:
    class Owner:
        @staticmethod
        def name() -> str:
            return "before"

    before = dict(vars(Owner))
    with replaced([(Owner, "name", staticmethod(lambda: "meanwhile"))]):
        assert Owner.name() == "meanwhile"
    assert dict(vars(Owner)) == before

    def plant(sets: Any) -> None:
        sets(Owner, "name", None)
        raise KeyError

    with pytest.raises(KeyError), patched(plant):
        raise AssertionError("it was not planted")
    assert dict(vars(Owner)) == before
