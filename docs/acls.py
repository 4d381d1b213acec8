"""deploy/kafka/acls.sh, made from the rights that workers and commands check: one Kafka user for each workload."""
# ruff: noqa: INP001 - a part of `python -m docs.generate`, never installed

from collections.abc import Mapping
from typing import Final

from switchboard.cli.rights_command import commands, rights_of
from switchboard.settings import Settings

USERS: Final[Mapping[str, tuple[str, ...]]] = {
    "switchboard-router": ("router",),
    "switchboard-monitor": ("monitor",),
    "switchboard-setup": ("topics create", "config apply"),
}
"""The Kafka users of deploy/kubernetes, each with the commands of `switchboard rights` that it runs."""

HEAD: Final = """\
#!/bin/sh
# Allows each Kafka user of deploy/kubernetes what its workload needs, and nothing else. `make docs` writes this file,
# from what `switchboard rights` prints for the default names of topics and groups: with a prefix or a group id of your
# own, run `switchboard rights` with your settings instead.
#   BOOTSTRAP=host:port COMMAND_CONFIG=admin.properties sh deploy/kafka/acls.sh
# COMMAND_CONFIG is the properties file of a user who may alter ACLs; KAFKA_ACLS names a tool that is not on the path.
set -eu
: "${BOOTSTRAP:?set it to the host:port of a broker}"

acls() {
  "${KAFKA_ACLS:-kafka-acls.sh}" --bootstrap-server "$BOOTSTRAP" \\
    ${COMMAND_CONFIG:+--command-config "$COMMAND_CONFIG"} "$@"
}
"""


def acls() -> str:
    """The whole script, for the settings' defaults."""
    known = rights_of(Settings.model_construct())
    text = [HEAD]
    for user, does in USERS.items():
        rights = dict.fromkeys(right for command in does for right in known[command])
        text.append("".join(f"# switchboard rights {command} --principal User:{user}\n" for command in does))
        text[-1] += "".join(f"{line}\n" for line in commands(rights, "", f"User:{user}"))
    return "\n".join(text).replace("kafka-acls.sh --bootstrap-server  --add", "acls --add")
