"""The story of a chat as lines: a summary, then each event or timer with its decisions and their reasons."""

import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from rich.console import Console
from rich.text import Text

from switchboard.cli.explain_sentences import clock, sentences
from switchboard.domain.decisions import (
    AcceptRejected,
    AgentMadeUnavailable,
    AssignmentConfirmed,
    ChatAssigned,
    ChatClosed,
    ChatQueued,
    ChatRequested,
    Decision,
    DeclineRejected,
    TransferRejected,
)
from switchboard.domain.rfc3339 import parse_ms
from switchboard.journal.printable_text import counted, printable
from switchboard.projections.decision_texts import CLOSURES, PULL_POLICIES, STAGES, duration_text, waited_text
from switchboard.tools.chat_story import ChatStory, Life, Moment
from switchboard.tools.choices import Choice, EligibleAgent, HinderedAgent, Hindrance, Unserved

TIME_WIDTH: Final = 14
"""Columns of the time in front of a line."""

_RULES: Final = re.compile(r"\[(?:[RI]\d+(?:, )?)+\]")

NAMED: Final = 6
"""Agents named for each hindrance, and requests listed, at most."""

_KINDS: Final[dict[Hindrance, tuple[str, str]]] = {
    "absent": ("is absent", "are absent"),
    "unavailable": ("is not available", "are not available"),
    "full": ("has as many chats as allowed", "have as many chats as allowed"),
    "declined": ("has just declined this chat", "have just declined this chat"),
    "missed": ("has just not answered this chat", "have just not answered this chat"),
    "deciding": ("has another offer to answer first", "have another offer to answer first"),
    "not-asking": ("has not asked for a chat", "have not asked for a chat"),
    "delay": ("is in the delay between chats", "are in the delay between chats"),
}


@dataclass(slots=True)
class Line:
    """One paragraph of a story.

    Attributes:
        text: the sentence, wrapped to the width of the console.
        time: printed in front.
        depth: levels of indentation, two columns each.
        bold: true for a heading.
        bullet: mark in front of the text, such as `-`.
    """

    text: str
    time: str = ""
    depth: int = 0
    bold: bool = False
    bullet: str = ""


def chat_lines(story: ChatStory) -> list[Line]:
    """The story of a chat, as lines."""
    return list(_chat(story))


def _chat(story: ChatStory) -> Iterator[Line]:
    yield Line(f"Chat {story.chat_id} in pool {story.pool}", bold=True)
    lives = story.lives
    for number, life in enumerate(lives, start=1):
        if len(lives) > 1:
            yield Line("")
            used = "The id was used more than once" if number == 1 else "The id was used again"
            yield Line(f"{used}: chat {number} of {len(lives)}", bold=True)
        yield Line(f"{day(life.moments[0].at)}, times in UTC. {_summary(life, story.ends_at, last=life is lives[-1])}")
        yield Line("")
        before = life.moments[0].at
        for moment in life.moments:
            if moment.at[:10] != before[:10]:
                yield Line(day(moment.at), bold=True)
            before = moment.at
            yield from _moment(moment, life, story.chat_id)


def _summary(life: Life, ends_at: str, *, last: bool) -> str:
    """A chat in a few sentences.

    Args:
        life: the chat.
        ends_at: the end of the log, RFC 3339.
        last: true if no later chat has the same id.
    """
    made = [decision for moment in life.moments for decision in moment.decisions]
    arrived = next((each for each in made if isinstance(each, ChatQueued)), None)
    if arrived is None:
        return "The chat never arrived in this log; these events name it."
    parts = [f"Arrived at {clock(arrived.arrived_at)} for queue {arrived.queue}."]
    offers = [each for each in made if isinstance(each, ChatAssigned)]
    if offers:
        times = {1: "once", 2: "twice"}.get(len(offers), f"{len(offers)} times")
        first = "first " if len(offers) > 1 else ""
        parts.append(f"Offered {times}, {first}{waited_text(offers[0].waited_seconds)}.")
    else:
        parts.append("Never offered.")
    confirmed = [each for each in made if isinstance(each, AssignmentConfirmed)]
    if confirmed:
        waited = (parse_ms(confirmed[0].at) - parse_ms(arrived.arrived_at)) / 1000
        later = "".join(f", later by {each.agent_id}" for each in confirmed[1:])
        parts.append(f"Accepted by {confirmed[0].agent_id} {duration_text(waited)} after arriving{later}.")
    closed = next((each for each in made if isinstance(each, ChatClosed)), None)
    if closed is not None:
        parts.append(f"Closed at {clock(closed.at)} ({CLOSURES[closed.reason].label}).")
    elif last:
        parts.append(_as_it_ends(life, arrived, ends_at))
    return " ".join(parts)


