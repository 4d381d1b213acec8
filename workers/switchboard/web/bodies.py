"""Large answers, sent by pieces."""

from collections.abc import AsyncIterator, Mapping
from http import HTTPStatus
from typing import Final

from aiohttp import web

PIECE_BYTES: Final = 64 * 1024
"""Of an answer that is handed over at once: all that a client who does not read makes us keep for it."""


def in_pieces(body: bytes, headers: Mapping[str, str], status: int = HTTPStatus.OK) -> web.Response:
    """An answer with this body, which is not copied: many answers at once share it.

    Given to aiohttp as a whole, a body of 6 MB is copied into the write buffer of each connection.
    """
    if len(body) <= PIECE_BYTES:
        return web.Response(body=body, headers=headers, status=status)
    sized = {**headers, "Content-Length": str(len(body))}
    return web.Response(body=_pieces(body), headers=sized, status=status)


async def _pieces(body: bytes) -> AsyncIterator[memoryview]:
    view = memoryview(body)
    for begin in range(0, len(view), PIECE_BYTES):
        yield view[begin : begin + PIECE_BYTES]
