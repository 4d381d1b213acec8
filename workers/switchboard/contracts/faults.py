"""What is wrong with a value, in words: a JSON Pointer, the rule that failed, what was expected."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

import orjson
from jsonschema_rs import ValidationError

from switchboard.contracts.printable_text import printable
from switchboard.contracts.schema_files import Validator
from switchboard.contracts.shape import Shape

Reason: TypeAlias = Literal["schema", "bad-time"]

_LONGEST_QUOTE: Final = 60
"""Characters of a wrong value that are repeated in a fault: enough to find it by."""
MAX_DETAIL: Final = 500
"""Characters of a detail: it goes into a header, and a field's name may be as long as the record."""


@dataclass(slots=True, frozen=True)
class Fault:
    """One thing that is wrong with a value."""

    reason: Reason
    """`bad-time` where it is a time's format, else `schema`."""
    path: tuple[str | int, ...]
    """Where it stands; for a required field that is missing, where it would stand."""
    rule: str
    """The keyword of the schema that failed, as in `maxLength`."""
    message: str
    """What was expected, and what was there."""

    @property
    def pointer(self) -> str:
        """`path` as a JSON Pointer (RFC 6901); empty for the whole value."""
        return "".join("/" + printable(str(step).replace("~", "~0").replace("/", "~1")) for step in self.path)

    @property
    def detail(self) -> str:
        """All of it on one line, the pointer first: `/chat_id maxLength: expected 1 to 128 characters, ...`."""
        return f"{self.pointer} {self.rule}: {self.message}".lstrip()[:MAX_DETAIL]


def faults(value: Any, validator: Validator, shape: Shape) -> Iterator[Fault]:
    """Everything that is wrong with a value; nothing if it keeps to the schema."""
    try:
        errors = list(validator.iter_errors(value))
    except ValueError as gave_up:
        yield _too_deep(gave_up)
        return
    for error in errors:
        yield _fault(error, shape)


def _too_deep(gave_up: ValueError) -> Fault:
    """The fault of a value that is nested so deep that the check gives up: no event is."""
    return Fault("schema", (), "depth", f"expected a flat value: {str(gave_up).lower()}")


_MOST_TIMES: Final = 8
"""Times that one event may have wrong; an event has two at most."""
_A_TIME: Final = "1970-01-01T00:00:00Z"
_UNTOLD: Final = Fault("schema", (), "schema", "it does not keep to the schema")


def first_fault(value: Any, validator: Validator, shape: Shape) -> Fault | None:
    """What is wrong with a value; None if it keeps to the schema, which one call into the compiled schema tells.

    Of several faults the first that is no `bad-time` is given: that reason says that nothing else is wrong. The
    compiled schema stops at its first error; to list all of them takes 0.4 s for a value of 64 KiB with 30,000.
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
            return _UNTOLD
        if fault.reason != "bad-time" or len(fault.path) != 1:
            return fault
        bad_time = bad_time or fault
        value = {**value, fault.path[0]: _A_TIME}  # is anything else wrong?
    return bad_time


def _fault(error: Any, shape: Shape) -> Fault:
    rule: str = error.kind.name
    path: tuple[str | int, ...] = tuple(error.instance_path)
    if rule == "required":
        return Fault("schema", (*path, error.kind.value), rule, "is missing")
    if rule in {"maxBytes", "uniqueBy"}:
        return Fault("schema", path, rule, error.message)
    here = shape.at(path)
    if rule in {"anyOf", "oneOf"} and here is not None:
        return Fault("schema", path, rule, _choice(rule, here.schema[rule]))
    expected = expectation(here) if here is not None else None
    message = f"expected {expected}, got {quote(error.instance)}" if expected else error.message[: 4 * _LONGEST_QUOTE]
    return Fault("bad-time" if rule == "format" else "schema", path, rule, message)


def quote(value: Any) -> str:
    """A wrong value as JSON, cut where it is long."""
    text = printable(orjson.dumps(value).decode())
    return text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"


def _choice(rule: str, branches: Sequence[Any]) -> str:
    names = ", ".join(branch["required"][0] for branch in branches)
    return f"expected {'exactly' if rule == 'oneOf' else 'at least'} one of {names}"


def expectation(shape: Shape) -> str | None:
    """What the schema expects of a value, as the end of the sentence "expected ..."; None where it has no words."""
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
        case {"title": str(title)}:  # what a definition of common.json is, in a few words
            words = title
        case {"type": "array", "minItems": low}:
            words = f"a list of at least {low}"
        case {"type": str(name)}:
            words = {"array": "a list", "boolean": "true or false", "object": "an object", "string": "text"}.get(name)
    return words
