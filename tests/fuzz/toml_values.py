"""TOML texts as people and others write them."""

from random import Random
from typing import Any, Final

import orjson

from tests.fuzz.texts import odd_text

RAW: Final = (
    "1979-05-27T07:32:00Z",
    "1979-05-27",
    "07:32:00",
    "inf",
    "-nan",
    "1e400",
    "0.1",
    "0xdead_beef",
    "0b101",
    "1_000",
    "9223372036854775808",
    "9" * 64,
    "9" * 5_000,
    "0x" + "f" * 5_000,
    "+0",
    "-0.0",
    '"""\nlong\n"""',
    "'''\nraw\n'''",
    '"\\ud800"',
    '"\\U0010FFFF"',
    '"\\x41"',
    "'lone \x07 bell'",
    "{a = 1, a = 2}",
    "{a.b = 1, a.c = {}}",
    "[1, 'a', [], {}]",
    "[\n  1, # one\n  2,\n]",
    "",
    "nothing",
)
"""Values that a routing file or a settings file does not hold."""
LINES: Final = (
    "[pools]",
    "[[pools]]",
    "[pools.support]",
    "[[pools.support.queues]]",
    "[pools.support.queues]",
    "[]",
    "[a",
    "a",
    "= 1",
    "a = ",
    "a.b.c = 1",
    '"" = 1',
    "'\u202e' = 1",
    "pools = 1",
    "pools = {}",
    "shards = 2",
    "shards = '2'",
    "web_token = 'short'",
    "# \u2028 comment",
    "\x00",
    "\r",
    "\ufeff",
    "x = 1 x = 2",
)
DEPTHS: Final = (1, 31, 63, 64, 65, 100, 1_000, 5_000, 30_000)


def toml_text(random: Random, value: Any) -> str:
    """A value's fields, in one of the ways in which they can be written, now and then changed."""
    lines = list(_statements(random, value))
    for _ in range(random.choice((0, 0, 0, 1, 2))):
        at = random.randrange(len(lines) + 1)
        match random.randrange(6):
            case 0:
                lines.insert(at, random.choice(LINES))
            case 1:
                lines.insert(at, f"{odd_key(random)} = {random.choice(RAW)}")
            case 2:
                lines.insert(at, nested(random))
            case 3 if lines:
                del lines[at - 1]
            case 4 if lines:
                lines.insert(at, random.choice(lines))
            case _ if lines:
                name, equals, _ = lines[at - 1].partition(" = ")
                lines[at - 1] = f"{name} = {random.choice(RAW)}" if equals else name
            case _:
                pass
    return random.choice(("\n", "\n", "\n", "\r\n", "\n\n")).join([*lines, ""])


def nested(random: Random) -> str:
    """Lists, tables or parts of a key, many levels of them."""
    depth = random.choice(DEPTHS)
    match random.randrange(5):
        case 0:
            return "a = " + "[" * depth + "]" * random.choice((depth, depth, 0))
        case 1:
            return "a = " + "{a=" * depth + "1" + "}" * depth
        case 2:
            return "a" + ".a" * depth + " = 1"
        case 3:
            return "[" + "a." * depth + "a]"
        case _:
            return "\n".join(f"[{'.'.join('a' * (number + 1))}]" for number in range(min(depth, 100)))


def odd_key(random: Random) -> str:
    """A key: bare, quoted or dotted."""
    bare = random.choice(("a", "name", "queues", "pools.support.seed", "max_wait", "offer_timeout", "-", "1.5"))
    return bare if random.random() < 0.6 else _quoted(odd_text(random)[:200])


def _quoted(text: str) -> str:
    # A JSON string is a TOML string, but for DEL and lone surrogates.
    return orjson.dumps(text).decode().replace("\x7f", "\\u007f")


def _statements(random: Random, value: Any) -> list[str]:
    if not isinstance(value, dict):
        return [f"a = {_inline(value)}"]
    found: list[str] = []
    for name, each in value.items():
        _write(random, found, (name,), each)
    return found


def _write(random: Random, found: list[str], path: tuple[str, ...], value: Any) -> None:
    """A field as `key = value`, as `[table]`, or as `[[tables]]`."""
    header = ".".join(part if part.isascii() and part.isalnum() else _quoted(part) for part in path)
    if isinstance(value, dict) and value and random.random() < 0.9:
        found.append(f"[{header}]")
        plain = {name: each for name, each in value.items() if not isinstance(each, dict | list)}
        found += [
            f"{_quoted(name) if not name.isidentifier() else name} = {_inline(each)}" for name, each in plain.items()
        ]
        for name, each in value.items():
            if name not in plain:
                _write(random, found, (*path, name), each)
    elif isinstance(value, list) and value and all(isinstance(each, dict) for each in value) and random.random() < 0.9:
        for each in value:
            found.append(f"[[{header}]]")
            found += [
                f"{name if name.isidentifier() else _quoted(name)} = {_inline(item)}" for name, item in each.items()
            ]
    else:
        name = header if random.random() < 0.5 else path[-1]
        found.append(f"{name if name.isidentifier() or '.' in name else _quoted(path[-1])} = {_inline(value)}")


def _inline(value: Any) -> str:  # noqa: PLR0911 - a kind of value each
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _quoted(value)
        case int() | float():
            return repr(value)
        case list():
            return "[" + ", ".join(_inline(each) for each in value) + "]"
        case dict():
            return "{" + ", ".join(f"{_quoted(name)} = {_inline(each)}" for name, each in value.items()) + "}"
        case None:
            return "''"
        case _:  # what was put in as raw JSON
            return orjson.dumps(value).decode(errors="replace")
