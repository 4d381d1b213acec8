"""The last words of a command that failed, and its exit code."""

from datetime import UTC, datetime
from typing import IO, Any

from aiokafka.errors import KafkaError

from switchboard.cli.consoles import say_json, say_lines
from switchboard.errors import BROKER_AWAY, FAULT, UserError
from switchboard.kafka.broker_wait import may_pass


def exit_code_of(error: BaseException) -> int | None:
    """The exit code of an error whose message says what to do; None for a defect of Switchboard."""
    match error:
        case KafkaError() | TimeoutError() if may_pass(error):
            return BROKER_AWAY
        case UserError():
            return error.exit_code
        case KafkaError() | OSError():
            return FAULT
        case _:
            return None


def tell(reason: str, file: IO[Any] | None = None) -> None:
    """Last words for people."""
    say_lines(f"switchboard: {reason}", file=file, err=True)


def tell_machines(reason: str, exit_code: int, **more: str) -> None:
    """Last words of a worker whose log is JSON."""
    log_for_machines("error", "the worker gives up", reason=reason, exit_code=exit_code, **more)


def log_for_machines(level: str, event: str, **fields: str | int) -> None:
    """A line as all the others of a worker whose log is JSON. Its log may not be set up yet."""
    now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    line = {"event": event, **fields, "level": level, "logger": "switchboard", "time": now}
    say_json(line, err=True)
