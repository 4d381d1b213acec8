"""What the Dockerfile makes, made without Docker: its build stage in a clean environment, and what it then runs."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from switchboard.kafka.local_broker import LocalBroker
from tests.deploy.manifests import DEPLOY, pods, settings_of
from tests.routers import Router, a_process

REPOSITORY = DEPLOY.parent
BUILD_SECONDS = 280

pytestmark = pytest.mark.timeout(BUILD_SECONDS + 60)


def build_stage() -> list[tuple[str, str]]:
    """The instructions of the Dockerfile's first stage."""
    text = (DEPLOY / "Dockerfile").read_text().replace("\\\n", " ")
    stage = re.split(r"^FROM .*$", text, flags=re.MULTILINE)[1]
    return [(word, rest) for word, rest in re.findall(r"^([A-Z]+) (.*)$", stage, re.MULTILINE)]


def run_stage(scratch: Path) -> Path:
    """Do as the build stage does, in folders below `scratch`; the folder that the image is made of."""
    moved = {path: scratch / path.strip("/").replace("/", "-") for path in ("/opt/switchboard", "/src", "/dist")}
    source = moved["/src"]
    source.mkdir()
    for word, rest in build_stage():
        match word:
            case "WORKDIR":
                assert rest == "/src"
            case "COPY":
                *files, to = rest.split()
                for file in files:
                    target = source / to if len(files) == 1 and to != "./" else source / to / file
                    target.parent.mkdir(parents=True, exist_ok=True)
                    (shutil.copytree if (REPOSITORY / file).is_dir() else shutil.copy)(REPOSITORY / file, target)
            case "RUN":
                told = re.sub("|".join(rf"{path}\b" for path in moved), lambda found: str(moved[found[0]]), rest)
                command = [sys.executable if each == "python" else each for each in shlex.split(told)]
                done = subprocess.run(
                    command, cwd=source, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
                )
                assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])
            case _:
                pytest.fail(f"an instruction that this test does not know: {word} {rest}")
    return moved["/opt/switchboard"]


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the second stage copies from the first."""
    return run_stage(tmp_path_factory.mktemp("image"))


@pytest.mark.broker
async def test_the_image_routes_with_what_its_manifest_gives(
    image: Path, tmp_path: Path, private_broker: LocalBroker
) -> None:
    """Built from the pinned requirements and a wheel, it makes the topics, then serves, with no other variable set."""
    entry = str(image / "bin/switchboard")
    (container,) = pods()["switchboard-router"]["containers"]
    cluster = {
        # Where the test's cluster is another than the manifest's.
        "SWITCHBOARD_BOOTSTRAP_SERVERS": private_broker.bootstrap,
        "SWITCHBOARD_REPLICATION": "1",
        "SWITCHBOARD_METRICS_PORT": "0",
        "SWITCHBOARD_METRICS_HOST": "127.0.0.1",
    }
    secured = ("SECURITY", "SASL", "CA_FILE")
    given = {name: value for name, value in settings_of(container).items() if not any(s in name for s in secured)}
    env = {"PATH": f"{image}/bin:/usr/bin:/bin", **given, **cluster}
    made = subprocess.run(  # noqa: ASYNC221 - nothing else goes on
        [entry, "topics", "create", "--sources"], env=env, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    assert sys.prefix not in made.stdout + made.stderr
    async with a_process(Router, *container["args"], env=env, entry=[entry], folder=str(tmp_path)) as router:
        await router.ready()
        assert await router.owned() == {0}
        await router.stop()


def test_the_image_knows_its_version(image: Path) -> None:
    """The command is on its path, with the version of the wheel."""
    told = subprocess.run([image / "bin/switchboard", "--version"], env={}, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert re.fullmatch(r"switchboard, version \d+\.\d+\.\d+\n", told.stdout)
