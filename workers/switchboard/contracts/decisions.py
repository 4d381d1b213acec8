"""Decisions as bytes."""

from typing import Final

import orjson

from switchboard.domain.decisions import Decision

PUSH_REQUEST_TYPE: Final = "chat-requested"
"""The one decision that goes to `push-request`; all others go to `assignment`."""


def encode(decision: Decision) -> bytes:
    """The value as it is published and as a decision log holds it: fields in the contract's order, no spaces."""
    return orjson.dumps(decision)
