"""JSON values that are changed in one place, and written in the many ways that JSON may be written."""

from collections.abc import Iterable
from random import Random
from typing import Any, Final

import orjson

from tests.fuzz.texts import damaged, odd_text

RAW: Final = (
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"-0",
    b"-0.0",
    b"0.0",
    b"1.0",
    b"64.0",
    b"1e0",
    b"1E+2",
    b"1e308",
    b"1e400",
    b"-1e400",
    b"5e-324",
    b"1e-400",
    b"0.1",
    b"01",
    b"1.",
    b".5",
    b"+1",
    b"0x10",
    b"9007199254740992",
    b"9007199254740993",
    b"9223372036854775807",
    b"9223372036854775808",
    b"18446744073709551616",
    b"-9223372036854775809",
    b"9" * 400,
    b"9" * 5_000,
    b"0." + b"3" * 3_000,
    b'"\\ud800"',
    b'"\\udfff\\ud800"',
    b'"\\ud83d\\ude00"',
    b'"\\u0000"',
    b'"\\u202e"',
    b'"\\/\\b\\f"',
    b'"\\x41"',
    b'"\xff"',
    b'"\xed\xa0\x80"',
    b'"tab\tin it"',
    b"'one'",
    b"None",
    b"undefined",
    b"",
)
"""What no encoder writes, put into a value as it is."""
NUMBERS: Final = (0, 1, -1, 2, 3, 60, 64, 65, 86_400, 2**31, 2**53, 2**53 + 1, -(2**53), 0.5, -0.0, 1e9, 1e300)
DEPTHS: Final = (1, 2, 62, 63, 64, 65, 127, 128, 253, 254, 255, 256, 511, 1_023, 1_024, 1_025, 5_000, 30_000)
_OPENINGS: Final = ((b"[", b"]"), (b'{"a":', b"}"), (b'[{"queues":', b"}]"))


def raw(text: bytes) -> Any:
    """A value that is written as these bytes, whatever they are."""
    return orjson.Fragment(text)


def nested(random: Random) -> bytes:
    """Lists, objects or both, many levels of them."""
    begin, end = random.choice(_OPENINGS)
    depth = random.choice(DEPTHS)
    inner = random.choice((b"", b"1", b'"x"')) if begin == b"[" else b"1"
    closed = depth if random.random() < 0.95 else depth - 1
    return begin * depth + inner + end * closed


def odd_value(random: Random) -> Any:  # noqa: PLR0911 - a kind of value each
    """A value of any kind."""
    kind = random.randrange(16)
    if kind < 5:
        return odd_text(random)
    if kind < 7:
        return random.choice(NUMBERS)
    if kind < 9:
        return raw(random.choice(RAW))
    if kind < 11:
        return random.choice((None, True, False))
    if kind == 11:
        return [odd_value(random) for _ in range(random.choice((0, 1, 3)))]
    if kind == 12:
        return {odd_text(random): odd_value(random) for _ in range(random.choice((0, 1, 3)))}
    if kind == 13:
        return raw(nested(random))
    if kind == 14:
        return random.choice(([], {})) if random.random() < 0.9 else [1] * random.choice((100, 3_000))
    return {str(number): number for number in range(random.choice((1, 17, 200)))}


def changed(random: Random, value: Any) -> Any:
    """The value, changed in one place, which may be the whole."""
    if not value or not isinstance(value, dict | list) or random.random() < 0.03:
        return odd_value(random)
    if isinstance(value, list):
        at = random.randrange(len(value))
        match random.randrange(5):
            case 0:
                del value[at]
            case 1:
                value.insert(at, value[at])
            case 2:
                value *= random.choice((2, 2, 2, 30))
            case _:
                value[at] = changed(random, value[at])
        return value
    return _changed_object(random, value)


def _changed_object(random: Random, value: dict[str, Any]) -> Any:
    name = random.choice(list(value))
    match random.randrange(9):
        case 0:
            del value[name]
        case 1:
            value[odd_text(random)] = value.pop(name)
        case 2:
            value[odd_text(random)] = odd_value(random)
        case 3:
            return doubled(value, name, odd_value(random))
        case 4:
            value[name] = value[random.choice(list(value))]
        case _:
            value[name] = changed(random, value[name]) if random.random() < 0.6 else odd_value(random)
    return value


def doubled(value: dict[str, Any], name: str, other: Any) -> Any:
    """The object with a second field of the same name behind the first ones."""
    return raw(written(value)[:-1] + b"," + orjson.dumps(name) + b":" + written(other) + b"}")


def written(value: Any) -> bytes:
    """The value as JSON, or nearly: what `raw` made is written as it is."""
    return orjson.dumps(value)


def escaped(random: Random, text: bytes) -> bytes:
    r"""Some letters of a JSON text as `\uXXXX`: the same text to who parses it, another to who looks for bytes."""
    parts = [b"\\u%04x" % code if 0x61 <= code <= 0x7A and random.random() < 0.2 else bytes((code,)) for code in text]
    return b"".join(parts)


def spread(text: bytes) -> bytes:
    """A JSON text with blanks between its tokens; blanks come into its strings, too."""
    return text.replace(b":", b" :\t").replace(b",", b" ,\r\n")


def as_json(random: Random, value: Any, *, damage: float = 0.12) -> bytes:
    """The value as JSON, now and then oddly written, and with this probability damaged."""
    text = written(value)
    how = random.random()
    if how < 0.03:
        text = escaped(random, text)
    elif how < 0.05:
        text = spread(text)
    elif how < 0.06:
        text = random.choice((b"\xef\xbb\xbf", b" ", b"\n\n", b"\x00")) + text
    elif how < 0.07:
        text = text.decode(errors="replace").encode(random.choice(("utf-16", "utf-16-le", "utf-32", "utf-7")))
    if random.random() < damage:
        text = damaged(random, text)
    return text


def lines_of(text: bytes) -> Iterable[bytes]:
    """The lines that are not empty."""
    return (line for line in text.split(b"\n") if line)
