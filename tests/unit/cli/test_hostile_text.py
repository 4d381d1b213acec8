"""Every command that prints what others wrote, over ids and texts that try to take over the terminal.

The commands that need a broker are in `tests/integration/test_hostile_text.py`.
"""

import os
import pty
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn
from rich.table import Table

from switchboard.cli.dead_letter_commands import fields_of, line_of, shown
from switchboard.cli.live_board import Board, plain, render
from switchboard.cli.main import COMMANDS, main
from switchboard.cli.ui import PrintableConsole, json_of
from switchboard.journal.recorded_log import Record, encode_record
from switchboard.tools.dead_letters import DeadLetter, Place
from tests.commands import invoke, library_levels_kept
from tests.terminals import ESCAPES, HOSTILE_ID, HOSTILE_TEXT, MARKUP, UNSEEN, unsafe
from tests.unit.replay.logs import decided, journal
from tests.unit.rules.story import config, event, push

CHAT, AGENT, QUEUE = "c" + HOSTILE_ID[1:], "a" + HOSTILE_ID[1:], "q" + HOSTILE_ID[1:]
Run = Callable[..., tuple[int, bytes, bytes]]

WITHOUT_A_BROKER = {"audit", "config", "explain", "replay", "rights", "settings", "verify", "whatif"}
"""Tried here."""
WITH_A_BROKER = {"config", "dead-letter", "record", "run", "topics", "verify"}
"""Tried in `tests/integration/test_hostile_text.py`."""
WITHOUT_TEXT_OF_OTHERS = {"broker", "demo", "simulate"}
"""They print addresses, counts, and the names of our own simulated people; the demo's board is tried below."""


def test_each_command_is_tried() -> None:
    """A new one needs a place in one of the two files."""
    assert set(COMMANDS) == WITHOUT_A_BROKER | WITH_A_BROKER | WITHOUT_TEXT_OF_OTHERS


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path) -> Iterator[Run]:
    """Runs a command as its process would, and holds all that it prints to be safe: (code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "3000")

    def run_it(*arguments: str | Path) -> tuple[int, bytes, bytes]:
        monkeypatch.setattr(sys, "argv", ["switchboard", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capfdbinary.readouterr()
        assert (unsafe(out), unsafe(err)) == ([], [])
        assert b"forged line" not in [line.strip() for line in (out + err).splitlines()]
        return int(str(ended.value.code)), out, err

    with library_levels_kept():
        yield run_it


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A journal of a chat, a queue and an agent with hostile names, and an agent's reason that is any text."""
    team = push(queues=[QUEUE], max_sessions=1)
    return journal(
        tmp_path / "journal.jsonl",
        (0, [event("pool-configured", config=config(team, queues=[QUEUE, "other"]))]),
        (1, [event("agent-logged-in", agent_id=AGENT, status="available")]),
        (2, [event("chat-arrival", chat_id=CHAT, queue=QUEUE), event("chat-arrival", chat_id="c2", queue=HOSTILE_ID)]),
        (3, [event("chat-accepted", chat_id=CHAT, agent_id=AGENT)]),
        (4, [event("agent-status-changed", agent_id=AGENT, status="unavailable", reason=HOSTILE_TEXT)]),
        (60, [event("chat-concluded", chat_id=CHAT, agent_id=AGENT)]),
        (90, [event("chat-abandoned", chat_id="c2")]),
    )


def test_explain_tells_of_hostile_names(run: Run, log: Path) -> None:
    """A chat's story, an agent's day, and what is not there; markup is text, and JSON is exact."""
    code, out, _ = run("explain", log, CHAT)
    assert code == 0
    assert MARKUP in out.decode()
    code, out, _ = run("explain", log, CHAT, "--json")
    assert orjson.loads(out)["stories"][0]["chat_id"] == CHAT
    code, out, _ = run("explain", log, "--agent", AGENT)
    assert "became unavailable" in out.decode()
    code, out, _ = run("explain", log, "--agent", AGENT, "--json")
    assert orjson.loads(out)["stories"][0]["agent_id"] == AGENT
    assert run("explain", log, CHAT + "?")[0] == 1
    assert run("explain", log, HOSTILE_TEXT.replace("\0", ""), "--pool", HOSTILE_TEXT)[0] == 1


