"""`switchboard replay`: a recorded log to its decision log, or onto a bus."""

from pathlib import Path

import click

from switchboard.cli.out_files import OutFile
from switchboard.cli.replay_offline import replay_offline
from switchboard.cli.replay_to_bus import Speed, replay_to_bus
from switchboard.domain.events import EVENT_TYPES


@click.command()
@click.argument("log", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--out",
    type=OutFile(allow_dash=True),
    help="The decision log to write, compressed where it ends in .gz or .zst; - is standard output.",
)
@click.option("--skip-bad", is_flag=True, help="Count damaged lines, and gaps of a journal, instead of ending at them.")
@click.option("--to-bus", is_flag=True, help="Send the records of a bus log to the bus's topics instead.")
@click.option("--speed", type=Speed(), help="With --to-bus: times the recorded pace, or max.  [default: 1]")
@click.option("--rebase-time", is_flag=True, help="With --to-bus: move all times so that the first is now.")
@click.option(
    "--only", multiple=True, type=click.Choice(EVENT_TYPES), metavar="TYPE", help="With --to-bus: this type; or more."
)
@click.option("--dry-run", is_flag=True, help="With --to-bus: say what would be sent, and send nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
@click.pass_context
def replay(
    ctx: click.Context,
    *,
    log: Path,
    out: Path | None,
    skip_bad: bool,
    to_bus: bool,
    speed: float | None,
    rebase_time: bool,
    only: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
) -> None:
    """Decide a recorded LOG again, offline: the same log gives the same bytes. Or send it to a bus.

    LOG holds JSON lines as `switchboard record` or `kcat -J` writes them, plain, gzip or zstd: either the router's
    journal (exact: the decisions are those that were made) or the bus's own topics (each line is a step of time and
    one event).

    With --to-bus the records of a bus log go to the topics that they came from: keys, headers, bytes and order as
    recorded, each to its recorded partition (by its key's hash where the topic has fewer now). Their timestamps stay as
    recorded too, unless --rebase-time moves them, and the times in headers and bodies with them.

    \b
    Example:
      switchboard record --out journal.jsonl.zst
      switchboard replay journal.jsonl.zst --out decisions.jsonl
      switchboard replay day.jsonl.gz --to-bus --speed 10 --rebase-time
    """
    if not to_bus:
        if speed is not None or rebase_time or only or dry_run:
            raise click.UsageError("--speed, --rebase-time, --only and --dry-run go with --to-bus")
        if out is None:
            raise click.UsageError("say where to: --out FILE for the decisions, or --to-bus")
        replay_offline(log, out, skip_bad=skip_bad, as_json=as_json)
        return
    if out is not None:
        raise click.UsageError("--out is for the decisions; --to-bus makes none")
    ctx.exit(
        replay_to_bus(
            log,
            speed=1.0 if speed is None else speed,
            rebase=rebase_time,
            only=frozenset(only),
            skip_bad=skip_bad,
            dry_run=dry_run,
            as_json=as_json,
        )
    )
