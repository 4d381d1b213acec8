"""One attack on topics of its own, and what it did to the router and to the others."""

import asyncio
import os
import re
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from tests.attacks.batches import Poster
from tests.attacks.bus_log import bus_log
from tests.attacks.others import PARTITIONS, Others, Spread
from tests.attacks.plans import Attack, Shot
from tests.attacks.process import Checkout, MonitorProcess, RouterProcess

WARM_UP_SECONDS: Final = 3.0
BASELINE_SECONDS: Final = 5.0
LEAST_SECONDS: Final = 12.0
"""Of observation: 240 chats at 20 a second."""
GRACE_SECONDS: Final = 2.0
"""A chat sent later than so long before the end is not counted: it had no time to be answered."""
LOOK_SECONDS: Final = 1.0
"""Between looks at the router's web server."""
FIRST_ANSWER_SECONDS: Final = 20.0
LOG_LINES: Final = 15
IDLE: Final = (3, 4)
"""Fields of /proc/stat's first line that are no work: idle, and waiting for a disk."""
SAMPLE: Final = re.compile(r"^(switchboard_\w+?)(\{[^}]*\})? (\S+)$", re.MULTILINE)


@dataclass(slots=True)
class Looks:
    """What the router's web server said during an attack, second by second."""

    taken: int = 0
    unanswered: int = 0
    """Looks that got no answer to /metrics within 5 s."""
    ready: Counter[str] = field(default_factory=Counter)
    """Looks by status of /readyz; 0: no answer."""
    healthy: Counter[str] = field(default_factory=Counter)
    """Looks by status of /healthz."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Reasons that /readyz and /healthz gave."""
    highest: dict[str, float] = field(default_factory=dict)
    """Of each metric, summed over its labels: the highest seen."""
    grown: dict[str, float] = field(default_factory=dict)
    """Of each series: by how much it grew since the attack's begin, restarts included."""
    lag: dict[str, float] = field(default_factory=dict)
    """Of each topic: records not yet taken, as last seen."""
    _last: dict[str, float] = field(default_factory=dict)

    def note(self, body: str) -> None:
        """Take in an answer of /metrics."""
        sums: defaultdict[str, float] = defaultdict(float)
        lag: defaultdict[str, float] = defaultdict(float)
        now: dict[str, float] = {}
        for name, labels, text in SAMPLE.findall(body):
            if name.endswith(("_bucket", "_created")):
                continue
            value = float(text)
            sums[name] += value
            now[name + labels] = value
            if name == "switchboard_lag_records":
                lag[_label(labels, "topic")] += value
        self.lag = dict(lag)
        for name, value in sums.items():
            self.highest[name] = max(value, self.highest.get(name, value))
        for series, value in now.items():
            # A counter that is lower than before began anew with another process.
            since = value - self._last.get(series, 0.0)
            self.grown[series] = self.grown.get(series, 0.0) + (since if since >= 0 else value)
        self._last = now

    def begin(self) -> None:
        """Forget all but what counters stand at."""
        self.taken = self.unanswered = 0
        self.grown, self.highest = {}, {}
        for counter in (self.ready, self.healthy, self.reasons):
            counter.clear()


@dataclass(slots=True)
class Result:
    """One row of the table."""

    attack: str
    point: int
    what: str
    records: int
    """Sent by the attack."""
    sent_bytes: int
    """Their batches, as sent."""
    unpacked_bytes: int
    seconds: float
    """Observed since the attack's begin."""
    before: Spread
    others: Spread
    """Of chats in partitions that the attack does not write to."""
    neighbours: Spread
    """Of chats in the partition that it writes to."""
    assigned: int
    """Chats of others and neighbours, sent during the attack, that were assigned to an agent."""
    exits: list[tuple[float, int, str]]
    """Ends of the router: seconds after the attack's begin, exit code, last line of its log."""
    alive: bool
    peak_mb: float
    dead_letters: dict[str, int]
    dead_letter_mb: float
    """On the broker's disk."""
    service_stopped: float
    """Seconds in which service time stood still."""
    taken_per_second: float | None
    """Records of the attack that the router took a second; None where that can't be told."""
    left: int
    """Lag at the end, records."""
    looks: dict[str, Any]
    busy_elsewhere: float
    """Cores that processes kept busy which have no part in the measurement: beyond 0.2 the times are too long."""
    restart_seconds: float | None = None
    restart_peak_mb: float | None = None
    commands: list[tuple[str, int, str]] = field(default_factory=list)
    """Commands run afterwards: words, exit code, last line."""
    refused: str = ""
    """Why the broker did not take the attack, if it did not."""
    monitor: str = ""
    """Whether the monitor, if one was run, lives at the end."""
    log: list[str] = field(default_factory=list)
    """The last lines that the router logged."""


