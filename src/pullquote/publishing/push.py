"""Uploads a model directory to the Hugging Face hub.

push("runs/tiny", "me/tiny")
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pullquote.checkpoints import layout
from pullquote.checkpoints.directory import open_model
from pullquote.errors import DownloadError, MissingExtraError, ModelError, first_line
from pullquote.training.recipe import read_recipe


def push(
    directory: str | Path,
    repository: str,
    *,
    private: bool = False,
    message: str = "Upload a pullquote model",
    client: Any = None,
) -> str:
    """Upload a model to `repository` (owner/name), which is created if needed; return its URL.

    `client` is a `huggingface_hub.HfApi`; by default its token is that of `hf auth login` or
    HF_TOKEN. Raises `ModelError` for a directory that is not a model or has no model card,
    `DownloadError` when the hub refuses the upload or cannot be reached.

    >>> from pullquote.publishing.push import push  # doctest: +SKIP
    >>> address = push("runs/tiny", "me/tiny")  # doctest: +SKIP
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository, re.ASCII):
        raise ModelError(f"{repository}: no name of a repository; expected owner/name")
    model = open_model(Path(directory))
    if not (model.path / layout.CARD).is_file():
        raise ModelError(
            f"{model.path}: no model card ({layout.CARD}), without which nobody knows what it is. "
            f"Write one: pullquote card {model.path} --data DATA"
        )
    try:
        import huggingface_hub as hub
        from huggingface_hub import errors as hub_errors
    except ImportError as error:
        raise MissingExtraError("huggingface_hub", "hub") from error
    client = client or hub.HfApi()
    try:
        files = [
            hub.CommitOperationAdd(file.relative_to(model.path).as_posix(), str(file))
            for file in layout.published(model.path)
        ]
        if recipe := read_recipe(model.path):
            text = recipe.named_only().to_toml()
            files.append(hub.CommitOperationAdd(layout.RECIPE, text.encode()))
        client.create_repo(repository, repo_type="model", private=private, exist_ok=True)
        done = client.create_commit(repository, operations=files, commit_message=message)
    except hub_errors.HFValidationError as error:
        raise ModelError(f"{repository}: no name of a repository; expected owner/name") from error
    # httpx's HTTPError, or requests's in older versions of huggingface_hub
    except (OSError, hub_errors.HTTPError) as error:  # type: ignore[attr-defined]
        raise DownloadError(
            f"{repository}: the hub did not take it ({first_line(error)}). Sign in with "
            "hf auth login, or set HF_TOKEN to a token that may write"
        ) from error
    return str(getattr(done, "commit_url", None) or f"https://huggingface.co/{repository}")