def test_verify_and_audit_tell_of_hostile_differences(run: Run, log: Path, tmp_path: Path) -> None:
    """Of a decision log, whose fields nobody has checked, and of lines that are no decisions."""
    decisions = tmp_path / "decisions.jsonl"
    lines = decided(log)
    spoilt = orjson.loads(lines[1])
    at = next(number for number, line in enumerate(lines) if b'"chat-queued"' in line)
    spoilt = orjson.loads(lines[at]) | {"queue": "other", HOSTILE_TEXT: {HOSTILE_TEXT: HOSTILE_TEXT}}
    for line in (orjson.dumps(spoilt), b"\x1b[2J\x9b no decision", b'{"type":"\\u001b[2J\\u202e"}', b'["\xc2\x9b"]'):
        decisions.write_bytes(b"\n".join([*(each.rstrip() for each in lines[:at]), line, *lines[at + 1 :]]))
        assert run("verify", log, decisions)[0] == 1
        code, out, _ = run("verify", log, decisions, "--json")
        assert code == 1
        assert orjson.loads(out)["first"] is not None
        assert run("audit", log, decisions)[0] == 1
    decisions.write_bytes(b"".join([*lines[:at], *lines[at + 1 :]]))
    code, out, _ = run("audit", log, decisions)
    assert code == 1
    assert b"finding" in out
    code, out, _ = run("audit", log, decisions, "--json")
    assert CHAT in {each["chat_id"] for each in orjson.loads(out)["findings"]}


def test_replay_and_whatif_tell_of_hostile_lines(run: Run, log: Path, tmp_path: Path) -> None:
    """Damaged ones, bad input, names of queues, and names of variants; the report is safe in a browser too."""
    bus = tmp_path / "bus.jsonl"
    bad = orjson.dumps({"chat_id": "c", "queue": 5, HOSTILE_TEXT: 1, "type": HOSTILE_TEXT})
    values = [
        bad,
        b'{"chat_id":"\\u001b[2J"}',
        b"\xff\x1b]0;x\x07",
        b'{"chat_id":"c1"}',
        b'{"chat_id":"c2"}',
        b'["\x9b"]',
    ]
    records = [
        Record("chat-arrival", 0, at, 1000 * at, None, each, ((HOSTILE_TEXT, b"x"),)) for at, each in enumerate(values)
    ]
    bus.write_bytes(b"".join(encode_record(each) + b"\n" for each in records) + b"\x1b[2J{\xc2\x9b\n")
    assert run("replay", bus, "--out", tmp_path / "out")[0] == 1
    assert run("replay", bus, "--out", tmp_path / "out", "--skip-bad")[0] == 0
    assert run("replay", bus, "--to-bus", "--dry-run", "--skip-bad")[0] == 0
    hostile_name = tmp_path / "\x1b[2J\u202e.jsonl"
    hostile_name.write_bytes(b"{}\n")
    assert run("replay", hostile_name, "--out", tmp_path / "out")[0] == 1
    assert run("replay", "\x1b[2J\u202e", "--out", tmp_path / "out")[0] == 2
    report = tmp_path / "report.html"
    name = f"v{UNSEEN}[red]<b>x</b>[/red]"
    command = ("whatif", log, "--variant", f"{name}: agents=+1", "--seeds", "1")
    code, out, _ = run(*command, "--report", report)
    assert code == 0
    assert "[red]<b>x</b>[/red]" in out.decode()
    page = report.read_bytes()
    assert unsafe(page) == []
    assert b"<b>" not in page
    code, out, _ = run(*command, "--json")
    assert orjson.loads(out)["variants"][1]["name"] == name
    assert f"default/{QUEUE}" in orjson.loads(out)["variants"][1]["queues"]
    for wrong in (f"profile[{HOSTILE_ID}].mode=pull", f"queue.{UNSEEN}=1", f"\x1b[2J{UNSEEN}"):
        assert run("whatif", log, "--set", wrong, "--seeds", "1")[0] == 2


