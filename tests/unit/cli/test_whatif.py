"""`switchboard whatif` on the command line."""

from pathlib import Path

import orjson
import pytest

from switchboard.errors import RulesError
from switchboard.journal.recorded_log import Record, writing_log
from tests.commands import invoke
from tests.unit.replay.whatif.office import write_day


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hours."""
    return write_day(tmp_path_factory.mktemp("whatif") / "day.jsonl", hours=2)


@pytest.fixture(scope="module")
def short_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half an hour, for tests of words."""
    return write_day(tmp_path_factory.mktemp("whatif") / "day.jsonl", hours=0.5)


def test_the_figures_come_as_json_with_their_intervals_and_a_report(log: Path, tmp_path: Path) -> None:
    """One variant of --set and --agents, another of --variant; the base first."""
    report = tmp_path / "out.html"
    command = [str(log), "--set", "profile.mode=pull", "--agents", "+2", "--variant", "two: profile.max_sessions=2"]
    done = invoke("whatif", *command, "--seeds", "2", "--json", "--report", report)
    assert done.exit_code == 0, done.output
    told = orjson.loads(done.stdout)
    assert [each["name"] for each in told["variants"]] == ["unchanged", "profile.mode=pull, agents +2", "two"]
    wait = told["variants"][1]["figures"]["wait"]
    assert wait["low"] <= wait["mean"] <= wait["high"]
    assert set(wait["difference"]) == {"mean", "low", "high"}
    assert told["recorded"]["offered"] > 50
    assert report.read_text().startswith("<!DOCTYPE html>")


def test_the_table_shows_each_variant_beside_what_was_recorded(log: Path) -> None:
    """And says in words what would have been otherwise, and how well the model fits."""
    done = invoke("whatif", log, "--agents", "+1", "--seeds", "2", env={"COLUMNS": "140"})
    assert done.exit_code == 0, done.output
    for part in ("With agents +1, customers would have waited", "as recorded", "unchanged", "answered within 20 s"):
        assert part in done.output


def test_on_a_narrow_terminal_names_are_told_whole(short_log: Path) -> None:
    """Over several lines."""
    sets = ("profile.max_sessions=2", "profile.offer_timeout=20")
    command = [str(short_log), "--set", sets[0], "--set", sets[1], "--variant", "b: agents=+1", "--seeds", "1"]
    done = invoke("whatif", *command, env={"COLUMNS": "70"})
    assert done.exit_code == 0, done.output
    head = done.stdout[done.stdout.index("┏") : done.stdout.index("┡")]
    column = "".join(line.split("┃")[4].strip() for line in head.splitlines() if line.startswith("┃"))
    assert column == ",".join(sets)


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        (1, "one run tells no interval: give --seeds 5 or more"),
        (2, "intervals of 2 runs are too wide to tell much: give --seeds 5 or more"),
        (5, None),
    ],
)
def test_of_few_runs_it_is_said_that_they_tell_little(short_log: Path, seeds: int, said: str | None) -> None:
    """On standard error, and among the assumptions."""
    done = invoke("whatif", short_log, "--set", "agents=+1", "--seeds", str(seeds), "--json")
    assert done.exit_code == 0, done.output
    assumed = " ".join(orjson.loads(done.stdout)["assumptions"]).lower()
    if said is None:
        assert "--seeds" not in done.stderr + assumed
    else:
        assert f"{said}\n" in done.stderr
        assert f"{said.lower()}." in assumed


def test_of_a_bus_log_it_is_said_that_it_holds_no_decisions(short_log: Path, tmp_path: Path) -> None:
    """Of a journal log it is not."""
    bus = tmp_path / "bus.jsonl"
    with writing_log(bus) as write:
        for number in range(20):
            write(Record("chat-arrival", 0, number, 1_000 * number, None, b'{"chat_id":"c%d"}' % number))
            write(Record("request-chat", 0, number, 1_000 * number, None, b'{"agent_id":"ana"}'))
    for each, told in ((bus, True), (short_log, False)):
        done = invoke("whatif", each, "--agents", "+1", "--seeds", "1")
        assert done.exit_code == 0, done.output
        assert ("a bus log holds no decisions" in done.stderr) is told


def test_a_recorded_day_of_arrivals_takes_the_place_of_a_log() -> None:
    """Real calls, assumed people: the assumptions are told."""
    command = ["--day", "1999-02-25", "--agents", "-3", "--staff", "12", "--seeds", "1", "--json"]
    told = orjson.loads(invoke("whatif", *command).stdout)
    assert told["variants"][0]["figures"]["offered"]["mean"] > 1000
    assert "bank" in " ".join(told["assumptions"])


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["--day", "1999-02-22"], "nothing to compare"),
        (["--agents", "+1"], "expected a LOG, or --day"),
        (["--day", "1999-02-27", "--agents", "+1"], "expected one of 1999-02-22"),
        (["--day", "1999-02-22", "--variant", "a: agents=+1", "--variant", "a: agents=+2"], "called 'a'"),
    ],
)
def test_wrong_use_is_told_with_what_was_expected(command: list[str], said: str) -> None:
    """Exit code 2."""
    done = invoke("whatif", *command)
    assert done.exit_code == 2
    assert said in done.output


def test_a_report_never_takes_the_place_of_its_log(tmp_path: Path) -> None:
    """Neither by its name nor by another; exit code 2."""
    log, link = write_day(tmp_path / "day.jsonl", hours=1), tmp_path / "link.html"
    link.hardlink_to(log)
    before = log.read_bytes()
    for report in (log, link):
        done = invoke("whatif", log, "--agents", "+1", "--seeds", "1", "--report", report)
        assert done.exit_code == 2
        assert "is the log itself" in done.output
    assert log.read_bytes() == before


def test_a_setting_that_is_none_is_wrong_use() -> None:
    """The nearest name is told."""
    done = invoke("whatif", "--day", "1999-02-22", "--set", "profile.maxsessions=2")
    assert isinstance(done.exception, RulesError)
    assert "max_sessions" in str(done.exception)


def test_without_the_extra_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """And --help works all the same."""
    monkeypatch.setattr("switchboard.cli.whatif_command.find_spec", lambda _: None)
    done = invoke("whatif", "--day", "1999-02-22", "--agents", "+1")
    assert done.exit_code == 1
    assert "pip install 'chat-switchboard[whatif]'" in done.output
    assert invoke("whatif", "--help").exit_code == 0
