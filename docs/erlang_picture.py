"""Makes the picture and the table of queueing-theory.md: `python -m docs.erlang_picture`, about four minutes."""
# ruff: noqa: INP001 - run as `python -m docs.erlang_picture`, never installed

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from docs.erlang import PATIENCE, Truth, interval, measure, theory
from docs.tables import table

RUNS: Final = 10
CHATS: Final = 20_000
WARM_UP: Final = 5_000
CONFIDENCE: Final = 0.95
LOADS: Final[Mapping[float | None, Sequence[float]]] = {
    None: (0.6, 0.8, 0.9, 0.95),
    PATIENCE: (0.6, 0.8, 0.9, 1.0, 1.2),
}
NAMES: Final = {
    None: "Erlang C: customers wait for ever",
    PATIENCE: "Erlang A: they give up after 10 minutes on average",
}
COLOURS: Final = {None: "#c2571a", PATIENCE: "#2166ac"}
PICTURE: Final = Path(__file__).resolve().parent / "images" / "queueing-theory.svg"
LONGEST_WAIT: Final = 560
"""Seconds; beyond it Erlang C goes up for ever."""
PANELS: Final = (("wait", "Mean wait, seconds"), ("waits", "Chats that wait"), ("abandons", "Chats given up"))

Measured = dict[tuple[float | None, float], list[Truth]]


def main() -> None:
    """Measure, print the table, write the picture."""
    measured: Measured = {
        (patience, load): [
            measure(load, patience=patience, seed=str(run), chats=CHATS, warm_up=WARM_UP) for run in range(RUNS)
        ]
        for patience, loads in LOADS.items()
        for load in loads
    }
    print(_table(measured))  # noqa: T201 - what the command is for
    _picture(measured)


def _table(measured: Measured) -> str:
    rows = []
    for (patience, load), runs in measured.items():
        truth = theory(load, patience=patience)
        row = ["C" if patience is None else "A", f"{load:.2f}"]
        for name, _ in PANELS:
            mean, width = interval([getattr(run, name) for run in runs], CONFIDENCE)
            told = getattr(truth, name)
            if name == "abandons" and patience is None:
                row += ["", ""]
            elif name == "wait":
                row += [f"{told:.1f} s", f"{mean:.1f} ± {width:.1f} s"]
            else:
                row += [f"{told:.2%}", f"{mean:.2%} ± {width:.2%}"]
        rows.append(row)
    heads = ["", "load", "mean wait", "measured", "wait at all", "measured", "give up", "measured"]
    return table(heads, rows)


def _picture(measured: Measured) -> None:
    style: dict[Any, Any] = {"svg.hashsalt": "queueing", "svg.fonttype": "none", "font.family": "sans-serif"}
    with mpl.rc_context(style):
        figure = Figure(figsize=(11, 4.2), layout="constrained", facecolor="white")
        for axes, (name, title) in zip(figure.subplots(1, 3), PANELS, strict=True):
            _panel(axes, measured, name)
            axes.set_title(title, loc="left", fontsize=11, fontweight="bold")
        handles, labels = figure.axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False)
        PICTURE.parent.mkdir(exist_ok=True)
        figure.savefig(PICTURE, metadata={"Date": None, "Creator": None})


def _panel(axes: Any, measured: Measured, name: str) -> None:
    for patience, colour in COLOURS.items():
        if name == "abandons" and patience is None:
            continue
        top = 0.965 if patience is None else 1.25
        loads = [0.5 + (top - 0.5) * step / 120 for step in range(121)]
        curve = [getattr(theory(load, patience=patience), name) for load in loads]
        axes.plot(loads, curve, color=colour, linewidth=1.6, label=f"{NAMES[patience]} (line: theory)")
        points = LOADS[patience]
        spans = [interval([getattr(run, name) for run in measured[patience, load]], CONFIDENCE) for load in points]
        means, widths = zip(*spans, strict=True)
        axes.errorbar(
            points, means, yerr=widths, color=colour, fmt="o", markersize=5, capsize=4, elinewidth=1.4,
            label="simulated, with 95 % interval",
        )  # fmt: skip
    axes.set_xlabel("load")
    axes.set_ylim(0, LONGEST_WAIT if name == "wait" else None)
    if name != "wait":
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.grid(visible=True, color="#dddddd", linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
