"""Actions of customers and agents, and the events that each action sends.

A `mark` shows whether a planned action is still valid: a stale action does nothing. `at` is the due time of the action,
`now` the current time, both in ms since 1970.
"""

from collections.abc import Mapping
from typing import Any

from switchboard.domain.rfc3339 import format_ms
from switchboard.simulation.people import Answer
from switchboard.simulation.scene import Agent, Chat, Entry, Presence, Scene


def arrive(scene: Scene, at: int) -> None:
    """Let the next customer arrive."""
    scene.arrived += 1
    chat_id, line = scene.people.newcomer(scene.arrived)
    chat = Chat(chat_id=chat_id, pool=line.pool, ours=True)
    scene.chats[chat_id] = chat
    body = {"chat_id": chat_id, "arrived_at": format_ms(at), "pool": line.pool}
    scene.diary.send(at, "chat-arrival", body if line.queue is None else body | {"queue": line.queue})
    wait(scene, chat, at)


def wait(scene: Scene, chat: Chat, now: int) -> None:
    """Start the customer's patience anew after the chat entered a queue."""
    chat.waits += 1
    if chat.ours:
        patience = scene.people.patience(chat.chat_id, chat.waits)
        if patience is not None:
            scene.diary.write(now + patience, Entry("abandon", chat.chat_id, mark=chat.waits))


def abandon(scene: Scene, chat: Chat, at: int, mark: int) -> None:
    """Abandon the chat if the customer still waits in the same wait as at planning time."""
    if chat.waits == mark and chat.stage in ("waiting", "offered"):
        scene.diary.send(at, "chat-abandoned", {"chat_id": chat.chat_id, "pool": chat.pool})


def talk(scene: Scene, chat: Chat, now: int) -> None:
    """Start the conversation after an agent accepted the chat."""
    chat.stint += 1
    chat.stage = "active"
    lasts = scene.people.talk(chat.chat_id, chat.stint)
    scene.diary.write(now + lasts, Entry("end-talk", chat.chat_id, mark=chat.stint))


def end_talk(scene: Scene, chat: Chat, at: int, mark: int) -> None:
    """End the conversation: the customer or agent concludes, or the agent transfers the chat."""
    agent = scene.agents.get(chat.agent_id) if chat.agent_id is not None else None
    if chat.stint != mark or chat.stage != "active" or agent is None:
        return
    if agent.presence == "out":
        return  # the connection is lost: the chat comes back to the queue
    end = scene.people.end(chat.chat_id, chat.stint, chat.transfers)
    about = {"chat_id": chat.chat_id, "pool": chat.pool}
    if end == "transfer" and not chat.refused:
        target = _transfer_target(scene, chat)
        if target:
            chat.transfers += 1
            scene.diary.send(at, "chat-transferred", {**about, **target})
            return
        end = scene.people.end(chat.chat_id, chat.stint, chat.transfers + 1)
    by = "customer" if chat.ours and end == "customer" else "agent"
    scene.diary.send(at, "chat-concluded", about | {"agent_id": agent.post.agent_id, "by": by})


def _transfer_target(scene: Scene, chat: Chat) -> Mapping[str, str]:
    colleagues = [
        agent_id
        for agent_id, agent in scene.agents.items()
        if agent.post.pool == chat.pool and agent.presence == "here" and agent_id != chat.agent_id
    ]
    return scene.people.pass_on(chat.chat_id, chat.stint, chat.pool, colleagues)


def log_in(scene: Scene, agent: Agent, at: int) -> None:
    """Log the agent in, with the profile and, for a post with `override`, the mode."""
    post = agent.post
    body = about(agent)
    if post.profile is not None:
        body["profile"] = post.profile
    if post.override:
        body["mode"] = post.mode
    scene.diary.send(at, "agent-logged-in", body)
    here(scene, agent, at)
    if scene.people.heartbeat_every > 0:
        _next_heartbeat(scene, agent, at)


def answer_later(scene: Scene, agent: Agent, offer: Mapping[str, Any], now: int, lasts: int) -> None:
    """Plan the answer to an offer that lasts `lasts` ms: accept, decline, or let the offer lapse.

    An agent who is away does not see the offer.
    """
    if agent.presence != "here":
        return
    chat_id, offer_id = offer["chat_id"], offer["offer_id"]
    agent.offers[chat_id] = offer_id
    if _answer(scene, agent, chat_id, offer["attempt"]) != "lapse":
        delay = scene.people.answer_after(agent.post.agent_id, chat_id, offer["attempt"], lasts)
        entry = Entry("answer", agent.post.agent_id, mark=offer["attempt"], chat_id=chat_id)
        scene.diary.write(now + delay, entry)


