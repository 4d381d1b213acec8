"""Why this agent, why this chat, and why nobody: what stood behind a decision, in words."""

from collections.abc import Iterator, Sequence
from typing import Final

from switchboard.cli.explain_text import Line
from switchboard.cli.explain_words import clock, span
from switchboard.journal.printable_text import counted
from switchboard.tools.choices import Asking, Choice, Hindered, Hindrance, Unserved

NAMED: Final = 6
"""Agents of one kind that are named, and agents who ask that are listed."""

_KINDS: Final[dict[Hindrance, tuple[str, str]]] = {
    "absent": ("is away", "are away"),
    "unavailable": ("is not available", "are not available"),
    "full": ("has as many chats as allowed", "have as many chats as allowed"),
    "declined": ("has just declined this chat", "have just declined this chat"),
    "missed": ("has just not answered this chat", "have just not answered this chat"),
    "deciding": ("has another offer to answer first", "have another offer to answer first"),
    "not-asking": ("has not asked for a chat", "have not asked for a chat"),
    "delay": ("is in the delay between chats", "are in the delay between chats"),
}


def why_agent(choice: Choice) -> Iterator[Line]:
    """Who was asking, in what order; who served the queue and was not asking, and why."""
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
    by_lot = sum(each.lot is not None for each in choice.asking)
    at = next(number for number, each in enumerate(choice.asking) if each.agent_id == choice.agent_id)
    shown = range(max(0, at - NAMED + 2), min(len(choice.asking), max(NAMED, at + 2)))
    if shown.start:
        why = _summary([each.hindered for each in choice.asking[: shown.start] if each.hindered is not None])
        yield Line(f"{shown.start} before them, who could not take it: {why}", depth=1, bullet="-")
    for number in shown:
        each = choice.asking[number]
        told = f"{each.agent_id}: {_place(each, by_lot)}"
        if number == at:
            told += " - got the chat"
        elif each.hindered is not None:
            told += f" - {'passed over: ' if number < at else ''}{hindrance(each.hindered)}"
        yield Line(told, depth=1, bullet=f"{number + 1}.")
    if shown.stop < len(choice.asking):
        yield Line(f"and {len(choice.asking) - shown.stop} more after them", depth=1, bullet="-")


def _place(each: Asking, by_lot: int) -> str:
    if each.lot is not None:
        return f"no chat since login, lot {_nth(each.lot)} of {by_lot}"
    made = "clicked" if each.origin == "manual" else "by push"
    return f"asking since {clock(each.requested_at)}, {made}"


def why_chat(choice: Choice) -> Iterator[Line]:
    """Why the agent got this chat and no other that waited."""
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
    elif choice.policy == "strict-priority":
        yield Line(
            f"Why this chat: the oldest in the best-ranked queue that held one for {agent} (strict priority). Waiting, "
            f"best-ranked first: {held}. [R8]"
        )
    else:
        yield Line(
            f"Why this chat: the oldest for {agent} over all of {agent}'s queues (first due). Waiting: {held}. [R8]"
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
    """Why a chat waits on."""
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


def by_kind(told: Sequence[Hindered]) -> Iterator[Line]:
    """Agents by what hinders them, the first few named."""
    for kind, words in _KINDS.items():
        of_kind = [each for each in told if each.why == kind]
        if not of_kind:
            continue
        named = ", ".join(f"{each.agent_id}{_detail(each)}" for each in of_kind[:NAMED])
        more = f" and {len(of_kind) - NAMED} more" if len(of_kind) > NAMED else ""
        yield Line(f"{len(of_kind)} {words[len(of_kind) > 1]}: {named}{more}", depth=1, bullet="-")


def hindrance(each: Hindered) -> str:
    """What hinders one agent."""
    if each.why == "other-queues":
        return "does not serve this chat's queue [R5]"
    return f"{_KINDS[each.why][0]}{_detail(each)}"


def _detail(each: Hindered) -> str:
    match each.why:
        case "full" | "not-asking" | "deciding":
            return f" ({each.sessions} of {each.max_sessions})"
        case "declined" | "missed" if each.seconds_ago is not None and each.seconds_more is not None:
            return f" ({span(each.seconds_ago)} ago, again in {span(each.seconds_more)})"
        case "delay" if each.seconds_more is not None:
            return f" (for {span(each.seconds_more)} more)"
        case _:
            return ""


def _summary(told: Sequence[Hindered]) -> str:
    elsewhere = sum(each.why == "other-queues" for each in told)
    parts = [f"{elsewhere} serve other queues"] if elsewhere else []
    if len(told) > elsewhere:
        parts.append(f"{len(told) - elsewhere} turned this chat down a short while ago")
    return ", ".join(parts)


def _nth(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
