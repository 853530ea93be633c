from __future__ import annotations

from arbit.domain.book import Disbelief
from arbit.fitness.episodes import KEPT_LIFETIMES, Episode, History, Stage
from tests.unit.fitness.scene import MS, SECOND, Scene


def test_one_gap_is_one_episode_however_many_updates_show_it() -> None:
    scene = Scene(fee="0.02")
    scene.quiet()
    scene.gap()
    for step in range(200):
        scene.gap(bid=f"10.5{step % 10}")
        scene.turn()
        scene.now_ns += MS

    assert scene.funnel["raw"] == scene.funnel["gross"] == 1
    assert scene.scanner.tally.evaluations == 200


def test_it_opens_when_the_edge_turns_positive_and_closes_when_it_is_gone() -> None:
    scene = Scene(fee="0.02")
    scene.quiet()
    scene.turn()
    assert scene.episodes.open == 0

    scene.gap()
    scene.turn()
    assert scene.episodes.open == 1
    scene.quiet()
    scene.turn()

    assert scene.episodes.open == 0
    assert [episode.stage for episode in scene.reported] == [Stage.GROSS]


def test_an_edge_of_exactly_nothing_is_no_gap() -> None:
    scene = Scene()
    scene.put("BTC/USD", [("99", "1")], [("128", "1")])
    scene.put("ETH/BTC", [("0.1", "1")], [("0.125", "1")])
    scene.put("ETH/USD", [("16", "1")], [("17", "1")])  # 1/128 * 1/0.125 * 16 = 1, exactly
    scene.turn()

    assert scene.scanner.best[0] == 0.0
    assert scene.funnel["raw"] == 0


def test_an_open_gap_closes_when_its_edge_is_exactly_nothing() -> None:
    scene = Scene()
    scene.put("BTC/USD", [("99", "1")], [("128", "1")])
    scene.put("ETH/BTC", [("0.1", "1")], [("0.125", "1")])
    scene.put("ETH/USD", [("16.1", "1")], [("17", "1")])
    scene.turn()
    scene.put("ETH/USD", [("16", "1")], [("17", "1")])
    scene.turn()

    assert (scene.funnel["raw"], scene.episodes.open) == (1, 0)


def test_a_gap_that_comes_back_is_a_second_episode() -> None:
    scene = Scene(fee="0.02")
    for _ in range(3):
        scene.quiet()
        scene.turn()
        scene.now_ns += MS
        scene.gap()
        scene.turn()
        scene.now_ns += MS

    assert scene.funnel["gross"] == 3


def test_a_gap_on_books_not_believed_stays_raw() -> None:
    scene = Scene()
    scene.quiet()
    scene.cache.disbelieve("BTC/USD", Disbelief.CHECKSUM)
    scene.gap()
    scene.turn()
    scene.finish()

    assert scene.funnel == {
        "raw": 1,
        "gross": 0,
        "net": 0,
        "fits": 0,
        "survives": 0,
        "filled": 0,
    }
    assert sum(history.episodes for history in scene.episodes.history) == 0


def test_the_gross_clock_stands_while_a_book_is_not_believed() -> None:
    scene = Scene(fee="0.02")
    scene.quiet()
    scene.gap()
    scene.turn()  # opens
    scene.now_ns += 40 * MS
    scene.cache.disbelieve("ETH/BTC", Disbelief.CHECKSUM)
    scene.turn()  # 40 ms so far
    scene.now_ns += 500 * MS
    scene.put("ETH/BTC", [("0.0999", "500")], [("0.1", "500")])
    scene.turn()  # believed again: the same episode goes on
    scene.now_ns += 25 * MS
    scene.quiet()
    scene.turn()

    assert [episode.gross_ns for episode in scene.reported] == [65 * MS]
    assert scene.funnel["gross"] == 1


def test_the_net_clock_runs_only_above_the_hurdle() -> None:
    scene = Scene(fee="0.01")  # three legs at 100 bps: a hurdle of about 306 bps
    scene.quiet()
    scene.gap(bid="10.2")  # 200 bps: gross only
    scene.turn()
    scene.now_ns += 10 * MS
    scene.gap(bid="10.5")  # 500 bps: net
    scene.turn()
    scene.now_ns += 30 * MS
    scene.gap(bid="10.2")
    scene.turn()
    scene.now_ns += 7 * MS
    scene.quiet()
    scene.turn()
    scene.pass_ms(1_000)

    (episode,) = scene.reported
    assert (episode.gross_ns, episode.net_ns) == (47 * MS, 30 * MS)


