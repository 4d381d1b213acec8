"""The registry: labels that are known beforehand are there, and histograms count as Prometheus says they do."""

import inspect
from typing import get_args, get_type_hints

import pytest
from prometheus_client import CollectorRegistry, Histogram

from switchboard import metrics
from switchboard.domain import agents, chats
from switchboard.domain.decisions import Decision
from switchboard.domain.events import FIELDS_OF
from switchboard.domain.reconfiguration import configure
from switchboard.journal.limits import Limit
from switchboard.metrics import Spans
from tests.samples import sample


def test_every_reason_to_ignore_an_event_is_a_series_from_the_start() -> None:
    """The reasons are the values that the engine's functions of events return (R21)."""
    reasons = {}
    for function in [*vars(chats).values(), *vars(agents).values(), configure]:
        hints = get_type_hints(function) if inspect.isfunction(function) else {}
        if hints.get("event") in FIELDS_OF.values():
            returned = get_args(hints["return"])
            reasons[hints["event"]] = {reason for each in returned for reason in get_args(each)}
    for name, fields in FIELDS_OF.items():
        assert reasons[fields] == set(metrics.IGNORED_REASONS.get(name, ())), name


def test_decision_types_and_their_reasons_are_those_of_the_contract() -> None:
    """Thirteen types, and four that refuse something."""
    assert len(metrics.DECISION_TYPES) == len(get_args(Decision)) == 13
    assert {kind: len(reasons) for kind, reasons in metrics.REFUSAL_REASONS.items()} == {
        "request-rejected": 3,
        "accept-rejected": 4,
        "decline-rejected": 1,
        "transfer-rejected": 4,
    }


@pytest.mark.parametrize("number", [3, 200])
def test_many_values_at_once_count_as_the_library_counts_them(number: int) -> None:
    """Bounds belong to their bucket, what is beyond the last goes to +Inf, and below zero is zero."""
    bounds = (0.5, 1.0, 2.0)
    values = [(place % 26 - 1) / 10 for place in range(number)]
    registry = CollectorRegistry()
    registry.register(spans := Spans("ours", "A test's.", ["pool"], bounds))
    theirs = Histogram("theirs", "A test's.", ["pool"], buckets=bounds, registry=registry)
    spans.observe_all(values, ("p",))
    for value in values:
        theirs.labels("p").observe(max(0.0, value))
    for le in ("0.5", "1.0", "2.0", "+Inf"):
        of = {"pool": "p", "le": le}
        assert registry.get_sample_value("ours_bucket", of) == registry.get_sample_value("theirs_bucket", of)
    told = registry.get_sample_value("ours_sum", {"pool": "p"})
    assert told == pytest.approx(registry.get_sample_value("theirs_sum", {"pool": "p"}))


def test_no_metric_has_a_label_for_a_chat_or_an_agent() -> None:
    """Ids would make a series each."""
    families = list(metrics.REGISTRY.collect())
    assert len(families) > 25
    names = {label for family in families for sample in family.samples for label in sample.labels}
    assert names <= {
        "pool",
        "queue",
        "type",
        "reason",
        "why",
        "outcome",
        "le",
        "shard",
        "version",
        "status",
        "stage",
        "limit",
    }


def test_what_is_counted_of_a_shard_is_there_from_the_start() -> None:
    """Also of shards that another router serves: a counter that begins with a count hides it from every alert."""
    metrics.present_shards(3)
    for name in ("switchboard_fenced_total", "switchboard_service_time_stopped_seconds_total"):
        told = [sample(name, shard=str(shard)) for shard in range(3)]
        assert None not in told, name


@pytest.mark.parametrize("limit", get_args(Limit))
def test_every_limit_is_a_series_from_the_start(limit: str) -> None:
    """As the reasons of dead letters are: of this one, by which limit."""
    assert sample("switchboard_over_limit_total", limit=limit) is not None
