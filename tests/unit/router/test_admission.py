"""What is beyond a limit is refused before a frame is made, and what exists is served whatever the limits are."""

from collections.abc import Iterable
from typing import Any, get_args

import pytest
from aiokafka.structs import ConsumerRecord
from hypothesis import given, settings
from hypothesis import strategies as st

from switchboard.domain.engine import Engine
from switchboard.domain.events import EVENT_TYPES, Event, Frame
from switchboard.domain.rows import Row, chat_value
from switchboard.journal.limits import MAX_DECLINES, MAX_PAIRS, Limit, Limits
from switchboard.journal.schemas import known_fields
from switchboard.kafka.ledger import CommitBatch
from switchboard.kafka.record_merge import Taken, rank_of
from switchboard.router import commits
from switchboard.router.admission import ADDITIONS, Admission
from switchboard.router.shard_limits import OverLimit
from tests.depth import examples

START = 1_700_000_000_000
QUIET = {"queues": [{"name": "q"}], "profiles": [{"name": "p", "wrap_up": False}]}


class Shard:
    """An engine behind an admission, as in a router's loop."""

    def __init__(self, **limits: Any) -> None:
        self.limits = Limits(**limits)
        self.engine = Engine(0)
        self.now = 0.0
        self.admission = Admission(self.engine, self.limits, self.now, item_seconds=0.0)

    def take(self, *events: Event, run: int = 0) -> list[str]:
        """Check events together and apply those that are admitted as one frame; of the others, the limits."""
        taken = checked(self.admission, events, self.now)
        self._frame([each.what for each in taken if isinstance(each.what, Event)], run)
        return [each.what.limit for each in taken if isinstance(each.what, OverLimit)]

    def restart(self, **limits: Any) -> None:
        """Restore the engine from its rows, with other limits."""
        self.engine = Engine.restore(0, self.engine.rows())
        self.limits = Limits(**limits)
        self.admission = Admission(self.engine, self.limits, self.now, item_seconds=0.0)

    def pass_time(self, seconds: int) -> None:
        """Let service time pass."""
        for _ in range(seconds):
            self._frame([], 1000)

    def apply(self, *events: Event) -> None:
        """Apply events that were never checked, as timers do their work."""
        self._frame(list(events), 0)

    def _frame(self, events: list[Event], run: int) -> None:
        self.engine.apply(Frame(self.engine.frame + 1, START + self.engine.service + run, run, events))


def checked(admission: Admission, events: Iterable[Event], now: float = 0.0) -> list[Taken]:
    """The events as records, after the check."""
    record = ConsumerRecord("t", 0, 0, 0, 0, None, b"", None, 0, 0, ())
    taken = [Taken(0, rank_of(event), event, record) for event in events]
    admission.check(taken, now)
    return taken


def told(admission: Admission) -> dict[Limit, tuple[int, int]]:
    """What is used of each limit, and the limit."""
    steps = admission.usage()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            found: dict[Limit, tuple[int, int]] = end.value
            return found


def login(agent: str, pool: str = "p") -> Event:
    """An agent logs in."""
    return Event("agent-logged-in", pool, {"agent_id": agent})


def logout(agent: str, pool: str = "p") -> Event:
    """An agent logs out."""
    return Event("agent-logged-out", pool, {"agent_id": agent})


def request(agent: str, pool: str = "p") -> Event:
    """An agent asks for a chat, and is logged in by that."""
    return Event("request-chat", pool, {"agent_id": agent})


def arrive(chat: str, pool: str = "p") -> Event:
    """A chat arrives."""
    return Event("chat-arrival", pool, {"chat_id": chat})


def end(chat: str, pool: str = "p", kind: str = "chat-abandoned") -> Event:
    """A chat ends."""
    return Event(kind, pool, {"chat_id": chat})


def configure(pool: str = "p", config: dict[str, Any] = QUIET, **more: Any) -> Event:
    """A pool is configured."""
    return Event("pool-configured", pool, {"config": config | more})


def test_agents_beyond_the_limit_are_refused_until_one_leaves() -> None:
    """By login and by request alike; a refused one takes no place."""
    shard = Shard(max_agents=2)
    assert shard.take(login("a"), request("b"), login("c"), request("d")) == ["agents", "agents"]
    assert sorted(shard.engine.pools["p"].agents) == ["a", "b"]
    assert shard.take(logout("a")) == []
    assert shard.take(login("c"), login("d")) == ["agents"]
    assert sorted(shard.engine.pools["p"].agents) == ["b", "c"]


