"""The dashboards that are shipped: what Grafana takes, about metrics that there are, and readable without asking."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.prometheus import DASHBOARDS, expressions, names_in, panels, rules, served_names
from tests.routers import REPOSITORY

PROVISIONING: Final = REPOSITORY / "deploy/grafana/provisioning"
each_dashboard = pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)


def _lost(before: Any, after: Any, where: str = "") -> list[str]:
    """What is in the one and not in the other, or is another value there."""
    match before, after:
        case dict(), dict():
            gone = [f"{where}/{name}" for name in before.keys() - after.keys()]
            return gone + [
                each for name in before.keys() & after for each in _lost(before[name], after[name], f"{where}/{name}")
            ]
        case list(), list() if len(before) == len(after):
            pairs = enumerate(zip(before, after, strict=True))
            return [each for place, (one, other) in pairs for each in _lost(one, other, f"{where}/{place}")]
    return [] if before == after else [where]


@each_dashboard
def test_a_dashboard_holds_what_grafana_knows_and_nothing_else(path: Path) -> None:
    """Read into the types that Grafana Labs generates from its schemas, and written again, it is the same."""
    register_default_plugins()
    told = json.loads(path.read_text(encoding="utf-8"))
    assert _lost(told, json.loads(JSONEncoder().encode(Dashboard.from_json(told)))) == []


def test_a_misspelt_option_would_be_noticed() -> None:
    """The check above knows right from wrong."""
    register_default_plugins()
    told = json.loads(DASHBOARDS[0].read_text(encoding="utf-8"))
    told["panels"][1]["options"]["colourMode"] = "background"
    assert _lost(told, json.loads(JSONEncoder().encode(Dashboard.from_json(told)))) == ["/panels/1/options/colourMode"]


@each_dashboard
def test_every_panel_explains_itself(path: Path) -> None:
    """A title, a sentence, a unit; and a single figure says by its colour whether it is good."""
    for panel in panels(path):
        assert panel["title"]
        assert panel["description"].endswith((".", ")")), panel["title"]
        defaults = panel["fieldConfig"]["defaults"]
        assert defaults["unit"], panel["title"]
        assert defaults["thresholds"]["steps"][0]["value"] is None, panel["title"]
        if panel["type"] == "stat" and panel["title"] != "Sessions in use":
            assert len(defaults["thresholds"]["steps"]) > 1, panel["title"]


@each_dashboard
def test_panels_lie_side_by_side(path: Path) -> None:
    """Each has an id of its own, is within the 24 columns, and covers no other."""
    told = json.loads(path.read_text(encoding="utf-8"))["panels"]
    assert len({panel["id"] for panel in told}) == len(told)
    cells: list[tuple[int, int]] = []
    for panel in told:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells += [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]
    assert len(set(cells)) == len(cells)


@each_dashboard
def test_every_panel_follows_the_choice_of_installation_pool_and_queue(path: Path) -> None:
    """The variables are there, and no panel asks another data source than the one chosen."""
    told = json.loads(path.read_text(encoding="utf-8"))
    assert [each["name"] for each in told["templating"]["list"]] == ["datasource", "job", "pool", "queue"]
    for panel in panels(path):
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        for target in panel["targets"]:
            assert '=~"$job"' in target["expr"] or "ALERTS" in target["expr"], target["expr"]


@each_dashboard
def test_dashboards_ask_for_metrics_that_there_are(path: Path) -> None:
    """Those that a router serves, and those that our rules record."""
    known = served_names() | {rule["record"] for rule in rules() if "record" in rule}
    asked = [*expressions(path), *(str(each["query"]) for each in json.loads(path.read_text())["templating"]["list"])]
    for expression in asked:
        assert names_in(expression) - known == set(), expression


def test_what_is_provisioned_is_where_the_how_to_mounts_it() -> None:
    """A data source of the type that the dashboards ask for, and a provider of the folder they are mounted as."""
    (source,) = yaml.safe_load((PROVISIONING / "datasources/prometheus.yml").read_text())["datasources"]
    assert source["type"] == "prometheus"
    (provider,) = yaml.safe_load((PROVISIONING / "dashboards/switchboard.yml").read_text())["providers"]
    how_to = (REPOSITORY / "docs/how-to/watch-with-prometheus.md").read_text(encoding="utf-8")
    assert f"`{provider['options']['path']}`" in how_to
