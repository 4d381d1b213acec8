"""The rules and alerts that are shipped: valid, tried with promtool, about metrics that there are, each with a page."""

import re
from functools import cache
from typing import Any, Final

import pytest
import yaml

from tests.prometheus import DEPLOY, names_in, promtool, rules, served_by_monitor, served_names
from tests.routers import REPOSITORY

ALERTS: Final = {rule["alert"]: rule for rule in rules() if "alert" in rule}
RECORDED: Final = {rule["record"] for rule in rules() if "record" in rule}
CASES: Final = sorted((DEPLOY / "tests").glob("*.yml"))
each_alert = pytest.mark.parametrize("alert", ALERTS)


def test_the_configuration_and_its_rules_are_valid() -> None:
    """`promtool check config` finds nothing, in the rules that it names either."""
    told = promtool("check", "config", "prometheus.yml")
    assert "3 rule files found" in told
    assert "FAILED" not in told


@pytest.mark.parametrize("name", [path.name for path in CASES])
def test_rules_and_alerts_do_what_their_cases_say(name: str) -> None:
    """`promtool test rules` on a file of `deploy/prometheus/tests`."""
    assert "SUCCESS" in promtool("test", "rules", name, cwd=DEPLOY / "tests")


def test_cases_fix_the_order_in_which_groups_are_evaluated() -> None:
    """In one tick promtool takes groups in any order otherwise, and a case on a boundary passes now and then."""
    for path in CASES:
        case = yaml.safe_load(path.read_text(encoding="utf-8"))
        files = [yaml.safe_load((path.parent / name).read_text(encoding="utf-8")) for name in case["rule_files"]]
        assert case["group_eval_order"] == [group["name"] for file in files for group in file["groups"]], path.name


@cache
def _alert_tests() -> list[dict[str, Any]]:
    """The cases of all alerts: 0.1 s to read."""
    files = [yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader) for path in CASES]
    return [each for file in files for test in file["tests"] for each in test.get("alert_rule_test", ())]


@each_alert
def test_an_alert_has_a_case_that_fires_and_one_that_does_not(alert: str) -> None:
    """An alert that never fires is worth as little as one that always does."""
    assert {bool(case["exp_alerts"]) for case in _alert_tests() if case["alertname"] == alert} == {True, False}


@each_alert
def test_an_alert_says_how_bad_it_is_and_where_to_read_on(alert: str) -> None:
    """Severity, summary, description, and a runbook page: what it means, what to look at, what to do."""
    rule = ALERTS[alert]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"].keys() == {"summary", "description", "runbook"}
    page = (REPOSITORY / rule["annotations"]["runbook"]).read_text(encoding="utf-8")
    assert f"`{alert}`" in page
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == ["What it means", "Look at", "Do"]


def test_every_runbook_page_is_that_of_an_alert() -> None:
    """No page is left over."""
    named = {rule["annotations"]["runbook"] for rule in ALERTS.values()}
    assert named == {str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "docs/runbooks").glob("*.md")}


def test_rules_ask_for_metrics_that_there_are() -> None:
    """Those that a router or a monitor serves, and those that other rules record."""
    for rule in rules():
        assert names_in(rule["expr"]) - served_names() - served_by_monitor() - RECORDED == set(), rule["expr"]


def test_every_window_holds_four_scrapes_a_minute_apart() -> None:
    """A rate over fewer has no value, now and then or always, and what asks for it is silent."""
    minutes = {"s": 1 / 60, "m": 1, "h": 60, "d": 1440}
    windows = [found for rule in rules() for found in re.findall(r"\[(\d+)([smhd])(?::\w*)?\]", rule["expr"])]
    assert len(windows) == sum(rule["expr"].count("[") for rule in rules())
    assert min(int(number) * minutes[unit] for number, unit in windows) >= 4


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert", rule.get("record")))
def test_a_recordings_name_tells_its_window(rule: dict[str, Any]) -> None:
    """`rate5m` is over five minutes."""
    told = re.search(r"\D(\d+[mh])$", rule.get("record", ""))
    if told and "switchboard:" not in rule["expr"]:
        assert told[1] in set(re.findall(r"(?:\[|offset )(\d+[mh])", rule["expr"])), rule["expr"]


def test_no_rule_compares_the_clock_of_a_router_with_that_of_prometheus() -> None:
    """One that is 35 s behind would look like 35 s of standing still."""
    assert [rule["expr"] for rule in rules() if re.search(r"\btime(stamp)?\(", rule["expr"])] == []


OTHER_SPANS: Final = re.compile(
    r"\b\d+(?:s|m|h|min)\b|\b\d+ (?:seconds?|min|h)\b|\b(?:two|three|five|ten|half an?) (?:seconds?|minutes?|hours?)\b"
)


@each_alert
def test_spans_of_time_are_written_in_one_way(alert: str) -> None:
    """`30 s`, `2 minutes`, `1 hour`: in an alert's annotations and on its page, code aside."""
    annotations = ALERTS[alert]["annotations"]
    assert "humanize" not in str(annotations), "it writes 7m 0s"
    page = (REPOSITORY / annotations["runbook"]).read_text(encoding="utf-8")
    told = [*annotations.values(), re.sub(r"(?s)```.*?```|`[^`]*`", "", page)]
    assert [found for text in told for found in OTHER_SPANS.findall(text)] == []
