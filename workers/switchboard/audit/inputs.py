"""Input of an audit: the decisions of one or several sources, merged by frame, and recorded logs."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

from switchboard.audit.auditor import Auditor, Frame
from switchboard.audit.findings import IDS, Finding, Report
from switchboard.errors import AuditInputError
from switchboard.journal import bounded_json
from switchboard.journal.decision_reader import DecisionId, DecisionReader
from switchboard.journal.line_files import DamagedFileError, read_lines
from switchboard.journal.log_frames import Tally, bus_frames, journal_frames
from switchboard.journal.recorded_log import Kind, Record, kind_of, read_log
from switchboard.journal.schemas import compiled, load, quote

Decision: TypeAlias = dict[str, Any]

PlacedFrame: TypeAlias = tuple[int, Frame, str]
"""(shard, frame, place), with the place as in `PlacedDecision`."""

_LONGEST_FAULT: Final = 500
"""Characters of a schema error that a message repeats, because the error quotes the invalid value."""

_VALIDATORS: Final = {
    path.removeprefix("decisions/").removesuffix(".json"): compiled(path)
    for path in load()
    if path.startswith("decisions/")
}


@dataclass(slots=True)
class PlacedDecision:
    """A decision with its parsed id and its place in the input."""

    id: DecisionId
    decision: Decision
    place: str
    """`FILE:LINE`, or topic, partition and offset."""


def read_decision(value: bytes, place: str) -> PlacedDecision:
    """Read a decision from a line or from a record's value.

    Raises:
        AuditInputError: the value is no valid decision; the message names the place and the fault.
    """
    try:
        decision = bounded_json.loads(value)
    except ValueError as error:
        raise AuditInputError(f"{place}: expected a decision as JSON: {error}") from None
    kind = decision.get("type") if isinstance(decision, dict) else None
    validator = _VALIDATORS.get(kind) if isinstance(kind, str) else None
    if validator is None:
        got = "no type" if kind is None else f"type {quote(kind)}"
        raise AuditInputError(f"{place}: expected a decision, as replay writes them; got {got}")
    if not validator.is_valid(decision):
        fault = next(iter(validator.iter_errors(decision)))
        raise AuditInputError(f"{place}: no {kind}: {fault.message[:_LONGEST_FAULT]}")
    decision_id = DecisionId.parse(decision["id"])
    if decision_id is None or decision_id.pool != decision["pool"]:
        raise AuditInputError(f"{place}: expected an id POOL/SHARD/FRAME/N of its pool, got {quote(decision['id'])}")
    return PlacedDecision(decision_id, decision, place)


class DecisionFeed:
    """The decisions of several sources, merged by frame.

    Args:
        sources: files or partitions; each in order within every shard, with the shards mixed.
    """

    def __init__(self, sources: Iterable[AsyncIterator[PlacedDecision]]) -> None:
        self._readers = [DecisionReader(source) for source in sources]

    async def take(self, shard: int, frame: int) -> tuple[list[Decision], list[Finding]]:
        """Take the decisions of a shard's next frame.

        Returns:
            The decisions in the order of the source, or by number if several sources have decisions of the frame; and
            a finding for each decision of an earlier frame, which came too late.

        Raises:
            AuditInputError: a source has something else than a decision.
        """
        found: list[list[PlacedDecision]] = []
        strays: list[Finding] = []
        for reader in self._readers:
            in_frame = []
            for placed in await reader.take_through((shard, frame)):
                if placed.id.frame == frame:
                    in_frame.append(placed)
                else:
                    strays.append(_stray(placed, f"decisions of frame {frame} or later: the frame is over"))
            if in_frame:
                found.append(in_frame)
        merged = [placed for in_frame in found for placed in in_frame]
        if len(found) > 1:
            merged.sort(key=lambda placed: placed.id.number)
        return [placed.decision for placed in merged], strays

    def is_over(self, shard: int) -> bool:
        """True if no source has further decisions of the shard. Call after `take`."""
        return not any(reader.has_ahead(shard) for reader in self._readers)

    async def rest(self, last: dict[int, int]) -> list[Finding]:
        """Read all sources to their ends: one finding for each shard with decisions after the shard's last frame.

        Args:
            last: shard → number of the shard's last frame in the log.

        Raises:
            AuditInputError: a source has something else than a decision.
        """
        first: dict[int, PlacedDecision] = {}
        number: Counter[int] = Counter()
        for reader in self._readers:
            while (placed := await reader.take()) is not None:
                first.setdefault(placed.id.shard, placed)
                number[placed.id.shard] += 1
        findings = []
        for shard, decision in first.items():
            end = f"the log ends with frame {last[shard]}" if shard in last else f"the log has no shard {shard}"
            more = f", the first of {number[shard]}" if number[shard] > 1 else ""
            expected = f"no decision: {end}; take a log that goes as far as the decisions"
            findings.append(_stray(decision, expected, more))
        return findings


def _stray(placed: PlacedDecision, expected: str, more: str = "") -> Finding:
    """The finding for a decision out of place."""
    decision = placed.decision
    return Finding(
        rules=(IDS,),
        shard=placed.id.shard,
        frame=placed.id.frame,
        at=decision["at"],
        place=placed.place,
        pool=decision["pool"],
        decision=decision["id"],
        chat_id=decision.get("chat_id"),
        agent_id=decision.get("agent_id"),
        expected=expected,
        found=f"{decision['type']} of frame {placed.id.frame}{more}",
    )


async def follow_frames(
    auditor: Auditor,
    frames: AsyncIterable[PlacedFrame],
    feed: DecisionFeed,
    last: dict[int, int],
    progress: Callable[[Report], None],
) -> None:
    """Give the auditor each frame together with its decisions, then report decisions after the last frames.

    Args:
        auditor: the auditor.
        frames: the frames of a log; each shard in order.
        feed: the decisions.
        last: shard → number of the last frame so far; updated.
        progress: called with the report every 1,000 frames.

    Raises:
        AuditInputError: a source has something else than a decision.
    """
    report = auditor.report
    count = 0
    async for shard, frame, place in frames:
        decisions, strays = await feed.take(shard, frame.n)
        report.add(*strays)
        auditor.follow(shard, frame, decisions, place=place, is_last=feed.is_over(shard))
        last[shard] = frame.n
        if not count % 1000:
            progress(report)
            # Files are read without a suspension. Here Ctrl-C can cancel the task.
            await asyncio.sleep(0)
        count += 1
    report.add(*await feed.rest(last))


async def audit_files(
    log: Path, decisions: Iterable[Path], progress: Callable[[Report], None], auditor: Auditor | None = None
) -> Report:
    """Check decision logs against a recorded log. Memory grows with the state of the pools only.

    Args:
        log: a journal log, each shard from its frame 0, or a bus log.
        decisions: one file with all decisions in order, or several files, for example one for each topic.
        progress: called with the report every 1,000 frames.
        auditor: an auditor with the state before the log; a new auditor by default.

    Raises:
        RecordedLogError: the log can't be read.
        AuditInputError: a line of the decision logs is no decision.
        OSError: a file can't be read.
    """
    auditor = auditor or Auditor()
    feed = DecisionFeed([_decisions(path) for path in decisions])
    await follow_frames(auditor, _frames(log), feed, {}, progress)
    return auditor.report


async def _frames(log: Path) -> AsyncIterator[PlacedFrame]:
    """The frames of a log. The place of a frame is that of its last line."""
    current = _CurrentPlace()
    records = current.track(read_log(log))
    frames: Iterable[tuple[int, Frame]]
    if kind_of(log) is Kind.JOURNAL:
        frames = journal_frames(records, Tally())
    else:
        frames = ((0, frame) for frame in bus_frames(records, Tally()))
    for shard, frame in frames:
        yield shard, frame, current.place


class _CurrentPlace:
    """The place of the line read last: frames are made while the lines are read."""

    place = ""

    def track(self, records: Iterator[Record]) -> Iterator[Record]:
        for record in records:
            self.place = f"{record.file}:{record.line}"
            yield record


async def _decisions(path: Path) -> AsyncIterator[PlacedDecision]:
    """The decisions of a file, in order; blank lines are skipped."""
    number = 0
    try:
        for number, line in enumerate(read_lines(path), start=1):
            if not line.isspace():
                yield read_decision(line, f"{path}:{number}")
    except DamagedFileError as error:
        raise AuditInputError(f"{path}:{number + 1}: {error}") from None
