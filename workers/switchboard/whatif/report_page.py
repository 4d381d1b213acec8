"""The HTML report of a comparison. Its charts are SVG in the page, in the page's colours for text and lines."""

import re
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from io import StringIO
from statistics import fmean
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator, MultipleLocator

from switchboard.journal.printable_text import printable
from switchboard.whatif.comparison import Result, interval
from switchboard.whatif.measures import Figures
from switchboard.whatif.report_texts import FIGURES, calibration, cell, change, summary

COLOURS: Final = ("#808a94", "#1f88c9", "#d8692a", "#2a9d6f", "#a563b5", "#b8902a")
"""Colours of the variants, the base first. Neighbours differ for the colour-blind, on white and on black."""
_INK: Final = "#123456"
"""Stands for the page's text colour."""
_NAME_WIDTH: Final = 26
_DAY_MS: Final = 24 * 3_600_000
_BINS_S: Final = (10, 30, 60, 120, 300, 600, 900, 1800)
_FEWEST_BINS: Final = 12
_STEPS_S: Final = (5, 10, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 14_400, 21_600, 43_200, 86_400)
_MOST_STEPS: Final = 8
_SIZE: Final = (5.6, 3.1)
"""Width and height in inches: small, so that the text is readable on a phone."""


def waits_over_the_day(results: Sequence[Result], clock: str) -> str:
    """A chart of the mean wait by time of arrival, in bins of half an hour; shorter for a log below six hours.

    Args:
        results: the base first. With two results, the chart shows the intervals as well.
        clock: remark on the time zone, added to the label of the axis.
    """
    seconds = max(run.end - run.start for result in results for run in result.runs) / 1000
    bin_seconds = bin_of(seconds)

    def draw(axes: Any) -> None:
        for index, result in enumerate(results):
            start = result.runs[0].start
            runs = [run.waits_by_time(bin_seconds * 1000) for run in result.runs]
            bins = sorted(set.intersection(*(set(run) for run in runs)))
            if not bins:
                continue
            times = [start % _DAY_MS / 1000 + (each + 0.5) * bin_seconds for each in bins]
            spans = [interval([fmean(run[each]) / 1000 for run in runs]) for each in bins]
            axes.plot(
                times,
                [span.mean for span in spans],
                color=COLOURS[index % len(COLOURS)],
                linewidth=1.8,
                marker="o" if len(bins) < _FEWEST_BINS else None,  # a single point draws no line
                markersize=4,
                label=_wrapped(result.variant.name),
            )
            if len(results) == 2:  # with more variants, the bands would cover each other
                axes.fill_between(
                    times, [max(0, span.low) for span in spans], [span.high for span in spans],
                    color=COLOURS[index % len(COLOURS)], alpha=0.18, linewidth=0,
                )  # fmt: skip
        axes.set_ylim(bottom=0)
        step = step_of(seconds)
        axes.xaxis.set_major_locator(MultipleLocator(step))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda at, _: time_of_day(at, with_seconds=step < 60)))
        axes.set_ylabel("seconds")
        axes.set_xlabel(f"time of arrival{clock}")

    return _svg(draw, "waits", width=9.0)


def bin_of(seconds: float) -> int:
    """The length of a bin, s, for a log of `seconds`: half an hour, or less to give `_FEWEST_BINS` bins."""
    return max((each for each in _BINS_S if seconds / each >= _FEWEST_BINS), default=_BINS_S[0])


def step_of(seconds: float) -> int:
    """The distance of the time labels, s, on an axis of `seconds`."""
    return next((each for each in _STEPS_S if seconds / each <= _MOST_STEPS), _STEPS_S[-1])


def time_of_day(at: float, *, with_seconds: bool) -> str:
    """Seconds since midnight as `HH:MM` or `HH:MM:SS`."""
    minutes, seconds = divmod(round(at), 60)
    text = f"{minutes // 60 % 24:02d}:{minutes % 60:02d}"
    return f"{text}:{seconds:02d}" if with_seconds else text


