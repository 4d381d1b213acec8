"""`switchboard whatif`: the simulation of a recorded day under other rules. This file checks the options."""

from importlib.util import find_spec
from pathlib import Path
from typing import Final

import click

from switchboard.cli.params import Duration, OutFile, refuse_as_out
from switchboard.whatif.rule_variants import Setting, Variant, default_name, parse_setting, parse_variant

BASE: Final = "unchanged"
"""Name of the base, the variant without changes."""
EXTRA: Final = ("scipy", "matplotlib")
"""Packages of the extra `whatif`."""


@click.command()
@click.argument("log", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--day", help="Instead of LOG: a shipped day of real arrivals, as in 1999-02-22, with assumed people.")
@click.option(
    "--routing", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="With --day: the base's own rules."
)
@click.option("--staff", type=click.IntRange(1, 10_000), help="With --day: how many agents, in shifts.  [default: 15]")
@click.option(
    "--set", "sets", multiple=True, metavar="WHAT=VALUE", help="One rule set otherwise, or agents=+N; again for more."
)
@click.option("--agents", metavar="+N|-N", help="So many agents more or fewer.")
@click.option(
    "--variant", "named", multiple=True, metavar="NAME: SET,SET", help="A set of other rules; again for more."
)
@click.option("--seeds", default=10, show_default=True, type=click.IntRange(1, 1000), help="Runs of each variant.")
@click.option(
    "--threshold", default="20s", show_default=True, type=Duration(), help="Service level: answered within this long."
)
@click.option(
    "--click",
    "click_median",
    type=Duration(),
    help="Assumed median delay to Request Chat, where none is in the log.  [default: 2s]",
)
@click.option("--report", type=OutFile(), help="Write a page with pictures (HTML).")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def whatif(
    log: Path | None,
    *,
    day: str | None,
    routing: Path | None,
    staff: int | None,
    sets: tuple[str, ...],
    agents: str | None,
    named: tuple[str, ...],
    seeds: int,
    threshold: float,
    click_median: float | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """What would have happened under other rules: LOG's arrivals and people again, as they were and otherwise.

    LOG is a journal log or a bus log, as for `replay`. What can be set: profile.FIELD, profile[NAME].FIELD,
    queue.FIELD, queue[NAME].FIELD, pool.FIELD with the fields of a routing file, and agents=+N, agents[POOL]=-N; all of
    it with --set and in a --variant. --agents +N is --set agents=+N. Those together make one variant. Each variant, and
    the rules as they were, is simulated with the same chats, customers and agents, and compared run by run.

    \b
    Example:
      switchboard whatif journal.jsonl --set profile.mode=pull --set profile.max_sessions=2 --agents +5
      switchboard whatif journal.jsonl --set agents=+2 --set profile.max_sessions=2
      switchboard whatif journal.jsonl --variant "pull: profile.mode=pull" --variant "two more: agents=+2"
      switchboard whatif --day 1999-02-22 --variant "pull: profile.mode=pull" --report out.html
    """
    missing = [name for name in EXTRA if find_spec(name) is None]
    if missing:
        raise click.ClickException(
            f"what-if needs {' and '.join(missing)}: install them with pip install 'chat-switchboard[whatif]', or use "
            f"the container image that is built with --target tools"
        )
    if (log is None) == (day is None):
        raise click.UsageError("expected a LOG, or --day for a shipped day of arrivals, and not both")
    if report is not None and log is not None:
        refuse_as_out("--report", report, log)
    variants = [Variant(BASE), *_variants(sets, agents, named)]
    from switchboard.cli import whatif_run  # noqa: PLC0415 - --help has to work without the extra

    whatif_run.run(
        whatif_run.Question(log, day, routing, staff, variants, seeds, threshold, click_median),
        report=report,
        as_json=as_json,
    )


def _variants(sets: tuple[str, ...], agents: str | None, named: tuple[str, ...]) -> list[Variant]:
    """The variants of the options: --set and --agents make one together, each --variant makes one.

    Raises:
        click.UsageError: no variant is given, or two have the same name.
        RulesError: a setting is invalid.
    """
    settings: list[Setting] = [parse_setting(each) for each in sets]
    if agents is not None:
        settings.append(parse_setting(f"agents={agents}"))
    variants = [Variant(default_name(settings), tuple(settings))] if settings else []
    variants += [parse_variant(each) for each in named]
    if not variants:
        raise click.UsageError("there is nothing to compare: give --set, --agents or --variant")
    names = [each.name for each in variants]
    twice = next((name for name in names if names.count(name) > 1 or name == BASE), None)
    if twice is not None:
        raise click.UsageError(f"two variants are called {twice!r}: give each a name of its own, as in 'NAME: SETTING'")
    return variants