def test_whoever_is_logged_in_is_served_at_the_limit() -> None:
    """Again and again, also within the frame of the first login."""
    shard = Shard(max_agents=1)
    assert shard.take(login("a"), login("a"), request("a"), logout("a"), login("a")) == []
    available = Event("agent-status-changed", "p", {"agent_id": "a", "status": "available"})
    assert shard.take(available, *[Event(kind, "p", {"agent_id": "a"}) for kind in AGENT_EVENTS]) == []


AGENT_EVENTS = ("agent-absent", "agent-present", "agent-heartbeat", "request-cancelled")


def test_agents_who_are_remembered_for_the_chats_that_they_declined_count() -> None:
    """Ids that log in, decline and leave again would otherwise fill the memory of one waiting chat without end."""
    shard = Shard(max_agents=2)
    shard.take(configure(), arrive("c"))
    refused = []
    for number in range(4):
        agent = f"agent-{number}"
        refused += shard.take(login(agent))
        shard.take(Event("chat-declined", "p", {"chat_id": "c", "agent_id": agent}), logout(agent))
    assert refused == ["agents", "agents"]
    assert len(shard.engine.pools["p"].index.passings) == 2


@pytest.mark.parametrize("letter", ["x", '"', "\U0001f642"])
def test_a_chat_that_all_agents_passed_over_fits_into_a_row(letter: str) -> None:
    """A row that can't be written, made by a timer, would stop the shard for good: 2,000 made-up ids are enough."""
    shard, chat_id = Shard(), "c" * 128
    shard.take(configure(), arrive(chat_id))
    for number in range(9_000):
        agent = f"{number:06}{letter * 122}"
        if refused := shard.take(login(agent)):
            break
        shard.apply(Event("chat-declined", "p", {"chat_id": chat_id, "agent_id": agent}), logout(agent))
    assert refused == ["agent-ids"]
    pool = shard.engine.pools["p"]
    assert len(pool.index.passings) == number > 1_900
    value = chat_value(pool, pool.chats[chat_id]) | {"agent_id": agent, "offer_id": "x" * 128, "queue": "q" * 128}
    commits.pack_rows(CommitBatch(), [Row("open-chats", "key", value)])
    shard.take(end(chat_id))
    assert shard.take(login(agent)) == []


def decline(chat: str, agent: str, pool: str = "p") -> Event:
    """An agent declines a chat."""
    return Event("chat-declined", pool, {"chat_id": chat, "agent_id": agent})


def test_an_agent_passes_over_a_bounded_number_of_open_chats() -> None:
    """Each decline looks at all chats that the agent declined before: without a bound 20,000 took 2 ms each."""
    shard = Shard()
    shard.take(configure(), login("a"), *(arrive(f"c-{number}") for number in range(MAX_DECLINES + 3)))
    refused = shard.take(*(decline(f"c-{number}", "a") for number in range(MAX_DECLINES + 2)))
    assert refused == ["declines"] * 2
    pool = shard.engine.pools["p"]
    assert len(pool.index.passings["a"]) == pool.index.passed == MAX_DECLINES
    assert shard.take(decline("c-0", "a"), decline(f"c-{MAX_DECLINES}", "a"), decline("no-chat", "a")) == ["declines"]
    assert shard.take(end("c-0")) == []
    assert shard.take(decline(f"c-{MAX_DECLINES}", "a"), decline(f"c-{MAX_DECLINES + 1}", "a")) == ["declines"]


def test_a_chat_is_passed_over_by_a_bounded_number_of_agents() -> None:
    """Each time it waits anew the search for an agent looks at all of them; and its row names them all."""
    shard = Shard()
    shard.take(configure(), arrive("c"))
    agents = [f"a-{number}" for number in range(MAX_DECLINES + 2)]
    refused = [limit for agent in agents for limit in shard.take(login(agent), decline("c", agent), logout(agent))]
    assert refused == ["declines"] * 2
    assert len(shard.engine.pools["p"].chats["c"].passed or ()) == MAX_DECLINES


