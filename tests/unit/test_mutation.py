"""The list of survivors is true of the code as it stands, and the page tells it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.mutation.nursery import shareable
from tests.mutation.page import LEAST, PAGE, Tally, page, reasons, score, table
from tests.mutation.targets import TARGETS
from tests.mutation.witness import Seen, verdict

ROOT = Path(__file__).parents[2]
GOLD = "arbit/ledger.py"


def told(*ends: str) -> Tally:
    tally = Tally()
    tally.add({"path": GOLD, "tests_s": 1.5})
    for number, end in enumerate(ends):
        tally.add({"path": GOLD, "name": f"free: {number}", "end": end})
    tally.add({"path": GOLD, "used_s": 60.0})
    return tally


def test_every_survivor_that_is_listed_has_a_reason_and_is_about_code_that_is_there() -> None:
    known = reasons()
    assert known
    for (path, name), why in known.items():
        assert len(why) > 20, name
        source = re.sub(r"\s+", " ", (ROOT / path).read_text("utf-8"))
        before = name.removeprefix(": ") if name.startswith(": ") else name.partition(": ")[2]
        before = re.sub(r"\s+", " ", before.partition(" → ")[0])
        assert before in source, f"{path}: {name}"


def test_the_page_tells_every_survivor_and_no_part_is_below_the_least() -> None:
    text = PAGE.read_text("utf-8")
    assert table(Tally()).splitlines()[0] in text, "an older campaign wrote it: run it again"
    for (_, name), why in reasons().items():
        assert f"- `` {name} ``" in text, name
        assert why in text
    listed = [line for line in text.splitlines() if line.startswith("- `` ")]
    assert len(listed) == len(reasons())
    assert "No reason given." not in text
    for part in {one.part for one in TARGETS}:
        (percent,) = re.findall(rf"^\| \*\*{part}\*\* .*\*\*([\d.]+)\*\*", text, re.MULTILINE)
        assert float(percent) >= LEAST


def test_each_target_and_each_of_its_tests_is_a_file() -> None:
    for target in TARGETS:
        for one in (target.path, *target.tests):
            assert (ROOT / one).is_file(), one


def test_nothing_that_uses_a_module_is_shared_between_its_mutants() -> None:
    for target in TARGETS:
        name = target.path.removesuffix(".py").replace("/", ".")
        shared = shareable(name, target.tests)
        uses = [f"import {name}\n", f"from {name} import"]
        for one in shared:
            assert one != name
            assert not one.startswith("tests")
            file = ROOT.joinpath(*one.split("."))
            file = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
            assert not [use for use in uses if use in file.read_text("utf-8")], one
    assert "arbit.domain.money" in shareable("arbit.ledger", ["tests/unit/test_ledger.py"])


def test_what_ran_out_of_time_was_noticed_and_what_broke_was_not() -> None:
    assert score(Counter(killed=8, timeout=1, survived=1)) == LEAST
    assert score(Counter(killed=8, broken=1, survived=1)) == 80
    assert score({}) == 0


def test_what_could_not_be_imported_is_no_kill_and_may_be_held_against_the_tests() -> None:
    counts = Counter(killed=9, survived=1, unborn=10)
    assert (score(counts), score(counts, strict=True)) == (90, 45)
    assert (score(Counter(unborn=5)), score(Counter(unborn=5), strict=True)) == (0, 0)
    tally = told("killed", "unborn", "unborn", "killed")
    assert (tally.survivors, tally.scores(), tally.strict()) == ([], {"ledger": 100.0}, 50.0)
    assert "at 50.0 %" in page(tally, {})


@pytest.mark.parametrize(
    ("seen", "end"),
    [
        (Seen(born=True, passed=["a", "b"]), "survived"),
        (Seen(born=True, passed=["a"], failed="b"), "killed"),
        (Seen(born=True, failed="b", unread="file"), "killed"),
        (Seen(born=True, passed=["a"], failed="not one of the original's"), "broken"),
        (Seen(born=True, passed=["a"], unread="file"), "broken"),
        (Seen(born=True, unread="file"), "unborn"),
        (Seen(born=True), "broken"),
        (Seen(unread="file"), "unborn"),
        (Seen(passed=["a"], failed="b"), "unborn"),
        (Seen(passed=["a", "b"]), "broken"),
        (None, "broken"),
    ],
)
def test_only_a_test_that_passes_on_the_original_kills(seen: Seen | None, end: str) -> None:
    assert verdict(seen, {"a", "b"}) == end


ENDS = r"""
from pathlib import Path
from tests.mutation.nursery import Nursery
nursery = Nursery("arbit/domain/states.py", ["tests/unit/domain/test_order_states.py"])
nursery.prepare()
source = Path("arbit/domain/states.py").read_text("utf-8")
emptied = source.replace("dict(rows)", "{}")
assert emptied != source
for one in (source, emptied, "x = (", source + "\n1 / 0", source + "\nimport os; os.abort()"):
    print(*nursery.run(one))
