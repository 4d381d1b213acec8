"""Why a chat went where it went, as a supervisor reads it: each kind of reason, on small histories."""

from pathlib import Path

from tests.unit.replay.logs import Told
from tests.unit.replay.telling import chat_told, part
from tests.unit.rules.story import config, event, pull, push

SETTING = config(
    pull("all"), pull("other", queues=["r"]), pull("slow", delay_between_chats=60), queues=("q", "r"), seed="s"
)
FLOOR: list[Told] = [
    (0, [event("pool-configured", config=SETTING)]),
    (
        1,
        [
            event("agent-logged-in", agent_id="ana", profile="other"),
            event("agent-logged-in", agent_id="ben", profile="all"),
            event("agent-logged-in", agent_id="cem", profile="all", max_sessions=1),
            event("agent-logged-in", agent_id="dan", profile="all"),
            event("agent-logged-in", agent_id="eva", profile="slow"),
            event("agent-logged-in", agent_id="fay", profile="all", status="unavailable"),
            event("agent-logged-in", agent_id="gus", profile="all"),
            event("agent-absent", agent_id="gus"),
        ],
    ),
    (2, [event("request-chat", agent_id="eva"), event("chat-arrival", chat_id="c1")]),
    (3, [event("chat-accepted", agent_id="eva", chat_id="c1"), event("request-chat", agent_id="eva")]),
    (4, [event("request-chat", agent_id="cem"), event("chat-arrival", chat_id="c2")]),
    (5, [event("request-chat", agent_id="ana")]),
]
"""Seven agents, of whom none can take a chat of q just now, each for a reason of its own."""


def test_why_nobody_took_a_chat_is_told_agent_by_agent(tmp_path: Path) -> None:
    """As it was right after the arrival, though a request followed in the very same frame."""
    told = chat_told(
        tmp_path,
        "c9",
        *FLOOR,
        (7, [event("chat-arrival", chat_id="c9"), event("request-chat", agent_id="ben")]),
    )
    assert told == TOLD_AGENT_BY_AGENT


TOLD_AGENT_BY_AGENT = """\
Chat c9 in pool default
1 March 2026, times in UTC. Arrived at 08:00:07.000 for queue q. Offered once, at once. Still offered to ben
when the log ends at 08:00:07.000.

08:00:07.000  The chat arrived and waits in queue q. [R13]
                  Nobody could take it: 6 of 7 agents logged in serve queue q, and of them [R5, R6]
                    - 1 is absent: gus
                    - 1 is not available: fay
                    - 1 has as many chats as allowed: cem (1 of 1)
                    - 2 have not asked for a chat: ben (0 of 3), dan (0 of 3)
                    - 1 is in the delay between chats: eva (for 55.0 s more)
08:00:07.000  ben clicked Request Chat.
                The chat was offered to ben at once (first offer), to be answered by 08:00:22.000. [R9]
                  Why ben: 2 agents were asking, in this order. [R7]
                    1. ana: no chat since login, lot 1st of 2 - passed over: does not serve this chat's queue
                       [R5]
                    2. ben: no chat since login, lot 2nd of 2 - got the chat
                  Others who serve the queue:
                    - 1 is absent: gus
                    - 1 is not available: fay
                    - 1 has as many chats as allowed: cem (1 of 1)
                    - 1 has not asked for a chat: dan (0 of 3)
                    - 1 is in the delay between chats: eva (for 55.0 s more)
                  Why this chat: no other waited in ben's queues (q 1, r 0). [R8]
"""


def test_who_turned_a_chat_down_is_passed_over_and_it_is_said_for_how_long(tmp_path: Path) -> None:
    """Ben asks again before dan does, and stands behind him nevertheless."""
    told = chat_told(
        tmp_path,
        "c9",
        *FLOOR,
        (7, [event("chat-arrival", chat_id="c9"), event("request-chat", agent_id="ben")]),
        (9, [event("chat-declined", chat_id="c9", agent_id="ben"), event("request-chat", agent_id="ben")]),
        (11, [event("request-chat", agent_id="dan")]),
    )
    assert "- 1 has just declined this chat: ben (0.0 s ago, again in 30.0 s)" in part(told, "00:09.000")
    lines = part(told, "00:11.000")
    assert "2. dan: no chat since login, lot 2nd of 2 - got the chat" in lines
    (ben,) = [line for line in lines if line.startswith("3. ben")]
    assert ben.startswith("3. ben: asking since 08:00:09.000, clicked - has just declined this chat (2.0 s ago")


