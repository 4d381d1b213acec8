"""Settings: where each comes from, and what is said when one is wrong."""

import os
from pathlib import Path

import pytest

from switchboard.errors import SettingsError
from switchboard.settings import given, lines, load


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and no setting in the environment."""
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.upper().startswith("SWITCHBOARD_"):
            monkeypatch.delenv(name)
    return tmp_path


def test_defaults_are_those_of_a_broker_on_this_machine() -> None:
    """With nothing set: the broker on 9092, one shard, three copies, all addresses on loopback."""
    settings = load()
    assert settings.connection().bootstrap == "127.0.0.1:9092"
    plan = settings.topic_plan()
    assert (plan.shards, plan.replication, plan.min_insync) == (1, 3, 2)
    assert (settings.group_id, settings.frame_events, settings.merge_wait_ms) == ("switchboard", 2000, 500)
    assert (settings.metrics_host, settings.metrics_port) == ("127.0.0.1", 9464)
    assert (settings.web_host, settings.web_port) == ("127.0.0.1", 8080)
    assert {line.source for line in lines(settings)} == {"default"}


def test_an_option_beats_the_environment_beats_env_file_beats_toml(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Four places, one order, and each setting tells which it came from."""
    (folder / "switchboard.toml").write_text('shards = 2\ngroup_id = "toml"\nlog_level = "error"\nreplication = 1\n')
    (folder / ".env").write_text("SWITCHBOARD_SHARDS=3\nSWITCHBOARD_GROUP_ID=dotenv\nSWITCHBOARD_LOG_LEVEL=info\n")
    monkeypatch.setenv("SWITCHBOARD_SHARDS", "4")
    monkeypatch.setenv("SWITCHBOARD_GROUP_ID", "environment")
    settings = load(shards=5, web_port=None)
    assert (settings.shards, settings.group_id, settings.log_level) == (5, "environment", "info")
    sources = {line.name: line.source for line in lines(settings, shards=5, web_port=None)}
    assert sources["shards"] == "an option of the command"
    assert sources["group_id"] == "SWITCHBOARD_GROUP_ID in the environment"
    assert sources["log_level"] == ".env"
    assert sources["replication"] == "switchboard.toml"
    assert sources["web_port"] == "default"


