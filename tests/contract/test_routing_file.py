"""The routing file: checked whole, all faults at once, each with file, line and what was expected."""

from pathlib import Path

import orjson
import pytest

from switchboard.domain.events import Event
from switchboard.errors import RoutingFileError
from switchboard.journal.codec import decode_event
from switchboard.journal.routing_file import read_routing_file
from switchboard.journal.schemas import check_event

GOOD = """\
# Two pools, written in two ways.
[pools.support]
seed = "2026"
default_queue = "billing"
default_profile = "pull"
implicit_login = false
absent_after = 120
lost_after = 360

[[pools.support.queues]]
name = "billing"
max_wait = 600
overflow_after = 60
overflow_to = "general"

[[pools.support.queues]]
name = "general"

[[pools.support.profiles]]
name = "pull"
mode = "pull"
pull_policy = "strict-priority"
queues = [
  "general",  # first
  "billing",
]
offer_timeout = 285

[pools."eu.sales"]
queues = [{name = "q"}]
profiles = [{name = "p", queues = []}]
"""


def read(tmp_path: Path, text: str | bytes) -> list[dict[str, object]]:
    """What a file of this text says."""
    file = tmp_path / "routing.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_routing_file(file)


def faults(tmp_path: Path, text: str | bytes) -> list[str]:
    """All that is wrong with a file of this text, without the folder."""
    with pytest.raises(RoutingFileError) as raised:
        read(tmp_path, text)
    assert str(raised.value).splitlines() == [str(fault) for fault in raised.value.faults]
    return [str(fault).removeprefix(f"{tmp_path}/") for fault in raised.value.faults]


def test_a_good_file_gives_an_event_for_each_pool(tmp_path: Path) -> None:
    """In the file's order, ready for the topic."""
    support, sales = read(tmp_path, GOOD)
    assert support == {
        "pool": "support",
        "config": {
            "seed": "2026",
            "default_queue": "billing",
            "default_profile": "pull",
            "implicit_login": False,
            "absent_after": 120,
            "lost_after": 360,
            "queues": [
                {"name": "billing", "max_wait": 600, "overflow_after": 60, "overflow_to": "general"},
                {"name": "general"},
            ],
            "profiles": [
                {
                    "name": "pull",
                    "mode": "pull",
                    "pull_policy": "strict-priority",
                    "queues": ["general", "billing"],
                    "offer_timeout": 285,
                }
            ],
        },
    }
    assert sales == {
        "pool": "eu.sales",
        "config": {"queues": [{"name": "q"}], "profiles": [{"name": "p", "queues": []}]},
    }
    for event in (support, sales):
        assert check_event("pool-configured", event) is None


def test_all_faults_are_told_at_once_each_with_its_line(tmp_path: Path) -> None:
    """One run of `config check` is enough to mend a file."""
    text = """\
titel = "x"

[pools.support]
seed = "ssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssssss"
default_queue = "nope"
absent_afer = 3

[[pools.support.queues]]
name = "a"
overflow_to = "a"
max_wait = -1

[[pools.support.queues]]
name = "a"
overflow_to = "c"

# a comment
[[pools.support.profiles]]
name = "p"
queues = ["a", "x", "a"]
offer_timeout = 300
mode = "pusch"
max_sessions = 2.5

[[pools.support.profiles]]
mode = "pull"

[pools."bad name"]
queues = [{name = "q", colour = "blue"}]
"""
    assert faults(tmp_path, text) == [
        "routing.toml:1: titel: expected [pools.NAME] and nothing else at the top",
        "routing.toml:4: pools.support.seed: expected 64 bytes at most, got 66",
        "routing.toml:5: pools.support.default_queue: expected a queue of this pool (a), got 'nope'",
        "routing.toml:6: pools.support.absent_afer: is no field: did you mean absent_after?",
        (
            "routing.toml:10: pools.support.queues[0].overflow_to: "
            "expected another queue: this one can't overflow to itself"
        ),
        "routing.toml:11: pools.support.queues[0].max_wait: expected a whole number from 0 to 2147483647, got -1",
        "routing.toml:14: pools.support.queues[1].name: expected each name once, got 'a' again",
        "routing.toml:15: pools.support.queues[1].overflow_to: expected a queue of this pool (a), got 'c'",
        "routing.toml:20: pools.support.profiles[0].queues[1]: expected a queue of this pool (a), got 'x'",
        "routing.toml:20: pools.support.profiles[0].queues[2]: expected each queue once, got 'a' again",
        "routing.toml:21: pools.support.profiles[0].offer_timeout: expected a whole number from 5 to 285, got 300",
        'routing.toml:22: pools.support.profiles[0].mode: expected one of push, pull, got "pusch"',
        "routing.toml:23: pools.support.profiles[0].max_sessions: expected a whole number from 1 to 100, got 2.5",
        "routing.toml:25: pools.support.profiles[1].name: is missing",
        'routing.toml:28: pools."bad name": expected 1 to 64 characters of A-Z a-z 0-9 . _ -, got "bad name"',
        'routing.toml:28: pools."bad name".profiles: is missing: expected at least one [[pools."bad name".profiles]]',
        (
            'routing.toml:29: pools."bad name".queues[0].colour: '
            "is no field: expected one of name, max_wait, overflow_after, overflow_to"
        ),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "routing.toml:1: pools: expected at least one pool, as [pools.NAME]"),
        ("# nothing\n[pools]\n", "routing.toml:2: pools: expected at least one pool, as [pools.NAME]"),
        ("pools = 3", "routing.toml:1: pools: expected at least one pool, as [pools.NAME]"),
        ("\n[pools]\na = 3", "routing.toml:3: pools.a: expected an object, got 3"),
        ("[pools.a]\nseed = \n", "routing.toml:2: expected TOML: "),
        ("[pools.a]\n[pools.a]\n", "routing.toml:2: expected TOML: "),
        ("[pools.a]\nseed = 'x", "routing.toml:2: expected TOML: "),
        (b"[pools.a]\n# \xff\n", "routing.toml:2: expected UTF-8 text: "),
    ],
)
def test_what_is_no_routing_file_at_all_is_told_in_one_fault(tmp_path: Path, text: str | bytes, expected: str) -> None:
    """No half of it is checked further."""
    (fault,) = faults(tmp_path, text)
    assert fault.startswith(expected)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("1979-05-27", "expected no date or time, got 1979-05-27"),
        ("1979-05-27T07:32:00Z", "expected no date or time, got 1979-05-27 07:32:00+00:00"),
        ("07:32:00", "expected no date or time, got 07:32:00"),
        ("inf", "expected a number that fits into 64 bits"),
        ("nan", "expected a number that fits into 64 bits"),
        ("99999999999999999999", "expected a number that fits into 64 bits"),
    ],
)
def test_a_value_that_json_does_not_have_is_told_and_hides_no_other_fault(
    tmp_path: Path, value: str, expected: str
) -> None:
    """TOML has dates, inf and numbers without bounds."""
    text = f"[pools.a]\nlost_after = {value}\nseed = 1\nqueues = [{{name='q'}}]\nprofiles = [{{name='p'}}]\n"
    assert faults(tmp_path, text) == [
        f"routing.toml:2: pools.a.lost_after: {expected}",
        "routing.toml:3: pools.a.seed: expected text, got 1",
    ]


