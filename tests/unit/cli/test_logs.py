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
for form in sys.argv[1:]:
    if form == "none":
        set_up_last_resort()
    else:
        set_up_logs(load(log_format=form))
    log = logging.getLogger("switchboard.test")
    log.warning("%s and %s", HOSTILE_TEXT, [HOSTILE_TEXT], extra={"topic": HOSTILE_TEXT, "place": (HOSTILE_TEXT, 1)})
    try:
        raise KeyError(HOSTILE_TEXT) from RuntimeError(HOSTILE_TEXT)
    except KeyError:
        log.exception("failed")
    print("=====", file=sys.stderr, flush=True)
"""
FORMS = ("none", "console", "json")
"""In the order in which one process may set them up: without a log of its own first."""


def test_a_log_line_is_one_line_and_safe() -> None:
    """On the console, as JSON, and of a command that sets up no logs; a traceback has its lines below."""
    done = subprocess.run([sys.executable, "-c", LOGGING, *FORMS], capture_output=True, check=True)
    *printed, rest = done.stderr.split(b"=====\n")
    assert rest == b""
    for form, each in zip(FORMS, printed, strict=True):
        assert unsafe(each) == [], form
        lines = each.decode().splitlines()
        if form == "json":
            first, second = map(orjson.loads, lines)  # no line but these two
            assert first["topic"] == HOSTILE_TEXT
            assert first["event"].startswith(HOSTILE_TEXT)
            assert "RuntimeError" in second["exception"]
        else:
            assert "\\u001b[31mred" in lines[0], form
            assert "\\u000aforged line" in lines[0], form
            assert any(line.startswith("Traceback") for line in lines), form
