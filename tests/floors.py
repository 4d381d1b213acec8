"""Decisions as on the topic `assignment`, for tests."""

from datetime import UTC, datetime
from itertools import count
from typing import Any

import orjson

from switchboard.monitor.public_rows import DecisionRecord, decision_record

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC).timestamp()


def rfc3339(second: float, since: float = NOON) -> str:
    """The time `second` s after NOON, or after another time, as RFC 3339 text."""
    moment = datetime.fromtimestamp(since + second, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Floor:
    """Makes decisions about the chats of one pool, with ascending ids. Times are in s after `since`."""

    def __init__(self, pool: str = "default", since: float = NOON) -> None:
        self.pool = pool
        self._since = since
        self._frames = count(1)

    def rfc3339(self, second: float) -> str:
        """The time `second` s after `since`, as RFC 3339 text."""
        return rfc3339(second, self._since)

    def value(self, kind: str, second: float, **fields: Any) -> bytes:
        """The value of a published decision."""
        number = f"{self.pool}/0/{next(self._frames)}/0"
        head = {"id": number, "type": kind, "pool": self.pool, "at": self.rfc3339(second)}
        return orjson.dumps(head | fields)

    def made(self, kind: str, second: float, **fields: Any) -> DecisionRecord:
        """A decision as the monitor reads it."""
        return decision_record(self.value(kind, second, **fields))

    def queued(
        self, second: float, chat_id: str = "c1", queue: str = "sales", arrived: float | None = None
    ) -> DecisionRecord:
        """A chat arrives."""
        arrived_at = self.rfc3339(second if arrived is None else arrived)
        return self.made("chat-queued", second, chat_id=chat_id, queue=queue, arrived_at=arrived_at)

    def assigned(self, second: float, chat_id: str = "c1", queue: str = "sales", **fields: Any) -> DecisionRecord:
        """The chat is offered to ann."""
        usual = {
            "offer_id": f"offer-{chat_id}", "chat_id": chat_id, "agent_id": "ann", "queue": queue, "profile": "all",
            "mode": "push", "origin": "push", "arrived_at": self.rfc3339(0), "requested_at": self.rfc3339(0),
            "expires_at": self.rfc3339(second + 15), "waited_seconds": second, "attempt": 1, "sessions": 1,
            "max_sessions": 2,
            "why": {"policy": "first-due", "agent_order": "oldest-request", "waiting": 3, "requests": 1},
        }  # fmt: skip
        return self.made("chat-assigned", second, **(usual | fields))

    def confirmed(
        self, second: float, chat_id: str = "c1", queue: str = "sales", *, automatic: bool = False
    ) -> DecisionRecord:
        """The offer is accepted."""
        return self.made(
            "assignment-confirmed", second, offer_id=f"offer-{chat_id}", chat_id=chat_id, agent_id="ann", queue=queue,
            automatic=automatic, seconds_to_accept=2.0,
        )  # fmt: skip

    def ended(self, second: float, reason: str, chat_id: str = "c1", queue: str = "sales") -> DecisionRecord:
        """The offer ends without being accepted."""
        return self.made(
            "assignment-ended", second, offer_id=f"offer-{chat_id}", chat_id=chat_id, agent_id="ann", queue=queue,
            reason=reason,
        )  # fmt: skip

    def requeued(self, second: float, reason: str, chat_id: str = "c1", queue: str = "sales") -> DecisionRecord:
        """The chat waits again, or in another queue."""
        return self.made("chat-requeued", second, chat_id=chat_id, queue=queue, reason=reason)

    def closed(self, second: float, reason: str, chat_id: str = "c1", queue: str = "sales") -> DecisionRecord:
        """The chat closes."""
        return self.made("chat-closed", second, chat_id=chat_id, queue=queue, agent_id=None, reason=reason)