def test_lines_are_found_however_the_file_is_written(tmp_path: Path) -> None:
    """Dotted keys, inline tables, values over many lines, tables out of order, comments that look like tables."""
    text = '''\
pools.a.queues = [
  # [[pools.a.profiles]]
  { name = "q", max_wait = 1 },
]
pools.a.lost_after = -1

[[pools.a.profiles]]
name = """
[pools.b]
x = 1"""
[[pools.a.profiles]]
"name" = 'r'
mode = "auto"

[  pools . "b c" ]
seed = 1
'''
    lines = [(fault.split(":")[1], fault.split(": ")[1]) for fault in faults(tmp_path, text)]
    assert lines == [
        ("5", "pools.a.lost_after"),
        ("8", "pools.a.profiles[0].name"),
        ("13", "pools.a.profiles[1].mode"),
        *[("15", f'pools."b c"{rest}') for rest in ("", ".queues", ".profiles")],
        ("16", 'pools."b c".seed'),
    ]


def test_a_pool_larger_than_an_event_may_be_is_told(tmp_path: Path) -> None:
    """It would go to dead-letter as too-large."""
    rows = "".join(f'[[pools.a.queues]]\nname = "{i:0>100}"\n' for i in range(700))
    (fault,) = faults(tmp_path, "[pools.a]\nprofiles = [{name = 'p'}]\n" + rows)
    assert fault == "routing.toml:1: pools.a: expected a pool of at most 65536 bytes as JSON"


def test_what_a_file_says_is_taken_from_the_topic(tmp_path: Path) -> None:
    """Applied and read, it is the same configuration."""
    (support, _) = read(tmp_path, GOOD)
    event = decode_event("routing-config", (), orjson.dumps(support), source=("routing-config", 0, 0))
    assert isinstance(event, Event)
    assert event.data["config"] == support["config"]


def test_a_pool_whose_profiles_serve_too_many_queues_in_all_is_refused(tmp_path: Path) -> None:
    """As a router refuses it: at the line of the first profile, with what to do; within the bound there is no fault."""
    queues = "".join(f'[[pools.big.queues]]\nname = "q{number}"\n' for number in range(1_000))
    profiles = "".join(f'[[pools.big.profiles]]\nname = "p{number}"\n' for number in range(101))
    [fault] = faults(tmp_path, f"[pools.big]\n{queues}{profiles}")
    assert fault == (
        "routing.toml:2002: pools.big.profiles: expected at most 100000 queues served, added up over the profiles, "
        "got 101000: list the queues of each profile (one without a list serves all of them), or use fewer profiles"
    )
    assert read(tmp_path, f"[pools.big]\n{queues}{profiles}queues = []\n")


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_a_fault_has_its_line_whatever_ends_the_lines(tmp_path: Path, end: str) -> None:
    """Editors on Windows write a carriage return too, which TOML takes before a newline only."""
    path = tmp_path / "routing.toml"
    written = (
        "[pools.a]",
        "queues = [",
        '  {name = "q"},',
        "]",
        'colour = "red"',
        "[[pools.a.profiles]]",
        'name = "p"',
    )
    path.write_bytes(end.join([*written, ""]).encode())
    with pytest.raises(RoutingFileError) as raised:
        read_routing_file(path)
    assert [(fault.line, fault.where) for fault in raised.value.faults] == [(5, "pools.a.colour")]
