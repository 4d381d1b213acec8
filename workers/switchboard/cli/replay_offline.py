"""A recorded log to its decision log: what `switchboard replay LOG --out FILE` does and tells."""

import sys
import time
from collections.abc import Callable
from pathlib import Path

from switchboard.cli.collector import relax_collector
from switchboard.cli.consoles import say, say_json
from switchboard.cli.out_files import refuse_as_out
from switchboard.cli.progress import progress
from switchboard.journal.line_files import writing_lines
from switchboard.journal.log_frames import Tally
from switchboard.journal.printable_text import counted, printable_json
from switchboard.tools import offline_replay


def replay_offline(log: Path, out: Path, *, skip_bad: bool, as_json: bool) -> None:
    """Decide, write, and tell.

    Raises:
        RecordedLogError, OSError: the log can't be read.
    """
    relax_collector()
    tally = Tally()
    began = time.monotonic()
    with progress("replaying") as bar:

        def tell() -> None:
            rate = tally.events / max(time.monotonic() - began, 1e-3)
            bar(0, 0, f"{tally.events:,} events, {rate:,.0f}/s")

        decisions = _write(log, out, tally, tell, skip_bad=skip_bad)
    _tell(tally, decisions, time.monotonic() - began, as_json=as_json, beside=str(out) == "-")


def _write(log: Path, out: Path, tally: Tally, tell: Callable[[], None], *, skip_bad: bool) -> int:
    if str(out) == "-":
        write = sys.stdout.buffer.write
        if sys.stdout.isatty():  # nowhere else: the bytes of a decision log are those of the live topics
            return offline_replay.replay(
                log, lambda lines: write(printable_json(lines)), tally, tell, skip_bad=skip_bad
            )
        return offline_replay.replay(log, write, tally, tell, skip_bad=skip_bad)
    refuse_as_out("--out", out, log)
    with writing_lines(out) as file:
        return offline_replay.replay(log, file.write, tally, tell, skip_bad=skip_bad)


def _tell(tally: Tally, decisions: int, seconds: float, *, as_json: bool, beside: bool) -> None:
    if as_json:
        summary = {
            "frames": tally.frames,
            "events": tally.events,
            "decisions": decisions,
            "rows": tally.rows,
            "skipped": tally.skipped,
            "bad": dict(tally.bad),
            "gaps": tally.gaps,
            "back": tally.back,
            "furthest_back_ms": tally.furthest_back,
            "seconds": round(seconds, 3),
        }
        say_json(summary, err=beside)  # standard output may be the decision log
        return
    rate = tally.events / max(seconds, 1e-3)
    made = f"{counted(tally.events, 'event')}, {counted(decisions, 'decision')}"
    say(f"{made} in {seconds:.1f} s ({rate:,.0f} events/s)", err=True)
    if tally.rows:
        say(f"begun from {counted(tally.rows, 'row')}", err=True)
    if tally.skipped:
        say(counted(tally.skipped, "line of another topic was skipped", "lines of other topics were skipped"), err=True)
    for reason, number in sorted(tally.bad.items()):
        say(f"{counted(number, 'bad line')}, {reason}; the first: {tally.examples[reason]}", err=True)
    if tally.gaps:
        say(
            f"{counted(tally.gaps, 'gap')} in the journal: decisions after the first may differ from those made",
            err=True,
        )
    if tally.back:
        back = counted(tally.back, "line is", "lines are")
        say(
            f"{back} older than the line before, by {tally.furthest_back:,} ms at most; "
            f"the first: {tally.examples['back']}",
            err=True,
        )
