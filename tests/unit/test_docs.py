"""What is written for people is true: pages, links, commands, settings, metrics, rules and examples."""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

import click
import pytest
from prometheus_client.metrics import MetricWrapperBase

from docs.generate import FILES, PAGES, REFERENCE
from switchboard import metrics
from switchboard.cli.main import switchboard
from switchboard.errors import RoutingFileError
from switchboard.journal.codec import REASONS
from switchboard.journal.routing_file import read_routing_file
from switchboard.metrics import Spans
from switchboard.monitor import app
from switchboard.settings import ENV_PREFIX, Settings

ROOT: Final = Path(__file__).resolve().parents[2]
TEXTS: Final = sorted(
    [*ROOT.glob("*.md"), ROOT / "schemas/README.md", *(ROOT / "docs").rglob("*.md")], key=lambda each: each.as_posix()
)

FENCE: Final = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK: Final = re.compile(r"\]\(([^)\s]+)\)")
HEADING: Final = re.compile(r"^#+ (.+)$", re.MULTILINE)
SHELL_ENDS: Final = re.compile(r"\s(?:2?>|\||&|;).*")


def _prose(path: Path) -> str:
    """The text without its code blocks."""
    return FENCE.sub("", path.read_text(encoding="utf-8"))


def _blocks(path: Path, language: str) -> Iterator[str]:
    return (body for kind, body in FENCE.findall(path.read_text(encoding="utf-8")) if kind == language)


def _anchors(path: Path) -> set[str]:
    """The anchors of the headings, as code hosts make them."""
    found = HEADING.findall(_prose(path))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def faults(find: Callable[[Path], Iterable[object]]) -> dict[str, list[object]]:
    """The faults in each text that has any."""
    found = {str(text.relative_to(ROOT)): list(find(text)) for text in TEXTS}
    return {text: each for text, each in found.items() if each}


@pytest.mark.parametrize("name", PAGES)
def test_a_generated_page_is_up_to_date(name: str) -> None:
    """It says what the schemas, topics, settings, metrics and commands say now; else `make docs` was forgotten."""
    assert (REFERENCE / name).read_text(encoding="utf-8") == PAGES[name]()


@pytest.mark.parametrize("name", FILES)
def test_a_generated_file_is_up_to_date(name: str) -> None:
    """It says what `switchboard rights` says now; else `make docs` was forgotten."""
    assert (ROOT / name).read_text(encoding="utf-8") == FILES[name]()


def test_every_setting_is_explained() -> None:
    """No row of the settings page has an empty meaning."""
    rows = [line for line in PAGES["settings.md"]().splitlines() if line.startswith("| `")]
    assert len(rows) == len(Settings.model_fields)
    assert [row for row in rows if row.endswith("|  |")] == []


def test_every_relative_link_leads_somewhere() -> None:
    """The file is there, and so is the heading in it."""

    def lost(text: Path) -> Iterator[str]:
        for target in LINK.findall(_prose(text)):
            file, _, anchor = target.partition("#")
            if re.match(r"[a-z]+:", file):
                continue
            path = (text.parent / file).resolve() if file else text
            if not path.exists() or (anchor and anchor not in _anchors(path)):
                yield target

    assert faults(lost) == {}


TOP: Final = click.Context(switchboard, **switchboard.context_settings)
"""The parent of every command's context: click caches the help option of the first context of a command."""


def _invocations(path: Path) -> Iterator[str]:
    """What follows the word `switchboard`, wherever a text names a command."""
    for span in re.findall(r"`switchboard ([^`]+)`", _prose(path)):
        yield span.replace("\\|", "|")
    for block in _blocks(path, "sh"):
        for line in block.splitlines():
            called = re.search(r"(?:^|[\s/])switchboard (.+)", line.partition("#")[0])
            if called:
                yield SHELL_ENDS.sub("", called[1])


def _unknown(invocation: str) -> list[str]:
    """The words of a command line that mean nothing; `a|b` are alternatives."""
    commands: list[click.Command] = [switchboard]
    unknown = []
    for word in invocation.split():
        if word.startswith("-"):
            option = word.partition("=")[0]
            contexts = [(each, click.Context(each, TOP, info_name="x")) for each in commands]
            if any(option not in _options(each, context) for each, context in contexts):
                unknown.append(word)
        elif isinstance(commands[0], click.Group):
            group = commands[0]
            found = {name: group.get_command(TOP, name) for name in word.split("|")}
            unknown += [name for name, command in found.items() if command is None]
            commands = [command for command in found.values() if command is not None] or [click.Command(None)]
    return unknown