def by_variant(results: Sequence[Result], name: str, recorded: float | None, *, shares: bool) -> str:
    """A chart of one figure with its interval for each variant.

    Args:
        results: the base first.
        name: the figure in `Figures`.
        recorded: the figure in the log, shown on top; None without a log.
        shares: true for a share, shown in percent; otherwise seconds.
    """
    names = [_wrapped(result.variant.name) for result in results]
    rows = names if recorded is None else ["as recorded", *names]

    def draw(axes: Any) -> None:
        if recorded is not None:
            axes.plot(recorded, len(rows), "D", markersize=7, color=_INK, fillstyle="none")
            label(axes, recorded, len(rows))
        for index, result in enumerate(results):
            span, place = result.interval(name), len(results) - index
            if span is None:
                continue
            half = [[span.mean - span.low], [span.high - span.mean]] if span.has_spread else None
            axes.errorbar(
                span.mean, place, xerr=half, fmt="o", markersize=8, color=COLOURS[index % len(COLOURS)], capsize=5,
                elinewidth=2,
            )  # fmt: skip
            label(axes, span.mean, place)
        axes.set_yticks(range(len(rows), 0, -1), rows)
        axes.set_ylim(0.4, len(rows) + 0.7)
        axes.margins(x=0.18)
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: tick(value)))

    def tick(value: float) -> str:
        return f"{100 * value:g} %" if shares else f"{value:g} s"

    def label(axes: Any, value: float, place: int) -> None:
        text = f"{100 * value:.1f} %" if shares else f"{value:.1f} s"
        axes.annotate(text, (value, place), (0, 9), textcoords="offset points", ha="center", color=_INK)

    lines = max(row.count("\n") + 1 for row in rows)
    return _svg(draw, name, height=1.0 + max(0.5, 0.22 * lines) * len(rows))


def assignments(results: Sequence[Result]) -> str:
    """A chart of the accepted chats of each agent, ascending: a flat line is an even distribution."""

    def draw(axes: Any) -> None:
        for index, result in enumerate(results):
            runs = [run.chats_by_agent() for run in result.runs]
            number = min(len(run) for run in runs)
            means = [fmean(run[place] for run in runs) for place in range(number)]
            axes.plot(
                range(1, number + 1), means, color=COLOURS[index % len(COLOURS)], marker="o", markersize=4,
                linewidth=1.5, label=_wrapped(result.variant.name),
            )  # fmt: skip
        axes.set_ylim(bottom=0)
        axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
        axes.set_xlabel("agents, from fewest chats to most")
        axes.set_ylabel("chats")

    return _svg(draw, "assignments")


