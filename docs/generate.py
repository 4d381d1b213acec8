"""What is made from what is enforced and run: the reference pages (schemas, topics, settings, metrics, commands), ACLs.

`make docs` writes them; a test holds that they are up to date.
"""
# ruff: noqa: INP001 - run as `python -m docs.generate`, never installed

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType, NoneType
from typing import Any, Final, Literal, get_args, get_origin

import click
import yaml
from annotated_types import Ge, Gt, Le
from prometheus_client.metrics import MetricWrapperBase
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from docs import heads
from docs.acls import acls
from docs.tables import described, event_fields, sample, table, written_fields
from switchboard import metrics
from switchboard.cli.main import switchboard
from switchboard.domain.decisions import Decision
from switchboard.journal.codec import OWN_TYPES
from switchboard.journal.schemas import root
from switchboard.kafka.topics import TOPICS, Writer
from switchboard.metrics import Spans
from switchboard.monitor import app
from switchboard.settings import ENV_PREFIX, Settings

ROOT: Final = Path(__file__).resolve().parents[1]
REFERENCE: Final = ROOT / "docs/reference"
HELP_COLUMNS: Final = 100


def events() -> str:
    """Every event with its fields, topic by topic."""
    text = [heads.EVENTS]
    channels = yaml.safe_load((root() / "asyncapi.yaml").read_text())["channels"]
    for topic, spec in TOPICS.items():
        if spec.writer is Writer.ROUTER:
            continue
        text.append(f"## Topic `{topic}`\n")
        if topic in OWN_TYPES:
            text.append("A record needs no type here.\n")
        for name in channels[topic]["messages"]:
            path = f"events/{name}.json"
            is_routing = name == "pool-configured"
            known = ("type",) if is_routing else ("type", "pool")
            text += [f"### {name}\n", f"{described(path)}\n", event_fields(path, without=known)]
            text.append(heads.ROUTING if is_routing else sample(name))
    return "\n".join(text)


def decisions() -> str:
    """Every decision and row with its fields."""
    text = [heads.DECISIONS]
    for each in get_args(Decision):
        (name,) = get_args(each.__annotations__["type"])
        path = f"decisions/{name}.json"
        fields = written_fields(path, without=("id", "type", "pool", "at"))
        text += [f"### {name}\n", f"{described(path)}\n", fields, sample(name)]
    text.append(heads.ROWS)
    for name in ("agent-capacity", "open-chats"):
        path = f"rows/{name}.json"
        text += [f"### Rows of `{name}`\n", f"{described(path)}\n", written_fields(path, without=()), sample(name)]
    return "\n".join(text)


def topics() -> str:
    """Every topic with its key, value, writer and settings."""

    def writer(spec_writer: Writer) -> str:
        return f"`{spec_writer.value}`" if spec_writer is Writer.OPERATOR else spec_writer.value

    rows = [(f"`{topic}`", writer(spec.writer), spec.key, spec.value) for topic, spec in TOPICS.items()]
    asked = [
        (f"`{topic}`", ", ".join(f"`{name}={value}`" for name, value in spec.settings.items()))
        for topic, spec in TOPICS.items()
        if spec.writer is not Writer.BUS
    ]
    text = [heads.TOPICS, table(("topic", "written by", "key", "holds"), rows)]
    text += [heads.TOPIC_SETTINGS, table(("topic", "settings"), asked), heads.PROGRESS]
    return "\n".join(text)


def settings() -> str:
    """Every setting with its variable, its values and its default."""
    told = _field_docstrings(Settings)
    rows = [
        (f"`{name}`", f"`{ENV_PREFIX}{name.upper()}`", _values(field), _default(field), told.get(name, ""))
        for name, field in Settings.model_fields.items()
    ]
    return "\n".join([heads.SETTINGS, table(("setting", "variable", "value", "unless set", "meaning"), rows)])


def metrics_page() -> str:
    """Every metric with its labels."""
    return "\n".join([heads.METRICS, _metrics(metrics), heads.MONITOR_METRICS, _metrics(app)])


def _metrics(module: ModuleType) -> str:
    found = [each for each in vars(module).values() if isinstance(each, MetricWrapperBase | Spans)]
    rows = [row for each in found for row in _metric(each)]
    return table(("metric", "kind", "labels", "meaning"), rows)


def commands() -> str:
    """Every command with its help."""
    return "\n".join([heads.COMMANDS, *_commands(switchboard, None, "switchboard")])


PAGES: Final[Mapping[str, Callable[[], str]]] = {
    "events.md": events,
    "decisions.md": decisions,
    "topics.md": topics,
    "settings.md": settings,
    "metrics.md": metrics_page,
    "commands.md": commands,
}

FILES: Final[Mapping[str, Callable[[], str]]] = {"deploy/kafka/acls.sh": acls}
"""What is generated elsewhere, by its path from the repository's root."""


def _field_docstrings(cls: type) -> dict[str, str]:
    """The text under each field of a class, on one line."""
    (body,) = ast.parse(inspect.getsource(cls)).body
    assert isinstance(body, ast.ClassDef)  # noqa: S101 - a class's source is a class
    found = {}
    for field, under in zip(body.body, body.body[1:], strict=False):
        match field, under:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(text))):
                found[name] = " ".join(text.split())
    return found


def _values(field: FieldInfo) -> str:
    annotation: Any = field.annotation
    kinds = [each for each in get_args(annotation) or [annotation] if each is not NoneType]
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{each}`" for each in kinds)
    bounds = {type(each): each for each in field.metadata}
    match kinds:
        case [kind] if kind in (int, float):
            low = f"from {bounds[Ge].ge}" if Ge in bounds else f"more than {bounds[Gt].gt}" if Gt in bounds else ""
            high = f" to {bounds[Le].le}" if Le in bounds else ""
            return f"{'whole number' if kind is int else 'number'} {low.removeprefix('from ') if high else low}{high}"
        case [kind] if kind is SecretStr:
            return "secret"
        case [kind] if kind is Path:
            return "file"
        case _:
            return "text"


def _default(field: FieldInfo) -> str:
    return "" if field.default is None else "empty" if field.default == "" else f"`{field.default}`"


def _metric(collector: MetricWrapperBase | Spans) -> Iterator[tuple[str, str, str, str]]:
    labels = ", ".join(f"`{label}`" for label in getattr(collector, "_labelnames", ()))
    for each in collector.collect():
        name = f"{each.name}_total" if each.type == "counter" else each.name
        yield f"`{name}`", each.type, labels, each.documentation


def _commands(command: click.Command, parent: click.Context | None, name: str) -> Iterator[str]:
    settings = {**command.context_settings, "terminal_width": HELP_COLUMNS, "max_content_width": HELP_COLUMNS}
    context = click.Context(command, parent, name, **settings)
    if isinstance(command, click.Group):
        for each in command.list_commands(context):
            found = command.get_command(context, each)
            assert found is not None  # noqa: S101 - it was listed
            yield from _commands(found, context, each)
    else:
        yield f"## {context.command_path}\n\n```text\n{command.get_help(context)}\n```\n"


def main() -> None:
    """Write the pages."""
    for name, page in PAGES.items():
        (REFERENCE / name).write_text(page(), encoding="utf-8")
        click.echo(f"made docs/reference/{name}")
    for name, text in FILES.items():
        (ROOT / name).write_text(text(), encoding="utf-8")
        click.echo(f"made {name}")


if __name__ == "__main__":
    main()
