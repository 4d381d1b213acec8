"""`switchboard`: the commands, and what becomes of their errors."""

import importlib
import logging
import sys
from typing import Final

import click

from switchboard.cli.failures import exit_code_of
from switchboard.settings import SettingsError, load

COMMANDS: Final = {
    "audit": "switchboard.cli.audit:audit",
    "broker": "switchboard.cli.broker:broker",
    "config": "switchboard.cli.config:config",
    "dead-letter": "switchboard.cli.dead_letter:dead_letter",
    "demo": "switchboard.cli.demo:demo",
    "explain": "switchboard.cli.explain:explain",
    "record": "switchboard.cli.record:record",
    "replay": "switchboard.cli.replay:replay",
    "rights": "switchboard.cli.rights:rights",
    "run": "switchboard.cli.run:run",
    "settings": "switchboard.cli.settings:settings",
    "simulate": "switchboard.cli.simulate:simulate",
    "topics": "switchboard.cli.topics:topics",
    "verify": "switchboard.cli.verify:verify",
    "whatif": "switchboard.cli.whatif:whatif",
}
"""Loaded when they are called: `--help` of one need not wait for the libraries of the others."""


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
    if _log_level() != "debug":
        # What matters of its lines the commands say themselves, once and in plain words.
        logging.getLogger("aiokafka").setLevel(logging.CRITICAL)


def _log_level() -> str:
    """As it is set; wrong settings are told by the command, where it needs them."""
    try:
        return load().log_level
    except (SettingsError, OSError, ValueError):
        return "info"


def main() -> None:
    """Run a command; an error that a user can do something about is told in words, any other with its trace."""
    try:
        code = switchboard(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        code = 130
    except Exception as error:
        code = exit_code_of(error)
        if code is None:
            logging.getLogger("switchboard").debug("failed", exc_info=error)
            raise
        click.echo(f"switchboard: {error}", err=True)
    sys.exit(code if isinstance(code, int) else 0)
