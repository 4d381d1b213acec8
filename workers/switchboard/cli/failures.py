"""Errors that a user can do something about, and the exit code of each."""

from aiokafka.errors import KafkaConnectionError, KafkaError

from switchboard.audit.findings import AuditInputError
from switchboard.contracts.recorded_log import RecordedLogError
from switchboard.contracts.routing_file import RoutingFileError
from switchboard.kafka.admin import TopicError, WrongTopicsError
from switchboard.kafka.clients import BrokerAwayError
from switchboard.kafka.jars import BrokerUnavailableError
from switchboard.kafka.ledger import LedgerLostError
from switchboard.kafka.reading import ReadingError
from switchboard.kafka.restore import RestoreError
from switchboard.router.resetting import NoSuchSourceError
from switchboard.router.router import RouterError
from switchboard.router.web import AddressTakenError
from switchboard.settings import SettingsError

FAULT = 1
WRONG_USE = 2
BROKER_AWAY = 3


def exit_code_of(error: BaseException) -> int | None:
    """The exit code of an error whose message says what to do; None for what is a defect of ours."""
    match error:
        case BrokerAwayError() | KafkaConnectionError():
            return BROKER_AWAY
        case SettingsError() | WrongTopicsError() | NoSuchSourceError() | AddressTakenError():
            return WRONG_USE
        case RecordedLogError() | RoutingFileError() | TopicError() | RouterError() | OSError():
            return FAULT
        case AuditInputError() | ReadingError():
            return FAULT
        case LedgerLostError() | RestoreError() | BrokerUnavailableError() | KafkaError():
            return FAULT
        case _:
            return None
