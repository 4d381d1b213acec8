"""How a command waits for brokers: what it waits for is said on stderr."""

import click

from switchboard.kafka.broker_wait import BrokerWait
from switchboard.settings import Settings


def broker_wait(settings: Settings) -> BrokerWait:
    """A command's wait, as long as `broker_wait_seconds` says."""
    return BrokerWait(settings.connection(), settings.broker_wait_seconds, say=_say)


def _say(waiting: str) -> None:
    click.echo(f"switchboard: {waiting}", err=True)
