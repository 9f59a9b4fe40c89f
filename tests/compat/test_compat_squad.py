"""squad_metrics, SquadExample and processors give the recorded results of transformers 4.57.6."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from pullquote.checkpoints.bundled import BUNDLED
from pullquote.compat import squad_metrics
from pullquote.compat.features import squad_convert_examples_to_features
from pullquote.compat.squad import SquadExample, SquadFeatures, SquadResult, SquadV2Processor
from pullquote.errors import DataError

GOLDEN = Path(__file__).parent / "golden" / "squad_metrics.json.gz"


class Pieces:
    """The part of a tokenizer that compute_predictions_logits uses."""

    def convert_tokens_to_string(self, tokens: list[str]) -> str:
        return " ".join(tokens).replace(" ##", "").strip()


@pytest.fixture(scope="module")
def golden() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gzip.decompress(GOLDEN.read_bytes()))
    return found


@pytest.fixture(scope="module")
def data(golden: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("squad") / "data.json"
    path.write_text(json.dumps(golden["squad"]))
    return path


@pytest.fixture(scope="module")
def examples(data: Path) -> list[SquadExample]:
    return SquadV2Processor().get_dev_examples(str(data.parent), filename=data.name)


def whole_numbers(keys: dict[str, Any]) -> dict[int, Any]:
    return {int(key): value for key, value in keys.items()}


@pytest.fixture(scope="module")
def features(golden: dict[str, Any]) -> list[SquadFeatures]:
    return [
        SquadFeatures(
            **{
                **f,
                "token_is_max_context": whole_numbers(f["token_is_max_context"]),
                "token_to_orig_map": whole_numbers(f["token_to_orig_map"]),
            }
        )
        for f in golden["features"]
    ]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    transformers = pytest.importorskip("transformers")
    return transformers.PreTrainedTokenizerFast(
        tokenizer_file=str(BUNDLED / "small" / "tokenizer.json"),
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
    )


def test_features_are_the_same(
    examples: list[SquadExample], features: list[SquadFeatures], tokenizer: Any
) -> None:
    ours = squad_convert_examples_to_features(examples, tokenizer, 96, 32, 24, False)
    assert [feature.unique_id for feature in ours] == [f.unique_id for f in features]
    for mine, theirs in zip(ours, features, strict=True):
        for name, value in vars(theirs).items():
            assert getattr(mine, name) == value, (name, theirs.qas_id)


def test_labels_are_the_same(data: Path, golden: dict[str, Any], tokenizer: Any) -> None:
    train = SquadV2Processor().get_train_examples(str(data.parent), filename=data.name)
    features, dataset = squad_convert_examples_to_features(
        train, tokenizer, 96, 32, 24, True, return_dataset="pt"
    )
    ours = [[f.qas_id, f.start_position, f.end_position, f.is_impossible] for f in features]
    assert ours == golden["labels"]
    assert [tuple(tensor.shape) for tensor in dataset[0]] == [(96,)] * 3 + [(), (), (), (96,), ()]


def test_examples_have_the_same_words(
    golden: dict[str, Any], examples: list[SquadExample], data: Path
) -> None:
    ours = [[e.qas_id, e.doc_tokens, e.start_position, e.end_position, e.title] for e in examples]
    assert ours == golden["examples"]
    train = SquadV2Processor().get_train_examples(str(data.parent), filename=data.name)
    assert [[e.answer_text, e.start_position, e.end_position] for e in train] == golden["train"]


@pytest.mark.parametrize(
    ("name", "negative", "threshold"), [("v2", True, 0.0), ("v2 shy", True, -3.0), ("v1", False, 0)]
)
def test_predictions_files_and_scores_are_the_same(
    golden: dict[str, Any],
    examples: list[SquadExample],
    features: list[SquadFeatures],
    tmp_path: Path,
    name: str,
    negative: bool,
    threshold: float,
) -> None:
    results = [SquadResult(*row) for row in golden["logits"]]
    paths = [str(tmp_path / file) for file in ("p.json", "n.json", "o.json")]
    predictions = squad_metrics.compute_predictions_logits(
        examples, features, results, 10, 8, True, *paths, False, negative, threshold, Pieces()
    )
    theirs = golden[name]
    ours = [json.loads(Path(path).read_text()) for path in paths if Path(path).exists()]
    assert ours[0] == theirs["files"][0] == predictions
    for id, entries in theirs["files"][1].items():
        assert [entry["text"] for entry in ours[1][id]] == [entry["text"] for entry in entries]
        for mine, other in zip(ours[1][id], entries, strict=True):
            assert mine == pytest.approx(other)
    assert ours[2:] == [pytest.approx(odds) for odds in theirs["files"][2:]]
    odds = ours[2] if negative else dict.fromkeys(predictions, 0.0)
    assert squad_metrics.squad_evaluate(examples, predictions) == theirs["plain"]
    assert squad_metrics.squad_evaluate(examples, predictions, odds, 0.5) == theirs["odds"]


def test_final_texts_are_the_same(golden: dict[str, Any]) -> None:
    for predicted, original, lower, final in golden["final"]:
        assert squad_metrics.get_final_text(predicted, original, lower) == final


def test_files_that_are_missing_or_not_squad(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        SquadV2Processor().get_dev_examples(str(tmp_path))
    (tmp_path / "dev-v2.0.json").write_text('{"data": [{}]}')
    with pytest.raises(DataError, match=r"dev-v2\.0\.json: not a SQuAD file"):
        SquadV2Processor().get_dev_examples(str(tmp_path))
