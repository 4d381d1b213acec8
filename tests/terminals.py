"""What must never reach a terminal, a log or a report, and names that try."""

import unicodedata
from typing import Final

ESCAPES: Final = "\x1b[31mred\x1b[0m\x1b]0;title\x07\x1b]8;;http://e/\x1b\\link\x1b]8;;\x1b\\\x9b2J\x7f\x08\r"
"""Colour, the window's title, a link (OSC 8), clearing the screen with a C1 control, and a character taken back."""
UNSEEN: Final = (
    "\u202edoc.exe\u202c\u2066x\u2069\u200b\u200d\u2060\ufeff\u2028\u2029\u00ad\ue000\u0378\U000e0041\u3164\u034f\ufe0f"
)
"""Bidi overrides and isolates, zero width, separators, private use, unassigned, tags, and letters drawn as nothing."""
MARKUP: Final = "[red]r[/red][link=http://e/]l[/link][/]:smile:<b>&amp;\"'"
"""What Rich, and a browser, would take for markup."""
RIGHT_TO_LEFT: Final = "שלום مرحبا"
"""Letters of languages written from right to left are letters as others: they stay."""

HOSTILE_ID: Final = (UNSEEN + MARKUP + RIGHT_TO_LEFT).ljust(128, "x")
"""An id that the contract allows: 128 characters, none of them a control."""
HOSTILE_TEXT: Final = f"{ESCAPES}\nforged line\t{UNSEEN}{MARKUP}{RIGHT_TO_LEFT}"
"""A text without a contract: a reason, a header, a file's line."""

_UNSEEN_KINDS: Final = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_UNSEEN_LETTERS: Final = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\ufe0f\u2800")


def unsafe(output: bytes) -> list[str]:
    """The characters of an output, but newline and tab, that act on a terminal or are not seen, by their code."""
    text = output.decode()  # and it is UTF-8
    return sorted(
        {
            f"U+{ord(each):04X}"
            for each in text
            if each not in "\n\t" and (unicodedata.category(each) in _UNSEEN_KINDS or each in _UNSEEN_LETTERS)
        }
    )
