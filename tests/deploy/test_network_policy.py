"""What the network policies let out (names, the brokers) and in (Prometheus, the wallboard's readers)."""

from typing import Any

from switchboard.settings import Settings
from tests.deploy.manifests import Manifest, generated, of_kind, pods

OURS = {"app.kubernetes.io/name": "switchboard"}
NAMES = [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]
PROMETHEUS = {
    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
    "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}},
}


def policies() -> dict[str, Manifest]:
    """The specs of all of them, by name."""
    return {name: each["spec"] for name, each in of_kind("NetworkPolicy").items()}


def selecting(labels: dict[str, str]) -> list[Manifest]:
    """Those that are about a pod with these labels."""
    return [each for each in policies().values() if each["podSelector"]["matchLabels"].items() <= labels.items()]


def labels(component: str) -> dict[str, str]:
    """Of the pods of one workload."""
    kinds = ("StatefulSet", "Deployment", "Job")
    (workload,) = [found for kind in kinds if (found := of_kind(kind).get(f"switchboard-{component}"))]
    given: dict[str, str] = workload["spec"]["template"]["metadata"]["labels"]
    return given


def is_narrow(peer: dict[str, Any]) -> bool:
    """Whether it names somebody: an empty selector is everybody, and a wide range nearly everybody."""
    if "ipBlock" in peer:
        return str(peer["ipBlock"]["cidr"]).endswith("/32")
    return bool(peer) and all(selector.get("matchLabels") for selector in peer.values())


def test_every_pod_is_closed_both_ways_unless_a_policy_opens_it() -> None:
    """One policy selects all pods, for both directions, and lets nobody in."""
    closed = policies()["switchboard"]
    assert closed["podSelector"] == {"matchLabels": OURS}
    assert set(closed["policyTypes"]) == {"Ingress", "Egress"}
    assert "ingress" not in closed
    for name in pods():
        assert closed in selecting(labels(name.removeprefix("switchboard-"))), name


def test_out_goes_what_asks_for_names_and_what_goes_to_the_brokers() -> None:
    """No other rule, in no other policy, and each says whom and at which ports."""
    assert {name for name, each in policies().items() if "egress" in each} == {"switchboard"}
    names, brokers = policies()["switchboard"]["egress"]
    assert names["ports"] == NAMES
    assert {"k8s-app": "kube-dns"} in [peer.get("podSelector", {}).get("matchLabels") for peer in names["to"]]
    servers = generated("switchboard-settings")["SWITCHBOARD_BOOTSTRAP_SERVERS"].split(",")
    assert brokers["ports"] == [{"protocol": "TCP", "port": port} for port in {int(s.split(":")[1]) for s in servers}]
    namespaces = {server.split(":")[0].split(".")[1] for server in servers}
    assert [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": each}}} for each in namespaces] == (
        brokers["to"]
    )
    assert all(is_narrow(peer) for rule in (names, brokers) for peer in rule["to"])


def test_in_comes_who_scrapes_and_who_looks_at_the_wallboard() -> None:
    """Routers: Prometheus alone. The monitor: the wallboard's readers too. The job that sets up: nobody."""
    (router,) = [rule for each in selecting(labels("router")) for rule in each.get("ingress", ())]
    assert router == {"from": [PROMETHEUS], "ports": [{"protocol": "TCP", "port": "metrics"}]}
    readers, scraper = [rule for each in selecting(labels("monitor")) for rule in each.get("ingress", ())]
    assert scraper == {"from": [PROMETHEUS], "ports": [{"protocol": "TCP", "port": "web"}]}
    assert readers["ports"] == scraper["ports"]
    wallboard = {"matchLabels": {"switchboard/wallboard": "true"}}
    assert readers["from"] == [{"podSelector": wallboard}, {"namespaceSelector": wallboard}]
    assert [rule for each in selecting(labels("setup")) for rule in each.get("ingress", ())] == []


def test_the_ports_that_are_opened_are_those_that_are_served() -> None:
    """By the names that the containers give them."""
    for name, port in {"router": "metrics", "monitor": "web"}.items():
        (container,) = pods()[f"switchboard-{name}"]["containers"]
        assert container["ports"] == [{"name": port, "containerPort": Settings.model_fields[f"{port}_port"].default}]
