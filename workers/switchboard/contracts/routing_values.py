"""What a routing file must not hold: values that JSON does not have, and fields that nothing reads."""

from collections.abc import Iterator
from difflib import get_close_matches
from math import isfinite
from typing import Any, Final

from switchboard.contracts.faults import Fault
from switchboard.contracts.shape import Shape
from switchboard.contracts.toml_lines import Path

_LONGEST_FIELD: Final = 64
"""Characters of a field's name that are compared with those that there are."""


def as_json(value: Any, at: Path, faults: list[Fault]) -> Any:
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


def unknown_fields(value: Any, shape: Shape, at: Path) -> Iterator[Fault]:
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