def answer(scene: Scene, agent: Agent, at: int, chat_id: str, attempt: int) -> None:
    """Accept or decline an offer that is still open."""
    offer_id = agent.offers.pop(chat_id, None)
    if offer_id is None or agent.presence != "here":
        return
    body: dict[str, Any] = {"chat_id": chat_id, **about(agent), "offer_id": offer_id}
    if _answer(scene, agent, chat_id, attempt) == "accept":
        scene.diary.send(at, "chat-accepted", body | {"accepted_at": format_ms(at)})
    else:
        scene.diary.send(at, "chat-declined", body)


def wrap_up(scene: Scene, agent: Agent, chat: Chat, now: int) -> None:
    """Start the wrap-up after the conversation, and plan the release."""
    chat.stage = "wrapping"
    lasts = scene.people.wrap_up(agent.post.agent_id, chat.chat_id)
    scene.diary.write(now + lasts, Entry("release", chat.chat_id, mark=chat.stint))


def release(scene: Scene, agent: Agent, chat: Chat, at: int, mark: int) -> None:
    """Release the chat at the end of the wrap-up."""
    if chat.stint == mark and chat.stage == "wrapping" and agent.presence != "out":
        scene.diary.send(at, "chat-released", {"chat_id": chat.chat_id, **about(agent)})


def want_chat(scene: Scene, agent: Agent, now: int) -> None:
    """Plan the next action of an agent with free time: a click in pull mode, or the logout after the last chat."""
    if agent.leaving and not agent.chats:
        agent.leaving = False
        scene.diary.write(now, Entry("go", agent.post.agent_id, mark=agent.stretch))
    if agent.mode != "pull" or agent.reaching or not _may_ask(agent):
        return
    agent.reaching = True
    agent.clicks += 1
    delay = scene.people.click_after(agent.post.agent_id, agent.clicks)
    scene.diary.write(now + delay, Entry("click", agent.post.agent_id, mark=agent.clicks))


def click(scene: Scene, agent: Agent, at: int, mark: int) -> None:
    """Click Request Chat, unless another event came first, such as a chat transferred by a colleague."""
    if agent.clicks != mark or not agent.reaching:
        return
    agent.reaching = False
    if _may_ask(agent):
        _request(scene, agent, at)


def step_away(scene: Scene, agent: Agent, at: int, mark: int) -> None:
    """Let the agent go away in one of the ways of `Away`.

    An agent who logs out becomes unavailable first, and finishes the open chats.
    """
    if agent.stretch != mark:
        return
    agent.away = scene.people.goes_away(agent.dice)
    match agent.away:
        case "break" | "log-out":
            scene.diary.send(at, "agent-status-changed", about(agent) | {"status": "unavailable", "reason": "break"})
            go_away(scene, agent, "break", at)
            agent.leaving = agent.away == "log-out"
            want_chat(scene, agent, at)
        case "absent":
            scene.diary.send(at, "agent-absent", about(agent))
            go_away(scene, agent, "absent", at)
        case "lost":
            scene.diary.send(at, "agent-lost", about(agent))
            agent.chats.clear()
            go_away(scene, agent, "out", at)


def go(scene: Scene, agent: Agent, at: int, mark: int) -> None:
    """Log the agent out after the last chat."""
    if agent.stretch == mark:
        scene.diary.send(at, "agent-logged-out", about(agent))
        go_away(scene, agent, "out", at)


def come_back(scene: Scene, agent: Agent, at: int, mark: int) -> None:
    """Let the agent return to work, by the event that ends the current absence."""
    if agent.stretch != mark or agent.leaving:
        return
    match agent.presence:
        case "out":
            log_in(scene, agent, at)
            return
        case "absent":
            scene.diary.send(at, "agent-present", about(agent))
        case "sidelined" if agent.mode == "pull":
            # R12: asking for a chat makes one available again whom missed offers made unavailable.
            _request(scene, agent, at)
        case "break" | "sidelined" | "here":
            scene.diary.send(at, "agent-status-changed", about(agent) | {"status": "available"})
    here(scene, agent, at)


def sidelined(scene: Scene, agent: Agent, now: int) -> None:
    """Handle too many missed offers: the agent notices after a while and returns."""
    if agent.presence == "here":
        agent.presence = "sidelined"
        agent.stretch += 1
        _drop_requests(agent)
        after = scene.people.notices_after(agent.dice)
        scene.diary.write(now + after, Entry("come-back", agent.post.agent_id, mark=agent.stretch))


