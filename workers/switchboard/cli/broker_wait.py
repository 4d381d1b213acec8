"""How a command waits for brokers: what it waits for is said on stderr."""

from switchboard.cli.consoles import say
from switchboard.cli.failures import log_for_machines
from switchboard.kafka.broker_wait import BrokerWait
from switchboard.settings import Settings


def broker_wait(settings: Settings, *, for_machines: bool = False) -> BrokerWait:
    """A command's wait, as long as `broker_wait_seconds` says.

    Args:
        settings: of the command.
        for_machines: the command's stderr is a log in JSON.
    """
    return BrokerWait(
        settings.connection(), settings.broker_wait_seconds, say=_say_to_machines if for_machines else _say
    )


def _say(waiting: str) -> None:
    say(f"switchboard: {waiting}", err=True)


def _say_to_machines(waiting: str) -> None:
    log_for_machines("warning", waiting)
