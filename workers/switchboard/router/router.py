"""A router process: the shards that it is assigned, each served by its own loop, others standing by."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable
from typing import Any, Final, Literal

from aiokafka.errors import KafkaError

from switchboard import metrics
from switchboard.domain.rows import OtherFormatError
from switchboard.errors import (
    BrokerAwayError,
    FencedError,
    FencedTooOftenError,
    LedgerLostError,
    NoStartError,
    NotAllowedError,
    OwnershipError,
    RestoreError,
    RouterError,
    SecurityError,
    SourceGoneError,
)
from switchboard.kafka.acl import denial, require_rights, router_rights
from switchboard.kafka.admin import Difference, require_topics
from switchboard.kafka.broker_wait import DEFAULT_SECONDS, BrokerWait
from switchboard.kafka.clients import in_words, unless_stopped
from switchboard.kafka.library_logs import Thinned
from switchboard.kafka.open_transactions import HeldUp, longest, sentence, zero_of_monotonic
from switchboard.kafka.ownership import SESSION_TIMEOUT_MS, Ownership, members_of
from switchboard.kafka.topics import TopicPlan, routers_group
from switchboard.router.loop import EngineFailedError, TimersFailedError
from switchboard.router.served_shards import BrokenOffError, Served, bounded
from switchboard.router.shard import Plan, Shard

log = logging.getLogger(__name__)
reopening = logging.getLogger(f"{__name__}.reopening")
reopening.addFilter(Thinned(by_text=True, seconds=30.0))  # brokers may be away for the night

STANDING_BY_SECONDS: Final = 30.0
"""How often a router that has no shard sees whether there still are any."""
RETRY_SECONDS: Final = 1.0
OPEN_SECONDS: Final = 90.0
"""A restore takes seconds; it waits half a minute for a stranger's transaction, and for a reader that stalls."""
CLOSE_SECONDS: Final = 8.0
"""What is closed has deadlines of its own, of 2 and 5 s; this is for those that are not kept."""
STUCK_EXIT: Final = 70
"""Exit code of a router that its watchdog ended: a supervisor starts it anew."""


