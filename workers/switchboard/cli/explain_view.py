"""A chat's story in words."""

from collections.abc import Iterator
from datetime import datetime

from switchboard.cli.explain_choice import why_agent, why_chat, why_nobody
from switchboard.cli.explain_sentences import sentences
from switchboard.cli.explain_text import Line
from switchboard.cli.explain_words import after, clock, span
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
from switchboard.tools.chat_story import ChatStory, Life, Moment
from switchboard.tools.choices import Choice


def chat_lines(story: ChatStory) -> list[Line]:
    """The whole story."""
    return list(_chat(story))


def day(at: str) -> str:
    """The date of an RFC 3339 time."""
    date = datetime.fromisoformat(at)
    return f"{date.day} {date:%B %Y}"


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
    """The story in a few sentences."""
    made = [decision for moment in life.moments for decision in moment.decisions]
    arrived = next((each for each in made if isinstance(each, ChatQueued)), None)
    if arrived is None:
        return "The chat never arrived in this log; this is what was told of it."
    told = [f"Arrived at {clock(arrived.arrived_at)} for queue {arrived.queue}."]
    offers = [each for each in made if isinstance(each, ChatAssigned)]
    if offers:
        times = {1: "once", 2: "twice"}.get(len(offers), f"{len(offers)} times")
        first = "first " if len(offers) > 1 else ""
        told.append(f"Offered {times}, {first}{after(offers[0].waited_seconds)}.")
    else:
        told.append("Never offered.")
    confirmed = [each for each in made if isinstance(each, AssignmentConfirmed)]
    if confirmed:
        waited = (parse_ms(confirmed[0].at) - parse_ms(arrived.arrived_at)) / 1000
        later = "".join(f", later by {each.agent_id}" for each in confirmed[1:])
        told.append(f"Accepted by {confirmed[0].agent_id} {span(waited)} after arriving{later}.")
    closed = next((each for each in made if isinstance(each, ChatClosed)), None)
    if closed is not None:
        told.append(
            f"Closed at {clock(closed.at)} ({closed.reason.replace('queue-timed-out', 'nobody took it in time')})."
        )
    elif last:
        told.append(_as_it_ends(life, arrived, ends_at))
    return " ".join(told)


def _as_it_ends(life: Life, arrived: ChatQueued, ends_at: str) -> str:
    chat = life.moments[-1].chat
    if chat is None:
        return ""
    if chat["stage"] == "waiting":
        waited = (parse_ms(ends_at) - parse_ms(arrived.arrived_at)) / 1000
        still = f"Still waiting in queue {chat['queue']} when the log ends at {clock(ends_at)}"
        return f"{still}, {span(waited)} after arriving."
    doing = {"offered": "offered to", "active": "with", "wrapping": "being wrapped up by"}[chat["stage"]]
    return f"Still {doing} {chat['agent_id']} when the log ends at {clock(ends_at)}."


def _moment(moment: Moment, life: Life, own: str) -> Iterator[Line]:
    first, *others = sentences(moment.cause, _in_order(moment), own)
    if moment.cause.type == "wait-over" and moment.choice is not None:
        first = _freed(moment.choice)
    yield Line(first, clock(moment.at))
    for sentence in [*others, *_beside(moment, life)]:
        yield Line(sentence, depth=1)
    behind = [] if moment.choice is None else [*why_agent(moment.choice), *why_chat(moment.choice)]
    if moment.unserved is not None:
        behind += why_nobody(moment.unserved)
    for line in behind:
        yield Line(line.text, depth=line.depth + 2, bullet=line.bullet)


def _beside(moment: Moment, life: Life) -> Iterator[str]:
    """How the chat stands, where an event about it did not fit to that."""
    chat = moment.chat
    if any(isinstance(each, AcceptRejected | DeclineRejected | TransferRejected) for each in moment.decisions):
        if chat is None:
            closed = next((at.at for at in life.moments if _closes(at) and at.at <= moment.at), None)
            yield "The chat had not arrived." if closed is None else f"The chat was closed at {clock(closed)}."
        elif chat["stage"] == "waiting":
            yield f"The chat waits in queue {chat['queue']}."
        else:
            doing = {"offered": "is offered to", "active": "is with", "wrapping": "is being wrapped up by"}
            yield f"The chat {doing[chat['stage']]} {chat['agent_id']} (offer {chat['offer_id']})."
    elif chat is None and not moment.decisions and moment.cause.ignored is None:
        yield "No such chat was known: should it arrive within a minute, it is closed at once. [R13]"


def _closes(moment: Moment) -> bool:
    return any(isinstance(decision, ChatClosed) for decision in moment.decisions)


def _freed(choice: Choice) -> str:
    match choice.freed_by:
        case "delay":
            return f"{choice.agent_id}'s delay between chats was over. [R5]"
        case "reoffer":
            return f"{choice.agent_id}, who had turned the chat down, may be offered it again. [R5]"
        case _:
            return "A pause was over, of an agent or of a chat that had been turned down. [R5]"


def _in_order(moment: Moment) -> list[Decision]:
    """What is told of a moment, as it was made: of other decisions those that explain these."""
    to = {each.agent_id for each in moment.decisions if isinstance(each, ChatAssigned)}
    also = [
        each
        for each in moment.also
        if isinstance(each, AgentMadeUnavailable) or (isinstance(each, ChatRequested) and each.agent_id in to)
    ]
    return sorted([*moment.decisions, *also], key=lambda each: int(each.id.rpartition("/")[2]))
