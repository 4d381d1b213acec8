"""Compare the decisions that the rules call for with the logged decisions: one pool, frame by frame, in order.

`DecisionCheck` takes each expected decision, finds its logged counterpart and books it. `_LoggedDecisions` is a cursor
over the pool's logged decisions of one frame. `_Doubts` tracks the chats and agents that a finding named.
"""

from typing import Any, Final, TypeAlias

from switchboard.audit.audited_pool import Expected, Pool, time_text
from switchboard.audit.booked_decisions import book
from switchboard.audit.findings import (
    IDS,
    UNCALLED,
    Finding,
    Reason,
    Report,
    describe,
    differences,
    impossible,
    rules_of_differences,
)

Decision: TypeAlias = dict[str, Any]

_OWN_ID: Final = {"chat-assigned": "offer_id", "chat-requested": "request_id"}
"""Decision type -> the field that repeats the decision's own id."""

_ENDED_EARLY: Final = (
    "; the decision log ends before: make one that goes as far as the log, or cut the log; no more is looked at"
)


class LogEndedError(Exception):
    """The decision log has ended, and the frames call for more decisions."""


class DecisionCheck:
    """Checks the logged decisions of one pool of one shard.

    After a finding, the chat and the agent of the finding are doubtful: the check books their logged decisions as they
    are and expects none, until an offer or a closing in a later frame shows their state. One fault therefore gives one
    finding, not a hundred.
    """

    def __init__(self, pool: Pool, shard: int, report: Report) -> None:
        self.pool = pool
        self._shard = shard
        self._report = report
        self._logged = _LoggedDecisions([])
        self._doubts = _Doubts(pool)
        self._set_aside: list[tuple[Decision, Reason]] = []
        """Logged decisions that came before an expected decision, and why the rules forbid them there."""
        self._findings_before = 0
        self._is_last = False
        self._frame, self._place = -1, ""

    def begin_frame(self, frame: int, place: str, logged: list[Decision], *, is_last: bool) -> None:
        """Start on the pool's logged decisions of a frame.

        Args:
            frame: Number of the frame in its shard.
            place: Place of the frame in the log, for findings.
            logged: The pool's logged decisions of the frame, in order.
            is_last: The decision log ends with this frame.
        """
        self._frame, self._place, self._is_last = frame, place, is_last
        self._logged = _LoggedDecisions(logged)
        self._findings_before = self._report.found

    def expect(self, expected: Expected) -> None:
        """Compare the next logged decision with an expected decision, and book the decision.

        Raises:
            LogEndedError: the frame has no further decision, and the decision log has ended.
        """
        rules, wanted = expected
        start = self._logged.cursor
        while (head := self._logged.head()) is not None:
            _copy_id(wanted, head["id"])
            # 1. The usual case: the log has exactly the expected decision.
            if head == wanted:
                self._book_next()
                return
            # 2. The expected decision with other fields. In doubt the log counts, and no finding is made.
            if _is_same(head, wanted):
                if not self._doubts.concern(wanted):
                    self._report_difference(rules, wanted, head)
                self._book_next()
                return
            # 3. A decision about a doubtful chat or agent is booked as logged, and the search goes on behind it.
            if self._doubts.concern(head):
                self._book_next()
            # 4. A decision before the expected one is set aside until the frame ends.
            elif self._doubts.concern(wanted) or not self._try_to_set_aside(head, wanted):
                break
        # Doubtful decisions were booked first and may have changed the match: the settle works out a new expectation.
        has_booked_doubtful = self._logged.cursor != start and not self._set_aside
        if self._doubts.concern(wanted) or (has_booked_doubtful and wanted["type"] in _OWN_ID):
            return
        self._resolve_mismatch(rules, wanted, head)

    def book_doubtful_offers(self) -> None:
        """Book the next logged offers and requests of doubtful chats and agents, while both are known to the pool."""
        pool = self.pool
        while (head := self._logged.head()) is not None and head["type"] in _OWN_ID and self._doubts.concern(head):
            chat_id = head.get("chat_id")
            is_known = chat_id is None or chat_id in pool.chats
            # A transfer is an event's work, never the match's: its own expectation follows.
            if head["origin"] == "transfer" or not is_known or head["agent_id"] not in pool.agents:
                return
            self._book_next()

    def end_frame(self) -> None:
        """Report the logged decisions of the frame that no rule called for, check the ids and end resolved doubts."""
        for decision, why in self._set_aside:
            self._report_extra(decision, why)
        self._set_aside.clear()
        while (head := self._logged.head()) is not None:
            if self._doubts.concern(head):
                self._book_next()
            else:
                self._report_extra(head, impossible(self.pool, head) or _uncalled(head))
                self._logged.cursor += 1
        self._check_ids()
        self._doubts.end_resolved(self._frame)

    def _book_next(self) -> None:
        decision = self._logged.take()
        book(self.pool, decision)
        self._doubts.note_booked(decision)

    def _try_to_set_aside(self, head: Decision, wanted: Decision) -> bool:
        """Set the next logged decision aside if the expected decision follows later in the frame.

        Returns:
            True if the decision was set aside.
        """
        later = self._logged.find_later(wanted)
        if later is None:
            return False
        why = impossible(self.pool, head)
        # A possible decision is set aside only if the expected decision follows at once. Further ahead, the expected
        # decision is the misplaced one.
        if why is None and later > self._logged.cursor + 1:
            return False
        self._set_aside.append((head, why or _uncalled(head)))
        self._logged.cursor += 1
        return True

    def _resolve_mismatch(self, rules: tuple[str, ...], wanted: Decision, head: Decision | None) -> None:
        """Report the expected decision as misplaced, as logged with another chat or agent, or as missing."""
        # 1. Misplaced: logged too early, and set aside before.
        for entry in self._set_aside:
            if _is_same(entry[0], wanted):
                self._set_aside.remove(entry)
                self._report_misplaced(rules, entry[0])
                return
        later = self._logged.find_later(wanted)
        why = impossible(self.pool, head) if head is not None else None
        # 2. Misplaced: logged too late.
        if later is not None:
            self._report_misplaced(rules, self._logged.remove(later))
        # 3. Logged at its place, with another chat or agent.
        elif head is not None and _has_other_subject(head, wanted, is_possible=why is None):
            self._report_difference(why[0] if why is not None else rules, wanted, head, why)
            self._book_next()
        # 4. Not logged at all.
        else:
            self._report_missing(rules, wanted, head)

    def _report_misplaced(self, rules: tuple[str, ...], logged: Decision) -> None:
        expected = f"{describe(logged)} before what comes before it"
        self._add_finding(("R3", *rules), logged, expected, "it in another place of the frame")
        book(self.pool, logged)

    def _report_difference(
        self, rules: tuple[str, ...], wanted: Decision, head: Decision, why: Reason | None = None
    ) -> None:
        _copy_id(wanted, head["id"])
        expected, found = differences(wanted, head)
        if head["type"] == "chat-assigned" and wanted["agent_id"] != head["agent_id"] and why is None:
            rules = ("R7", "R6")  # the log chose another agent who could have the chat: the agent order is wrong
        elif why is not None:
            found = f"{found}; {why[1]}"
        else:
            rules = (*rules_of_differences(wanted, head), *(("R9",) if head["type"] == "chat-assigned" else rules))
        # The expected chat and agent are as doubtful as the logged ones, which the finding itself marks.
        self._doubts.mark(wanted, self._frame)
        self._add_finding(tuple(dict.fromkeys(rules)), head, expected, found)

    def _report_missing(self, rules: tuple[str, ...], wanted: Decision, head: Decision | None) -> None:
        _copy_id(wanted, None)
        found = f"{describe(head)} ({head['id']})" if head is not None else "no more decisions in this frame"
        has_ended = head is None and self._is_last
        self._add_finding(rules, wanted, describe(wanted), found + _ENDED_EARLY * has_ended, is_missing=True)
        if has_ended:
            raise LogEndedError
        # Assume that the log lost the decision; if that is wrong, the chat and agent are marked doubtful anyway.
        book(self.pool, wanted)

    def _report_extra(self, decision: Decision, why: Reason) -> None:
        rules, instead = why
        self._add_finding(rules, decision, f"no {decision['type']} here: {instead}", describe(decision))
        book(self.pool, decision)

    def _check_ids(self) -> None:
        """Report the first id that breaks the count from 0. Skipped after another finding in the frame explains a gap.

        One finding is enough: a gap shifts all ids behind the gap.
        """
        if self._report.found != self._findings_before:
            return
        for number, decision in enumerate(self._logged.decisions):
            expected = f"{self.pool.id}/{self._shard}/{self._frame}/{number}"
            if decision["id"] != expected:
                self._add_finding((IDS,), decision, f"id {expected}", f"id {decision['id']}")
                return

    def _add_finding(
        self, rules: tuple[str, ...], decision: Decision, expected: str, found: str, *, is_missing: bool = False
    ) -> None:
        """Report a finding about a decision, and mark the decision's chat and agent doubtful."""
        self._doubts.mark(decision, self._frame)
        self._report.add(
            Finding(
                rules=rules,
                shard=self._shard,
                frame=self._frame,
                at=time_text(self.pool.clock),
                place=self._place,
                pool=self.pool.id,
                decision=None if is_missing else decision["id"],
                chat_id=decision.get("chat_id"),
                agent_id=decision.get("agent_id"),
                expected=expected,
                found=found,
            )
        )


