"""A story as lines: a time in front, set in by depth, wrapped to the width, rule numbers dim."""

import re
import textwrap
from dataclasses import dataclass
from typing import Final

from rich.console import Console
from rich.text import Text

from switchboard.journal.printable_text import printable

TIME_WIDTH: Final = 14
_RULES: Final = re.compile(r"\[(?:[RI]\d+(?:, )?)+\]")


@dataclass(slots=True)
class Line:
    """One paragraph of a story."""

    text: str
    time: str = ""
    depth: int = 0
    bold: bool = False
    bullet: str = ""


def show(lines: list[Line], console: Console) -> None:
    """Print them; on a terminal in colour, else plain."""
    for line in lines:
        for text in _wrapped(line, console.width):
            console.print(text, soft_wrap=True)


def _wrapped(line: Line, width: int) -> list[Text]:
    margin = " " * (TIME_WIDTH + 2 * line.depth) if line.time or line.depth else ""
    first = f"{line.time:<{TIME_WIDTH}}" + "  " * line.depth if margin else ""
    bullet = f"{line.bullet} " if line.bullet else ""
    wrapped = textwrap.wrap(
        printable(line.text),
        max(width, 40),
        initial_indent=first + bullet,
        subsequent_indent=margin + " " * len(bullet),
        break_on_hyphens=False,
    )
    texts = []
    for number, part in enumerate(wrapped or [first]):
        text = Text(part, style="bold" if line.bold else "")
        if not number and line.time:
            text.stylize("cyan", 0, len(line.time))
        text.highlight_regex(_RULES, "dim")
        texts.append(text)
    return texts
