"""The catalogue: closed sets are those of the rooms they come from, names are as they should be."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from prometheus_client.core import Metric

from arbit.domain.events import FeedCounts
from arbit.domain.readings import ProcessReading, TradingReading, VenueReading
from arbit.fitness.episodes import Stage
from arbit.risk.breaker import BreakerState, Reason
from arbit.telemetry import series
from arbit.telemetry.catalogue import PROCESS, TRADING, VENUE
from arbit.telemetry.kept import ELSEWHERE, KEPT
from arbit.telemetry.metrics import metrics
from arbit.telemetry.metrics_docs import METRICS, metrics_md
from arbit.telemetry.series import Kind

REPO = Path(__file__).parents[3]
NOTHING = TradingReading({}, {}, {}, {}, "active", killed=False)
READING = VenueReading("kraken", FeedCounts(), {}, {}, {}, {}, {}, trading=NOTHING)


def test_the_closed_sets_are_those_of_the_rooms_they_come_from() -> None:
    assert tuple(stage.name.lower() for stage in Stage) == series.STAGES
    assert set(series.BREAKERS) == {state.value for state in BreakerState}
    stops = {Reason.DRIFT, Reason.FOREIGN, Reason.UNRESOLVED, Reason.HALT, Reason.OVERFILL}
    assert {reason.value for reason in stops} <= set(series.INCIDENTS)


def test_every_kind_of_incident_that_the_code_names_is_known() -> None:
    rooms = [path for path in (REPO / "arbit").rglob("*.py") if "sandbox" not in path.parts]
    code = "\n".join(path.read_text(encoding="utf-8") for path in rooms)
    told = set(re.findall(r'(?:self\._tell|\.incident|IncidentSeen)\([^"()]*"(\w+)"', code))
    assert len(told) > 5
    assert told <= set(series.INCIDENTS), told - set(series.INCIDENTS)


def test_names_are_once_each_and_end_in_their_unit() -> None:
    kinds = [(one.name, one.kind) for one in PROCESS]
    kinds += [(one.name, one.kind) for one in VENUE]
    kinds += [(one.name, one.kind) for one in TRADING]
    assert len(kinds) == len({name for name, _ in kinds})
    for name, kind in kinds:
        assert name.startswith("arbit_")
        if kind is Kind.HISTOGRAM:
            assert name.endswith(("_seconds", "_bps"))


def test_closed_labels_are_there_at_zero_before_anything_has_happened() -> None:
    page = {metric.name: metric for metric in metrics([READING], ProcessReading())}
    counters = [(one.name, one.labels) for one in VENUE if one.kind is Kind.COUNTER]
    counters += [(one.name, one.labels) for one in TRADING if one.kind is Kind.COUNTER]
    for name, labels in counters:
        wanted = len(labels[0].values) if labels else 1
        assert len(page[name].samples) == wanted, name
        assert {sample.value for sample in page[name].samples} == {0}


def test_a_value_that_nobody_knows_is_counted_as_other_and_makes_no_label_of_its_own() -> None:
    strange = replace(NOTHING, incidents={"held": 2, "venue said so": 3, "and so": 1})
    page = {m.name: m for m in metrics([replace(READING, trading=strange)], ProcessReading())}
    said = _by_label(page["arbit_incidents"], "kind")
    assert (said["held"], said["other"]) == (2, 4)
    assert set(said) == set(series.INCIDENTS)


def test_the_document_is_what_the_catalogue_says() -> None:
    assert (REPO / METRICS).read_text(encoding="utf-8") == metrics_md()


def test_of_each_counter_it_is_known_whether_the_database_has_it() -> None:
    counters = [one.shown for one in PROCESS if one.kind is Kind.COUNTER]
    counters += [one.shown for one in VENUE if one.kind is Kind.COUNTER]
    counters += [one.shown for one in TRADING if one.kind is Kind.COUNTER]
    assert sorted([*KEPT, *ELSEWHERE]) == sorted(counters)


def test_the_simulation_recomputes_every_counter_that_the_database_has() -> None:
    judge = (REPO / "tests" / "simulation" / "counted.py").read_text(encoding="utf-8")
    assert {name for name in KEPT if name not in judge} == set()


def _by_label(metric: Metric, name: str) -> dict[str, float]:
    return {sample.labels[name]: sample.value for sample in metric.samples}


def test_a_series_is_shown_by_the_name_that_the_page_has() -> None:
    page = {s.name for m in metrics([READING], ProcessReading()) for s in m.samples}
    shown = {one.shown for one in VENUE if one.kind is Kind.COUNTER}
    shown |= {one.shown for one in TRADING if one.kind is Kind.COUNTER}
    assert shown
    assert shown <= page
