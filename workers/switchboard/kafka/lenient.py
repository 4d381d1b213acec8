r"""Reading records whose header names are no UTF-8.

aiokafka decodes them strictly, so that one record of a foreign producer (librdkafka writes any bytes) would end every
reader of its partition, and end it again at each start. Here such a name is read with its odd bytes as `\xff`.
"""

from collections.abc import Iterator
from typing import Any

from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.legacy_records import LegacyRecordBatch
from aiokafka.record.memory_records import _MemoryRecordsPy


class _LenientText(bytearray):
    """Bytes whose parts can always be decoded."""

    def __getitem__(self, at: Any) -> Any:
        part = super().__getitem__(at)
        return _LenientText(part) if isinstance(part, bytearray) else part

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        """As text, whatever they are."""
        del errors
        return bytes(self).decode(encoding, "backslashreplace")


class _LenientBatch(_DefaultRecordBatchPy):  # type: ignore[misc] # aiokafka is untyped
    """aiokafka's reader in Python: slow, and only for batches that the fast one gave up on."""

    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        self._buffer: bytearray = _LenientText(self._buffer)


class _Batch:
    """A batch read fast, and from where that fails leniently."""

    __slots__ = ("_fast", "_slice")

    def __init__(self, fast: Any, of: memoryview) -> None:
        self._fast = fast
        self._slice = of

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fast, name)

    def __next__(self) -> Any:
        """The one record of a control batch: aiokafka looks whether it is an abort marker."""
        return next(self._fast)

    def __iter__(self) -> Iterator[Any]:
        read = 0
        try:
            for record in self._fast:
                yield record
                read += 1
        except UnicodeDecodeError:
            for number, record in enumerate(_LenientBatch(bytearray(self._slice))):
                if number >= read:
                    yield record


class LenientRecords(_MemoryRecordsPy):  # type: ignore[misc] # aiokafka is untyped
    """What a fetch brought, batch by batch: takes the place of aiokafka's class of this kind."""

    def next_batch(self) -> Any:
        """The next batch; None after the last."""
        of = self._next_slice
        batch = super().next_batch()
        return batch if batch is None or isinstance(batch, LegacyRecordBatch) else _Batch(batch, of)
