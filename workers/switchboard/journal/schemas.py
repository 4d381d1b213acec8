"""The JSON Schemas of `schemas/`: files, the shapes of values, faults in words, and the checks of events.

The files are enforced; the code holds no second copy of the contract.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Any, Final, Literal, Protocol, TypeAlias

import orjson
from jsonschema_rs import Draft202012Validator, Registry, ValidationError

from switchboard.domain.events import EVENT_TYPES
from switchboard.domain.rfc3339 import is_time
from switchboard.journal.printable_text import printable

MAX_DETAIL: Final = 500
"""Characters of a fault's detail: the detail becomes a header, and a field's name may be as long as the record."""

_LONGEST_QUOTE: Final = 60
"""Characters of a wrong value that a fault repeats: enough to find the value by."""
_MOST_TIMES: Final = 8
"""Wrong times corrected by `first_fault` in search of other faults. An event has two times at most."""
_BASE: Final = "schema:///"
"""Base URI of the files for `$ref`. Relative references are found among the files, and nothing is ever fetched."""

Reason: TypeAlias = Literal["schema", "bad-time"]


# 1. Files


class Validator(Protocol):
    """The methods used of a compiled schema."""

    def is_valid(self, instance: Any) -> bool:
        """True if the instance matches the schema."""
        ...

    def validate(self, instance: Any) -> None:
        """Raise a ValidationError for the first fault, if the instance does not match the schema."""
        ...

    def iter_errors(self, instance: Any) -> Any:
        """A ValidationError for each fault of the instance."""
        ...


@cache
def root() -> Path:
    """The folder `schemas/`: beside `workers/` in a checkout, inside the package in a wheel.

    Raises:
        FileNotFoundError: neither place has the folder.
    """
    here = Path(__file__).resolve()
    for folder in (here.parents[1] / "schemas", here.parents[3] / "schemas"):
        if (folder / "common.json").is_file():
            return folder
    raise FileNotFoundError(f"schemas/ is neither in {here.parents[1]} nor in {here.parents[3]}")


@cache
def load() -> Mapping[str, dict[str, Any]]:
    """All schemas by their path under `schemas/`, such as `events/chat-arrival.json`."""
    return {path.relative_to(root()).as_posix(): orjson.loads(path.read_bytes()) for path in root().rglob("*.json")}


@cache
def compiled(path: str) -> Validator:
    """The validator of a schema, given its path under `schemas/`."""
    return Draft202012Validator(
        load()[path],
        base_uri=_BASE + path,
        registry=_registry(),
        formats={"date-time": is_time},
        validate_formats=True,
        keywords={"maxBytes": _MaxBytes, "uniqueBy": _UniqueBy},
        offline=True,
    )


def follow(schema: Mapping[str, Any], path: str) -> tuple[dict[str, Any], str]:
    """A schema with its `$ref` resolved, and the path of the file for further relative references.

    Keywords beside the `$ref` override the target's keywords.

    Args:
        schema: a schema, or a part of one.
        path: the file of the schema.
    """
    if "$ref" not in schema:
        return dict(schema), path
    file, _, pointer = schema["$ref"].partition("#")
    target_path = normpath(join(dirname(path), file)) if file else path
    target: Any = load()[target_path]
    for step in pointer.split("/")[1:]:
        target = target[step]
    beside = {key: value for key, value in schema.items() if key != "$ref"}
    return {**target, **beside}, target_path


@cache
def _registry() -> Registry:
    return Registry([(_BASE + path, schema) for path, schema in load().items()])


class _MaxBytes:
    """Keyword `maxBytes`: the most bytes of a text in UTF-8, or of another value as compact JSON."""

    def __init__(self, _schema: Any, limit: int, _path: list[str | int]) -> None:
        self._limit = limit

    def validate(self, value: Any) -> None:
        size = len(value.encode() if isinstance(value, str) else orjson.dumps(value))
        if size > self._limit:
            raise ValueError(f"expected {self._limit} bytes at most, got {size}")


class _UniqueBy:
    """Keyword `uniqueBy`: no two rows of a list have the same value in the named field. O(rows)."""

    def __init__(self, _schema: Any, field: str, _path: list[str | int]) -> None:
        self._field = field

    def validate(self, rows: Any) -> None:
        if not isinstance(rows, list):
            return
        seen: dict[str, int] = {}
        for index, row in enumerate(rows):
            value = row.get(self._field) if isinstance(row, dict) else None
            if isinstance(value, str) and seen.setdefault(value, index) != index:
                raise ValueError(f"{self._field} {value!r} is in rows {seen[value]} and {index}")


# 2. Shapes


@dataclass(slots=True, frozen=True)
class Shape:
    """The schema of a value, with each `$ref` resolved, and the shapes of the values inside."""

    schema: Mapping[str, Any]
    fields: Mapping[str, "Shape"] = field(default_factory=dict)
    """The known fields of an object, in the schema's order."""
    rest: "Shape | None" = None
    """The shape of an object's other fields, if the schema restricts them."""
    items: "Shape | None" = None
    """The shape of each item of a list."""

    @property
    def is_plain(self) -> bool:
        """True if a checked value is kept unchanged: no unknown fields to drop, and no `3.0` to turn into a 3."""
        return not self.fields and (self.items is None or self.items.is_plain) and self.schema.get("type") != "integer"

    def at(self, path: Sequence[str | int]) -> "Shape | None":
        """The shape of the value at `path` inside a value of this shape; None if the schema has none."""
        here: Shape | None = self
        for step in path:
            if here is None:
                return None
            here = here.items if isinstance(step, int) else here.fields.get(step, here.rest)
        return here