def test_a_book_that_grew_old_stops_the_clock_when_it_did_not_when_that_was_noticed() -> None:
    scene = Scene(fee="0.02", max_age_ms=3_000)
    scene.quiet()
    scene.gap()
    scene.turn()
    scene.now_ns += 3_600 * SECOND  # an hour's gap in a recording; nobody looked meanwhile
    scene.lane.pulse(scene.now_ns)
    scene.finish()

    assert [episode.gross_ns for episode in scene.reported] == [3_000 * MS]


def test_the_clock_stops_at_the_age_limit_even_when_the_edge_is_gone_at_that_look() -> None:
    scene = Scene(fee="0.02", max_age_ms=3_000)
    scene.quiet()
    scene.gap()
    scene.turn()
    scene.now_ns += 10 * SECOND
    scene.put("ETH/USD", [("9.9", "1")], [("10.1", "1")])
    scene.turn()

    assert [episode.gross_ns for episode in scene.reported] == [3_000 * MS]


def test_the_two_directions_are_episodes_of_their_own() -> None:
    scene = Scene(fee="0.02")
    scene.quiet()
    scene.gap()
    scene.turn()
    scene.put("ETH/USD", [("9.0", "500")], [("9.1", "500")])  # now the other way round pays
    scene.turn()
    scene.finish()

    assert [history.episodes for history in scene.episodes.history] == [1, 1]


def test_what_is_open_at_the_end_is_closed_and_reported() -> None:
    scene = Scene(fee="0.02")
    scene.quiet()
    scene.gap()
    scene.turn()
    scene.now_ns += 12 * MS
    scene.finish()

    assert [episode.gross_ns for episode in scene.reported] == [12 * MS]
    assert scene.episodes.open == 0


def test_an_episode_is_reported_once_its_outcome_is_known_and_not_before() -> None:
    scene = Scene(latency_ms=60)
    scene.quiet()
    scene.gap()
    scene.turn()  # fits; the first order and the look after the latency are on their way
    scene.now_ns += MS
    scene.put("ETH/USD", [("9.99", "1")], [("10", "1")])
    scene.turn()  # the gap is gone
    assert scene.episodes.open == 0
    assert scene.reported == []

    scene.now_ns += MS
    scene.gap()  # a second gap, and the books are as good as before for the orders under way
    scene.turn()
    scene.pass_ms(1_000)

    assert [episode.stage for episode in scene.reported] == [Stage.FILLED]
    assert scene.funnel["filled"] == 2  # the second one is still open


def test_a_gap_that_closed_before_the_look_has_not_survived_though_another_opened() -> None:
    scene = Scene(latency_ms=60)
    scene.trial.closed = True
    scene.quiet()
    scene.gap()
    scene.turn()
    scene.now_ns += 10 * MS
    scene.quiet()
    scene.turn()
    scene.now_ns += 49 * MS
    scene.gap()
    scene.turn()
    scene.pass_ms(2)  # the first gap's look falls on the second gap

    assert (scene.funnel["fits"], scene.funnel["survives"]) == (2, 0)
    assert [episode.stage for episode in scene.reported] == [Stage.FITS]


def test_an_awaited_episode_is_reported_at_the_end_of_the_run_as_far_as_it_came() -> None:
    scene = Scene(latency_ms=60)
    scene.quiet()
    scene.gap()
    scene.turn()
    scene.quiet()
    scene.turn()
    assert scene.reported == []
    scene.finish()
    scene.pass_ms(1_000)  # whatever comes later changes nothing

    assert [episode.stage for episode in scene.reported] == [Stage.FITS]


def test_lifetimes_are_kept_within_a_bound() -> None:
    history = History()
    for n in range(3 * KEPT_LIFETIMES):
        history.add(Episode(0, 0, stage=Stage.GROSS, gross_ns=n * MS))

    assert history.episodes == 3 * KEPT_LIFETIMES
    assert len(history.lifetimes_ms) <= KEPT_LIFETIMES
