"""The figures of the evaluation report: greyscale PNGs with captions and alternative texts.

Knows matplotlib (the extra `report`) and the numbers of an `Analysis`.

    for name, figure in draw(analysis).items():        # "pr_exact.png", ...
        figure.png, figure.caption, figure.alternative

Precision-recall curves and histograms are those of evaluate-v2.0.py, under its names.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pullquote.errors import MissingExtraError
from pullquote.scoring.analysis import Analysis
from pullquote.scoring.arrays import Floats
from pullquote.scoring.calibration_metrics import (
    ACCURACIES,
    BINS,
    Outcomes,
    measure_calibration,
    reliability,
    risk_coverage,
)
from pullquote.scoring.curves import PrecisionRecall

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Drawing

# Figures are 4.2 inches wide at 100 CSS pixels an inch, drawn with twice as many pixels. On a phone
# that is 343 CSS pixels wide, a label of 10 points is still 11 pixels tall.
WIDTH, HEIGHT = 420, 330
_STYLE: Any = {
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "0.35",
    "axes.labelcolor": "0.15",
    "xtick.color": "0.35",
    "ytick.color": "0.35",
    "xtick.labelcolor": "0.15",
    "ytick.labelcolor": "0.15",
    "legend.frameon": False,
}

RELIABILITY = {
    "decisions": "reliability_decisions.png",
    "quotes": "reliability_quotes.png",
    "no answer": "reliability_no_answer.png",
}
PRECISION_RECALL = {"exact": "pr_exact.png", "f1": "pr_f1.png", "oracle": "pr_oracle.png"}
HISTOGRAMS = {"hasAns": "na_prob_hist_hasAns.png", "noAns": "na_prob_hist_noAns.png"}
RISK_COVERAGE = "risk_coverage.png"
NAMES = (*PRECISION_RECALL.values(), *HISTOGRAMS.values(), *RELIABILITY.values(), RISK_COVERAGE)
"""The names of all figures that a report may have."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure with its caption and its alternative text."""

    png: bytes
    caption: str
    alternative: str


def ensure_matplotlib() -> None:
    """Raise `MissingExtraError` without matplotlib; called before a long evaluation starts."""
    try:
        import matplotlib.figure  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("matplotlib", "report") from error


def draw(analysis: Analysis) -> dict[str, Figure]:
    """All figures that the data allows: file name to figure. Raises `MissingExtraError`."""
    ensure_matplotlib()
    import matplotlib

    figures = {}
    with matplotlib.rc_context(_STYLE):
        for name, curve in analysis.precision_recall.items():
            figures[PRECISION_RECALL[name]] = _precision_recall(name, curve)
        for name, shares in analysis.no_answer.items():
            figures[HISTOGRAMS[name]] = _histogram(name, shares)
        for name, outcomes in analysis.outcomes.items():
            raw = analysis.raw[name] if analysis.raw else None
            figures[RELIABILITY[name]] = _reliability(name, outcomes, raw)
        raw = analysis.raw["decisions"] if analysis.raw else None
        figures[RISK_COVERAGE] = _risk_coverage(analysis.outcomes["decisions"], raw)
    return figures


def _drawing(height: int = HEIGHT) -> Drawing:
    from matplotlib.figure import Figure as Drawing

    return Drawing(figsize=(WIDTH / 100, height / 100), dpi=200, layout="constrained")


def _png(drawing: Drawing) -> bytes:
    file = io.BytesIO()
    drawing.savefig(file, format="png", metadata={"Software": None})
    return file.getvalue()


_TASKS = {"exact": "Exact match", "f1": "F1", "oracle": "Answerable or not (oracle)"}


def _precision_recall(name: str, curve: PrecisionRecall) -> Figure:
    drawing = _drawing()
    axes = drawing.add_subplot(xlabel="recall", ylabel="precision", xlim=(0, 1.05), ylim=(0, 1.05))
    axes.fill_between(curve.recall, curve.precision, step="post", color="0.88", lw=0)
    axes.step(curve.recall, curve.precision, where="post", color="0.1", lw=1.3)
    return Figure(
        _png(drawing),
        f"{_TASKS[name]}. Average precision {curve.average:.2f}",
        f"Precision-recall curve for {_TASKS[name].lower()}: average precision "
        f"{curve.average:.1f} %; with every question answered, precision "
        f"{curve.precision[-1]:.2f} at recall {curve.recall[-1]:.2f}.",
    )


