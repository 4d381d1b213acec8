"""A web server under clients who open connections and then do nothing, with real sockets on both kinds of loops."""

import asyncio
import resource
import socket
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
import uvloop
from aiohttp import web

from switchboard.web.connections import ClientConnection, Connections, Deadlines, Limits
from switchboard.web.server import MOST_BODY_BYTES, Handler, whole
from tests.sockets import HALF, WHOLE, an_app, ask, connected, descriptors, rest, still_open
from tests.waiting import eventually

Run = Callable[[Coroutine[Any, Any, None]], None]

both_loops = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["monitor's", "router's"])


@both_loops
@pytest.mark.parametrize("sent", [b"", HALF, b"POST /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n"])
def test_probes_answer_while_1100_connections_hold_a_part_of_a_request(run: Run, sent: bytes) -> None:
    """More than a process may have descriptors: whoever sends no whole request gives its place to the next."""

    async def scenario() -> None:
        async with an_app(Limits(100, 50)) as port:
            held = [await connected(port, sent) for _ in range(1_100)]
            for path in ("/healthz", "/livez", "/readyz"):
                assert (await ask(port, path))[0] == 200
            assert still_open(held) <= 50
            for each in held:
                each.close()

    with descriptors(4_096):
        run(scenario())


@both_loops
def test_one_address_never_takes_the_places_of_others(run: Run) -> None:
    """At its own limit a client's new connections replace its old ones, and nobody else's."""

    async def scenario() -> None:
        async with an_app(Limits(100, 10)) as port:
            other = await connected(port, HALF, source="127.0.0.2")
            flood = [await connected(port, HALF) for _ in range(200)]
            assert (await ask(port, "/livez"))[0] == 200
            await asyncio.get_running_loop().sock_sendall(other, b"Connection: close\r\n\r\n")
            assert (await rest(other)).startswith(b"HTTP/1.1 200 ")
            assert still_open(flood) <= 10
            for each in flood:
                each.close()

    with descriptors(1_024):
        run(scenario())


@both_loops
def test_many_addresses_together_don_t_keep_a_new_one_out(run: Run) -> None:
    """Where all places are taken, one that has waited longest gives its place, of the address that has most of them."""

    async def scenario() -> None:
        async with an_app(Limits(20, 10)) as port:
            quiet = await connected(port, HALF, source="127.0.0.9")
            held = [await connected(port, HALF, source=f"127.0.0.{2 + n % 5}") for n in range(60)]
            assert (await ask(port, "/livez"))[0] == 200
            await asyncio.get_running_loop().sock_sendall(quiet, b"Connection: close\r\n\r\n")
            assert (await rest(quiet)).startswith(b"HTTP/1.1 200 ")
            assert still_open(held) <= 20
            for each in held:
                each.close()

    run(scenario())


@both_loops
@pytest.mark.parametrize("sent", [b"", HALF, WHOLE + HALF])
def test_a_request_that_never_ends_is_cut_off(run: Run, sent: bytes) -> None:
    """Also when a byte of it comes now and then, and when it is not the first of its connection."""

    async def scenario() -> None:
        async with an_app(Limits(20, 10, Deadlines(request=0.1, sweep=0.01))) as port:
            client = await connected(port, sent)
            loop = asyncio.get_running_loop()

            async def drip() -> bool:
                try:
                    await loop.sock_sendall(client, b"x")
                except ConnectionError:
                    return True
                return False

            if sent:
                await eventually(drip)
            assert (await rest(client)).count(b"HTTP/1.1 200 ") == sent.count(WHOLE)

    run(scenario())


@both_loops
def test_a_connection_between_requests_is_kept_longer_than_a_request_may_take(run: Run) -> None:
    """A proxy or Prometheus uses its connection again: the deadline of a request does not run between requests."""

    async def scenario() -> None:
        async with an_app(Limits(20, 10, Deadlines(request=0.1, sweep=0.01))) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(WHOLE)
            assert b" 200 " in await reader.readline()
            await reader.readuntil(b"\r\n\r\nwell")
            # Another one that sends nothing is over meanwhile, and this one is not.
            assert await rest(await connected(port)) == b""
            assert await rest(await connected(port)) == b""
            writer.write(WHOLE)
            assert b" 200 " in await reader.readline()
            writer.close()

    run(scenario())


