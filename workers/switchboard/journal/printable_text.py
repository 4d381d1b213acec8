"""Text from outside made safe to print: on a terminal, in a log line, in a report.

Ids, queues, headers, reasons and file names come from a bus, a file or a client. An escape sequence can rewrite a
terminal's screen, title or clipboard; a newline forges a log line; a bidi control shows one id as another; a zero-width
character makes two ids look the same. The functions here write each such character as an escape in plain ASCII, and
change nothing else: letters of all scripts stay.

Each function leaves its own result unchanged. A plain ASCII text of 40 characters takes 0.1 us.
"""

import re
from typing import Final

# Unicode's Default_Ignorable_Code_Point, as far as `str.isprintable` accepts them: characters drawn as nothing.
_INVISIBLE: Final = (
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef"
    "\u2800"  # the blank Braille pattern: not a blank to Unicode, but blank to the eye
)
_find_invisible: Final = re.compile(f"[{_INVISIBLE}]").search
_IS_LAYOUT: Final = frozenset("\n\t")


def printable(text: str) -> str:
    r"""The text on one line, without invisible characters and without characters that control a terminal.

    Written as `\uXXXX` or `\UXXXXXXXX` are: control characters (C0, DEL and C1, so newline and tab too), bidi controls
    and isolates, zero-width characters and other format characters, line and paragraph separators, blanks other than
    the plain one, lone surrogates, characters of private use, and code points that Unicode has not assigned.
    """
    if text.isascii():
        return text if text.isprintable() else "".join([c if c.isprintable() else _escaped(c) for c in text])
    if text.isprintable() and _find_invisible(text) is None:
        return text
    return "".join([c if _is_visible(c) else _escaped(c) for c in text])


def printable_lines(text: str) -> str:
    """Like `printable`, but newline and tab stay: for a text of several lines that Switchboard composes."""
    if not _needs_escapes(text):
        return text
    return "".join([c if c in _IS_LAYOUT or _is_visible(c) else _escaped(c) for c in text])


def printable_json(text: bytes) -> bytes:
    r"""JSON in UTF-8 with the same meaning: inside strings, `\uXXXX` replaces the characters that `printable` escapes.

    A newline or tab between values stays. Inside a string JSON allows neither without an escape.
    """
    decoded = text.decode()
    if not _needs_escapes(decoded):
        return text
    return "".join([c if c in _IS_LAYOUT or _is_visible(c) else _json_escaped(c) for c in decoded]).encode()


def _needs_escapes(text: str) -> bool:
    """True if a text has characters to escape, newlines and tabs aside."""
    without_layout = text.replace("\n", " ").replace("\t", " ")
    return not without_layout.isprintable() or (not text.isascii() and _find_invisible(text) is not None)


def _is_visible(character: str) -> bool:
    return character.isprintable() and _find_invisible(character) is None


def _escaped(character: str) -> str:
    code = ord(character)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _json_escaped(character: str) -> str:
    """The escape of JSON: beyond the first 65,536 code points a pair of surrogates."""
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 offer`, `2,000 offers`. `many` is the plural where an added s does not make it."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