def test_strict_priority_names_the_older_chats_whose_queues_rank_below(tmp_path: Path) -> None:
    """And how many waited in each queue, best first."""
    told = chat_told(
        tmp_path,
        "c9",
        (0, [event("pool-configured", config=config(pull(pull_policy="strict-priority"), queues=("gold", "std")))]),
        (1, [event("agent-logged-in", agent_id="ana"), event("chat-arrival", chat_id="old", queue="std")]),
        (5, [event("chat-arrival", chat_id="c9", queue="gold")]),
        (6, [event("request-chat", agent_id="ana")]),
    )
    assert part(told, "00:06.000")[4:] == [
        "Why this chat: the oldest in the best-ranked queue that held one for ana (strict priority).",
        "Waiting, best-ranked first: gold 1, std 1. [R8]",
        "- not chat old (std, arrived 08:00:01.000): its queue is ranked below",
    ]


def test_a_chat_that_waited_beyond_the_starvation_limit_says_so(tmp_path: Path) -> None:
    """Its queue ranks below another that holds a chat."""
    strict = pull(pull_policy="strict-priority", starvation_limit=20)
    told = chat_told(
        tmp_path,
        "old",
        (0, [event("pool-configured", config=config(strict, queues=("gold", "std")))]),
        (2, [event("chat-arrival", chat_id="old", queue="std")]),
        (25, [event("chat-arrival", chat_id="c9", queue="gold"), event("request-chat", agent_id="ana")]),
    )
    assert "Why this chat: it had waited for 20 s or longer" in told
    assert "Nobody could take it: no agent is logged in. [R6]" in told


def test_first_due_names_the_older_chats_that_the_agent_had_turned_down(tmp_path: Path) -> None:
    """The younger one came since the older one was passed over."""
    told = chat_told(
        tmp_path,
        "young",
        (0, [event("pool-configured", config=config(pull()))]),
        (1, [event("chat-arrival", chat_id="old"), event("request-chat", agent_id="ana")]),
        (2, [event("chat-declined", chat_id="old", agent_id="ana"), event("chat-arrival", chat_id="young")]),
        (3, [event("request-chat", agent_id="ana")]),
    )
    assert part(told, "00:02.000")[-1] == "1 chat stands before it in queue q. [R4]"
    assert part(told, "00:03.000")[-1] == (
        "- not chat old (q, arrived 08:00:01.000): ana turned it down a short while ago [R5]"
    )


def test_a_delay_that_is_over_is_told_as_what_made_the_offer(tmp_path: Path) -> None:
    """Until then the agent was deciding, then in its delay; an offer may be accepted by its expiry."""
    told = chat_told(
        tmp_path,
        "c1",
        (
            0,
            [
                event(
                    "pool-configured",
                    config=config(push(auto_decline=False, wrap_up_limit=20, delay_between_chats=30)),
                )
            ],
        ),
        (1, [event("agent-logged-in", agent_id="ana"), event("chat-arrival", chat_id="c0")]),
        (2, [event("chat-arrival", chat_id="c1")]),
        (100, [event("chat-concluded", chat_id="c1", by="customer")]),
        (200, []),
    )
    assert "- 1 has another offer to answer first: ana (1 of 3)" in part(told, "00:02.000")
    assert part(told, "00:31.000")[0] == "ana's delay between chats was over. [R5]"
    assert part(told, "00:46.000") == ["ana did not answer in time; the profile then accepts by itself. [R10]"]
    assert part(told, "01:40.000")[0].startswith("The conversation was ended by the customer; ana wraps up")
    assert part(told, "02:00.000")[0].startswith("The time for wrapping up was over; the chat was closed")


def test_queue_limits_are_told_as_what_moved_and_closed_the_chat(tmp_path: Path) -> None:
    """Overflow after ten seconds, closed after thirty."""
    queues = ({"name": "a", "overflow_after": 10, "overflow_to": "b", "max_wait": 30}, "b")
    told = chat_told(
        tmp_path,
        "c1",
        (0, [event("pool-configured", config=config(pull(), queues=queues))]),
        (1, [event("agent-logged-in", agent_id="ana", status="unavailable"), event("chat-arrival", chat_id="c1")]),
        (60, []),
    )
    assert part(told, "00:11.000")[0].startswith("The chat had waited until the queue's overflow, and moved to queue b")
    assert part(told, "00:31.000") == ["The chat had waited as long as the queue allows; the chat was closed. [R17]"]


