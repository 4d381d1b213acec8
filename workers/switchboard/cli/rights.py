"""`switchboard rights`: what each worker and command must be allowed to do, as commands that allow it."""

from collections.abc import Iterable
from itertools import groupby

import click
import orjson

from switchboard.kafka.rights import (
    Resource,
    Right,
    config_rights,
    monitor_rights,
    publishing_rights,
    reading_rights,
    router_rights,
    simulate_rights,
    topics_rights,
)
from switchboard.monitor.worker import READ
from switchboard.settings import Settings, load


def rights_of(settings: Settings) -> dict[str, list[Right]]:
    """The least rights of each worker and command, by its name."""
    names, group = settings.topic_names(), settings.group_id
    return {
        "router": router_rights(names, group),
        "monitor": monitor_rights(names, group, READ),
        "topics": topics_rights(names),
        "config": config_rights(names, group),
        "simulate": simulate_rights(names),
        "reading": reading_rights(names),
        "publishing": publishing_rights(names),
    }


@click.command()
@click.argument("worker", type=click.Choice([*rights_of(Settings.model_construct())]))
@click.option("--principal", default=None, help="Whom to allow it, such as User:router; User:WORKER unless given.")
@click.option("--json", "as_json", is_flag=True, help="Print the rights as JSON.")
def rights(worker: str, principal: str | None, *, as_json: bool) -> None:
    """Print the least that a WORKER must be allowed on a cluster with ACLs, as commands for Kafka's kafka-acls.sh.

    The names of topics and groups are those that the settings give. `topics` and `config` stand for the commands of
    those names; `reading` for record, audit, verify --live and dead-letter list; `publishing` for replay --to-bus and
    dead-letter replay.

    \b
    Example:
      switchboard rights router --principal User:router
    """
    settings = load()
    found = rights_of(settings)[worker]
    if as_json:
        told = [
            {"operation": str(each.operation), "resource": each.resource, "name": each.name, "prefixed": each.prefixed}
            for each in found
        ]
        click.echo(orjson.dumps(told))
        return
    for line in commands(found, settings.bootstrap_servers, principal or f"User:{worker}"):
        click.echo(line)


def commands(rights: Iterable[Right], bootstrap: str, principal: str) -> list[str]:
    """The commands that allow these rights, as few as can be: each starts a Java of its own."""
    alike = groupby(rights, lambda each: (each.operation, each.resource, each.prefixed))
    return [
        f"kafka-acls.sh --bootstrap-server {bootstrap} --add --allow-principal {principal} --operation {operation}"
        + "".join(f" --{resource}" + f" {each.name}" * (resource is not Resource.CLUSTER) for each in some)
        + " --resource-pattern-type prefixed" * prefixed
        for (operation, resource, prefixed), some in alike
    ]
