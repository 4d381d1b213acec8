"""TLS, SASL and client certificates: workers and tools come in by each, and what is wrong is told by its setting."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from switchboard.cli.rights_command import rights_of
from switchboard.settings import Settings
from tests.monitors import a_monitor
from tests.routers import a_bus, run
from tests.secured import Secured

WAYS_IN = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", "mTLS")
ROUTING = "[[pools.default.queues]]\nname = 'default'\n[[pools.default.profiles]]\nname = 'default'\n"

Change = Callable[[Secured], dict[str, Any]]

WRONG: dict[str, tuple[str, Change, tuple[str, ...]]] = {
    "a wrong password": ("PLAIN", lambda _: {"sasl_password": "guessed"}, ("sasl_username worker", "sasl_password")),
    "a wrong SCRAM password": ("SCRAM-SHA-512", lambda _: {"sasl_password": "guessed"}, ("sasl_password",)),
    "a user who is not there": ("SCRAM-SHA-256", lambda _: {"sasl_username": "nobody"}, ("sasl_username nobody",)),
    "an expired token": (
        "OAUTHBEARER",
        lambda secured: {"sasl_token_file": secured.token("worker", seconds=-60)},
        ("sasl_token_file", "expired"),
    ),
    "another authority": (
        "PLAIN",
        lambda secured: {"ca_file": secured.folder / "another-ca.pem"},
        ("ca_file", "not trusted"),
    ),
    "another name": (
        "PLAIN",
        lambda secured: {"bootstrap_servers": secured.login.replace("127.0.0.1", "localhost")},
        ("bootstrap_servers", "another name"),
    ),
    "a stranger's certificate": ("mTLS", lambda secured: secured.certificate_of("stranger"), ("certificate_file",)),
    "no certificate": ("mTLS", lambda _: {"certificate_file": "", "key_file": ""}, ("certificate_file",)),
    "a wrong key password": ("mTLS", lambda _: {"key_password": "guessed"}, ("key_file", "key_password")),
    "a mechanism that is not served": (
        "PLAIN",
        lambda secured: {
            "bootstrap_servers": secured.clear,
            "security_protocol": "SASL_PLAINTEXT",
            "sasl_mechanism": "SCRAM-SHA-256",
        },
        ("sasl_mechanism SCRAM-SHA-256",),
    ),
    "a log-in where there is none": (
        "PLAIN",
        lambda secured: {"bootstrap_servers": secured.certificate, **secured.certificate_of("worker")},
        ("security_protocol",),
    ),
}
"""What is wrong: the way in, what is changed in its settings, and what the message must say."""


@pytest.mark.parametrize("way_in", WAYS_IN)
async def test_every_worker_and_tool_comes_in(secured: Secured, bus_prefix: str, tmp_path: Path, way_in: str) -> None:
    """Topics, configuration, router, monitor and recorder, over TLS with ACLs on: one chat goes all the way."""
    settings = secured.by(way_in)
    conn = Settings(**settings).connection()
    routing, recorded = tmp_path / "routing.toml", tmp_path / "bus.jsonl"
    routing.write_text(ROUTING)
    async with a_bus(secured.for_setting_up, bus_prefix) as bus:
        needs = rights_of(Settings(**bus.settings()))  # type: ignore[arg-type]
        await secured.allow({"worker": [right for some in needs.values() for right in some]})
    async with a_bus(conn, bus_prefix) as bus:
        async with bus.router(**settings) as router, a_monitor(**bus.settings(**settings)) as monitor:
            assert (await bus.run("config", "apply", str(routing), **settings)).code == 0
            await router.ready()
            await bus.request("ana")
            await bus.arrive("c-1")
            assert (await bus.until_decided("chat-assigned", "c-1"))["agent_id"] == "ana"

            await monitor.shows("/api/agents", lambda agents: any(row["agent_id"] == "ana" for row in agents))
        ran = await bus.run("record", "--bus", "--out", str(recorded), **settings)
        assert ran.code == 0, ran.err
        lines = [orjson.loads(line) for line in recorded.read_bytes().splitlines()]
        assert {line["topic"].removeprefix(bus_prefix) for line in lines} >= {"chat-arrival", "request-chat"}


async def test_what_is_wrong_is_told_by_its_setting_at_once(secured: Secured) -> None:
    """Exit code 2, no trace, no waiting for a broker that is there, and no secret in the message."""

    async def told(what: str) -> None:
        way_in, change, expected = WRONG[what]
        settings = {**secured.by(way_in), **change(secured), "broker_wait_seconds": 30, "metrics_port": 0}
        ran = await run("topics", "check", seconds=25, **settings)
        assert ran.code == 2, (what, ran.err)
        for words in expected:
            assert words in ran.err, (what, words, ran.err)
        assert "Traceback" not in ran.err, what
        assert "guessed" not in ran.err, what

    await asyncio.gather(*(told(what) for what in WRONG))


async def test_the_workers_tell_it_as_well(secured: Secured) -> None:
    """A router and a monitor with a wrong password end with exit code 2, and do not begin to wait."""
    settings = {**secured.by("PLAIN"), "sasl_password": "guessed", "metrics_port": 0, "web_port": 0}
    for worker in ("router", "monitor"):
        ran = await run("run", worker, seconds=25, **settings)
        assert ran.code == 2, ran.err
        assert "does not accept sasl_username worker" in ran.err


@pytest.mark.parametrize("protocol", ["PLAINTEXT", "SSL"])
async def test_another_protocol_is_the_first_suspect_where_connections_break_off(
    secured: Secured, protocol: str
) -> None:
    """A broker says nothing to what it does not understand, as one that is starting does: we wait, then say so."""
    settings = {**secured.by("PLAIN"), "security_protocol": protocol, "broker_wait_seconds": 1}
    ran = await run("config", "show", **settings)
    assert ran.code == 3, ran.err
    assert f"does it speak {protocol} (security_protocol)?" in ran.err
