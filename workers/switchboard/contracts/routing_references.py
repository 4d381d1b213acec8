"""What the names in a pool's configuration lead to.

The router takes a configuration whose names lead nowhere (an unknown queue of a profile has no effect, an unknown
default is the first listed: R20); a file that holds one is refused, for no one means it.
"""

from collections.abc import Iterator
from typing import Any, Final

from switchboard.contracts.faults import Fault
from switchboard.contracts.printable_text import printable
from switchboard.contracts.toml_lines import Path

_LONGEST_NAME: Final = 128
"""Characters of a queue's or a profile's name."""
_MOST_NAMES: Final = 20
"""Names that a fault lists."""


def references(config: Any, at: Path) -> Iterator[Fault]:
    """Names that stand twice, and names that nothing has; what is no name at all is the schema's to tell."""
    if not isinstance(config, dict):
        return
    queues, profiles = _rows(config, "queues"), _rows(config, "profiles")
    yield from _twice(queues, (*at, "queues"))
    yield from _twice(profiles, (*at, "profiles"))
    queue_names = {name for _, row in queues if (name := _name(row)) is not None}
    profile_names = {name for _, row in profiles if (name := _name(row)) is not None}
    yield from _unknown(config.get("default_queue"), queue_names, (*at, "default_queue"), "a queue of this pool")
    yield from _unknown(
        config.get("default_profile"), profile_names, (*at, "default_profile"), "a profile of this pool"
    )
    for index, row in queues:
        where = (*at, "queues", index, "overflow_to")
        target = row.get("overflow_to")
        yield from _unknown(target, queue_names, where, "a queue of this pool")
        if isinstance(target, str) and target == _name(row):
            yield Fault("schema", where, "reference", "expected another queue: this one can't overflow to itself")
    for index, row in profiles:
        yield from _served(row.get("queues"), queue_names, (*at, "profiles", index, "queues"))


def told(name: str) -> str:
    """A name in quotes, cut where it is longer than a name may be."""
    return repr(name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…")


def _some(names: set[str]) -> str:
    """The names that there are, the first of them where they are many."""
    first = [printable(name[:_LONGEST_NAME]) for name in sorted(names)[:_MOST_NAMES]]
    return ", ".join(first) + (f", and {len(names) - len(first)} more" if len(names) > len(first) else "")


def _rows(config: dict[str, Any], name: str) -> list[tuple[int, dict[str, Any]]]:
    rows = config.get(name)
    return [(i, row) for i, row in enumerate(rows) if isinstance(row, dict)] if isinstance(rows, list) else []


def _name(row: dict[str, Any]) -> str | None:
    name = row.get("name")
    return name if isinstance(name, str) else None


def _twice(rows: list[tuple[int, dict[str, Any]]], at: Path) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, row in rows:
        name = _name(row)
        if name is not None and name in seen:
            yield Fault("schema", (*at, index, "name"), "uniqueBy", f"expected each name once, got {told(name)} again")
        elif name is not None:
            seen.add(name)


def _unknown(name: Any, known: set[str], at: Path, expected: str) -> Iterator[Fault]:
    if isinstance(name, str) and name not in known:
        yield Fault("schema", at, "reference", f"expected {expected} ({_some(known)}), got {told(name)}")


def _served(names: Any, known: set[str], at: Path) -> Iterator[Fault]:
    """Faults of the queues that a profile serves."""
    seen: set[str] = set()
    for index, name in enumerate(names if isinstance(names, list) else []):
        yield from _unknown(name, known, (*at, index), "a queue of this pool")
        if isinstance(name, str) and name in seen:
            yield Fault("schema", (*at, index), "uniqueBy", f"expected each queue once, got {told(name)} again")
        elif isinstance(name, str):
            seen.add(name)