def _svg(draw: Callable[[Any], None], name: str, *, width: float = _SIZE[0], height: float = _SIZE[1]) -> str:
    """A chart as SVG. The same data and name give the same bytes."""
    style: dict[Any, Any] = {
        "svg.fonttype": "none", "svg.hashsalt": name, "font.family": "sans-serif", "font.size": 10,
        "text.color": _INK, "axes.labelcolor": _INK, "axes.edgecolor": _INK, "xtick.color": _INK, "ytick.color": _INK,
        "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": _INK, "grid.alpha": 0.15,
        "text.parse_math": False,
    }  # fmt: skip
    with mpl.rc_context(style):
        figure = Figure(figsize=(width, height), layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.add_subplot()
        axes.patch.set_alpha(0)
        draw(axes)
        if axes.get_legend_handles_labels()[0]:
            figure.legend(frameon=False, fontsize=9, loc="outside upper left", ncols=3)
        out = StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    return _for_a_page(out.getvalue())


def _for_a_page(text: str) -> str:
    """Matplotlib's SVG without prologue and fixed size, in the page's text colour."""
    body = text[text.index("<svg") :].replace(_INK, "currentColor")
    return re.sub(r'(<svg[^>]*?) (?:width|height)="[^"]*"([^>]*?) (?:width|height)="[^"]*"', r"\1\2", body, count=1)


def _wrapped(name: str) -> str:
    """A name on several lines, not shortened: names may differ at their ends only."""
    shown = printable(name)
    return "\n".join(textwrap.wrap(shown, _NAME_WIDTH)) or shown


@dataclass(slots=True, frozen=True)
class ComparisonReport:
    """The contents of a report."""

    title: str
    """Name of the log or day."""
    results: Sequence[Result]
    """The base first."""
    recorded: Figures | None
    """The figures of the log itself; None without a log."""
    assumptions: Sequence[str]
    """In sentences."""
    threshold: float
    """Limit of the service level, s."""


def page(report: ComparisonReport) -> str:
    """The report as an HTML page."""
    base, *others = report.results
    parts = [
        f"<h1>What if: <bdi>{_text(report.title)}</bdi></h1>",
        '<section class="first">',
        *(_summary(sentences) for sentences in summary(base, others, report.threshold)),
        "</section>",
    ]
    if report.recorded is not None:
        parts.append(f'<p class="check">{_text(calibration(report.recorded, base, report.threshold))}</p>')
    recorded = report.recorded or {}
    pictures = (
        (
            "How long customers waited, by time of day",
            waits_over_the_day(report.results, ", UTC" if report.recorded is not None else ""),
        ),
        (
            "Mean wait of those who were answered",
            by_variant(report.results, "wait", recorded.get("wait"), shares=False),
        ),
        (
            f"Service level: answered within {report.threshold:g} s",
            by_variant(report.results, "service_level", recorded.get("service_level"), shares=True),
        ),
        (
            "Customers who gave up",
            by_variant(report.results, "abandonment", recorded.get("abandonment"), shares=True),
        ),
        ("Chats for each agent: the flatter, the fairer", assignments(report.results)),
    )
    parts.append('<div class="pictures">')
    parts += [f"<figure><figcaption>{_text(title)}</figcaption>{svg}</figure>" for title, svg in pictures]
    parts += ["</div>", "<h2>All figures</h2>", _table(report), *_queues(report), "<h2>What this rests on</h2><ul>"]
    parts += [f"<li>{_text(each)}</li>" for each in report.assumptions]
    parts.append("</ul><h2>What the figures mean</h2><dl>")
    parts += [f"<dt>{_text(each.title(report.threshold))}</dt><dd>{_text(each.meaning)}</dd>" for each in FIGURES]
    parts.append("</dl>")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f"<title>What if: {_text(report.title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _text(value: str) -> str:
    """A text as HTML, with markup, invisible and direction-changing characters escaped."""
    return escape(printable(value))


def _summary(sentences: Sequence[str]) -> str:
    """The summary of a variant: the first sentence in bold, the others as a list."""
    rest = "".join(f"<li>{_text(each)}</li>" for each in sentences[1:])
    return f"<p><strong>{_text(sentences[0])}</strong></p>" + (f"<ul>{rest}</ul>" if rest else "")


def _table(report: ComparisonReport, queue: str | None = None) -> str:
    """A table of all figures, of all queues or one, with the difference from the base below each value."""
    base = report.results[0]
    heads = "".join(f'<th scope="col"><bdi>{_text(each.variant.name)}</bdi></th>' for each in report.results)
    recorded = report.recorded if queue is None else None
    first = '<th scope="col">as recorded</th>' if recorded is not None else ""
    rows = []
    for figure in FIGURES:
        if all(each.interval(figure.name, queue) is None for each in report.results):
            continue
        cells = []
        if recorded is not None:
            value = recorded.get(figure.name)
            cells.append(f"<td>{_text(figure.shown(value)) if value is not None else ''}</td>")
        for each in report.results:
            difference = change(figure, each.difference(base, figure.name, queue)) if each is not base else None
            small = f"<small>{_text(difference)}</small>" if difference else ""
            cells.append(f"<td>{_text(cell(figure, each.interval(figure.name, queue)))}{small}</td>")
        rows.append(f'<tr><th scope="row">{_text(figure.title(report.threshold))}</th>{"".join(cells)}</tr>')
    return (
        f'<div class="wide"><table><thead><tr><td></td>{first}{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _queues(report: ComparisonReport) -> list[str]:
    """A folded table for each queue; none for a single queue."""
    names = sorted({name for each in report.results for name in each.queues()})
    if len(names) < 2:
        return []
    tables = (
        f"<details><summary>Queue <bdi>{_text(name)}</bdi></summary>{_table(report, name)}</details>" for name in names
    )
    return ["<h2>By queue of arrival</h2>", *tables]


_STYLE = """
:root{color-scheme:light dark;--ink:#1c2127;--soft:#5b6570;--line:#d5dae0;--page:#fff;--box:#f3f6f9}
@media (prefers-color-scheme:dark){:root{--ink:#e8ebee;--soft:#a3adb8;--line:#39424c;--page:#14181d;--box:#1e242b}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:72rem;margin:0 auto;padding:1.5rem 1rem 4rem}
h1{font-size:1.6rem;line-height:1.25;margin:.2rem 0 1rem}
h2{font-size:1.15rem;margin:2.2rem 0 .6rem}
.first ul{margin:.3rem 0 .8rem;padding-left:1.3rem}
.first p{margin:.5rem 0 .2rem}
.first li{margin:.1rem 0}
.first{background:var(--box);border-left:4px solid #1f88c9;padding:.4rem 1.1rem;border-radius:4px;font-size:1.08rem}
.check{color:var(--soft);margin:.8rem 0}
.pictures{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,27rem),1fr));gap:1rem;margin-top:1.2rem}
figure{margin:0;border:1px solid var(--line);border-radius:6px;padding:.7rem .8rem;break-inside:avoid}
figure:first-child{grid-column:1/-1}
figure:first-child svg{min-width:34rem}
figure:first-child{overflow-x:auto}
figcaption{font-weight:600;margin-bottom:.3rem}
svg{display:block;width:100%;height:auto}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums;font-size:.93rem}
td{white-space:nowrap}
th,td{padding:.35rem .7rem;text-align:right;vertical-align:top;border-bottom:1px solid var(--line)}
th[scope=row]{text-align:left;font-weight:500}
thead th,thead td{border-bottom:2px solid var(--line)}
td small{display:block;color:var(--soft)}
details{margin:.4rem 0}
summary{cursor:pointer;font-weight:500}
dt{font-weight:600;margin-top:.5rem}
dd{margin:0;color:var(--soft)}
li{margin:.35rem 0}
@media print{:root{--ink:#000;--soft:#333;--line:#bbb;--page:#fff;--box:#f3f3f3}main{max-width:none;padding:0}}
"""
