"""Commands that ask first: a no ends them in words."""

import click
import pytest

from switchboard.cli.main import switchboard
from tests.commands import invoke, library_levels_kept

RESET = ["reset", "chat-arrival", "--from", "earliest"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [("n\n", "nothing was reset\n"), ("", "nothing was reset: nobody is there to answer (--yes answers for them)\n")],
)
def test_a_no_says_what_was_not_done(answer: str, said: str) -> None:
    """Exit code 1; so does an input that has ended."""
    ran = invoke("topics", *RESET, input=answer)
    assert ran.exit_code == 1
    assert ran.stderr.endswith(said)


def test_ctrl_c_at_the_question_stays_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    """`switchboard` ends with exit code 130 by it."""

    def interrupted(_: str) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("click.termui.visible_prompt_func", interrupted)
    with library_levels_kept(), pytest.raises(click.Abort):
        switchboard.main(["topics", *RESET], standalone_mode=False)
