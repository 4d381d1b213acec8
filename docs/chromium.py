"""Chromium as the wallboard's pictures and the browser tests start it."""
# ruff: noqa: INP001 - of the scripts beside it, never installed

import os
from typing import Any, Final

CHROMIUM: Final[dict[str, Any]] = {
    "executable_path": os.environ.get("CHROMIUM", "/usr/bin/chromium"),  # playwright's own would be fetched
    "args": [
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ],
    "chromium_sandbox": os.geteuid() != 0,  # as root it runs without or not at all
}
"""For playwright's `chromium.launch`; Debian's, or another by the variable CHROMIUM."""
