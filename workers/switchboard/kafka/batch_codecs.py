"""Unpacks record batches within limits: a batch of 1 MB can unpack to gigabytes."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from mmap import mmap
from typing import Any, Final

import cramjam

from switchboard.journal.codec import UnreadReason

_NAMES: Final = {1: "gzip", 2: "snappy", 3: "lz4", 4: "zstd"}
"""Compression codecs, as in the attributes of a batch."""
_BOUNDED: Final = {"gzip": cramjam.gzip, "lz4": cramjam.lz4, "zstd": cramjam.zstd}
"""Codecs that unpack into given memory and stop at its end."""
_XERIAL: Final = b"\x82SNAPPY\x00"
"""The first bytes of the xerial format."""
_XERIAL_HEADER: Final = 16


@dataclass(slots=True, frozen=True)
class BatchLimits:
    """The largest batch that is unpacked."""

    size: int = 32 * 1024 * 1024
    """Bytes, unpacked. A producer's own limit (`batch.size`, 16 KiB to 1 MiB) applies to about the packed size."""
    records: int = 250_000


class UnreadBatchError(Exception):
    """A batch, or the rest of a batch, can't be read."""

    def __init__(self, reason: UnreadReason, detail: str) -> None:
        super().__init__(detail)
        self.reason: UnreadReason = reason


class _Unpacker:
    """Unpacks into one reused buffer, which takes no more real memory than the largest batch so far has filled."""

    def __init__(self, limits: BatchLimits) -> None:
        self.limits = limits
        self._memory = mmap(-1, limits.size)

    def unpack(self, codec: Any, packed: memoryview) -> bytes:
        """The unpacked bytes.

        Raises:
            cramjam.DecompressionError: the batch unpacks to more than the limit, or is damaged.
        """
        size: int = codec.decompress_into(packed, self._memory)
        return self._memory[:size]


_unpacker = _Unpacker(BatchLimits())


def limits() -> BatchLimits:
    """The limits of this process."""
    return _unpacker.limits


def set_limits(limits: BatchLimits) -> None:
    """Set the limits of this process: aiokafka has no way to pass them to one consumer."""
    global _unpacker  # noqa: PLW0603
    if limits != _unpacker.limits:
        _unpacker = _Unpacker(limits)


def unpacked(packed: memoryview, codec: int) -> bytes:
    """The unpacked records of a batch.

    Args:
        packed: the compressed bytes.
        codec: as in the batch's attributes: 1 gzip, 2 snappy, 3 lz4, 4 zstd.

    Raises:
        UnreadBatchError: the batch unpacks to more than the limit, is damaged, or has an unknown codec.
    """
    name = _NAMES.get(codec)
    if name is None:
        raise UnreadBatchError("undecodable", f"the batch is compressed with codec {codec}, which is not known")
    try:
        if name == "snappy":
            return b"".join(_snappy_blocks(packed))
        return _unpacker.unpack(_BOUNDED[name], packed)
    except cramjam.DecompressionError as error:
        # Only this text of the error distinguishes a full buffer from damaged bytes.
        if "whole buffer" in str(error):
            raise too_large(f"{len(packed)} bytes of {name} unpack to more than {_unpacker.limits.size}") from None
        raise UnreadBatchError("undecodable", f"the batch's {name} can't be unpacked: {error}") from None
    except struct.error:
        raise UnreadBatchError("undecodable", f"the batch's {name} is cut") from None


def _snappy_blocks(packed: memoryview) -> Iterator[bytes]:
    """The unpacked blocks of snappy. Each begins with its unpacked size, so the limit is checked before it is unpacked.

    Java's clients write several blocks (the xerial format), librdkafka writes one.
    """
    total = 0
    for block in _packed_blocks(packed):
        total += cramjam.snappy.decompress_raw_len(block)
        if total > _unpacker.limits.size:
            raise too_large(f"{len(packed)} bytes of snappy unpack to more than {_unpacker.limits.size}")
        yield bytes(cramjam.snappy.decompress_raw(block))


def _packed_blocks(packed: memoryview) -> list[memoryview]:
    if bytes(packed[: len(_XERIAL)]) != _XERIAL:
        return [packed]
    blocks = []
    at = _XERIAL_HEADER
    while at < len(packed):
        (size,) = struct.unpack_from(">i", packed, at)
        at += 4
        if size < 0:
            raise UnreadBatchError("undecodable", f"a block of snappy has {size} bytes")
        blocks.append(packed[at : at + size])
        at += size
    return blocks


def too_large(what: str) -> UnreadBatchError:
    """The error for a batch beyond a limit.

    Args:
        what: the batch's size.
    """
    return UnreadBatchError("too-large", f"a batch of {what}; batch_bytes and batch_records are the limits")
