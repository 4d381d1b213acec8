"""What customers do: arrive, lose patience, end the conversation; and how long a chat takes."""

from bisect import bisect
from itertools import accumulate

from switchboard.domain.rfc3339 import format_ms
from switchboard.simulation.behaviour import exponential_ms, log_normal_ms
from switchboard.simulation.cast import Line
from switchboard.simulation.diary import Entry
from switchboard.simulation.scene import Chat, Scene


def arrive(scene: Scene, at: int) -> None:
    """The next customer comes, on one of the lines according to their shares."""
    scene.arrived += 1
    chat_id = f"{scene.label}-{scene.arrived:06d}"
    line = _line_of(scene, chat_id)
    chat = Chat(chat_id=chat_id, pool=line.pool, ours=True)
    scene.chats[chat_id] = chat
    body = {"chat_id": chat_id, "arrived_at": format_ms(at), "pool": line.pool}
    scene.diary.send(at, "chat-arrival", body if line.queue is None else body | {"queue": line.queue})
    wait(scene, chat, at)


def wait(scene: Scene, chat: Chat, now: int) -> None:
    """The chat has come (back) to a queue: its customer's patience starts anew."""
    chat.waits += 1
    if chat.ours:
        patience = exponential_ms(scene.chat_dice(chat.chat_id, "patience", chat.waits), scene.behaviour.patience_mean)
        scene.diary.write(now + patience, Entry("abandon", chat.chat_id, mark=chat.waits))


def abandon(scene: Scene, chat: Chat, at: int, mark: int) -> None:
    """Patience is at its end, if this is still the same wait."""
    if chat.waits == mark and chat.stage in ("waiting", "offered"):
        scene.diary.send(at, "chat-abandoned", {"chat_id": chat.chat_id, "pool": chat.pool})


def talk(scene: Scene, chat: Chat, now: int) -> None:
    """An agent has accepted: the conversation starts."""
    chat.stint += 1
    chat.stage = "active"
    behaviour = scene.behaviour
    dice = scene.chat_dice(chat.chat_id, "talk", chat.stint)
    lasts = log_normal_ms(dice, behaviour.handling_median, behaviour.handling_sigma)
    scene.diary.write(now + lasts, Entry("end-talk", chat.chat_id, mark=chat.stint))


def end_talk(scene: Scene, chat: Chat, at: int, mark: int) -> None:
    """The conversation ends, by the customer or the agent; now and then by passing it on."""
    agent = scene.agents.get(chat.agent_id) if chat.agent_id is not None else None
    if chat.stint != mark or chat.stage != "active" or agent is None:
        return
    if agent.presence == "out":
        return  # the connection is lost: the chat comes back to the queue
    dice = scene.chat_dice(chat.chat_id, "end", chat.stint)
    about = {"chat_id": chat.chat_id, "pool": chat.pool}
    if not chat.transfers and dice.random() < scene.behaviour.transfer_chance:
        target = _transfer_target(scene, chat)
        if target:
            chat.transfers += 1
            scene.diary.send(at, "chat-transferred", about | target)
            return
    by = "customer" if chat.ours and dice.random() < scene.behaviour.ended_by_customer else "agent"
    scene.diary.send(at, "chat-concluded", about | {"agent_id": agent.post.agent_id, "by": by})


def _transfer_target(scene: Scene, chat: Chat) -> dict[str, str]:
    """To another queue of the pool in two of three cases, else to a colleague who is there; empty if there is none."""
    dice = scene.chat_dice(chat.chat_id, "transfer")
    queues = [line.queue for line in scene.cast.lines if line.pool == chat.pool and line.queue is not None]
    colleagues = [
        agent_id
        for agent_id, agent in scene.agents.items()
        if agent.post.pool == chat.pool and agent.presence == "here" and agent_id != chat.agent_id
    ]
    if dice.random() < 2 / 3 and queues:
        return {"to_queue": dice.choice(queues)}
    return {"to_agent": dice.choice(colleagues)} if colleagues else {}


def _line_of(scene: Scene, chat_id: str) -> Line:
    lines = scene.cast.lines
    upto = list(accumulate(line.share for line in lines))
    return lines[min(bisect(upto, scene.chat_dice(chat_id, "line").random() * upto[-1]), len(lines) - 1)]
