"""`switchboard broker`: a throwaway Apache Kafka broker."""

import signal
import threading

import click

from switchboard.cli.ui import say
from switchboard.dev.local_broker import LocalBroker


@click.command()
@click.option(
    "--port", default=9092, show_default=True, type=click.IntRange(1, 65535), help="Where to listen, on 127.0.0.1."
)
def broker(port: int) -> None:
    """Run a throwaway Apache Kafka broker on loopback until Ctrl-C; what it held is then gone.

    It needs Java 17 or newer and Maven, which fetches Kafka's jars the first time.

    \b
    Example:
      switchboard broker --port 9092
    """
    # No event loop runs here, because all calls of LocalBroker block.
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with LocalBroker(port) as running:
        say(f"Apache Kafka listens at {running.bootstrap}; Ctrl-C ends it, and what it holds is gone then")
        stop.wait()
