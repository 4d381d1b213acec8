"""An observer sees a pool while it decides: before each offer, and once each event and each timer is settled."""

from switchboard.domain.engine import Engine
from switchboard.domain.events import Event, Frame
from switchboard.domain.pool import Pool
from switchboard.domain.state import Agent, Chat, Request
from switchboard.domain.step import Step
from tests.unit.rules.story import START, event


class Notes:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def offering(self, pool: Pool, _: Step, agent: Agent, chat: Chat, request: Request | None) -> None:
        """With how the chat and the request stand at that moment."""
        origin = None if request is None else request.origin
        stands = f"{chat.stage}, {pool.index.requests} requests, {len(agent.sessions)} sessions"
        self.told.append(f"{pool.id}: offering {chat.id} to {agent.id} for {origin}: {stands}")

    def happened(self, pool: Pool, step: Step, event: Event, ignored: str | None) -> None:
        """With how many decisions there are of the frame."""
        self.told.append(f"{pool.id}: {event.type}, {ignored}, {len(step.decisions)} decisions")

    def time_passed(self, pool: Pool, step: Step) -> None:
        """Likewise."""
        self.told.append(f"{pool.id}: time, {len(step.decisions)} decisions")


def test_a_observer_is_told_before_each_offer_and_after_each_step() -> None:
    """In pools that are there when it comes, and in those that come later."""
    notes = Notes()
    engine = Engine(0)
    engine.apply(Frame(0, START, 0, [event("request-chat", agent_id="ana")]))
    engine.watch(notes)
    engine.apply(
        Frame(
            1,
            START,
            0,
            [
                event("chat-arrival", chat_id="c1"),
                event("chat-arrival", chat_id="c1"),
                event("chat-arrival", "new", chat_id="c2"),
            ],
        )
    )
    engine.apply(Frame(2, START + 15_000, 15_000, []))
    assert notes.told == [
        "default: offering c1 to ana for manual: waiting, 1 requests, 0 sessions",
        "default: chat-arrival, None, 2 decisions",
        "default: chat-arrival, already-open, 2 decisions",
        "new: chat-arrival, None, 3 decisions",
        "default: time, 3 decisions",
    ]