class _LoggedDecisions:
    """Cursor over one pool's logged decisions of one frame."""

    def __init__(self, decisions: list[Decision]) -> None:
        self.decisions = decisions
        self.cursor = 0
        """Index of the next decision to compare."""

    def head(self) -> Decision | None:
        """Return the next decision; None at the end of the frame."""
        return self.decisions[self.cursor] if self.cursor < len(self.decisions) else None

    def take(self) -> Decision:
        """Return the next decision, and step over the decision."""
        decision = self.decisions[self.cursor]
        self.cursor += 1
        return decision

    def find_later(self, wanted: Decision) -> int | None:
        """Return the index behind the cursor's decision of the expected decision; None if absent."""
        ahead = range(self.cursor + 1, len(self.decisions))
        return next((at for at in ahead if _is_same(self.decisions[at], wanted)), None)

    def remove(self, index: int) -> Decision:
        """Remove and return the decision at an index behind the cursor."""
        return self.decisions.pop(index)


class _Doubts:
    """The doubtful chats and agents of a pool, and the booked decisions that may end a doubt."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._resolving: list[Decision] = []
        """Offers and closings of the current frame, booked as logged."""

    def concern(self, decision: Decision) -> bool:
        """True if the decision names a doubtful chat or agent, or follows from an offer that ended in doubt."""
        pool = self._pool
        if not (pool.doubtful_chats or pool.doubtful_agents):
            return False
        if decision.get("chat_id") in pool.doubtful_chats or decision.get("agent_id") in pool.doubtful_agents:
            return True
        # A chat between an offer's end and its requeue or closing belongs to the offer, whose agent may be doubtful.
        chat = pool.chats.get(decision.get("chat_id", ""))
        return chat is not None and chat.stage == "ended" and decision["type"] in ("chat-requeued", "chat-closed")

    def mark(self, decision: Decision, frame: int) -> None:
        """Mark the chat and the agent of a decision as doubtful from this frame on."""
        if decision.get("chat_id") is not None:
            self._pool.doubtful_chats[decision["chat_id"]] = frame
        if decision.get("agent_id") is not None:
            self._pool.doubtful_agents[decision["agent_id"]] = frame

    def note_booked(self, decision: Decision) -> None:
        """Remember a booked offer or closing until the frame ends, if the pool has any doubts."""
        pool = self._pool
        if (pool.doubtful_chats or pool.doubtful_agents) and decision["type"] in ("chat-assigned", "chat-closed"):
            self._resolving.append(decision)

    def end_resolved(self, frame: int) -> None:
        """End the doubts of earlier frames whose chat or agent was in an offer or closing of this frame."""
        pool = self._pool
        for decision in self._resolving:
            chat_id, agent = decision["chat_id"], pool.agents.get(decision["agent_id"])
            if pool.doubtful_chats.get(chat_id, frame) < frame:
                del pool.doubtful_chats[chat_id]
            if agent is None or pool.doubtful_agents.get(agent.id, frame) >= frame:
                continue
            # An agent's books are right again when the session count of an offer agrees with the books.
            if len(agent.sessions) == decision.get("sessions"):
                del pool.doubtful_agents[agent.id]
        self._resolving.clear()


def _uncalled(decision: Decision) -> Reason:
    return UNCALLED[decision["type"]], "nothing in this frame calls for it"


def _copy_id(wanted: Decision, decision_id: str | None) -> None:
    """Give an expected decision the logged id. The log numbers decisions; `_check_ids` checks the numbers later."""
    wanted["id"] = decision_id
    own = _OWN_ID.get(wanted["type"])
    if own is not None:
        wanted[own] = decision_id


def _is_same(logged: Decision, wanted: Decision) -> bool:
    """True if two decisions agree in type, chat and agent."""
    return (
        logged["type"] == wanted["type"]
        and logged.get("chat_id") == wanted.get("chat_id")
        and logged.get("agent_id") == wanted.get("agent_id")
    )


def _has_other_subject(logged: Decision, wanted: Decision, *, is_possible: bool) -> bool:
    """True if the logged decision must be the expected decision with another chat or agent.

    Both have the same type, and they share the chat or the agent, or the logged decision is impossible as logged.
    """
    if logged["type"] != wanted["type"]:
        return False
    shares = any(logged.get(key) == wanted.get(key) is not None for key in ("chat_id", "agent_id"))
    return shares or not is_possible
