"""`switchboard rights`: the rights that each worker and command needs, as commands for kafka-acls.sh."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

import click

from switchboard.cli.ui import say, say_json
from switchboard.kafka.acl import (
    AUDITED,
    DECIDED,
    OWN,
    Operation,
    Resource,
    Right,
    checking_rights,
    configuring_rights,
    creating_rights,
    monitor_rights,
    on_topics,
    resetting_rights,
    router_rights,
    simulating_rights,
)
from switchboard.kafka.topics import ROWS, SOURCES, Topic
from switchboard.monitor.worker import TABLE_TOPICS
from switchboard.settings import Settings, load


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.option("--principal", default=None, help="Whom to allow it, such as User:router; User:COMMAND unless given.")
@click.option("--json", "as_json", is_flag=True, help="Print the rights as JSON.")
def rights(command: tuple[str, ...], principal: str | None, *, as_json: bool) -> None:
    """Print the least that a COMMAND must be allowed on a cluster with ACLs, as commands for Kafka's kafka-acls.sh.

    COMMAND is `router`, `monitor`, or another as one calls it, such as `topics check` or `record --bus`; `topics` alone
    stands for all that begin so. Those that talk to no broker are not known. The names of topics and groups are those
    that the settings give.

    \b
    Example:
      switchboard rights router --principal User:router
      switchboard rights record --bus
    """
    settings = load()
    found = _chosen(command, rights_of(settings))
    if as_json:
        fields = [
            {"operation": str(each.operation), "resource": each.resource, "name": each.name, "prefixed": each.prefixed}
            for each in found
        ]
        say_json(fields)
        return
    for line in commands(found, settings.bootstrap_servers, principal or f"User:{command[0]}"):
        say(line)


def rights_of(settings: Settings) -> dict[str, list[Right]]:
    """The least rights of each worker and of each command that talks to a broker, by the words of the call."""
    names, group = settings.topic_names(), settings.group_id

    def reading(topics: Iterable[Topic]) -> list[Right]:
        return on_topics(names, Operation.READ, topics)

    writing_sources = on_topics(names, Operation.WRITE, SOURCES)
    return {
        "router": router_rights(names, group),
        "monitor": monitor_rights(names, group, TABLE_TOPICS),
        "topics create": creating_rights(names, OWN),
        "topics create --sources": creating_rights(names, Topic),
        "topics check": checking_rights(names),
        "topics reset": resetting_rights(names, group, SOURCES),
        "config apply": configuring_rights(names, group),
        "config show": reading([Topic.ROUTING_CONFIG]),
        "record": reading([Topic.JOURNAL]),
        "record --from-rows": reading([Topic.JOURNAL, *ROWS]),
        "record --bus": reading(SOURCES),
        "verify": reading(DECIDED),
        "audit": reading(AUDITED),
        "dead-letter list": reading([Topic.DEAD_LETTER]),
        "dead-letter show": reading([Topic.DEAD_LETTER]),
        "dead-letter replay": [*reading([Topic.DEAD_LETTER]), *writing_sources],
        "replay --to-bus": writing_sources,
        "simulate": simulating_rights(names),
    }


def _chosen(words: Sequence[str], known: dict[str, list[Right]]) -> list[Right]:
    """The rights of the command with these words, or of all commands that begin with them, each right once."""
    name = " ".join(words)
    if name in known:
        return known[name]
    group = [right for other, some in known.items() if other.startswith(f"{name} ") for right in some]
    if not group:
        raise click.UsageError(f"{name} is none of: {', '.join(known)}")
    return list(dict.fromkeys(group))


def commands(rights: Iterable[Right], bootstrap: str, principal: str) -> list[str]:
    """The commands that grant these rights. As few as possible, because each starts a JVM."""
    # One command grants one operation on any number of resources of one type.
    alike = defaultdict[tuple[Operation, Resource, bool], list[str]](list)
    for each in rights:
        alike[each.operation, each.resource, each.prefixed].append(each.name)
    return [
        f"kafka-acls.sh --bootstrap-server {bootstrap} --add --allow-principal {principal} --operation {operation}"
        + "".join(f" --{resource}" + f" {name}" * (resource is not Resource.CLUSTER) for name in names)
        + " --resource-pattern-type prefixed" * prefixed
        for (operation, resource, prefixed), names in alike.items()
    ]
