"""What the Dockerfile makes, made without Docker: its build stages in a clean environment, and what they then run."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import orjson
import pytest

from switchboard.dev.local_broker import LocalBroker
from tests.deploy.dockerfile import ancestry, stages
from tests.deploy.manifests import DEPLOY, pods, settings_of
from tests.deploy.requirements import pinned
from tests.routers import Router, a_process

REPOSITORY = DEPLOY.parent
BUILD_SECONDS = 280

pytestmark = pytest.mark.timeout(BUILD_SECONDS + 60)

INSTALLED = """
import importlib.metadata, json, re
print(json.dumps([re.sub("[-_.]+", "-", each.metadata["Name"]).lower() for each in importlib.metadata.distributions()]))
"""


class Builder:
    """Does as the build stages do, in folders below `scratch`."""

    def __init__(self, scratch: Path) -> None:
        folders = ("/opt/switchboard", "/opt/build", "/src", "/dist")
        self._moved = {path: scratch / path.strip("/").replace("/", "-") for path in folders}
        self.source = self._moved["/src"]
        self.source.mkdir()

    @property
    def made(self) -> Path:
        """The environment that the images copy."""
        return self._moved["/opt/switchboard"]

    def run(self, stage: str) -> None:
        """The instructions of one stage."""
        for word, rest in stages()[stage].instructions:
            match word:
                case "WORKDIR":
                    assert rest == "/src"
                case "COPY":
                    self._copy(*rest.split())
                case "RUN":
                    self._command(rest)
                case _:
                    pytest.fail(f"an instruction that this test does not know: {word} {rest}")

    def branch(self, to: Path) -> "Builder":
        """A builder that goes on from here with an environment of its own."""
        other = object.__new__(Builder)
        other._moved = self._moved | {"/opt/switchboard": to}
        other.source = self.source
        shutil.copytree(self.made, to, symlinks=True)
        return other

    def _copy(self, *words: str) -> None:
        *files, to = words
        for file in files:
            target = self.source / to if len(files) == 1 and to != "./" else self.source / to / file
            target.parent.mkdir(parents=True, exist_ok=True)
            (shutil.copytree if (REPOSITORY / file).is_dir() else shutil.copy)(REPOSITORY / file, target)

    def _command(self, rest: str) -> None:
        here = re.sub("|".join(rf"{path}\b" for path in self._moved), lambda found: str(self._moved[found[0]]), rest)
        command = [sys.executable if each == "python" else each for each in shlex.split(here)]
        done = subprocess.run(
            command, cwd=self.source, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False
        )
        assert done.returncode == 0, (command, done.stdout[-2000:], done.stderr[-2000:])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Builder:
    """The stage that the workers' image copies from."""
    builder = Builder(tmp_path_factory.mktemp("image"))
    builder.run("build")
    return builder


@pytest.fixture(scope="module")
def image(built: Builder) -> Path:
    """What the workers' image copies."""
    return built.made


@pytest.fixture(scope="module")
def tools(built: Builder, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the image with the libraries of what-if copies."""
    assert stages()["build-tools"].base == "build"
    builder = built.branch(tmp_path_factory.mktemp("tools") / "made")
    builder.run("build-tools")
    return builder.made


def installed(environment: Path) -> set[str]:
    """The distributions in an environment, by their normalized names."""
    asked = [str(environment / "bin/python"), "-I", "-c", INSTALLED]
    done = subprocess.run(asked, env={}, capture_output=True, text=True, check=True)
    return set(orjson.loads(done.stdout))


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


def test_the_workers_image_holds_what_workers_need_and_nothing_else(image: Path) -> None:
    """The pinned requirements and the package: no pip, setuptools or wheel, and none of what-if's libraries."""
    there = installed(image)
    assert there - pinned("run").keys() == {"chat-switchboard"}
    assert there.isdisjoint({"pip", "setuptools", "wheel", "hatchling", "matplotlib", "scipy", "numpy"})
    assert not list((image / "bin").glob("pip*"))


def test_without_its_libraries_what_if_says_what_to_install(image: Path) -> None:
    """A message and exit code 1, no traceback; the image has no pip, so that it names the one that has them."""
    asked = [str(image / "bin/switchboard"), "whatif", "--day", "1999-02-22", "--set", "profile.mode=pull"]
    done = subprocess.run(asked, env={}, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the container image that is built with --target tools" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_tools_image_asks_what_if(tools: Path, tmp_path: Path) -> None:
    """With the pinned libraries, and a report with pictures; still without pip."""
    there = installed(tools)
    assert there - pinned("whatif").keys() == {"chat-switchboard"}
    assert {"matplotlib", "scipy"} <= there
    report = tmp_path / "report.html"
    asked = ["whatif", "--day", "1999-02-22", "--seeds", "2", "--set", "profile.mode=pull", "--report", str(report)]
    done = subprocess.run(
        [tools / "bin/python", "-m", "switchboard", *asked],
        env={"HOME": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "<svg" in report.read_text(encoding="utf-8")


def test_each_image_copies_from_its_own_build_stage() -> None:
    """The workers' is the last, built unless another is named; what-if's libraries are in no stage that it uses."""
    assert list(stages())[-1] == "switchboard"
    assert stages()["switchboard"].copied_from() == {"build"}
    assert stages()["tools"].copied_from() == {"build-tools"}
    for name in {*ancestry("switchboard"), *ancestry("build")}:
        assert "whatif" not in str(stages()[name].instructions), name


def test_the_base_images_own_pip_is_removed() -> None:
    """Pip, setuptools and wheel of the base image, and the copies that ensurepip holds: before the user is set."""
    words = [word for word, _ in stages()["base"].instructions]
    (removed,) = [rest for word, rest in stages()["base"].instructions if word == "RUN"]
    assert words.index("RUN") < words.index("USER")
    assert removed.startswith("rm -rf ")
    library = "/usr/local/lib/python3.*"
    assert {f"{library}/site-packages/*", f"{library}/ensurepip", "/usr/local/bin/pip*"} <= set(removed.split())
    assert ancestry("tools")[1:] == ancestry("switchboard")[1:] == ["base", "python"]