def heartbeat(scene: Scene, agent: Agent, at: int) -> None:
    """Send a heartbeat, unless the agent is absent or logged out."""
    if agent.presence != "out":
        if agent.presence != "absent":
            scene.diary.send(at, "agent-heartbeat", about(agent))
        _next_heartbeat(scene, agent, at)


def _answer(scene: Scene, agent: Agent, chat_id: str, attempt: int) -> Answer:
    return scene.people.answer(agent.post.agent_id, chat_id, attempt)


def _may_ask(agent: Agent) -> bool:
    full = agent.max_sessions is not None and len(agent.chats) + len(agent.offers) >= agent.max_sessions
    return agent.presence == "here" and not agent.asking and not full


def _request(scene: Scene, agent: Agent, at: int) -> None:
    agent.asking = True
    body = about(agent) | {"request_id": f"{agent.post.agent_id}-{at}", "requested_at": format_ms(at)}
    scene.diary.send(at, "request-chat", body)


def here(scene: Scene, agent: Agent, at: int) -> None:
    """Mark the agent as at work, and plan the end of the stretch of work."""
    agent.presence = "here"
    agent.stretch += 1
    works = None if agent.post.plan else scene.people.works(agent.dice)
    if works is not None:
        scene.diary.write(at + works, Entry("step-away", agent.post.agent_id, mark=agent.stretch))
    want_chat(scene, agent, at)


def go_away(scene: Scene, agent: Agent, presence: Presence, at: int) -> None:
    """Mark the agent as away; the return comes after a random time, or as planned."""
    agent.presence = presence
    agent.stretch += 1
    _drop_requests(agent)
    if not agent.post.plan:
        back = scene.people.comes_back_after(agent.dice)
        scene.diary.write(at + back, Entry("come-back", agent.post.agent_id, mark=agent.stretch))


def _drop_requests(agent: Agent) -> None:
    """Drop the request and the unanswered offers, which the router withdraws when an agent goes away (R18)."""
    agent.asking = agent.reaching = False
    agent.offers.clear()


def _next_heartbeat(scene: Scene, agent: Agent, at: int) -> None:
    due = at + scene.people.heartbeat_every
    scene.diary.write(due, Entry("heartbeat", agent.post.agent_id))


def about(agent: Agent) -> dict[str, Any]:
    """Return the fields that every event of an agent has."""
    return {"agent_id": agent.post.agent_id, "pool": agent.post.pool}


def expect(scene: Scene, agent: Agent, index: int) -> None:
    """Put the event at an index of the agent's plan into the diary, if the plan has such an event."""
    if index < len(agent.post.plan):
        due = scene.started + agent.post.plan[index].after
        scene.diary.write(due, Entry("as-planned", agent.post.agent_id, mark=index))


def as_planned(scene: Scene, agent: Agent, at: int, index: int) -> None:
    """Send the event at an index of the agent's plan, and put the next event into the diary."""
    planned = agent.post.plan[index]
    expect(scene, agent, index + 1)
    body: dict[str, Any] = about(agent) | dict(planned.data)
    if planned.type == "agent-logged-out" and agent.chats and agent.presence != "out":
        agent.leaving = True
        scene.diary.send(at, "agent-status-changed", about(agent) | {"status": "unavailable"})
        go_away(scene, agent, "break", at)
        return
    scene.diary.send(at, planned.type, body)
    match planned.type:
        case "agent-logged-in":
            agent.leaving = False
            agent.mode = body.get("mode", agent.post.mode)
            _status(scene, agent, at, available=body.get("status", "available") == "available")
        case "agent-status-changed" if not agent.leaving:
            _status(scene, agent, at, available=body["status"] == "available")
        case "agent-present" if agent.presence == "absent":
            _status(scene, agent, at, available=agent.away == "absent")
        case "agent-absent" if agent.presence in ("here", "sidelined", "break"):
            # What it comes back to: the status before (R18).
            agent.away = "absent" if agent.presence == "here" else "break"
            go_away(scene, agent, "absent", at)
        case "agent-lost" | "agent-logged-out":
            agent.leaving = False
            agent.chats.clear()
            go_away(scene, agent, "out", at)
        case "agent-capacity-changed":
            agent.mode = body.get("mode", agent.mode)
            agent.max_sessions = body.get("max_sessions", agent.max_sessions)
            want_chat(scene, agent, at)
        case _:
            pass


def _status(scene: Scene, agent: Agent, at: int, *, available: bool) -> None:
    if not available:
        go_away(scene, agent, "break", at)
    elif agent.presence != "here":
        here(scene, agent, at)
    else:
        want_chat(scene, agent, at)
