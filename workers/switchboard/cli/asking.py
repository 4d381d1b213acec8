"""Asking before something is done that can't be taken back."""

import click

from switchboard.cli.consoles import say
from switchboard.errors import FAULT
from switchboard.journal.printable_text import printable


def ask(question: str, undone: str) -> None:
    """Go on only if the answer is yes; else say what was not done, and end with exit code 1.

    Ctrl-C ends the command as it does anywhere.
    """
    try:
        agreed = click.confirm(printable(question), err=True)
    except click.Abort as error:
        if not isinstance(error.__context__, EOFError):
            raise
        say(err=True)
        undone += ": nobody is there to answer (--yes answers for them)"
        agreed = False
    if not agreed:
        say(undone, err=True)
        click.get_current_context().exit(FAULT)
