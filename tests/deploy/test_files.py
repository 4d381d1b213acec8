"""The files of deploy/ are what Kubernetes, Compose and Docker take, and name only what there is."""

import re
from typing import Any

import kubernetes_validate
import pytest
import yaml
from compose_spec import PyCompose

from switchboard.journal.routing_file import read_routing_file
from switchboard.settings import Settings
from tests.deploy.manifests import (
    DEPLOY,
    PREFIX,
    Manifest,
    compose,
    generated,
    kubernetes,
    kustomization,
    of_kind,
    pods,
    services,
    settings_of,
    variables,
)

OLDEST_KUBERNETES = "1.29"
"""The schemas of Kubernetes that we keep to."""
NOT_ITS_OWN = {"ServiceMonitor"}
"""Kinds of an operator's: Kubernetes has no schema of them."""

CHECKED = [each for each in kubernetes() if each["kind"] not in NOT_ITS_OWN]


class _InFull(yaml.SafeDumper):
    """YAML without anchors: the checker reads none."""

    def ignore_aliases(self, data: Any) -> bool:
        """All."""
        del data
        return True


@pytest.mark.parametrize("manifest", CHECKED, ids=lambda each: f"{each['kind']} {each['metadata']['name']}")
def test_kubernetes_takes_every_manifest(manifest: Manifest) -> None:
    """Checked strictly against Kubernetes' own schema: a misspelt field is a fault, not ignored."""
    kubernetes_validate.validate(manifest, OLDEST_KUBERNETES, strict=True)


def test_a_misspelt_field_is_found() -> None:
    """The check above is one: it fails on a fault."""
    manifest = next(each for each in kubernetes() if each["kind"] == "StatefulSet")
    manifest["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, OLDEST_KUBERNETES, strict=True)


def test_compose_takes_its_file() -> None:
    """Read by a parser of the Compose specification; a service uses configs, volumes and services that there are."""
    whole = compose()
    for service in whole["services"].values():
        # The parser takes a tag or a digest, as the specification words it; Docker Compose takes both.
        service["image"] = re.sub(r":[^:@]+(?=@)", "", service["image"])
    assert PyCompose.from_yaml(yaml.dump(whole, Dumper=_InFull)).service_names() == sorted(whole["services"])
    for name, service in whole["services"].items():
        mounted = {volume.split(":")[0] for volume in service.get("volumes", ())}
        assert {source for source in mounted if not source.startswith("./")} <= whole["volumes"].keys(), name
        assert {each["source"] for each in service.get("configs", ())} <= whole["configs"].keys(), name
        assert set(service.get("depends_on", ())) <= whole["services"].keys(), name


def test_every_variable_is_a_setting() -> None:
    """A name that there is not would be refused at the start."""
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    found = [(name, where) for name, where in variables() if name.startswith(PREFIX)]
    assert found
    assert [(name, where) for name, where in found if name not in known] == []


def test_what_the_kustomization_lists_is_there() -> None:
    """Every resource and every file; the settings that containers take them from are generated."""
    folder = DEPLOY / "kubernetes"
    files = {file.name for file in folder.glob("*.yaml")} - {"kustomization.yaml"}
    assert files == set(kustomization()["resources"])
    named = {each["name"] for each in kustomization()["configMapGenerator"]}
    for pod in pods().values():
        assert {each["configMapRef"]["name"] for each in pod["containers"][0]["envFrom"]} <= named
    for made in kustomization()["configMapGenerator"]:
        assert all((folder / file).is_file() for file in made.get("files", ()))
    assert generated("switchboard-settings")["SWITCHBOARD_SASL_PASSWORD_FILE"].startswith("/etc/switchboard/secrets/")


def test_the_overlay_of_the_how_to_changes_what_there_is() -> None:
    """Its image, config maps and settings are those of the base, and its patch replaces the rule about the brokers."""
    page = (DEPLOY.parent / "docs/how-to/deploy.md").read_text(encoding="utf-8")
    blocks = [yaml.safe_load(block) for block in re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)]
    (overlay,) = [block for block in blocks if "resources" in block]
    assert [image["name"] for image in overlay["images"]] == [image["name"] for image in kustomization()["images"]]
    base = {each["name"] for each in kustomization()["configMapGenerator"]}
    for made in overlay["configMapGenerator"]:
        assert made["name"] in base
        assert all(line.split("=")[0] in generated(made["name"]) for line in made.get("literals", ()))
    (patch,) = [each for block in blocks for each in block.get("patches", ())]
    policy = of_kind(patch["target"]["kind"])[patch["target"]["name"]]
    (operation,) = yaml.safe_load(patch["patch"])
    assert (operation["op"], operation["path"]) == ("replace", "/spec/egress/1")
    assert policy["spec"]["egress"][1]["ports"] == operation["value"]["ports"]
    policy["spec"]["egress"][1] = operation["value"]
    kubernetes_validate.validate(policy, OLDEST_KUBERNETES, strict=True)


@pytest.mark.parametrize("file", ["routing.toml", "kubernetes/routing.toml"])
def test_the_routing_files_have_no_faults(file: str) -> None:
    """They can be applied as they are."""
    assert [pool["pool"] for pool in read_routing_file(DEPLOY / file)] == ["default"]


