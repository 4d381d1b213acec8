"""Closing a consumer whatever its fetches are at.

aiokafka's own way awaits each fetch that it cancels. One that failed less than 100 ms ago waits to try again, and does
not hide its cancellation: out of `stop()` then came a CancelledError that nobody had asked for, and ended whoever had
called it. A broker that stops answering makes that likely: a shard's commit and its fetches run out of time together.
"""

import asyncio
from pathlib import Path
from typing import Any, ClassVar, Final

from aiokafka.abc import AbstractTokenProvider
from aiokafka.conn import OAuthAuthenticator
from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.metadata import MetadataRequest_v5, MetadataResponse_v5
from aiokafka.protocol.types import Array, Boolean, Int16, Int32, Schema, String

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


class MetadataResponse(Response):  # type: ignore[misc] # aiokafka is untyped
    """Version 8, the first that tells what is allowed; aiokafka knows up to 5."""

    API_KEY = 3
    API_VERSION = 8
    SCHEMA = Schema(
        *zip(MetadataResponse_v5.SCHEMA.names[:4], MetadataResponse_v5.SCHEMA.fields[:4], strict=True),
        (
            "topics",
            Array(
                ("error_code", Int16),
                ("topic", String("utf-8")),
                ("is_internal", Boolean),
                (
                    "partitions",
                    Array(
                        ("error_code", Int16),
                        ("partition", Int32),
                        ("leader", Int32),
                        ("leader_epoch", Int32),
                        ("replicas", Array(Int32)),
                        ("isr", Array(Int32)),
                        ("offline_replicas", Array(Int32)),
                    ),
                ),
                ("operations", Int32),
            ),
        ),
        ("cluster_operations", Int32),
    )


class _MetadataRequestStruct(RequestStruct):  # type: ignore[misc]
    API_KEY = 3
    API_VERSION = 8
    RESPONSE_TYPE = MetadataResponse
    SCHEMA = Schema(
        *zip(MetadataRequest_v5.SCHEMA.names, MetadataRequest_v5.SCHEMA.fields, strict=True),
        ("include_cluster_operations", Boolean),
        ("include_topic_operations", Boolean),
    )


class MetadataRequest(Request[_MetadataRequestStruct]):  # type: ignore[misc]
    """Metadata of topics, none of them created, with the operations that we are allowed."""

    API_KEY: ClassVar[int] = 3

    def __init__(self, topics: list[str]) -> None:
        self._topics = topics

    def build(self, request_struct_class: type[_MetadataRequestStruct]) -> Any:
        """The request, as aiokafka sends it."""
        make_missing, cluster_operations, topic_operations = False, False, True
        return request_struct_class(self._topics, make_missing, cluster_operations, topic_operations)


async def close_fetcher(fetcher: Any) -> None:
    """End a fetcher's tasks, and wake who waits for records: takes the place of aiokafka's `Fetcher.close`."""
    fetcher._closed = True  # noqa: SLF001 - there is no public way
    under_way = {fetcher._fetch_task, *fetcher._pending_tasks}  # noqa: SLF001
    for task in under_way:
        task.cancel()
    await asyncio.wait(under_way)
    for waiter in list(fetcher._fetch_waiters):  # noqa: SLF001
        fetcher._notify(waiter)  # noqa: SLF001
