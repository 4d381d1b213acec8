"""The start of the command line: what is imported, and the list of commands."""

import subprocess
import sys

import click
import pytest

from switchboard.cli.main import COMMANDS, Commands, switchboard

HEAVY = {
    "aiohttp",
    "aiokafka",
    "faust",
    "jsonschema_rs",
    "orjson",
    "prometheus_client",
    "pydantic",
    "rich",
    "structlog",
    "uvloop",
}
LOADED = """
import sys
from switchboard.cli import main
try:
    main()
finally:
    print(*{name.partition(".")[0] for name in sys.modules}, file=sys.stderr)
"""


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_load_no_library_but_click(option: str) -> None:
    """They answer in 0.1 s; the libraries of all commands together take 2 s of processor time."""
    done = subprocess.run([sys.executable, "-c", LOADED, option], capture_output=True, text=True, check=True)
    assert done.stdout
    assert HEAVY & set(done.stderr.split()) == set()


@pytest.mark.parametrize("width", [40, 80, 100])
def test_the_list_of_commands_is_the_one_that_click_makes_of_the_commands(width: int) -> None:
    """The table of short helps, which needs no import, and the commands' own helps say the same at any width."""
    context = click.Context(switchboard)
    listed, own = (click.HelpFormatter(width=width) for _ in range(2))
    assert isinstance(switchboard, Commands)
    switchboard.format_commands(context, listed)
    click.Group.format_commands(switchboard, context, own)
    assert listed.getvalue() == own.getvalue()
    assert all(name in listed.getvalue() for name in COMMANDS)
