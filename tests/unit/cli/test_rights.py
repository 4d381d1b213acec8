"""What `switchboard rights` prints, by the words that one calls a command with."""

import orjson
import pytest
from click.testing import Result

from switchboard.cli.rights_command import rights_of
from switchboard.settings import load
from tests.commands import invoke


def told(*words: str) -> Result:
    """What it says."""
    return invoke("rights", *words)


@pytest.mark.parametrize("command", [*rights_of(load())])
def test_each_command_is_known_as_one_calls_it(command: str) -> None:
    """With its options, which are not this command's own; whom it is for is its first word."""
    answer = told(*command.split())
    assert answer.exit_code == 0, answer.output
    assert all(f"--allow-principal User:{command.split(maxsplit=1)[0]} " in line for line in answer.output.splitlines())


def test_a_first_word_stands_for_all_that_begin_so() -> None:
    """Each right once, and as few commands as can be."""
    some = orjson.loads(told("dead-letter", "--json").output)
    assert [each["name"] for each in some if each["operation"] == "Read"] == ["dead-letter"]
    assert sum(each["operation"] == "Write" for each in some) == 6
    assert len(told("dead-letter").output.splitlines()) == 2


def test_a_command_of_that_very_name_is_meant_before_those_that_go_on() -> None:
    """`record` is not `record --bus` too."""
    assert [each["name"] for each in orjson.loads(told("record", "--json").output)] == ["journal"]


@pytest.mark.parametrize("words", [["config", "check"], ["rec"], ["--principle", "User:router", "router"]])
def test_what_is_not_known_is_refused(words: list[str]) -> None:
    """A command without a broker, half a word, a slip: exit code 2, and all that there are."""
    answer = told(*words)
    assert answer.exit_code == 2
    assert f"{' '.join(words)} is none of: router, monitor, topics create, " in answer.output
