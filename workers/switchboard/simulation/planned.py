"""Agents whose coming and going is known: they do at each time what their plan says.

One thing is theirs to do otherwise: who logs out finishes the chats at hand first, however long that takes.
"""

from typing import Any

from switchboard.simulation.agents import about, go_away, here, want_chat
from switchboard.simulation.diary import Entry
from switchboard.simulation.scene import Agent, Scene


def expect(scene: Scene, agent: Agent, index: int) -> None:
    """Write down the plan's event of this index, if there is one."""
    if index < len(agent.post.plan):
        due = scene.started + agent.post.plan[index].after
        scene.diary.write(due, Entry("as-planned", agent.post.agent_id, mark=index))


def as_planned(scene: Scene, agent: Agent, at: int, index: int) -> None:
    """Do what the plan says, and expect what it says next."""
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
