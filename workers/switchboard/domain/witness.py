"""A witness: who wants to see a pool's state at the moment something is decided.

Routing has none, and pays one look at None for each event and each offer. Afterwards, over a recorded log, an
explanation of a decision is made of what a witness saw.
"""

from typing import TYPE_CHECKING, Protocol

from switchboard.domain.events import Event
from switchboard.domain.state import Agent, Chat, Request

if TYPE_CHECKING:
    from switchboard.domain.pool import Pool


class Witness(Protocol):
    """Told of what happens in a pool, while it happens. It may look at everything, and must change nothing."""

    def offering(self, pool: "Pool", agent: Agent, chat: Chat, request: Request | None) -> None:
        """An offer is about to be made (R9), for this request or, by transfer, for none; nothing has changed yet."""

    def happened(self, pool: "Pool", event: Event, ignored: str | None) -> None:
        """An event has happened and all that follows from it is settled (R3); `ignored` says why it changed nothing."""

    def time_passed(self, pool: "Pool") -> None:
        """A timer has fired and all that follows from it is settled."""
