"""Routing files: TOML files with the configuration of pools, checked, and turned into `pool-configured` events.

A file is checked more strictly than an event: unknown fields and names that nothing has are faults.
"""

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
from switchboard.journal.schemas import EVENT_SHAPES, Fault, Shape, event_faults, known_fields, quote
from switchboard.journal.toml_text import FieldPath, Lines, TomlError, parse

MOST_FAULTS: Final = 100
"""Faults reported at once."""

_LONGEST_FIELD: Final = 64
"""Characters of an unknown field's name that are compared with the known names."""
_LONGEST_NAME: Final = 128
"""Characters of the name of a queue or a profile that a message repeats."""
_LONGEST_KEY: Final = 128
"""Characters of a key that a message repeats without quotes."""
_MOST_NAMES: Final = 20
"""Names listed by a fault."""


def read_routing_file(path: Path) -> list[dict[str, Any]]:
    """The `pool-configured` events of a routing file, `{"pool": ..., "config": {...}}`, in the file's order.

    Raises:
        RoutingFileError: the file has faults. The error lists `MOST_FAULTS` at most.
        OSError: the file does not exist, is no regular file, or is larger than `MAX_ROUTING_BYTES`.
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
        raise _error(path, text, found)
    return [
        {"pool": name, **known_fields("pool-configured", {"config": config})} for name, config in body["pools"].items()
    ]


def _error(path: Path, text: str, found: list[Fault]) -> RoutingFileError:
    """The error with the first `MOST_FAULTS` faults, each with its line, in the order of the file."""
    lines = Lines(text)
    faults = [RoutingFault(str(path), lines[each.path], _written(each.path), each.message) for each in found]
    faults = sorted(faults[:MOST_FAULTS], key=lambda fault: fault.line)
    if len(found) > MOST_FAULTS:
        message = f"there are more faults than the {MOST_FAULTS} above: mend these, and check the file again"
        faults.append(RoutingFault(str(path), faults[-1].line, "", message))
    return RoutingFileError(faults)


def _faults(body: dict[str, Any]) -> Iterator[Fault]:
    """All faults of a parsed file, pool by pool."""
    for name in body:
        if name != "pools":
            yield Fault("schema", (name,), "unknown", "expected [pools.NAME] and nothing else at the top")
    pools = body.get("pools")
    if not isinstance(pools, dict) or not pools:
        yield Fault("schema", ("pools",), "required", "expected at least one pool, as [pools.NAME]")
        return
    for pool, config in pools.items():
        yield from _pool_faults(pool, config)


_CONFIG: Final = EVENT_SHAPES["pool-configured"].fields["config"]


def _pool_faults(pool: str, written: Any) -> Iterator[Fault]:
    where = ("pools", pool)
    # 1. Values that JSON does not have. Each is null from here on, and the schema's fault for the null is left out.
    not_json: list[Fault] = []
    config = _as_json(written, where, not_json)
    yield from not_json
    reported = {fault.path for fault in not_json}
    # 2. The schema.
    schema_faults = event_faults("pool-configured", {"pool": pool, "config": config})
    for fault in schema_faults:
        path = where if fault.path == ("pool",) else where + fault.path[1:]
        # `reference_faults` reports a repeated name, with the line of the second row.
        if fault.rule != "uniqueBy" and path not in reported:
            yield Fault(fault.reason, path, fault.rule, _advice(fault, pool) or fault.message)
    # 3. Rules that the schema does not hold.
    yield from _unknown_fields(config, _CONFIG, where)
    yield from reference_faults(config, where)
    if not schema_faults and (too_many := too_many_pairs(size_of(config))) is not None:
        yield Fault("schema", (*where, "profiles"), "maxPairs", too_many)
    if len(orjson.dumps({"pool": pool, "config": config})) > MAX_VALUE_BYTES:
        yield Fault("schema", where, "maxBytes", f"expected a pool of at most {MAX_VALUE_BYTES} bytes as JSON")


def _advice(fault: Fault, pool: str) -> str | None:
    """A message with the statement to add, where a whole list is missing; None for other faults."""
    if fault.rule == "required" and fault.path in {("config", "queues"), ("config", "profiles")}:
        return f"is missing: expected at least one [[{_written(('pools', pool, fault.path[-1]))}]]"
    return None


def _as_json(value: Any, at: FieldPath, faults: list[Fault]) -> Any:
    """A TOML value as JSON. Values that JSON does not have (date, inf, above 64 bits) become null, and add a fault."""
    match value:
        case dict():
            return {name: _as_json(inner, (*at, name), faults) for name, inner in value.items()}
        case list():
            return [_as_json(inner, (*at, index), faults) for index, inner in enumerate(value)]
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


def _unknown_fields(value: Any, shape: Shape, at: FieldPath) -> Iterator[Fault]:
    """Faults for fields that the schema does not know: ignored in an event, most likely typing errors in a file."""
    if shape.items is not None and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unknown_fields(item, shape.items, (*at, index))
    if not shape.fields or not isinstance(value, dict):
        return
    for name, inner in value.items():
        if name in shape.fields:
            yield from _unknown_fields(inner, shape.fields[name], (*at, name))
        else:
            near = get_close_matches(name[:_LONGEST_FIELD], shape.fields, 1)  # takes quadratic time in the length
            expected = f"did you mean {near[0]}?" if near else f"expected one of {', '.join(shape.fields)}"
            yield Fault("schema", (*at, name), "unknown", f"is no field: {expected}")


def reference_faults(config: Any, at: FieldPath) -> Iterator[Fault]:
    """Faults for repeated names, and for names that no queue or profile has. The schema checks the names' types."""
    if not isinstance(config, dict):
        return
    queues, profiles = _rows(config, "queues"), _rows(config, "profiles")
    yield from _repeated_names(queues, (*at, "queues"))
    yield from _repeated_names(profiles, (*at, "profiles"))
    queue_names = {name for _, row in queues if (name := _name(row)) is not None}
    profile_names = {name for _, row in profiles if (name := _name(row)) is not None}
    yield from _unknown_name(config.get("default_queue"), queue_names, (*at, "default_queue"), "a queue of this pool")
    yield from _unknown_name(
        config.get("default_profile"), profile_names, (*at, "default_profile"), "a profile of this pool"
    )
    for index, row in queues:
        where = (*at, "queues", index, "overflow_to")
        target = row.get("overflow_to")
        yield from _unknown_name(target, queue_names, where, "a queue of this pool")
        if isinstance(target, str) and target == _name(row):
            yield Fault("schema", where, "reference", "expected another queue: this one can't overflow to itself")
    for index, row in profiles:
        yield from _served_queues(row.get("queues"), queue_names, (*at, "profiles", index, "queues"))


