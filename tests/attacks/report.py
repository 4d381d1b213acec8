"""The table of the attacks: one run, or two runs side by side."""

from collections.abc import Iterator
from typing import Any, Final

Row = dict[str, Any]
"""A `Result` as JSON holds it."""


HEAD: Final = (
    "Times from publishing a chat's arrival to its chat-queued being visible, in ms. A chat not answered by the end",
    "counts with the time that it had waited (>). `Others` have partitions that the attack does not write to.",
    "",
)
BUSY: Final = 0.2
"""Cores kept busy by processes outside the measurement beyond which a row says so."""
COLUMNS: Final = (
    "attack",
    "sent",
    "router",
    "others before: p50 / p99",
    "others: p50 / p99 / max",
    "unanswered",
    "same partition: p50 / p99",
    "peak MB",
    "dead letters",
    "service time stopped, s",
    "taken/s",
    "more",
)
COMPARED: Final = (
    "attack",
    "sent",
    "router before",
    "router after",
    "others before: p50 / p99",
    "others after: p50 / p99",
    "peak MB before",
    "peak MB after",
    "dead letters before, MB",
    "dead letters after, MB",
)


def table(rows: list[Row]) -> str:
    """All rows of a run as a Markdown table."""
    lines = [*HEAD, *_header(COLUMNS)]
    lines += [_line(row) for row in rows]
    return "\n".join(lines) + "\n"


def comparison(before: list[Row], after: list[Row]) -> str:
    """Two runs, attack by attack."""
    later = {row["attack"]: row for row in after}
    lines = _header(COMPARED)
    for row in before:
        new = later.get(row["attack"])
        if new is None:
            continue
        pairs = [
            text
            for show in (
                _router,
                _brief,
                lambda each: f"{each['peak_mb']:,.0f}",
                lambda each: f"{each['dead_letter_mb']}",
            )
            for text in (show(row), show(new))
        ]
        lines.append(f"| {row['attack']} | {row['what']} | {' | '.join(pairs)} |")
    return "\n".join(lines) + "\n"


def _header(columns: tuple[str, ...]) -> list[str]:
    return [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]


def _line(row: Row) -> str:
    unanswered = row["others"]["unanswered"]
    cells = [
        row["attack"],
        row["what"],
        _router(row),
        f"{row['before']['p50']:.0f} / {row['before']['p99']:.0f}",
        f"{_brief(row)} / {row['others']['longest']:,.0f}",
        f"{unanswered} of {row['others']['chats']}",
        f"{row['neighbours']['p50']:,.0f} / {row['neighbours']['p99']:,.0f}",
        f"{row['peak_mb']:,.0f}",
        _dead(row),
        f"{row['service_stopped']:.0f}",
        "" if row["taken_per_second"] is None else f"{row['taken_per_second']:,.0f}",
        "; ".join(_more(row)),
    ]
    return f"| {' | '.join(cells)} |"


def _router(row: Row) -> str:
    if not row["exits"]:
        return "lives"
    codes = ", ".join(f"{code} at {at:.0f} s" for at, code, _ in row["exits"])
    return f"died x{len(row['exits'])} (exit {codes})"


def _brief(row: Row) -> str:
    others = row["others"]
    more = "> " if others["unanswered"] else ""
    return f"{more}{others['p50']:,.0f} / {others['p99']:,.0f}"


def _dead(row: Row) -> str:
    if not row["dead_letters"]:
        return "0"
    return ", ".join(f"{count:,} {reason}" for reason, count in row["dead_letters"].items()) + (
        f" ({row['dead_letter_mb']:,.0f} MB)"
    )


def _more(row: Row) -> Iterator[str]:  # noqa: C901 - a note each
    if row["refused"]:
        yield f"broker refused it: {row['refused']}"
    if row["exits"]:
        yield row["exits"][-1][2].replace("|", "/")[-160:]
    if row["left"]:
        yield f"{row['left']:,} records not taken by the end ({row['seconds']:.0f} s)"
    if row.get("monitor"):
        yield f"monitor: {row['monitor'].replace('|', '/')}"
    busy = row.get("busy_elsewhere", 0)
    if busy > BUSY:
        yield f"{busy} cores were busy with other work"
    looks = row["looks"]
    for path in ("readyz", "healthz"):
        bad = {status: count for status, count in looks[path].items() if status != "200"}
        if bad:
            yield f"/{path} " + ", ".join(f"{count}x {status}" for status, count in bad.items())
    if row["attack"] == "open-transaction":
        lag = looks["highest"].get("switchboard_lag_records", 0)
        yield f"/readyz {looks['readyz']}, /healthz {looks['healthz']}, highest lag {lag:,.0f}, said {looks['reasons']}"
    if row["restart_seconds"] is not None:
        yield f"restart {row['restart_seconds']} s, peak {row['restart_peak_mb']:,.0f} MB"
    for words, code, last in row["commands"]:
        yield f"`{words}` exit {code}" + (f": {last.replace('|', '/')[:120]}" if code else "")
