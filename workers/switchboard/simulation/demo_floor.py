"""The floor of the demo: two teams of six, recorded mornings at sixty times their pace."""

from importlib import resources
from pathlib import Path
from typing import Final

from switchboard.simulation.cast import Cast, Line, Post, agent_name
from switchboard.simulation.people import Behaviour

SPEED: Final = 60.0
"""About 120 chats an hour at that time of day: two a second."""
FROM_MINUTE: Final = 10 * 60

ROUTING_FILE: Final = Path(str(resources.files("switchboard.simulation") / "demo.toml"))

CAST: Final = Cast(
    lines=(
        Line("accounts", "retail", 3.0),
        Line("cards", "retail", 2.0),
        Line("gold", "business", 1.0),
        Line("standard", "business", 2.0),
    ),
    posts=tuple(
        Post(agent_name(number), "push", "retail", "retail-team")
        if number < 6
        else Post(agent_name(number), "pull", "business", "business-team")
        for number in range(12)
    ),
)

BEHAVIOUR: Final = Behaviour(
    # Offers take real time while patience runs sixty times as fast: customers wait half a real minute on average.
    patience_mean=1800.0,
    decline_chance=0.04,
    lapse_chance=0.02,
    # Within the half minute that most look at it, some agents go away and come back.
    work_mean=2400.0,
    break_mean=400.0,
)
