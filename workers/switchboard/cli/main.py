"""`switchboard`: the commands, and what becomes of their errors."""

import importlib
import io
import sys
import traceback
from typing import Final

import click

from switchboard.cli.process import set_up_last_resort
from switchboard.cli.ui import exit_code_of, say_lines, tell, tell_machines
from switchboard.errors import FAULT
from switchboard.kafka.clients import in_words
from switchboard.kafka.library_logs import hush_libraries, raised
from switchboard.settings import given

COMMANDS: Final = {
    "audit": "switchboard.cli.audit_command:audit",
    "broker": "switchboard.cli.broker_command:broker",
    "config": "switchboard.cli.config_commands:config",
    "dead-letter": "switchboard.cli.dead_letter_commands:dead_letter",
    "demo": "switchboard.cli.demo_command:demo",
    "explain": "switchboard.cli.explain_command:explain",
    "record": "switchboard.cli.record_command:record",
    "replay": "switchboard.cli.replay_command:replay",
    "rights": "switchboard.cli.rights_command:rights",
    "run": "switchboard.cli.run_commands:run",
    "settings": "switchboard.cli.settings_command:settings",
    "simulate": "switchboard.cli.simulate_command:simulate",
    "topics": "switchboard.cli.topics_commands:topics",
    "verify": "switchboard.cli.verify_command:verify",
    "whatif": "switchboard.cli.whatif_command:whatif",
}
"""Loaded when they are called: `--help` of one need not wait for the libraries of the others."""

WORKERS: Final = (["run"], ["simulate"])
"""Those that run until they are told to stop, and whose stderr is a log."""


class Commands(click.Group):
    """The commands, loaded by name."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names."""
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """One command; None: there is none of this name."""
        del ctx
        if name not in COMMANDS:
            return None
        module, attribute = COMMANDS[name].split(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command


@click.command(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="chat-switchboard", prog_name="switchboard")
def switchboard() -> None:
    """Route customer chats to human agents over Kafka.

    Every decision is a pure function of one ordered journal. Start with: switchboard demo
    """
    set_up_last_resort()
    hush_libraries(given("log_level"))


def main() -> None:
    """Run a command; an error that a user can do something about is told in words, any other with its trace."""
    try:
        code = switchboard(standalone_mode=False)
    except click.ClickException as error:
        code = error.exit_code
        if _logs_json():
            tell_machines(error.format_message(), code)
        else:
            out = io.StringIO()
            error.show(out)
            say_lines(out.getvalue().rstrip("\n"), err=True)
    except (click.Abort, KeyboardInterrupt):
        code = 130
    except Exception as error:  # noqa: BLE001 - whatever it is, it is printed, and ends the command
        code = exit_code_of(error)
        if not _logs_json():
            if code is None:
                code = FAULT
                say_lines("".join(traceback.format_exception(error)).rstrip("\n"), err=True)
            else:
                tell(in_words(error))
        elif code is None:
            code = FAULT
            tell_machines(raised(error), code, trace="".join(traceback.format_tb(error.__traceback__)))
        else:
            tell_machines(in_words(error), code)
    sys.exit(code if isinstance(code, int) else 0)


def _logs_json() -> bool:
    """Whether what the command says on stderr is for machines."""
    return sys.argv[1:2] in WORKERS and given("log_format") == "json"