def _options(command: click.Command, context: click.Context) -> set[str]:
    return {name for param in command.get_params(context) if isinstance(param, click.Option) for name in param.opts}


def test_every_command_that_a_text_names_is_there_with_its_options() -> None:
    """What a reader copies does not end with a usage error."""
    assert faults(lambda text: [(line, wrong) for line in _invocations(text) if (wrong := _unknown(line))]) == {}


def test_a_misspelt_command_or_option_would_be_noticed() -> None:
    """The check above knows right from wrong."""
    assert _unknown("topics create --sources") == []
    assert _unknown("run router|monitor|all") == []
    assert _unknown("topics creat") == ["creat"]
    assert _unknown("run router --form earliest") == ["--form"]


def _named(pattern: str) -> Callable[[Path], set[str]]:
    """Finds what a text names by a pattern."""
    return lambda text: set(re.findall(pattern, text.read_text(encoding="utf-8"), re.MULTILINE))


def test_every_make_target_that_a_text_names_is_there() -> None:
    """`make fuzz` and the like, in a sentence or in a block of commands."""
    targets = _named(r"^([a-z-]+):")(ROOT / "Makefile")
    named = _named(r"(?:`|^)(?:\w+=\S+ )*make ([a-z-]+)")
    assert faults(lambda text: named(text) - targets) == {}


def test_every_variable_that_a_text_names_is_a_setting() -> None:
    """A variable of another name is an error at start."""
    known = {f"{ENV_PREFIX}{name.upper()}" for name in Settings.model_fields}
    named = _named(r"SWITCHBOARD_[A-Z_]*[A-Z]")
    assert faults(lambda text: named(text) - known) == {}


def test_every_metric_that_a_text_names_is_served() -> None:
    """An alert on another name would never fire."""
    values = [*vars(metrics).values(), *vars(app).values()]
    collectors = [each for each in values if isinstance(each, MetricWrapperBase | Spans)]
    served = {each.name + ("_total" if each.type == "counter" else "") for one in collectors for each in one.collect()}
    named = _named(r"\bswitchboard_[a-z_]+")
    assert faults(lambda text: named(text) - served) == {}


def test_every_rule_that_code_and_tests_cite_is_written() -> None:
    """A reader who meets R10 or I9 finds it in the routing rules."""
    rules = (ROOT / "docs/reference/routing-rules.md").read_text(encoding="utf-8")
    written = {*re.findall(r"^### (R\d+) ", rules, re.MULTILINE), *re.findall(r"^\| (I\d+) \|", rules, re.MULTILINE)}
    assert written == {*(f"R{n}" for n in range(1, 22)), *(f"I{n}" for n in range(1, 11))}
    sources = [*(ROOT / "workers").rglob("*.py"), *(ROOT / "tests").rglob("*.py"), *TEXTS]
    cited = {rule for path in sources for rule in re.findall(r"\b[RI]\d{1,2}\b", path.read_text(encoding="utf-8"))}
    assert cited - written == set()


def test_every_reason_that_a_reader_may_meet_is_explained() -> None:
    """Why a record is on `dead-letter`, and why an event was ignored (R21)."""
    trouble = (ROOT / "docs/how-to/when-something-is-wrong.md").read_text(encoding="utf-8")
    assert set(re.findall(r"^\| `([a-z-]+)` \|", trouble.partition("| reason | do |")[2], re.MULTILINE)) == set(REASONS)
    handlers = [ROOT / "workers/switchboard/domain" / name for name in ("agents.py", "chats.py")]
    whys = {why for path in handlers for why in re.findall(r'return "([a-z-]+)"', path.read_text(encoding="utf-8"))}
    rules = (ROOT / "docs/reference/routing-rules.md").read_text(encoding="utf-8").partition("| why |")[2]
    told = {why for row in re.findall(r"^\| (`.*?) \|", rules, re.MULTILINE) for why in re.findall(r"`([a-z-]+)`", row)}
    assert whys == told


def test_every_toml_example_can_be_used(tmp_path: Path) -> None:
    """A routing file has no faults, and settings have names that there are."""
    example = tmp_path / "routing.toml"

    def unusable(text: Path) -> Iterator[object]:
        for block in _blocks(text, "toml"):
            if "[pools." in block:
                example.write_text(block, encoding="utf-8")
                try:
                    assert read_routing_file(example)
                except RoutingFileError as error:
                    yield error
            else:
                yield from tomllib.loads(block).keys() - Settings.model_fields.keys()

    assert faults(unusable) == {}
