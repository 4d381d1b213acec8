"""Prometheus' own tools, a real server of a test's own, and what the files under `deploy/` ask of it."""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml
from prometheus_client import CollectorRegistry

from switchboard import metrics
from switchboard.monitor import app
from tests.routers import REPOSITORY
from tests.waiting import eventually

DEPLOY: Final = REPOSITORY / "deploy/prometheus"
DASHBOARDS: Final = sorted((REPOSITORY / "deploy/grafana/dashboards").glob("*.json"))
START_SECONDS: Final = 30

VARIABLES: Final = {
    "$__rate_interval": "1m",
    "$__range": "1h",
    "$job": ".*",
    "$pool": ".*",
    "$queue": ".*",
}
"""What Grafana puts in place of a dashboard's variables where all is chosen."""


def tool(name: str) -> str:
    """Where a program of the Debian package `prometheus` is."""
    found = shutil.which(name)
    assert found, f"{name} is needed: apt-get install prometheus"
    return found


def promtool(*arguments: str, cwd: Path = DEPLOY) -> str:
    """What promtool prints; it must succeed."""
    ran = subprocess.run(
        [tool("promtool"), *arguments],
        cwd=cwd,
        env=os.environ | {"GOGC": "400"},  # else a quarter of its time goes into collecting garbage
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def rules() -> list[dict[str, Any]]:
    """Every rule of `deploy/prometheus/rules`."""
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted((DEPLOY / "rules").glob("*.yml"))]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


def panels(path: Path) -> Iterator[dict[str, Any]]:
    """The panels of a dashboard that show something."""
    yield from (each for each in json.loads(path.read_text(encoding="utf-8"))["panels"] if each["type"] != "row")


def expressions(path: Path) -> Iterator[str]:
    """What a dashboard asks Prometheus, its variables put in."""
    for panel in panels(path):
        for target in panel["targets"]:
            expression = target["expr"]
            for variable, value in VARIABLES.items():
                expression = expression.replace(variable, value)
            yield expression


def served_names() -> set[str]:
    """The names of all series that a router serves."""
    return _names(metrics.REGISTRY)


def served_by_monitor() -> set[str]:
    """The names of all series that a monitor serves."""
    return _names(app.REGISTRY)


def _names(registry: CollectorRegistry) -> set[str]:
    names = set()
    for family in registry.collect():
        match family.type:
            case "counter":
                names.add(f"{family.name}_total")
            case "histogram":
                names |= {f"{family.name}_{part}" for part in ("bucket", "count", "sum")}
            case _:
                names.add(family.name)
    return names


def names_in(expression: str) -> set[str]:
    """The names of ours in an expression, those that rules record included."""
    return set(re.findall(r"\bswitchboard[_:][A-Za-z0-9_:]+", expression))


class Prometheus:
    """A running server; made by `a_prometheus`."""

    def __init__(self, address: str, client: aiohttp.ClientSession) -> None:
        self.address = address
        self._client = client

    async def get(self, path: str, **params: str) -> Any:
        """The data that its API answers; an error fails the test, with what was asked."""
        async with self._client.get(f"{self.address}/api/v1/{path}", params=params) as answer:
            told = await answer.json()
        assert told["status"] == "success", (params, told)
        return told["data"]

    async def value(self, expression: str) -> float | None:
        """The value of an expression that has one at most."""
        found = (await self.get("query", query=expression))["result"]
        assert len(found) <= 1, found
        return float(found[0]["value"][1]) if found else None

    async def firing(self) -> set[str]:
        """The names of the alerts that fire."""
        return {
            each["labels"]["alertname"] for each in (await self.get("alerts"))["alerts"] if each["state"] == "firing"
        }

    async def fires(self, alert: str, seconds: float = 30) -> None:
        """Wait until an alert fires."""
        await eventually(self.firing, lambda firing: alert in firing, seconds)


def _hurried(folder: Path, targets: Sequence[str]) -> Path:
    """The shipped configuration and rules, told where the router and the monitor are, and hurried.

    This is the only place where they are altered: scrapes and evaluations come every half second, and what holds for
    half a second fires. No expression is touched.
    """
    config = yaml.safe_load((DEPLOY / "prometheus.yml").read_text(encoding="utf-8"))
    config["global"] = {"scrape_interval": "500ms", "evaluation_interval": "500ms"}
    (job,) = config["scrape_configs"]
    job["static_configs"] = [{"targets": [*targets]}]
    (folder / "rules").mkdir()
    for path in (DEPLOY / "rules").glob("*.yml"):
        told = yaml.safe_load(path.read_text(encoding="utf-8"))
        for rule in (rule for group in told["groups"] for rule in group["rules"] if "for" in rule):
            rule["for"] = "500ms"
        (folder / "rules" / path.name).write_text(yaml.safe_dump(told), encoding="utf-8")
    written = folder / "prometheus.yml"
    written.write_text(yaml.safe_dump(config), encoding="utf-8")
    return written


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@asynccontextmanager
async def a_prometheus(*targets: str) -> AsyncIterator[Prometheus]:
    """A real server with the shipped rules that scrapes these, host:port; gone at the end, with all it stored."""
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryFile() as log:
        folder = Path(name)
        listen = f"127.0.0.1:{_free_port()}"
        process = await asyncio.create_subprocess_exec(
            tool("prometheus"),
            f"--config.file={_hurried(folder, targets)}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={listen}",
            stdout=log,
            stderr=log,
        )
        try:
            async with aiohttp.ClientSession() as client:

                async def ready() -> bool:
                    assert process.returncode is None, "it ended"
                    try:
                        async with client.get(f"http://{listen}/-/ready") as answer:
                            return answer.status == 200
                    except aiohttp.ClientError:
                        return False

                await eventually(ready, seconds=START_SECONDS)
                yield Prometheus(f"http://{listen}", client)
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()
            log.seek(0)
            print(f"--- prometheus\n{log.read().decode()}")  # noqa: T201
