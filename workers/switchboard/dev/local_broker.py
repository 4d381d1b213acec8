"""A throwaway Apache Kafka broker on loopback. Maven fetches Kafka's jars once into the user's cache."""

import hashlib
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import platformdirs

from switchboard.errors import BrokerUnavailableError, PortTakenError

FETCH_SECONDS: Final = 300
"""Bound on the fetch of the jars: 43 MB take about 6 s on a good line, and a Maven that hangs must not hang a demo."""

START_SECONDS: Final = 60
"""Bound on a start, which takes about 3 s, on a busy machine up to 10."""
STOP_SECONDS: Final = 10
"""Bound on a stop; then the broker is killed."""

CLUSTER_ID: Final = "c3dpdGNoYm9hcmQtbG9jYQ"
"""Any id in Kafka's form, which is Base64 of 16 bytes."""

PROPERTIES: Final = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller_port}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
log.dirs={data}
auto.create.topics.enable=false
# Replays and tests publish records with old timestamps: with the default, a check deletes what is older than 7 days.
log.retention.ms=-1
# A single node can't replicate, and 50 partitions of each internal topic only make its start slow.
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1
# The first member of a group waits 3 s for others by default; tests need short sessions.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=500
# A broker that was killed waits at its next start until its old registration expires: 9 s with the default.
broker.session.timeout.ms=3000
broker.heartbeat.interval.ms=500
"""

HEAP: Final = ("-Xmx1g",)
"""Options of the Java machine."""

LOGGING: Final = (
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    # The line with `READY` marks the end of the start: the ports answer before topics can be created.
    "-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
)
READY: Final = "Kafka Server started"
"""The text in the log that marks the end of the start."""

# A shell that waits for the end of its input, a pipe from this process, then kills the broker and removes the folder.
# The pipe closes however this process ends, also by SIGKILL. Linux's PR_SET_PDEATHSIG can't do this: it fires when the
# starting *thread* ends.
WATCH: Final = 'cat >/dev/null; kill -9 "$1" 2>/dev/null; rm -rf "$2"'


class LocalBroker:
    """One broker with its own process and folder; also a context manager.

    All calls block. `bootstrap` stays the same for the life of the object.

    Args:
        port: the port on 127.0.0.1 to listen on; a free port if None.
        properties: properties of the broker, added to `PROPERTIES` or replacing some of them; `{port}` and
            `{controller_port}` stand for the ports.
        users: SCRAM credentials for the first start, in the form of `--add-scram` of Kafka's storage tool.
        controller_port: the port on 127.0.0.1 for the controllers; a free port if None.
        jvm: options of the Java machine.
    """

    def __init__(
        self,
        port: int | None = None,
        *,
        properties: Mapping[str, str] | None = None,
        users: Sequence[str] = (),
        controller_port: int | None = None,
        jvm: Sequence[str] = HEAP,
    ) -> None:
        self.port = port or free_port()
        self.bootstrap = f"127.0.0.1:{self.port}"
        self._properties = dict(properties or {})
        self._users = users
        self._controller_port = controller_port
        self._jvm = jvm
        self._folder: Path | None = None
        self._java: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Start the broker, and return when topics can be created. After `kill` the data and the port are the same.

        Raises:
            PortTakenError: another process listens on the port.
            BrokerUnavailableError: a tool is missing, or the broker did not come up; the message says which.
        """
        # 1. Check port and tools, and make the storage. A later start finds all of them.
        if self._folder is None:
            _need_port(self.port)
        java = need_tools(maven=False)
        libs = jars()
        if self._folder is None:
            self._folder = self._format(java, libs)
        # 2. Start the broker, and the watch that kills it when this process ends.
        log = self._folder / "broker.log"
        started_at = log.stat().st_size if log.exists() else 0
        with log.open("ab") as out:
            self._java = subprocess.Popen(  # noqa: S603 - fixed words
                [java, *self._jvm, *LOGGING, "-cp", f"{libs}/*", "kafka.Kafka", self._folder / "server.properties"],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                # In a session of its own Ctrl-C does not reach the broker: its users stop first.
                start_new_session=True,
            )
        self._watch = subprocess.Popen(  # noqa: S603 - fixed words
            ["/bin/sh", "-c", WATCH, "watch", str(self._java.pid), str(self._folder)],
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        # 3. Wait.
        self._await_ready(log, started_at)

    def stop(self) -> None:
        """Stop the broker and remove its folder; no effect if the broker is not running."""
        if self._java is not None and self._java.poll() is None:
            self._java.send_signal(signal.SIGCONT)  # a suspended process would not handle SIGTERM
            self._java.terminate()
            try:
                self._java.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._java.kill()
        self._reap()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def kill(self) -> None:
        """Send SIGKILL; the data stay for the next `start`."""
        if self._java is not None:
            self._java.kill()
        self._reap()

    def restart(self) -> None:
        """Kill the broker and start it again, on the same data and port."""
        self.kill()
        self.start()

    def suspend(self) -> None:
        """Send SIGSTOP: the broker keeps its connections and answers nothing, as in a long pause."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Send SIGCONT, which ends `suspend`."""
        self._running().send_signal(signal.SIGCONT)

    @property
    def is_running(self) -> bool:
        """True while the process exists, suspended or not."""
        return self._java is not None and self._java.poll() is None

    def _running(self) -> subprocess.Popen[bytes]:
        """The broker's process.

        Raises:
            RuntimeError: there is none.
        """
        if self._java is None:
            raise RuntimeError("the local broker is not running")
        return self._java

    def _reap(self) -> None:
        """Wait for the end of the broker, then end the watch.

        In this order, since the watch kills by process id: a process that gets the id of the ended broker is safe.
        """
        if self._java is not None:
            self._java.wait()
            self._java = None
        if self._watch is not None:
            self._watch.kill()
            self._watch.communicate()
            self._watch = None

    def _format(self, java: str, libs: Path) -> Path:
        """Make the folder with the properties and a formatted storage."""
        folder = Path(tempfile.mkdtemp(prefix="switchboard-kafka-"))
        properties = folder / "server.properties"
        # Kafka takes the last value of a property that a file has twice.
        more = "".join(f"{name}={value}\n" for name, value in self._properties.items())
        controller_port = self._controller_port or free_port(besides=self.port)
        properties.write_text(
            (PROPERTIES + more).format(port=self.port, controller_port=controller_port, data=folder / "data"),
            encoding="utf-8",
        )
        users = [word for user in self._users for word in ("--add-scram", user)]
        tool = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(properties), *users]
        done = subprocess.run(  # noqa: S603 - fixed words
            [java, "-XX:TieredStopAtLevel=1", *LOGGING, "-cp", f"{libs}/*", *tool],
            capture_output=True,
            text=True,
            check=False,
            timeout=START_SECONDS,
        )
        if done.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            raise BrokerUnavailableError(f"the local broker's storage could not be made:\n{done.stdout}{done.stderr}")
        return folder

    def _await_ready(self, log: Path, started_at: int) -> None:
        """Wait until the log has `READY` after the byte `started_at`, where this start began."""
        until = time.monotonic() + START_SECONDS
        while True:
            with log.open("rb") as lines:
                lines.seek(started_at)
                said = lines.read().decode(errors="replace")
            if READY in said:
                return
            ended = self._running().poll() is not None
            if ended or time.monotonic() > until:
                self.stop()
                what = "ended" if ended else f"was not ready within {START_SECONDS} s"
                raise BrokerUnavailableError(f"the local broker on {self.bootstrap} {what}; it said:\n{said[-2000:]}")
            time.sleep(0.02)


