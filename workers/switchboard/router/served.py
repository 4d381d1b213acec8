"""A shard from when this router is assigned it until it is given up, through each time it is opened again.

It tells whoever asks how it stands: the state and the last frame, and in a sentence what is amiss.
"""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Final, Literal

from switchboard.router.shard import STUCK_SECONDS, Shard, Standing

STALLED_SECONDS: Final = 120.0
"""A broker answers and the shard does not go on: one restore takes 90 s at most."""

State = Literal["serving", "being restored", "waiting", "stuck", "stopped"]


@dataclass(slots=True)
class Served:
    """A shard that this router is to serve. Times are monotonic, in s."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None
    shard: Shard | None = None
    """While it is open."""
    opening: bool = False
    stopped: str | None = None
    """Why it is served no more, though it is ours: a human must look."""
    trouble: str | None = None
    """Why it was closed last, until it goes on."""
    standing: Standing = field(default_factory=Standing)
    _known: float = 0.0
    _since: float = field(default_factory=time.monotonic)
    """Since when the broker answers and yet the shard has not gone on."""

    def look(self, now: float, *, broker_answers: bool) -> None:
        """Note whether it goes on; to be called about once a second."""
        went_on, self._known = self.standing.progress > self._known, self.standing.progress
        if went_on or not broker_answers:
            self._since = now
        if went_on and self.shard is not None:
            self.trouble = None

    @property
    def is_stalled(self) -> bool:
        """Whether it has not gone on for long, however often it was opened, and a broker answered all the time."""
        return time.monotonic() - self._since > STALLED_SECONDS

    @property
    def state(self) -> State:
        """In a word or two."""
        if self.stopped is not None:
            return "stopped"
        if self.shard is not None:
            return "stuck" if self.shard.is_stuck else "serving"
        return "being restored" if self.opening or self.trouble is None else "waiting"

    @property
    def wrong(self) -> str | None:
        """What a human is to look at, as the end of a sentence about the shard; None while there is nothing."""
        match self.state:
            case "stopped":
                return f"stopped for a human: {self.stopped}"
            case "stuck":
                return (
                    f"is stuck: the broker answers and there is lag, and nothing was committed for {STUCK_SECONDS:g} s"
                )
            case _ if self.is_stalled:
                return f"has not gone on for {STALLED_SECONDS:g} s though the broker answers" + self._cause()
        return None

    @property
    def amiss(self) -> str | None:
        """What keeps it from being served now, or is wrong, likewise; None while all is well."""
        if (wrong := self.wrong) is not None:
            return wrong
        match self.state:
            case "being restored":
                return f"is being restored{self._cause()}"
            case "waiting":
                return f"waits to be opened again{self._cause()}"
        return None

    def told(self) -> dict[str, object]:
        """For whoever asks."""
        frame = self.standing.frame
        return {"state": self.state, "last_frame": frame if frame >= 0 else "no frame yet"}

    def _cause(self) -> str:
        return "" if self.trouble is None else f": {self.trouble}"
