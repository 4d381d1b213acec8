"""Errors that a user can do something about, and the exit code of each."""

from pydantic import ValidationError

from switchboard.contracts.recorded_log import RecordedLogError
from switchboard.kafka.admin import TopicError, WrongTopicsError
from switchboard.kafka.clients import BrokerAwayError

FAULT = 1
WRONG_USE = 2
BROKER_AWAY = 3


def exit_code_of(error: BaseException) -> int | None:
    """The exit code of an error whose message says what to do; None for what is a defect of ours."""
    match error:
        case BrokerAwayError():
            return BROKER_AWAY
        case ValidationError() | WrongTopicsError():
            return WRONG_USE
        case RecordedLogError() | TopicError() | OSError():
            return FAULT
        case _:
            return None
