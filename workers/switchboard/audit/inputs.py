"""Input of an audit: decisions from one or several ordered sources, frame by frame, and recorded logs."""

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

from switchboard.audit.auditor import Auditor, Frame
from switchboard.audit.findings import IDS, Finding, Report
from switchboard.errors import AuditInputError
from switchboard.journal import bounded_json
from switchboard.journal.line_files import DamagedFileError, read_lines
from switchboard.journal.log_frames import Tally, bus_frames, journal_frames
from switchboard.journal.recorded_log import Kind, Record, kind_of, read_log
from switchboard.journal.schemas import compiled, load, quote

Decision: TypeAlias = dict[str, Any]

_LONGEST_FAULT: Final = 500
"""Characters of a schema error that a message repeats, for the error quotes the invalid value."""
_is_number: Final = re.compile("[0-9]{1,18}").fullmatch

_VALIDATORS: Final = {
    path.removeprefix("decisions/").removesuffix(".json"): compiled(path)
    for path in load()
    if path.startswith("decisions/")
}


@dataclass(slots=True)
class Placed:
    """A decision, its position from the id, and its place in the input."""

    shard: int
    frame: int
    number: int
    decision: Decision
    place: str
    """`FILE:LINE`, or topic, partition and offset."""


def read_decision(value: bytes, place: str) -> Placed:
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
    pool, *numbers = decision["id"].rsplit("/", 3)
    if len(numbers) != 3 or pool != decision["pool"] or not all(map(_is_number, numbers)):
        raise AuditInputError(f"{place}: expected an id POOL/SHARD/FRAME/N of its pool, got {quote(decision['id'])}")
    shard, frame, number = map(int, numbers)
    return Placed(shard, frame, number, decision, place)


@dataclass(slots=True)
class Source:
    """Decisions of one file or partition: ordered within each shard, with the shards mixed."""

    ahead: dict[int, deque[Placed]] = field(default_factory=dict)
    """Shard -> decisions that were read and not taken. The queues grow as far as one shard is ahead of another."""
    has_ended: bool = False

    def lacks(self, shard: int, frame: int) -> bool:
        """True if decisions of the shard up to the frame may still be unread."""
        ahead = self.ahead.get(shard)
        return not self.has_ended and not (ahead and ahead[-1].frame > frame)

    def put(self, placed: Placed | None) -> None:
        """Add a decision that was read; None marks the end of the source."""
        if placed is None:
            self.has_ended = True
        else:
            self.ahead.setdefault(placed.shard, deque()).append(placed)

    def take(self, shard: int, frame: int) -> Iterator[Placed]:
        """Take the shard's decisions before the first decision of a later frame."""
        ahead = self.ahead.get(shard)
        while ahead and ahead[0].frame <= frame:
            yield ahead.popleft()


class Feed:
    """Decisions of several sources, merged by frame."""

    def __init__(self, sources: list[Source]) -> None:
        self._sources = sources

    def of(self, shard: int, frame: int) -> tuple[list[Decision], list[Finding]]:
        """Take the decisions of a shard's next frame.

        Returns:
            The decisions in the order of the source, or by number if several sources have decisions of the frame; and
            a finding for each decision of an earlier frame, which came too late.
        """
        filled: list[list[Placed]] = []
        strays: list[Finding] = []
        for source in self._sources:
            placed = []
            for each in source.take(shard, frame):
                if each.frame == frame:
                    placed.append(each)
                else:
                    strays.append(_stray(each, f"decisions of frame {frame} or later: the frame is over"))
            if placed:
                filled.append(placed)
        if len(filled) > 1:
            together = sorted((each for placed in filled for each in placed), key=lambda each: each.number)
            return [each.decision for each in together], strays
        return [each.decision for placed in filled for each in placed], strays

    def is_over(self, shard: int) -> bool:
        """True if no source has further decisions of the shard."""
        return all(source.has_ended and not source.ahead.get(shard) for source in self._sources)

    def rest(self, last: dict[int, int]) -> Iterator[Finding]:
        """Yield one finding for each shard whose decisions go on beyond the shard's last frame.

        Call after all sources are read to their end.

        Args:
            last: Shard -> number of the shard's last frame in the log.
        """
        left: dict[int, list[Placed]] = {}
        for source in self._sources:
            for shard, ahead in source.ahead.items():
                left.setdefault(shard, []).extend(ahead)
        for shard, placed in left.items():
            if placed:
                end = f"the log ends with frame {last[shard]}" if shard in last else f"the log has no shard {shard}"
                more = f", the first of {len(placed)}" if len(placed) > 1 else ""
                yield _stray(placed[0], f"no decision: {end}; take a log that goes as far as the decisions", more)


def _stray(placed: Placed, expected: str, more: str = "") -> Finding:
    decision = placed.decision
    return Finding(
        rules=(IDS,),
        shard=placed.shard,
        frame=placed.frame,
        at=decision["at"],
        place=placed.place,
        pool=decision["pool"],
        decision=decision["id"],
        chat_id=decision.get("chat_id"),
        agent_id=decision.get("agent_id"),
        expected=expected,
        found=f"{decision['type']} of frame {placed.frame}{more}",
    )


def audit_files(
    log: Path, decisions: Iterable[Path], progress: Callable[[Report], None], auditor: Auditor | None = None
) -> Report:
    """Check decision logs against a recorded log; memory grows with the pools' state only.

    Args:
        log: A journal log, each shard from its frame 0, or a bus log.
        decisions: One file with all decisions in order, or several files, for example one for each topic.
        progress: Called with the report every 1,000 frames.
        auditor: An auditor that has the state before the log; a new auditor by default.

    Raises:
        RecordedLogError: the log can't be read.
        AuditInputError: a line of the decision logs is no decision.
        OSError: a file can't be read.
    """
    auditor = auditor or Auditor()
    report = auditor.report
    sources = [(Source(), _placed(path)) for path in decisions]
    feed = Feed([source for source, _ in sources])
    current = _CurrentPlace()
    last: dict[int, int] = {}
    for count, (shard, frame) in enumerate(_frames(log, current)):
        for source, lines in sources:
            while source.lacks(shard, frame.n):
                source.put(next(lines, None))
        found, strays = feed.of(shard, frame.n)
        report.add(*strays)
        auditor.follow(shard, frame, found, place=current.place, is_last=feed.is_over(shard))
        last[shard] = frame.n
        if not count % 1000:
            progress(report)
    for source, lines in sources:
        for placed in lines:
            source.put(placed)
    report.add(*feed.rest(last))
    return report


def _frames(log: Path, current: "_CurrentPlace") -> Iterator[tuple[int, Frame]]:
    records = current.track(read_log(log))
    if kind_of(log) is Kind.JOURNAL:
        yield from journal_frames(records, Tally())
    else:
        for frame in bus_frames(records, Tally()):
            yield 0, frame


class _CurrentPlace:
    """Place of the last record that was read: the place of the current frame, for frames are made as lines are read."""

    place = ""

    def track(self, records: Iterator[Record]) -> Iterator[Record]:
        for record in records:
            self.place = f"{record.file}:{record.line}"
            yield record


def _placed(path: Path) -> Iterator[Placed]:
    number = 0
    try:
        for number, line in enumerate(read_lines(path), start=1):
            if not line.isspace():
                yield read_decision(line, f"{path}:{number}")
    except DamagedFileError as error:
        raise AuditInputError(f"{path}:{number + 1}: {error}") from None
