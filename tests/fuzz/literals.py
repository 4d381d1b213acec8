"""Inputs as Python literals that a person can read."""

import re
from typing import Final

_find_literals: Final = re.compile(r"""b?'(?:[^'\\]|\\.)*'|b?"(?:[^"\\]|\\.)*\"""").finditer
_find_runs: Final = re.compile(r"((?:\\x[0-9a-f]{2}|\\[^x]|[^\\]){1,4}?)\1{39,}").finditer
"""A unit of up to 4 characters, 40 times or more."""
MOST: Final = 4_000
"""Characters that are shown. The whole input is made again from its seed."""
_MOST_READ: Final = 600_000
"""Characters in which runs are looked for: about ten seconds for random bytes, less for others."""


def literal(case: object) -> str:
    """`repr`, with long runs written as a product: `b'[' * 255`."""
    text = repr(case)
    size = len(text)
    if size > _MOST_READ:
        text = text[:_MOST_READ]
    parts: list[str] = []
    at = 0
    for found in _find_literals(text):
        parts += [text[at : found.start()], _with_products(found[0])]
        at = found.end()
    shown = "".join([*parts, text[at:]])
    return shown if len(shown) <= MOST and size <= _MOST_READ else f"{shown[:MOST]} … ({size:,} characters)"


def _with_products(quoted: str) -> str:
    """One bytes or text literal, with its long runs as products."""
    prefix = "b" if quoted.startswith("b") else ""
    quote = quoted[len(prefix)]
    body = quoted[len(prefix) + 1 : -1]
    parts: list[str] = []
    at = 0
    for run in _find_runs(body):
        if run.start() > at:
            parts.append(f"{prefix}{quote}{body[at : run.start()]}{quote}")
        parts.append(f"{prefix}{quote}{run[1]}{quote} * {len(run[0]) // len(run[1])}")
        at = run.end()
    if at < len(body) or not parts:
        parts.append(f"{prefix}{quote}{body[at:]}{quote}")
    return " + ".join(parts)
