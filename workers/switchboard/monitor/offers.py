"""The latest offers and what became of each: what the wallboard's stream of assignments shows."""

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any, Final

from switchboard.monitor.decisions import Decided
from switchboard.monitor.words import why_words

MOST_OFFERS: Final = 100

SHOWN: Final = ("offer_id", "pool", "at", "chat_id", "agent_id", "queue", "profile", "mode", "origin", "waited_seconds")


@dataclass(slots=True)
class Offers:
    """The last MOST_OFFERS offers by id, in the order in which they were made."""

    latest: OrderedDict[str, dict[str, Any]] = field(default_factory=OrderedDict)
    """Each as it is served. One that changes is put in anew, never changed: who holds it may compare."""

    def take(self, decided: Decided) -> None:
        """Keep an offer, or how one ended."""
        fields = decided.fields
        match fields["type"]:
            case "chat-assigned":
                shown = {name: fields[name] for name in SHOWN}
                why = fields["why"] | {"words": why_words(fields)}
                self.latest[fields["offer_id"]] = shown | {"why": why, "outcome": None, "ended_at": None}
                while len(self.latest) > MOST_OFFERS:
                    self.latest.popitem(last=False)
            case "assignment-confirmed":
                self._end(fields, "accepted-by-itself" if fields["automatic"] else "accepted")
            case "assignment-ended":
                self._end(fields, fields["reason"])
            case _:
                pass

    def _end(self, fields: dict[str, Any], outcome: str) -> None:
        offer = self.latest.get(fields["offer_id"])
        if offer is not None:
            self.latest[fields["offer_id"]] = offer | {"outcome": outcome, "ended_at": fields["at"]}
