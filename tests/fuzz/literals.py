"""Inputs as Python literals that a person can read."""

import re
from typing import Final

_find_runs: Final = re.compile(r"((?:\\x[0-9a-f]{2}|\\[^x]|[^\\'\"]){1,8}?)\1{39,}").finditer
"""A unit of up to 8 characters, 40 times or more."""
MOST: Final = 4_000
"""Characters that are shown. The whole input is made again from its seed."""


def literal(case: object) -> str:
    """`repr`, with long runs written as a product: `b'[' * 255`."""
    text = repr(case)
    parts: list[str] = []
    at = 0
    for run in _find_runs(text):
        quote, prefix = _quote_around(text, run.start())
        if not quote:
            continue
        times = len(run[0]) // len(run[1])
        parts += [
            text[at : run.start()],
            f"{quote} + {prefix}{quote}{run[1]}{quote} * {times} + {prefix}{quote}",
        ]
        at = run.end()
    shown = "".join([*parts, text[at:]])
    if len(shown) <= MOST:
        return shown
    return f"{shown[:MOST]} … ({len(shown):,} characters)"


def _quote_around(text: str, at: int) -> tuple[str, str]:
    """The quote that a string literal around this place begins with, and its prefix; empty outside of one."""
    quote = prefix = ""
    index = 0
    while index < at:
        character = text[index]
        if not quote and character in "'\"":
            quote, prefix = character, "b" if text[index - 1 : index] == "b" else ""
        elif quote and character == "\\":
            index += 1
        elif character == quote:
            quote = prefix = ""
        index += 1
    return quote, prefix
