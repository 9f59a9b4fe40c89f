"""Model directories from the Hugging Face hub (extra `hub`).

    download("owner/name", {"revision": None, "token": None, "cache_dir": None})

Knows huggingface_hub and the names of files, nothing of what stands in them.
"""

from __future__ import annotations

from collections.abc import Mapping
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
    """Fetch what reading needs of a hub repository into huggingface_hub's cache; its directory.

    Of several forms of weights only the preferred one is fetched; `onnx=False` takes safetensors.
    `options` are huggingface_hub's `revision`, `token` and `cache_dir`. Raises `ModelError` for a
    repository that is not there or has no usable weights, `DownloadError` without a network.
    """
    bundled = bundled_models()
    try:
        import huggingface_hub as hub
        from huggingface_hub import errors as hub_errors
    except ImportError as error:
        raise MissingExtraError("huggingface_hub", "hub") from error
    try:
        # list_repo_files would try again for half a minute when there is no network
        api = hub.HfApi(token=options["token"])
        siblings = api.model_info(name, revision=options["revision"]).siblings
        files = {file.rfilename for file in siblings or ()}
        weights = layout.weights(files, onnx=onnx)
        if not weights and any(file in files for file in layout.PICKLES):
            raise pickle_error(name)
        if not weights or layout.TOKENIZER not in files:
            needed = f"{layout.ONNX} or {layout.SAFETENSORS}" if onnx else layout.SAFETENSORS
            lacks = layout.TOKENIZER if weights else needed
            kind = OldFormError if weights else ModelError
            raise kind(f"{name} (hub): no {lacks} among its files: {', '.join(sorted(files))}")
        wanted = [*layout.DOWNLOADED, weights[0]]
        if weights[0].endswith(".index.json"):
            wanted.append("model-*.safetensors")
        if weights[0].endswith(".onnx"):
            wanted.append(f"{weights[0]}*")  # large models keep their weights in a second file
        return Path(hub.snapshot_download(name, allow_patterns=wanted, **options))
    except (hub_errors.RepositoryNotFoundError, hub_errors.HFValidationError) as error:
        raise ModelError(
            f"{name}: the hub has no such repository, or it is private (set HF_TOKEN). "
            f"Bundled: {', '.join(bundled)}."
        ) from error
    # httpx's HTTPError, or requests's in older versions of huggingface_hub
    except (OSError, hub_errors.HTTPError) as error:  # type: ignore[attr-defined]
        # What was downloaded before answers without a network. (snapshot_download does not: it
        # misses the files that were left where they are.)
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


def pickle_error(name: str) -> OldFormError:
    out = f"{Path(name).name}-safe"
    return OldFormError(
        f"{name}: has pickled weights only (a .bin or .pt file), which can run any code when they "
        f"are opened; pullquote loads safetensors and ONNX. {_CONVERT.format(name=name, out=out)}"
    )
