"""Errors that a user can do something about: the exit code of each, and how a command tells them as its last words."""

from datetime import UTC, datetime
from typing import IO, Any, Final

import click
from aiokafka.errors import KafkaError

from switchboard.audit.findings import AuditInputError
from switchboard.cli.consoles import say_json, say_lines
from switchboard.contracts.recorded_log import RecordedLogError
from switchboard.contracts.routing_file import RoutingFileError
from switchboard.kafka.admin import TopicError, WrongTopicsError
from switchboard.kafka.broker_wait import may_pass
from switchboard.kafka.clients import BrokerAwayError
from switchboard.kafka.jars import BrokerUnavailableError
from switchboard.kafka.ledger import LedgerLostError
from switchboard.kafka.local_broker import PortTakenError
from switchboard.kafka.reading import ReadingError, StalledError
from switchboard.kafka.refusals import SecurityError
from switchboard.kafka.restore import RestoreError
from switchboard.kafka.rights import NotAllowedError
from switchboard.replay.against import NoSuchShardError
from switchboard.replay.explain import UnknownIdError
from switchboard.replay.whatif.extracting import NothingToCompareError
from switchboard.replay.whatif.rules import RulesError
from switchboard.router.resetting import NoSuchSourceError, RoutersRunningError
from switchboard.router.router import RouterError
from switchboard.router.web import AddressTakenError
from switchboard.settings import SettingsError

FAULT = 1
WRONG_USE = 2
BROKER_AWAY = 3

EXIT_CODES: Final[dict[type[Exception], int]] = {
    BrokerAwayError: BROKER_AWAY,
    StalledError: BROKER_AWAY,
    AddressTakenError: WRONG_USE,
    NoSuchShardError: WRONG_USE,
    NotAllowedError: WRONG_USE,
    NoSuchSourceError: WRONG_USE,
    PortTakenError: WRONG_USE,
    RoutersRunningError: WRONG_USE,
    RulesError: WRONG_USE,
    SecurityError: WRONG_USE,
    SettingsError: WRONG_USE,
    WrongTopicsError: WRONG_USE,
    AuditInputError: FAULT,
    BrokerUnavailableError: FAULT,
    KafkaError: FAULT,
    LedgerLostError: FAULT,
    NothingToCompareError: FAULT,
    OSError: FAULT,
    ReadingError: FAULT,
    RecordedLogError: FAULT,
    RestoreError: FAULT,
    RouterError: FAULT,
    RoutingFileError: FAULT,
    TopicError: FAULT,
    UnknownIdError: FAULT,
}
"""The first that fits counts; the messages of all of them say what to do."""


def exit_code_of(error: BaseException) -> int | None:
    """The exit code of an error whose message says what to do; None for what is a defect of ours."""
    if isinstance(error, KafkaError | TimeoutError) and may_pass(error):
        return BROKER_AWAY
    return next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), None)


class FailedError(click.ClickException):
    """A failure that is not known to `EXIT_CODES`: what it is made of takes too long to load for every command."""

    def __init__(self, told: str, exit_code: int) -> None:
        super().__init__(told)
        self.exit_code = exit_code

    def show(self, file: IO[Any] | None = None) -> None:
        """On stderr."""
        tell(self.message, file)


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
