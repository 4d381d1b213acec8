"""Random histories by the million: `python -m tests.property.fuzz --count 100000 --seed 1`.

Prints how far it is, and the shortest history that it can find for each difference; ends with 1 at the first.
"""

import sys
import time

import click

from switchboard.domain.events import Frame
from tests.property.comparison import first_difference, shrink, told
from tests.property.histories import random_history


@click.command()
@click.option("--count", default=10_000, show_default=True, help="How many histories.")
@click.option("--seed", default=0, show_default=True, help="The first one's seed; the next has the next.")
@click.option("--length", default=40, show_default=True, help="Frames a history.")
@click.option("--keep-going", is_flag=True, help="Go on after a difference.")
def main(count: int, seed: int, length: int, *, keep_going: bool) -> None:
    """Hold the engine against the reference model."""
    began = said = time.monotonic()
    found = 0
    for number in range(seed, seed + count):
        difference = difference_or_error(random_history(number, length))
        if difference is not None:
            found += 1
            report(number, random_history(number, length))
            if not keep_going:
                break
        if time.monotonic() - said > 10:
            said = time.monotonic()
            done = number - seed + 1
            click.echo(f"{done} histories, {found} differ, {done / (said - began):.0f} a second", err=True)
    click.echo(f"{number - seed + 1} histories, {found} differ")
    sys.exit(1 if found else 0)


def difference_or_error(history: list[Frame]) -> str | None:
    """What differs; an error of the engine is a difference too."""
    try:
        return first_difference(history)
    except Exception as error:  # noqa: BLE001 - whatever the engine raises is what is looked for
        return f"{type(error).__name__}: {error}"


def report(number: int, history: list[Frame]) -> None:
    """Print the shortest history with that kind of difference."""
    shortest = shrink(history, lambda candidate: difference_or_error(candidate) is not None)
    click.echo(f"seed {number}\n{told(shortest)}\n{difference_or_error(shortest)}\n")


if __name__ == "__main__":
    main()
