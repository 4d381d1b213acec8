"""Actions of customers and agents, and the events that each action sends.

A planned action is valid only while its `version` is that of the chat or agent; a stale action does nothing. `at` is
the due time of an action, `now` the current time, both in ms since 1970.
"""

from collections.abc import Mapping
from typing import Any

from switchboard.domain.rfc3339 import format_ms
from switchboard.simulation.people import Answer
from switchboard.simulation.scene import ActionKind, Agent, Chat, PlannedAction, Presence, Scene


def arrive(scene: Scene, at: int) -> None:
    """Let the next customer arrive."""
    scene.arrived += 1
    chat_id, line = scene.people.new_chat(scene.arrived)
    chat = Chat(chat_id=chat_id, pool=line.pool, is_simulated=True)
    scene.chats[chat_id] = chat
    body = {"chat_id": chat_id, "arrived_at": format_ms(at), "pool": line.pool}
    scene.schedule.send(at, "chat-arrival", body if line.queue is None else body | {"queue": line.queue})
    start_wait(scene, chat, at)


def start_wait(scene: Scene, chat: Chat, now: int) -> None:
    """Start the customer's patience anew after the chat entered a queue."""
    chat.waits += 1
    if chat.is_simulated:
        patience = scene.people.patience(chat.chat_id, chat.waits)
        if patience is not None:
            scene.schedule.plan(now + patience, PlannedAction("abandon", chat.chat_id, version=chat.waits))


def abandon(scene: Scene, chat: Chat, at: int, version: int) -> None:
    """Abandon the chat if the customer still waits in the same wait as at planning time."""
    if chat.waits == version and chat.stage in ("waiting", "offered"):
        scene.schedule.send(at, "chat-abandoned", {"chat_id": chat.chat_id, "pool": chat.pool})


def start_conversation(scene: Scene, chat: Chat, now: int) -> None:
    """Start the conversation after an agent accepted the chat."""
    chat.handling += 1
    chat.stage = "active"
    duration = scene.people.handling_time(chat.chat_id, chat.handling)
    scene.schedule.plan(now + duration, PlannedAction("end-conversation", chat.chat_id, version=chat.handling))


def end_conversation(scene: Scene, chat: Chat, at: int, version: int) -> None:
    """End the conversation: the customer or agent concludes, or the agent transfers the chat."""
    agent = scene.agents.get(chat.agent_id) if chat.agent_id is not None else None
    if chat.handling != version or chat.stage != "active" or agent is None:
        return
    # A lost agent: the router puts the chat back into the queue (R18).
    if agent.presence == "logged-out":
        return
    end = scene.people.conversation_end(chat.chat_id, chat.handling, chat.transfers)
    about = {"chat_id": chat.chat_id, "pool": chat.pool}
    if end == "transfer" and not chat.transfer_refused:
        target = _transfer_target(scene, chat)
        if target:
            chat.transfers += 1
            scene.schedule.send(at, "chat-transferred", {**about, **target})
            return
        # Without a target the conversation ends, as after an earlier transfer.
        end = scene.people.conversation_end(chat.chat_id, chat.handling, chat.transfers + 1)
    by = "customer" if chat.is_simulated and end == "customer" else "agent"
    scene.schedule.send(at, "chat-concluded", about | {"agent_id": agent.post.agent_id, "by": by})


def _transfer_target(scene: Scene, chat: Chat) -> Mapping[str, str]:
    """`to_queue` or `to_agent` of a transfer; empty without a target."""
    colleagues = [
        agent_id
        for agent_id, agent in scene.agents.items()
        if agent.post.pool == chat.pool and agent.presence == "working" and agent_id != chat.agent_id
    ]
    return scene.people.transfer_target(chat.chat_id, chat.handling, chat.pool, colleagues)


def plan_answer(scene: Scene, agent: Agent, offer: Mapping[str, Any], now: int, duration: int) -> None:
    """Plan the answer to an offer that expires after `duration` ms: accept, decline, or let the offer lapse.

    An agent who is away does not see the offer.
    """
    if agent.presence != "working":
        return
    chat_id, offer_id = offer["chat_id"], offer["offer_id"]
    agent.offers[chat_id] = offer_id
    if _drawn_answer(scene, agent, chat_id, offer["attempt"]) != "lapse":
        delay = scene.people.answer_delay(agent.post.agent_id, chat_id, offer["attempt"], duration)
        action = PlannedAction("answer", agent.post.agent_id, version=offer["attempt"], chat_id=chat_id)
        scene.schedule.plan(now + delay, action)


def answer(scene: Scene, agent: Agent, at: int, chat_id: str, attempt: int) -> None:
    """Accept or decline an offer that is still open."""
    offer_id = agent.offers.pop(chat_id, None)
    if offer_id is None or agent.presence != "working":
        return
    body: dict[str, Any] = {"chat_id": chat_id, **agent_fields(agent), "offer_id": offer_id}
    if _drawn_answer(scene, agent, chat_id, attempt) == "accept":
        scene.schedule.send(at, "chat-accepted", body | {"accepted_at": format_ms(at)})
    else:
        scene.schedule.send(at, "chat-declined", body)


