"""What the dashboards show: tables of panels, each with what it asks Prometheus for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

V = 'venue=~"$venue"'


@dataclass(frozen=True, slots=True)
class Panel:
    """A graph. `asked` are expressions and how each line is named."""

    title: str
    asked: tuple[tuple[str, str], ...]
    unit: str = "short"
    about: str = ""
    kind: str = "timeseries"
    width: int = 8


@dataclass(frozen=True, slots=True)
class Board:
    """A dashboard: rows of panels under titles."""

    uid: str
    title: str
    about: str
    rows: Sequence[tuple[str, Sequence[Panel]]]

    @property
    def panels(self) -> list[Panel]:
        """All of them, in their order."""
        return [panel for _, panels in self.rows for panel in panels]


def _rate(name: str, by: str, over: str = "5m") -> str:
    return f"sum by (venue, {by}) (rate({name}{{{V}}}[{over}]))"


def _more(name: str, by: str, over: str = "1h") -> str:
    return f"sum by (venue, {by}) (increase({name}{{{V}}}[{over}]))"


def _quantile(share: float, name: str, by: str = "venue", over: str = "5m") -> str:
    buckets = f"sum by ({by}, le) (rate({name}_bucket{{{V}}}[{over}]))"
    return f"histogram_quantile({share:g}, {buckets})"


def _quantiles(name: str) -> tuple[tuple[str, str], ...]:
    return tuple((_quantile(q, name), f"{{{{venue}}}} p{q * 100:g}") for q in (0.5, 0.99))


_LATE = "sum by (le) (rate(arbit_loop_lag_seconds_bucket[5m]))"


def _state(name: str) -> tuple[tuple[str, str], ...]:
    return ((f"{name}{{{V}}} == 1", "{{venue}} {{state}}"),)


OPERATOR = Board(
    "arbit-operator",
    "arbit: is it well, and what does it earn",
    "Health, money and what was refused, a line for each venue.",
    (
        (
            "Is it well",
            (
                Panel("State", _state("arbit_health"), kind="stat", width=6),
                Panel("Circuit breaker", _state("arbit_breaker_state"), kind="stat", width=6),
                Panel(
                    "Kill switch",
                    ((f"arbit_kill_switch{{{V}}}", "{{venue}}"),),
                    about="1: nothing leaves any more",
                    kind="stat",
                    width=4,
                ),
                Panel(
                    "Since the last decision",
                    ((f"arbit_last_decision_age_seconds{{{V}}}", "{{venue}}"),),
                    unit="s",
                    kind="stat",
                    width=4,
                ),
                Panel(
                    "Alerts that wait",
                    (("sum by (receiver) (arbit_alerts_undelivered)", "{{receiver}}"),),
                    kind="stat",
                    width=4,
                ),
                Panel(
                    "Incidents in an hour", ((_more("arbit_incidents_total", "kind"), "{{kind}}"),)
                ),
                Panel(
                    "Changes of the breaker in an hour",
                    ((_more("arbit_breaker_changes_total", "state"), "to {{state}}"),),
                ),
                Panel(
                    "Refused by our own gate, a minute",
                    ((_rate("arbit_refusals_total", "code") + " * 60 > 0", "{{code}}"),),
                    about="what keeps it from trading",
                ),
            ),
        ),
        (
            "What it earns",
            (
                Panel(
                    "Realised since the start, in the reference currency",
                    (
                        (f"arbit_pnl_ref{{{V}}}", "{{venue}}"),
                        (f"arbit_gained_ref_total{{{V}}}", "{{venue}} gained"),
                        (f"-arbit_lost_ref_total{{{V}}}", "{{venue}} lost"),
                    ),
                ),
                Panel("Cycles in an hour", ((_more("arbit_cycles_total", "end"), "{{end}}"),)),
                Panel("Orders in an hour", ((_more("arbit_orders_total", "state"), "{{state}}"),)),
                Panel(
                    "Rejected by the venue in an hour",
                    ((_more("arbit_rejects_total", "code"), "{{code}}"),),
                ),
                Panel(
                    "Fills and conversions in an hour",
                    (
                        (f"sum by (venue) (increase(arbit_fills_total{{{V}}}[1h]))", "fills"),
                        (_more("arbit_conversions_total", "end"), "conversions {{end}}"),
                    ),
                ),
                Panel(
                    "Shortfall, median bps of the stake by cause",
                    (
                        (
                            _quantile(0.5, "arbit_shortfall_bps", "venue, cause", "1h"),
                            "{{venue}} {{cause}}",
                        ),
                    ),
                    about="how much less cycles bring than was expected, and why",
                ),
            ),
        ),
        (
            "What it owns",
            (
                Panel("Inventory", ((f"arbit_inventory{{{V}}}", "{{venue}} {{asset}}"),)),
                Panel(
                    "Moved by trading, at worst",
                    ((f"arbit_exposure{{{V}}}", "{{venue}} {{asset}}"),),
                ),
                Panel(
                    "Never spent",
                    ((f"arbit_inventory_reserve{{{V}}}", "{{venue}} {{asset}}"),),
                ),
            ),
        ),
    ),
)

MARKET = Board(
    "arbit-market",
    "arbit: market data, latency and the machine",
    "Feeds, staleness, how long things take, and the process itself.",
    (
        (
            "Feeds",
            (
                Panel(
                    "Messages a second",
                    ((f"sum by (venue) (rate(arbit_frames_total{{{V}}}[1m]))", "{{venue}}"),),
                ),
                Panel(
                    "Bytes a second",
                    (
                        (
                            f"sum by (venue) (rate(arbit_received_bytes_total{{{V}}}[1m]))",
                            "{{venue}}",
                        ),
                    ),
                    unit="Bps",
                ),
                Panel(
                    "Staleness of the oldest leg",
                    (
                        (_quantile(0.5, "market_data_staleness_ms", over="1m"), "{{venue}} p50"),
                        (_quantile(0.99, "market_data_staleness_ms", over="1m"), "{{venue}} p99"),
                    ),
                    unit="ms",
                ),
                Panel(
                    "Evaluated, by source of the books",
                    ((_rate("arbit_evaluations_total", "source"), "{{venue}} {{source}}"),),
                ),
                Panel(
                    "Not believed, by reason",
                    ((_rate("arbit_refused_evaluations_total", "reason"), "{{reason}}"),),
                ),
                Panel(
                    "Troubles in an hour",
                    tuple(
                        (f"sum by (venue) (increase(arbit_{name}_total{{{V}}}[1h]))", said)
                        for name, said in (
                            ("checksum_failures", "checksum"),
                            ("bad_frames", "not understood"),
                            ("resyncs", "resync"),
                            ("reconnects", "reconnect"),
                            ("rest_fallbacks", "REST took over"),
                            ("divergences", "diverged"),
                            ("feed_refusals", "refused"),
                        )
                    ),
                ),
                Panel(
                    "Connections",
                    ((f"arbit_feed_state{{{V}}} == 1", "{{venue}} {{connection}} {{state}}"),),
                    kind="stat",
                ),
                Panel(
                    "Books watched, and believed",
                    (
                        (f"arbit_watched_books{{{V}}}", "{{venue}} watched"),
                        (f"arbit_believed_books{{{V}}}", "{{venue}} believed"),
                    ),
                ),
                Panel(
                    "Quiet books confirmed, a minute",
                    (
                        (
                            f"sum by (venue) (rate(arbit_confirmations_total{{{V}}}[5m])) * 60",
                            "{{venue}}",
                        ),
                    ),
                ),
                Panel(
                    "Episodes in an hour, by how far they came",
                    ((_more("arbit_episodes_total", "stage"), "{{stage}}"),),
                    about="raw, gross, net of fees, fits, survives our latency, filled",
                ),
            ),
        ),
        (
            "How long things take",
            (
                Panel("Receipt to decision", _quantiles("arbit_decision_seconds"), unit="s"),
                Panel("Decision to wire", _quantiles("arbit_to_wire_seconds"), unit="s"),
                Panel("An order", _quantiles("arbit_order_seconds"), unit="s"),
                Panel("A cycle", _quantiles("arbit_cycle_seconds"), unit="s"),
                Panel(
                    "How late the loop turns",
                    tuple(
                        (f"histogram_quantile({share}, {_LATE})", f"p{share * 100:g}")
                        for share in (0.5, 0.99, 0.999)
                    ),
                    unit="s",
                ),
            ),
        ),
        (
            "The machine, history and alerts",
            (
                Panel(
                    "Memory",
                    (('process_resident_memory_bytes{job="arbit"}', "{{instance}}"),),
                    "bytes",
                ),
                Panel(
                    "Processor",
                    (('rate(process_cpu_seconds_total{job="arbit"}[1m])', "{{instance}}"),),
                    "percentunit",
                ),
                Panel("Open files", (('process_open_fds{job="arbit"}', "{{instance}}"),)),
                Panel(
                    "Rows of history",
                    (
                        (
                            f"sum by (venue) (rate(arbit_recorded_rows_total{{{V}}}[5m]))",
                            "a second",
                        ),
                        (f"arbit_recorder_queued_rows{{{V}}}", "waiting"),
                        (f"arbit_recorder_lost_rows_total{{{V}}}", "lost"),
                        (f"arbit_recorder_failures_total{{{V}}}", "failures"),
                    ),
                ),
                Panel(
                    "History's delay and size",
                    (
                        (f"arbit_recorder_lag_seconds{{{V}}}", "delay in s"),
                        (f"arbit_recorder_bytes{{{V}}} / 1e6", "size in MB"),
                    ),
                ),
                Panel(
                    "Alerts in an hour",
                    (
                        *(
                            (
                                f"sum by (receiver) (increase(arbit_alerts_{name}_total[1h]))",
                                f"{name} {{{{receiver}}}}",
                            )
                            for name in ("sent", "dropped", "failed")
                        ),
                        ("sum by (end) (increase(arbit_dead_man_pings_total[1h]))", "ping {{end}}"),
                    ),
                ),
                Panel(
                    "Told to nobody",
                    (
                        ("arbit_lost_events_total", "events lost"),
                        ("arbit_dropped_listeners_total", "witnesses dropped"),
                        ("arbit_alerts_merged_total", "alerts merged"),
                    ),
                ),
            ),
        ),
    ),
)
BOARDS = (OPERATOR, MARKET)
