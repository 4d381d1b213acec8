"""The page on security names the rights that the workers look for."""

import re
from pathlib import Path

import pytest

from switchboard.cli.rights import commands, rights_of
from switchboard.settings import load

PAGE = Path(__file__).parents[2] / "docs/how-to/secure.md"
BLOCK = r"<!-- rights {} -->\n```sh\n(.*?)```"
ACLS = "kafka-acls.sh --bootstrap-server 127.0.0.1:9092"


@pytest.mark.parametrize("worker", [*rights_of(load())])
def test_the_page_holds_the_commands_that_allow_a_worker_what_it_needs(worker: str) -> None:
    """What a reader copies is what the tests on a real cluster grant, right by right."""
    page = PAGE.read_text(encoding="utf-8")
    found = re.search(BLOCK.format(worker), page, re.DOTALL)
    assert found, f"{PAGE} has no block <!-- rights {worker} -->"
    assert f'ACLS="{ACLS}"' in page
    wanted = commands(rights_of(load())[worker], "127.0.0.1:9092", f"User:{worker}")
    assert found[1].replace("$ACLS", ACLS).splitlines() == wanted
