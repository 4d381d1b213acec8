"""Router, monitor and setup: each has a secret, a Kafka user and a service account of its own, and its rights alone."""

import asyncio
import shlex
import subprocess
import sys
from asyncio.subprocess import PIPE
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from click.testing import CliRunner

from switchboard.cli.main import switchboard
from switchboard.kafka.acl import CLUSTER, Operation, Resource, Right
from switchboard.kafka.admin import create_topics
from switchboard.kafka.topics import TopicNames, TopicPlan
from switchboard.settings import ENV_PREFIX
from tests.deploy.manifests import DEPLOY, of_kind, pods, settings_of
from tests.monitors import Monitor, a_monitor
from tests.routers import Ran, Router, a_process
from tests.secured import Secured, a_secured_broker

SETUP: Final = "switchboard-setup"
WORKERS: Final = ("switchboard-router", "switchboard-monitor")
COMMANDS: Final = {
    "switchboard-router": ("router",),
    "switchboard-monitor": ("monitor",),
    SETUP: ("topics create", "config apply"),
}
"""What each workload does, in the words of `switchboard rights`; the manifests are held to it below."""
SECRETS: Final = "/etc/switchboard/secrets"

RECORDER: Final = 'for word; do printf "%s\\0" "$word"; done >> "$RECORD"; printf "\\n" >> "$RECORD"'
"""In the place of kafka-acls.sh: notes what it is called with, one call a line."""


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """A broker that asks who is there and what they may do, for this file alone: topics have their own names on it."""
    with a_secured_broker(tmp_path_factory.mktemp("secured")) as broker:
        yield broker


def allowed(call: list[str]) -> dict[str, set[Right]]:
    """What one call of kafka-acls.sh allows, by user."""
    words = iter(call)
    user, operation, prefixed = "", "", False
    named: list[tuple[Resource, str]] = []
    for word in words:
        match word.removeprefix("--"):
            case "add":
                pass
            case "bootstrap-server" | "command-config":
                next(words)
            case "allow-principal":
                user = next(words).removeprefix("User:")
            case "operation":
                operation = next(words)
            case "resource-pattern-type":
                prefixed = next(words) == "prefixed"
            case "cluster":
                named.append((Resource.CLUSTER, CLUSTER))
            case other:
                named.append((Resource(other), next(words)))
    (does,) = [each for each in Operation if str(each) == operation]
    return {user: {Right(does, resource, name, prefixed) for resource, name in named}}


def together(calls: list[list[str]]) -> dict[str, set[Right]]:
    """What some calls allow, by user."""
    found: dict[str, set[Right]] = {}
    for call in calls:
        for user, rights in allowed(call).items():
            found.setdefault(user, set()).update(rights)
    return found


def acls_script(folder: Path, **variables: str) -> tuple[subprocess.CompletedProcess[str], list[list[str]]]:
    """Run deploy/kafka/acls.sh with a recorder in the place of kafka-acls.sh; how it ended, and the calls."""
    tool, record = folder / "kafka-acls.sh", folder / "record"
    tool.write_text(f"#!/bin/sh\n{RECORDER}\n")
    tool.chmod(0o755)
    record.touch()
    env = {"PATH": f"{folder}:/usr/bin:/bin", "RECORD": str(record), **variables}
    script = ["sh", str(DEPLOY / "kafka/acls.sh")]
    done = subprocess.run(script, env=env, capture_output=True, text=True, check=False)
    return done, [line.split("\0")[:-1] for line in record.read_text().splitlines()]


@pytest.mark.parametrize("name", [*pods()])
def test_each_workload_has_a_secret_a_user_and_an_account_of_its_own(name: str) -> None:
    """All are named like the workload, and no other secret is within its reach."""
    pod = pods()[name]
    (container,) = pod["containers"]
    settings = settings_of(container)
    assert [volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume] == [name]
    assert all("secretRef" not in each for each in container["envFrom"])
    assert settings["SWITCHBOARD_SASL_USERNAME"] == name
    assert pod["serviceAccountName"] == name
    assert of_kind("ServiceAccount")[name]["automountServiceAccountToken"] is False
    files = {variable: path for variable, path in settings.items() if path.startswith(f"{SECRETS}/")}
    assert files["SWITCHBOARD_SASL_PASSWORD_FILE"] == f"{SECRETS}/password"
    assert ("SWITCHBOARD_WEB_TOKEN_FILE" in files) == (name == "switchboard-monitor")
    assert {"name": "secrets", "mountPath": SECRETS, "readOnly": True} in container["volumeMounts"]


def test_no_user_is_shared() -> None:
    """As many users, secrets and accounts as there are workloads, and none is left over."""
    assert COMMANDS.keys() == pods().keys() == of_kind("ServiceAccount").keys()
    assert len({settings_of(pod["containers"][0])["SWITCHBOARD_SASL_USERNAME"] for pod in pods().values()}) == 3


def test_each_workload_runs_what_its_rights_are_for() -> None:
    """The workers' arguments, and the job's commands."""
    for name in WORKERS:
        (container,) = pods()[name]["containers"]
        assert container["args"][:2] == ["run", *COMMANDS[name]]
    (line,) = pods()[SETUP]["containers"][0]["args"]
    assert tuple(" ".join(call.split()[1:3]) for call in line.split(" && ")) == COMMANDS[SETUP]


