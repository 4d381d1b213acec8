"""TOML from outside, read within bounds, and cut into its statements.

`tomllib` is recursive, takes quadratic time and memory for a key of many parts, and does not say where a number is that
is too long for Python. So a text is scanned before it is given to `tomllib`.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

MAX_LEVELS: Final = 64
"""Tables and lists within one another, each part of a dotted key counted as one; a routing file has 6."""
MAX_DIGITS: Final = 64
"""Of a number: 64 bits have 20."""

# Python before 3.11.5 matches possessive groups wrongly that can backtrack inside (gh-106052): the groups here can't.
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


class TomlError(ValueError):
    """A text is no TOML, or goes beyond the bounds; with the line."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line
        """Counted from 1."""


def parse(text: str) -> dict[str, Any]:
    """What a text says.

    Raises:
        TomlError: it is no TOML, nests deeper than `MAX_LEVELS`, or holds a number of more than `MAX_DIGITS` digits.
    """
    for _ in statements(text):
        pass
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        told = re.search(r"\(at line (\d+)", str(error))
        raise TomlError(int(told[1]) if told else text.count("\n") + 1, f"expected TOML: {error}") from None
    except (ValueError, RecursionError, OverflowError) as error:  # what no bound above has caught
        raise TomlError(1, f"expected TOML: {error}") from None


class _Depth:
    """How deep the scan of a text is."""

    def __init__(self) -> None:
        self._open: list[int] = []
        """Of each open bracket the levels that it adds: one, and the dots of the key that it is the value of."""
        self._dots = 0
        """Of the key that is being read."""
        self._header = 0
        """Dots of the last `[table]`, which all keys below it are in."""
        self._in_header = False

    @property
    def is_flat(self) -> bool:
        """Whether no bracket is open."""
        return not self._open

    @property
    def levels(self) -> int:
        """Tables and lists around this point."""
        return self._header + sum(self._open) + self._dots

    def take(self, kind: str, *, begins: bool) -> None:
        """Take a token; `begins`: it is the first of its statement."""
        match kind:
            case "opens":
                if begins:
                    self._in_header, self._header = True, 0
                self._open.append(1 + self._dots)
                self._dots = 0
            case "closes":
                del self._open[-1:]  # a text that is no TOML may close more than it opened
                if self._in_header and self.is_flat:
                    self._header, self._in_header = self._dots, False
                self._dots = 0
            case "dot":
                self._dots += 1
            case "comma" | "ends":
                self._dots = 0
            case _:
                pass


def statements(text: str) -> Iterator[tuple[int, str]]:
    """Each key with its value and each `[table]`, with the line it begins on; blank lines and comments as well.

    Raises:
        TomlError: the text goes beyond a bound.
    """
    depth = _Depth()
    begin = 0
    line = first = 1
    for token in _tokens(text):
        kind, at = str(token.lastgroup), token.start()
        if kind == "number":
            raise TomlError(line, f"expected numbers of at most {MAX_DIGITS} digits, got one of {len(token[0]):,}")
        depth.take(kind, begins=kind == "opens" and depth.is_flat and not text[begin:at].strip())
        if depth.levels > MAX_LEVELS:
            raise TomlError(line, f"expected at most {MAX_LEVELS} levels of tables, lists and parts of a key, got more")
        line += token[0].count("\n")
        if kind == "ends" and depth.is_flat:
            yield first, text[begin:at]
            begin, first = at + 1, line
    if text[begin:].strip():
        yield first, text[begin:]


FieldPath: TypeAlias = tuple[str | int, ...]
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


def _placed(text: str) -> Iterator[tuple[FieldPath, int]]:
    """Each key and table of a text that `tomllib` has taken, with its line."""
    rows: dict[FieldPath, int] = {}  # index of the last [[table]] of each list
    table: FieldPath = ()
    seen: set[FieldPath] = set()
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


def _table(header: Mapping[str, Any], rows: dict[FieldPath, int], *, is_list: bool) -> FieldPath:
    """The path of a `[table]` or `[[table]]`, with the indices of the lists on the way."""
    path: FieldPath = ()
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


def _paths(value: Any, at: FieldPath = ()) -> Iterator[FieldPath]:
    """The paths of a value and of all that stands in it."""
    if at:
        yield at
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _paths(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _paths(inner, (*at, index))