def _as_it_ends(life: Life, arrived: ChatQueued, ends_at: str) -> str:
    """The state of an open chat at the end of the log."""
    chat = life.moments[-1].chat
    if chat is None:
        return ""
    if chat["stage"] == "waiting":
        waited = (parse_ms(ends_at) - parse_ms(arrived.arrived_at)) / 1000
        still = f"Still waiting in queue {chat['queue']} when the log ends at {clock(ends_at)}"
        return f"{still}, {duration_text(waited)} after arriving."
    return f"Still {STAGES[chat['stage']]} {chat['agent_id']} when the log ends at {clock(ends_at)}."


def _moment(moment: Moment, life: Life, own: str) -> Iterator[Line]:
    """An event or timer with its decisions, then the reasons for an offer or for further waiting.

    Args:
        moment: the event or timer.
        life: the chat.
        own: the chat's id, which sentences replace by "the chat".
    """
    first, *others = sentences(moment.cause, _in_order(moment), own)
    # Only the offer shows what ended: a delay between chats, or a re-offer cool-down.
    if moment.cause.type == "wait-over" and moment.choice is not None:
        first = _freed(moment.choice)
    yield Line(first, clock(moment.at))
    for sentence in [*others, *_state_words(moment, life)]:
        yield Line(sentence, depth=1)
    reasons = [] if moment.choice is None else [*why_agent(moment.choice), *why_chat(moment.choice)]
    if moment.unserved is not None:
        reasons += why_nobody(moment.unserved)
    for line in reasons:
        yield Line(line.text, depth=line.depth + 2, bullet=line.bullet)


def _state_words(moment: Moment, life: Life) -> Iterator[str]:
    """The state of the chat, after an event that this state does not allow."""
    chat = moment.chat
    if any(isinstance(each, AcceptRejected | DeclineRejected | TransferRejected) for each in moment.decisions):
        if chat is None:
            closed = next((at.at for at in life.moments if _closes(at) and at.at <= moment.at), None)
            yield "The chat had not arrived." if closed is None else f"The chat was closed at {clock(closed)}."
        elif chat["stage"] == "waiting":
            yield f"The chat waits in queue {chat['queue']}."
        else:
            yield f"The chat is {STAGES[chat['stage']]} {chat['agent_id']} (offer {chat['offer_id']})."
    elif chat is None and not moment.decisions and moment.cause.ignored is None:
        yield "No such chat was known: should it arrive within a minute, it is closed at once. [R13]"


def _closes(moment: Moment) -> bool:
    return any(isinstance(decision, ChatClosed) for decision in moment.decisions)


def _freed(choice: Choice) -> str:
    """What ended and made an offer possible."""
    match choice.freed_by:
        case "delay":
            return f"{choice.agent_id}'s delay between chats was over. [R5]"
        case "reoffer":
            return f"{choice.agent_id}, who had turned the chat down, may be offered it again. [R5]"
        case _:
            return "A pause was over, of an agent or of a chat that had been turned down. [R5]"


def _in_order(moment: Moment) -> list[Decision]:
    """The decisions about the chat, and those about its agents that explain them, in the order they were made."""
    to = {each.agent_id for each in moment.decisions if isinstance(each, ChatAssigned)}
    also = [
        each
        for each in moment.also
        if isinstance(each, AgentMadeUnavailable) or (isinstance(each, ChatRequested) and each.agent_id in to)
    ]
    return sorted([*moment.decisions, *also], key=lambda each: int(each.id.rpartition("/")[2]))


