"""Log lines of hostile records: one line each, and nothing in them acts on a terminal."""

import subprocess
import sys

import orjson

from tests.terminals import HOSTILE_TEXT, unsafe

LOGGING = """
import logging, sys
from switchboard.cli.process import set_up_last_resort, set_up_logs
from switchboard.settings import load
from tests.terminals import HOSTILE_TEXT
if sys.argv[1] == "none":
    set_up_last_resort()
else:
    set_up_logs(load(log_format=sys.argv[1]))
log = logging.getLogger("switchboard.test")
log.warning("%s and %s", HOSTILE_TEXT, [HOSTILE_TEXT], extra={"topic": HOSTILE_TEXT, "place": (HOSTILE_TEXT, 1)})
try:
    raise KeyError(HOSTILE_TEXT) from RuntimeError(HOSTILE_TEXT)
except KeyError:
    log.exception("failed")
"""


def test_a_log_line_is_one_line_and_safe() -> None:
    """On the console, as JSON, and of a command that sets up no logs; a traceback has its lines below."""
    command = [sys.executable, "-c", LOGGING]
    running = {form: subprocess.Popen([*command, form], stderr=subprocess.PIPE) for form in ("console", "json", "none")}
    for form, process in running.items():
        _, printed = process.communicate(timeout=60)
        assert process.returncode == 0, form
        assert unsafe(printed) == [], form
        lines = printed.decode().splitlines()
        if form == "json":
            first, second = map(orjson.loads, lines)  # no line but these two
            assert first["topic"] == HOSTILE_TEXT
            assert first["event"].startswith(HOSTILE_TEXT)
            assert "RuntimeError" in second["exception"]
        else:
            assert "\\u001b[31mred" in lines[0], form
            assert "\\u000aforged line" in lines[0], form
            assert any(line.startswith("Traceback") for line in lines), form
