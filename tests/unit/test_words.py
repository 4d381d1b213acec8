"""Numbers in sentences."""

from switchboard.journal.printable_text import counted


def test_one_is_not_said_in_the_plural() -> None:
    """Nought and all others are; thousands are set apart."""
    assert [counted(number, "dead letter") for number in (0, 1, 2, 2000)] == [
        "0 dead letters",
        "1 dead letter",
        "2 dead letters",
        "2,000 dead letters",
    ]
    assert [counted(number, "frame differs", "frames differ") for number in (1, 2)] == [
        "1 frame differs",
        "2 frames differ",
    ]
