"""The log of a training run: JSON lines, and a plot of loss and F1 over epochs.

log = Log("runs/tiny")
log.add(step=20, loss=3.1)
log.draw()                     # runs/tiny/curve.png
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pullquote.checkpoints import layout
from pullquote.files import atomic_write, cannot_write, open_file, replacing


class Log:
    """`log.jsonl` and `curve.png` of a run; an entry has either a `loss` or a `balanced_f1`."""

    def __init__(self, directory: str | Path) -> None:
        self.file = Path(directory) / "log.jsonl"
        self.curve = Path(directory) / layout.CURVE

    def add(self, **entry: Any) -> None:
        """Append one line."""
        try:
            with open_file(self.file, "a") as file:
                file.write(json.dumps(entry) + "\n")
        except OSError as error:
            raise cannot_write(self.file, error) from None

    def entries(self) -> list[dict[str, Any]]:
        """All entries; a line that was cut short when the process was killed is left out."""
        if not self.file.exists():
            return []
        entries = []
        with open_file(self.file, "r") as file:
            lines = file.read().splitlines()
        for line in lines:
            try:
                entries.append(json.loads(line))
            except ValueError:
                continue
        return entries

    def keep_until(self, step: int) -> None:
        """Remove the entries after `step`: a resumed run logs those steps again."""
        kept = [entry for entry in self.entries() if entry["step"] <= step]
        with atomic_write(self.file, links=False) as file:
            file.writelines(json.dumps(entry) + "\n" for entry in kept)

    def draw(self) -> None:
        """Draw loss and F1 over epochs; without matplotlib, nothing."""
        try:
            from matplotlib.figure import Figure
        except ImportError:  # a plot is not worth the run, and log.jsonl has the same numbers
            return
        entries = self.entries()
        losses = [entry for entry in entries if "loss" in entry]
        scores = [entry for entry in entries if "balanced_f1" in entry]
        figure = Figure(figsize=(7, 4), layout="constrained")
        left = figure.add_subplot(xlabel="epoch", ylabel="training loss")
        epochs, values = [e["epoch"] for e in losses], [e["loss"] for e in losses]
        left.plot(epochs, values, color="0.8", lw=1)
        left.plot(epochs, _smooth(values), color="0.45", lw=2)
        left.set_ylim(bottom=0)
        if scores:
            right = left.twinx()
            right.margins(y=0.15)
            right.set_ylabel("F1 on tune, both kinds weighted equally (%)")
            right.plot(
                [e["epoch"] for e in scores],
                [e["balanced_f1"] for e in scores],
                color="black",
                marker="o",
            )
            for entry in scores:
                right.annotate(
                    f"{entry['balanced_f1']:.1f}",
                    (entry["epoch"], entry["balanced_f1"]),
                    textcoords="offset points",
                    xytext=(0, 6),
                    ha="center",
                )
        with replacing(self.curve, links=False) as path:
            figure.savefig(path, dpi=120)


def _smooth(values: list[float]) -> list[float]:
    """Running mean over the last twentieth of the values."""
    width = max(1, len(values) // 20)
    parts = [values[max(0, end - width) : end] for end in range(1, len(values) + 1)]
    return [sum(part) / len(part) for part in parts]
