"""The command line. Exit codes: 0 done, 1 found a difference or fault, 2 wrong use, 3 broker not reachable."""

from switchboard.cli.main import main

__all__ = ["main"]
