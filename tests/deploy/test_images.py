"""Which images are used: each by its digest, which a command renews, and none of ours unless its digest is given."""

import re
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from tests.deploy.dockerfile import DOCKERFILE, stages
from tests.deploy.manifests import DEPLOY, kustomization, pods, services

DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
PLACEHOLDER: Final = f"sha256:{'0' * 64}"
OLD, NEW = f"sha256:{'a' * 64}", f"sha256:{'b' * 64}"

RESOLVERS: Final = {
    "crane": 'test "$1" = digest && echo "$2 asked" >&2 && echo "$ANSWER"',
    "skopeo": 'test "$1" = inspect && echo "${5#docker://} asked" >&2 && echo "$ANSWER"',
    "docker": '[ "$2" = version ] && exit; test "$*" = "buildx imagetools inspect --format {{.Manifest.Digest}} $6" '
    '&& echo "$6 asked" >&2 && echo "$ANSWER"',
}
"""Stand-ins for the tools that ask a registry: which one is called, and how, is what is tested."""
NEEDED: Final = ("sh", "cat", "dirname", "grep", "mktemp", "rm", "sed", "sort")

FILE: Final = f"""\
FROM python:3.11-slim@{OLD} AS python
FROM python
    image: local:5000/some/kafka:4.1.0@{OLD}
    image: other/prometheus:v3@{NEW}
# sha256 in a comment, kafka:4.1.0 too
"""


def outside() -> list[str]:
    """Every image that is fetched: those of deploy/compose.yaml and what the Dockerfile begins with."""
    fetched = [service["image"] for service in services().values() if "build" not in service]
    return [*fetched, *(stage.base for stage in stages().values() if stage.base not in stages())]


@pytest.mark.parametrize("image", outside())
def test_a_fetched_image_is_named_by_tag_and_digest(image: str) -> None:
    """The tag says which version it is, the digest which bytes; the registry is the reader's own choice."""
    found = re.fullmatch(rf"(?P<name>[a-z0-9/-]+):(?P<tag>[A-Za-z0-9._-]+)@{DIGEST.pattern}", image)
    assert found, image
    assert re.match(r"v?\d", found["tag"]), image
    assert PLACEHOLDER not in image


def test_every_stage_begins_with_the_pinned_image_or_another_stage() -> None:
    """One line names it, so that one line is renewed; no file is copied from an image that is not pinned."""
    text = DOCKERFILE.read_text(encoding="utf-8")
    assert len(DIGEST.findall(text)) == 1
    assert len(re.findall(r"^FROM ", text, re.MULTILINE)) == len(stages())
    for stage in stages().values():
        assert stage.copied_from() <= stages().keys()


def test_services_of_ours_are_built_from_here() -> None:
    """From the stage that has no libraries of what-if."""
    ours = [service for service in services().values() if "build" in service]
    assert ours
    assert {(each["image"], each["build"]["target"]) for each in ours} == {("switchboard:local", "switchboard")}


def test_the_base_alone_runs_no_image() -> None:
    """Every container has the image that an overlay names by digest; until then it is one that there is not."""
    assert {container["image"] for pod in pods().values() for container in pod["containers"]} == {"switchboard"}
    assert kustomization()["images"] == [{"name": "switchboard", "digest": PLACEHOLDER}]


def check_pinned(manifests: str) -> subprocess.CompletedProcess[str]:
    """What deploy/kubernetes/pinned.sh makes of these manifests."""
    script = ["sh", str(DEPLOY / "kubernetes/pinned.sh")]
    return subprocess.run(script, input=manifests, capture_output=True, text=True, check=False)


def test_pinned_manifests_are_passed_on_as_they_are() -> None:
    """Byte for byte, images in quotes included."""
    manifests = f"kind: Pod\nspec:\n  containers:\n  - image: your/a@{OLD}\n    name: a\n  - image: 'b@{NEW}'\n"
    done = check_pinned(manifests)
    assert (done.returncode, done.stdout, done.stderr) == (0, manifests, "")


