"""`python -m tests.bench.feed`: our Kraken feed beside ccxt.pro's, and beside a bare socket.

One run, the same generated session (true checksums, depth 25) sent over loopback by another
process, contestants taking turns. Prints every figure, the ratios last; exits 1 when one is short.

What counts is a message that *reaches the code that watches*: ccxt.pro's loop sees only the latest
of the books that arrived together, so under a flood it drains many messages and hands on one in a
hundred. Each contestant is therefore given every pace, and judged at the one that suits it best:
the most messages a second that came out, and the least processor time for one that did. How fast
messages are merely drained is printed as well.

Latency is bounded for a daemon that lingers after news (ARBIT_LINGER_US, at the price of a core):
waking a sleeping process costs more than everything we do with a message. The default, which
sleeps at once, is measured and printed beside it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from tests.bench.daemon import LATENCY_RATE, LINGER_US, latencies_us
from tests.bench.processes import Talker, middle, talking

RATE_AT_LEAST = 6.0
CPU_AT_MOST = 0.4
LATENCY_AT_MOST = 1.5
ROUNDS = 3
FLOOD = 0
PACES = (FLOOD, 24_000, 12_000, 6_000, 3_000)
WHO = ("ours", "ccxt")


@dataclass(frozen=True, slots=True)
class Scale:
    """How long everything runs: seconds of each pace, messages of the flood, rounds."""

    seconds: float = 1.0
    flood: int = 20_000
    rounds: int = ROUNDS

    def count(self, pace: int) -> int:
        """Messages sent at a pace."""
        return int(pace * self.seconds) or self.flood

    @property
    def total(self) -> int:
        """Messages of one contestant's whole turn."""
        return sum(self.count(pace) for pace in PACES)


@dataclass(frozen=True, slots=True)
class Figures:
    """One contestant at one pace, medians over the rounds."""

    drained_per_s: float
    delivered_per_s: float
    cpu_us: float  # processor time for each message sent
    delivered_cpu_us: float  # for each that came out


@dataclass(frozen=True, slots=True)
class Turn:
    """One contestant's turn: its figures by pace, and the books it ended with."""

    figures: dict[int, Figures]
    tops: dict[str, list[float]]


def one_turn(venue: Talker, facts: dict[str, Any], who: str, scale: Scale) -> Turn:
    """One contestant through every pace, in a process of its own."""
    figures, first = {}, 0
    with talking("tests.bench.contest", {"who": who, "venue": facts}, core=0) as contestant:
        contestant.hear()
        for pace in PACES:
            count = scale.count(pace)
            venue.say({"rate": pace, "first": first, "count": count})
            first += count
            played = venue.hear()
            contestant.say({"sent": played["sent"], "last_ms": played["last_ms"]})
            took = contestant.hear()
            seconds = (took["ended_ns"] - played["began_ns"]) / 1e9
            figures[pace] = Figures(
                drained_per_s=count / seconds,
                delivered_per_s=took["delivered"] / seconds,
                cpu_us=took["cpu_s"] / count * 1e6,
                delivered_cpu_us=took["cpu_s"] / max(1, took["delivered"]) * 1e6,
            )
            tops = contestant.hear()["tops"]
    return Turn(figures, tops)


def contest(venue: Talker, facts: dict[str, Any], scale: Scale) -> dict[str, dict[int, Figures]]:
    """Interleaved rounds; medians of each figure. RuntimeError unless all end with equal books."""
    rounds: dict[str, list[Turn]] = {who: [] for who in WHO}
    for _ in range(scale.rounds):
        for who in WHO:
            rounds[who].append(one_turn(venue, facts, who, scale))
    ends = [turn.tops for turns in rounds.values() for turn in turns]
    if any(tops != ends[0] for tops in ends):
        raise RuntimeError(f"the contestants ended with different books: {ends}")
    return {
        who: {pace: _middle([turn.figures[pace] for turn in turns]) for pace in PACES}
        for who, turns in rounds.items()
    }


def _middle(turns: list[Figures]) -> Figures:
    return Figures(
        *(middle([getattr(turn, name) for turn in turns]) for name in Figures.__dataclass_fields__)
    )


def show(figures: dict[str, dict[int, Figures]]) -> None:
    """A line for each contestant and pace."""
    print("who   pace      drained/s  delivered/s  cpu us/message  cpu us/delivered")
    for pace in PACES:
        for who in WHO:
            it = figures[who][pace]
            label = "flood" if pace == FLOOD else f"{pace}/s"
            print(
                f"{who:5s} {label:9s} {it.drained_per_s:9.0f}  {it.delivered_per_s:11.0f}"
                f"  {it.cpu_us:14.1f}  {it.delivered_cpu_us:16.1f}"
            )


def ratios(figures: dict[str, dict[int, Figures]]) -> tuple[float, float]:
    """Messages a second and processor time a message, ours to ccxt's, each at its best pace."""
    rate = {who: max(it.delivered_per_s for it in figures[who].values()) for who in WHO}
    cost = {who: min(it.delivered_cpu_us for it in figures[who].values()) for who in WHO}
    return rate["ours"] / rate["ccxt"], cost["ours"] / cost["ccxt"]


def main() -> int:
    """Run both parts; 0 when every bound holds."""
    scale = Scale()
    count = max(scale.total, LATENCY_RATE * 4)
    wanted = {"profile": "calm", "seed": 7, "depth": 25, "count": count}
    with talking("tests.bench.venue", wanted, core=1) as venue:
        facts = venue.hear()
        print(f"{count} messages of {facts['mean_bytes']:.0f} bytes, {len(facts['symbols'])} books")
        figures = contest(venue, facts, scale)
        show(figures)
        age = latencies_us(venue, facts, ROUNDS, seconds=3)
    print(f"sender's stamp to a bare socket's receive, median us: {age.bare_us:.1f}")
    print(f"to our decision, asleep between messages (the default): {age.asleep_us:.1f}")
    print(f"to our decision, ARBIT_LINGER_US={LINGER_US}: {age.lingering_us:.1f}")
    rate, cpu = ratios(figures)
    flood = {who: figures[who][FLOOD] for who in WHO}
    drained = flood["ours"].drained_per_s / flood["ccxt"].drained_per_s
    burnt = flood["ours"].cpu_us / flood["ccxt"].cpu_us
    print(
        f"merely drained under a flood, ratio: {drained:.2f}x the messages, {burnt:.2f} of the CPU"
    )
    latency = age.lingering_us / age.bare_us
    print(f"latency asleep (the default), ratio: {age.asleep_us / age.bare_us:.2f}, not gated")
    print(f"messages a second, ratio: {rate:.1f} (at least {RATE_AT_LEAST})")
    print(f"CPU per message, ratio: {cpu:.2f} (at most {CPU_AT_MOST})")
    print(
        f"latency at {LATENCY_RATE}/s lingering, ratio: {latency:.2f} (at most {LATENCY_AT_MOST})"
    )
    good = rate >= RATE_AT_LEAST and cpu <= CPU_AT_MOST and latency <= LATENCY_AT_MOST
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
