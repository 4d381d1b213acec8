"""What a commit counts in the metrics, once it was made: a retry or a replay never counts twice."""

import time
from collections import Counter

from switchboard import metrics
from switchboard.contracts.codec import BadInput
from switchboard.domain.engine import Engine, Outcome
from switchboard.router.merging import Taken


def count(taken: list[Taken], outcome: Outcome | None) -> None:
    """Count what a commit has made visible."""
    now = time.time() * 1000
    events: Counter[str] = Counter()
    dead: Counter[str] = Counter()
    for each in taken:
        if isinstance(each.what, BadInput):
            dead[each.what.reason] += 1
        else:
            events[each.what.type] += 1
    metrics.EVENT_TO_DECISION.observe_all(
        [max(0.0, now - each.timestamp) / 1000 for each in taken if not isinstance(each.what, BadInput)]
    )
    for event_type, number in events.items():
        metrics.EVENTS.labels(event_type).inc(number)
    for reason, number in dead.items():
        metrics.DEAD_LETTERS.labels(reason).inc(number)
    if outcome is None:
        return
    for (pool, decision_type), number in Counter((each.pool, each.type) for each in outcome.decisions).items():
        metrics.DECISIONS.labels(pool, decision_type).inc(number)
    for (event_type, why), number in outcome.ignored.items():
        metrics.IGNORED.labels(event_type, why).inc(number)


def survey(engine: Engine) -> None:
    """Set the gauges that tell the state of the pools."""
    for pool in engine.pools.values():
        for queue, line in pool.waiting.items():
            metrics.QUEUE_DEPTH.labels(pool.id, queue).set(len(line.chats))
        statuses = Counter(
            "absent" if agent.absent else "available" if agent.available else "unavailable"
            for agent in pool.agents.values()
        )
        for status in ("available", "unavailable", "absent"):
            metrics.AGENTS.labels(pool.id, status).set(statuses[status])
