"""A real Prometheus watches a real router with the rules and dashboards that are shipped."""

import re

from switchboard.kafka.topics import Topic
from tests.monitors import a_monitor
from tests.prometheus import (
    DASHBOARDS,
    Prometheus,
    a_prometheus,
    expressions,
    rules,
    served_by_monitor,
    served_names,
)
from tests.routers import Bus, a_bus
from tests.waiting import eventually


async def watched(prometheus: Prometheus) -> None:
    """Wait until it has scraped the router and the monitor, and evaluated every rule."""

    async def look() -> list[str]:
        groups = (await prometheus.get("rules"))["groups"]
        return [rule["health"] + rule.get("lastError", "") for group in groups for rule in group["rules"]]

    await eventually(lambda: prometheus.value("sum(up)"), lambda up: up == 2)
    health = await eventually(look, lambda seen: "unknown" not in seen)
    assert health == ["ok"] * len(rules())


async def work(bus: Bus) -> None:
    """A chat that is answered, and an agent who leaves afterwards."""
    await bus.answered("ana", "answered")
    await bus.lifecycle("chat-concluded", "answered")
    await bus.presence("agent-logged-out", "ana")
    await bus.until_decided("chat-closed", "answered")


async def test_rules_dashboards_and_alerts_work_on_a_running_router(broker_bootstrap: str, bus_prefix: str) -> None:
    """Every rule evaluates, every panel's question is answered, and nothing fires until something is wrong.

    Then a queue that nobody serves, a flood of bad records, the loss of the monitor and of the only router are told.
    """
    async with (
        a_bus(broker_bootstrap, bus_prefix) as bus,
        bus.router() as router,
        a_monitor(**bus.settings()) as monitor,
    ):
        await router.ready()
        await monitor.first("/healthz")
        addresses = [
            (await router.logged(r"/readyz at http://(127\.0\.0\.1:\d+)"))[1],
            (await monitor.logged(r"serving at http://(127\.0\.0\.1:\d+)"))[1],
        ]
        async with a_prometheus(*addresses) as prometheus:
            await work(bus)
            await watched(prometheus)
            await eventually(lambda: prometheus.value("sum(switchboard_wait_seconds_count)"), lambda seen: seen == 1)
            # Before its first scrape there was no router, as far as it knew; `for:` is a second or two here.
            await eventually(prometheus.firing, lambda seen: seen == set())

            scraped = {
                name for name in await prometheus.get("label/__name__/values") if name.startswith("switchboard_")
            }
            assert scraped == served_names() | served_by_monitor()
            assert await prometheus.value("switchboard_monitor_restored") == 1
            read = 'switchboard_monitor_records_total{topic="assignment"}'
            await eventually(lambda: prometheus.value(read), lambda number: number == len(bus.seen[Topic.ASSIGNMENT]))
            for dashboard in DASHBOARDS:
                for expression in expressions(dashboard):
                    await prometheus.get("query", query=expression)

            await bus.arrive("nobody-there")
            await prometheus.fires("SwitchboardNoAgents")
            for number in range(300):
                await bus.say(Topic.CHAT_ARRIVAL, b'{"chat_id":%d}' % number)
            await prometheus.fires("SwitchboardDeadLetters")
            await prometheus.fires("SwitchboardDeadLetterFlood")
            await monitor.kill()
            await prometheus.fires("SwitchboardMonitorDown")
            await router.kill()
            await prometheus.fires("SwitchboardNoRouter")


async def test_the_chosen_names_of_a_pool_and_queue_are_offered(broker_bootstrap: str, bus_prefix: str) -> None:
    """What the dashboards' variables ask for is there before the first chat."""
    async with a_bus(broker_bootstrap, bus_prefix) as bus, bus.router() as router:
        await bus.configure("retail", queues=[{"name": "sales"}])
        await router.ready()
        found = await eventually(router.metrics, lambda seen: any('pool="retail"' in name for name in seen))
        counters = {name for name in found if re.match(r'switchboard_\w+\{.*pool="retail",queue="sales"', name)}
        assert {found[name] for name in counters} == {0}
        assert len({name.partition("{")[0] for name in counters}) > 10
