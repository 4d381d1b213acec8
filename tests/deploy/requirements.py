"""The files of requirements/ as data."""

import re
import tomllib
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.deploy.manifests import DEPLOY

REPOSITORY: Final = DEPLOY.parent
FILES: Final = ("run", "whatif", "build", "dev")


def pinned(name: str) -> dict[str, set[str]]:
    """The distributions of requirements/NAME.txt with their pins; with several where they differ by Python version."""
    text = (REPOSITORY / f"requirements/{name}.txt").read_text(encoding="utf-8")
    found: dict[str, set[str]] = {}
    for line in re.findall(r"^[a-z].*", text, re.MULTILINE):
        pin = Requirement(line.removesuffix("\\"))
        found.setdefault(canonicalize_name(pin.name), set()).add(str(pin))
    return found


def declared(*, extra: str | None = None, group: str | None = None) -> set[str]:
    """The distributions that pyproject.toml names as dependencies: the package's own, an extra's, or a group's."""
    whole = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))
    if group:
        named = whole["dependency-groups"][group]
    else:
        project = whole["project"]
        named = project["optional-dependencies"][extra] if extra else project["dependencies"]
    return {canonicalize_name(Requirement(each).name) for each in named}
