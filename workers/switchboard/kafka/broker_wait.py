"""Retries of the steps of a start, for up to `broker_wait_seconds`.

A broker that has just died counts as alive until its session runs out (9 s with Kafka's defaults). Only then do its
partitions and groups move to another broker; until then single requests fail though the cluster answers. A step of a
start therefore never treats the refusal of one broker as the absence of the cluster.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
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
from switchboard.kafka.bootstrap_servers import Probe, probe, refusal_among
from switchboard.kafka.clients import Connection, admin, in_words, options

log = logging.getLogger(__name__)

Done = TypeVar("Done")

DEFAULT_SECONDS: Final = 15.0
"""Time for a step. A cluster with Kafka's defaults has replaced a broker that died after 9 s."""

_FROM_BROKERS: Final = (KafkaError, TimeoutError, ConnectionError, BrokerAwayError, LedgerLostError, RestoreError)
"""Errors that may come from a broker; `may_pass` looks at their causes too. Any other error ends the start at once, but
for a MissingBrokersError, which `BrokerWait.retry` retries."""

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
"""Errors that a retry may overcome, besides those that aiokafka marks as retriable."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The times of a wait, in seconds."""

    first_pause: float = 0.25
    """Between the first two attempts; each later pause is twice as long."""
    longest_pause: float = 1.0
    quiet: float = 1.0
    """A shorter wait is not logged."""
    probe: float = 1.0
    """Of each probe of the bootstrap servers. A broker answers within milliseconds."""
    unanswered: float = 3.0
    """After this time an answer counts as missing. A record is acknowledged within milliseconds, under load within a
    second or two; a group of one router is joined within 0.1 s."""


def may_pass(error: BaseException) -> bool:
    """True if a retry may succeed: a broker is away, or the brokers are electing leaders.

    False for rights, log-ins, versions, settings, missing topics and a fenced producer.
    """
    if isinstance(error, FencedError) or not isinstance(error, _FROM_BROKERS):
        return False
    return any(
        isinstance(each, _PASSING) or (isinstance(each, KafkaError) and each.retriable) for each in _causes(error)
    )


