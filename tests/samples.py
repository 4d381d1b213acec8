"""Samples of the router's metrics, as a scrape would show them."""

from switchboard import metrics


def sample(name: str, **labels: str) -> float | None:
    """The value of one series; None if the metric has no such series.

    Only the metric of that name is collected: a test that has made thousands of series of others does not wait for
    them, as it would with `CollectorRegistry.get_sample_value`.
    """
    for family in metrics.REGISTRY.restricted_registry([name]).collect():
        for each in family.samples:
            if each.name == name and each.labels == labels:
                return each.value
    return None
