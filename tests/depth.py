"""How many random examples tests take: few in `make unit`, all in `make properties`, which sets EVERY_EXAMPLE=1."""

import os
from typing import Final

EVERY_EXAMPLE: Final = bool(os.environ.get("EVERY_EXAMPLE"))


def examples(few: int, every: int) -> int:
    """The number of examples of this run."""
    return every if EVERY_EXAMPLE else few
