"""`switchboard explain`: the story of a chat, or the day of an agent, from a recorded log."""

from collections.abc import Iterator
from pathlib import Path

import click

from switchboard.cli.explain_lines import Line, chat_lines, day, show
from switchboard.cli.explain_sentences import clock, sentences
from switchboard.cli.process import relax_collector
from switchboard.cli.ui import PrintableConsole, log_progress, say_json
from switchboard.journal.log_frames import Tally
from switchboard.journal.printable_text import counted
from switchboard.projections.decision_texts import REASONS, duration_text, offer_end_count
from switchboard.tools.agent_story import AgentMoment, AgentState, AgentStory, Totals
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
            paragraphs = [agent_lines(each) for each in days]
        else:
            stories = chats = explain_chat(log, chat_id or "", pool, tally, lambda: tick(None))
            paragraphs = [chat_lines(each) for each in chats]
    if as_json:
        say_json({"stories": stories})
        return
    console = PrintableConsole(highlight=False, markup=False, emoji=False)
    for number, lines in enumerate(paragraphs):
        show([Line(""), *lines] if number else lines, console)


def agent_lines(story: AgentStory) -> list[Line]:
    """The day of an agent as lines: totals, then each event or timer that concerned the agent."""
    return list(_agent(story))


def _agent(story: AgentStory) -> Iterator[Line]:
    yield Line(f"Agent {story.agent_id} in pool {story.pool}", bold=True)
    if not story.moments:
        yield Line("The log names this agent, and nothing came of it.")
        return
    yield Line(f"{day(story.moments[0].at)}, times in UTC.")
    yield from _totals(story.totals)
    yield Line("")
    before = story.moments[0].at
    for moment in story.moments:
        if moment.at[:10] != before[:10]:
            yield Line(day(moment.at), bold=True)
        before = moment.at
        yield from _agent_moment(moment)
    after = story.moments[-1].after
    if after.status != "logged-out":
        yield Line(f"The log ends: {_state(after)}.", clock(story.ends_at))


def _totals(totals: Totals) -> Iterator[Line]:
    logged_in = totals.logged_in
    if logged_in:
        yield Line(
            f"Logged in for {duration_text(logged_in)}: available {_share(totals.available, logged_in)}, with at least "
            f"one chat {_share(totals.occupied, logged_in)}, full {_share(totals.full, logged_in)}, asking for a chat "
            f"{_share(totals.asking, logged_in)}; {totals.sessions / logged_in:.2f} chats at a time on average."
        )
    yield Line(f"{counted(totals.offers, 'offer')}, {totals.accepted} accepted{_accepted(totals)}; {_ended(totals)}.")
    if totals.chats_closed:
        yield Line(f"{counted(totals.chats_closed, 'chat came to its', 'chats came to their')} end with the agent.")
    if totals.rejected_requests:
        refused = ", ".join(f"{number} ({REASONS[why]})" for why, number in sorted(totals.rejected_requests.items()))
        yield Line(f"Requests refused: {refused}.")


def _share(part: float, whole: float) -> str:
    """A duration in seconds, and its share of the whole."""
    return f"{duration_text(part)} ({100 * part / whole:.0f} %)"


def _accepted(totals: Totals) -> str:
    if not totals.accepted:
        return ""
    by_itself = f", {totals.accepted_by_itself} of them by themselves" if totals.accepted_by_itself else ""
    return f" after {totals.seconds_to_accept / totals.accepted:.1f} s on average{by_itself}"


def _ended(totals: Totals) -> str:
    if not totals.ended:
        return "none ended otherwise"
    return ", ".join(offer_end_count(number, why) for why, number in sorted(totals.ended.items()))


def _agent_moment(moment: AgentMoment) -> Iterator[Line]:
    first, *others = sentences(moment.cause, moment.decisions, None)
    yield Line(first, clock(moment.at))
    for sentence in others:
        yield Line(sentence, depth=1)
    if moment.before != moment.after:
        yield Line(f"Now {_state(moment.after)}.", depth=1)


def _state(state: AgentState) -> str:
    if state.status == "logged-out":
        return "logged out"
    asks = "" if state.requested_at is None else f", asking since {clock(state.requested_at)}"
    return f"{state.status}, {state.sessions} of {state.max_sessions} chats{asks}"
