"""Draws docs/answerable.svg: right and wrong answers by the expected share of answerable questions.

    python benchmarks/people/plot.py        # the plain questions on single texts of tune, a minute

Knows the bundled models; the dots are at their own shares.
"""

from __future__ import annotations

import matplotlib
import numpy as np
from asking import Asked, ask_texts, on_text
from questions import HERE, load

from pullquote import Reader

SHARES = np.arange(0.02, 0.99, 0.01)
COLOURS = {"right": "#1b7f5c", "wrong": "#c2571a"}


def main() -> None:
    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.hashsalt": "pullquote", "font.size": 10}
    import matplotlib.pyplot as plt

    questions = [on_text(q) for q in load() if q.split == "tune" and q.kind != "folder"]
    figure, axes = plt.subplots(1, 2, figsize=(8, 3.2), sharey=True, layout="constrained")
    for axis, model in zip(axes, ("small", "tiny"), strict=True):
        reader = Reader(model)
        asked = ask_texts(reader, questions)
        own = reader.config.answerable
        for name, colour in COLOURS.items():
            line = "-" if name == "right" else "--"
            axis.plot(100 * SHARES, _percent(asked, SHARES, name), line, color=colour, label=name)
            axis.plot(100 * own, _percent(asked, np.array([own]), name), "o", color=colour)
        axis.set(title=model, xlabel="answerable, %", xlim=(0, 100), ylim=(0, 60))
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("answers, % of the questions")
    axes[0].legend(frameon=False)
    figure.savefig(HERE.parent.parent / "docs" / "answerable.svg", metadata={"Date": None})


def _percent(asked: list[Asked], shares: np.ndarray, name: str) -> np.ndarray:
    """How many percent of the questions get a right or a wrong answer at each share."""
    log_odds = np.array([a.log_odds for a in asked])
    good = np.array([a.best_right == (name == "right") for a in asked])
    limits = np.log(shares / (1 - shares))[:, None]
    return 100 * ((log_odds <= limits) & good).mean(axis=1)


main()