@dataclass(slots=True)
class Bench:
    """Where attacks are run."""

    bootstrap: str
    data: Path | None
    """The broker's data folder, if it is a local one."""
    checkout: Checkout
    memory_limit: int
    """Bytes at which the router is killed; 0: none."""
    rate: float = 20.0
    """Chats of others a second."""
    shards: int = 1
    """Of the router; each reads and checks every source record."""

    broker_pid: int | None = None

    async def run(self, attack: Attack, prefix: str) -> Result:
        """Run one attack on fresh topics."""
        shots = await asyncio.to_thread(attack.shots)
        settings: dict[str, object] = {
            "bootstrap_servers": self.bootstrap,
            "topic_prefix": prefix,
            "source_prefix": prefix,
            "group_id": prefix.rstrip("."),
            "replication": 1,
            "shards": self.shards,
            "metrics_port": 0,
        }
        code, said = await self.checkout.run(settings, "topics", "create", "--sources", "--partitions", str(PARTITIONS))
        if code:
            raise RuntimeError(f"the topics could not be made: {said}")
        router = RouterProcess(self.checkout, settings, self.memory_limit)
        others = Others(self.bootstrap, prefix, self.rate, self.shards)
        try:
            await router.start()
            await others.start()
            run = _Run(self, attack, shots, prefix, settings, router, others)
            if not attack.monitor:
                return await run.observe()
            async with MonitorProcess(self.checkout, settings) as monitor:
                result = await run.observe()
                result.monitor = monitor.state
                return result
        finally:
            await others.stop()
            await router.stop()
            await _remove_topics(self.bootstrap, prefix)


