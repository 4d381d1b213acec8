"""The exit code and the last message of a command that fails, as text or as JSON."""

import io
import sys
import traceback
from typing import Final

import click

from switchboard.cli.ui import log_for_machines, say_lines
from switchboard.errors import BROKER_AWAY, FAULT, UserError
from switchboard.kafka.library_logs import raised

WORKERS: Final = (["run"], ["simulate"])
"""First argument of the commands that run until a signal ends them. Their standard error is a log."""


def report_failure(error: Exception) -> int:
    """Print the last message of a command on standard error.

    A worker whose log is JSON prints one line of JSON. A defect is printed with its trace. The JSON line leaves out
    the message of a defect, because the message is likely to hold somebody's id.

    Returns:
        The exit code.
    """
    as_json = _logs_json()
    if isinstance(error, click.ClickException):
        if as_json:
            _give_up(error.format_message(), error.exit_code)
        else:
            usage = io.StringIO()
            error.show(usage)
            say_lines(usage.getvalue().rstrip("\n"), err=True)
        return error.exit_code
    code = exit_code_of(error)
    # A defect of Switchboard.
    if code is None:
        if as_json:
            _give_up(raised(error), FAULT, trace="".join(traceback.format_tb(error.__traceback__)))
        else:
            say_lines("".join(traceback.format_exception(error)).rstrip("\n"), err=True)
        return FAULT
    from switchboard.kafka.clients import in_words  # noqa: PLC0415 - it loads aiokafka, which wrong use does not need

    if as_json:
        _give_up(in_words(error), code)
    else:
        say_lines(f"switchboard: {in_words(error)}", err=True)
    return code


def exit_code_of(error: BaseException) -> int | None:
    """The exit code that an error ends a command with; None for a defect of Switchboard."""
    match error:
        case UserError():
            return error.exit_code
        case TimeoutError():
            return BROKER_AWAY
        case OSError():
            return FAULT
    # Without the client library loaded, the error is none of the library's.
    if "aiokafka" not in sys.modules:
        return None
    from aiokafka.errors import KafkaError  # noqa: PLC0415 - a command without Kafka does not load it

    from switchboard.kafka.broker_wait import may_pass  # noqa: PLC0415 - as above

    if not isinstance(error, KafkaError):
        return None
    return BROKER_AWAY if may_pass(error) else FAULT


def _logs_json() -> bool:
    """True if the command is a worker whose log on standard error is JSON."""
    if sys.argv[1:2] not in WORKERS:
        return False
    from switchboard.settings import given  # noqa: PLC0415 - it loads pydantic, which other commands do not need

    return given("log_format") == "json"


def _give_up(reason: str, exit_code: int, **fields: str) -> None:
    """Print the last line of a worker whose log is JSON."""
    log_for_machines("error", "the worker gives up", reason=reason, exit_code=exit_code, **fields)
