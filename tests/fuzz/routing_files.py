"""Routing files, settings files and days of arrivals: what people write by hand, and others may have written."""

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, ClassVar, Final
from unittest import mock

import orjson

from switchboard import settings
from switchboard.domain.engine import Engine
from switchboard.domain.events import Frame
from switchboard.errors import ArrivalsError, RoutingFileError, RulesError, SettingsError
from switchboard.journal.codec import BadInput, decode_event
from switchboard.journal.files import InputFileError
from switchboard.journal.routing_file import read_routing_file
from switchboard.settings import Settings
from switchboard.simulation.recorded_days import read_day
from switchboard.whatif.rule_variants import parse_variant
from tests.fuzz.json_values import NUMBERS, changed
from tests.fuzz.source_records import NOW, event_samples
from tests.fuzz.target import Target, require
from tests.fuzz.texts import damaged, odd_text
from tests.fuzz.toml_values import RAW, toml_text

MOST_MESSAGE: Final = 16 * 1024
"""Characters of all that is wrong with one file."""
PIECES: Final = (
    "profile.mode=pull",
    "queue[billing].max_wait=60",
    "agents=+5",
    "pool.seed=x",
    "profile[push].queues=billing,general",
    "queue.max_wait=off",
    "=",
    "[",
    "]",
    ",",
    ".",
    "9" * 5_000,
)


@dataclass(frozen=True, slots=True)
class HandWritten:
    """A file, and what it is read as."""

    kind: str
    """`routing file`, `settings`, `env`, `day` or `rules`."""
    data: bytes


class RoutingFiles(Target[HandWritten]):
    """What is in the file can be worked with, or every fault has its line."""

    name: ClassVar = "routing-files"
    checks: ClassVar = "read_routing_file, switchboard.toml, what-if rules and days of arrivals"
    outcomes: ClassVar = frozenset(
        f"{kind}: {end}" for kind in ("routing file", "settings", "env", "day", "rules") for end in ("taken", "refused")
    )

    def __init__(self) -> None:
        logging.getLogger("dotenv").addHandler(logging.NullHandler())  # it says which lines it passes over
        self._folder = tempfile.TemporaryDirectory(prefix="fuzz-")
        self._path = Path(self._folder.name)

    def close(self) -> None:
        """Remove the files."""
        self._folder.cleanup()

    def generate(self, random: Random) -> HandWritten:
        """A file, made of a sample or from pieces."""
        kind = random.choice(("routing file", "routing file", "routing file", "settings", "env", "day", "rules"))
        match kind:
            case "routing file":
                text = toml_text(random, _routing(random))
            case "settings":
                text = toml_text(random, _settings(random))
            case "env":
                text = _environment(random)
            case "day":
                text = _day(random)
            case _:
                text = random.choice(("", ",", ", ")).join(
                    random.choice(PIECES) if random.random() < 0.8 else odd_text(random)
                    for _ in range(random.choice((1, 1, 2, 4)))
                )
        data = text.encode()
        return HandWritten(kind, damaged(random, data) if random.random() < 0.15 else data)

    def check(self, case: HandWritten) -> str:
        """Read the file."""
        path = self._path / {"settings": "switchboard.toml", "env": ".env"}.get(case.kind, "file")
        path.write_bytes(case.data)
        try:
            return self._read(case, path)
        finally:
            path.unlink()

    def _read(self, case: HandWritten, path: Path) -> str:
        try:
            match case.kind:
                case "routing file":
                    _read_routing(path)
                case "settings" | "env":
                    with _in_folder(self._path):
                        settings.load()
                case "day":
                    require(sum(read_day(path).counts) >= 0, "a day has counts")
                case _:
                    parse_variant(case.data.decode(errors="replace"))
        except RoutingFileError as error:
            lines = case.data.count(b"\n") + 1
            for fault in error.faults:
                require(fault.file == str(path), "a fault names the file", fault.file)
                require(1 <= fault.line <= lines, "a fault names a line that there is", fault.line)
                require(len(str(fault)) <= 3_000, "a fault is short", len(str(fault)))
            return "routing file: refused"
        except (SettingsError, ArrivalsError, RulesError, InputFileError) as error:
            text = str(error)
            # Rules are typed as an option, so a refusal may repeat them.
            most = MOST_MESSAGE + (4 * len(case.data) if case.kind == "rules" else 0)
            require(0 < len(text) <= most, "a refusal says why, and is short", len(text))
            if case.kind == "day":
                require(str(path) in text, "a refusal names the file", text)
            return f"{case.kind}: refused"
        return f"{case.kind}: taken"


