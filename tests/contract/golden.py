"""The golden samples in `schemas/samples`, and the contract's tables of fields as the tests hold the schemas to."""

from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Protocol

import orjson

from switchboard.journal.schemas import load, root


class Sample(NamedTuple):
    """One line of a file of samples."""

    name: str
    """The schema's name."""
    line: int
    body: Any

    def __str__(self) -> str:
        return f"{self.name}:{self.line}"


def sample_files(kind: str) -> list[Path]:
    """The files of `good` or `bad` samples, a file per schema, in the order of their names."""
    return sorted((root() / "samples").glob(f"*.{kind}.jsonl"))


def file_id(file: Path) -> str:
    """The schema's name, which names the test of a file of samples."""
    return file.name.partition(".")[0]


def samples_in(file: Path) -> list[Sample]:
    """All samples of a file."""
    lines = file.read_bytes().splitlines()
    return [Sample(file_id(file), number, orjson.loads(line)) for number, line in enumerate(lines, start=1)]


def samples(kind: str) -> list[Sample]:
    """All `good` or `bad` samples, in the order of their files."""
    return [sample for file in sample_files(kind) for sample in samples_in(file)]


class Refusal(Protocol):
    """A reason with a detail: a fault of a value, or a record that is no event."""

    @property
    def reason(self) -> str:
        """The reason, as in the header of a dead letter."""

    @property
    def detail(self) -> str:
        """JSON Pointer and rule, then a message."""


def differences(bad: Iterable[Sample], check: Callable[[Sample], Refusal | None]) -> dict[str, str]:
    """Compare the refusal of each bad sample with the reason and the detail of the sample's line.

    Returns:
        The difference, by the name of the sample; empty where all refusals are as the samples say.
    """
    found: dict[str, str] = {}
    for sample in bad:
        reason, detail = sample.body["reason"], sample.body["detail"] + ": "
        refusal = check(sample)
        if refusal is None:
            found[str(sample)] = f"accepted; expected {reason}, {detail}"
        elif refusal.reason != reason or not refusal.detail.startswith(detail) or not refusal.detail.isprintable():
            found[str(sample)] = f"{refusal.reason}, {refusal.detail!r}; expected {reason}, {detail}"
    return found


PATHS = {PurePosixPath(path).stem: path for path in load()}
"""Where each schema stands, by its name."""

EVENT_FIELDS: dict[str, tuple[set[str], set[str]]] = {
    "chat-arrival": ({"chat_id"}, {"queue", "arrived_at", "attributes", "pool"}),
    "chat-accepted": ({"chat_id", "agent_id"}, {"offer_id", "accepted_at", "pool"}),
    "request-chat": ({"agent_id"}, {"request_id", "requested_at", "profile", "pool"}),
    "request-cancelled": ({"agent_id"}, {"pool"}),
    "chat-declined": ({"chat_id", "agent_id"}, {"offer_id", "pool"}),
    "chat-abandoned": ({"chat_id"}, {"pool"}),
    "chat-concluded": ({"chat_id"}, {"agent_id", "by", "pool"}),
    "chat-released": ({"chat_id"}, {"agent_id", "pool"}),
    "chat-transferred": ({"chat_id"}, {"to_queue", "to_agent", "pool"}),
    "agent-logged-in": ({"agent_id"}, {"profile", "status", "mode", "max_sessions", "pool"}),
    "agent-logged-out": ({"agent_id"}, {"pool"}),
    "agent-absent": ({"agent_id"}, {"pool"}),
    "agent-present": ({"agent_id"}, {"pool"}),
    "agent-lost": ({"agent_id"}, {"pool"}),
    "agent-heartbeat": ({"agent_id"}, {"pool"}),
    "agent-status-changed": ({"agent_id", "status"}, {"reason", "pool"}),
    "agent-capacity-changed": ({"agent_id"}, {"max_sessions", "mode", "pool"}),
    "pool-configured": ({"pool", "config"}, set()),
}
"""What each event requires and what else it may hold. Required fields never change; others may be added."""

_OFFER = ("offer_id", "chat_id", "agent_id", "queue")

DECISION_FIELDS: dict[str, tuple[str, ...]] = {
    "chat-queued": ("chat_id", "queue", "arrived_at"),
    "chat-assigned": (
        *_OFFER,
        *("profile", "mode", "origin", "arrived_at", "requested_at", "expires_at"),
        *("waited_seconds", "attempt", "sessions", "max_sessions", "why"),
    ),
    "assignment-confirmed": (*_OFFER, "automatic", "seconds_to_accept"),
    "assignment-ended": (*_OFFER, "reason"),
    "chat-requeued": ("chat_id", "queue", "reason"),
    "chat-wrapping": ("chat_id", "agent_id", "queue"),
    "chat-closed": ("chat_id", "queue", "agent_id", "reason"),
    "chat-requested": ("agent_id", "request_id", "requested_at", "origin"),
    "request-rejected": ("agent_id", "request_id", "reason"),
    "accept-rejected": ("chat_id", "agent_id", "offer_id", "reason"),
    "decline-rejected": ("chat_id", "agent_id", "offer_id", "reason"),
    "transfer-rejected": ("chat_id", "to_queue", "to_agent", "reason"),
    "agent-made-unavailable": ("agent_id", "reason"),
}
"""Each decision's fields after id, type, pool and at, in the order in which they stand."""

ROW_FIELDS: dict[str, tuple[str, ...]] = {
    "agent-capacity": (
        *("agent_id", "pool", "profile", "mode", "status", "max_sessions", "sessions", "free", "request"),
        "engine",
    ),
    "open-chats": ("chat_id", "pool", "queue", "stage", "arrived_at", "agent_id", "offer_id", "attempt", "engine"),
}
"""Each row's fields, in the order in which they stand."""
