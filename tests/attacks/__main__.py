"""`make attacks`: attack a router on a real broker, one attack after another, and print what it did to the others."""

import asyncio
import contextlib
import fcntl
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import uvloop

from switchboard.dev.local_broker import LocalBroker, bootstrap_from_environment
from tests.attacks import report
from tests.attacks.load_attacks import LOAD_ATTACKS
from tests.attacks.measuring import Bench, Result, as_row
from tests.attacks.plans import Attack
from tests.attacks.process import Checkout
from tests.attacks.record_attacks import RECORD_ATTACKS
from tests.attacks.state_attacks import STATE_ATTACKS

BASELINE: Final = Attack("none", 0, "nothing: the others alone")
ATTACKS: Final = (BASELINE, *LOAD_ATTACKS, *RECORD_ATTACKS, *STATE_ATTACKS)
WORKERS: Final = Path(__file__).parents[2] / "workers"


@click.command()
@click.option(
    "--only", multiple=True, type=click.Choice([each.name for each in ATTACKS]), help="This one; again for more."
)
@click.option("--list", "listing", is_flag=True, help="Say what attacks there are, and end.")
@click.option(
    "--router-src",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=WORKERS,
    help="The folder that holds the package `switchboard` to attack; this checkout's workers/ unless given.",
)
@click.option(
    "--memory",
    default=1024,
    show_default=True,
    help="MiB at which the router is killed, as by its limit in Kubernetes; 0: never.",
)
@click.option("--rate", default=20.0, show_default=True, help="Chats of the others a second.")
@click.option("--shards", default=1, show_default=True, help="Shards of the router.")
@click.option(
    "--json",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also keep the rows here: a row of the same attack is replaced.",
)
@click.option("--show", is_flag=True, help="Attack nothing: print the table of the rows in the --json file.")
@click.option(
    "--against",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A --json file of another run, to print both side by side.",
)
def main(
    only: tuple[str, ...],
    router_src: Path,
    memory: int,
    rate: float,
    shards: int,
    file: Path | None,
    against: Path | None,
    *,
    listing: bool,
    show: bool,
) -> None:
    """Attack a router and measure what the others notice. Nothing else should run meanwhile."""
    if listing:
        for each in ATTACKS:
            click.echo(f"{each.name:18} {each.what}")
        return
    if not show:
        chosen = [each for each in ATTACKS if not only or each.name in only]
        rows = []
        for result in _run(chosen, Bench("", None, Checkout(router_src.resolve()), memory << 20, rate, shards)):
            rows.append(as_row(result))
            if file is not None:
                _keep(file, rows)
    else:
        rows = _rows(file) if file is not None else []
    click.echo(report.comparison(_rows(against), rows) if against is not None else report.table(rows))


def _run(chosen: list[Attack], bench: Bench) -> Iterator[Result]:
    with _broker() as (bench.bootstrap, bench.data, bench.broker_pid):
        for attack in chosen:
            click.echo(f"{time.strftime('%H:%M:%S')} {attack.name}: {attack.what}", err=True)
            prefix = f"attack-{attack.name}-{int(time.time())}."
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                yield runner.run(bench.run(attack, prefix))


@contextlib.contextmanager
def _broker() -> Iterator[tuple[str, Path | None, int | None]]:
    given = bootstrap_from_environment()
    if given is not None:
        yield given, None, None
        return
    with LocalBroker() as broker:
        assert broker._folder is not None
        assert broker._java is not None
        yield broker.bootstrap, broker._folder / "data", broker._java.pid


def _rows(file: Path) -> list[report.Row]:
    rows: list[report.Row] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else []
    return rows


def _keep(file: Path, rows: list[report.Row]) -> None:
    # Two runs may keep their rows in one file.
    with file.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _replace(file, rows)


def _replace(file: Path, rows: list[report.Row]) -> None:
    kept = {row["attack"]: row for row in _rows(file)} | {row["attack"]: row for row in rows}
    order = [each.name for each in ATTACKS]
    file.write_text(json.dumps(sorted(kept.values(), key=lambda row: order.index(row["attack"])), indent=1))


if __name__ == "__main__":
    sys.exit(main())