def why_agent(choice: Choice) -> Iterator[Line]:
    """Why this agent: the requests in agent order, and the other agents who serve the queue, with their hindrances."""
    if choice.agent_order == "transfer":
        yield Line(f"Why {choice.agent_id}: the transfer names {choice.agent_id}; who is asking plays no part. [R16]")
        return
    if len(choice.asking) == 1:
        yield Line(f"Why {choice.agent_id}: the only one to be served ({_place(choice.asking[0], 1)}). [R7]")
    else:
        yield Line(f"Why {choice.agent_id}: {len(choice.asking)} agents were asking, in this order. [R7]")
        yield from _asking(choice)
    if choice.not_asking:
        yield Line("Others who serve the queue:")
        yield from by_kind(choice.not_asking)


def _asking(choice: Choice) -> Iterator[Line]:
    """`NAMED` lines about the requests around the one that got the chat."""
    by_lot = sum(each.lot is not None for each in choice.asking)
    at = next(number for number, each in enumerate(choice.asking) if each.agent_id == choice.agent_id)
    # One request after the chosen one; before it as many as `NAMED` allows.
    shown = range(max(0, at - NAMED + 2), min(len(choice.asking), max(NAMED, at + 2)))
    if shown.start:
        why = _counts_by_kind([each.hindered for each in choice.asking[: shown.start] if each.hindered is not None])
        yield Line(f"{shown.start} before them, who could not take it: {why}", depth=1, bullet="-")
    for number in shown:
        each = choice.asking[number]
        line = f"{each.agent_id}: {_place(each, by_lot)}"
        if number == at:
            line += " - got the chat"
        elif each.hindered is not None:
            line += f" - {'passed over: ' if number < at else ''}{hindrance(each.hindered)}"
        yield Line(line, depth=1, bullet=f"{number + 1}.")
    if shown.stop < len(choice.asking):
        yield Line(f"and {len(choice.asking) - shown.stop} more after them", depth=1, bullet="-")


def _place(each: EligibleAgent, by_lot: int) -> str:
    """Why a request has its place in agent order. `by_lot` is the number of agents ordered by lot (R7)."""
    if each.lot is not None:
        return f"no chat since login, lot {_nth(each.lot)} of {by_lot}"
    made = "clicked" if each.origin == "manual" else "by push"
    return f"asking since {clock(each.requested_at)}, {made}"


def why_chat(choice: Choice) -> Iterator[Line]:
    """Why this chat, of all waiting chats in the agent's queues."""
    if choice.agent_order == "transfer":
        return
    waiting = sum(line.waiting for line in choice.queues)
    held = ", ".join(f"{line.queue} {line.waiting}" for line in choice.queues)
    agent = choice.agent_id
    if waiting == 1:
        yield Line(f"Why this chat: no other waited in {agent}'s queues ({held}). [R8]")
        return
    if choice.starved:
        yield Line(
            f"Why this chat: it had waited for {choice.starvation_limit_seconds:g} s or longer, the limit beyond which "
            f"the oldest comes first, whatever its queue's rank. Waiting, best-ranked first: {held}. [R8]"
        )
    else:
        policy = PULL_POLICIES[choice.policy].name.lower()
        if choice.policy == "strict-priority":
            yield Line(
                f"Why this chat: the oldest in the best-ranked queue that held one for {agent} ({policy}). Waiting, "
                f"best-ranked first: {held}. [R8]"
            )
        else:
            yield Line(
                f"Why this chat: the oldest for {agent} over all of {agent}'s queues ({policy}). Waiting: {held}. [R8]"
            )
    for each in choice.earlier:
        why = (
            f"{agent} turned it down a short while ago [R5]"
            if each.why == "passed-over"
            else "its queue is ranked below"
        )
        yield Line(
            f"not chat {each.chat_id} ({each.queue}, arrived {clock(each.arrived_at)}): {why}", depth=1, bullet="-"
        )
    if choice.earlier_count > len(choice.earlier):
        yield Line(f"nor {choice.earlier_count - len(choice.earlier)} more, likewise", depth=1, bullet="-")


