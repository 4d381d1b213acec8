"""The metrics of the monitor: a registry of its own, since a router serves none of these and a monitor nothing else."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

REGISTRY: Final = CollectorRegistry()

RESTORED: Final = Gauge(
    "switchboard_monitor_restored",
    "1 once the tables hold all that was on the bus at the monitor's start.",
    registry=REGISTRY,
)
BUS_ANSWERED: Final = Gauge(
    "switchboard_monitor_bus_answered_timestamp_seconds",
    "When the bus last answered; it is asked every 2 s.",
    registry=REGISTRY,
)
RECORDS: Final = Counter(
    "switchboard_monitor_records", "Records of rows, decisions and configuration read.", ["topic"], registry=REGISTRY
)
