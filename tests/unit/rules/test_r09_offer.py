"""R9: an offer reserves a chat for an agent, and says all that there is to know about it."""

from switchboard.domain.decisions import ChatAssigned, Why
from switchboard.domain.rfc3339 import MAX_MS
from tests.unit.rules.story import START, Tell, moment, pull, push


def test_an_offer_says_all_that_there_is_to_know(tell: Tell) -> None:
    """R9: `chat-assigned` carries the offer, the chat, the agent, the times, and why it was these two."""
    s = tell(pull(offer_timeout=285, max_sessions=2), queues=["q", "r"])
    s.at(1).asks("b", request_id="r1")
    s.arrives("c0")
    s.at(2).asks("b")
    s.at(10.5).arrives("c1", queue="r", arrived_at=moment(8.25))
    assert s.offer("c1") == ChatAssigned(
        id="default/0/4/1",
        type="chat-assigned",
        pool="default",
        at=moment(10.5),
        offer_id="default/0/4/1",
        chat_id="c1",
        agent_id="b",
        queue="r",
        profile="pull",
        mode="pull",
        origin="manual",
        arrived_at=moment(8.25),
        requested_at=moment(2),
        expires_at=moment(295.5),
        waited_seconds=2.25,
        attempt=1,
        sessions=2,
        max_sessions=2,
        why=Why(policy="first-due", agent_order="oldest-request", waiting=1, requests=1),
    )


def test_the_request_is_spent(tell: Tell) -> None:
    """R9: one request is one chat; the next one waits until the agent asks again."""
    s = tell(pull())
    s.asks("a")
    s.arrives("c1")
    assert s.agent("a")["request"] is None
    assert s.arrives("c2") == ["chat-queued c2 q"]


def test_the_session_counts_at_once(tell: Tell) -> None:
    """R9, I1: an offer not yet decided uses capacity like a chat that is going on."""
    s = tell(pull(max_sessions=1))
    s.asks("a")
    s.arrives("c1")
    assert s.offer("c1").sessions == 1
    assert s.agent("a")["free"] == 0
    assert s.asks("a") == ["request-rejected a at-capacity"]


def test_the_offer_is_known_by_its_decisions_id(tell: Tell) -> None:
    """R9: `offer_id` is the id of the decision that made the offer, in whatever shard."""
    s = tell(pull(), shard=3)
    s.asks("a")
    s.arrives("c1")
    assert s.offer("c1").offer_id == s.offer("c1").id == "default/3/2/1"


def test_decisions_are_numbered_within_pool_and_frame(tell: Tell) -> None:
    """R9: POOL/SHARD/FRAME/N, N from 0 in each frame and in each pool, so that ids never collide."""
    s = tell(push())
    s.logs_in("a")
    s.arrives("c1")
    s.says("chat-arrival", "other", chat_id="c1")
    ids = [made.id for made in s.made]
    assert ids == ["default/0/1/0", "default/0/2/0", "default/0/2/1", "other/0/3/0"]


def test_the_earliest_expiry_is_announced(tell: Tell) -> None:
    """R9: `expires_at` is the clock plus `offer_timeout`; the offer may stand longer, never shorter."""
    s = tell(push(offer_timeout=15))
    s.logs_in("a")
    s.at(7).arrives("c1")
    assert s.offer("c1").expires_at == moment(22)
    assert s.until(1000, run=14.999) == []
    assert s.until(1001, run=0.001)[0] == "assignment-ended c1 a missed"


def test_attempts_are_counted_over_all_agents_and_ways(tell: Tell) -> None:
    """R9: `attempt` is the number of the chat's offers so far, transfers and earlier agents included."""
    s = tell(pull())
    s.asks("a")
    s.arrives("c1")
    s.declines("a", "c1")
    s.asks("b")
    assert s.offer("c1").attempt == 2
    s.accepts("b", "c1")
    s.transfers("c1", to_agent="a")
    assert s.offer("c1").attempt == 3


def test_what_waited_and_asked_is_counted_before_the_offer(tell: Tell) -> None:
    """R9: `why.waiting` counts the profile's queues, those passed over too; `why.requests` the whole pool's."""
    s = tell(pull("both", queues=["q", "r"]), pull("far", queues=["s"]), queues=["q", "r", "s", "t"])
    for agent_id, profile in (("a", "both"), ("b", "far")):
        s.logs_in(agent_id, profile=profile)
    s.asks("b")
    for chat_id, queue in (("c1", "q"), ("c2", "r"), ("c3", "q"), ("elsewhere", "t")):
        s.arrives(chat_id, queue=queue)
    s.asks("a")
    assert (s.offer("c1").why.waiting, s.offer("c1").why.requests) == (3, 2)
    s.declines("a", "c1")
    s.asks("a")
    assert (s.offer("c2").why.waiting, s.offer("c2").why.requests) == (3, 2)


def test_requests_made_for_push_agents_are_counted_too(tell: Tell) -> None:
    """R9: `why.requests` is of all outstanding requests, whoever made them, until they are served or withdrawn."""
    s = tell(push(), pull())
    for agent_id in ("a", "b", "c"):
        s.logs_in(agent_id)
    s.logs_in("d", profile="pull")
    s.asks("d")
    s.turns("c", "unavailable")
    for chat_id in ("c1", "c2", "c3"):
        s.arrives(chat_id)
    assert [s.offer(chat_id).why.requests for chat_id in ("c1", "c2", "c3")] == [3, 2, 1]


def test_the_reason_names_policy_and_agent_order(tell: Tell) -> None:
    """R9: by lot until the first offer since login, by oldest request then; the policy is the profile's."""
    s = tell(push(pull_policy="strict-priority"))
    s.logs_in("a")
    s.arrives("c1")
    s.accepts("a", "c1")
    s.arrives("c2")
    assert (s.offer("c1").why.agent_order, s.offer("c1").why.policy) == ("lot", "strict-priority")
    assert (s.offer("c2").why.agent_order, s.offer("c2").origin, s.offer("c2").mode) == (
        "oldest-request",
        "push",
        "push",
    )


def test_the_mode_is_the_agents_own(tell: Tell) -> None:
    """R9: a login's override of mode and sessions is what the offer shows."""
    s = tell(push())
    s.logs_in("a", mode="pull", max_sessions=1)
    s.asks("a")
    s.arrives("c1")
    assert (s.offer("c1").mode, s.offer("c1").max_sessions, s.offer("c1").profile) == ("pull", 1, "push")


def test_an_offer_in_the_last_minute_that_can_be_written_is_made(tell: Tell) -> None:
    """R9: a recorded log may say any time up to the end of 9999; `expires_at` is then the end of 9999."""
    s = tell(pull(offer_timeout=285))
    s.at((MAX_MS - START) / 1000).asks("a")
    s.arrives("c")
    assert s.offer("c").expires_at == "9999-12-31T23:59:59.999Z"
