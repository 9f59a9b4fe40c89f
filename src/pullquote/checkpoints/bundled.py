"""Bundled models: those that are installed with the package."""

from __future__ import annotations

from pathlib import Path

from pullquote.checkpoints import layout

BUNDLED = Path(__file__).parent.parent / "models"


def bundled_models() -> list[str]:
    """The names of the bundled models, sorted."""
    return sorted(path.parent.name for path in BUNDLED.glob(f"*/{layout.SETTINGS}"))
