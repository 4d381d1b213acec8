"""All targets, and how a run is shared out among them."""

from typing import Any, Final

from tests.fuzz.dead_letters import DeadLetters
from tests.fuzz.decoder import Decoder
from tests.fuzz.record_batches import RecordBatches
from tests.fuzz.recorded_logs import RecordedLogs
from tests.fuzz.routing_files import RoutingFiles
from tests.fuzz.target import Target
from tests.fuzz.web_forms import WebForms

TARGETS: Final[dict[str, type[Target[Any]]]] = {
    each.name: each for each in (Decoder, DeadLetters, RecordBatches, RecordedLogs, RoutingFiles, WebForms)
}

SHARES: Final = {
    "decoder": 0.60,
    "dead-letters": 0.24,
    "record-batches": 0.06,
    "recorded-logs": 0.03,
    "routing-files": 0.03,
    "web-forms": 0.04,
}
"""Of all inputs, such that each target takes 3 to 5 minutes of a million: an input of the decoder costs 0.2 ms, one of
a file 6 ms."""