def _read_routing(path: Path) -> None:
    """What a good file says is an event that router and engine take."""
    for event in read_routing_file(path):
        what = decode_event("routing-config", (), orjson.dumps(event), source=("routing-config", 0, 0), timestamp=NOW)
        if isinstance(what, BadInput):
            require(condition=False, rule="what config check takes, the router takes", found=what)
        else:
            Engine(0).apply(Frame(0, NOW, 0, [what]))


@contextlib.contextmanager
def _in_folder(path: Path) -> Iterator[None]:
    """The settings of a folder alone: no environment, no other file."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(settings.ENV_PREFIX)}
    with contextlib.chdir(path), mock.patch.dict(os.environ, kept, clear=True):
        yield


@cache
def _configs() -> tuple[bytes, ...]:
    return tuple(each.body for each in event_samples("good") if each.event_type == "pool-configured")


def _routing(random: Random) -> Any:
    pools = {}
    for name in random.sample(("support", "sales", "a-b", "x" * 64), random.choice((1, 1, 2))):
        config = orjson.loads(random.choice(_configs()))["config"]
        pools[name] = changed(random, config) if random.random() < 0.4 else config
    return {"pools": pools}


def _settings(random: Random) -> dict[str, Any]:
    names = list(Settings.model_fields)
    values: dict[str, Any] = {}
    for _ in range(random.choice((0, 1, 1, 2, 4))):
        name = random.choice(names) if random.random() < 0.9 else odd_text(random)[:100]
        default = Settings.model_fields[name].default if name in Settings.model_fields else None
        plain = default if isinstance(default, bool | int | float | str) else "x"
        values[name] = random.choice(
            (plain, plain, plain, random.choice(NUMBERS), odd_text(random), random.choice(RAW))
        )
    return values


def _environment(random: Random) -> str:
    """A `.env` file: settings as variables, and what its format allows beside them."""
    lines = []
    for name, value in _settings(random).items():
        written = f"{settings.ENV_PREFIX}{name}".upper() if random.random() < 0.9 else name
        shown = random.choice((f"{value}", f'"{value}"', f"'{value}'", f"${{{value}", "$(" + str(value)))
        lines.append(
            random.choice(("", "", "", "export ", "# ")) + written + random.choice(("=", "=", "=", " = ", "")) + shown
        )
    if random.random() < 0.3:
        lines.append(
            random.choice(
                ("${A", "A=${A}", "A=$A\nB=${B:-${A}}", "=", "A='", 'A="', "\x00=1", "\ufeffA=1", odd_text(random))
            )
        )
    return "\n".join(lines)


def _day(random: Random) -> str:
    """A day of half hours, with a row changed."""
    rows = ["start,calls", *(f"{hour:02}:{minute:02},{hour}" for hour in range(6, 22) for minute in (0, 30))]
    for _ in range(random.choice((0, 0, 1, 2))):
        at = random.randrange(len(rows))
        rows[at] = random.choice(
            (
                odd_text(random),
                f"{odd_text(random)},1",
                f"08:00,{odd_text(random)}",
                '"',
                "08:00",
                "٠٨:00,٣",
                "8:0," + "9" * 5_000,
            )
        )
    return "\n".join(rows)