def _drawn_answer(scene: Scene, agent: Agent, chat_id: str, attempt: int) -> Answer:
    return scene.people.answer(agent.post.agent_id, chat_id, attempt)


def start_wrap_up(scene: Scene, agent: Agent, chat: Chat, now: int) -> None:
    """Start the wrap-up after the conversation, and plan the release."""
    chat.stage = "wrapping"
    duration = scene.people.wrap_up_time(agent.post.agent_id, chat.chat_id)
    scene.schedule.plan(now + duration, PlannedAction("release", chat.chat_id, version=chat.handling))


def release(scene: Scene, agent: Agent, chat: Chat, at: int, version: int) -> None:
    """Release the chat at the end of the wrap-up."""
    if chat.handling == version and chat.stage == "wrapping" and agent.presence != "logged-out":
        scene.schedule.send(at, "chat-released", {"chat_id": chat.chat_id, **agent_fields(agent)})


def plan_next(scene: Scene, agent: Agent, now: int) -> None:
    """Plan the next action of an agent: the logout after the last chat, or in pull mode a click on Request Chat."""
    if agent.logs_out_when_free and not agent.chats:
        agent.logs_out_when_free = False
        _plan_change(scene, agent, now, "log-out")
    if agent.mode != "pull" or agent.click_planned or not _may_request(agent):
        return
    agent.click_planned = True
    agent.clicks += 1
    delay = scene.people.click_delay(agent.post.agent_id, agent.clicks)
    scene.schedule.plan(now + delay, PlannedAction("click", agent.post.agent_id, version=agent.clicks))


def click(scene: Scene, agent: Agent, at: int, version: int) -> None:
    """Click Request Chat, unless the agent no longer may, as after a transfer from a colleague."""
    if agent.clicks != version or not agent.click_planned:
        return
    agent.click_planned = False
    if _may_request(agent):
        _request(scene, agent, at)


def _may_request(agent: Agent) -> bool:
    full = agent.max_sessions is not None and len(agent.chats) + len(agent.offers) >= agent.max_sessions
    return agent.presence == "working" and not agent.has_request and not full


def _request(scene: Scene, agent: Agent, at: int) -> None:
    agent.has_request = True
    body = agent_fields(agent) | {"request_id": f"{agent.post.agent_id}-{at}", "requested_at": format_ms(at)}
    scene.schedule.send(at, "request-chat", body)


def log_in(scene: Scene, agent: Agent, at: int) -> None:
    """Log the agent in, with the profile and, for a post with `override`, the mode."""
    post = agent.post
    body = agent_fields(agent)
    if post.profile is not None:
        body["profile"] = post.profile
    if post.override:
        body["mode"] = post.mode
    scene.schedule.send(at, "agent-logged-in", body)
    start_work(scene, agent, at)
    if scene.people.heartbeat_every > 0:
        _next_heartbeat(scene, agent, at)


def start_work(scene: Scene, agent: Agent, at: int) -> None:
    """Mark the agent as working, and plan the next absence."""
    agent.presence = "working"
    agent.presence_changes += 1
    duration = None if agent.post.plan else scene.people.work_time(agent.rng)
    if duration is not None:
        _plan_change(scene, agent, at + duration, "start-absence")
    plan_next(scene, agent, at)


def start_absence(scene: Scene, agent: Agent, at: int, version: int) -> None:
    """Start an absence of a drawn kind.

    An agent who logs out becomes unavailable first, and finishes the open chats.
    """
    if agent.presence_changes != version:
        return
    agent.absence = scene.people.absence(agent.rng)
    match agent.absence:
        case "break" | "log-out":
            body = agent_fields(agent) | {"status": "unavailable", "reason": "break"}
            scene.schedule.send(at, "agent-status-changed", body)
            stop_work(scene, agent, "break", at)
            agent.logs_out_when_free = agent.absence == "log-out"
            plan_next(scene, agent, at)
        case "absent":
            scene.schedule.send(at, "agent-absent", agent_fields(agent))
            stop_work(scene, agent, "absent", at)
        case "lost":
            scene.schedule.send(at, "agent-lost", agent_fields(agent))
            agent.chats.clear()
            stop_work(scene, agent, "logged-out", at)


def stop_work(scene: Scene, agent: Agent, presence: Presence, at: int) -> None:
    """Mark the agent as absent or logged out. Plans the return, unless the agent has a plan."""
    agent.presence = presence
    agent.presence_changes += 1
    _drop_requests(agent)
    if not agent.post.plan:
        duration = scene.people.absence_time(agent.rng)
        _plan_change(scene, agent, at + duration, "end-absence")


def _drop_requests(agent: Agent) -> None:
    """Drop the request and the unanswered offers, which the router withdraws when an agent goes away (R18)."""
    agent.has_request = agent.click_planned = False
    agent.offers.clear()


