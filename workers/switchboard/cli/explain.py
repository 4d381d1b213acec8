"""`switchboard explain`: why a chat went where it went, and what an agent's day was."""

from pathlib import Path

import click

from switchboard.cli.collector import relax_collector
from switchboard.cli.consoles import PrintableConsole, say_json
from switchboard.cli.explain_agent_view import agent_lines
from switchboard.cli.explain_text import Line, show
from switchboard.cli.explain_view import chat_lines
from switchboard.cli.log_progress import log_progress
from switchboard.journal.log_frames import Tally
from switchboard.tools.agent_story import AgentStory
from switchboard.tools.chat_story import ChatStory
from switchboard.tools.explanation import explain_agent, explain_chat


@click.command()
@click.argument("log", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("chat_id", required=False)
@click.option("--agent", "agent_id", help="Tell an agent's day instead.")
@click.option("--pool", help="Only in this pool; the same id may be used in several.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def explain(log: Path, chat_id: str | None, agent_id: str | None, pool: str | None, *, as_json: bool) -> None:
    """Tell the story of a chat from a recorded LOG: each decision about it, who was asking, and why it was so.

    LOG is what `switchboard replay` takes. Explained are the decisions of its replay: those that were made, if it is
    the journal.

    \b
    Example:
      switchboard explain journal.jsonl chat-000178
      switchboard explain journal.jsonl --agent jonas --pool business
    """
    if chat_id is not None and agent_id is not None:
        raise click.UsageError("Name a chat, or an agent with --agent, not both.")
    if chat_id is None and agent_id is None:
        raise click.UsageError("Name a chat, or an agent with --agent.")
    relax_collector()
    tally = Tally()
    stories: list[ChatStory] | list[AgentStory]
    with log_progress("replaying", tally) as tick:
        if agent_id is not None:
            stories = days = explain_agent(log, agent_id, pool, tally, lambda: tick(None))
            told = [agent_lines(each) for each in days]
        else:
            stories = chats = explain_chat(log, chat_id or "", pool, tally, lambda: tick(None))
            told = [chat_lines(each) for each in chats]
    if as_json:
        say_json({"stories": stories})
        return
    console = PrintableConsole(highlight=False, markup=False, emoji=False)
    for number, lines in enumerate(told):
        show([Line(""), *lines] if number else lines, console)
