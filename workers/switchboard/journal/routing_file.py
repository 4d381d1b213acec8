"""What a routing file must not hold: values that JSON does not have, and fields that nothing reads."""

import re
from collections.abc import Iterator
from difflib import get_close_matches
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any, Final

import orjson

from switchboard.errors import RoutingFault, RoutingFileError
from switchboard.journal.codec import MAX_VALUE_BYTES
from switchboard.journal.files import MAX_ROUTING_BYTES, InputFileError, read_text
from switchboard.journal.limits import size_of, too_many_pairs
from switchboard.journal.printable_text import printable
from switchboard.journal.schemas import EVENT_SHAPES, Fault, Shape, event_faults, known, quote
from switchboard.journal.toml_text import FieldPath, Lines, TomlError, parse

_LONGEST_FIELD: Final = 64
"""Characters of a field's name that are compared with those that there are."""


def as_json(value: Any, at: FieldPath, faults: list[Fault]) -> Any:
    """A value of TOML as one of JSON; what JSON does not have (dates, inf, more than 64 bits) as null, and a fault."""
    match value:
        case dict():
            return {name: as_json(inner, (*at, name), faults) for name, inner in value.items()}
        case list():
            return [as_json(inner, (*at, index), faults) for index, inner in enumerate(value)]
        case bool() | str():
            return value
        case int() if -(2**63) <= value < 2**63:
            return value
        case float() if isfinite(value):
            return value
        case int() | float():
            faults.append(Fault("schema", at, "type", "expected a number that fits into 64 bits"))
        case _:
            faults.append(Fault("schema", at, "type", f"expected no date or time, got {value}"))
    return None


def unknown_fields(value: Any, shape: Shape, at: FieldPath) -> Iterator[Fault]:
    """Fields that the schema does not know. On a topic they are left out; in a file they are slips of the pen."""
    if shape.items is not None and isinstance(value, list):
        for index, item in enumerate(value):
            yield from unknown_fields(item, shape.items, (*at, index))
    if not shape.fields or not isinstance(value, dict):
        return
    for name, inner in value.items():
        if name in shape.fields:
            yield from unknown_fields(inner, shape.fields[name], (*at, name))
        else:
            near = get_close_matches(name[:_LONGEST_FIELD], shape.fields, 1)  # quadratic in the name's length
            expected = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(shape.fields)}"
            yield Fault("schema", (*at, name), "unknown", f"is no field: {expected}")


_LONGEST_NAME: Final = 128
"""Characters of a queue's or a profile's name."""
_MOST_NAMES: Final = 20
"""Names that a fault lists."""


def references(config: Any, at: FieldPath) -> Iterator[Fault]:
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


def _twice(rows: list[tuple[int, dict[str, Any]]], at: FieldPath) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, row in rows:
        name = _name(row)
        if name is not None and name in seen:
            yield Fault("schema", (*at, index, "name"), "uniqueBy", f"expected each name once, got {told(name)} again")
        elif name is not None:
            seen.add(name)


def _unknown(name: Any, known: set[str], at: FieldPath, expected: str) -> Iterator[Fault]:
    if isinstance(name, str) and name not in known:
        yield Fault("schema", at, "reference", f"expected {expected} ({_some(known)}), got {told(name)}")


def _served(names: Any, known: set[str], at: FieldPath) -> Iterator[Fault]:
    """Faults of the queues that a profile serves."""
    seen: set[str] = set()
    for index, name in enumerate(names if isinstance(names, list) else []):
        yield from _unknown(name, known, (*at, index), "a queue of this pool")
        if isinstance(name, str) and name in seen:
            yield Fault("schema", (*at, index), "uniqueBy", f"expected each queue once, got {told(name)} again")
        elif isinstance(name, str):
            seen.add(name)


_is_bare_key: Final = re.compile("[A-Za-z0-9_-]+").fullmatch
_CONFIG: Final = EVENT_SHAPES["pool-configured"].fields["config"]


