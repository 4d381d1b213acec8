"""Logs: lines for a console, or JSON; the libraries' own say little unless asked for debug."""

import logging
import sys

import structlog

from switchboard.kafka.quiet import thin_out
from switchboard.settings import Settings

LIBRARIES = ("aiokafka", "faust", "mode", "asyncio", "aiohttp")


def set_up_logs(settings: Settings) -> None:
    """Send all logging to stderr in the form that the settings ask for."""
    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if settings.log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    if logging.root.level > logging.DEBUG:
        for library in LIBRARIES:
            # What matters of theirs we say ourselves; they log each retry as an error.
            logging.getLogger(library).setLevel(logging.CRITICAL)
    thin_out("aiokafka")
