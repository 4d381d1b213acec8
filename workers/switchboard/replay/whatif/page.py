"""The report: one HTML page that needs nothing else, for a screen, a telephone or paper."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from switchboard.journal.printable_text import printable
from switchboard.replay.whatif import plots
from switchboard.replay.whatif.comparing import Result
from switchboard.replay.whatif.measuring import Figures
from switchboard.replay.whatif.tables import FIGURES, calibration, cell, change
from switchboard.replay.whatif.words import summary


@dataclass(slots=True, frozen=True)
class Told:
    """All that a report tells."""

    title: str
    """What was simulated again."""
    results: Sequence[Result]
    """The base first."""
    recorded: Figures | None
    """What the log itself shows; None where there is no log."""
    assumptions: Sequence[str]
    threshold: float
    """Seconds."""


def page(told: Told) -> str:
    """The whole page."""
    base, *others = told.results
    parts = [
        f"<h1>What if: <bdi>{_text(told.title)}</bdi></h1>",
        '<section class="first">',
        *(_said(sentences) for sentences in summary(base, others, told.threshold)),
        "</section>",
    ]
    if told.recorded is not None:
        parts.append(f'<p class="check">{_text(calibration(told.recorded, base, told.threshold))}</p>')
    recorded = told.recorded or {}
    pictures = (
        (
            "How long customers waited, by time of day",
            plots.waits_over_the_day(told.results, ", UTC" if told.recorded is not None else ""),
        ),
        (
            "Mean wait of those who were answered",
            plots.by_variant(told.results, "wait", recorded.get("wait"), shares=False),
        ),
        (
            f"Service level: answered within {told.threshold:g} s",
            plots.by_variant(told.results, "service_level", recorded.get("service_level"), shares=True),
        ),
        (
            "Customers who gave up",
            plots.by_variant(told.results, "abandonment", recorded.get("abandonment"), shares=True),
        ),
        ("Chats for each agent: the flatter, the fairer", plots.assignments(told.results)),
    )
    parts.append('<div class="pictures">')
    parts += [f"<figure><figcaption>{_text(title)}</figcaption>{svg}</figure>" for title, svg in pictures]
    parts += ["</div>", "<h2>All figures</h2>", _table(told), *_queues(told), "<h2>What this rests on</h2><ul>"]
    parts += [f"<li>{_text(each)}</li>" for each in told.assumptions]
    parts.append("</ul><h2>What the figures mean</h2><dl>")
    parts += [f"<dt>{_text(each.title(told.threshold))}</dt><dd>{_text(each.meaning)}</dd>" for each in FIGURES]
    parts.append("</dl>")
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"/>'
        '<meta name="viewport" content="width=device-width, initial-scale=1"/>'
        f"<title>What if: {_text(told.title)}</title><style>{_STYLE}</style></head>\n"
        f"<body><main>{''.join(parts)}</main></body></html>\n"
    )


def _text(value: str) -> str:
    """A text as HTML: no markup, and nothing that is not seen or that turns the direction of the text around it."""
    return escape(printable(value))


def _said(sentences: Sequence[str]) -> str:
    rest = "".join(f"<li>{_text(each)}</li>" for each in sentences[1:])
    return f"<p><strong>{_text(sentences[0])}</strong></p>" + (f"<ul>{rest}</ul>" if rest else "")


def _table(told: Told, queue: str | None = None) -> str:
    base = told.results[0]
    heads = "".join(f'<th scope="col"><bdi>{_text(each.variant.name)}</bdi></th>' for each in told.results)
    recorded = told.recorded if queue is None else None
    first = '<th scope="col">as recorded</th>' if recorded is not None else ""
    rows = []
    for figure in FIGURES:
        if all(each.interval(figure.name, queue) is None for each in told.results):
            continue
        cells = []
        if recorded is not None:
            value = recorded.get(figure.name)
            cells.append(f"<td>{_text(figure.shown(value)) if value is not None else ''}</td>")
        for each in told.results:
            against = change(figure, each.against(base, figure.name, queue)) if each is not base else None
            small = f"<small>{_text(against)}</small>" if against else ""
            cells.append(f"<td>{_text(cell(figure, each.interval(figure.name, queue)))}{small}</td>")
        rows.append(f'<tr><th scope="row">{_text(figure.title(told.threshold))}</th>{"".join(cells)}</tr>')
    return (
        f'<div class="wide"><table><thead><tr><td></td>{first}{heads}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>"
    )


def _queues(told: Told) -> list[str]:
    names = sorted({name for each in told.results for name in each.queues()})
    if len(names) < 2:
        return []
    tables = (
        f"<details><summary>Queue <bdi>{_text(name)}</bdi></summary>{_table(told, name)}</details>" for name in names
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
