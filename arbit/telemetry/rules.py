"""Alert rules for Prometheus and the proof of each: `python -m arbit.telemetry.rules` writes both.

A rule is a left side, a bound and how long it must hold. Its proof is a story in made-up series,
for `promtool test rules`: a moment at which it is not told yet, the next at which it is, and, where
it ends by itself, one at which it is over.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from arbit.telemetry.generated import write

FOLDER = Path("docs/prometheus")
EVERY_S = 5
MINUTE, HOUR = 60, 3_600
JOB = 'job="arbit"'
AT = 'instance="127.0.0.1:9464",job="arbit"'
HOST = f"{{{AT}}}"


@dataclass(frozen=True, slots=True)
class Proof:
    """Series by name, with values as promtool writes them, one each `EVERY_S`.

    `labels` are those of the alert beside its severity; `over_s` None where it does not end.
    """

    series: Mapping[str, str]
    quiet_s: int
    fires_s: int
    over_s: int | None = None
    labels: Mapping[str, str] = field(default_factory=lambda: {"venue": "kraken"})


@dataclass(frozen=True, slots=True)
class Rule:
    """`left` `bound`, for `for_s` seconds. `do` says what an operator does about it."""

    name: str
    left: str
    bound: str
    for_s: int
    severity: str
    summary: str
    do: str
    proof: Proof

    @property
    def expr(self) -> str:
        """The whole of it."""
        return f"{self.left} {self.bound}"


def _of(name: str, *labels: str) -> str:
    inside = ",".join([*labels, 'venue="kraken"', AT])
    return f"{name}{{{inside}}}"


def _buckets(name: str, by_edge: Mapping[str, str], *labels: str) -> dict[str, str]:
    return {_of(f"{name}_bucket", f'le="{edge}"', *labels): v for edge, v in by_edge.items()}


RULES: Sequence[Rule] = (
    Rule(
        "ArbitDown",
        f"up{{{JOB}}}",
        "== 0",
        MINUTE,
        "critical",
        "the daemon is not there, or does not answer",
        "look at its log; `arbit status`; what it had open is brought home at its next start",
        Proof(
            {f"up{HOST}": "1x3 0x30 1x20"},
            75,
            80,
            175,
            {"instance": "127.0.0.1:9464", "job": "arbit"},
        ),
    ),
    Rule(
        "ArbitStale",
        "histogram_quantile(0.5, "
        "sum by (venue, le) (rate(orderbook_staleness_seconds_bucket[30s])))",
        "> 2",
        MINUTE,
        "warning",
        "half of what is looked at rests on books older than two seconds",
        "`arbit why`: is the feed mute, the venue down, or the market quiet",
        Proof(
            _buckets(
                "orderbook_staleness_seconds",
                {"1": "0x20 0+10x40", "5": "0+10x60", "+Inf": "0+10x60"},
                'symbol="BTC/USD"',
            ),
            60,
            65,
            130,
        ),
    ),
    Rule(
        "ArbitBreakerOpen",
        'max by (venue) (arbit_breaker_state{state!="active"})',
        "> 0",
        0,
        "critical",
        "the circuit breaker is not closed: no new cycle starts",
        "`arbit why` says the reason, and whether it comes back by itself; else `arbit resume`",
        Proof({_of("arbit_breaker_state", 'state="reducing"'): "0x3 1x5 0x10"}, 15, 20, 50),
    ),
    Rule(
        "ArbitKillSwitch",
        "max by (venue) (arbit_kill_switch)",
        "> 0",
        0,
        "critical",
        "the kill switch is on: nothing leaves any more",
        "when you know why: `arbit unkill`, then `arbit resume VENUE`",
        Proof({_of("arbit_kill_switch"): "0x3 1x5 0x10"}, 15, 20, 50),
    ),
    Rule(
        "ArbitNoDecision",
        "max by (venue) (arbit_last_decision_age_seconds)",
        "> 30",
        0,
        "critical",
        "nothing has been decided for half a minute",
        "`arbit why`: a mute feed, a venue in maintenance, or a process that does not turn",
        Proof({_of("arbit_last_decision_age_seconds"): "0+5x8 1x10"}, 30, 35, 50),
    ),
    Rule(
        "ArbitDrift",
        'sum by (venue) (increase(arbit_incidents_total{kind="drift"}[10m]))',
        "> 0",
        0,
        "critical",
        "the venue's balances are not our books: trading has stopped",
        "compare with the venue; `arbit resume VENUE --accept-balances` when you know why",
        Proof({_of("arbit_incidents_total", 'kind="drift"'): "0x3 1x200"}, 15, 20, 700),
    ),
    Rule(
        "ArbitHeld",
        'sum by (venue) (increase(arbit_cycles_total{end="held"}[10m]) '
        '+ increase(arbit_conversions_total{end="held"}[10m]))',
        "> 0",
        0,
        "critical",
        "a cycle could not be brought home: an asset was left behind",
        "`arbit status` lists it; sell or keep it by hand, then `arbit resume VENUE`",
        Proof(
            {
                _of("arbit_cycles_total", 'end="held"'): "0x3 1x200",
                _of("arbit_conversions_total", 'end="held"'): "0x203",
            },
            15,
            20,
            700,
        ),
    ),
    Rule(
        "ArbitRestFallback",
        "sum by (venue) (rate(arbit_rest_books_total[5m])) / "
        "(sum by (venue) (rate(arbit_rest_books_total[5m])) "
        "+ sum by (venue) (rate(arbit_books_verified_total[5m])))",
        "> 0.2",
        2 * MINUTE,
        "warning",
        "more than a fifth of the books were polled: those are never traded on",
        "`arbit why`: the stream is stale or refused; it is dialled again by itself",
        Proof(
            {
                _of("arbit_rest_books_total"): "0+5x60 300x100",
                _of("arbit_books_verified_total"): "0+5x60 305+50x100",
            },
            120,
            125,
            800,
        ),
    ),
    Rule(
        "ArbitRejects",
        'sum by (venue) (increase(arbit_orders_total{state="rejected"}[10m]))',
        "> 2",
        0,
        "warning",
        "the venue refuses our orders",
        "the log says its words: a minimum, a key's right, a market that does not trade",
        Proof({_of("arbit_orders_total", 'state="rejected"'): "0x3 5x200"}, 15, 20, 700),
    ),
    Rule(
        "ArbitRecorderLag",
        "max by (venue) (arbit_recorder_lag_seconds)",
        "> 10",
        MINUTE,
        "warning",
        "history is written late: its disk or its server is slow",
        "look at the disk; trading is reduced when it lasts",
        Proof({_of("arbit_recorder_lag_seconds"): "0x3 12x20 0x10"}, 75, 80, 125),
    ),
    Rule(
        "ArbitMemoryGrows",
        f"deriv(process_resident_memory_bytes{{{JOB}}}[1h]) * 3600",
        "> 2e7",
        HOUR,
        "warning",
        "memory grows by more than 20 MB an hour",
        "restart when it suits you (nothing is lost by it), and tell us with the log",
        Proof(
            {f"process_resident_memory_bytes{HOST}": "1e8+1e5x1500"},
            HOUR,
            HOUR + 5,
            labels={"instance": "127.0.0.1:9464", "job": "arbit"},
        ),
    ),
    Rule(
        "ArbitAlertsUndelivered",
        "sum by (receiver) (arbit_alerts_undelivered)",
        "> 0",
        MINUTE,
        "critical",
        "critical alerts do not reach their receiver",
        "`arbit status` lists them; look at the receiver's address and at the network",
        Proof(
            {f'arbit_alerts_undelivered{{receiver="webhook",{AT}}}': "0x3 2x20 0x10"},
            75,
            80,
            125,
            {"receiver": "webhook"},
        ),
    ),
    Rule(
        "ArbitUnwell",
        'max by (venue, state) (arbit_health{state=~"mute|diverged|halted"})',
        "> 0",
        MINUTE,
        "critical",
        "the venue's run is not healthy",
        "`arbit why` says in words what it is",
        Proof(
            {_of("arbit_health", 'state="mute"'): "0x3 1x20 0x10"},
            75,
            80,
            125,
            {"venue": "kraken", "state": "mute"},
        ),
    ),
    Rule(
        "ArbitLoopLag",
        "histogram_quantile(0.99, sum by (le) (rate(arbit_loop_lag_seconds_bucket[5m])))",
        "> 0.05",
        5 * MINUTE,
        "warning",
        "the loop that decides turns late: the machine is short of processor time",
        "look at what else runs there",
        Proof(
            {
                f'arbit_loop_lag_seconds_bucket{{le="{edge}",{AT}}}': values
                for edge, values in {
                    "0.02": "0x200",
                    "0.1": "0+50x200",
                    "+Inf": "0+50x200",
                }.items()
            },
            5 * MINUTE,
            5 * MINUTE + 5,
            labels={},
        ),
    ),
)


def rules_yaml(for_s: int | None = None) -> str:
    """The rules file; with `for_s`, each must hold so long alone (for a test that has no hour)."""
    return "\n".join([*_head(), "groups:", "  - name: arbit", "    rules:", *_rules(for_s)]) + "\n"


def tests_yaml() -> str:
    """What `promtool test rules` runs."""
    lines = [*_head(), "rule_files: [arbit.rules.yml]", f"evaluation_interval: {EVERY_S}s"]
    return "\n".join([*lines, "tests:", *(line for rule in RULES for line in _proof(rule))]) + "\n"


def _head() -> list[str]:
    return ["# Generated by `python -m arbit.telemetry.rules`; do not edit."]


def _rules(for_s: int | None) -> Iterator[str]:
    for rule in RULES:
        yield f"      - alert: {rule.name}"
        yield f"        expr: {_text(rule.expr)}"
        yield f"        for: {rule.for_s if for_s is None else for_s}s"
        yield "        labels:"
        yield f"          severity: {rule.severity}"
        yield "        annotations:"
        yield f"          summary: {_text(rule.summary)}"
        yield f"          description: {_text(rule.do)}"


def _proof(rule: Rule) -> Iterator[str]:
    proof = rule.proof
    yield f"  - interval: {EVERY_S}s"
    yield "    input_series:"
    for name, values in proof.series.items():
        yield f"      - series: {_text(name)}"
        yield f"        values: {_text(values)}"
    yield "    alert_rule_test:"
    told = {proof.quiet_s: False, proof.fires_s: True}
    if proof.over_s is not None:
        told[proof.over_s] = False
    for at_s, fires in told.items():
        yield f"      - eval_time: {at_s}s"
        yield f"        alertname: {rule.name}"
        yield "        exp_alerts:" + ("" if fires else " []")
        if fires:
            labels = {"severity": rule.severity, **proof.labels}
            said = {"summary": rule.summary, "description": rule.do}
            yield f"          - exp_labels: {json.dumps(labels)}"
            yield f"            exp_annotations: {json.dumps(said)}"


def _text(value: str) -> str:
    """A string as YAML: JSON's are YAML's too."""
    return json.dumps(value)


SCRAPE = """# A Prometheus that asks one daemon on this machine; rules beside it.
global:
  scrape_interval: 5s
  evaluation_interval: 5s
rule_files: [arbit.rules.yml]
scrape_configs:
  - job_name: arbit
    static_configs:
      - targets: ["127.0.0.1:9464"]
"""


def files() -> dict[Path, str]:
    """Every file of the folder, by its path in the repository."""
    return {
        FOLDER / "arbit.rules.yml": rules_yaml(),
        FOLDER / "arbit.rules.test.yml": tests_yaml(),
        FOLDER / "prometheus.yml": SCRAPE,
    }


if __name__ == "__main__":
    write(files())