def test_refused_accepts_and_transfers_say_why_and_how_the_chat_stood(tmp_path: Path) -> None:
    """A stale offer, an agent who is not there, a chat that is closed; a repeat is ignored."""
    told = chat_told(
        tmp_path,
        "c1",
        (1, [event("chat-arrival", chat_id="c1"), event("request-chat", agent_id="ana")]),
        (2, [event("chat-accepted", chat_id="c1", agent_id="ana", offer_id="x")]),
        (3, [event("chat-accepted", chat_id="c1", agent_id="ben")]),
        (4, [event("chat-accepted", chat_id="c1", agent_id="ana")]),
        (5, [event("chat-accepted", chat_id="c1", agent_id="ana")]),
        (6, [event("chat-transferred", chat_id="c1", to_agent="zoe")]),
        (7, [event("chat-released", chat_id="c1")]),
        (8, [event("chat-accepted", chat_id="c1", agent_id="ana")]),
    )
    stands = "The chat is offered to ana (offer default/0/0/1)."
    assert part(told, "00:02.000") == [
        "ana accepted.", "That was refused: that offer is over, and the chat has another. [R10]", stands
    ]  # fmt: skip
    assert part(told, "00:03.000")[1:] == [
        "That was refused: the chat is not with that agent. [R10]", stands
    ]  # fmt: skip
    assert part(told, "00:05.000") == ["ana accepted; ignored, for the same event came before. [R21]"]
    assert part(told, "00:06.000")[1:] == [
        "That was refused: that agent is not logged in; nothing changed. [R16]",
        "The chat is with ana (offer default/0/0/1).",
    ]
    assert part(told, "00:08.000")[1:] == [
        "That was refused: no such chat is open. [R10]", "The chat was closed at 08:00:07.000."
    ]  # fmt: skip


def test_a_lost_agents_chat_and_a_transfer_by_name_are_told_with_their_rules(tmp_path: Path) -> None:
    """The transfer names its agent, so that nobody else's request plays a part."""
    told = chat_told(
        tmp_path,
        "c1",
        (1, [event("chat-arrival", chat_id="c1"), event("request-chat", agent_id="ana")]),
        (2, [event("chat-accepted", chat_id="c1", agent_id="ana"), event("agent-logged-in", agent_id="zoe")]),
        (3, [event("chat-transferred", chat_id="c1", to_agent="zoe")]),
        (4, [event("agent-lost", agent_id="zoe")]),
    )
    assert "Why zoe: the transfer names zoe; who is asking plays no part. [R16]" in told
    assert part(told, "00:04.000")[:3] == [
        "zoe was lost.",
        "The offer to zoe was withdrawn: the agent was lost. [R10]",
        "The chat waits again in queue default, at its place by arrival. [R18]",
    ]


def test_an_end_before_the_arrival_is_told(tmp_path: Path) -> None:
    """The topics came out of order: the chat is closed as it arrives."""
    told = chat_told(
        tmp_path,
        "c1",
        (0, [event("chat-abandoned", chat_id="c1")]),
        (2, [event("chat-arrival", chat_id="c1")]),
        (3, [event("chat-arrival", chat_id="c1")]),
    )
    assert "should it arrive within a minute, it is closed at once. [R13]" in told
    assert part(told, "00:02.000")[0].startswith("The chat arrived when its end had come already")
    assert part(told, "00:03.000") == ["The chat arrived; ignored, for the chat was closed a short while ago. [R21]"]


def test_both_lives_of_an_id_that_was_used_again_are_told(tmp_path: Path) -> None:
    """Ten minutes after it was closed the id is free."""
    told = chat_told(
        tmp_path,
        "c1",
        (0, [event("chat-arrival", chat_id="c1")]),
        (1, [event("chat-abandoned", chat_id="c1")]),
        (2, [event("chat-accepted", chat_id="c1", agent_id="ana")]),
        (700, [event("chat-arrival", chat_id="c1")]),
    )
    assert "The id was used more than once: chat 1 of 2" in told
    assert "The id was used again: chat 2 of 2" in told
    assert "Closed at 08:00:01.000 (abandoned)." in " ".join(told.split())
    assert "Still waiting in queue default when the log ends at 08:11:40.000" in " ".join(told.split())


def test_an_end_before_the_second_arrival_of_an_id_is_told_with_the_second_chat(tmp_path: Path) -> None:
    """It is why that chat was closed at once, and has nothing to do with the first, which was long forgotten."""
    told = chat_told(
        tmp_path,
        "c1",
        (0, [event("chat-arrival", chat_id="c1")]),
        (5, [event("chat-abandoned", chat_id="c1")]),
        (700, [event("chat-abandoned", chat_id="c1")]),
        (720, [event("chat-arrival", chat_id="c1")]),
    )
    first, again, second = told.partition("The id was used again: chat 2 of 2")
    assert again
    assert "08:11:40.000" not in first
    assert part(second, "11:40.000")[-1].startswith("No such chat was known")
    assert part(second, "12:00.000")[0].startswith("The chat arrived when its end had come already")


def test_lines_keep_to_the_width(tmp_path: Path) -> None:
    """Of a narrow terminal, and of a wide one."""
    for width in (80, 120):
        told = chat_told(tmp_path, "c9", *FLOOR, (7, [event("chat-arrival", chat_id="c9")]), width=width)
        assert max(map(len, told.splitlines())) <= width