def log_out(scene: Scene, agent: Agent, at: int, version: int) -> None:
    """Log the agent out after the last chat."""
    if agent.presence_changes == version:
        scene.schedule.send(at, "agent-logged-out", agent_fields(agent))
        stop_work(scene, agent, "logged-out", at)


def end_absence(scene: Scene, agent: Agent, at: int, version: int) -> None:
    """End the agent's absence, by the event that fits its kind."""
    if agent.presence_changes != version or agent.logs_out_when_free:
        return
    match agent.presence:
        case "logged-out":
            log_in(scene, agent, at)
            return
        case "absent":
            scene.schedule.send(at, "agent-present", agent_fields(agent))
        case "made-unavailable" if agent.mode == "pull":
            # A request makes the agent available again (R12).
            _request(scene, agent, at)
        case "break" | "made-unavailable" | "working":
            scene.schedule.send(at, "agent-status-changed", agent_fields(agent) | {"status": "available"})
    start_work(scene, agent, at)


def made_unavailable(scene: Scene, agent: Agent, now: int) -> None:
    """Note that missed offers made the agent unavailable, and plan the return."""
    if agent.presence == "working":
        agent.presence = "made-unavailable"
        agent.presence_changes += 1
        _drop_requests(agent)
        delay = scene.people.return_delay(agent.rng)
        _plan_change(scene, agent, now + delay, "end-absence")


def _plan_change(scene: Scene, agent: Agent, due: int, kind: ActionKind) -> None:
    """Plan a change of presence, which becomes stale if the presence changes before."""
    scene.schedule.plan(due, PlannedAction(kind, agent.post.agent_id, version=agent.presence_changes))


def heartbeat(scene: Scene, agent: Agent, at: int) -> None:
    """Send a heartbeat, unless the agent is absent or logged out."""
    if agent.presence != "logged-out":
        if agent.presence != "absent":
            scene.schedule.send(at, "agent-heartbeat", agent_fields(agent))
        _next_heartbeat(scene, agent, at)


def _next_heartbeat(scene: Scene, agent: Agent, at: int) -> None:
    due = at + scene.people.heartbeat_every
    scene.schedule.plan(due, PlannedAction("heartbeat", agent.post.agent_id))


def plan_event(scene: Scene, agent: Agent, index: int) -> None:
    """Schedule the event at an index of the agent's plan, if the plan is that long."""
    if index < len(agent.post.plan):
        due = scene.started + agent.post.plan[index].after
        scene.schedule.plan(due, PlannedAction("planned-event", agent.post.agent_id, version=index))


def send_planned(scene: Scene, agent: Agent, at: int, index: int) -> None:
    """Send the event at an index of the agent's plan, and schedule the next one."""
    planned = agent.post.plan[index]
    plan_event(scene, agent, index + 1)
    body: dict[str, Any] = agent_fields(agent) | dict(planned.data)
    # An agent with chats becomes unavailable, finishes the chats, and logs out then.
    if planned.type == "agent-logged-out" and agent.chats and agent.presence != "logged-out":
        agent.logs_out_when_free = True
        scene.schedule.send(at, "agent-status-changed", agent_fields(agent) | {"status": "unavailable"})
        stop_work(scene, agent, "break", at)
        return
    scene.schedule.send(at, planned.type, body)
    match planned.type:
        case "agent-logged-in":
            agent.logs_out_when_free = False
            agent.mode = body.get("mode", agent.post.mode)
            _set_available(scene, agent, at, available=body.get("status", "available") == "available")
        case "agent-status-changed" if not agent.logs_out_when_free:
            _set_available(scene, agent, at, available=body["status"] == "available")
        case "agent-present" if agent.presence == "absent":
            _set_available(scene, agent, at, available=agent.absence == "absent")
        case "agent-absent" if agent.presence in ("working", "made-unavailable", "break"):
            # `agent-present` restores the status before the absence (R18).
            agent.absence = "absent" if agent.presence == "working" else "break"
            stop_work(scene, agent, "absent", at)
        case "agent-lost" | "agent-logged-out":
            agent.logs_out_when_free = False
            agent.chats.clear()
            stop_work(scene, agent, "logged-out", at)
        case "agent-capacity-changed":
            agent.mode = body.get("mode", agent.mode)
            agent.max_sessions = body.get("max_sessions", agent.max_sessions)
            plan_next(scene, agent, at)
        case _:
            pass


def _set_available(scene: Scene, agent: Agent, at: int, *, available: bool) -> None:
    """Follow a status of the agent's plan."""
    if not available:
        stop_work(scene, agent, "break", at)
    elif agent.presence != "working":
        start_work(scene, agent, at)
    else:
        plan_next(scene, agent, at)


def agent_fields(agent: Agent) -> dict[str, Any]:
    """Return the fields that every event of an agent has."""
    return {"agent_id": agent.post.agent_id, "pool": agent.post.pool}
