"""Service time: how much of it has passed since the frame before (architecture: "Frame")."""

from typing import Final

LONGEST_MS: Final = 2000
"""The most that one frame lets pass: a router that was stopped for an hour catches up on no timers."""
COMMIT_AGE_SECONDS: Final = 2.0
MISSED_SECONDS: Final = 30.0
"""A shard that can commit nothing is opened again within this."""


class ServiceTime:
    """Runs while the router is caught up, and stands still while it is not.

    So after an outage of the router or the bus no offer has expired that nobody could see or accept, and no agent is
    switched off for it. Times given are monotonic, in s.
    """

    def __init__(self) -> None:
        self._last: float | None = None
        self._committed: float | None = None
        self.stopped = 0.0
        """Seconds that did not count though some timer was pending, in all."""

    def reopened(self, now: float) -> None:
        """The shard was opened: its first frame lets no time pass, and what passed since the frame before is missed.

        At most `MISSED_SECONDS` are told of it: after a long outage that is over no alert is due.
        """
        self._committed = None
        if self._last is not None:
            self._last = max(self._last, now - MISSED_SECONDS)

    def committed(self, now: float) -> None:
        """A commit was made."""
        self._committed = now

    def stands(self, now: float, *, read_to_end: bool) -> bool:
        """Whether it stands still, the router being not caught up."""
        return not read_to_end or self._committed is None or now - self._committed > COMMIT_AGE_SECONDS

    def run(self, now: float, *, read_to_end: bool, pending: bool = True) -> int:
        """Ms of service time from the frame before to the one that is made now; 0 for a shard's first.

        Args:
            now: the time.
            read_to_end: whether every source was read to its end just now.
            pending: whether a timer was pending since the frame before. With none no frame was made, and what did not
                count was missed by nobody.
        """
        last, self._last = self._last, now
        if last is None:
            return 0
        passed = now - last
        stands = self.stands(now, read_to_end=read_to_end)
        run = 0 if stands else min(int(passed * 1000), LONGEST_MS)
        if stands or run == LONGEST_MS:
            self.stopped += passed - run / 1000 if pending else 0.0
            return run
        self._last = last + run / 1000  # what is less than a ms counts with the next frame
        return run