@pytest.mark.parametrize("name", [*pods()])
def test_a_pod_can_do_little(name: str) -> None:
    """No root, nothing of its image to be written, no capabilities, no token of the cluster, bounded memory."""
    pod = pods()[name]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False  # SWITCHBOARD_MONITOR_PORT=tcp://... is no setting: no pod would start
    for container in pod["containers"]:
        held = container["securityContext"]
        assert held["readOnlyRootFilesystem"] is True
        assert held["allowPrivilegeEscalation"] is False
        assert held["capabilities"] == {"drop": ["ALL"]}
        assert {"memory", "ephemeral-storage"} <= container["resources"]["limits"].keys()
        assert {"cpu", "memory", "ephemeral-storage"} <= container["resources"]["requests"].keys()
        writable = [mount["mountPath"] for mount in container["volumeMounts"] if not mount.get("readOnly")]
        assert writable == ["/tmp"]  # noqa: S108 - all that is writable


@pytest.mark.parametrize("name", [*pods()])
def test_what_a_pod_may_write_is_limited(name: str) -> None:
    """Its one writable folder has a size limit, well below what the pod may use with its logs."""
    (limit,) = [volume["emptyDir"]["sizeLimit"] for volume in pods()[name]["volumes"] if "emptyDir" in volume]
    assert limit == "64Mi"
    (container,) = pods()[name]["containers"]
    assert container["resources"]["limits"]["ephemeral-storage"] == "1Gi"


@pytest.mark.parametrize("name", [*services()])
def test_a_service_can_do_little(name: str) -> None:
    """No capabilities, no more by way of a program of its image, bounded memory and a bounded /tmp."""
    service = services()[name]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"\d+[mg]", service["mem_limit"])
    (folder,) = service["tmpfs"]
    assert re.fullmatch(r"/tmp:size=\d+m(,exec)?", folder)  # noqa: S108 - the one that is limited here
    assert ("build" not in service) or service["read_only"] is True


def test_only_what_is_looked_at_has_a_port_and_a_way_out() -> None:
    """The broker, its users and the metrics are on networks of their own, and ports are on loopback only."""
    networks = compose()["networks"]
    assert {name for name, each in networks.items() if each and each.get("internal")} == {"bus", "metrics"}
    for name, service in services().items():
        assert set(service["networks"]) <= networks.keys(), name
        assert ("published" in service["networks"]) == ("ports" in service), name
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ())), name
    assert {name for name, each in services().items() if "bus" in each["networks"]} == {
        *("kafka", "setup", "router", "monitor", "simulator"),
    }


def test_selectors_select_the_pods() -> None:
    """Services, budget and policies are about pods that there are."""
    labels = [
        each["spec"]["template"]["metadata"]["labels"]
        for each in kubernetes()
        if each["kind"] in ("StatefulSet", "Deployment", "Job")
    ]
    for each in kubernetes():
        match each["kind"]:
            case "Service":
                selector = each["spec"]["selector"]
            case "NetworkPolicy":
                selector = each["spec"]["podSelector"]["matchLabels"]
            case "StatefulSet" | "Deployment" | "PodDisruptionBudget":
                selector = each["spec"]["selector"]["matchLabels"]
            case _:
                continue
        assert any(selector.items() <= pod.items() for pod in labels), each["metadata"]["name"]


def test_routers_and_monitor_are_scraped_as_one_job() -> None:
    """Each ServiceMonitor selects one Service, at a port that it has; alerts on the monitor look at the routers too."""
    services = [each for each in kubernetes() if each["kind"] == "Service"]
    monitors = [each for each in kubernetes() if each["kind"] == "ServiceMonitor"]
    found = []
    for each in monitors:
        wanted = each["spec"]["selector"]["matchLabels"].items()
        (service,) = [one for one in services if wanted <= one["metadata"]["labels"].items()]
        (endpoint,) = each["spec"]["endpoints"]
        assert endpoint["port"] in {port["name"] for port in service["spec"]["ports"]}
        found.append((service["metadata"]["name"], str(endpoint["relabelings"])))
    assert {name for name, _ in found} == {"switchboard-router", "switchboard-monitor"}
    assert len({job for _, job in found}) == 1


def test_a_routers_probes_ask_what_it_serves() -> None:
    """Liveness asks for progress and readiness for restored shards, at the port of its metrics."""
    (router,) = pods()["switchboard-router"]["containers"]
    assert router["ports"] == [{"name": "metrics", "containerPort": Settings.model_fields["metrics_port"].default}]
    assert router["livenessProbe"]["httpGet"] == {"path": "/livez", "port": "metrics"}
    assert router["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}
    assert settings_of(router)["SWITCHBOARD_INSTANCE_ID"] == "metadata.name"


def test_a_monitors_probes_ask_its_event_loop() -> None:
    """A frozen loop answers nothing: each probe has a timeout. Until the broker has answered, nothing is asked."""
    (monitor,) = pods()["switchboard-monitor"]["containers"]
    assert monitor["ports"] == [{"name": "web", "containerPort": Settings.model_fields["web_port"].default}]
    starts, lives, ready = (monitor[probe] for probe in ("startupProbe", "livenessProbe", "readinessProbe"))
    assert starts["httpGet"] == lives["httpGet"] == {"path": "/livez", "port": "web"}
    assert ready["httpGet"] == {"path": "/healthz", "port": "web"}
    for probe in (starts, lives, ready):
        assert 1 < probe["timeoutSeconds"] <= probe["periodSeconds"]
    # It looks for the broker as long as it is told to; its web server starts after that.
    waits = float(generated("switchboard-settings")["SWITCHBOARD_BROKER_WAIT_SECONDS"])
    assert starts["periodSeconds"] * starts["failureThreshold"] >= waits + 60
    assert lives["periodSeconds"] * lives["failureThreshold"] <= 60


def test_the_image_runs_as_nobody_in_particular() -> None:
    """Its user is a number other than root's, which is how Kubernetes can tell, and the one that the pods have."""
    user = re.search(r"^USER (\d+):(\d+)$", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert user
    assert {int(user[1])} == {pod["securityContext"]["runAsUser"] for pod in pods().values()} != {0}
