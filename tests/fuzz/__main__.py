"""`make fuzz`: `python -m tests.fuzz --target decoder --count 200000 --seed 1`."""

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Lock
from typing import Final

import click

from tests.fuzz.campaign import Tally
from tests.fuzz.children import Order, fuzz
from tests.fuzz.report import report
from tests.fuzz.targets import SHARES, TARGETS

SAY_SECONDS: Final = 5.0


@click.command()
@click.option("--target", type=click.Choice(list(TARGETS)), help="One target only; all of them unless given.")
@click.option("--count", default=1_000_000, show_default=True, help="How many inputs in all.")
@click.option("--seed", default=1, show_default=True, help="The first input's seed; the next has the next.")
@click.option("--jobs", default=2, show_default=True, help="Targets at the same time.")
@click.option("--keep-going", is_flag=True, help="Go on after a failure, to 20 different ones a target.")
def main(target: str | None, count: int, seed: int, jobs: int, *, keep_going: bool) -> None:
    """Make inputs and check them; ends with 1 where one fails, which the report tells how to repeat."""
    shares = SHARES if target is None else {target: 1.0}
    orders = [
        Order(TARGETS[name], seed, max(1, round(share * count)), 20 if keep_going else 1)
        for name, share in shares.items()
    ]
    said = _Progress(sum(order.count for order in orders))
    with ThreadPoolExecutor(jobs) as threads:
        tallies = list(threads.map(said.follow, orders))
    click.echo("\n".join(report(tallies, seed)))
    sys.exit(1 if any(tally.failures for tally in tallies) else 0)


class _Progress:
    """Says now and then how far all targets together are."""

    def __init__(self, inputs: int) -> None:
        self._inputs = inputs
        self._done: dict[str, int] = {}
        self._began = self._said = time.monotonic()
        self._lock = Lock()

    def follow(self, order: Order) -> Tally:
        """Run one target to its end."""
        tally = fuzz(order, lambda done: self._note(order, done))
        self._note(order, tally.inputs)
        return tally

    def _note(self, order: Order, done: int) -> None:
        with self._lock:
            self._done[order.target.name] = done
            now = time.monotonic()
            if now - self._said < SAY_SECONDS:
                return
            self._said = now
            total, elapsed = sum(self._done.values()), now - self._began
            rate = total / elapsed
            left = (self._inputs - total) / rate if rate else 0
            click.echo(
                f"{elapsed:,.0f} s elapsed, {total:,} of {self._inputs:,} inputs, {rate:,.0f} a second, "
                f"about {left:,.0f} s left at this rate (now: {order.target.name})",
                err=True,
            )


if __name__ == "__main__":
    main()
