"""Random histories by the million: `python -m tests.property.fuzz --count 100000 --seed 1`.

Prints how far it is, and the shortest history that it can find for each difference; ends with 1 at the first.
"""

import sys
import time
from collections.abc import Callable
from typing import TypeAlias

import click

from switchboard.domain.events import Frame
from tests.property.comparison import first_difference, first_difference_rebuilt
from tests.property.histories import random_history
from tests.property.shrinking import shrink, told

Compare: TypeAlias = Callable[[list[Frame]], str | None]


@click.command()
@click.option("--count", default=10_000, show_default=True, help="How many histories.")
@click.option("--seed", default=0, show_default=True, help="The first one's seed; the next has the next.")
@click.option("--length", default=40, show_default=True, help="Frames a history.")
@click.option("--rebuild-every", default=10, show_default=True, help="Of so many histories one is held against I9 too.")
@click.option("--keep-going", is_flag=True, help="Go on after a difference.")
@click.option("--but-not", default="", help="Pass over differences whose text holds this: one that is known.")
def main(count: int, seed: int, length: int, rebuild_every: int, but_not: str, *, keep_going: bool) -> None:
    """Hold the engine against the reference model."""
    began = said = time.monotonic()
    found = 0
    for number in range(seed, seed + count):
        compare = first_difference_rebuilt if number % rebuild_every == 0 else first_difference
        difference = compare(random_history(number, length))
        if difference is not None and not (but_not and but_not in difference):
            found += 1
            report(number, compare, random_history(number, length))
            if not keep_going:
                break
        if time.monotonic() - said > 10:
            said = time.monotonic()
            done = number - seed + 1
            click.echo(f"{done} histories, {found} differ, {done / (said - began):.0f} a second", err=True)
    click.echo(f"{number - seed + 1} histories, {found} differ")
    sys.exit(1 if found else 0)


def report(number: int, compare: Compare, history: list[Frame]) -> None:
    """Print the shortest history that differs."""
    shortest = shrink(history, lambda candidate: compare(candidate) is not None)
    click.echo(f"seed {number}\n{told(shortest)}\n{compare(shortest)}\n")


if __name__ == "__main__":
    main()
