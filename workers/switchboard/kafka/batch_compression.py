"""The records of a batch, unpacked within bounds: a batch of 1 MB can unpack to gigabytes."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap
from typing import Any, Final

import cramjam

from switchboard.journal.codec import UnreadReason

_NAMES: Final = {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
_XERIAL: Final = b"\x82SNAPPY\x00"
_XERIAL_HEADER: Final = 16


@dataclass(slots=True, frozen=True)
class BatchLimits:
    """The largest batch that is unpacked."""

    size: int = 32 * 1024 * 1024
    """Bytes, unpacked. A producer's own limit (`batch.size`, 16 KiB to 1 MiB) is on about the packed size."""
    records: int = 250_000


class _Unpacker:
    """Unpacks into memory that is used again and again, and takes up no more than the largest batch so far."""

    def __init__(self, limits: BatchLimits) -> None:
        self.limits = limits
        self._memory = mmap(-1, limits.size)

    def unpack(self, codec: Any, packed: memoryview) -> bytes:
        """The unpacked bytes.

        Raises:
            cramjam.DecompressionError: they are more than the limit, or are damaged.
        """
        size: int = codec.decompress_into(packed, self._memory)
        return self._memory[:size]


_unpacker = _Unpacker(BatchLimits())


def limits() -> BatchLimits:
    """The limits of this process."""
    return _unpacker.limits


def set_limits(limits: BatchLimits) -> None:
    """Set the limits of this process: aiokafka has no way to hand them to one consumer."""
    global _unpacker  # noqa: PLW0603
    if limits != _unpacker.limits:
        _unpacker = _Unpacker(limits)


class UnreadBatchError(Exception):
    """A batch is not read."""

    def __init__(self, reason: UnreadReason, detail: str) -> None:
        super().__init__(detail)
        self.reason: UnreadReason = reason


def unpacked(packed: memoryview, codec: int) -> bytes:
    """The unpacked bytes of a batch's records.

    Args:
        packed: the compressed bytes.
        codec: as in the batch's attributes: 1 gzip, 2 snappy, 3 lz4, 4 zstd.

    Raises:
        UnreadBatchError: they are more than the limit, or can't be unpacked.
    """
    name = _NAMES.get(codec)
    try:
        match name:
            case "gzip":
                return _unpacker.unpack(cramjam.gzip, packed)
            case "lz4":
                return _unpacker.unpack(cramjam.lz4, packed)
            case "zstd":
                return _unpacker.unpack(cramjam.zstd, packed)
            case "snappy":
                return b"".join(_snappy_blocks(packed))
    except cramjam.DecompressionError as error:
        # The only words that tell a full buffer from damaged bytes.
        if "whole buffer" in str(error):
            raise too_large(f"{len(packed)} bytes of {name} unpack to more than {_unpacker.limits.size}") from None
        raise UnreadBatchError("undecodable", f"the batch's {name} can't be unpacked: {error}") from None
    except struct.error:
        raise UnreadBatchError("undecodable", f"the batch's {name} is cut") from None
    raise UnreadBatchError("undecodable", f"the batch is compressed with codec {codec}, which is not known")


def _snappy_blocks(packed: memoryview) -> Iterator[bytes]:
    """Snappy says how much it unpacks to, block by block: Java's clients write blocks, librdkafka a single one."""
    blocks = [packed]
    if bytes(packed[: len(_XERIAL)]) == _XERIAL:
        blocks = []
        at = _XERIAL_HEADER
        while at < len(packed):
            (size,) = struct.unpack_from(">i", packed, at)
            at += 4
            if size < 0:
                raise UnreadBatchError("undecodable", f"a block of snappy has {size} bytes")
            blocks.append(packed[at : at + size])
            at += size
    total = 0
    for block in blocks:
        total += cramjam.snappy.decompress_raw_len(block)
        if total > _unpacker.limits.size:
            raise too_large(f"{len(packed)} bytes of snappy unpack to more than {_unpacker.limits.size}")
        yield bytes(cramjam.snappy.decompress_raw(block))


def too_large(what: str) -> UnreadBatchError:
    """The error of a batch that is beyond a limit; `what` is its size."""
    return UnreadBatchError("too-large", f"a batch of {what}; batch_bytes and batch_records are the limits")
