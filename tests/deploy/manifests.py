"""The deploy files as data."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import yaml

DEPLOY: Final = Path(__file__).parents[2] / "deploy"
PREFIX: Final = "SWITCHBOARD_"

Manifest = dict[str, Any]


def kubernetes() -> list[Manifest]:
    """Every manifest of deploy/kubernetes, those of its kustomization aside."""
    files = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    return [
        each for file in files if file.name != "kustomization.yaml" for each in yaml.safe_load_all(file.read_text())
    ]


def kustomization() -> Manifest:
    """deploy/kubernetes/kustomization.yaml."""
    found: Manifest = yaml.safe_load((DEPLOY / "kubernetes/kustomization.yaml").read_text())
    return found


def compose() -> Manifest:
    """deploy/compose.yaml, its anchors resolved."""
    found: Manifest = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def pods() -> dict[str, Manifest]:
    """The pods' specs, by the name of what makes them."""
    kinds = ("StatefulSet", "Deployment", "Job")
    return {
        each["metadata"]["name"]: each["spec"]["template"]["spec"] for each in kubernetes() if each["kind"] in kinds
    }


def services() -> dict[str, Manifest]:
    """The services of deploy/compose.yaml, by their names."""
    found: dict[str, Manifest] = compose()["services"]
    return found


def of_kind(kind: str) -> dict[str, Manifest]:
    """The manifests of one kind, by their names."""
    return {each["metadata"]["name"]: each for each in kubernetes() if each["kind"] == kind}


def generated(config_map: str) -> dict[str, str]:
    """What kustomize puts into a config map of literals."""
    made = next(each for each in kustomization()["configMapGenerator"] if each["name"] == config_map)
    return dict(literal.split("=", 1) for literal in made["literals"])


def settings_of(container: Manifest) -> dict[str, str]:
    """The variables that a container of deploy/kubernetes is given; a field of its pod by the field's path."""
    found: dict[str, str] = {}
    for each in container.get("envFrom", ()):
        found |= generated(each["configMapRef"]["name"])
    for each in container.get("env", ()):
        found[each["name"]] = each["value"] if "value" in each else each["valueFrom"]["fieldRef"]["fieldPath"]
    return found


def variables() -> Iterator[tuple[str, str]]:
    """Every variable of ours in the deploy files, with where it stands."""
    for name, pod in pods().items():
        for container in pod["containers"]:
            yield from ((variable, f"kubernetes: {name}") for variable in settings_of(container))
    for name, service in compose()["services"].items():
        yield from ((variable, f"compose: {name}") for variable in service.get("environment", ()))
    for line in (DEPLOY / "Dockerfile").read_text().splitlines():
        yield from ((word.split("=")[0], "Dockerfile") for word in line.split() if word.startswith(PREFIX))
