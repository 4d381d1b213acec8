"""`make shape`: measure the shape of the package, and print a table beside the figures of other projects."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click

from tests.routers import REPOSITORY
from tests.shape.figures import VAGUE, Figures, Value, source_figures
from tests.shape.runs import EVENTS, LOG, RUNS, event_figures, left_out, start_figures, verify_figures

PACKAGE: Final = REPOSITORY / "workers" / "switchboard"

PROJECTS: Final = ("procrastinate", "arroyo", "structlog", "quix-streams")
OTHERS: Final[dict[str, tuple[str, str, str, str]]] = {
    "import edges per 1,000 lines": ("7 to 22", "15", "10", "21"),
    "vague words of docstrings, %": ("3.6", "5.2", "3.7", ""),
    "comments per 100 lines": ("3.6", "5.8", "4.2", "4.3"),
    "complexity of a function, mean": ("2.21", "2.29", "2.02", "2.44"),
    "functions of complexity 11 and more": ("4", "8", "7", "40"),
    "lines of the longest function": ("126", "140", "182", "308"),
}
"""Figures of the projects that the package is compared with, in the order of PROJECTS."""

DEFINITIONS: Final = f"""\
- A file is a `.py` file of the package; its lines include empty ones.
- An import edge is an ordered pair (importing module, imported module), both of the package and not the same. Imports
  inside functions and for types count; several imports of one pair are one edge. `from package import module` is an
  edge to the module, `from package import name` to the package.
- Docstrings are those of modules, classes and functions, and the string below an assignment. Vague words:
  {", ".join(VAGUE.split())}.
- Comments for a tool (`noqa`, `type:`, `pragma`, `fmt:`, `ruff:`) count as none. The body of a function begins after
  its signature and includes its docstring. A line of code holds more than a comment or a docstring.
- Complexity is cyclomatic, as radon counts: 1, and 1 for each branch, loop, handler of exceptions, assertion, case,
  `and` and `or`, comprehension and `if` of a comprehension. `self` and `cls` are no parameters. The lines of a function
  begin at its `def`.
- Processor time is user and system time of the process, the median of {RUNS} runs. Modules are those loaded at the end
  beyond those of the bare interpreter.
- Files and functions passed through: named functions of the package that a call reaches, coroutines resumed included;
  imports, bodies of modules and classes, lambdas, comprehensions and generated methods are left out. `verify` runs on
  {LOG[0]} of the golden logs. The event is an agent's request that the router answers with a waiting chat; a function
  counts if the router calls it between the publication and the moment when the assignment is visible to a reader of
  committed records, for more than half of {EVENTS} such requests. The polling of an idle router is included.
"""


@click.command()
@click.option("--broker", is_flag=True, help="Also follow an event through a router, on a broker.")
@click.option("--json", "keep", type=click.Path(dir_okay=False, path_type=Path), help="Keep the figures in this file.")
@click.option(
    "--against", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Figures kept earlier, to compare."
)
def main(keep: Path | None, against: Path | None, *, broker: bool) -> None:
    """Measure the shape of the package."""
    figures = source_figures(PACKAGE) | start_figures() | verify_figures()
    figures |= asyncio.run(event_figures()) if broker else left_out()
    if keep is not None:
        keep.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    before: Figures | None = json.loads(against.read_text(encoding="utf-8")) if against is not None else None
    for line in (*table(figures, before), "", *names(figures), "", DEFINITIONS):
        click.echo(line)


def table(figures: Figures, before: Figures | None = None) -> Iterator[str]:
    """The figures as a Markdown table, those of before and those of other projects beside them."""
    columns = ["now"] if before is None else ["before", "now"]
    yield _row("figure", *columns, *PROJECTS)
    yield "|---|" + "---:|" * len([*columns, *PROJECTS])
    for name, value in figures.items():
        earlier = [] if before is None else [_cell(before.get(name, ""))]
        yield _row(name, *earlier, _cell(value), *OTHERS.get(name, ("",) * len(PROJECTS)))


def names(figures: Figures) -> Iterator[str]:
    """The names of whose figures the table shows the number only."""
    for name, value in figures.items():
        if isinstance(value, list) and value:
            yield f"- {name}: {', '.join(value)}"


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(value: Value) -> str:
    match value:
        case list():
            return f"{len(value):,}"
        case float():
            return f"{value:,.2f}"
        case int():
            return f"{value:,}"
        case _:
            return value


if __name__ == "__main__":
    main()