@pytest.mark.parametrize(
    "image", ["your/switchboard:0.1.0", "switchboard", f"switchboard@{PLACEHOLDER}", "a@sha256:abc", '"a:1"']
)
def test_an_image_that_is_not_pinned_stops_the_deployment(image: str) -> None:
    """It is named with a remedy, and nothing is passed on: not the pinned ones beside it either."""
    done = check_pinned(f"spec:\n  containers:\n  - image: fine@{OLD}\n  - name: b\n    image: {image}\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert f"  {image.strip(chr(34))}\n" in done.stderr
    assert "digest" in done.stderr.splitlines()[-1]
    assert "fine" not in done.stderr


def test_no_manifests_are_no_pinned_manifests() -> None:
    """A renderer that failed printed nothing: that is not passed on as if all were well."""
    done = check_pinned("")
    assert (done.returncode, done.stdout) == (1, "")


def renew(folder: Path, tool: str | None, answer: str = NEW) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run deploy/renew-digests.sh on a file where this tool alone is there; what it did, and the file after it."""
    path = folder / "bin"
    path.mkdir()
    for name in NEEDED:
        there = shutil.which(name)
        assert there, name
        (path / name).symlink_to(there)
    if tool:
        (path / tool).write_text(f"#!/bin/sh\n{RESOLVERS[tool]}\n")
        (path / tool).chmod(0o755)
    file = folder / "some.yaml"
    file.write_text(FILE)
    file.chmod(0o640)
    done = subprocess.run(
        ["sh", str(DEPLOY / "renew-digests.sh"), str(file)],
        env={"PATH": str(path), "ANSWER": answer, "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert file.stat().st_mode & 0o777 == 0o640
    return done, file.read_text()


@pytest.mark.parametrize("tool", RESOLVERS)
def test_a_command_renews_the_digests_and_nothing_else(tool: str, tmp_path: Path) -> None:
    """Each image is asked for by name and tag once; those that changed are printed and written."""
    done, after = renew(tmp_path, tool)
    assert done.returncode == 0, done.stderr
    assert after == FILE.replace(OLD, NEW)
    asked = {"python:3.11-slim asked", "local:5000/some/kafka:4.1.0 asked", "other/prometheus:v3 asked"}
    assert sorted(done.stderr.splitlines()) == sorted(asked)
    assert f"other/prometheus:v3 is still {NEW}" in done.stdout
    assert f"python:3.11-slim is now {NEW}, was {OLD}" in done.stdout
    assert not list(tmp_path.glob("tmp.*"))


@pytest.mark.parametrize("answer", ["", "sha256:abc", "not found"])
def test_an_answer_that_is_no_digest_changes_nothing(answer: str, tmp_path: Path) -> None:
    """The image and the answer are named."""
    done, after = renew(tmp_path, "crane", answer)
    assert done.returncode == 1
    assert after == FILE
    assert f"the answer was '{answer}'" in done.stderr


def test_without_a_tool_it_says_which_would_do(tmp_path: Path) -> None:
    """Exit code 2."""
    done, after = renew(tmp_path, None)
    assert (done.returncode, after) == (2, FILE)
    assert "crane, skopeo, or docker with buildx" in done.stderr


def test_it_finds_every_image_that_is_pinned() -> None:
    """The files that it renews unless any are named are all that pin one."""
    files = [path for path in DEPLOY.rglob("*") if path.is_file()]
    pinning = {path for path in files if re.search(rf"@{DIGEST.pattern}", path.read_text(encoding="utf-8"))}
    assert pinning == {DEPLOY / "Dockerfile", DEPLOY / "compose.yaml"}
    script = (DEPLOY / "renew-digests.sh").read_text()
    assert all(f'"$(dirname "$0")/{path.name}"' in script for path in pinning)
