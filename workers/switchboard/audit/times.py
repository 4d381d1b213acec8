"""Times as decisions and events tell them: RFC 3339 text to and from ms since 1970 UTC."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)


@lru_cache(maxsize=1024)
def told(ms: int) -> str:
    """`ms` since 1970 as decisions tell it: UTC, with milliseconds."""
    whole = (_EPOCH + timedelta(seconds=ms // 1000)).replace(tzinfo=None).isoformat()
    return f"{whole}.{ms % 1000:03d}Z"


def read(text: str) -> int:
    """The time of an event, in ms since 1970; what is beyond the millisecond is cut. The codec has checked it.

    A leap second is the first instant of the next minute.
    """
    leap = text[17:19] == "60"
    if leap:
        text = f"{text[:17]}59{text[19:].lstrip('.0123456789')}"
    since = datetime.fromisoformat(text.upper()) - _EPOCH
    return since // _MS + 1000 * leap
