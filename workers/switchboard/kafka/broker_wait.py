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

from switchboard.errors import (
    BrokerAwayError,
    FencedError,
    LedgerLostError,
    MissingBrokersError,
    RestoreError,
    SecurityError,
)
from switchboard.kafka.bootstrap_servers import Knock, knock, refusal_among
from switchboard.kafka.clients import Connection, admin, in_words, options

log = logging.getLogger(__name__)

Done = TypeVar("Done")

DEFAULT_SECONDS: Final = 15.0
"""Longer than the 9 s after which a cluster with Kafka's defaults has replaced a broker that died."""
FIRST_PAUSE_SECONDS: Final = 0.25
LONGEST_PAUSE_SECONDS: Final = 1.0
QUIET_SECONDS: Final = 1.0
"""What is over within so long is not worth a line."""
UNANSWERED_SECONDS: Final = 3.0
"""A record is acknowledged within milliseconds, under load within a second or two."""
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
            step: called for each attempt. It must do no harm when it is done twice.
            long: an attempt may take longer than the wait though all brokers answer, such as one that reads a topic.
                Only until a broker answers it is cut short then; it must end by itself.

        Raises:
            BrokerAwayError: it still failed when the wait was over; the message names the brokers that are away.
            SecurityError: no broker lets us in, and waiting would not help.
            Exception: whatever the step raises that does not pass by itself.
        """
        began = time.monotonic()
        until = began + self._seconds
        pause = FIRST_PAUSE_SECONDS
        failed: Exception | None = None
        while True:
            try:
                async with asyncio.timeout(until - time.monotonic()) as cut:
                    if long:
                        await any_answers(self.conn)
                        cut.reschedule(None)
                    done: Done = await step()
            except Exception as error:
                if not (may_pass(error) or isinstance(error, MissingBrokersError)):
                    raise
                # An attempt that was cut short tells less than the one before.
                if failed is None or not cut.expired():
                    failed = error
            else:
                self._said = ""
                return done
            knocks = await self._knock(failed)
            now = time.monotonic()
            if now >= until:
                raise self._given_up(doing, failed, knocks) from failed
            if now - began > QUIET_SECONDS:
                self._tell(f"{doing} failed: {in_words(failed)}", knocks)
            await asyncio.sleep(min(pause, until - now))
            pause = min(LONGEST_PAUSE_SECONDS, 2 * pause)

    async def watch(self, waiting: str, answer: Awaitable[Done]) -> Done:
        """An answer that is waited for without end; which brokers are away is said while it does not come.

        Args:
            waiting: what is missing, in messages, such as "what was sent is not acknowledged".
            answer: is not cut short, and is cancelled with us.
        """
        task = asyncio.ensure_future(answer)
        try:
            while not (await asyncio.wait({task}, timeout=UNANSWERED_SECONDS))[0]:
                self._tell(waiting, await knock(options(self.conn), KNOCK_SECONDS))
        finally:
            task.cancel()
        self._said = ""
        return task.result()

    async def _knock(self, failed: Exception) -> list[Knock]:
        """Which bootstrap servers answer.

        Raises:
            SecurityError: none lets us in, and waiting would not help.
            MissingBrokersError: more brokers are needed than there are, though none of those that we know is away.
        """
        knocks = await knock(options(self.conn), KNOCK_SECONDS)
        refused = refusal_among(knocks)
        if refused is not None and refused.sure and not any(each.answers for each in knocks):
            raise SecurityError(refused.told) from failed
        if isinstance(failed, MissingBrokersError) and not _away(knocks):
            raise failed
        return knocks

    def _tell(self, why: str, knocks: Sequence[Knock]) -> None:
        """Say what is waited for, where it is not what was said before."""
        said = f"waiting for {_listed(_away(knocks)) or 'the brokers'}"
        if any(each.answers for each in knocks):
            said += f", since {why}"
        if said != self._said:
            self._said = said
            self._say(said)

    def _given_up(self, doing: str, failed: Exception, knocks: Sequence[Knock]) -> BrokerAwayError:
        if isinstance(failed, UnknownTopicOrPartitionError):
            raise failed
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
            f"{_listed(away)} {'is' if len(away) == 1 else 'are'} away, and {doing} failed ({waited}): "
            f"{in_words(failed)}; start what is away, or wait longer with broker_wait_seconds"
        )


async def any_answers(conn: Connection) -> None:
    """Return if a broker answers.

    Raises:
        KafkaConnectionError: none does.
    """
    client = admin(conn)
    try:
        await client.start()
    finally:
        await client.close()


def _away(knocks: Sequence[Knock]) -> list[str]:
    """The bootstrap servers that do not answer, each with the reason."""
    return [
        f"{each.address} ({each.silence or (each.refusal.told if each.refusal else '')})"
        for each in knocks
        if not each.answers
    ]


def _listed(names: Sequence[str]) -> str:
    return " and ".join(each for each in (", ".join(names[:-1]), *names[-1:]) if each)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error, and what it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__
