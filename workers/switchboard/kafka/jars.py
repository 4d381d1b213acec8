"""The local broker's jars: Apache Kafka itself, fetched once by Maven into the user's cache."""

import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

import platformdirs

from switchboard.errors import BrokerUnavailableError

FETCH_SECONDS: Final = 300
"""43 MB, about 6 s on a good line; a Maven that hangs must not hang a demo for ever."""


def need_tools(*, maven: bool) -> str:
    """The path of Java.

    Raises:
        BrokerUnavailableError: Java 17 or newer is missing, or Maven where `maven` says that it is needed.
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
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False)  # noqa: S603 - from PATH
    found = re.search(r'version "(\d+)', told.stderr)
    return int(found[1]) if found else 0


def pom() -> Path:
    """The pom.xml that names the broker's version: beside this module in a wheel, in deploy/kafka in a checkout."""
    in_wheel = Path(__file__).with_name("pom.xml")
    return in_wheel if in_wheel.exists() else Path(__file__).parents[3] / "deploy/kafka/pom.xml"


def jars() -> Path:
    """The folder that holds the jars, fetched first if they are not there yet.

    Raises:
        BrokerUnavailableError: Maven is missing, or it failed; the message holds what it said.
    """
    wanted = pom().read_bytes()
    # Named by what is in it: another pom.xml is another folder, so an upgrade never runs on mixed jars.
    home = platformdirs.user_cache_path("switchboard") / f"kafka-{hashlib.sha256(wanted).hexdigest()[:12]}"
    if home.exists():
        return home
    need_tools(maven=True)
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=".fetching-") as scratch:
        (Path(scratch) / "pom.xml").write_bytes(wanted)
        _maven(Path(scratch))
        try:
            # Whole or not at all: two processes may race for it, and one may be killed half-way.
            (Path(scratch) / "libs").rename(home)
        except OSError:
            if not home.exists():
                raise
    return home


def _maven(folder: Path) -> None:
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
