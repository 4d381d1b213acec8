"""An agent's day in words."""

from collections.abc import Iterator
from typing import Final

from switchboard.cli.explain_sentences import sentences
from switchboard.cli.explain_text import Line
from switchboard.cli.explain_view import day
from switchboard.cli.explain_words import REFUSALS, clock, span
from switchboard.journal.printable_text import counted
from switchboard.tools.agent_story import AgentMoment, AgentStory, Standing, Totals

_ENDS: Final = {
    "declined": "declined",
    "missed": "not answered in time",
    "agent-unavailable": "taken back as the agent became unavailable",
    "agent-absent": "taken back as the agent went away",
    "agent-lost": "taken back as the console was lost",
    "agent-logged-out": "taken back as the agent logged out",
    "chat-abandoned": "ended as the customer left",
    "chat-transferred": "taken back as the chat was transferred",
}


def agent_lines(story: AgentStory) -> list[Line]:
    """The whole day."""
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
        yield from _moment(moment)
    after = story.moments[-1].after
    if after.status != "logged-out":
        yield Line(f"The log ends: {_stands(after)}.", clock(story.ends_at))


def _totals(totals: Totals) -> Iterator[Line]:
    logged_in = totals.logged_in
    if logged_in:
        yield Line(
            f"Logged in for {span(logged_in)}: available {_share(totals.available, logged_in)}, with at least one chat "
            f"{_share(totals.occupied, logged_in)}, full {_share(totals.full, logged_in)}, asking for a chat "
            f"{_share(totals.asking, logged_in)}; {totals.sessions / logged_in:.2f} chats at a time on average."
        )
    yield Line(f"{counted(totals.offers, 'offer')}, {totals.accepted} accepted{_accepted(totals)}; {_ended(totals)}.")
    if totals.chats_closed:
        yield Line(f"{counted(totals.chats_closed, 'chat came to its', 'chats came to their')} end with the agent.")
    if totals.rejected_requests:
        told = ", ".join(f"{number} ({REFUSALS[why]})" for why, number in sorted(totals.rejected_requests.items()))
        yield Line(f"Requests refused: {told}.")


def _share(part: float, whole: float) -> str:
    return f"{span(part)} ({100 * part / whole:.0f} %)"


def _accepted(totals: Totals) -> str:
    if not totals.accepted:
        return ""
    by_itself = f", {totals.accepted_by_itself} of them by themselves" if totals.accepted_by_itself else ""
    return f" after {totals.seconds_to_accept / totals.accepted:.1f} s on average{by_itself}"


def _ended(totals: Totals) -> str:
    if not totals.ended:
        return "none ended otherwise"
    return ", ".join(f"{number} {_ENDS.get(why, why)}" for why, number in sorted(totals.ended.items()))


def _moment(moment: AgentMoment) -> Iterator[Line]:
    first, *others = sentences(moment.cause, moment.decisions, None)
    yield Line(first, clock(moment.at))
    for sentence in others:
        yield Line(sentence, depth=1)
    if moment.before != moment.after:
        yield Line(f"Now {_stands(moment.after)}.", depth=1)


def _stands(standing: Standing) -> str:
    if standing.status == "logged-out":
        return "logged out"
    asks = "" if standing.requested_at is None else f", asking since {clock(standing.requested_at)}"
    return f"{standing.status}, {standing.sessions} of {standing.max_sessions} chats{asks}"
