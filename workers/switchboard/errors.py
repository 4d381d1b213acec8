"""Errors whose message tells the user what to do. Each class has the exit code of the commands that it ends.

Every module raises them; the command line prints the message and exits with `exit_code`. An error of any other class
that reaches the command line is a defect of Switchboard, except an `OSError` or an error from a broker.

Exit codes: 0 done, 1 a difference or a fault was found, 2 wrong use, 3 a broker is not reachable, 130 interrupted.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, Final

FAULT: Final = 1
WRONG_USE: Final = 2
BROKER_AWAY: Final = 3
INTERRUPTED: Final = 130
"""Exit code of a command that Ctrl-C ends before its end: as in a shell, 128 and the number of SIGINT."""


class UserError(Exception):
    """An error that a user can do something about. The message says what is wrong, where, and what to do."""

    exit_code: ClassVar[int] = FAULT


# Wrong use: settings, arguments, rights


class SettingsError(UserError):
    """Settings that can't be used. The message has a line for each: name, source, and what was expected."""

    exit_code = WRONG_USE


class SecurityError(UserError):
    """Security settings that can't be used, or that a broker does not accept. The message names the setting."""

    exit_code = WRONG_USE


class NotAllowedError(UserError):
    """The cluster does not grant rights that are needed. The message lists each missing right."""

    exit_code = WRONG_USE

    def __init__(self, missing: Iterable[object]) -> None:
        rights = "; ".join(map(str, missing))
        super().__init__(f"not allowed: {rights} (`switchboard rights` prints the commands that allow what is needed)")


class WrongTopicsError(UserError):
    """The topics can't be used as they are. The message lists every difference and its remedy."""

    exit_code = WRONG_USE


class AddressTakenError(UserError):
    """Another process listens on the address of a web server."""

    exit_code = WRONG_USE


class ExposedError(UserError):
    """The monitor would be open to everybody who reaches this machine. The message names the settings to change."""

    exit_code = WRONG_USE


class NoSuchShardError(UserError, ValueError):
    """A log names a shard that the installation does not have."""

    exit_code = WRONG_USE


class NoSuchSourceError(UserError, ValueError):
    """A topic is no source topic of the router, is not on the bus, or was never read."""

    exit_code = WRONG_USE


class RoutersRunningError(UserError):
    """Routers are running, and the command needs them stopped. The message names them."""

    exit_code = WRONG_USE


class RulesError(UserError, ValueError):
    """A what-if setting that can't be used. The message has its name, what was expected, and the nearest names."""

    exit_code = WRONG_USE


# Brokers


class BrokerAwayError(UserError):
    """No broker of the cluster answers, or a broker that is needed is away. The message names the broker."""

    exit_code = BROKER_AWAY


class MissingBrokersError(Exception):
    """A request fails because the cluster has too few brokers now. A retry may succeed where some are away."""


class TopicError(UserError):
    """A topic could not be created. The message names the topic, and the broker's reason."""


class TooFewBrokersError(TopicError, MissingBrokersError):
    """The cluster has fewer brokers than `replication`: some are away, or the setting is too high."""


class ReadingError(UserError):
    """Partitions could not be read to their end. The message names the partitions and the offsets reached."""


class StalledError(ReadingError):
    """A partition has more records, and none arrives: its leader is away, or there is no leader."""

    exit_code = BROKER_AWAY


class RestoreError(UserError):
    """The rows of a shard could not be read to their end. The message holds the offset reached."""


class LedgerLostError(UserError):
    """The outcome of a commit is unknown, and this ledger can't be used again. Open the shard again.

    A producer that lost a batch is never used again, because its sequence numbers have a hole. After a deadline in the
    last step of a commit, the commit may still have been made: the restore reads what is there.
    """


class FencedError(LedgerLostError):
    """Another router has taken the shard over, or the transaction timed out. The broker does not say which."""


class OwnershipError(UserError):
    """The consumer group of the routers can't be used any more, for example because the right was withdrawn."""


class FencedTooOftenError(UserError):
    """A shard is fenced again and again though the group assigns it to this router. The process has to end.

    Two installations with the same group id cause this: they would fence each other for ever.
    """


class SourceGoneError(UserError):
    """A source topic no longer holds records that were read. The message names the command that sets a new position."""


class NoStartError(UserError):
    """The first start of a shard on a bus that already holds events needs `--from`."""


class RouterError(UserError):
    """The router can't go on, and a restart would not help. The message says what to do."""


class MonitorError(UserError):
    """The monitor can't go on. The message says why and what to do."""


# The local broker and the demo


class BrokerUnavailableError(UserError):
    """The local broker can't be started. The message says what to install or set."""


class PortTakenError(BrokerUnavailableError):
    """Another process listens on the port of the local broker. The message names the port."""

    exit_code = WRONG_USE


class OfficeError(UserError):
    """The demo can't go on. The message holds what went wrong and the last lines of the worker."""


# Files


class RecordedLogError(UserError, ValueError):
    """A recorded log can't be read. The message holds the file, the line and what is wrong."""

    def __init__(self, file: str, line: int | None, message: str) -> None:
        super().__init__(f"{file}:{line}: {message}" if line is not None else f"{file}: {message}")
        self.file = file
        self.line = line
        """Counted from 1, as editors do; None for the whole file."""
        self.message = message


@dataclass(slots=True, frozen=True)
class RoutingFault:
    """One fault of a routing file."""

    file: str
    line: int
    """Counted from 1."""
    where: str
    """The field, as in `pools.support.queues[0].max_wait`; empty for the whole file."""
    message: str
    """The expected value, and the value in the file."""

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        return f"{self.file}:{self.line}: {where}{self.message}"


class RoutingFileError(UserError, ValueError):
    """A routing file can't be used. The message lists all faults in the order of the file."""

    def __init__(self, faults: list[RoutingFault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = faults


class ArrivalsError(UserError, ValueError):
    """An arrivals file can't be read. The message names the file, the line and what was expected."""


class AuditInputError(UserError, ValueError):
    """The input of an audit can't be read. The message holds the place and what is wrong there."""


class UnknownIdError(UserError):
    """No event of a log names the chat or agent in question. The message lists what there is."""


class NothingToCompareError(UserError, ValueError):
    """A log holds no chat, so there is nothing to simulate."""
