"""`switchboard`: the table of commands, and the entry point that runs one of them.

`--help` and `--version` import click, this file and the exit codes only: 0.1 s of processor time. A command loads the
client library of Kafka and pydantic too, which takes 1 s.
"""

import importlib
import sys
from typing import Final, NamedTuple

import click

from switchboard.errors import INTERRUPTED


class Listed(NamedTuple):
    """One command of the table."""

    module: str
    """The module of this package that holds the command, under the command's name with `_` for `-`."""
    help: str
    """First sentence of the command's own help, so that the list of commands needs no import; a test compares them."""


COMMANDS: Final = {
    "audit": Listed(
        "audit_command", "Check that what was decided keeps to the routing rules, invariants I1 to I8 first."
    ),
    "broker": Listed(
        "broker_command", "Run a throwaway Apache Kafka broker on loopback until Ctrl-C; what it held is then gone."
    ),
    "config": Listed(
        "config_commands", "Pools, queues and profiles: check a routing file, apply it, show what is applied."
    ),
    "dead-letter": Listed(
        "dead_letter_commands",
        "What could not be taken and was set aside: list it, show it, put it back on its topic.",
    ),
    "demo": Listed(
        "demo_command",
        "Watch chats from real call arrivals being assigned to push and pull agents, through Apache Kafka.",
    ),
    "explain": Listed(
        "explain_command",
        "Tell the story of a chat from a recorded LOG: each decision about it, who was asking, and why it was so.",
    ),
    "record": Listed(
        "record_command",
        "Record topics to a log, as `kcat -J` writes it: committed records, in no group, touching no offset.",
    ),
    "replay": Listed(
        "replay_command",
        "Decide a recorded LOG again, offline: the same log gives the same bytes. Or send it to a bus.",
    ),
    "rights": Listed(
        "rights_command",
        "Print the least that a COMMAND must be allowed on a cluster with ACLs, as commands for Kafka's kafka-acls.sh.",
    ),
    "run": Listed("run_commands", "Run the workers: the router, the monitor, or both."),
    "settings": Listed(
        "settings_command", "Show every setting with its value and where it came from; secrets are masked."
    ),
    "simulate": Listed(
        "simulate_command",
        "Customers and agents on the bus: real call arrivals, and people who answer, decline, wrap up and take breaks.",
    ),
    "topics": Listed("topics_commands", "Make and check the topics on the bus."),
    "verify": Listed(
        "verify_command",
        "Replay a recorded LOG and compare with the decisions that were made, byte for byte. Exit code 1: they differ.",
    ),
    "whatif": Listed(
        "whatif_command",
        "What would have happened under other rules: LOG's arrivals and people again, as they were and otherwise.",
    ),
}


class Commands(click.Group):
    """A group whose commands are imported when they are called, and listed without an import."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in alphabetical order."""
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import one command; None for an unknown name."""
        del ctx
        if name not in COMMANDS:
            return None
        module = importlib.import_module(f"switchboard.cli.{COMMANDS[name].module}")
        command: click.Command = getattr(module, name.replace("-", "_"))
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands as click does, but from the table."""
        width = formatter.width - 6 - max(map(len, COMMANDS))  # click's margin and its gap between the two columns
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, click.Command(name, help=COMMANDS[name].help).get_short_help_str(width))
                    for name in self.list_commands(ctx)
                ]
            )


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="chat-switchboard", prog_name="switchboard")
def switchboard() -> None:
    """Route customer chats to human agents over Kafka.

    Every decision is a pure function of one ordered journal. Start with: switchboard demo
    """
    # Imported here: a command runs. --help and --version end before this line.
    from switchboard.cli.process import set_up_last_resort  # noqa: PLC0415 - it loads structlog and the settings
    from switchboard.kafka.library_logs import hush_libraries  # noqa: PLC0415 - as above
    from switchboard.settings import given  # noqa: PLC0415 - it loads pydantic and aiokafka

    set_up_last_resort()
    hush_libraries(given("log_level"))


def main() -> None:
    """Run the command that the arguments name, and exit with its code.

    The message of an error that a user can act on is printed; any other error is printed with its trace.
    """
    try:
        code = switchboard(standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        code = INTERRUPTED
    except Exception as error:  # noqa: BLE001 - every error is printed and ends the command
        from switchboard.cli.failures import report_failure  # noqa: PLC0415 - only a failure needs its libraries

        code = report_failure(error)
    sys.exit(code if isinstance(code, int) else 0)