def test_declines_of_all_pools_have_a_limit_together_and_made_up_ones_use_half() -> None:
    """200,000 chats, each declined by 1,000 agents, would be 50 GB; after a restart they count as before."""
    shard = Shard(max_chats=2)
    shard.take(configure("real"))
    for pool in ("real", "made-up"):
        shard.take(arrive("c", pool))
    refused = {}
    for pool in ("made-up", "real"):
        shard.restart(max_chats=2)
        agents = [f"a-{number}" for number in range(8)]
        taken = [shard.take(login(agent, pool), decline("c", agent, pool), logout(agent, pool)) for agent in agents]
        refused[pool] = sum(map(len, taken))
        assert {limit for refusals in taken for limit in refusals} == {"shard-declines"}
    assert refused == {"made-up": 8 - 5, "real": 8 - 5}, "10 in all, 5 of them in pools that were never configured"


def test_a_request_that_logs_nobody_in_is_not_refused() -> None:
    """With `implicit_login = false` the engine answers it, and nothing grows; the same within one frame."""
    shard = Shard(max_agents=1)
    assert shard.take(configure(implicit_login=False), login("a"), request("b")) == []
    assert shard.take(request("c")) == []
    assert shard.take(configure(), request("d")) == ["agents"]


def test_open_chats_beyond_the_limit_are_refused_until_one_ends() -> None:
    """Those that are open are served; those that are closed but remembered don't count."""
    shard = Shard(max_chats=2)
    assert shard.take(arrive("a"), arrive("b"), arrive("a"), arrive("c")) == ["chats"]
    assert shard.take(end("a"), end("b", kind="chat-concluded"), arrive("a"), arrive("b")) == []
    assert shard.take(arrive("c"), arrive("d"), arrive("e")) == ["chats"]
    assert sorted(shard.engine.pools["p"].chats) == ["c", "d"]


def test_remembered_chats_have_a_limit_of_their_own() -> None:
    """Ids that arrive and end at once are remembered for ten minutes each; then there is room again."""
    shard = Shard(max_chats=100, max_remembered=3)
    for number in range(3):
        assert shard.take(arrive(f"c-{number}"), end(f"c-{number}")) == []
    assert shard.take(arrive("c-3")) == ["remembered-chats"]
    assert shard.take(arrive("c-0")) == []  # a repeat: known, and ignored
    shard.pass_time(601)
    assert shard.take(arrive("c-3")) == []


def test_endings_of_chats_that_never_came_are_bounded_and_known_chats_always_end() -> None:
    """An early ending takes a place for a minute; it never keeps a chat that is there from ending."""
    shard = Shard(max_remembered=20)
    assert shard.limits.max_early_endings == 2
    assert shard.take(arrive("open"), end("x"), end("x"), end("y", kind="chat-concluded"), end("z")) == [
        "early-endings"
    ]
    assert shard.take(end("z"), end("open"), end("x")) == ["early-endings"]
    assert shard.engine.pools["p"].chats == {}
    shard.pass_time(61)
    assert shard.take(end("z")) == []


def test_a_chat_may_be_forgotten_while_the_frame_is_applied() -> None:
    """Then its arrival opens a new chat, so that it counts, though the id is known when it is checked."""
    shard = Shard(max_chats=1)
    shard.take(arrive("old"), end("old"))
    shard.pass_time(599)
    assert "old" in shard.engine.pools["p"].remembered
    assert shard.take(arrive("new"), arrive("old"), run=2000) == ["chats"]
    assert list(shard.engine.pools["p"].chats) == ["new"]


def test_made_up_pools_are_bounded_and_default_is_always_taken() -> None:
    """Whatever the event: even one that the engine ignores makes a pool."""
    shard = Shard(max_pools=2)
    events = [Event("agent-heartbeat", f"pool-{number}", {"agent_id": "a"}) for number in range(4)]
    assert shard.take(*events) == ["pools", "pools"]
    assert shard.take(arrive("c", "pool-9"), arrive("c", "pool-0"), arrive("c", "default")) == ["pools"]
    assert sorted(shard.engine.pools) == ["default", "pool-0", "pool-1"]
    first = Shard(max_pools=1)
    assert first.take(arrive("c", "default"), arrive("c", "x"), arrive("c", "y")) == ["pools"]
    assert first.take(arrive("d", "x"), arrive("c", "z")) == ["pools"], "default takes no place"
    assert told(first.admission)["pools"] == (1, 1)


def test_made_up_pools_never_keep_a_pool_from_being_configured() -> None:
    """Nor its events, those of the same frame included; configured pools have a count of their own."""
    shard = Shard(max_pools=1)
    assert shard.take(arrive("c", "made-up"), configure("real"), arrive("c", "real"), login("a", "real")) == []
    assert shard.take(configure("second"), arrive("c", "second")) == ["pools", "pools"]
    assert shard.take(configure("real"), arrive("d", "real")) == []
    assert sorted(shard.engine.pools) == ["made-up", "real"]


