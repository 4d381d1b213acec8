"""Where what the rules call for meets what the log has: one pool's decisions of one frame, in their order."""

from typing import Any, Final, TypeAlias

from switchboard.audit.bookkeeping import book
from switchboard.audit.books import Pool, Want
from switchboard.audit.books import told as told_time
from switchboard.audit.findings import (
    IDS,
    UNCALLED,
    Finding,
    Reason,
    Report,
    differences,
    impossible,
    rules_of_differences,
    told,
)

Decision: TypeAlias = dict[str, Any]

_OWN_ID: Final = {"chat-assigned": "offer_id", "chat-requested": "request_id"}
"""Decisions that name their own id once more."""

_ENDED_EARLY: Final = (
    "; the decision log ends before: make one that goes as far as the log, or cut the log; no more is looked at"
)


class LogEndedError(Exception):
    """The decision log has ended, and the frames call for more."""


class Meeting:
    """One pool: its books, and its decisions as they are met.

    After a finding its chat and its agent are in doubt: what the log has of them is believed, and nothing is expected,
    until an offer or a closing in a later frame says where they stand. So one fault is one finding, not a hundred.
    """

    def __init__(self, pool: Pool, shard: int, report: Report) -> None:
        self.pool = pool
        self._shard = shard
        self._report = report
        self._found: list[Decision] = []
        self._cursor = 0
        self._aside: list[tuple[Decision, Reason]] = []
        self._settled: list[Decision] = []
        self._before = 0
        self._is_last = False
        self._frame, self._place = -1, ""

    def begin(self, frame: int, place: str, found: list[Decision], *, is_last: bool) -> None:
        """Take up a frame's decisions; `is_last`: after them the decision log has ended."""
        self._frame, self._place, self._found, self._is_last = frame, place, found, is_last
        self._cursor = 0
        self._before = self._report.found

    def head(self) -> Decision | None:
        """The next decision that the log has."""
        return self._found[self._cursor] if self._cursor < len(self._found) else None

    def meet(self, want: Want) -> None:
        """Hold the next decision against what is called for, and book it.

        Raises:
            LogEndedError: there is none, nor will there be.
        """
        rules, wanted = want
        begun = self._cursor
        while (head := self.head()) is not None:
            _number(wanted, head["id"])
            if head == wanted:
                self._take()
                return
            if _is_same(head, wanted):
                if not self._is_doubtful(wanted):
                    self._differs(rules, wanted, head)
                self._take()
                return
            if self._is_doubtful(head):
                self._take()  # the log is believed
            elif self._is_doubtful(wanted) or not self._set_aside(head, wanted):
                break
        if self._is_doubtful(wanted) or (self._cursor != begun and wanted["type"] in _OWN_ID and not self._aside):
            return  # what follows in the settle is worked out anew after what was believed
        self._miss(rules, wanted, head)

    def believe(self) -> None:
        """Book the offers and requests of those in doubt that the log has next, as far as they are known at all."""
        pool = self.pool
        while (head := self.head()) is not None and head["type"] in _OWN_ID and self._is_doubtful(head):
            chat_id = head.get("chat_id")
            is_known = chat_id is None or chat_id in pool.chats
            if head["origin"] == "transfer" or not is_known or head["agent_id"] not in pool.agents:
                return
            self._take()

    def _set_aside(self, head: Decision, wanted: Decision) -> bool:
        """Whether the decision called for comes later in the frame, and the next one is in its way."""
        later = self._later(wanted)
        if later is None:
            return False
        why = impossible(self.pool, head)
        if why is None and later > self._cursor + 1:
            return False
        self._aside.append((head, why or _uncalled(head)))
        self._cursor += 1
        return True

    def _miss(self, rules: tuple[str, ...], wanted: Decision, head: Decision | None) -> None:
        """The next decision is not the one called for: it is elsewhere, mangled, or there is none."""
        for entry in self._aside:
            if _is_same(entry[0], wanted):
                self._aside.remove(entry)
                self._misplaced(rules, entry[0])
                return
        later = self._later(wanted)
        why = impossible(self.pool, head) if head is not None else None
        if later is not None:
            self._misplaced(rules, self._found.pop(later))
        elif head is not None and _is_mangled(head, wanted, is_possible=why is None):
            self._differs(why[0] if why is not None else rules, wanted, head, why)
            self._take()
        else:
            self._missing(rules, wanted, head)

    def _later(self, wanted: Decision) -> int | None:
        """Where in the rest of the frame the decision stands that is called for now."""
        ahead = range(self._cursor + 1, len(self._found))
        return next((at for at in ahead if _is_same(self._found[at], wanted)), None)

    def _misplaced(self, rules: tuple[str, ...], found: Decision) -> None:
        rules = ("R3", *rules)
        self._tell(rules, found, f"{told(found)} before what stands before it", "it in another place of the frame")
        book(self.pool, found)

    def _differs(self, rules: tuple[str, ...], wanted: Decision, head: Decision, why: Reason | None = None) -> None:
        _number(wanted, head["id"])
        expected, found = differences(wanted, head)
        if head["type"] == "chat-assigned" and wanted["agent_id"] != head["agent_id"] and why is None:
            rules = ("R7", "R6")
        elif why is not None:
            found = f"{found}; {why[1]}"
        else:
            rules = (*rules_of_differences(wanted, head), *(("R9",) if head["type"] == "chat-assigned" else rules))
        self._doubt(wanted)
        self._tell(tuple(dict.fromkeys(rules)), head, expected, found)

    def _missing(self, rules: tuple[str, ...], wanted: Decision, head: Decision | None) -> None:
        _number(wanted, None)
        found = f"{told(head)} ({head['id']})" if head is not None else "no more decisions in this frame"
        has_ended = head is None and self._is_last
        self._tell(rules, wanted, told(wanted), found + _ENDED_EARLY * has_ended, is_missing=True)
        if has_ended:
            raise LogEndedError
        book(self.pool, wanted)  # most likely it happened, and the log has lost it; if not, the doubt bears it

    def end(self) -> None:
        """The frame is over: tell what nothing called for."""
        for aside, why in self._aside:
            self._extra(aside, why)
        self._aside.clear()
        while (decision := self.head()) is not None:
            if self._is_doubtful(decision):
                self._take()
            else:
                self._extra(decision, impossible(self.pool, decision) or _uncalled(decision))
                self._cursor += 1
        self._check_ids()
        if self._settled:
            self._end_doubts()

    def _extra(self, decision: Decision, why: Reason) -> None:
        rules, instead = why
        self._tell(rules, decision, f"no {decision['type']} here: {instead}", told(decision))
        book(self.pool, decision)

    def _check_ids(self) -> None:
        """Ids count from 0. Where something else was found in the frame it explains the gap."""
        if self._report.found != self._before:
            return
        for number, decision in enumerate(self._found):
            expected = f"{self.pool.id}/{self._shard}/{self._frame}/{number}"
            if decision["id"] != expected:
                self._tell((IDS,), decision, f"id {expected}", f"id {decision['id']}")
                return

    def _take(self) -> None:
        decision = self._found[self._cursor]
        self._cursor += 1
        book(self.pool, decision)
        pool = self.pool
        if (pool.doubtful_chats or pool.doubtful_agents) and decision["type"] in ("chat-assigned", "chat-closed"):
            self._settled.append(decision)

    def _is_doubtful(self, decision: Decision) -> bool:
        pool = self.pool
        if not (pool.doubtful_chats or pool.doubtful_agents):
            return False
        if decision.get("chat_id") in pool.doubtful_chats or decision.get("agent_id") in pool.doubtful_agents:
            return True
        chat = pool.chats.get(decision.get("chat_id", ""))
        return chat is not None and chat.stage == "ended" and decision["type"] in ("chat-requeued", "chat-closed")

    def _doubt(self, decision: Decision) -> None:
        if decision.get("chat_id") is not None:
            self.pool.doubtful_chats[decision["chat_id"]] = self._frame
        if decision.get("agent_id") is not None:
            self.pool.doubtful_agents[decision["agent_id"]] = self._frame

    def _end_doubts(self) -> None:
        """An offer or a closing, met or believed in a later frame, says where its chat and agent stand."""
        pool = self.pool
        for decision in self._settled:
            chat_id, agent = decision["chat_id"], pool.agents.get(decision["agent_id"])
            if pool.doubtful_chats.get(chat_id, self._frame) < self._frame:
                del pool.doubtful_chats[chat_id]
            if agent is None or pool.doubtful_agents.get(agent.id, self._frame) >= self._frame:
                continue
            if len(agent.sessions) == decision.get("sessions"):
                del pool.doubtful_agents[agent.id]
        self._settled.clear()

    def _tell(
        self, rules: tuple[str, ...], decision: Decision, expected: str, found: str, *, is_missing: bool = False
    ) -> None:
        self._doubt(decision)
        self._report.add(
            Finding(
                rules=rules,
                shard=self._shard,
                frame=self._frame,
                at=told_time(self.pool.clock),
                place=self._place,
                pool=self.pool.id,
                decision=None if is_missing else decision["id"],
                chat_id=decision.get("chat_id"),
                agent_id=decision.get("agent_id"),
                expected=expected,
                found=found,
            )
        )


def _uncalled(decision: Decision) -> Reason:
    return UNCALLED[decision["type"]], "nothing in this frame calls for it"


def _number(wanted: Decision, decision_id: str | None) -> None:
    """The id is the log's to tell; where it counts on is looked at with the frame's end."""
    wanted["id"] = decision_id
    own = _OWN_ID.get(wanted["type"])
    if own is not None:
        wanted[own] = decision_id


def _is_same(found: Decision, wanted: Decision) -> bool:
    """Whether a decision is the one called for, as far as type, chat and agent tell."""
    return (
        found["type"] == wanted["type"]
        and found.get("chat_id") == wanted.get("chat_id")
        and found.get("agent_id") == wanted.get("agent_id")
    )


def _is_mangled(found: Decision, wanted: Decision, *, is_possible: bool) -> bool:
    """Whether a decision is the one called for with another chat or agent: it can't be anything else."""
    if found["type"] != wanted["type"]:
        return False
    shares = any(found.get(key) == wanted.get(key) is not None for key in ("chat_id", "agent_id"))
    return shares or not is_possible
