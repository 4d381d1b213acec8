"""`switchboard dead-letter`: what it refuses before it asks a broker."""

import pytest

from switchboard.cli.dead_letter_commands import shown
from tests.commands import invoke


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "say which: PARTITION@OFFSET..., --reason or --all"),
        (["0@0", "--all"], "give one, not both"),
        (["0@0", "--reason", "schema"], "give one, not both"),
    ],
)
def test_what_to_replay_is_to_be_said_in_one_way(arguments: list[str], said: str) -> None:
    """Exit code 2."""
    ran = invoke("dead-letter", "replay", *arguments, env={"COLUMNS": "200"})
    assert ran.exit_code == 2
    assert said in ran.output


@pytest.mark.parametrize(("value", "told"), [(None, "(none)"), (b"", ""), (b"c", "c"), (b"\xff", "hex ff")])
def test_a_key_or_a_value_that_is_not_there_is_told_in_words(value: bytes | None, told: str) -> None:
    """An empty one is another thing."""
    assert shown(value) == told