MOST_FAULTS: Final = 100
"""Faults that are told at once."""
_LONGEST_KEY: Final = 128
"""Characters of a key, as of a name."""


def read_routing_file(path: Path) -> list[dict[str, Any]]:
    """The `pool-configured` events that the file says, `{"pool": ..., "config": {...}}`, in its order.

    Raises:
        RoutingFileError: anything at all is wrong with what it says.
        OSError: it can't be read: it is not there, is no regular file, or larger than `MAX_ROUTING_BYTES`.
    """
    try:
        text = read_text(path, MAX_ROUTING_BYTES)
        body = parse(text)
    except InputFileError as error:
        if error.line is None:
            raise
        raise RoutingFileError([RoutingFault(str(path), error.line, "", error.message)]) from None
    except TomlError as error:
        raise RoutingFileError([RoutingFault(str(path), error.line, "", str(error))]) from None
    found = list(islice(_faults(body), MOST_FAULTS + 1))
    if found:
        lines = Lines(text)
        faults = [RoutingFault(str(path), lines[each.path], _written(each.path), each.message) for each in found]
        faults = sorted(faults[:MOST_FAULTS], key=lambda fault: fault.line)
        if len(found) > MOST_FAULTS:
            message = f"there are more faults than the {MOST_FAULTS} above: mend these, and check the file again"
            faults.append(RoutingFault(str(path), faults[-1].line, "", message))
        raise RoutingFileError(faults)
    return [{"pool": name, **known("pool-configured", {"config": config})} for name, config in body["pools"].items()]


def _written(path: tuple[str | int, ...]) -> str:
    """A path as one writes it: `pools.support.queues[0].name`, with quotes where TOML wants them."""
    keys = (
        f"[{s}]" if isinstance(s, int) else "." + (s if len(s) <= _LONGEST_KEY and _is_bare_key(s) else quote(s))
        for s in path
    )
    return "".join(keys)[1:]


def _faults(body: dict[str, Any]) -> Iterator[Fault]:
    for name in body:
        if name != "pools":
            yield Fault("schema", (name,), "unknown", "expected [pools.NAME] and nothing else at the top")
    pools = body.get("pools")
    if not isinstance(pools, dict) or not pools:
        yield Fault("schema", ("pools",), "required", "expected at least one pool, as [pools.NAME]")
        return
    for pool, config in pools.items():
        yield from _pool_faults(pool, config)


def _pool_faults(pool: str, written: Any) -> Iterator[Fault]:
    where = ("pools", pool)
    unusable: list[Fault] = []
    config = as_json(written, where, unusable)
    yield from unusable
    told = {fault.path for fault in unusable}
    wrong = event_faults("pool-configured", {"pool": pool, "config": config})
    for fault in wrong:
        path = where if fault.path == ("pool",) else where + fault.path[1:]
        # A name that stands twice is told by `references`, at the second row.
        if fault.rule != "uniqueBy" and path not in told:
            yield Fault(fault.reason, path, fault.rule, _advice(fault, pool) or fault.message)
    yield from unknown_fields(config, _CONFIG, where)
    yield from references(config, where)
    if not wrong and (too_many := too_many_pairs(size_of(config))) is not None:
        yield Fault("schema", (*where, "profiles"), "maxPairs", too_many)
    if len(orjson.dumps({"pool": pool, "config": config})) > MAX_VALUE_BYTES:
        yield Fault("schema", where, "maxBytes", f"expected a pool of at most {MAX_VALUE_BYTES} bytes as JSON")


def _advice(fault: Fault, pool: str) -> str | None:
    """What to write where all of a list is missing."""
    if fault.rule == "required" and fault.path in {("config", "queues"), ("config", "profiles")}:
        return f"is missing: expected at least one [[{_written(('pools', pool, fault.path[-1]))}]]"
    return None
