"""The Dockerfile as data: its stages and their instructions."""

import re
from dataclasses import dataclass
from typing import Final

from tests.deploy.manifests import DEPLOY

DOCKERFILE: Final = DEPLOY / "Dockerfile"


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: the image or the stage that it begins with, and its instructions as (word, rest)."""

    base: str
    instructions: tuple[tuple[str, str], ...]

    def copied_from(self) -> set[str]:
        """The stages whose files it copies."""
        return {found[1] for _, rest in self.instructions if (found := re.search(r"--from=(\S+)", rest))}


def stages() -> dict[str, Stage]:
    """Every stage by its name, in the order of the file."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    parts = re.split(r"^FROM (\S+) AS (\S+)$", text, flags=re.MULTILINE)[1:]
    return {
        name: Stage(base, tuple(re.findall(r"^([A-Z]+) (.*)$", body, re.MULTILINE)))
        for base, name, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True)
    }


def ancestry(name: str) -> list[str]:
    """The stage, the one that it begins with, and so on."""
    known = stages()
    base = known[name].base
    return [name, *(ancestry(base) if base in known else [])]
