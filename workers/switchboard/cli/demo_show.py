"""The demo as one watches it: a live table on a terminal, plain lines elsewhere."""

import asyncio
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from rich.console import Console
from rich.live import Live

from switchboard.cli.board import Board, now_ms
from switchboard.cli.board_view import plain, render
from switchboard.journal.printable_text import counted
from switchboard.simulation.demo_floor import FROM_MINUTE, SPEED
from switchboard.simulation.tally import Tally

REFRESH_SECONDS: Final = 0.25
PLAIN_SECONDS: Final = 5.0


async def show(console: Console, board: Board, policies: Mapping[str, str], tally: Tally, day: str, where: str) -> None:
    """Show the board until cancelled.

    Args:
        console: where.
        board: what.
        policies: each pool's.
        tally: the counts.
        day: the recorded day that is played, as 1999-02-22.
        where: what to say of wallboard and broker.
    """
    began = time.monotonic()

    def head() -> str:
        recorded = datetime.fromisoformat(day) + timedelta(
            minutes=FROM_MINUTE, seconds=(time.monotonic() - began) * SPEED
        )
        return f"{recorded:%A, %-d %B %Y, %H:%M} at {SPEED:g} times its pace\n{where}\n{counts(tally)}\n"

    if not console.is_terminal:
        await _lines(console, lambda: f"{counts(tally)}; {plain(board, now_ms())}")
        return
    with Live(console=console, auto_refresh=False, vertical_overflow="crop") as live:
        while True:
            live.update(render(board, policies, head(), now_ms()), refresh=True)
            await asyncio.sleep(REFRESH_SECONDS)


def counts(tally: Tally) -> str:
    """The counts so far, in a line."""
    told = (
        f"{counted(tally.sent['chat-arrival'], 'chat')} arrived, {tally.seen['chat-assigned']:,} assigned, "
        f"{tally.seen['assignment-confirmed']:,} accepted, {tally.seen['chat-requested']:,} follow-ups"
    )
    delay = tally.delay_of(*tally.delays)
    return told if delay is None else f"{told}, publish to visible {delay.median:.0f} ms (p99 {delay.p99:.0f} ms)"


async def _lines(console: Console, line: Callable[[], str]) -> None:
    while True:
        await asyncio.sleep(PLAIN_SECONDS)
        console.print(line(), soft_wrap=True, highlight=False)
