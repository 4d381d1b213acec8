"""What a router says over HTTP before it has a shard."""

import aiohttp

from switchboard.kafka.clients import Connection
from switchboard.kafka.topics import TopicNames, TopicPlan
from switchboard.router.endpoints import serve_endpoints
from switchboard.router.loop_actions import FrameLimits
from switchboard.router.router import Router
from switchboard.router.shard import RouterConfig


async def test_a_router_that_is_not_ready_says_what_it_waits_for() -> None:
    """The broker first, then the group; a standby is ready, and says that it stands by."""
    config = RouterConfig(Connection("broker.example:9092"), TopicNames(), 1, "acme", FrameLimits(2_000), 0.5, None)
    router = Router(config, TopicPlan(TopicNames()))
    web = await serve_endpoints(router, "127.0.0.1", 0)
    address = "http://{}:{}".format(*web.addresses[0][:2])
    try:
        async with aiohttp.ClientSession(address) as session:

            async def told(path: str) -> tuple[int, object]:
                async with session.get(path) as answer:
                    return answer.status, await answer.json()

            why = "waiting for the broker at broker.example:9092"
            assert await told("/readyz") == (503, {"ready": False, "reason": why, "shards": {}, "held_up": []})
            assert await told("/healthz") == (200, {"healthy": True, "reason": why, "shards": {}, "held_up": []})
            router._bus_found = True
            why = "waiting for shards: the router is not yet a member of group acme-routers"
            assert await told("/readyz") == (503, {"ready": False, "reason": why, "shards": {}, "held_up": []})
            router._ownership._heartbeat_at = 1.0
            why = "standing by: no shard is assigned to this router"
            assert await told("/readyz") == (200, {"ready": True, "reason": why, "shards": {}, "held_up": []})
    finally:
        await web.cleanup()