def large_app(body: bytes) -> web.Application:
    """An app whose only answer is more than a connection's buffers hold."""
    app = web.Application(middlewares=[whole], client_max_size=MOST_BODY_BYTES)

    async def large(_: web.Request) -> web.Response:
        return web.Response(body=body)

    app.router.add_get("/large", large)

    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="well")

    app.router.add_get("/livez", livez)
    return app


@both_loops
def test_who_does_not_read_the_answer_is_cut_off(run: Run) -> None:
    """A client that asks for much and then reads nothing holds its place, and the answer's memory, for no longer."""

    async def scenario() -> None:
        body = bytes(2_000_000)
        async with an_app(Limits(20, 10, Deadlines(write=0.1, sweep=0.01)), large_app(body)) as port:
            client = await connected(port, b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n", small_buffer=True)
            loop = asyncio.get_running_loop()

            async def is_reset() -> bool:
                # The server's reset shows in the socket's error, without reading anything.
                return client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0

            await eventually(is_reset)
            with pytest.raises(ConnectionError):
                await loop.sock_sendall(client, b"x")
            client.close()

    run(scenario())


@both_loops
@pytest.mark.parametrize("source", ["127.0.0.1", "127.0.0.2"])
def test_who_does_not_read_gives_its_place_to_a_new_client(run: Run, source: str) -> None:
    """Where every place is held by one who asked for much and does not read, long before its own deadline."""

    async def scenario() -> None:
        async with an_app(Limits(16, 16, Deadlines(slow=0.1)), large_app(bytes(2_000_000))) as port:
            asking = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"
            held = [await connected(port, asking, small_buffer=True) for _ in range(16)]

            async def status() -> int:
                return (await ask(port, "/livez", source=source))[0]

            await eventually(status, lambda found: found == 200)
            assert still_open(held) < 16
            for each in held:
                each.close()

    run(scenario())


def test_the_limits_leave_file_descriptors_for_everything_else() -> None:
    """Half of what the process may have, however many connections were wanted."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (600, hard))
    try:
        assert Limits(500, 400).within_descriptors() == Limits(300, 300)
        assert Limits(100, 50).within_descriptors() == Limits(100, 50)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def test_a_client_that_leaves_is_no_failure_of_ours(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever sends half a body and leaves, or asks for much and leaves, writes nothing into our log."""
    lost = 0

    async def livez(_: web.Request) -> web.Response:
        return web.Response(text="well")

    @web.middleware
    async def counting(request: web.Request, handler: Handler) -> web.StreamResponse:
        nonlocal lost
        try:
            return await handler(request)
        except ConnectionError:
            lost += 1
            raise

    app = web.Application(middlewares=[counting, whole], client_max_size=MOST_BODY_BYTES)
    app.router.add_post("/livez", livez)
    async with an_app(Limits(20, 10), app) as port:
        client = await connected(port, b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
        client.close()
        await eventually(lambda: asyncio.sleep(0, lost))
        assert lost == 1
    assert [record for record in caplog.records if record.levelname in ("WARNING", "ERROR")] == []


class Unread(asyncio.Transport):
    """A transport whose client has left a little unread: less than what pauses a writer."""

    def get_write_buffer_size(self) -> int:
        """In bytes."""
        return 1_000

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """No effect."""

    def close(self) -> None:
        """No effect."""


async def test_the_end_of_an_answer_that_is_not_read_is_not_waited_for_either() -> None:
    """No writer waits for it, so only the check of the deadlines finds it."""
    runner = web.AppRunner(web.Application())
    await runner.setup()
    assert runner.server is not None
    connections = Connections(Limits(1, 1, Deadlines(request=1_000.0)))
    connection = ClientConnection(connections, runner.server, loop=asyncio.get_running_loop())
    with socket.socket() as peer:
        connection.connection_made(Unread({"peername": ("127.0.0.1", 4711), "socket": peer}))
        begun = asyncio.get_running_loop().time()
        assert [connection.is_overdue(begun + after) for after in (100.0, 119.0, 121.0)] == [False, False, True]
        connection.connection_lost(None)
    await runner.cleanup()
