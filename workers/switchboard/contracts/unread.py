"""What a reader hands out in place of a value that it did not read whole."""

from typing import Literal, Self, TypeAlias

UnreadReason: TypeAlias = Literal["too-large", "undecodable"]


class Unread(bytes):
    """The value of a record, or of a whole batch of records, that was not read: what is kept of it, and why.

    A subclass of bytes, so that it passes through a Kafka client as a record's value does.

    Attributes:
        reason: the dead letter's reason.
        detail: what is wrong, in words.
        size: bytes of the whole value; None where it is not known.
        headers_left_out: whether the record had headers that were not read.
        first_offset: where a whole batch was not read: the offset of its first record. The record that carries this
            value has the offset of the last one.
    """

    reason: UnreadReason
    detail: str
    size: int | None
    headers_left_out: bool
    first_offset: int | None

    def __new__(
        cls,
        reason: UnreadReason,
        detail: str,
        *,
        kept: bytes = b"",
        size: int | None = None,
        headers_left_out: bool = False,
        first_offset: int | None = None,
    ) -> Self:
        """Keep `kept` of the value, and say why that is all."""
        unread = super().__new__(cls, kept)
        unread.reason = reason
        unread.detail = detail
        unread.size = size
        unread.headers_left_out = headers_left_out
        unread.first_offset = first_offset
        return unread
