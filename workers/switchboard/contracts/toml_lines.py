"""The lines of the values of a TOML file: `tomllib` gives values without their lines, and a fault needs one."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from switchboard.contracts.toml_text import statements

Path: TypeAlias = tuple[str | int, ...]
"""Keys and list indices from the top of the file to a value."""


class Lines:
    """The line of each value of a TOML text, counted from 1; what stands inside a value is where that value begins."""

    def __init__(self, text: str) -> None:
        self._lines: Final = dict(_placed(text))

    def __getitem__(self, path: Sequence[str | int]) -> int:
        """The line of the value at `path`; where there is none, that of the nearest table around it."""
        for length in range(len(path), 0, -1):
            line = self._lines.get(tuple(path[:length]))
            if line is not None:
                return line
        return 1


def _placed(text: str) -> Iterator[tuple[Path, int]]:
    """Each key and table of a text that `tomllib` has taken, with its line."""
    rows: dict[Path, int] = {}  # index of the last [[table]] of each list
    table: Path = ()
    seen: set[Path] = set()
    for line, statement in statements(text):
        written = statement.strip()
        if not written or written.startswith("#"):
            continue
        if written.startswith("["):
            table = _table(tomllib.loads(written), rows, is_list=written.startswith("[["))
            found = [table[:length] for length in range(1, len(table) + 1)]
        else:
            found = [(*table, *path) for path in _paths(tomllib.loads(written))]
        for path in found:
            if path not in seen:
                seen.add(path)
                yield path, line


def _table(header: Mapping[str, Any], rows: dict[Path, int], *, is_list: bool) -> Path:
    """The path of a `[table]` or `[[table]]`, with the indices of the lists on the way."""
    path: Path = ()
    here: Any = header
    while isinstance(here, dict) and here:
        ((key, here),) = here.items()
        path = (*path, key)
        if isinstance(here, list):  # only the last key of a [[table]]
            break
        if path in rows:
            path = (*path, rows[path])
    if is_list:
        rows[path] = rows.get(path, -1) + 1
        path = (*path, rows[path])
    return path


def _paths(value: Any, at: Path = ()) -> Iterator[Path]:
    """The paths of a value and of all that stands in it."""
    if at:
        yield at
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _paths(inner, (*at, index))
