"""Where tables and sentences are printed."""

import os
from typing import Final

from rich.console import Console

WIDE: Final = 200
"""Columns where there is no terminal: a table, a path or an id that is broken over lines can't be searched for."""


def wide_console(*, stderr: bool = False, highlight: bool = True) -> Console:
    """As wide as its terminal; in a pipe or a file as wide as COLUMNS says, else `WIDE`."""
    console = Console(stderr=stderr, highlight=highlight)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = WIDE
    return console
