"""A recorded log and its decision log, audited."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from switchboard.audit.auditor import Auditor, Frame
from switchboard.audit.feed import Feed, Placed, Source, read_decision
from switchboard.audit.findings import Report
from switchboard.errors import AuditInputError
from switchboard.journal.line_files import DamagedFileError, read_lines
from switchboard.journal.log_frames import Tally, bus_frames, journal_frames
from switchboard.journal.recorded_log import Kind, Record, kind_of, read_log


def audit_files(
    log: Path, decisions: Iterable[Path], progress: Callable[[Report], None], auditor: Auditor | None = None
) -> Report:
    """Hold decision logs against a recorded log, in memory that grows with the state only.

    Args:
        log: A journal log, each shard from its frame 0, or a bus log.
        decisions: One file with all decisions in the order made, or several, as one a topic.
        progress: Told the figures now and then.
        auditor: One that knows where the shards stood before the log; a new one unless given.

    Raises:
        RecordedLogError: the log can't be read.
        AuditInputError: a line of the decision logs is no decision.
        OSError: a file can't be read.
    """
    auditor = auditor or Auditor()
    report = auditor.report
    sources = [(Source(), _placed(path)) for path in decisions]
    feed = Feed([source for source, _ in sources])
    here = _Here()
    last: dict[int, int] = {}
    for count, (shard, frame) in enumerate(_frames(log, here)):
        for source, lines in sources:
            while source.lacks(shard, frame.n):
                source.put(next(lines, None))
        found, strays = feed.of(shard, frame.n)
        report.add(*strays)
        auditor.follow(shard, frame, found, place=here.place, is_last=feed.is_over(shard))
        last[shard] = frame.n
        if not count % 1000:
            progress(report)
    for source, lines in sources:
        for placed in lines:
            source.put(placed)
    report.add(*feed.rest(last))
    return report


def _frames(log: Path, here: "_Here") -> Iterator[tuple[int, Frame]]:
    records = here.noting(read_log(log))
    if kind_of(log) is Kind.JOURNAL:
        yield from journal_frames(records, Tally())
    else:
        for frame in bus_frames(records, Tally()):
            yield 0, frame


class _Here:
    """Where in the log the frame stands that was taken last: frames are made as the lines are read."""

    place = ""

    def noting(self, records: Iterator[Record]) -> Iterator[Record]:
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
