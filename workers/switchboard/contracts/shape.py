"""What a schema says of a value's fields: which are known, which are whole numbers, what is expected of each."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from switchboard.contracts.schema_files import follow, load


@dataclass(slots=True, frozen=True)
class Shape:
    """One value's place in a schema, `$ref` followed."""

    schema: Mapping[str, Any]
    fields: Mapping[str, "Shape"] = field(default_factory=dict)
    """The known fields of an object, in the schema's order."""
    rest: "Shape | None" = None
    """What an object's other fields are, where the schema says it."""
    items: "Shape | None" = None
    """What each item of a list is."""

    @property
    def is_plain(self) -> bool:
        """Whether a checked value is kept as it came: no unknown fields to drop, no `3.0` to make a 3."""
        return not self.fields and (self.items is None or self.items.is_plain) and self.schema.get("type") != "integer"

    def at(self, path: Sequence[str | int]) -> "Shape | None":
        """The shape of what stands at `path` in a value of this shape; None where the schema says nothing of it."""
        here: Shape | None = self
        for step in path:
            if here is None:
                return None
            here = here.items if isinstance(step, int) else here.fields.get(step, here.rest)
        return here


def shape_of(path: str) -> Shape:
    """The shape of the schema in this file under `schemas/`."""
    return _shape(load()[path], path)


def _shape(schema: Mapping[str, Any], path: str) -> Shape:
    whole, path = follow(schema, path)
    rest, items = whole.get("additionalProperties"), whole.get("items")
    return Shape(
        schema=whole,
        fields={name: _shape(each, path) for name, each in whole.get("properties", {}).items()},
        rest=_shape(rest, path) if isinstance(rest, dict) else None,
        items=_shape(items, path) if isinstance(items, dict) else None,
    )


def tidied(value: Any, shape: Shape) -> Any:
    """A checked value without its unknown fields and with whole numbers as ints: JSON Schema takes 3.0 for one."""
    if shape.fields:
        return {name: tidied(value[name], each) for name, each in shape.fields.items() if name in value}
    if shape.items is not None and not shape.items.is_plain:
        return [tidied(item, shape.items) for item in value]
    if type(value) is float and shape.schema.get("type") == "integer":
        return int(value)
    return value
