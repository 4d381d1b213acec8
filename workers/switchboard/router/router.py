"""A router process: serves the shards that the group assigns, or stands by while none is assigned."""

import asyncio
import contextlib
import logging
import os
import time
from typing import Any, Final, assert_never

from aiokafka.errors import KafkaError

from switchboard import metrics
from switchboard.domain.rows import OtherFormatError
from switchboard.errors import (
    BrokerAwayError,
    FencedTooOftenError,
    LedgerLostError,
    NoStartError,
    NotAllowedError,
    OwnershipError,
    RouterError,
    SecurityError,
    SourceGoneError,
)
from switchboard.kafka.acl import denial, require_rights, router_rights
from switchboard.kafka.admin import Difference, require_topics
from switchboard.kafka.broker_wait import DEFAULT_SECONDS, BrokerWait
from switchboard.kafka.clients import unless_stopped
from switchboard.kafka.library_logs import Thinned
from switchboard.kafka.open_transactions import OpenTransactions, zero_of_monotonic
from switchboard.kafka.ownership import SESSION_TIMEOUT_MS, Ownership, members_of
from switchboard.kafka.topics import TopicPlan, routers_group
from switchboard.router.background_work import BrokenOffError, bounded
from switchboard.router.router_status import RouterStatus
from switchboard.router.served_shards import ServedShard, ServiceEnd
from switchboard.router.shard import RouterConfig, Shard
from switchboard.router.shard_history import ShardHistory, TimersFailedError

log = logging.getLogger(__name__)
reopening = logging.getLogger(f"{__name__}.reopening")
reopening.addFilter(Thinned(by_text=True, seconds=30.0))  # a broker may be away for a night

RETRY_SECONDS: Final = 1.0
"""Pause before a shard is opened again after an error."""
OPEN_SECONDS: Final = 90.0
"""Time to open a shard. A restore takes seconds, but waits up to 30 s for another producer's open transaction or for a
stalled reader."""
CLOSE_SECONDS: Final = 8.0
"""Time to close a shard. Its reader and its ledger have deadlines of their own, which aiokafka may not keep."""
STUCK_EXIT: Final = 70
"""Exit code of a router that ends itself because a shard is stuck; a supervisor starts it again."""


