"""The report: one page that needs nothing else and that no id can break."""

import re
from xml.etree import ElementTree as ET

import pytest

from switchboard.whatif.comparison import compare
from switchboard.whatif.report_page import ComparisonReport, page
from switchboard.whatif.report_texts import assumptions
from switchboard.whatif.rule_variants import Variant, parse_variant
from switchboard.whatif.scenario import read_recorded
from tests.unit.replay.whatif.office import write_day

HOSTILE = '<script>alert("1")</script> & $x_1$'


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of a log whose queue, file and variant have names that mean harm."""
    config = {
        "queues": [{"name": HOSTILE}, {"name": "b"}],
        "profiles": [{"name": "desk", "max_sessions": 2}],
    }
    log = write_day(tmp_path_factory.mktemp("whatif") / "day.jsonl", hours=2, config=config)
    day = read_recorded(log, 2.0, lambda: None)
    variants = [Variant("unchanged"), Variant(HOSTILE, parse_variant("agents=+1").settings)]
    results = compare(day, variants, ("1", "2"), 20_000)
    return page(ComparisonReport(HOSTILE, results, day.measures.figures(20_000), assumptions(day, 2), 20.0))


def test_the_page_is_well_formed(report: str) -> None:
    """It is XML as well: each element that is opened is closed."""
    root = ET.fromstring(report.partition("\n")[2])  # noqa: S314 - our own
    assert root.tag == "html"
    assert len(root.findall(".//figure")) == 5


def test_the_page_loads_nothing_from_anywhere(report: str) -> None:
    """No script, style sheet, font or picture from elsewhere: only names of XML namespaces look like addresses."""
    without_names = re.sub(r'xmlns(:\w+)?="[^"]*"', "", report)
    assert "http" not in without_names
    assert re.findall(r"<(?:script|link|img|iframe|object)\b|@import|url\((?!#)", without_names) == []
    assert set(re.findall(r'(?:href|src)="([^"#]*)', without_names)) <= {""}


def test_names_that_mean_harm_are_only_text(report: str) -> None:
    """Of a queue, a log or a variant; in the pictures as in the tables."""
    assert "<script" not in report
    assert report.count("&lt;script&gt;") >= 5


def test_the_summary_and_the_check_of_the_model_come_before_the_pictures(report: str) -> None:
    """What to know first stands first."""
    places = [
        report.index(each) for each in ("would have waited", "How well the model fits", "<figure", "<table", "rests on")
    ]
    assert places == sorted(places)
