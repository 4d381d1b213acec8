"""The page on security names the rights that the workers and commands look for."""

import re
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

import pytest

from switchboard.cli.rights_command import commands, rights_of
from switchboard.kafka.acl import Operation, Resource, Right
from switchboard.settings import load

PAGE = Path(__file__).parents[2] / "docs/how-to/secure.md"
BLOCK = r"<!-- rights {} -->\n```sh\n(.*?)```"
ACLS = "kafka-acls.sh --bootstrap-server 127.0.0.1:9092"
WORKERS = ("router", "monitor")


def in_words(rights: Iterable[Right]) -> str:
    """A command's rights, as the page's table tells them."""
    alike = defaultdict[tuple[Operation, str], list[str]](list)
    for each in rights:
        on = "" if each.resource is Resource.TOPIC else f"{each.resource} "
        alike[each.operation, on].append(f"`{each.name}{'…' * each.prefixed}`")
    told = defaultdict[str, list[str]](list)
    for (operation, on), names in alike.items():
        told[on + ", ".join(names)].append(str(operation))
    return "; ".join(f"{' and '.join(operations)} {on}" for on, operations in told.items())


@pytest.mark.parametrize("worker", WORKERS)
def test_the_page_holds_the_commands_that_allow_a_worker_what_it_needs(worker: str) -> None:
    """What a reader copies is what the tests on a real cluster grant, right by right."""
    page = PAGE.read_text(encoding="utf-8")
    found = re.search(BLOCK.format(worker), page, re.DOTALL)
    assert found, f"{PAGE} has no block <!-- rights {worker} -->"
    assert f'ACLS="{ACLS}"' in page
    wanted = commands(rights_of(load())[worker], "127.0.0.1:9092", f"User:{worker}")
    assert found[1].replace("$ACLS", ACLS).splitlines() == wanted


def test_the_page_holds_what_each_other_command_needs() -> None:
    """Row by row what the tests on a real cluster grant."""
    rows = re.findall(r"^\| `([a-z -]+)` \| ([A-Z].*) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert dict(rows) == {
        command: in_words(some) for command, some in rights_of(load()).items() if command not in WORKERS
    }