def test_the_script_allows_each_user_what_its_commands_need_and_no_more(tmp_path: Path) -> None:
    """The same rights as `switchboard rights` prints for the same user, neither fewer nor more."""
    done, calls = acls_script(tmp_path, BOOTSTRAP="127.0.0.1:9092")
    assert done.returncode == 0, done.stderr
    wanted: dict[str, set[Right]] = {}
    for user, commands in COMMANDS.items():
        for command in commands:
            asked = ["rights", *command.split(), "--principal", f"User:{user}"]
            printed = CliRunner().invoke(switchboard, asked, catch_exceptions=False)
            found = together([shlex.split(line)[1:] for line in printed.output.splitlines()])
            wanted.setdefault(user, set()).update(found[user])
    assert together(calls) == wanted
    assert all(call[:2] == ["--bootstrap-server", "127.0.0.1:9092"] for call in calls)


def test_the_script_takes_the_properties_of_who_may_allow(tmp_path: Path) -> None:
    """COMMAND_CONFIG goes to every call; without BOOTSTRAP nothing is called."""
    _, calls = acls_script(tmp_path, BOOTSTRAP="127.0.0.1:9092", COMMAND_CONFIG="a folder/admin.properties")
    assert all(call[2:4] == ["--command-config", "a folder/admin.properties"] for call in calls)
    assert calls
    (tmp_path / "record").unlink()
    done, calls = acls_script(tmp_path)
    assert (done.returncode != 0, calls) == (True, [])
    assert "BOOTSTRAP: set it to the host:port of a broker" in done.stderr


def environment_of(name: str, secured: Secured, user: str | None = None) -> dict[str, str]:
    """What the manifest gives a workload, but for the cluster: that is the test's, and so is the way to log in."""
    elsewhere = (*(f"{ENV_PREFIX}{each}" for each in ("CA", "SASL", "SECURITY")), f"{ENV_PREFIX}WEB_TOKEN_FILE")
    (container,) = pods()[name]["containers"]
    given = {each: value for each, value in settings_of(container).items() if not each.startswith(elsewhere)}
    here = secured.by("OAUTHBEARER", user or name) | {
        "replication": 1,
        "metrics_port": 0,
        "metrics_host": "127.0.0.1",
        "web_host": "127.0.0.1",
        "broker_wait_seconds": 20,
    }
    return given | {f"{ENV_PREFIX}{each.upper()}": str(value) for each, value in here.items()}


async def setup(folder: Path, env: dict[str, str]) -> Ran:
    """Run the job's own command line by its own shell, `switchboard` being the one that is tested."""
    (container,) = pods()[SETUP]["containers"]
    entry = folder / "switchboard"
    entry.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m switchboard "$@"\n')
    entry.chmod(0o755)
    (line,) = container["args"]
    mounted = "/etc/switchboard/routing/routing.toml"
    assert mounted in line
    line = line.replace(mounted, str(DEPLOY / "kubernetes/routing.toml"))
    path = {"PATH": f"{folder}:/usr/bin:/bin", "PYTHONPATH": str(DEPLOY.parent / "workers")}
    process = await asyncio.create_subprocess_exec(
        *container["command"], line, stdout=PIPE, stderr=PIPE, env=env | path, cwd=folder
    )
    out, err = await asyncio.wait_for(process.communicate(), 60)
    return Ran(process.returncode or 0, out.decode(), err.decode())


@pytest.mark.broker
async def test_each_does_its_work_with_its_own_user_and_none_does_anothers(secured: Secured, tmp_path: Path) -> None:
    """On a cluster with what the script allows: the job runs, twice; then a router serves, and a monitor beside it."""
    _, calls = acls_script(tmp_path, BOOTSTRAP="127.0.0.1:9092")
    await secured.allow(together(calls))
    for user in WORKERS:
        refused = await setup(tmp_path, environment_of(SETUP, secured, user))
        assert refused.code == 2, (user, refused.err)
        assert "not allowed: " in refused.err, user
    for _ in range(2):
        ran = await setup(tmp_path, environment_of(SETUP, secured))
        assert ran.code == 0, ran.err
    # The topics of the bus are there in the field.
    plan = TopicPlan(TopicNames(), shards=1, replication=1, min_insync=1)
    await create_topics(secured.for_setting_up, plan, bus_partitions=1)

    router = pods()["switchboard-router"]["containers"][0]["args"]
    source = {"PYTHONPATH": str(DEPLOY.parent / "workers")}
    stranger = environment_of("switchboard-router", secured, "switchboard-monitor") | source
    async with a_process(Router, *router, env=stranger) as refused_router:
        assert await refused_router.ended() == 2
        assert "not allowed: " in refused_router.log
    async with a_process(Router, *router, env=environment_of("switchboard-router", secured) | source) as serving:
        await serving.ready()
        assert await serving.owned() == {0}
        given = environment_of("switchboard-monitor", secured)
        settings = {each.removeprefix(ENV_PREFIX).lower(): value for each, value in given.items()}
        async with a_monitor(**settings) as monitor:
            assert isinstance(monitor, Monitor)
            assert [row["queue"] for row in await monitor.first("/api/queues")] == ["default"]
        await serving.stop()
