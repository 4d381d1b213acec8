"""Numbers in sentences."""


def counted(number: int, one: str, many: str | None = None) -> str:
    """`1 offer`, `2,000 offers`; `many` is what is said of any other number than one, where an s is not all of it."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"