class Router:
    """Serves the shards that the group assigns (the `Shards` of `Ownership`)."""

    def __init__(
        self,
        plan: Plan,
        topics: TopicPlan,
        session_timeout_ms: int = SESSION_TIMEOUT_MS,
        broker_seconds: float = DEFAULT_SECONDS,
        instance_id: str | None = None,
    ) -> None:
        self._plan = plan
        self._topics = topics
        self._wait = BrokerWait(plan.conn, broker_seconds)
        self._ownership = Ownership(
            plan.conn,
            plan.group,
            plan.names,
            self,
            session_timeout_ms=session_timeout_ms,
            wait=self._wait,
            instance_id=instance_id,
        )
        self._heard_within = session_timeout_ms / 2000
        """A broker that answers is heard of within half a session: two heartbeats were due."""
        self._served: dict[int, Served] = {}
        self._bus_found = False
        self._failed: asyncio.Future[None] | None = None
        metrics.present_shards(plan.shards)

    async def run(self, stop: asyncio.Event) -> None:
        """Route until `stop` is set; then finish what is under way and leave, within 5 s.

        Raises:
            BrokerAwayError: a broker that is needed was away at the start for too long. One that goes away later is
                waited for without end.
            SecurityError: one is there and does not let us in.
            NotAllowedError: the cluster does not allow what a router needs, or no longer does.
            WrongTopicsError: the topics can't be worked with.
            RouterError: the router can't go on.
        """
        differences = await unless_stopped(self._look_at_bus(), stop)
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

    async def _look_at_bus(self) -> list[Difference]:
        conn, group = self._plan.conn, routers_group(self._plan.group)
        needed = router_rights(self._plan.names, self._plan.group)
        await self._wait.retry("looking at the rights", lambda: require_rights(conn, needed))
        differences = await self._wait.retry("looking at the topics", lambda: require_topics(conn, self._topics))
        # To join, aiokafka waits without end for a coordinator that answers, and 15 s for each that does not.
        await self._wait.retry(f"looking at group {group}", lambda: members_of(conn, group))
        return differences

    async def _route(self, stopping: asyncio.Task[bool]) -> None:
        self._failed = asyncio.get_running_loop().create_future()
        member = asyncio.create_task(self._ownership.run())
        watchdog = asyncio.create_task(self._watch())
        standing_by = asyncio.create_task(self._look_at_topics())
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

    @property
    def health(self) -> dict[int, str]:
        """What is wrong, by shard: nothing while each one that is ours goes on, or waits for a broker."""
        return {index: why for index, served in self._served.items() if (why := served.wrong) is not None}

    @property
    def shards(self) -> dict[int, dict[str, object]]:
        """The state and the last frame of each shard that is ours."""
        return {index: self._served[index].told() for index in sorted(self._served)}

    @property
    def held_up(self) -> list[HeldUp]:
        """The source partitions that an open transaction holds up, as its shards see them; the longest first."""
        now = time.monotonic()
        standings = [served.standing for served in self._served.values()]
        return longest(each for standing in standings for each in standing.transactions.held_up(now))

    @property
    def reason(self) -> str:
        """Why it is ready or not, healthy or not, and which partitions an open transaction holds up, in a sentence."""
        return "; ".join(filter(None, (self._reason, sentence(self.held_up, zero_of_monotonic()))))

    @property
    def _reason(self) -> str:
        """Why it is ready or not, healthy or not."""
        if not self._bus_found:
            return self._wait.waiting_for or f"waiting for the broker at {self._plan.conn.bootstrap}"
        if not self._is_member:
            return f"waiting for shards: the router is not yet a member of group {routers_group(self._plan.group)}"
        amiss = [f"shard {index} {why}" for index in sorted(self._served) if (why := self._served[index].amiss)]
        if amiss:
            return "; ".join(amiss)
        if not self._served:
            return "standing by: no shard is assigned to this router"
        return "every shard that is assigned to this router is served"

    @property
    def is_alive(self) -> bool:
        """Whether no shard hangs. One that has stopped for a human would stop again after a restart."""
        return not any(served.shard is not None and served.shard.is_stuck for served in self._served.values())

    @property
    def is_ready(self) -> bool:
        """Whether this router is a member of the group, and each shard that is ours is restored."""
        return self._is_member and all(each.shard is not None for each in self._served.values())

    @property
    def _is_member(self) -> bool:
        return self._ownership.heartbeat_at > 0 or bool(self._served)

    def take(self, shards: frozenset[int]) -> None:
        """Begin to open these shards."""
        for index in shards:
            served = self._served[index] = Served()
            self._tell_progress(index, served)
            served.task = asyncio.create_task(self._serve(index, served))

    async def give_up(self, shards: frozenset[int]) -> None:
        """Finish with these shards."""
        for index in shards & self._served.keys():
            metrics.PROGRESS.remove(str(index))
        leaving = [self._served.pop(index) for index in shards if index in self._served]
        for served in leaving:
            served.stop.set()
            if served.opening and served.task is not None:
                served.task.cancel()  # it may wait for half a minute for someone's transaction to end
        tasks = [served.task for served in leaving if served.task is not None]
        if not tasks:
            return
        try:
            await asyncio.wait(tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _serve(self, index: int, served: Served) -> None:
        """Serve one shard until told to stop, opening it again after whatever can be got over."""
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

    async def _serve_once(self, index: int, served: Served) -> bool:
        """Open a shard and serve it. True: it is to be let go; False: it is to be opened again."""
        shard = Shard(index, self._plan, served.standing)
        end: Literal["broken off", "stopped", "fenced", "engine failed", "lost"] = "broken off"
        try:
            served.opening = True
            await bounded(shard.open(), OPEN_SECONDS, f"opening shard {index}")
            served.opening = False
            served.shard = shard
            metrics.SHARD_OWNED.labels(str(index)).set(1)
            await bounded(shard.run(served.stop), None, f"serving shard {index}")
            end = "stopped"
        except FencedError as error:
            end = "fenced"
            metrics.FENCED.labels(str(index)).inc()
            metrics.COMMITS.labels("fenced").inc()
            served.trouble = f"it was taken over, or its transaction ran out of time: {error}"
            told = "shard %s was taken over, or its transaction ran out of time: %s"
            log.warning(told, index, error, extra={"shard": index})
        except EngineFailedError as error:
            end = "engine failed"
            served.trouble = f"the engine failed: {error}"
            log.warning("its events are to be applied one by one: %s", error, extra={"shard": index})
        except (LedgerLostError, RestoreError, BrokerAwayError, KafkaError, TimeoutError, BrokenOffError) as error:
            missing = denial(error)
            if missing is not None:
                raise NotAllowedError([missing]) from error  # trying again every second would not help
            end = "lost"
            if served.shard is not None and isinstance(error, LedgerLostError):
                metrics.COMMITS.labels("failed").inc()
            served.trouble = in_words(error)
            reopening.warning(
                "shard %s is opened again in %s s: %s", index, RETRY_SECONDS, served.trouble, extra={"shard": index}
            )
        finally:
            served.opening = False
            served.shard = None
            metrics.SHARD_OWNED.labels(str(index)).set(0)
            with contextlib.suppress(TimeoutError, BrokenOffError):
                await bounded(shard.close(clean=end == "stopped"), CLOSE_SECONDS, f"closing shard {index}")
        if end == "stopped":
            log.info("shard %s is given up", index, extra={"shard": index})
        if end == "fenced" and not served.stop.is_set():
            return not await self._ownership.may_retake(index)
        if end == "lost":
            await self._pause(served.stop)
        return end == "stopped"

    @staticmethod
    async def _pause(stop: asyncio.Event) -> None:
        try:
            async with asyncio.timeout(RETRY_SECONDS):
                await stop.wait()
        except TimeoutError:
            pass

    def _fail(self, error: Exception) -> None:
        if self._failed is not None and not self._failed.done():
            self._failed.set_exception(error)

    @staticmethod
    def _tell_progress(index: int, served: Served) -> None:
        """Here, since a shard that is never open for long would look fresh each time."""
        metrics.PROGRESS.labels(str(index)).set(served.standing.progress)

    async def _look_at_topics(self) -> None:
        """While no shard is assigned to us, see now and then whether it is because there are none any more.

        Raises:
            WrongTopicsError: the topics are gone; we would stand by for ever.
        """
        while True:
            await asyncio.sleep(STANDING_BY_SECONDS)
            if not self._served:
                with contextlib.suppress(BrokerAwayError, NotAllowedError, SecurityError, KafkaError, TimeoutError):
                    await require_topics(self._plan.conn, self._topics)

    async def _watch(self, exit_now: Callable[[int], object] = os._exit) -> None:
        """See whether the shards go on.

        End the process when one hangs: the broker answers, there is lag, and nothing is committed for 20 s.
        """
        while True:
            await asyncio.sleep(1)
            now = time.monotonic()
            broker_answers = now - self._ownership.heartbeat_at < self._heard_within
            for index, served in self._served.items():
                served.look(now, broker_answers=broker_answers)
                self._tell_progress(index, served)
                if served.shard is not None and served.shard.is_stuck:
                    log.critical("shard %s has not committed for 20 s though there is lag: ending the process", index)
                    exit_now(STUCK_EXIT)
