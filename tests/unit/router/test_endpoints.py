"""What a router says over HTTP before it has a shard."""

from dataclasses import replace

import aiohttp

from switchboard.router.endpoints import serve_endpoints
from switchboard.router.router_status import RouterStatus


async def test_a_router_that_is_not_ready_says_what_it_waits_for() -> None:
    """The broker first, then the group; a standby is ready, and says that it stands by."""
    status = RouterStatus(1000.0, 0.0, "broker.example:9092", "acme")
    web = await serve_endpoints(lambda: status, "127.0.0.1", 0)
    address = "http://{}:{}".format(*web.addresses[0][:2])
    try:
        async with aiohttp.ClientSession(address) as session:

            async def told(path: str) -> tuple[int, object]:
                async with session.get(path) as answer:
                    return answer.status, await answer.json()

            why = "waiting for the broker at broker.example:9092"
            assert await told("/readyz") == (503, {"ready": False, "reason": why, "shards": {}, "held_up": []})
            assert await told("/healthz") == (200, {"healthy": True, "reason": why, "shards": {}, "held_up": []})
            status = replace(status, bus_found=True)
            why = "waiting for shards: the router is not yet a member of group acme-routers"
            assert await told("/readyz") == (503, {"ready": False, "reason": why, "shards": {}, "held_up": []})
            status = replace(status, waiting_for="waiting for broker.example:9092 (connection refused)")
            assert (await told("/readyz"))[1] == {
                "ready": False, "reason": status.waiting_for, "shards": {}, "held_up": []
            }  # fmt: skip
            status = replace(status, waiting_for="", is_member=True)
            why = "standing by: no shard is assigned to this router"
            assert await told("/readyz") == (200, {"ready": True, "reason": why, "shards": {}, "held_up": []})
    finally:
        await web.cleanup()
