"""`switchboard` commands, run in the process of the tests."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from switchboard.cli.main import switchboard
from switchboard.kafka.library_logs import LIBRARIES


def invoke(*command: str | Path, **options: Any) -> Result:
    """Run a command as its process does: as a member of the group `switchboard`.

    Never invoke the function of a command alone: click would cache a help option without `-h` for it, and later tests
    in the same process would see that option.

    Args:
        command: name and arguments, as a user types them.
        options: of `CliRunner.invoke`.
    """
    with library_levels_kept():
        return CliRunner().invoke(switchboard, [*map(str, command)], **options)


@contextmanager
def library_levels_kept() -> Iterator[None]:
    """Restore the log levels of the libraries at the end: a command silences the libraries for its process."""
    loggers = [logging.getLogger(name) for name in LIBRARIES]
    levels = [logger.level for logger in loggers]
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
