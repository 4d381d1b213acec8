"""Spans of time as people write them on a command line: `45s`, `10m`, `1h`, `90`."""

import re
from typing import Final

import click

_SECONDS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_match: Final = re.compile(r"(\d+(?:\.\d+)?)([smh]?)").fullmatch


class Duration(click.ParamType):
    """A span of time, in seconds."""

    name = "duration"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Seconds, from a number with `s`, `m`, `h` or nothing behind it."""
        if isinstance(value, int | float):
            return float(value)
        found = _match(str(value).strip())
        if found is None or not float(found[1]):
            self.fail(f"expected a span of time as 45s, 10m or 1h, got {value!r}", param, ctx)
        return float(found[1]) * _SECONDS[found[2]]