def test_a_decision_log_on_a_terminal_is_safe_and_elsewhere_byte_for_byte(log: Path) -> None:
    """JSON with escapes says the same."""
    as_it_is = invoke("replay", log, "--out", "-").stdout_bytes
    assert as_it_is == b"".join(decided(log))
    assert unsafe(as_it_is) != []
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "switchboard", "replay", str(log), "--out", "-"]
    with subprocess.Popen(command, stdout=theirs, stderr=subprocess.DEVNULL) as process:
        os.close(theirs)
        seen = b""
        try:
            while read := os.read(ours, 65_536):
                seen += read
        except OSError:  # Linux ends a pseudo-terminal so
            pass
        assert process.wait() == 0
    os.close(ours)
    seen = seen.replace(b"\r\n", b"\n")
    assert unsafe(seen) == []
    assert [orjson.loads(line) for line in seen.splitlines()] == [orjson.loads(line) for line in as_it_is.splitlines()]


def test_config_check_tells_of_hostile_names(run: Run, tmp_path: Path) -> None:
    """Good names, keys that are none, wrong values, and a file that is no TOML."""
    file = tmp_path / "routing.toml"
    name = orjson.dumps(HOSTILE_ID).decode()
    text = orjson.dumps(HOSTILE_TEXT).decode().replace("\x7f", "\\u007f")
    good = f"[pools.a]\nqueues = [{{name = {name}}}]\nprofiles = [{{name = {name}, queues = [{name}]}}]\n"
    file.write_text(good)
    code, out, _ = run("config", "check", file)
    assert code == 0
    assert MARKUP in out.decode()
    for wrong in (
        f"{text} = 1\n",
        f"[pools.a.{text}]\n",
        f"default_queue = {text}\n",
        f"lost_after = {text}\n",
        f"[[pools.a.queues]]\nname = {name}\nmax_wait = {name}\n[[pools.{text}.queues]]\n",
        "x = \x1b[2J\n",
        "'\u202e\x9b' = \n",
        f"'{UNSEEN}' = 1\n'{UNSEEN}' = 1\n",
    ):
        file.write_text(("" if wrong.startswith("[[") else good) + wrong)
        assert run("config", "check", file)[0] == 1


