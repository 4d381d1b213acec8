"""`switchboard config`: check a routing file, publish a routing file, show the configuration."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import orjson

from switchboard.cli.ui import broker_wait, say, say_json
from switchboard.journal.printable_text import counted
from switchboard.journal.routing_file import read_routing_file
from switchboard.kafka.configuration_topic import Applied, read_configuration, write_configuration
from switchboard.settings import load

ROUTING_FILE = click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))


@click.group()
def config() -> None:
    """Pools, queues and profiles: check a routing file, apply it, show what is applied."""


@config.command()
@ROUTING_FILE
def check(file: Path) -> None:
    """Check a routing FILE: all its faults at once, each with its line; exit code 1 if there are any.

    \b
    Example:
      switchboard config check routing.toml
    """
    for pool in read_routing_file(file):
        say(_summary(pool["pool"], pool["config"]))
    say(f"{file}: no faults")


@config.command()
@ROUTING_FILE
def apply(file: Path) -> None:
    """Check a routing FILE and publish it: all of it, or with any fault nothing.

    Routers take it from there at that point of their journal; agents and chats that are there stay.

    \b
    Example:
      switchboard config apply routing.toml
    """
    pools = read_routing_file(file)
    settings = load()

    async def publish() -> None:
        conn, names = settings.connection(), settings.topic_names()
        await write_configuration(conn, names, settings.group_id, pools, broker_wait(settings))

    asyncio.run(publish())
    for pool in pools:
        say(f"applied {_summary(pool['pool'], pool['config'])}")


@config.command()
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
def show(*, as_json: bool) -> None:
    """Show what was last applied.

    \b
    Example:
      switchboard config show --json
    """
    settings = load()

    async def read() -> Applied:
        conn, names = settings.connection(), settings.topic_names()
        return await broker_wait(settings).retry(
            "reading the configuration", lambda: read_configuration(conn, names), long=True
        )

    applied = asyncio.run(read())
    if applied.first_bad is not None:
        say(f"left out, as routers do: {counted(applied.bad, 'record')}; the first: {applied.first_bad}", err=True)
    if as_json:
        say_json(applied.pools, indent=True, sort_keys=True)
        return
    for pool, body in sorted(applied.pools.items()):
        _show_pool(pool, body)
    if not applied.pools:
        say("nothing is configured: every pool has one queue and one profile, both named default")


def _show_pool(pool: str, body: Mapping[str, Any]) -> None:
    """Print a pool, and each queue and profile with the fields that are set."""
    say(_summary(pool, body))
    for kind in ("queues", "profiles"):
        for row in body[kind]:
            fields = ", ".join(
                f"{name}={orjson.dumps(value).decode()}" for name, value in row.items() if name != "name"
            )
            say(f"  {kind[:-1]} {row['name']}{': ' if fields else ''}{fields}")


def _summary(pool: str, body: Mapping[str, Any]) -> str:
    names = {kind: ", ".join(row["name"] for row in body[kind]) for kind in ("queues", "profiles")}
    return f"pool {pool}: queues {names['queues']}; profiles {names['profiles']}"