def _histogram(name: str, shares: Floats) -> Figure:
    kind = {"hasAns": "answerable", "noAns": "unanswerable"}[name]
    drawing = _drawing(260)
    axes = drawing.add_subplot(
        xlabel="probability of no answer", ylabel="share of questions", xlim=(0, 1)
    )
    edges = np.linspace(0, 1, len(shares) + 1)
    axes.bar(edges[:-1], shares, np.diff(edges), align="edge", color="0.55", ec="1", lw=0.8)
    above = shares[len(shares) // 2 :].sum()
    return Figure(
        _png(drawing),
        f"{kind.capitalize()} questions",
        f"Histogram of the no-answer probability of {kind} questions: {100 * shares[0]:.0f} % in "
        f"the lowest bin, {100 * shares[-1]:.0f} % in the highest, {100 * above:.0f} % at one half "
        "or above.",
    )


_RELIABILITY_CAPTIONS = {
    "decisions": "The reader's decision at its threshold: a quote or no answer",
    "quotes": "The best quote of each text, whether or not the reader abstained",
    "no answer": "That the text has no answer, whether or not the reader abstained",
}


def _reliability(name: str, outcomes: Outcomes, raw: Outcomes | None) -> Figure:
    drawing = _drawing(420)
    diagram, bin_sizes = drawing.subplots(2, sharex=True, height_ratios=(4, 1))
    diagram.plot([0, 1], [0, 1], color="0.7", lw=0.8, zorder=0)
    edges = np.linspace(0, 1, BINS + 1)

    def plot(outcomes: Outcomes, label: str, line: dict[str, Any], stairs: dict[str, Any]) -> None:
        table = reliability(outcomes.confidence, outcomes.right)
        diagram.plot(table.confidence, table.accuracy, ms=5, label=label, clip_on=False, **line)
        count, _ = np.histogram(outcomes.confidence, edges)
        bin_sizes.stairs(count, edges, clip_on=False, **stairs)

    if raw:
        line = {"color": "0.45", "lw": 1, "ls": "--", "marker": "s", "mfc": "1"}
        plot(raw, "raw softmax", line, {"color": "0.45", "ls": "--"})
    label = "calibrated" if raw else "raw softmax"
    line = {"color": "0", "lw": 1.3, "marker": "o"}
    plot(outcomes, label, line, {"color": "0", "lw": 1.2})
    diagram.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
    bin_sizes.set(xlabel="confidence", ylabel="questions", ylim=(0, None))
    bin_sizes.locator_params(axis="y", nbins=2)
    if raw:
        diagram.legend(loc="upper left")
    metrics = measure_calibration(outcomes.confidence, outcomes.right)
    errors = f"calibration error {100 * metrics.ece:.1f} %"
    if raw:
        ece = measure_calibration(raw.confidence, raw.right).ece
        errors += f", {100 * ece:.1f} % for the raw softmax"
    return Figure(
        _png(drawing),
        _RELIABILITY_CAPTIONS[name],
        f"Reliability diagram of {name}: accuracy against confidence, with the number of questions "
        f"in each bin below; {errors}.",
    )


def _risk_coverage(outcomes: Outcomes, raw: Outcomes | None) -> Figure:
    drawing = _drawing(360)
    axes = drawing.add_subplot(xlabel="coverage, highest scores first (%)", ylabel="wrong (%)")
    if raw:
        coverage, risk = risk_coverage(raw.confidence, raw.right)
        axes.plot(100 * coverage, 100 * risk, color="0.45", lw=1, ls="--", label="raw softmax")
    coverage, risk = risk_coverage(outcomes.confidence, outcomes.right)
    label = "calibrated" if raw else "raw softmax"
    axes.plot(100 * coverage, 100 * risk, color="0", lw=1.3, label=label)
    metrics = measure_calibration(outcomes.confidence, outcomes.right)
    for accuracy in ACCURACIES:
        at, wrong = 100 * metrics.coverage[accuracy], 100 * (1 - accuracy)
        axes.axhline(wrong, color="0.8", lw=0.8, zorder=0)
        axes.plot(at, wrong, marker="o", color="0", ms=6, clip_on=False, zorder=3)
        axes.annotate(
            f"{100 * accuracy:.0f} % right: {at:.1f} %",
            (at, wrong),
            textcoords="offset points",
            xytext=(-8, 4) if at > 60 else (8, 4),
            ha="right" if at > 60 else "left",
            bbox={"fc": "1", "ec": "none", "pad": 0.8, "alpha": 0.85},
        )
    axes.set(xlim=(0, 100), ylim=(0, None))
    if raw:
        axes.legend(loc="lower right")
    return Figure(
        _png(drawing),
        "The share of wrong decisions among those with the highest scores, and the coverage at "
        "which 80, 90 and 95 % are right",
        f"Risk-coverage curve of decisions: {_coverage(metrics.coverage)} of the questions; "
        f"{100 * risk[-1]:.1f} % wrong over all.",
    )


def _coverage(coverage: Mapping[float, float]) -> str:
    return ", ".join(
        f"{100 * accuracy:.0f} % right up to {100 * share:.1f} %"
        for accuracy, share in coverage.items()
    )
