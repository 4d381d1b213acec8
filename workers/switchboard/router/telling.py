"""What is logged of a commit: dead letters without what is in them, and at debug who was decided on."""

import logging

from switchboard.domain.engine import Outcome
from switchboard.journal.codec import BadInput
from switchboard.kafka.library_logs import Thinned
from switchboard.kafka.merged_reader import Taken

log = logging.getLogger(__name__)

set_aside = logging.getLogger("switchboard.dead-letter")
set_aside.addFilter(Thinned(by_text=True))  # a producer gone wrong sends thousands a second; reasons are few


def tell(shard: int, taken: list[Taken], outcome: Outcome | None) -> None:
    """Log what has become visible.

    Args:
        shard: whose it is.
        taken: the records that it was made of.
        outcome: what was decided on them, if they made a frame.
    """
    detailed = log.isEnabledFor(logging.DEBUG)
    for each in taken:
        if not isinstance(each.what, BadInput):
            continue
        record = each.record
        place = {"shard": shard, "topic": record.topic, "partition": record.partition, "offset": record.offset}
        set_aside.warning("set aside on dead-letter: %s", each.what.reason, extra=place)
        if detailed:
            log.debug("set aside on dead-letter: %s: %s", each.what.reason, each.what.detail, extra=place)
    if detailed and outcome is not None:
        for decision in outcome.decisions:
            log.debug("decided: %s", decision, extra={"shard": shard})