def shape_of(path: str) -> Shape:
    """The shape of the schema in a file, given its path under `schemas/`."""
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


def without_unknown_fields(value: Any, shape: Shape) -> Any:
    """A checked value without its unknown fields, and with whole numbers as ints: JSON Schema takes 3.0 for one."""
    if shape.fields:
        return {name: without_unknown_fields(value[name], each) for name, each in shape.fields.items() if name in value}
    if shape.items is not None and not shape.items.is_plain:
        return [without_unknown_fields(item, shape.items) for item in value]
    if type(value) is float and shape.schema.get("type") == "integer":
        return int(value)
    return value


# 3. Faults


@dataclass(slots=True, frozen=True)
class Fault:
    """One fault of a value."""

    reason: Reason
    """`bad-time` if the format of a time is wrong, else `schema`."""
    path: tuple[str | int, ...]
    """The place of the faulty value or missing field."""
    rule: str
    """The failed keyword of the schema, such as `maxLength`."""
    message: str
    """The expected value, and the value found."""

    @property
    def pointer(self) -> str:
        """`path` as a JSON Pointer (RFC 6901); empty for the whole value."""
        steps = [str(step)[:MAX_DETAIL] for step in self.path]
        return "".join("/" + printable(step.replace("~", "~0").replace("/", "~1")) for step in steps)

    @property
    def detail(self) -> str:
        """The fault on a line, the pointer first: `/chat_id maxLength: expected 1 to 128 characters, ...`."""
        return f"{self.pointer} {self.rule}: {self.message}".lstrip()[:MAX_DETAIL]


def faults(value: Any, validator: Validator, shape: Shape) -> Iterator[Fault]:
    """All faults of a value; none if the value matches the schema."""
    try:
        errors = list(validator.iter_errors(value))
    except ValueError as gave_up:
        yield _too_deep(gave_up)
        return
    for error in errors:
        yield _fault(error, shape)


_A_TIME: Final = "1970-01-01T00:00:00Z"
_UNKNOWN_FAULT: Final = Fault("schema", (), "schema", "it does not keep to the schema")


def first_fault(value: Any, validator: Validator, shape: Shape) -> Fault | None:
    """The first fault of a value; None if the value matches the schema, which takes one call of the compiled schema.

    A `bad-time` fault is returned only if nothing else is wrong. The compiled schema stops at the first error; listing
    all errors takes 0.4 s for a value of 64 KiB with 30,000 errors.
    """
    bad_time: Fault | None = None
    for _ in range(_MOST_TIMES):
        try:
            if validator.is_valid(value):
                return bad_time
            validator.validate(value)
        except ValidationError as error:
            fault = _fault(error, shape)
        except ValueError as gave_up:
            return _too_deep(gave_up)
        else:
            return _UNKNOWN_FAULT
        if fault.reason != "bad-time" or len(fault.path) != 1:
            return fault
        # Put a good time in the place of the bad one, and check again for other faults.
        bad_time = bad_time or fault
        value = {**value, fault.path[0]: _A_TIME}
    return bad_time


