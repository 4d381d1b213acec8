"""Dead letters as they are printed."""

from typing import Any

from switchboard.contracts.printable_text import printable
from switchboard.domain.rfc3339 import format_ms
from switchboard.replay.dead_letters import DeadLetter


def fields_of(letter: DeadLetter) -> dict[str, Any]:
    """For machines."""
    topic, partition, offset = letter.source
    return {
        "place": str(letter.place),
        "at": format_ms(letter.at),
        "reason": letter.reason,
        "detail": letter.detail,
        "source_topic": topic,
        "source_partition": partition,
        "source_offset": offset,
        "key": text_of(letter.key),
        "original_size": letter.original_size,
        "replayed_from": None if letter.replayed_from is None else str(letter.replayed_from),
    }


def line_of(letter: DeadLetter) -> str:
    """For humans: where and when, why, where it came from."""
    topic, partition, offset = letter.source
    again = f" (its header says: replayed from {letter.replayed_from})" if letter.replayed_from else ""
    where = f"{letter.place}  {format_ms(letter.at)}"
    if not letter.reason:
        return f"{where}  (no router set it aside)"
    return f"{where}  {letter.reason}  {topic}/{partition}@{offset}  {letter.detail}{again}"


def text_of(value: bytes | None) -> str | None:
    """As text; where it is no UTF-8, as hex."""
    if value is None:
        return None
    try:
        return value.decode()
    except UnicodeDecodeError:
        return "hex " + value.hex()


def shown(value: bytes | None) -> str:
    """As text for humans, on one line and printable."""
    return "(none)" if (text := text_of(value)) is None else printable(text)
