"""A slice of the fuzz, and the proof that it finds what is there."""

from __future__ import annotations

import json
import random
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from arbit.venues.ccxt import loader
from tests.fuzz.__main__ import replay
from tests.fuzz.mutations import WAYS, mutant
from tests.fuzz.planted import ALL, Planted
from tests.fuzz.questions import Question
from tests.fuzz.runner import BLOCK, DOORS, ROUND, SCENES, kind_of, one_block, run
from tests.fuzz.seeds import corpus, missing
from tests.fuzz.tree import Text, at, put, read, tree_of, write
from tests.patches import patched

SEED = 1
QUESTIONS = [question for asked in DOORS.values() for question in asked]
json_values = st.recursive(
    st.none() | st.booleans() | st.text(max_size=8) | st.integers() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=12,
)


def test_a_slice_finds_nothing() -> None:
    tallies = list(run(0, 1_500, SEED))
    assert [said for tally in tallies for said in tally.findings] == []
    assert sum(tally.frames for tally in tallies) == 1_500


@pytest.mark.parametrize("kind", sorted(kind for kind in SCENES if "loopback" not in kind))
def test_each_live_scene_stays_whole(kind: str) -> None:
    tally = one_block(7_001, range(7_001 * BLOCK, 7_002 * BLOCK), SEED, kind)
    assert tally.findings == []
    assert tally.by_target[kind] == BLOCK


@pytest.mark.parametrize("kind", sorted(kind for kind in SCENES if "loopback" in kind))
def test_a_few_frames_over_real_sockets(kind: str) -> None:
    tally = one_block(9, range(9 * BLOCK, 9 * BLOCK + 10), SEED, kind)
    assert tally.findings == []
    assert tally.by_target[kind] == 10


@pytest.mark.parametrize("bug", ALL, ids=lambda bug: bug.name)
def test_each_planted_bug_is_found(bug: Planted) -> None:
    loader.errors()
    with patched(bug.plant):
        for block in range(bug.blocks):
            wanted = range(block * BLOCK, (block + 1) * BLOCK)
            if one_block(block, wanted, SEED, bug.kind).findings:
                return
    pytest.fail(f"{bug.name}: {bug.blocks} blocks of {bug.kind!r}, and nothing")


def test_a_number_and_a_seed_say_all_about_a_frame() -> None:
    doors = next(block for block in range(50) if kind_of(block) == "doors")
    lives = next(block for block in range(50) if kind_of(block) == "live public feed")
    for block in (doors, lives):
        wanted = range(block * BLOCK, (block + 1) * BLOCK)
        first, second = (one_block(block, wanted, SEED) for _ in range(2))
        assert (first.by_way, first.by_target) == (second.by_way, second.by_target)
    assert f"--start {doors * BLOCK + 7} --frames 1 " in replay(doors * BLOCK + 7, SEED)
    assert f"--start {lives * BLOCK} --frames 8 " in replay(lives * BLOCK + 7, SEED)


def test_the_command_prints_one_line_of_figures_and_shares_its_blocks() -> None:
    command = [sys.executable, "-m", "tests.fuzz", "--frames", "300", "--jobs", "2", "--json"]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    told = json.loads(ran.stdout)
    assert (told["frames"], told["findings"]) == (300, 0)
    assert told["recordings_missing"] == missing()


def test_every_kind_of_block_and_every_seed_is_there() -> None:
    kinds = {kind_of(block) for block in range(2_000)}
    assert kinds == set(SCENES) | set(DOORS)
    assert set(ROUND) < kinds
    seeds = corpus()
    for question in QUESTIONS:
        assert all(seeds[call] for call in question.calls)


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda one: one.name)
def test_a_question_that_nobody_harms_is_answered(question: Question) -> None:
    """Else what is harmed would be refused at the door, whatever was done to it."""
    desk = question.desk(corpus(), "", b"", random.Random(1))
    if "by ccxt" in question.name and question.name != "alpaca markets, by ccxt":
        return  # the recorded bodies are of other markets than the one that is asked for
    assert desk.ask(question.ask) is not None or question.name in {"cancel", "alpaca key"}


@given(value=json_values)
def test_a_tree_that_nobody_changes_is_written_as_it_was(value: object) -> None:
    payload = json.dumps(value).encode()
    root, paths = tree_of(payload)
    assert json.loads(write(root)) == json.loads(payload)
    for path in paths[:5]:
        assert write(put(root, path, at(root, path))) == write(root)


@given(value=json_values, chance=st.randoms(use_true_random=False), turns=st.integers(1, 4))
@settings(max_examples=200)
def test_whatever_is_harmed_comes_out_as_bytes(value: object, chance: object, turns: int) -> None:
    pool = [json.dumps(value).encode(), b'{"channel":"book","data":[{"symbol":"BTC/USD"}]}']
    for _ in range(turns):
        done, payload = mutant(chance, pool)  # type: ignore[arg-type]  # a Random
        assert set(done) <= set(WAYS)
        pool.append(payload)


def test_a_tree_keeps_digits_order_and_doubled_keys() -> None:
    text = '{"b":1.500,"a":1e400,"b":[0.0,-0]}'
    assert write(read(text.encode())) == text
    assert isinstance(at(read(text.encode()), (1,)), Text)
