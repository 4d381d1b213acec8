"""TOML from outside, parsed within bounds, and split into its statements with their lines.

`tomllib` is recursive, takes quadratic time and memory for a key of many parts, and gives no line for a number that is
too long for Python. So a text is scanned before `tomllib` parses it.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

MAX_LEVELS: Final = 64
"""Levels of nested tables and lists. Each part of a dotted key counts as a level. A routing file has 6."""
MAX_DIGITS: Final = 64
"""Digits of a number: 64 bits have 20."""

FieldPath: TypeAlias = tuple[str | int, ...]
"""Keys and list indices from the top of the file to a value."""


class TomlError(ValueError):
    """A text is not TOML, or exceeds a bound."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        """Counted from 1."""


def parse(text: str) -> dict[str, Any]:
    """The value of a TOML text.

    Raises:
        TomlError: the text is not TOML, nests deeper than `MAX_LEVELS`, or has a number of more than `MAX_DIGITS`
            digits.
    """
    for _ in statements(text):  # checks the bounds
        pass
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"\(at line (\d+)", str(error))
        raise TomlError(int(place[1]) if place else text.count("\n") + 1, f"expected TOML: {error}") from None
    except (ValueError, RecursionError, OverflowError) as error:  # a fault that no bound above has caught
        raise TomlError(1, f"expected TOML: {error}") from None


class Lines:
    """The line of each value of a TOML text, counted from 1. A value inside a statement has the statement's line."""

    def __init__(self, text: str) -> None:
        self._lines: Final = dict(_lines_of_paths(text))

    def __getitem__(self, path: Sequence[str | int]) -> int:
        """The line of the value at `path`; without such a value, the line of the nearest table around."""
        for length in range(len(path), 0, -1):
            line = self._lines.get(tuple(path[:length]))
            if line is not None:
                return line
        return 1


def statements(text: str) -> Iterator[tuple[int, str]]:
    """Each key with its value and each `[table]`, with its first line; blank lines and comments as well.

    Raises:
        TomlError: the text exceeds a bound.
    """
    nesting = _Nesting()
    begin = 0
    line = first = 1
    for token in _tokens(text):
        kind, at = str(token.lastgroup), token.start()
        if kind == "number":
            raise TomlError(line, f"expected numbers of at most {MAX_DIGITS} digits, got one of {len(token[0]):,}")
        is_header = kind == "opens" and nesting.all_closed and not text[begin:at].strip()
        nesting.add(kind, opens_header=is_header)
        if nesting.levels > MAX_LEVELS:
            raise TomlError(line, f"expected at most {MAX_LEVELS} levels of tables, lists and parts of a key, got more")
        line += token[0].count("\n")
        # A newline ends a statement unless the statement is inside brackets.
        if kind == "ends" and nesting.all_closed:
            yield first, text[begin:at]
            begin, first = at + 1, line
    if text[begin:].strip():
        yield first, text[begin:]


# Python before 3.11.5 matches possessive groups wrongly if they can backtrack inside (gh-106052); these groups can't.
_tokens: Final = re.compile(
    rf"""
    (?P<skipped> \"\"\" [^"\\]*+ (?: (?: (?:\\.)++ | "{{1,2}}(?!") ) [^"\\]*+ )* "{{3,5}}   # strings of several lines
               | ''' [^']*+ (?: '{{1,2}}(?!') [^']*+ )* '{{3,5}}
               | " [^"\\\n]*+ (?: (?:\\[^\n])++ [^"\\\n]*+ )* "                             # strings
               | '[^'\n]*+'
               | \#[^\n]*+ )                                                                # comments
  | (?P<opens> [\[{{] ) | (?P<closes> [\]}}] ) | (?P<comma> , ) | (?P<dot> \. ) | (?P<ends> \n )
  | (?P<number> [0-9][0-9_]{{{MAX_DIGITS},}}+ | 0[xob][0-9A-Fa-f_]{{{MAX_DIGITS},}}+ )
    """,
    re.VERBOSE | re.DOTALL,
).finditer


class _Nesting:
    """The depth of nesting at a point of a text, counted token by token."""

    def __init__(self) -> None:
        self._open: list[int] = []
        """The levels added by each open bracket: one, and the dots of the key before the bracket."""
        self._dots = 0
        """Dots of the current key."""
        self._table_dots = 0
        """Dots of the last `[table]`: all keys below the header are inside that table."""
        self._in_header = False

    @property
    def all_closed(self) -> bool:
        """True if no bracket is open."""
        return not self._open

    @property
    def levels(self) -> int:
        """Tables and lists around this point."""
        return self._table_dots + sum(self._open) + self._dots

    def add(self, kind: str, *, opens_header: bool) -> None:
        """Count a token.

        Args:
            kind: the name of the token's group in `_tokens`.
            opens_header: True if the token is the bracket that begins a `[table]`.
        """
        match kind:
            case "opens":
                if opens_header:
                    self._in_header, self._table_dots = True, 0
                self._open.append(1 + self._dots)
                self._dots = 0
            case "closes":
                del self._open[-1:]  # a text that is not TOML may close more brackets than it opens
                if self._in_header and self.all_closed:
                    self._table_dots, self._in_header = self._dots, False
                self._dots = 0
            case "dot":
                self._dots += 1
            case "comma" | "ends":
                self._dots = 0
            case _:
                pass


def _lines_of_paths(text: str) -> Iterator[tuple[FieldPath, int]]:
    """The path of each key and table, with its line, in a text that `tomllib` accepts."""
    rows: dict[FieldPath, int] = {}  # the index of the last [[table]] of each list
    table: FieldPath = ()
    seen: set[FieldPath] = set()
    for line, statement in statements(text):
        written = statement.strip()
        if not written or written.startswith("#"):
            continue
        if written.startswith("["):
            table = _table_path(tomllib.loads(written), rows, is_list=written.startswith("[["))
            found = [table[:length] for length in range(1, len(table) + 1)]
        else:
            found = [(*table, *path) for path in _paths(tomllib.loads(written))]
        for path in found:
            if path not in seen:
                seen.add(path)
                yield path, line


def _table_path(header: Mapping[str, Any], rows: dict[FieldPath, int], *, is_list: bool) -> FieldPath:
    """The path of a `[table]` or `[[table]]`, with the indices of the lists on the way.

    Args:
        header: the parsed header: tables of one key each, around an empty table or a list.
        rows: by path of a list: the index of its last `[[table]]`; a `[[table]]` is added.
        is_list: True for a `[[table]]`.
    """
    path: FieldPath = ()
    here: Any = header
    while isinstance(here, dict) and here:
        ((key, here),) = here.items()
        path = (*path, key)
        if isinstance(here, list):  # the last key of a [[table]]
            break
        if path in rows:
            path = (*path, rows[path])
    if is_list:
        rows[path] = rows.get(path, -1) + 1
        path = (*path, rows[path])
    return path


def _paths(value: Any, at: FieldPath = ()) -> Iterator[FieldPath]:
    """The paths of a value and of all values inside it."""
    if at:
        yield at
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _paths(inner, (*at, index))