def test_settings_and_rights_tell_of_hostile_values(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """From the environment and from files."""
    name = tmp_path / f"\x1b[2J{UNSEEN}"
    name.write_bytes(b"x")
    monkeypatch.setenv("SWITCHBOARD_CA_FILE", str(name))
    monkeypatch.setenv("SWITCHBOARD_SASL_USERNAME", HOSTILE_TEXT)
    code, out, _ = run("settings")
    assert code == 0
    assert MARKUP in out.decode()
    code, out, _ = run("settings", "--json")
    assert orjson.loads(out)["sasl_username"]["value"] == HOSTILE_TEXT
    assert run("rights", "router", "--principal", f"User:{HOSTILE_TEXT}")[0] == 0
    assert run("rights", HOSTILE_TEXT)[0] == 2
    monkeypatch.setenv("SWITCHBOARD_GROUP_ID", HOSTILE_TEXT)
    monkeypatch.setenv("SWITCHBOARD_TIME_ZONE", "\x1b[2J")
    assert run("settings")[0] == 2
    (tmp_path / ".env").write_text("SWITCHBOARD_\u202e=1\n")
    assert run("settings")[0] == 2
    (tmp_path / "switchboard.toml").write_text("'\u202e\x9b' = \n")
    assert run("settings")[0] == 2


def test_what_click_says_is_safe(run: Run) -> None:
    """It repeats what it was called with."""
    unknown = [[HOSTILE_TEXT], ["topics", HOSTILE_TEXT], ["replay", "--\x1b[2J\u202e"]]
    for arguments in (*unknown, ["dead-letter", "show", HOSTILE_TEXT]):
        assert run(*arguments)[0] == 2


def test_a_traceback_is_safe(monkeypatch: pytest.MonkeyPatch, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """A defect's message may hold anything; the trace is there, and the exit code is 1."""

    def fail(**_: object) -> None:
        raise KeyError(HOSTILE_TEXT) from RuntimeError(HOSTILE_TEXT)

    monkeypatch.setattr(sys.modules[main.__module__], "switchboard", fail)
    for arguments, log_format in ((["replay"], "console"), (["run", "router"], "json")):
        monkeypatch.setattr(sys, "argv", ["switchboard", *arguments])
        monkeypatch.setenv("SWITCHBOARD_LOG_FORMAT", log_format)
        with pytest.raises(SystemExit) as ended:
            main()
        err = capfdbinary.readouterr().err
        assert (ended.value.code, unsafe(err)) == (1, [])
        assert b"in fail" in err


def test_dead_letters_are_shown_on_lines_of_their_own() -> None:
    """Their detail and source come from headers that anyone may write who may write the topic."""
    hostile = HOSTILE_TEXT.encode()
    headers = ((HOSTILE_TEXT, hostile),)
    source = (HOSTILE_TEXT, 0, 0)
    letter = DeadLetter(Place(0, 1), 0, HOSTILE_TEXT, HOSTILE_TEXT, source, headers, hostile, hostile, None)
    assert unsafe(shown(letter.value).encode()) == []
    assert "\n" not in shown(letter.value)
    assert orjson.loads(json_of(fields_of(letter)))["detail"] == HOSTILE_TEXT
    assert HOSTILE_TEXT in line_of(letter)  # `say` makes it printable, on one line


@pytest.mark.parametrize("kind", ["text", "table", "title", "board", "progress"])
def test_what_rich_draws_is_safe_and_markup_is_text(kind: str, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    """Sentences, tables, the demo's board, bars."""
    console: Console = PrintableConsole(markup=False, emoji=False, width=3000)
    match kind:
        case "text":
            console.print(HOSTILE_TEXT)
        case "table":
            table = Table("head")
            table.add_row(HOSTILE_TEXT)
            console.print(table)
        case "title":
            console.print(Table(HOSTILE_TEXT, title=HOSTILE_TEXT))
        case "board":
            console.print(render(_board(), {"office": "first-due"}, HOSTILE_TEXT, 0))
            console.print(plain(_board(), 0))
        case _:
            with Progress(TextColumn("{task.fields[told]}", markup=False), console=console) as bar:
                bar.add_task("", told=MARKUP + HOSTILE_TEXT)
    out = capfdbinary.readouterr().out
    assert unsafe(out) == []
    assert b"[red]r[/red]" in out


def _board() -> Board:
    board = Board([("office", QUEUE)])
    agent: dict[str, Any] = {
        "pool": "office", "agent_id": AGENT, "status": "available", "mode": "push", "sessions": [], "free": 1,
        "max_sessions": 1, "request": None,
    }  # fmt: skip
    board.agents[f"office/{AGENT}"] = agent
    why = {"agent_order": "lot", "policy": "first-due", "waiting": 1, "requests": 1}
    board.assignments.append({"chat_id": CHAT, "queue": QUEUE, "agent_id": AGENT, "waited_seconds": 1.0, "why": why})
    return board


def test_the_escapes_are_what_a_terminal_would_act_on() -> None:
    """Held here, for the tests above rest on it."""
    assert {"U+001B", "U+009B", "U+0007", "U+000D"} <= set(unsafe(ESCAPES.encode()))