def test_all_faults_are_told_at_once_with_where_they_came_from(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each wrong setting has a line: its name, its value, its source and what was expected; unknown names too."""
    (folder / "switchboard.toml").write_text('shard = 2\nreplication = "many"\n')
    (folder / ".env").write_text("UNRELATED=1\nSWITCHBOARD_METRICS_PORT=99999\n")
    monkeypatch.setenv("SWITCHBOARD_SECURITY_PROTOCOL", "tls")
    with pytest.raises(SettingsError) as wrong:
        load()
    told = str(wrong.value)
    assert "shard (switchboard.toml): there is no such setting" in told
    assert "replication is 'many' (switchboard.toml): Input should be a valid integer" in told
    assert "metrics_port is '99999' (.env): Input should be less than or equal to 65535" in told
    assert "security_protocol is 'tls' (SWITCHBOARD_SECURITY_PROTOCOL in the environment): Input should be" in told
    assert len(told.splitlines()) == 4


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"bootstrap_servers": "kafka"}, "bootstrap_servers is 'kafka'"),
        ({"topic_prefix": "my topics"}, "topic_prefix is 'my topics'"),
        ({"shards": 0}, "shards is 0"),
        ({"frame_events": 2001}, "frame_events is 2001"),
        ({"min_insync": 4}, "min_insync is 4, expected at most replication, which is 3"),
        ({"ca_file": "nowhere.pem"}, "(an option of the command): there is no file nowhere.pem"),
        ({"web_token": "short"}, "web_token is ** (an option of the command): expected at least 16 characters, got 5"),
        ({"time_zone": "Mars/Olympus"}, "time_zone is 'Mars/Olympus'"),
        ({"time_zone": "../etc/passwd"}, "time_zone is '../etc/passwd'"),
        ({"service_level_seconds": 0}, "service_level_seconds is 0"),
        ({"web_session_hours": 0}, "web_session_hours is 0"),
        ({"web_proxies": "10.0.0.1, proxy.example"}, "command): 'proxy.example' does not appear to be an IPv4"),
        ({"security_protocol": "SASL_SSL"}, "SASL_SSL, which needs sasl_username and sasl_password"),
        ({"security_protocol": "SASL_SSL", "sasl_mechanism": "OAUTHBEARER"}, "which needs sasl_token_file"),
    ],
)
def test_a_setting_that_can_not_be_worked_with_is_refused(options: dict[str, object], told: str) -> None:
    """What would fail later, or do harm, is refused at once and named."""
    with pytest.raises(SettingsError) as wrong:
        load(**options)
    assert told in str(wrong.value)


def test_each_wrong_setting_is_named_at_once_whatever_checks_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file, a time zone and a list of networks are named together with a number that is out of range."""
    wrong_ones = {"MAX_POOLS": "0", "CA_FILE": "nowhere.pem", "TIME_ZONE": "Mars/Olympus", "WEB_PROXIES": "10.0.0.0/33"}
    for name, value in wrong_ones.items():
        monkeypatch.setenv(f"SWITCHBOARD_{name}", value)
    with pytest.raises(SettingsError) as wrong:
        load()
    told = str(wrong.value).splitlines()
    assert len(told) == len(wrong_ones)
    assert all(any(f"(SWITCHBOARD_{name} in the environment): " in line for line in told) for name in wrong_ones)


def test_toml_that_is_none_is_named(folder: Path) -> None:
    """A file that is no TOML is named with the place of the fault."""
    (folder / "switchboard.toml").write_text("shards = \n")
    with pytest.raises(SettingsError, match=r"switchboard\.toml:1: expected TOML: .*line 1"):
        load()


def test_what_the_environment_gives_is_known_though_a_file_can_not_be_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So a worker whose log is JSON also says in JSON that the file is wrong."""
    (folder / "switchboard.toml").write_text("shards = = 2\n")
    monkeypatch.setenv("SWITCHBOARD_LOG_FORMAT", "json")
    assert (given("log_format"), given("log_level")) == ("json", "info")


def test_secrets_are_read_from_files_and_never_shown(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A password may stand in a file; neither it nor one that was set directly appears in what is printed."""
    (folder / "password").write_text("from-a-file\n")
    user = {"security_protocol": "SASL_SSL", "sasl_username": "router"}
    from_file = user | {"sasl_password_file": "password"}
    settings = load(**from_file)
    secret = settings.connection().sasl_password
    assert secret is not None
    assert secret.get_secret_value() == "from-a-file"
    monkeypatch.setenv("SWITCHBOARD_SASL_PASSWORD", "hush-hush")
    settings = load(**user)
    shown = repr(settings) + repr(settings.connection()) + "".join(line.value for line in lines(settings))
    assert "hush-hush" not in shown
    with pytest.raises(SettingsError, match="sasl_password and sasl_password_file are both set") as wrong:
        load(**from_file)
    assert "hush-hush" not in str(wrong.value)


@pytest.mark.parametrize(("replication", "expected"), [(1, 1), (2, 2), (3, 2), (5, 2)])
def test_two_copies_must_agree_wherever_there_are_two(replication: int, expected: int) -> None:
    """min.insync.replicas is 2 unless set, and 1 only where there is a single copy."""
    assert load(replication=replication).topic_plan().min_insync == expected


def test_proxies_are_addresses_and_networks() -> None:
    """With commas between; none unless set."""
    assert load().proxy_networks() == []
    assert load(web_proxies=" 10.0.0.7, 10.1.2.3/16,::1").proxy_networks() == ["10.0.0.7", "10.1.2.3/16", "::1"]


def test_the_readers_token_may_stand_in_a_file_and_has_to_be_long(folder: Path) -> None:
    """One that could be guessed is refused, wherever it stands."""
    (folder / "token").write_text("a-long-secret-of-readers\n")
    token = load(web_token_file=folder / "token").reader_token()
    assert token is not None
    assert token.get_secret_value() == "a-long-secret-of-readers"
    assert load().reader_token() is None
    (folder / "token").write_text("short\n")
    with pytest.raises(SettingsError, match="holds less than 16 characters"):
        load(web_token_file=folder / "token").reader_token()


def test_a_file_whose_name_is_too_long_is_not_there() -> None:
    """The file system refuses to look for it."""
    with pytest.raises(SettingsError, match=r"ca_file is 'x.*: there is no file x"):
        load(ca_file=Path("x" * 256))


def test_of_a_value_without_end_both_ends_are_told() -> None:
    """The setting's name comes first, what was expected last."""
    with pytest.raises(SettingsError) as wrong:
        load(shards="x" * 70_000)
    [line] = str(wrong.value).splitlines()
    assert line.startswith("shards is 'xxx")
    assert line.endswith("should be a valid integer, unable to parse string as an integer")
    assert len(line) < 700
