"""`switchboard topics`: create and check the topics, and reset the offsets of a source topic."""

import asyncio

import click

from switchboard.cli.ui import ask, broker_wait, say, say_json
from switchboard.errors import FAULT
from switchboard.kafka.admin import Created, Difference, create_topics
from switchboard.kafka.positions import Start
from switchboard.settings import load
from switchboard.tools.source_topics import check_bus, require_stopped, reset_source


@click.group()
def topics() -> None:
    """Make and check the topics on the bus."""


@topics.command()
@click.option("--sources", is_flag=True, help="Also make the bus's topics, where they are missing.")
@click.option("--partitions", default=4, show_default=True, help="Partitions of each of the bus's topics made.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def create(*, sources: bool, partitions: int, as_json: bool) -> None:
    """Make the router's own topics; what exists is left as it is.

    \b
    Example:
      SWITCHBOARD_REPLICATION=1 SWITCHBOARD_MIN_INSYNC=1 switchboard topics create --sources
    """
    settings = load()

    async def make() -> list[Created]:
        conn, plan = settings.connection(), settings.topic_plan()
        # Shared by all attempts, so that a topic created by a failed attempt is reported as made.
        made = set[str]()

        async def attempt() -> list[Created]:
            return await create_topics(conn, plan, bus_partitions=partitions if sources else None, made=made)

        return await broker_wait(settings).retry("making the topics", attempt, long=True)

    made = asyncio.run(make())
    if as_json:
        say_json([{"topic": each.name, "made": each.made} for each in made])
        return
    for each in made:
        say(f"{'made' if each.made else 'there already'}: {each.name}")


@topics.command()
@click.option("--json", "as_json", is_flag=True, help="Print the differences as JSON.")
@click.pass_context
def check(ctx: click.Context, *, as_json: bool) -> None:
    """Say what differs from what the router needs; exit code 1 if anything does.

    Also where a source topic no longer holds what the shards go on with: it was made anew, or its retention is short.

    \b
    Example:
      switchboard topics check
    """
    settings = load()

    async def compare() -> list[Difference]:
        conn, plan = settings.connection(), settings.topic_plan()
        return await broker_wait(settings).retry("looking at the topics", lambda: check_bus(conn, plan), long=True)

    found = asyncio.run(compare())
    if as_json:
        fields = ("topic", "what", "found", "expected", "remedy", "fatal")
        say_json([{name: getattr(each, name) for name in fields} for each in found])
    else:
        for each in found:
            say(f"{'fault' if each.fatal else 'warning'}: {each}")
        if not found:
            say("all topics are as they should be")
    if found:
        ctx.exit(FAULT)


@topics.command()
@click.argument("topic")
@click.option("--from", "start", required=True, help="Where to go on: earliest, latest or a time (RFC 3339).")
@click.option("--yes", is_flag=True, help="Don't ask.")
@click.option("--force", is_flag=True, help="Even while routers run: they are fenced.")
def reset(topic: str, start: str, *, yes: bool, force: bool) -> None:
    """Say where to go on reading a source TOPIC that was deleted and made anew.

    Stop the routers first: while some run it is refused, and they are named.

    \b
    Example:
      switchboard topics reset chat-arrival --from earliest
    """
    try:
        begin = Start.parse(start)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--from") from None
    settings = load()
    if not yes:
        ask(f"Go on reading {topic} from {start}?", "nothing was reset")

    async def set_offsets() -> dict[int, dict[int, int]]:
        conn, group, wait = settings.connection(), settings.group_id, broker_wait(settings)
        if not force:
            await wait.retry("looking for routers that run", lambda: require_stopped(conn, group))
        return await reset_source(conn, settings.topic_names(), group, settings.shards, topic, begin, wait)

    for shard, offsets in asyncio.run(set_offsets()).items():
        positions = ", ".join(f"{partition}: {offset}" for partition, offset in sorted(offsets.items()))
        say(f"shard {shard} goes on reading {topic} at offsets {positions}")
