"""How long a start waits for brokers: its steps are tried again until they succeed or `broker_wait_seconds` are over.

A broker that has just died is known to the others as alive until its session there runs out (9 s with Kafka's
defaults), and what it led or coordinated is with another broker only after that. Until then single requests fail though
the cluster is there. So no step of a start takes one broker's refusal for the absence of the cluster.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, TypeVar

from aiokafka.errors import (
    BrokerNotAvailableError,
    ConcurrentTransactions,
    KafkaError,
    KafkaTimeoutError,
    KafkaUnavailableError,
    ReplicaNotAvailableError,
    UnknownTopicOrPartitionError,
)

from switchboard.kafka.clients import BrokerAwayError, Connection, options
from switchboard.kafka.ledger import FencedError, LedgerLostError
from switchboard.kafka.refusals import Knock, SecurityError, knock, refusal_among
from switchboard.kafka.restore import RestoreError
from switchboard.kafka.wording import in_words

log = logging.getLogger(__name__)

Done = TypeVar("Done")

DEFAULT_SECONDS: Final = 15.0
"""Longer than the 9 s after which a cluster with Kafka's defaults has replaced a broker that died."""
FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 1.0
KNOCK_SECONDS: Final = 1.0
"""For each look at which brokers answer: one that is there answers within milliseconds."""

_FROM_BROKERS: Final = (KafkaError, TimeoutError, ConnectionError, BrokerAwayError, LedgerLostError, RestoreError)
"""Errors that may come from a broker; what they were raised from is looked at too. All others are for a human."""

_PASSING: Final = (
    BrokerAwayError,
    BrokerNotAvailableError,
    ConcurrentTransactions,
    ConnectionError,
    KafkaTimeoutError,
    KafkaUnavailableError,
    ReplicaNotAvailableError,
    TimeoutError,
)
"""Errors that pass by themselves, besides those that aiokafka calls retriable."""


class MissingBrokersError(Exception):
    """A request that fails because the cluster has too few brokers now: it may pass only where some are away."""


def may_pass(error: BaseException) -> bool:
    """Whether an error may pass by itself: a broker is away, or the brokers are choosing who leads.

    Rights, log-ins, versions, settings, topics that are missing and a producer that was fenced do not.
    """
    if isinstance(error, FencedError) or not isinstance(error, _FROM_BROKERS):
        return False
    return any(
        isinstance(each, _PASSING) or (isinstance(each, KafkaError) and each.retriable) for each in _causes(error)
    )


class BrokerWait:
    """Runs the steps of a start, each again and again until it succeeds.

    Args:
        conn: the cluster.
        seconds: how long each step may take, its repetitions included.
        say: is told what is waited for, each time that it changes; a warning in the log unless given.
    """

    def __init__(
        self, conn: Connection, seconds: float = DEFAULT_SECONDS, say: Callable[[str], object] = log.warning
    ) -> None:
        self.conn = conn
        self._seconds = seconds
        self._say = say
        self._said = ""

    @property
    def waiting_for(self) -> str:
        """What the step under way waits for; empty while nothing failed."""
        return self._said

    async def retry(self, doing: str, step: Callable[[], Awaitable[Done]], *, long: bool = False) -> Done:
        """What a step gives, once it succeeds.

        Args:
            doing: names the step in messages, such as "looking at the topics".
            step: called for each attempt. It must not do harm when it is done twice.
            long: an attempt may take longer than the wait though all brokers answer, such as one that reads a topic: it
                is not cut short, and where it fails after that the wait begins only then. It must end by itself.

        Raises:
            BrokerAwayError: it still failed when the wait was over; the message names the brokers that are away.
            SecurityError: no broker lets us in, and waiting would not help.
            Exception: whatever the step raises that does not pass by itself.
        """
        until = time.monotonic() + self._seconds
        pause = FIRST_PAUSE_SECONDS
        failed: Exception | None = None
        while True:
            began = time.monotonic()
            try:
                async with asyncio.timeout(None if long else until - began):
                    done: Done = await step()
            except MissingBrokersError as error:
                failed = error
            except Exception as error:
                if not may_pass(error):
                    raise
                # An attempt that was cut short tells less than the one before.
                if failed is None or not isinstance(error, TimeoutError):
                    failed = error
            else:
                self._said = ""
                return done
            if time.monotonic() - began > self._seconds:
                until = time.monotonic() + self._seconds
            await self._look(doing, failed, until)
            if time.monotonic() + pause > until:
                raise await self._given_up(doing, failed) from failed
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE_SECONDS, 2 * pause)

    async def _look(self, doing: str, failed: Exception, until: float) -> None:
        """See which brokers answer, and say so where it is not what was said before."""
        left = max(0.1, until - time.monotonic())
        knocks = await knock(options(self.conn), min(KNOCK_SECONDS, left))
        if not any(each.answers for each in knocks):
            refused = refusal_among(knocks)
            if refused is not None and refused.sure:
                raise SecurityError(refused.told) from failed
        away = _away(knocks)
        if isinstance(failed, MissingBrokersError) and not away:
            raise failed
        said = f"{doing} waits for {', '.join(away) if away else 'the brokers'}: {in_words(failed)}"
        if said != self._said:
            self._said = said
            self._say(said)

    async def _given_up(self, doing: str, failed: Exception) -> Exception:
        if isinstance(failed, UnknownTopicOrPartitionError):
            raise failed
        knocks = await knock(options(self.conn), KNOCK_SECONDS)
        waited = f"waited {self._seconds:g} s"
        if not any(each.answers for each in knocks):
            refused = refusal_among(knocks)
            hint = "is it running, are bootstrap_servers and the security settings right?"
            return BrokerAwayError(
                f"no broker answers at {self.conn.bootstrap} ({self.conn.security_protocol}; {waited}): "
                f"{hint if refused is None else refused.told}",
            )
        away = _away(knocks)
        if not away:
            return BrokerAwayError(
                f"the brokers at {self.conn.bootstrap} answer, and {doing} still failed ({waited}): {in_words(failed)}"
            )
        return BrokerAwayError(
            f"{_listed(away)} {'is' if len(away) == 1 else 'are'} away, and without that {doing} failed ({waited}): "
            f"{in_words(failed)}; start what is away, or give it longer with broker_wait_seconds"
        )


def _away(knocks: Sequence[Knock]) -> list[str]:
    """The bootstrap servers that do not answer, each with the reason."""
    return [
        f"{each.address} ({each.silence or (each.refusal.told if each.refusal else '')})"
        for each in knocks
        if not each.answers
    ]


def _listed(names: Sequence[str]) -> str:
    return " and ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else names[0]


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__
