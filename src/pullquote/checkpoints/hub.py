"""Downloads model directories from the Hugging Face hub (extra `hub`).

    download("owner/name", {"revision": None, "token": None, "cache_dir": None})

Knows huggingface_hub and file names, not the contents of the files.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from pullquote.checkpoints import layout
from pullquote.checkpoints.bundled import bundled_models
from pullquote.errors import DownloadError, MissingExtraError, ModelError, OldFormError

_CONVERT = (
    'Convert it once, where you trust the file: python -c "from transformers import '
    "AutoModelForQuestionAnswering as M; M.from_pretrained('{name}').save_pretrained('{out}')\", "
    "and copy tokenizer.json beside it."
)


def download(name: str, options: Mapping[str, Any], *, onnx: bool = True) -> Path:
    """Download the files that a reader needs into huggingface_hub's cache; returns the directory.

    Of several forms of weights only the preferred one is downloaded: an ONNX file last where ONNX
    Runtime is not installed; `onnx=False` takes safetensors. `options` are huggingface_hub's
    `revision`, `token` and `cache_dir`. Raises `ModelError` for a repository that does not exist or
    has no usable weights, `DownloadError` without a network.
    """
    bundled = bundled_models()
    try:
        import huggingface_hub as hub
        from huggingface_hub import errors as hub_errors
    except ImportError as error:
        raise MissingExtraError("huggingface_hub", "hub") from error
    try:
        # list_repo_files would retry for half a minute without a network
        api = hub.HfApi(token=options["token"])
        siblings = api.model_info(name, revision=options["revision"]).siblings
        files = {file.rfilename for file in siblings or ()}
        patterns = _needed_files(name, files, onnx)
        return Path(hub.snapshot_download(name, allow_patterns=patterns, **options))
    except (hub_errors.RepositoryNotFoundError, hub_errors.HFValidationError) as error:
        raise ModelError(
            f"{name}: the hub has no such repository, or it is private (set HF_TOKEN). "
            f"Bundled: {', '.join(bundled)}."
        ) from error
    # HTTPError of httpx, or of requests in older versions of huggingface_hub
    except (OSError, hub_errors.HTTPError) as error:  # type: ignore[attr-defined]
        # Without a network, an earlier download is used. (snapshot_download would refuse it, since
        # not all files of the repository were downloaded.)
        cached = hub.try_to_load_from_cache(
            name, layout.CONFIG, cache_dir=options["cache_dir"], revision=options["revision"]
        )
        if isinstance(cached, str):
            return Path(cached).parent
        raise DownloadError(
            f"{name}: not a bundled model nor a local directory, and the Hugging Face hub "
            f"cannot be reached ({type(error).__name__}). Offline, use a bundled one: "
            f"{', '.join(bundled)}."
        ) from error


def _needed_files(name: str, files: Collection[str], onnx: bool) -> list[str]:
    """Patterns of the files to download from a repository that has `files`.

    Raises `ModelError` where weights or the tokenizer are missing.
    """
    weights = layout.weights(files, onnx=onnx)
    if importlib.util.find_spec("onnxruntime") is None:
        weights.sort(key=lambda file: file in layout.ONNX_FORMS)
    if not weights and any(file in files for file in layout.PICKLES):
        raise pickle_error(name)
    if not weights or layout.TOKENIZER not in files:
        expected = f"{layout.ONNX} or {layout.SAFETENSORS}" if onnx else layout.SAFETENSORS
        missing = layout.TOKENIZER if weights else expected
        error = OldFormError if weights else ModelError
        raise error(f"{name} (hub): no {missing} among its files: {', '.join(sorted(files))}")
    patterns = [*layout.DOWNLOADED, weights[0]]
    if weights[0] == layout.SAFETENSORS_FORMS[1]:
        patterns.append(layout.SHARDS)
    if weights[0] in layout.ONNX_FORMS:
        patterns.append(f"{weights[0]}*")  # large models keep their weights in a second file
    return patterns


def pickle_error(name: str) -> OldFormError:
    """The error for a model that has pickled weights only, with advice how to convert it."""
    out = f"{Path(name).name}-safe"
    return OldFormError(
        f"{name}: has pickled weights only (a .bin or .pt file), which can run any code when they "
        f"are opened; pullquote loads safetensors and ONNX. {_CONVERT.format(name=name, out=out)}"
    )
