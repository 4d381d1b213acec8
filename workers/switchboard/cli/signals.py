"""The end of a command that goes on until it is told."""

import asyncio
import signal


def stop_on_signal() -> asyncio.Event:
    """An event that SIGTERM and Ctrl-C set; to be called within the running loop."""
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    return stop