def test_unconfigured_pools_can_be_refused_default_among_them() -> None:
    """Until they are configured, also within one frame; a record that names no pool is of `default`."""
    shard = Shard(unconfigured_pools="refuse")
    everything = [arrive("c", "default"), login("a", "x"), Event("agent-heartbeat", "x", {"agent_id": "a"})]
    assert shard.take(*everything) == ["unconfigured-pools"] * 3
    assert shard.engine.pools == {}
    assert shard.take(configure("default"), *everything) == ["unconfigured-pools"] * 2
    assert list(shard.engine.pools) == ["default"]


def test_an_unconfigured_pool_that_is_there_is_served_to_its_end() -> None:
    """Who sets `refuse` later: agents and chats that are there go on, and no new ones come."""
    shard = Shard()
    shard.take(login("a", "x"), arrive("c", "x"))
    shard.restart(unconfigured_pools="refuse")
    accepted = Event("chat-accepted", "x", {"chat_id": "c", "agent_id": "a"})
    assert shard.take(accepted, request("a", "x"), arrive("c", "x"), end("c", "x"), logout("a", "x")) == []
    assert shard.take(login("b", "x"), arrive("d", "x"), end("e", "x")) == ["unconfigured-pools"] * 3


def test_the_limits_of_a_pool_hold_in_a_configured_one_too() -> None:
    """Where the shard has plenty of room, and event by event."""
    shard = Shard(max_agents=2, max_chats=2, max_remembered=3)
    shard.take(configure(), configure("other"))
    events = [*map(login, "abc"), *map(arrive, "cde"), end("c"), *map(arrive, "fg"), end("d"), arrive("h")]
    assert [limit for event in events for limit in shard.take(event)] == [
        "agents",
        "chats",
        "chats",
        "remembered-chats",
    ]
    assert [limit for event in map(end, "xyz") for limit in shard.take(event)] == ["remembered-chats"] * 3
    ending = Shard(max_remembered=20)
    ending.take(configure())
    assert [limit for event in map(end, "wxyz") for limit in ending.take(event)] == ["early-endings"] * 2


def test_all_pools_of_a_shard_have_limits_together_and_made_up_ones_use_half() -> None:
    """Ten times the agents, twice the chats of one pool: a limit by pool alone would be times 10,000 pools."""
    shard = Shard(max_agents=1, max_chats=2, max_remembered=100)
    shard.take(configure("real"))
    assert shard.take(*(login("a", f"pool-{number}") for number in range(7))) == ["shard-agents"] * 2
    assert shard.take(*(arrive("c", f"pool-{number}") for number in range(3))) == ["shard-chats"]
    assert shard.take(login("a", "real"), arrive("c", "real"), arrive("d", "real")) == []
    assert shard.take(logout("a", "pool-0"), end("c", "pool-0")) == []
    assert shard.take(login("a", "pool-8"), arrive("c", "pool-8")) == []
    assert shard.take(login("a", "pool-9"), arrive("c", "pool-9")) == ["shard-agents", "shard-chats"]


def test_remembered_chats_of_all_pools_have_a_limit_together() -> None:
    """Ids that arrive and end, spread over pools."""
    shard = Shard(max_remembered=10)
    refused = [shard.take(arrive("c", f"pool-{n}"), end("c", f"pool-{n}")) for n in range(11)]
    assert refused == [*[[]] * 10, ["shard-remembered-chats"] * 2]


def test_what_ends_by_events_makes_room_at_once_though_a_recount_is_not_due() -> None:
    """A count by frames is wrong in no frame: only what timers end elsewhere may be noticed later."""
    shard = Shard(max_agents=2, max_chats=1, max_remembered=100)
    shard.take(login("a", "pool-0"))
    shard.admission = Admission(shard.engine, shard.limits, shard.now, item_seconds=1.0)
    for number in range(200):
        pool = f"pool-{number % 3}"
        assert shard.take(login("a", pool), arrive(f"c-{number}", pool)) == [], number
        assert shard.take(end(f"c-{number}", pool)) == [], number
        if number % 3 == 0:
            shard.pass_time(300)


