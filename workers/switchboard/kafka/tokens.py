"""OAUTHBEARER: the token, and hearing a broker's no to it."""

import asyncio
from pathlib import Path
from typing import Final

from aiokafka.abc import AbstractTokenProvider
from aiokafka.conn import OAuthAuthenticator

from switchboard.journal.files import MAX_SECRET_BYTES, read_text

HEARD: Final = b"\x01"
"""RFC 7628, 3.2.3: what a client answers to a no, whereupon the broker fails the log-in."""


class TokenFile(AbstractTokenProvider):  # type: ignore[misc] # aiokafka is untyped
    """An OAUTHBEARER token, at most 64 KiB, kept in a file by whatever renews it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def token(self) -> str:
        """The token as it is now."""
        return await asyncio.to_thread(lambda: read_text(self._path, MAX_SECRET_BYTES).strip())


class HearingAuthenticator(OAuthAuthenticator):  # type: ignore[misc] # aiokafka is untyped
    """aiokafka takes a no for a yes: what it asks next passes for its answer to it, and it starts without a cluster."""

    async def step(self, payload: bytes | None) -> tuple[bytes, bool] | None:
        """The token, then nothing; or, if the broker had something to say to it, that it was heard."""
        if payload:
            return HEARD, True
        step: tuple[bytes, bool] | None = await super().step(payload)
        return step
