"""Stories of small logs, as they are printed."""

from collections.abc import Iterable
from io import StringIO
from pathlib import Path

from rich.console import Console

from switchboard.cli.explain_command import agent_lines
from switchboard.cli.explain_lines import Line, chat_lines, show
from switchboard.journal.log_frames import Tally
from switchboard.tools.explanation import explain_agent, explain_chat
from tests.unit.replay.logs import Told, journal


def chat_told(tmp_path: Path, chat_id: str, *told: Told, pool: str | None = None, width: int = 110) -> str:
    """The story of a chat, in all the pools that know it."""
    log = journal(tmp_path / "journal.jsonl", *told)
    return _told(map(chat_lines, explain_chat(log, chat_id, pool, Tally(), lambda: None)), width)


def agent_told(tmp_path: Path, agent_id: str, *told: Told, width: int = 110) -> str:
    """The day of an agent."""
    log = journal(tmp_path / "journal.jsonl", *told)
    return _told(map(agent_lines, explain_agent(log, agent_id, None, Tally(), lambda: None)), width)


def _told(stories: Iterable[list[Line]], width: int) -> str:
    console = Console(file=StringIO(), width=width, record=True)
    for lines in stories:
        show(lines, console)
    return console.export_text()


def part(text: str, time: str) -> list[str]:
    """The lines told at a time of the minute after eight (`00.000`), each without what it is set in by."""
    found: list[str] = []
    for line in text.splitlines():
        if line[:1].isdigit() and ":" in line[:6]:
            if found:
                return found
            if line.startswith(f"08:{time}"):
                found.append(line[14:].strip())
        elif found:
            found.append(line.strip())
    return found
