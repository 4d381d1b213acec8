"""What every test may use: a real Kafka broker, once for the whole run, and names of its own on it."""

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from switchboard.dev.local_broker import LocalBroker, bootstrap_from_environment
from tests.depth import examples

# A deadline is a timed assertion: a busy machine fails it.
settings.register_profile("switchboard", deadline=None)
settings.load_profile("switchboard")

BROKER_ROOMS = {"integration", "chaos", "cluster", "browser"}
"""Folders whose tests run on a real broker."""

_ran_on_broker: set[str] = set()

# Of tests that name no number of examples themselves.
settings.register_profile("switchboard", max_examples=examples(30, 100))
settings.load_profile("switchboard")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark tests by their folder, and those that take random examples."""
    for item in items:
        room = Path(item.path).relative_to(Path(__file__).parent).parts[0]
        if room in {"property", "fuzz"} or "hypothesis" in item.keywords:
            item.add_marker(pytest.mark.random)
        if room in BROKER_ROOMS:
            item.add_marker(pytest.mark.broker)
        if room in {"chaos", "cluster"}:
            item.add_marker(pytest.mark.chaos)


@pytest.fixture(scope="session")
def broker_bootstrap() -> Iterator[str]:
    """The host:port of the broker of this run: KAFKA_BOOTSTRAP's if set, else one that ends with the run."""
    named = bootstrap_from_environment()
    if named is not None:
        yield named
        return
    with LocalBroker() as broker:
        yield broker.bootstrap


@pytest.fixture
def private_broker() -> Iterator[LocalBroker]:
    """A broker of the test's own, running: it may be killed, restarted and suspended."""
    with LocalBroker() as broker:
        yield broker


@pytest.fixture
def bus_prefix() -> str:
    """A prefix, separator included, that no other test has: for the topics of both the router and the bus."""
    return f"t{uuid.uuid4().hex[:10]}."


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Remember which tests ran on a real broker."""
    if report.when == "call" and "broker" in report.keywords:
        _ran_on_broker.add(report.nodeid)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many tests ran on a real broker, so that a run without any can't pass for one with them."""
    terminalreporter.write_line(f"tests run on a real Apache Kafka broker: {len(_ran_on_broker)}")