def why_nobody(unserved: Unserved) -> Iterator[Line]:
    """Why no agent gets a chat."""
    if not unserved.agents:
        yield Line("Nobody could take it: no agent is logged in. [R6]")
    elif not unserved.serving:
        yield Line(
            f"Nobody could take it: of {counted(unserved.agents, 'agent')} logged in none serves queue "
            f"{unserved.queue}. [R5]"
        )
    else:
        yield Line(
            f"Nobody could take it: {unserved.serving} of {counted(unserved.agents, 'agent')} logged in "
            f"{'serves' if unserved.serving == 1 else 'serve'} queue {unserved.queue}, and of them [R5, R6]"
        )
        yield from by_kind(unserved.hindered)
    if unserved.ahead:
        yield Line(f"{counted(unserved.ahead, 'chat stands', 'chats stand')} before it in queue {unserved.queue}. [R4]")


def by_kind(hindered: Sequence[HinderedAgent]) -> Iterator[Line]:
    """The agents by hindrance, `NAMED` of each by name."""
    for kind, words in _KINDS.items():
        of_kind = [each for each in hindered if each.why == kind]
        if not of_kind:
            continue
        named = ", ".join(f"{each.agent_id}{_detail(each)}" for each in of_kind[:NAMED])
        more = f" and {len(of_kind) - NAMED} more" if len(of_kind) > NAMED else ""
        yield Line(f"{len(of_kind)} {words[len(of_kind) > 1]}: {named}{more}", depth=1, bullet="-")


def hindrance(each: HinderedAgent) -> str:
    """The hindrance of an agent, in words."""
    if each.why == "other-queues":
        return "does not serve this chat's queue [R5]"
    return f"{_KINDS[each.why][0]}{_detail(each)}"


def _detail(each: HinderedAgent) -> str:
    """The figures of a hindrance, in parentheses."""
    match each.why:
        case "full" | "not-asking" | "deciding":
            return f" ({each.sessions} of {each.max_sessions})"
        case "declined" | "missed" if each.seconds_ago is not None and each.seconds_more is not None:
            return f" ({duration_text(each.seconds_ago)} ago, again in {duration_text(each.seconds_more)})"
        case "delay" if each.seconds_more is not None:
            return f" (for {duration_text(each.seconds_more)} more)"
        case _:
            return ""


def _counts_by_kind(hindered: Sequence[HinderedAgent]) -> str:
    """The numbers of agents with a request that may not take the chat."""
    elsewhere = sum(each.why == "other-queues" for each in hindered)
    parts = [f"{elsewhere} serve other queues"] if elsewhere else []
    if len(hindered) > elsewhere:
        parts.append(f"{len(hindered) - elsewhere} turned this chat down a short while ago")
    return ", ".join(parts)


def _nth(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def show(lines: list[Line], console: Console) -> None:
    """Print lines, on a terminal in colour."""
    for line in lines:
        for text in _wrapped(line, console.width):
            console.print(text, soft_wrap=True)


def _wrapped(line: Line, width: int) -> list[Text]:
    """A line as texts of at most `width` columns, 40 at least, with rule numbers dim."""
    margin = " " * (TIME_WIDTH + 2 * line.depth) if line.time or line.depth else ""
    first = f"{line.time:<{TIME_WIDTH}}" + "  " * line.depth if margin else ""
    bullet = f"{line.bullet} " if line.bullet else ""
    wrapped = textwrap.wrap(
        printable(line.text),
        max(width, 40),
        initial_indent=first + bullet,
        subsequent_indent=margin + " " * len(bullet),
        break_on_hyphens=False,
    )
    texts = []
    for number, part in enumerate(wrapped or [first]):
        text = Text(part, style="bold" if line.bold else "")
        if not number and line.time:
            text.stylize("cyan", 0, len(line.time))
        text.highlight_regex(_RULES, "dim")
        texts.append(text)
    return texts


def day(at: str) -> str:
    """Day, month and year of an RFC 3339 time."""
    date = datetime.fromisoformat(at)
    return f"{date.day} {date:%B %Y}"
