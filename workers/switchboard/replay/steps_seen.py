"""Which decisions of a frame came of which event or timer."""

from switchboard.domain.decisions import Decision
from switchboard.domain.pool import Pool


class StepsSeen:
    """Remembers how far a frame's decisions were seen; one for all pools, for they share the frame's list."""

    def __init__(self) -> None:
        self._list: list[Decision] = []
        self._seen = 0

    def made(self, pool: Pool) -> list[Decision]:
        """The decisions made since this was last asked: those of the step that has just been settled."""
        decisions = pool.decisions
        if decisions is not self._list:
            self._list, self._seen = decisions, 0
        made = decisions[self._seen :]
        self._seen = len(decisions)
        return made
