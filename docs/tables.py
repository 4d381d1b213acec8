"""Schemas as tables of fields, for the reference pages."""
# ruff: noqa: INP001 - run as `python -m docs.generate`, never installed

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from switchboard.journal.schemas import follow, load, root

UNBOUNDED: Final = 2**31 - 1
"""What a schema says where it means "no upper limit"."""

COMMON: Final = {
    "id": "name",
    "nullable-id": "name or null",
    "pool": "pool name",
    "decision-id": "decision id",
    "time": "time",
    "timestamp": "time",
    "nullable-timestamp": "time or null",
    "seconds": "seconds, from 0",
}
"""What is said on top of the page, by its name in `common.json`."""
TYPES: Final = {"string": "text", "number": "seconds", "object": "object", "null": "null"}

LINE: Final = 120

Schema = Mapping[str, Any]


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines) + "\n"


def described(path: str) -> str:
    """What the schema of this file under `schemas/` is about."""
    told: str = load()[path]["description"]
    return told


def sample(name: str) -> str:
    """The golden sample with the most fields as a code block: on one line if it fits."""
    lines = (root() / "samples" / f"{name}.good.jsonl").read_text(encoding="utf-8").splitlines()
    line = max(lines, key=lambda each: len(orjson.loads(each)))
    long = orjson.dumps(orjson.loads(line), option=orjson.OPT_INDENT_2).decode()
    return f"```json\n{line if len(line) <= LINE else long}\n```\n"


def event_fields(path: str, *, without: Sequence[str]) -> str:
    """The fields of an event: what is required, what may be given and what holds where it is not."""
    rows = _rows(load()[path], path, without, "")
    return table(("field", "", "value", "unless given", "meaning"), rows) + _choice(load()[path])


def written_fields(path: str, *, without: Sequence[str]) -> str:
    """The fields of what the router writes: all of them are always there."""
    rows = ((name, value, meaning) for name, _, value, _, meaning in _rows(load()[path], path, without, ""))
    return table(("field", "value", "meaning"), rows)


def _rows(schema: Schema, path: str, without: Sequence[str], prefix: str) -> Iterator[tuple[str, str, str, str, str]]:
    for name, raw in schema.get("properties", {}).items():
        if name in without:
            continue
        whole, where = follow(raw, path)
        required = "required" if name in schema.get("required", ()) else ""
        default = _value(whole["default"]) if "default" in whole and not required else ""
        full = f"{prefix}{name}"
        yield f"`{full}`", required, kind(raw, path), default, whole.get("description", "")
        if "properties" in whole:
            yield from _rows(whole, where, (), f"{full}.")
        elif "items" in whole:
            yield from _rows(follow(whole["items"], where)[0], where, (), f"{full}[].")


def kind(raw: Schema, path: str) -> str:
    """What a value has to be, in words."""
    name = raw.get("$ref", "").rpartition("/")[2]
    if name in COMMON:
        return COMMON[name]
    whole, where = follow(raw, path)
    match whole:
        case {"const": value}:
            told = _value(value)
        case {"enum": values}:
            told = ", ".join(_value(value) for value in values)
        case {"type": "boolean"}:
            told = "`true` or `false`"
        case {"type": "array", "items": items}:
            told = f"list of {'objects' if follow(items, where)[0].get('type') == 'object' else 'names'}"
        case {"type": "integer", "minimum": least}:
            most = whole.get("maximum", UNBOUNDED)
            told = f"whole number from {least}" if most == UNBOUNDED else f"whole number, {least} to {most}"
        case _:
            types = whole["type"] if isinstance(whole["type"], list) else [whole["type"]]
            told = " or ".join(TYPES[each] for each in types)
    return told


def _value(value: Any) -> str:
    return f"`{orjson.dumps(value).decode().strip(chr(34))}`" if value != "" else "empty"


def _choice(schema: Schema) -> str:
    """The fields of which one must be given."""
    for rule, told in (("oneOf", "Exactly one"), ("anyOf", "At least one")):
        if rule in schema:
            names = " and ".join(f"`{name}`" for each in schema[rule] for name in each["required"])
            return f"\n{told} of {names} is given.\n"
    return ""