def free_port(besides: int | None = None) -> int:
    """A free port of 127.0.0.1, below the range of ports for outgoing connections.

    With a port in that range, a client that reconnects to a stopped broker may get the broker's port for its own end,
    and so be connected with itself.

    Args:
        besides: a port to leave out.
    """
    for _ in range(200):
        port = random.SystemRandom().randrange(20000, 32000)
        if port != besides and _is_free(port):
            return port
    raise BrokerUnavailableError("no free port between 20000 and 32000 on 127.0.0.1 for the local broker")


def _need_port(port: int) -> None:
    """Return if the port is free.

    Raises:
        PortTakenError: another process listens on the port.
    """
    if not _is_free(port):
        raise PortTakenError(
            f"port {port} on 127.0.0.1 is taken: stop what listens there, or name another port for the local broker "
            "(switchboard broker --port)",
        )


def _is_free(port: int) -> bool:
    """True if nothing listens on the port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def bootstrap_from_environment() -> str | None:
    """The cluster that KAFKA_BOOTSTRAP names, in place of a local broker; None if the variable is not set."""
    return os.environ.get("KAFKA_BOOTSTRAP") or None


def need_tools(*, maven: bool) -> str:
    """The path of Java, version 17 or newer.

    Raises:
        BrokerUnavailableError: Java is missing or too old, or Maven is missing and `maven` is true.
    """
    missing = []
    java = shutil.which("java")
    if java is None or _java_major(java) < 17:
        missing.append("Java 17 or newer (Debian: openjdk-17-jre-headless)")
    if maven and shutil.which("mvn") is None:
        missing.append("Maven (Debian: maven)")
    if missing or java is None:
        raise BrokerUnavailableError(
            f"the local Kafka broker needs {' and '.join(missing)}: install it, or set KAFKA_BOOTSTRAP to the "
            f"host:port of a cluster of your own",
        )
    return java


def _java_major(java: str) -> int:
    """The major version of Java; 0 if unknown."""
    done = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)  # noqa: S603 - from PATH
    found = re.search(r'version "(\d+)', done.stderr)
    return int(found[1]) if found else 0


def jars() -> Path:
    """The folder with the jars, fetched first if it does not exist.

    Raises:
        BrokerUnavailableError: Maven is missing or failed; the message holds its output.
    """
    wanted = pom().read_bytes()
    # The name of the folder has the hash of the pom.xml: an upgrade has a folder of its own, so versions never mix.
    home = platformdirs.user_cache_path("switchboard") / f"kafka-{hashlib.sha256(wanted).hexdigest()[:12]}"
    if home.exists():
        return home
    need_tools(maven=True)
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=".fetching-") as scratch:
        (Path(scratch) / "pom.xml").write_bytes(wanted)
        _maven(Path(scratch))
        try:
            # A rename is atomic: two processes may fetch at the same time, and one may be killed half-way.
            (Path(scratch) / "libs").rename(home)
        except OSError:
            if not home.exists():
                raise
    return home


def _maven(folder: Path) -> None:
    """Fetch the jars that the folder's pom.xml names into its subfolder `libs`."""
    command = ["mvn", "-q", "-B", "dependency:copy-dependencies", f"-DoutputDirectory={folder / 'libs'}"]
    try:
        subprocess.run(  # noqa: S603 - fixed words
            command,
            cwd=folder,
            check=True,
            capture_output=True,
            text=True,
            timeout=FETCH_SECONDS,
            env={**os.environ, "MAVEN_OPTS": os.environ.get("MAVEN_OPTS", "-Xmx256m")},
        )
    except subprocess.CalledProcessError as failed:
        raise BrokerUnavailableError(
            f"Maven could not fetch the local broker's jars:\n{failed.stdout[-2000:]}"
        ) from failed
    except subprocess.TimeoutExpired as hung:
        raise BrokerUnavailableError(f"Maven did not fetch the local broker's jars within {FETCH_SECONDS} s") from hung


def pom() -> Path:
    """The pom.xml that names the broker's version: beside this module in a wheel, in deploy/kafka in a checkout."""
    in_wheel = Path(__file__).with_name("pom.xml")
    return in_wheel if in_wheel.exists() else Path(__file__).parents[3] / "deploy/kafka/pom.xml"