def _too_deep(gave_up: ValueError) -> Fault:
    """The fault of a value nested too deep for the validator. No event is nested as deep."""
    return Fault("schema", (), "depth", f"expected a flat value: {str(gave_up).lower()}")


def _fault(error: Any, shape: Shape) -> Fault:
    rule: str = error.kind.name
    path: tuple[str | int, ...] = tuple(error.instance_path)
    if rule == "required":
        return Fault("schema", (*path, error.kind.value), rule, "is missing")
    if rule in {"maxBytes", "uniqueBy"}:  # our keywords, which compose their own messages
        return Fault("schema", path, rule, error.message)
    here = shape.at(path)
    if rule in {"anyOf", "oneOf"} and here is not None:
        return Fault("schema", path, rule, _choice(rule, here.schema[rule]))
    expected = expectation(here) if here is not None else None
    message = f"expected {expected}, got {quote(error.instance)}" if expected else error.message[: 4 * _LONGEST_QUOTE]
    return Fault("bad-time" if rule == "format" else "schema", path, rule, message)


def quote(value: Any) -> str:
    """A wrong value as JSON on a line; a long text is cut."""
    # Cut first: making text printable takes 0.2 us a character where there is something to escape, and took 6 ms for a
    # record of 60 KB of bidi controls.
    text = printable(orjson.dumps(value).decode()[: _LONGEST_QUOTE + 1])
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"


def _choice(rule: str, branches: Sequence[Any]) -> str:
    names = ", ".join(branch["required"][0] for branch in branches)
    return f"expected {'exactly' if rule == 'oneOf' else 'at least'} one of {names}"


def expectation(shape: Shape) -> str | None:
    """The expected value in words, as the end of the sentence "expected ..."; None if the schema gives no words."""
    words: str | None = None
    match shape.schema:
        case {"enum": options}:
            words = "one of " + ", ".join(str(option) for option in options)
        case {"const": only}:
            words = str(only)
        case {"type": "integer", "minimum": low, "maximum": high}:
            words = f"a whole number from {low} to {high}"
        case {"type": "integer"}:
            words = "a whole number"
        case {"title": str(title)}:  # the definitions of common.json have a title of a few words
            words = title
        case {"type": "array", "minItems": low}:
            words = f"a list of at least {low}"
        case {"type": str(name)}:
            words = {"array": "a list", "boolean": "true or false", "object": "an object", "string": "text"}.get(name)
    return words


# 4. Events


EVENT_SHAPES: Final[dict[str, Shape]] = {name: shape_of(f"events/{name}.json") for name in EVENT_TYPES}
"""The shape of each type of event."""

_VALIDATORS: Final = {name: compiled(f"events/{name}.json") for name in EVENT_TYPES}


def check_event(event_type: str, body: dict[str, Any]) -> Fault | None:
    """The first fault of an event's body; None if the body is good."""
    return first_fault(body, _VALIDATORS[event_type], EVENT_SHAPES[event_type])


def event_faults(event_type: str, body: dict[str, Any]) -> list[Fault]:
    """All faults of an event's body."""
    return list(faults(body, _VALIDATORS[event_type], EVENT_SHAPES[event_type]))


def known_fields(event_type: str, body: dict[str, Any]) -> dict[str, Any]:
    """The known fields of a checked body, except `type` and `pool`, in the schema's order; whole numbers are ints."""
    fields = _PLAIN_FIELDS[event_type]
    if fields is None:  # some field is an object or a whole number
        data: dict[str, Any] = without_unknown_fields(body, _DATA_SHAPES[event_type])
        return data
    return {name: body[name] for name in fields if name in body}


def _data_shape(shape: Shape) -> Shape:
    return Shape(shape.schema, {name: each for name, each in shape.fields.items() if name not in {"type", "pool"}})


_DATA_SHAPES: Final = {name: _data_shape(shape) for name, shape in EVENT_SHAPES.items()}
_PLAIN_FIELDS: Final[dict[str, tuple[str, ...] | None]] = {
    name: tuple(shape.fields) if all(each.is_plain for each in shape.fields.values()) else None
    for name, shape in _DATA_SHAPES.items()
}
"""By event type: the known fields, if each field is plain; otherwise None."""
