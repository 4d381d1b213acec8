"""A target in a process of its own, whose end, hang or hunger for memory is a failure like any other."""

import faulthandler
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Final

from tests.fuzz.campaign import Failure, Tally, run
from tests.fuzz.target import Target

MEMORY_LIMIT: Final = 2 * 1024**3
"""Bytes of address space of a process: what asks for more gets a MemoryError, and not the whole machine."""
HANG_SECONDS: Final = 60
"""An input that takes longer ends the process, with a trace. The slowest takes less than 1 s."""
REPORT_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Order:
    """What a process is to do."""

    target: type[Target[Any]]
    seed: int
    count: int
    most_failures: int


def fuzz(order: Order, progress: Callable[[int], None]) -> Tally:
    """Run a target in a process of its own.

    Args:
        order: what to run.
        progress: told now and then how many inputs were checked.
    """
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        trace = Path(folder) / "trace"
        ours, theirs = multiprocessing.Pipe(duplex=False)
        process = multiprocessing.get_context("spawn").Process(target=_work, args=(order, theirs, trace))
        process.start()
        theirs.close()
        tally = Tally(order.target.name)
        seed = order.seed
        try:
            while True:
                told = ours.recv()
                if isinstance(told, Tally):
                    return told
                seed, tally.inputs = told
                progress(tally.inputs)
        except EOFError:
            process.join()
            what = f"the process ended with exit code {process.exitcode} at this input, or at one soon after it"
            traced = trace.read_text(errors="replace") if trace.exists() else ""
            tally.failures.append(Failure(order.target.name, seed, seed, what, traced, "(not known)"))
            return tally
        finally:
            process.join(timeout=5)


def _work(order: Order, parent: Connection, trace: Path) -> None:
    """Run the target, and tell the parent how far it is."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    os.environ["PYTHONWARNINGS"] = "ignore"
    target = order.target()
    with trace.open("w") as file:
        faulthandler.enable(file)
        told = time.monotonic()
        faulthandler.dump_traceback_later(HANG_SECONDS, exit=True, file=file)
        parent.send((order.seed, 0))

        def before(seed: int, tally: Tally) -> None:
            nonlocal told
            now = time.monotonic()
            if now - told > REPORT_SECONDS:
                told = now
                faulthandler.dump_traceback_later(HANG_SECONDS, exit=True, file=file)
                parent.send((seed, tally.inputs))

        tally = run(target, order.seed, order.count, most_failures=order.most_failures, before=before)
        faulthandler.cancel_dump_traceback_later()
        target.close()
        parent.send(tally)
        faulthandler.disable()