class Router:
    """Serves the shards that the group assigns, each in a task of its own (the `Shards` of `Ownership`).

    Args:
        config: for all shards.
        topics: the topics that the router needs.
        session_timeout_ms: time without a heartbeat after which the group gives the shards to other routers.
        broker_seconds: how long to wait at the start for a broker that is away.
        instance_id: the static id of the group's member; None: a new member at each start.
    """

    def __init__(
        self,
        config: RouterConfig,
        topics: TopicPlan,
        session_timeout_ms: int = SESSION_TIMEOUT_MS,
        broker_seconds: float = DEFAULT_SECONDS,
        instance_id: str | None = None,
    ) -> None:
        self._config = config
        self._topics = topics
        self._wait = BrokerWait(config.conn, broker_seconds)
        self._ownership = Ownership(
            config.conn,
            config.group,
            config.names,
            self,
            session_timeout_ms=session_timeout_ms,
            wait=self._wait,
            instance_id=instance_id,
        )
        self._heard_within = session_timeout_ms / 2000
        """Seconds after a successful heartbeat in which the broker counts as answering: half a session, which is two
        heartbeats."""
        self._served: dict[int, ServedShard] = {}
        self._bus_found = False
        """Whether rights and topics were checked."""
        self._failed: asyncio.Future[None] | None = None
        """Fails with the error that ends the router."""
        metrics.present_shards(config.shards)

    async def run(self, stop: asyncio.Event) -> None:
        """Route until `stop` is set; then finish the commits under way and leave the group.

        That takes 5 s at most while brokers answer, else up to 10 s (`GIVE_UP_SECONDS` and twice `LEAVE_SECONDS`).

        Raises:
            BrokerAwayError: a broker was away for too long at the start. Later the router waits for brokers without
                end.
            SecurityError: a broker refuses the connection.
            NotAllowedError: the cluster denies a right that a router needs.
            WrongTopicsError: the topics don't fit, or are gone.
            RouterError: the router can't go on.
        """
        differences = await unless_stopped(self._check_bus(), stop)
        if differences is None:
            return
        self._bus_found = True
        for difference in differences:
            log.warning("%s", difference)
        stopping = asyncio.create_task(stop.wait())
        try:
            await self._route(stopping)
        finally:
            stopping.cancel()

    async def _check_bus(self) -> list[Difference]:
        """Check rights, topics and the group's coordinator, each as soon as a broker answers.

        Returns:
            Differences of the topics that do not stop the router.
        """
        conn, group = self._config.conn, routers_group(self._config.group)
        needed = router_rights(self._config.names, self._config.group)
        await self._wait.retry("looking at the rights", lambda: require_rights(conn, needed))
        differences = await self._wait.retry("looking at the topics", lambda: require_topics(conn, self._topics))
        # Without this check aiokafka, when joining, would wait for a coordinator without end, 15 s for each try.
        await self._wait.retry(f"looking at group {group}", lambda: members_of(conn, group))
        return differences

    async def _route(self, stopping: asyncio.Task[bool]) -> None:
        """Be a member of the group, and serve its shards, until `stopping` or an error ends it."""
        self._failed = asyncio.get_running_loop().create_future()
        member = asyncio.create_task(self._ownership.run())
        watchdog = asyncio.create_task(self._watch())
        standing_by = asyncio.create_task(self._check_topics())
        try:
            ends: set[asyncio.Future[Any]] = {member, watchdog, standing_by, stopping, self._failed}
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            for end in (self._failed, standing_by, member):
                if end.done():
                    end.result()
        except OwnershipError as error:
            missing = denial(error)
            raise RouterError(str(error)) if missing is None else NotAllowedError([missing]) from error
        except (FencedTooOftenError, SourceGoneError, NoStartError, OtherFormatError) as error:
            raise RouterError(str(error)) from error
        finally:
            for task in (watchdog, standing_by, member):
                task.cancel()
            await asyncio.wait({watchdog, standing_by, member})

    def status(self) -> RouterStatus:
        """The router's status now."""
        return RouterStatus(
            time.monotonic(),
            zero_of_monotonic(),
            self._config.conn.bootstrap,
            self._config.group,
            self._served,
            bus_found=self._bus_found,
            is_member=self._ownership.heartbeat_at > 0 or bool(self._served),
            waiting_for=self._wait.waiting_for,
        )

    def take(self, shards: frozenset[int]) -> None:
        """Begin to open these shards."""
        config = self._config
        for index in shards:
            served = self._served[index] = ServedShard(
                ShardHistory(progress=time.time(), transactions=OpenTransactions(config.held_up_after)),
                time.monotonic(),
                stuck_after=config.stuck_after,
                stalled_after=config.stalled_after,
            )
            self._publish_progress(index, served)
            served.task = asyncio.create_task(self._serve(index, served))

    async def give_up(self, shards: frozenset[int]) -> None:
        """Stop serving these shards, and wait until their commits have ended."""
        for index in shards & self._served.keys():
            metrics.PROGRESS.remove(str(index))
        leaving = [self._served.pop(index) for index in shards if index in self._served]
        for served in leaving:
            served.stop.set()
            if served.opening and served.task is not None:
                # A restore may wait 30 s for another producer's transaction to end.
                served.task.cancel()
        tasks = [served.task for served in leaving if served.task is not None]
        if not tasks:
            return
        try:
            await asyncio.wait(tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _serve(self, index: int, served: ServedShard) -> None:
        """Serve one shard until its `stop` is set; open it again after each error that may pass by itself."""
        try:
            while not served.stop.is_set() and not await self._serve_once(index, served):
                pass
        except TimersFailedError as error:
            log.critical(
                "shard %s stops: the engine fails as time passes; it needs a human: %s",
                index,
                error,
                extra={"shard": index},
            )
            served.stopped = str(error)
        except (SourceGoneError, NoStartError, FencedTooOftenError, OtherFormatError, NotAllowedError) as error:
            self._fail(error)
        except Exception as error:
            log.exception("shard %s: unexpected", index, extra={"shard": index})
            self._fail(error)

    async def _serve_once(self, index: int, served: ServedShard) -> bool:
        """Open a shard, serve it and close it.

        Returns:
            True: the shard is let go. False: the shard is to be opened again.
        """
        shard = Shard(index, self._config, served.history)
        end: ServiceEnd | None = None
        try:
            # 1. Open. Both waits are bounded, because aiokafka's clients may hang or let a cancellation escape.
            served.opening = True
            await bounded(shard.open(), OPEN_SECONDS, f"opening shard {index}")
            served.opening = False
            # 2. Serve until `stop` is set or something fails.
            served.shard = shard
            metrics.SHARD_OWNED.labels(str(index)).set(1)
            await bounded(shard.run(served.stop), None, f"serving shard {index}")
            end = ServiceEnd.STOPPED
        except Exception as error:  # noqa: BLE001 - `ended_by` raises the errors that opening again can't mend
            end = served.ended_by(error)
            self._report_end(index, end, error, served)
        finally:
            # 3. Close, also if the error ends the router. A shard that does not close in time is left to itself: the
            # next owner fences its producer.
            served.opening = False
            served.shard = None
            metrics.SHARD_OWNED.labels(str(index)).set(0)
            with contextlib.suppress(TimeoutError, BrokenOffError):
                clean = end is ServiceEnd.STOPPED
                await bounded(shard.close(clean=clean), CLOSE_SECONDS, f"closing shard {index}")
        return await self._is_let_go(index, end, served)

    def _report_end(self, index: int, end: ServiceEnd, error: Exception, served: ServedShard) -> None:
        """Count and log why a shard's service ended."""
        place = {"shard": index}
        match end:
            case ServiceEnd.FENCED:
                metrics.FENCED.labels(str(index)).inc()
                metrics.COMMITS.labels("fenced").inc()
                text = "shard %s was taken over, or its transaction ran out of time: %s"
                log.warning(text, index, error, extra=place)
            case ServiceEnd.ENGINE_FAILED:
                log.warning("its events are to be applied one by one: %s", error, extra=place)
            case ServiceEnd.LOST:
                if served.shard is not None and isinstance(error, LedgerLostError):
                    metrics.COMMITS.labels("failed").inc()
                text = "shard %s is opened again in %s s: %s"
                reopening.warning(text, index, RETRY_SECONDS, served.trouble, extra=place)

    async def _is_let_go(self, index: int, end: ServiceEnd, served: ServedShard) -> bool:
        """Whether a shard whose service has ended is let go. If not, waits until the shard may be opened again."""
        match end:
            case ServiceEnd.STOPPED:
                log.info("shard %s is given up", index, extra={"shard": index})
                return True
            case ServiceEnd.FENCED:
                # The group has given the shard to another router, or the transaction ran out of time here.
                return not served.stop.is_set() and not await self._ownership.may_retake(index)
            case ServiceEnd.ENGINE_FAILED:
                return False  # opened again, the shard finds the event at fault
            case ServiceEnd.LOST:
                await self._pause(served.stop)
                return False
            case _:
                assert_never(end)

    @staticmethod
    async def _pause(stop: asyncio.Event) -> None:
        """Wait for `RETRY_SECONDS`, or until `stop` is set."""
        try:
            async with asyncio.timeout(RETRY_SECONDS):
                await stop.wait()
        except TimeoutError:
            pass

    def _fail(self, error: Exception) -> None:
        """End the router with this error, unless another came first."""
        if self._failed is not None and not self._failed.done():
            self._failed.set_exception(error)

    @staticmethod
    def _publish_progress(index: int, served: ServedShard) -> None:
        """Set the progress gauge of a shard.

        Not set by `Shard`: a shard that fails soon after each opening would seem to make progress each time.
        """
        metrics.PROGRESS.labels(str(index)).set(served.history.progress)

    async def _check_topics(self) -> None:
        """While no shard is assigned to this router, check now and then that the topics still exist.

        Raises:
            WrongTopicsError: the topics are gone; without this check the router would stand by for ever.
        """
        while True:
            await asyncio.sleep(self._config.check_topics_every)
            if not self._served:
                with contextlib.suppress(BrokerAwayError, NotAllowedError, SecurityError, KafkaError, TimeoutError):
                    await require_topics(self._config.conn, self._topics)

    async def _watch(self) -> None:
        """Once a second note each shard's progress, and end the process when a shard is stuck."""
        while True:
            await asyncio.sleep(1)
            now = time.monotonic()
            broker_answers = now - self._ownership.heartbeat_at < self._heard_within
            for index, served in self._served.items():
                served.watch(now, broker_answers=broker_answers)
                self._publish_progress(index, served)
                if served.is_stuck:
                    text = "shard %s has not committed for %g s though there is lag: ending the process"
                    log.critical(text, index, served.stuck_after)
                    os._exit(STUCK_EXIT)  # at once: closing a stuck shard might hang, too
