"""The files of `schemas/`: found, read and compiled. They are what is enforced; there is no second copy in code."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from posixpath import dirname, join, normpath
from typing import Any, Final, Protocol

import orjson
from jsonschema_rs import Draft202012Validator, Registry

from switchboard.domain.rfc3339 import is_time

_BASE: Final = "schema:///"
"""Where a file stands for `$ref`: relative ones are found among the files, and nothing is ever fetched."""


class Validator(Protocol):
    """A compiled schema, as far as it is used here."""

    def is_valid(self, instance: Any) -> bool:
        """Whether the instance keeps to the schema."""
        ...

    def validate(self, instance: Any) -> None:
        """Raise a ValidationError, the first error, if the instance does not keep to the schema."""
        ...

    def iter_errors(self, instance: Any) -> Any:
        """All that is wrong with the instance."""
        ...


@cache
def root() -> Path:
    """The folder `schemas/`: beside `workers/` in a checkout, inside the package in a wheel.

    Raises:
        FileNotFoundError: it is in neither place.
    """
    here = Path(__file__).resolve()
    for folder in (here.parents[1] / "schemas", here.parents[3] / "schemas"):
        if (folder / "common.json").is_file():
            return folder
    raise FileNotFoundError(f"schemas/ stands neither in {here.parents[1]} nor in {here.parents[3]}")


@cache
def load() -> Mapping[str, dict[str, Any]]:
    """Every schema by its path under `schemas/`, as in `events/chat-arrival.json`."""
    return {path.relative_to(root()).as_posix(): orjson.loads(path.read_bytes()) for path in root().rglob("*.json")}


@cache
def compiled(path: str) -> Validator:
    """The schema of this path under `schemas/`, compiled."""
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
    """A schema of the file `path` with its `$ref` followed, and the file in which the rest of it stands.

    What stands beside the `$ref` comes before what it leads to.
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
    """`maxBytes`: the UTF-8 length of a text, or of any other value's compact JSON, is at most that many bytes."""

    def __init__(self, _schema: Any, limit: int, _path: list[str | int]) -> None:
        self._limit = limit

    def validate(self, value: Any) -> None:
        size = len(value.encode() if isinstance(value, str) else orjson.dumps(value))
        if size > self._limit:
            raise ValueError(f"expected {self._limit} bytes at most, got {size}")


class _UniqueBy:
    """`uniqueBy`: no two rows of a list have the same value in that field; O(rows)."""

    def __init__(self, _schema: Any, field: str, _path: list[str | int]) -> None:
        self._field = field

    def validate(self, rows: Any) -> None:
        if not isinstance(rows, list):
            return
        seen: dict[str, int] = {}
        for index, row in enumerate(rows):
            value = row.get(self._field) if isinstance(row, dict) else None
            if isinstance(value, str) and seen.setdefault(value, index) != index:
                raise ValueError(f"{self._field} {value!r} stands in rows {seen[value]} and {index}")
