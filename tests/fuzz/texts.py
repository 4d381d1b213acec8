"""Texts and bytes as a clumsy or hostile producer writes them."""

from random import Random
from typing import Final

ODD_TEXTS: Final = (
    "",
    " ",
    "\x00",
    "\t",
    "\n",
    "\r\n",
    "\x1b[2J",
    "\x1b]0;owned\x07",
    "\x7f",
    "\x85",
    "\x9b31m",
    "\u00ad",
    "\u061c",
    "\u200b",
    "\u200e",
    "\u202e",
    "\u2028",
    "\u2066",
    "\ufeff",
    "\ufffd",
    "\uffff",
    "\U000e0001",
    "\U0001f468\u200d\U0001f469",
    "e\u0301" * 20,
    "\u0130",
    "\u00df",
    "~1/~0",
    "%2F..%00",
    "../../etc/passwd",
    "{{7*7}}",
    "<script>",
    "'\"`;--",
    "true",
    "null",
    "NaN",
    "-1",
    "1e999",
    "0x10",
    "٣",
    "default",
    "x" * 64,
    "x" * 65,
    "x" * 128,
    "x" * 129,
    "é" * 64,
    "é" * 65,
    "é" * 128,
    "😀" * 128,
    "x" * 4_096,
)
TIMES: Final = (
    "2026-03-01T08:00:00Z",
    "2026-03-01T08:00:00.123456789Z",
    "2026-03-01T08:00:00+14:00",
    "2026-03-01T08:00:00-23:59",
    "2026-03-01t08:00:00z",
    "2026-12-31T23:59:60Z",
    "2026-02-29T00:00:00Z",
    "2024-02-29T00:00:00Z",
    "0001-01-01T00:00:00Z",
    "0001-01-01T00:00:00+00:01",
    "0000-12-31T23:59:59Z",
    "9999-12-31T23:59:59.999Z",
    "9999-12-31T23:59:59-00:01",
    "10000-01-01T00:00:00Z",
    "2026-03-01T08:00:00",
    "2026-03-01 08:00:00Z",
    "2026-03-01T24:00:00Z",
    "2026-03-01T08:00Z",
    "2026-03-01T08:00:00.Z",
    "2026-03-01T08:00:00." + "9" * 3_000 + "Z",
    "٢٠٢٦-03-01T08:00:00Z",
    "1772352000000",
)
CHANGES: Final = (
    b"",
    b"\x00",
    b"\xff",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf5",
    b"\xef\xbb\xbf",
    b"\x1f\x8b",
    b"\n",
    b"\r",
    b'"',
    b"\\",
    b"\\u0000",
    b"\\ud800",
    b"\\udc00\\ud800",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"-",
    b"1e400",
    b"NaN",
    b"9" * 30,
    b"//",
    b" " * 50,
)
"""What is put into bytes, or in place of some of them."""


def odd_text(random: Random) -> str:
    """A text that most code is never tried with."""
    kind = random.random()
    if kind < 0.5:
        return random.choice(ODD_TEXTS)
    if kind < 0.65:
        return random.choice(TIMES)
    if kind < 0.8:
        return random.choice(ODD_TEXTS) + random.choice(ODD_TEXTS)
    if kind < 0.98:
        return "".join(chr(_code(random)) for _ in range(random.randrange(1, 12)))
    return random.choice("x\x00é\u202e") * random.choice((500, 501, 8_192, 70_000))


def _code(random: Random) -> int:
    code = int(random.choice((0x80, 0x300, 0x3000, 0x110000)) * random.random())
    return code if not 0xD800 <= code <= 0xDFFF else 0x20


def odd_bytes(random: Random) -> bytes:
    """Bytes, UTF-8 or not."""
    if random.random() < 0.7:
        return odd_text(random).encode()
    return random.randbytes(random.choice((1, 2, 7, 40)))


def damaged(random: Random, data: bytes) -> bytes:
    """The bytes, with one to three places changed: cut, doubled, overwritten, put in."""
    for _ in range(random.choice((1, 1, 1, 2, 3))):
        at = random.randrange(len(data) + 1)
        length = random.choice((0, 1, 1, 2, 8, 60))
        match random.randrange(6):
            case 0:
                data = data[:at]
            case 1:
                data = data[:at] + data[at + max(1, length) :]
            case 2:
                data = data[:at] + random.choice(CHANGES) + data[at:]
            case 3:
                data = data[:at] + random.choice(CHANGES) + data[at + max(1, length) :]
            case 4:
                data = data[:at] + data[max(0, at - length) : at] * random.choice((2, 2, 3, 60)) + data[at:]
            case _ if at < len(data):
                data = data[:at] + bytes([data[at] ^ 1 << random.randrange(8)]) + data[at + 1 :]
            case _:
                data += random.choice(CHANGES)
    return data
