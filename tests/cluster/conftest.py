"""Three brokers for the whole run, of which a test takes some away; whole again before the next test begins."""

import asyncio
from collections.abc import Iterator

import pytest

from switchboard.dev.local_cluster import LocalCluster
from tests.cluster.outages import coordinate, whole


@pytest.fixture(scope="session")
def three_brokers() -> Iterator[LocalCluster]:
    """The brokers of this run: about 12 s to start on two cores."""
    with LocalCluster() as cluster:
        asyncio.run(coordinate(cluster))
        yield cluster


@pytest.fixture
def cluster(three_brokers: LocalCluster) -> Iterator[LocalCluster]:
    """They, all there and every replica in sync; so again after the test."""
    asyncio.run(whole(three_brokers))
    yield three_brokers
    three_brokers.resume()