class BrokerWait:
    """Runs each step of a start until the step succeeds or the time is over.

    Args:
        conn: the cluster.
        seconds: the time for each step, retries included.
        report: called with a sentence each time the reason for the wait changes; by default a warning in the log.
        pace: the pauses between attempts, and the length of each probe.
    """

    def __init__(
        self,
        conn: Connection,
        seconds: float = DEFAULT_SECONDS,
        report: Callable[[str], object] = log.warning,
        pace: Pace = Pace(),
    ) -> None:
        self.conn = conn
        self._seconds = seconds
        self._report = report
        self._pace = pace
        self._reported = ""

    @property
    def waiting_for(self) -> str:
        """The reason for the present wait, as a sentence; empty while no attempt has failed."""
        return self._reported

    async def retry(self, doing: str, step: Callable[[], Awaitable[Done]], *, long: bool = False) -> Done:
        """Call `step` until it succeeds, and return its result.

        Args:
            doing: the name of the step in messages, such as "looking at the topics".
            step: one attempt. Two attempts must have the same effect as one.
            long: an attempt may take longer than the wait although all brokers answer, for example one that reads a
                topic. The deadline then applies until a broker answers; after that the step must end by itself.

        Raises:
            BrokerAwayError: the step still failed when the time was over. The message names the brokers that are away.
            SecurityError: every broker refuses the connection, and waiting would not help.
            Exception: any error of the step that no retry can overcome.
        """
        began = time.monotonic()
        until = began + self._seconds
        pause = self._pace.first_pause
        failed: Exception | None = None
        while True:
            # 1. Try. Errors that can't pass by themselves end the wait.
            try:
                async with asyncio.timeout(until - time.monotonic()) as deadline:
                    if long:
                        await any_answers(self.conn)
                        deadline.reschedule(None)
                    done: Done = await step()
            except Exception as error:
                if not (may_pass(error) or isinstance(error, MissingBrokersError)):
                    raise
                # If the deadline cuts this attempt off, the error of the attempt before says more.
                if failed is None or not deadline.expired():
                    failed = error
            else:
                self._reported = ""
                return done
            # 2. Find out which brokers are away.
            probes = await self._probe(failed)
            now = time.monotonic()
            if now >= until:
                raise self._given_up(doing, failed, probes) from failed
            # 3. Report the reason, and pause.
            if now - began > self._pace.quiet:
                self._report_wait(f"{doing} failed: {in_words(failed)}", probes)
            await asyncio.sleep(min(pause, until - now))
            pause = min(self._pace.longest_pause, 2 * pause)

    async def watch(self, waiting: str, answer: Awaitable[Done]) -> Done:
        """Await `answer` without a deadline, and report the brokers that are away meanwhile.

        Args:
            waiting: the reason in messages, such as "what was sent is not acknowledged".
            answer: cancelled if this call is cancelled.
        """
        task = asyncio.ensure_future(answer)
        try:
            while not (await asyncio.wait({task}, timeout=self._pace.unanswered))[0]:
                self._report_wait(waiting, await probe(options(self.conn), self._pace.probe))
        finally:
            task.cancel()
        self._reported = ""
        return task.result()

    async def expect(self, doing: str, answer: Awaitable[Done]) -> Done:
        """Await a step of a start that retries by itself, such as joining a group.

        There is no deadline while all bootstrap servers answer: the step then waits for something else, for example
        for another member of the group.

        Args:
            doing: the name of the step in messages, such as "joining group routers".
            answer: cancelled if this call is cancelled.

        Raises:
            BrokerAwayError: brokers are away, and there was no answer when the time was over.
        """
        task = asyncio.ensure_future(answer)
        until = time.monotonic() + self._seconds
        pause = min(self._pace.unanswered, self._seconds)
        try:
            while not (await asyncio.wait({task}, timeout=pause))[0]:
                probes = await probe(options(self.conn), self._pace.probe)
                now = time.monotonic()
                if _away(probes) and now >= until:
                    raise self._given_up(doing, TimeoutError(), probes)
                if _away(probes):
                    self._report_wait(f"{doing} is not done", probes)
                    pause = min(self._pace.unanswered, until - now)
        finally:
            task.cancel()
        self._reported = ""
        return task.result()

    async def _probe(self, failed: Exception) -> list[Probe]:
        """Probe the bootstrap servers after a failed attempt.

        Raises:
            SecurityError: every server refuses the connection, and waiting would not help.
            MissingBrokersError: the cluster needs more brokers, although every bootstrap server answers.
        """
        probes = await probe(options(self.conn), self._pace.probe)
        refused = refusal_among(probes)
        if refused is not None and refused.sure and not any(each.answers for each in probes):
            raise SecurityError(refused.message) from failed
        if isinstance(failed, MissingBrokersError) and not _away(probes):
            raise failed
        return probes

    def _report_wait(self, why: str, probes: Sequence[Probe]) -> None:
        """Report the reason for the wait if it differs from the last report."""
        sentence = f"waiting for {_listed(_away(probes)) or 'the brokers'}"
        if any(each.answers for each in probes):
            sentence += f", since {why}"
        if sentence != self._reported:
            self._reported = sentence
            self._report(sentence)

    def _given_up(self, doing: str, failed: Exception, probes: Sequence[Probe]) -> BrokerAwayError:
        """The error of a step that never succeeded.

        Raises:
            UnknownTopicOrPartitionError: the step failed with it. The topic is missing, and no broker is away.
        """
        if isinstance(failed, UnknownTopicOrPartitionError):
            raise failed
        waited = f"waited {self._seconds:g} s"
        if not any(each.answers for each in probes):
            refused = refusal_among(probes)
            hint = "is it running, are bootstrap_servers and the security settings right?"
            return BrokerAwayError(
                f"no broker answers at {self.conn.bootstrap} ({self.conn.security_protocol}; {waited}): "
                f"{hint if refused is None else refused.message}",
            )
        away = _away(probes)
        if not away:
            return BrokerAwayError(
                f"the brokers at {self.conn.bootstrap} answer, and {doing} still failed ({waited}): {in_words(failed)}"
            )
        return BrokerAwayError(
            f"{_listed(away)} {'is' if len(away) == 1 else 'are'} away, and {doing} failed ({waited}): "
            f"{in_words(failed)}; start what is away, or wait longer with broker_wait_seconds"
        )


async def any_answers(conn: Connection) -> None:
    """Return as soon as a broker answers.

    Raises:
        KafkaConnectionError: no broker answers.
    """
    client = admin(conn)
    try:
        await client.start()
    finally:
        await client.close()


def _away(probes: Sequence[Probe]) -> list[str]:
    """Addresses of the bootstrap servers that do not answer, each with the reason in brackets."""
    return [
        f"{each.address} ({each.silence or (each.refusal.message if each.refusal else '')})"
        for each in probes
        if not each.answers
    ]


def _listed(names: Sequence[str]) -> str:
    """The names as in `a, b and c`; empty without any."""
    return " and ".join(each for each in (", ".join(names[:-1]), *names[-1:]) if each)


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error, its cause, the cause of that, and so on."""
    while error is not None:
        yield error
        error = error.__cause__