def _rows(config: dict[str, Any], name: str) -> list[tuple[int, dict[str, Any]]]:
    """The tables of a list, each with the index in the list."""
    rows = config.get(name)
    return [(i, row) for i, row in enumerate(rows) if isinstance(row, dict)] if isinstance(rows, list) else []


def _name(row: dict[str, Any]) -> str | None:
    name = row.get("name")
    return name if isinstance(name, str) else None


def _repeated_names(rows: list[tuple[int, dict[str, Any]]], at: FieldPath) -> Iterator[Fault]:
    seen: set[str] = set()
    for index, row in rows:
        name = _name(row)
        if name is not None and name in seen:
            yield Fault(
                "schema", (*at, index, "name"), "uniqueBy", f"expected each name once, got {_quoted(name)} again"
            )
        elif name is not None:
            seen.add(name)


def _unknown_name(name: Any, known: set[str], at: FieldPath, expected: str) -> Iterator[Fault]:
    if isinstance(name, str) and name not in known:
        yield Fault("schema", at, "reference", f"expected {expected} ({_listed(known)}), got {_quoted(name)}")


def _served_queues(names: Any, known: set[str], at: FieldPath) -> Iterator[Fault]:
    """Faults in the list of the queues that a profile serves."""
    seen: set[str] = set()
    for index, name in enumerate(names if isinstance(names, list) else []):
        yield from _unknown_name(name, known, (*at, index), "a queue of this pool")
        if isinstance(name, str) and name in seen:
            yield Fault("schema", (*at, index), "uniqueBy", f"expected each queue once, got {_quoted(name)} again")
        elif isinstance(name, str):
            seen.add(name)


def _quoted(name: str) -> str:
    """A name in quotes; a name longer than allowed is cut."""
    return repr(name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…")


def _listed(names: set[str]) -> str:
    """The names in alphabetical order, `_MOST_NAMES` at most."""
    first = [printable(name[:_LONGEST_NAME]) for name in sorted(names)[:_MOST_NAMES]]
    return ", ".join(first) + (f", and {len(names) - len(first)} more" if len(names) > len(first) else "")


_is_bare_key: Final = re.compile("[A-Za-z0-9_-]+").fullmatch


def _written(path: tuple[str | int, ...]) -> str:
    """A path as TOML: `pools.support.queues[0].name`, with quotes around keys that need them."""
    steps = (
        f"[{step}]"
        if isinstance(step, int)
        else "." + (step if len(step) <= _LONGEST_KEY and _is_bare_key(step) else quote(step))
        for step in path
    )
    return "".join(steps)[1:]