@dataclass(slots=True)
class _Run:
    """One attack under way."""

    bench: Bench
    attack: Attack
    shots: list[Shot]
    prefix: str
    settings: dict[str, object]
    router: RouterProcess
    others: Others
    looks: Looks = field(default_factory=Looks)
    refused: str = ""

    async def observe(self) -> Result:
        """Baseline, attack, aftermath."""
        await _until(lambda: any(chat.queued for chat in self.others.chats.values()), FIRST_ANSWER_SECONDS)
        await asyncio.sleep(WARM_UP_SECONDS)
        quiet = time.monotonic()
        await asyncio.sleep(BASELINE_SECONDS)
        await self._look()
        self.looks.begin()
        self.router.forget_peak()
        busy = self._busy_elsewhere()
        began = time.monotonic()
        before = self.others.spread(quiet, began - 0.5, began, neighbours=False)
        looking = asyncio.create_task(self._keep_looking())
        attacking = asyncio.create_task(self._attack(began))
        drained = await self._until_over(began, attacking)
        ended = time.monotonic()
        busy = (self._busy_elsewhere() - busy) / (ended - began)
        await self.others.quiet()
        looking.cancel()
        await asyncio.wait([looking])
        if not attacking.done():
            attacking.cancel()
        await asyncio.wait([attacking])
        if not attacking.cancelled():
            attacking.result()
        await self._look()
        result = self._result(began, ended, drained, before)
        if not self.router.exits:  # else the processor time of those that ended is not known
            result.busy_elsewhere = round(busy, 2)
        result.log = self.router.log.splitlines()[-LOG_LINES:]
        if self.attack.restart:
            self.router.forget_peak()
            result.restart_seconds = round(await self.router.restart(), 1)
            result.restart_peak_mb = round(self.router.peak / 1e6)
        if self.attack.commands:
            result.commands = await self._commands()
        return result

    async def _attack(self, began: float) -> None:
        if self.attack.course is not None:
            await self.attack.course(self.bench.bootstrap, self.prefix)
        if not self.shots:
            return
        async with Poster(self.bench.bootstrap, {self.prefix + shot.topic for shot in self.shots}) as poster:
            for shot in self.shots:
                wait = began + shot.at - time.monotonic()
                if wait > 0:
                    await asyncio.sleep(wait)
                encoded = shot.batch.encode(shot.stamp(int(time.time() * 1000)))
                try:
                    await poster.send(self.prefix + shot.topic, shot.partition, encoded)
                except KafkaError as error:
                    self.refused = f"{type(error).__name__}: {error}"

    async def _until_over(self, began: float, attacking: asyncio.Task[None]) -> float | None:
        """Wait until all is sent, answered and taken, or the time is over; when (monotonic, s) all had been taken."""
        drained = None
        while time.monotonic() - began < self.attack.most_seconds:
            await asyncio.sleep(0.2)
            if attacking.done() and drained is None and not sum(self.looks.lag.values()) and self._looked_since_end:
                drained = time.monotonic()
            answered = self.others.all_answered(time.monotonic() - GRACE_SECONDS)
            over = attacking.done() and ((drained is not None and answered) or self.router.given_up)
            if over and time.monotonic() - began > LEAST_SECONDS:
                break
            if not attacking.done():
                self._end_looks = self.looks.taken + 2
        return drained

    _end_looks: int = 2

    @property
    def _looked_since_end(self) -> bool:
        return self.looks.taken >= self._end_looks

    async def _keep_looking(self) -> None:
        while True:
            await self._look()
            await asyncio.sleep(LOOK_SECONDS)

    async def _look(self) -> None:
        looks = self.looks
        (status, body), (ready, ready_body), (healthy, healthy_body) = await asyncio.gather(
            self.router.get("/metrics"), self.router.get("/readyz"), self.router.get("/healthz")
        )
        if status == 200:
            looks.note(body)
        else:
            looks.unanswered += 1
        looks.taken += 1
        looks.ready[str(ready)] += 1
        looks.healthy[str(healthy)] += 1
        for said in (ready_body, healthy_body):
            reason = re.search(r'"reason": "([^"]+)"', said)
            if reason is not None:
                looks.reasons[reason[1][:200]] += 1

    def _result(self, began: float, ended: float, drained: float | None, before: Spread) -> Result:
        looks, others = self.looks, self.others
        records = sum(shot.batch.records for shot in self.shots)
        counted_to = ended - GRACE_SECONDS
        topics = {self.prefix + shot.topic for shot in self.shots}
        left = int(sum(lag for topic, lag in looks.lag.items() if topic in topics))
        per_second = None
        if records and looks.lag and not self.router.exits:
            per_second = round((records - left) / ((drained or ended) - began), 1)
        return Result(
            attack=self.attack.name,
            point=self.attack.point,
            what=self.attack.what,
            records=records,
            sent_bytes=sum(len(shot.batch.body) + 61 for shot in self.shots),
            unpacked_bytes=sum(shot.batch.unpacked for shot in self.shots),
            seconds=round(ended - began, 1),
            before=before,
            others=others.spread(began, counted_to, ended, neighbours=False),
            neighbours=others.spread(began, counted_to, ended, neighbours=True),
            assigned=sum(
                began <= chat.sent < counted_to and chat.assigned is not None for chat in others.chats.values()
            ),
            exits=[(round(each.at - began, 1), each.code, each.why) for each in self.router.exits],
            alive=self.router.alive,
            peak_mb=round(self.router.peak / 1e6),
            dead_letters=_by_label(looks.grown, "switchboard_dead_letters_total", "reason"),
            dead_letter_mb=self._on_disk("dead-letter"),
            service_stopped=round(
                sum(
                    value
                    for series, value in looks.grown.items()
                    if series.startswith("switchboard_service_time_stopped_seconds_total")
                ),
                1,
            ),
            taken_per_second=per_second,
            left=left,
            looks={
                "taken": looks.taken,
                "metrics_unanswered": looks.unanswered,
                "readyz": dict(looks.ready),
                "healthz": dict(looks.healthy),
                "reasons": dict(looks.reasons),
                "highest": looks.highest,
            },
            busy_elsewhere=0.0,
            refused=self.refused,
        )

    def _busy_elsewhere(self) -> float:
        """Processor time, in s since the machine started, of all but this process, the router and the broker."""
        ours = [os.getpid(), self.router.pid, self.bench.broker_pid]
        fields = Path("/proc/stat").read_text(encoding="ascii").split()[1:9]
        busy = sum(int(each) for place, each in enumerate(fields) if place not in IDLE)
        return (busy - sum(_processor_ticks(pid) for pid in ours if pid is not None)) / os.sysconf("SC_CLK_TCK")

    def _on_disk(self, topic: str) -> float:
        """MB of a topic's segments."""
        if self.bench.data is None:
            return float("nan")
        segments = self.bench.data.glob(f"{self.prefix}{topic}-*/*.log")
        return round(sum(each.stat().st_size for each in segments) / 1e6, 1)

    async def _commands(self) -> list[tuple[str, int, str]]:
        told = []
        recorded = False
        with tempfile.TemporaryDirectory(prefix="attacks-") as folder:
            log = str(Path(folder) / "bus.jsonl")
            for words in self.attack.commands:
                if "{log}" in words[1:2] and not recorded:
                    held = await bus_log(self.bench.bootstrap, self.prefix)
                    await asyncio.to_thread(Path(log).write_bytes, held)
                    recorded = True
                given = [word.replace("{log}", log) for word in words]
                code, said = await self.bench.checkout.run(self.settings, *given)
                recorded = recorded or (words[0] == "record" and code == 0)
                lines = [line for line in said.splitlines() if line.strip()]
                last = lines[-1][-200:] if lines else ""
                told.append((" ".join(words), code, f"traceback: {last}" if "Traceback" in said else last))
        return told


def _processor_ticks(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return 0
    return int(fields[11]) + int(fields[12])


def _by_label(series: dict[str, float], name: str, label: str) -> dict[str, int]:
    found: Counter[str] = Counter()
    for each, value in series.items():
        if each.startswith(name) and value:
            found[_label(each, label)] += int(value)
    return dict(found)


def _label(labels: str, name: str) -> str:
    found = re.search(rf'{name}="([^"]*)"', labels)
    return found[1] if found else ""


async def _until(holds: Any, seconds: float) -> None:
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            raise RuntimeError(f"no chat was answered within {seconds:.0f} s before any attack")
        await asyncio.sleep(0.05)


async def _remove_topics(bootstrap: str, prefix: str) -> None:
    """Give the broker its disk back."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.delete_topics([name for name in await admin.list_topics() if name.startswith(prefix)])
    finally:
        await admin.close()


def as_row(result: Result) -> dict[str, Any]:
    """A result as JSON holds it."""
    return asdict(result)