def test_pools_are_counted_in_a_twentieth_of_the_time() -> None:
    """At a limit each frame would count 10,000 pools, in 10 ms: what timers ended elsewhere is noticed a bit later."""
    shard = Shard(max_chats=1)
    assert shard.take(arrive("c", "pool-0")) == []
    shard.now = 2.0
    shard.admission = Admission(shard.engine, shard.limits, shard.now, item_seconds=1.0)
    shard.pass_time(1801)
    assert shard.engine.pools["pool-0"].chats == {}
    assert shard.take(arrive("c", "pool-1")) == ["shard-chats"], "counted at 2 s, so not before 22 s"
    shard.now = 21.9
    assert shard.take(arrive("c", "pool-1")) == ["shard-chats"]
    shard.now = 22.0
    assert shard.take(arrive("c", "pool-1")) == []


def test_a_configuration_of_too_many_pairs_is_refused_and_the_one_before_holds() -> None:
    """2,100 queues and 2,000 profiles that serve them all fit into 64 KiB and take a second to apply."""
    queues = [{"name": f"q{number}"} for number in range(2_100)]
    profiles = [{"name": f"p{number}"} for number in range(2_000)]
    shard = Shard()
    shard.take(configure())
    [refused] = checked(shard.admission, [configure(config={"queues": queues, "profiles": profiles})])
    assert isinstance(refused.what, OverLimit)
    assert (refused.what.reason, refused.what.limit, refused.what.pool) == ("over-limit", "configuration", "p")
    assert f"at most {MAX_PAIRS} queues served, added up over the profiles, got 4200000" in refused.what.detail
    profiles = profiles[: MAX_PAIRS // 2_100]
    assert shard.take(configure(config={"queues": queues, "profiles": profiles})) == []
    assert len(shard.engine.pools["p"].config.queues) == 2_100


def test_the_configurations_of_a_shard_have_a_limit_together() -> None:
    """Each within its own bound; one that shrinks is always taken, and makes room."""
    queues = [{"name": f"q{number}"} for number in range(1_000)]
    big = {"queues": queues, "profiles": [{"name": f"p{number}"} for number in range(100)]}
    shard = Shard()
    events = [configure(f"pool-{number}", big) for number in range(11)]
    assert [kind for event in events for kind in shard.take(event)] == ["shard-configuration"]
    shard.restart()
    assert shard.take(configure("pool-10", big)) == ["shard-configuration"]
    assert shard.take(configure("pool-0"), configure("pool-1"), configure("pool-10", big)) == []


def test_a_refusal_tells_limit_count_and_setting() -> None:
    """Who reads the dead letter knows what to do about it."""
    shard = Shard(max_agents=1, max_pools=1, max_chats=1, unconfigured_pools="allow")
    shard.take(login("a"), arrive("c"))
    told = [each.what for each in checked(shard.admission, [login("b"), arrive("d"), login("a", "x")])]
    assert [each.detail for each in told if isinstance(each, OverLimit)] == [
        "agents: 1 of at most 1 agents in pool p (max_agents)",
        "chats: 1 of at most 1 open chats in pool p (max_chats)",
        "pools: 1 of at most 1 pools that were never configured (max_pools)",
    ]
    assert [each.pool for each in told] == ["p", "p", "x"]


def test_limits_hold_after_a_restart_as_before() -> None:
    """What was restored counts, configured pools included."""
    shard = Shard(max_agents=2, max_pools=1)
    shard.take(configure("real"), login("a", "real"), login("a", "x"))
    shard.restart(max_agents=2, max_pools=1)
    assert shard.take(login("b", "real"), login("c", "real"), login("a", "y"), configure("more")) == [
        "agents",
        "pools",
        "pools",
    ]


def test_what_is_used_is_told_by_the_fullest_pool() -> None:
    """For the gauges: each limit with what counts against it and what it is."""
    shard = Shard(max_agents=10, max_chats=20, max_remembered=30, max_pools=4)
    shard.take(configure("real"), login("a", "x"), login("b", "x"), arrive("c", "x"), arrive("d", "real"))
    shard.take(end("d", "real"), end("e", "real"))
    used = told(shard.admission)
    assert used.keys() == set(get_args(Limit)) - {"unconfigured-pools", "agent-ids", "declines"}
    assert used["pools"] == (1, 4)
    assert used["agents"] == (2, 10)
    assert used["chats"] == (1, 20)
    assert used["remembered-chats"] == (2, 30)
    assert used["early-endings"] == (1, 3)
    assert used["shard-agents"] == (4, 100), "2 of the half that is for pools that were never configured"
    assert used["configuration"] == (1, MAX_PAIRS)


def test_only_the_types_that_can_add_something_are_looked_at() -> None:
    """A type that is new to the engine and adds something must be added here as well."""
    engine, known = Engine(0), Event("agent-heartbeat", "p", {"agent_id": "a"})
    engine.apply(Frame(0, START, 0, [known]))
    data = {"agent_id": "a", "chat_id": "c", "config": QUIET, "status": "available", "to_queue": "q"}
    for kind in set(EVENT_TYPES) - ADDITIONS.keys():
        engine.apply(Frame(engine.frame + 1, START, 0, [Event(kind, "p", known_fields(kind, data))]))
        pool = engine.pools["p"]
        assert (pool.agents, pool.chats, pool.remembered) == ({}, {}, {}), kind


POOLS = st.sampled_from(["default", "a", "b", "c"])
NAMES = st.sampled_from(["1", "2", "3", "4"])
KINDS = st.sampled_from([kind for kind in EVENT_TYPES if kind != "pool-configured"])


@st.composite
def happenings(draw: st.DrawFn) -> Event:
    """Any event, about few names."""
    pool = draw(POOLS)
    if draw(st.integers(0, 11)) == 0:
        return configure(pool, implicit_login=draw(st.booleans()))
    data = {
        "agent_id": draw(NAMES),
        "chat_id": draw(NAMES),
        "status": draw(st.sampled_from(["available", "unavailable"])),
    }
    kind = draw(KINDS)
    return Event(kind, pool, known_fields(kind, data | {"to_queue": "q"}))


SMALL = st.builds(
    Limits,
    unconfigured_pools=st.sampled_from(["allow", "refuse"]),
    max_pools=st.integers(1, 3),
    max_agents=st.integers(1, 3),
    max_chats=st.integers(1, 3),
    max_remembered=st.integers(1, 6),
)


@settings(max_examples=examples(75, 300), deadline=None)
@given(SMALL, st.lists(st.tuples(st.lists(happenings(), max_size=8), st.integers(0, 2000)), max_size=25))
def test_no_event_about_what_exists_is_refused_and_no_limit_is_exceeded(
    limits: Limits, batches: list[tuple[list[Event], int]]
) -> None:
    """Whatever comes in whatever order, checked by batches; what exists is looked up at the moment of each event."""
    engine = Engine(0)
    admission = Admission(engine, limits, 0.0, item_seconds=0.0)
    for events, run in batches:
        passed = run
        for before, each in zip(events, checked(admission, events), strict=True):
            if isinstance(each.what, Event):
                engine.apply(Frame(engine.frame + 1, START + engine.service + passed, passed, [each.what]))
                passed = 0
            else:
                assert adds(engine, before), before
        assert_within(engine, limits)


def adds(engine: Engine, event: Event) -> bool:
    """Whether an event would add something."""
    pool = engine.pools.get(event.pool)
    if pool is None:
        return True
    match event.type:
        case "pool-configured":
            return pool.configured_at is None
        case "agent-logged-in" | "request-chat":
            return event.data["agent_id"] not in pool.agents
        case "chat-arrival" | "chat-abandoned" | "chat-concluded":
            return event.data["chat_id"] not in pool.chats
        case "chat-declined":
            return event.data["chat_id"] not in pool.index.passings.get(event.data["agent_id"], {})
        case _:
            return False


def assert_within(engine: Engine, limits: Limits) -> None:
    """No limit is exceeded."""
    pools = engine.pools.values()
    made_up = [pool for pool in pools if pool.configured_at is None]
    assert len([pool for pool in made_up if pool.id != "default"]) <= limits.max_pools
    assert len(pools) - len(made_up) <= limits.max_pools
    for pool in pools:
        assert len(pool.agents) <= limits.max_agents
        assert len(pool.chats) <= limits.max_chats
        assert len(pool.remembered) + len(pool.chats) <= limits.max_remembered
        assert len(pool.index.early_forgets) <= limits.max_early_endings
        assert len(pool.index.passings) <= 2 * limits.max_agents
        assert pool.index.passed == sum(map(len, pool.index.passings.values()))
    assert sum(len(pool.agents) for pool in pools) <= limits.shard_agents
    assert sum(len(pool.chats) for pool in pools) <= limits.shard_chats
    assert sum(len(pool.chats) + len(pool.remembered) for pool in pools) <= limits.shard_remembered
