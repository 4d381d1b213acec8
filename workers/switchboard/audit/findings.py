"""What the auditor found: which rule, when, who, what was expected and what the log says instead."""

from dataclasses import dataclass, field
from typing import Any, Final

from switchboard.journal.printable_text import counted, printable

SHOWN: Final = 20
"""So many findings are kept to be shown; all are counted."""

IDS: Final = "ids"
"""In place of a rule's number: the contract of decision ids, POOL/SHARD/FRAME/N with N from 0 and no gap."""


@dataclass(slots=True, frozen=True)
class Finding:
    """One thing that is not as the rules have it."""

    rules: tuple[str, ...]
    """The invariant first, then the rule of the event or timer."""
    shard: int
    frame: int
    at: str
    """The journal's clock, RFC 3339."""
    place: str
    """Where the frame stands: `FILE:LINE`, or topic, partition and offset."""
    pool: str
    decision: str | None
    """The id of the decision that is wrong; None where one is missing."""
    chat_id: str | None
    agent_id: str | None
    expected: str
    found: str

    def line(self) -> str:
        """All of it for a human, on four lines and printable."""
        who = [f"pool {self.pool}"]
        who += [f"chat {self.chat_id}"] if self.chat_id is not None else []
        who += [f"agent {self.agent_id}"] if self.agent_id is not None else []
        which = f", decision {self.decision}" if self.decision is not None else ""
        lines = (
            f"{' '.join(self.rules)}: {', '.join(who)}",
            f"  when      frame {self.frame} of shard {self.shard}{which}, {self.at} ({self.place})",
            f"  expected  {self.expected}",
            f"  found     {self.found}",
        )
        return "\n".join(map(printable, lines))


@dataclass(slots=True)
class Report:
    """What was looked at, and what was found."""

    frames: int = 0
    events: int = 0
    decisions: int = 0
    offers: int = 0
    chats: int = 0
    """That were queued."""
    logins: int = 0
    """Of agents; one who logs in again counts again."""
    found: int = 0
    findings: list[Finding] = field(default_factory=list)
    """The first of them."""

    def add(self, *findings: Finding) -> None:
        """Count findings, and keep them while there are few."""
        self.found += len(findings)
        self.findings += findings[: SHOWN - len(self.findings)]

    def looked_at(self) -> str:
        """The figures in words."""
        return (
            f"{counted(self.frames, 'frame')}, {counted(self.events, 'event')}, {counted(self.decisions, 'decision')}, "
            f"{counted(self.offers, 'offer')}, {counted(self.logins, 'login')} of agents, {counted(self.chats, 'chat')}"
        )

    def as_data(self) -> dict[str, Any]:
        """All of it, as `--json` prints it."""
        counted = ("frames", "events", "decisions", "offers", "chats", "logins", "found")
        return {name: getattr(self, name) for name in counted} | {"findings": self.findings}
