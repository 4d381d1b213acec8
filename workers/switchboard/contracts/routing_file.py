"""The routing file: pools, queues and profiles as a person writes them, in TOML.

```toml
[pools.support]
seed = "2026"

[[pools.support.queues]]
name = "billing"

[[pools.support.profiles]]
name = "agent"
mode = "pull"
```

The fields are those of `pool-configured`, checked against the same schema; beyond that a file must not name what is not
there, nor hold a field that nothing reads.
"""

import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

import orjson

from switchboard.contracts.codec import MAX_VALUE_BYTES
from switchboard.contracts.faults import Fault, quote
from switchboard.contracts.input_files import MAX_ROUTING_BYTES, InputFileError, read_text
from switchboard.contracts.routing_references import references
from switchboard.contracts.routing_size import size_of, too_many_pairs
from switchboard.contracts.routing_values import as_json, unknown_fields
from switchboard.contracts.schemas import EVENT_SHAPES, event_faults, known
from switchboard.contracts.toml_lines import Lines
from switchboard.contracts.toml_text import TomlError, parse
from switchboard.errors import RoutingFault, RoutingFileError

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