nursery.original()
nursery.close()
"""


def test_a_fork_tells_a_killed_mutant_from_one_that_cannot_be_imported_or_takes_it_along() -> None:
    command = [sys.executable, "-c", ENDS]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    survived, killed, *others = ran.stdout.splitlines()
    assert survived.strip() == "survived"
    assert killed.startswith("killed tests/unit/domain/test_order_states.py::test_")
    assert [one.strip() for one in others] == ["unborn", "unborn", "broken"]


def test_a_survivor_without_a_reason_and_a_reason_without_a_survivor_are_both_told() -> None:
    tally = told("killed", "survived", "broken", "timeout")
    known = {(GOLD, "free: 1"): "nobody can see it", (GOLD, "free: 9"): "long gone"}
    assert tally.unexplained(known) == [(GOLD, "free: 2")]
    assert tally.complaints(known, whole=True) == [
        f"no reason given: {GOLD} free: 2",
        *(f"no mutants: {one.path}" for one in TARGETS if one.path != GOLD),
        f"no survivor any more: {GOLD} free: 9",
    ]
    assert tally.complaints(known, whole=False) == [f"no reason given: {GOLD} free: 2"]
    summary = tally.summary(known)
    assert (summary["mutants"], summary["unexplained"]) == (4, 1)
    assert summary["scores"] == {"ledger": 50.0}
    assert summary["processor_s"] == 60.0


def test_a_page_has_the_table_and_each_survivor_under_its_reason() -> None:
    tally = told("killed", "survived", "survived")
    text = page(tally, {(GOLD, "free: 1"): "nobody can see it"})
    assert "3 mutants in 1 minutes of one processor" in text
    assert table(tally) in text
    assert f"| ledger | `{GOLD}` | 3 | 0 | 1 | 0 | 2 | 33.3 | 1.5 |" in text
    assert f"### `{GOLD}`\n\nnobody can see it\n\n- `` free: 1 ``" in text
    assert "No reason given.\n\n- `` free: 2 ``" in text


def test_mutants_are_made_of_tables_properties_and_plain_functions_alike() -> None:
    pytest.importorskip("mutmut", reason="the extra `mutation`")
    from tests.mutation.mutants import mutants_of  # noqa: PLC0415  the extra may be missing

    source = (
        "TABLE = {1: Side.BUY, 2: Side.SELL}\n"
        "class Box:\n"
        "    @property\n"
        "    def full(self) -> bool:\n"
        "        return self.n > 3\n"
        "def put(box: Box) -> None:\n"
        "    if box.full:\n"
        "        box.empty()\n"
        "__all__ = ['Box']\n"
    )
    made = mutants_of(source)
    names = [one.name for one in made]
    assert len(set(names)) == len(names)
    assert "put: box.empty() → pass" in names
    assert "put: if box.full: → if not (box.full):" in names
    assert "Box.full: return self.n > 3 → return self.n >= 3" in names
    assert "Box.full: return self.n > 3 → return None" in names
    whole = ": TABLE = {1: Side.BUY, 2: Side.SELL} → "
    assert whole + "TABLE = {2: Side.SELL}" in names
    assert whole + "TABLE = {1: Side.SELL, 2: Side.SELL}" in names
    assert not [one for one in names if "__all__" in one]
    assert all(one.source != source for one in made)
