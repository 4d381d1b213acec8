"""What customers do: arrive, lose patience, end the conversation; and how long a chat takes."""

from collections.abc import Mapping

from switchboard.domain.rfc3339 import format_ms
from switchboard.simulation.diary import Entry
from switchboard.simulation.scene import Chat, Scene


def arrive(scene: Scene, at: int) -> None:
    """The next customer comes."""
    scene.arrived += 1
    chat_id, line = scene.people.newcomer(scene.arrived)
    chat = Chat(chat_id=chat_id, pool=line.pool, ours=True)
    scene.chats[chat_id] = chat
    body = {"chat_id": chat_id, "arrived_at": format_ms(at), "pool": line.pool}
    scene.diary.send(at, "chat-arrival", body if line.queue is None else body | {"queue": line.queue})
    wait(scene, chat, at)


def wait(scene: Scene, chat: Chat, now: int) -> None:
    """The chat has come (back) to a queue: its customer's patience starts anew."""
    chat.waits += 1
    if chat.ours:
        patience = scene.people.patience(chat.chat_id, chat.waits)
        if patience is not None:
            scene.diary.write(now + patience, Entry("abandon", chat.chat_id, mark=chat.waits))


def abandon(scene: Scene, chat: Chat, at: int, mark: int) -> None:
    """Patience is at its end, if this is still the same wait."""
    if chat.waits == mark and chat.stage in ("waiting", "offered"):
        scene.diary.send(at, "chat-abandoned", {"chat_id": chat.chat_id, "pool": chat.pool})


def talk(scene: Scene, chat: Chat, now: int) -> None:
    """An agent has accepted: the conversation starts."""
    chat.stint += 1
    chat.stage = "active"
    lasts = scene.people.talk(chat.chat_id, chat.stint)
    scene.diary.write(now + lasts, Entry("end-talk", chat.chat_id, mark=chat.stint))


def end_talk(scene: Scene, chat: Chat, at: int, mark: int) -> None:
    """The conversation ends, by the customer or the agent; now and then by passing it on."""
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
