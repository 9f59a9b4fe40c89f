"""The model card, and the way to the hub."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import CommitOperationAdd, ModelCard

from lessons import lesson, make_recipe
from pullquote.checkpoints.directory import store_settings
from pullquote.errors import ConfigError, DownloadError, ModelError
from pullquote.publishing.card import Data, card
from pullquote.publishing.push import push
from pullquote.reading.backends.torch import load_checkpoint
from pullquote.reading.evaluate import evaluate
from pullquote.reading.reader import Reader
from pullquote.settings import Calibration
from pullquote.training.recipe import Recipe
from pullquote.training.train import train


@pytest.fixture(scope="module")
def run(base: Path, lessons: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "mine"
    train(make_recipe(base, lessons, epochs=0.01, evaluations=1), out)
    return out


def test_a_card_tells_scores_size_speed_and_recipe(run: Path) -> None:
    examples = lesson(30, first=500)
    text = card(
        run,
        [Data("held-out.jsonl", examples), Data("tune.jsonl", lesson(9))],
        dataset="rajpurkar/squad_v2",
        base_model="me/base",
        notes="- It is a test.",
    )
    scores = evaluate(Reader(run), examples).scores
    assert scores.has_answer
    assert scores.no_answer
    row = (
        f"| held-out.jsonl | 30 | {scores.exact:.2f} | {scores.f1:.2f} | "
        f"{scores.has_answer.exact:.2f} / {scores.has_answer.f1:.2f} | {scores.no_answer.f1:.2f} |"
    )
    assert row in text
    assert "the threshold stored in `reader.json` (tune.jsonl: best F1 over 60 questions" in text
    assert f"{Recipe.from_toml(run / 'recipe.toml').named_only().to_toml()}" in text
    assert str(run.parent) not in text  # nobody's folders
    parameters = sum(p.numel() for p in load_checkpoint(run).parameters())
    assert f"- {parameters / 1e6:.2f} M parameters." in text
    for words in ("MFLOP for a window of 32 tokens", "questions a second", "- It is a test."):
        assert words in text
    assert "CC BY-SA 4.0" in text


def test_a_calibrated_model_says_how_far_it_can_be_trusted(run: Path, tmp_path: Path) -> None:
    data = [Data("dev", lesson(30, first=500))]
    model = Path(shutil.copytree(run, tmp_path / "model"))
    config = Reader(run).config
    store_settings(model, replace(config, calibration=Calibration()))
    plain = card(model, data)
    assert "## Trust" not in plain
    assert "not calibrated probabilities" in plain
    text = card(run, data)
    assert "probabilities where half of the questions have an answer" in text
    metrics = evaluate(Reader(run), data[0].examples).calibration_metrics["decisions"]
    assert f"| dev | {metrics.ece:.3f} | {metrics.macro_ce:.3f} | {metrics.brier:.3f} |" in text
    assert f"Calibrated on {config.calibration.fitted_on}." in text
    assert "not calibrated probabilities" not in text
    # a share of answerable questions decides in place of the threshold
    store_settings(model, replace(config, answerable=0.8, answerable_chosen_on="use.json: best"))
    text = card(model, data)
    assert "probabilities where 80 % of the questions have an answer" in text
    assert (
        "It abstains when no answer is likelier than that its best quote is right, where 80 % of "
        "the questions are expected to have an answer, the share stored in `reader.json` "
        "(use.json: best)." in text
    )
    assert "exceeds" not in text


def test_the_hub_reads_the_metadata(run: Path) -> None:
    found = ModelCard(card(run, [Data("dev", lesson(9))], dataset="rajpurkar/squad_v2")).data
    assert (found.license, found.pipeline_tag) == ("apache-2.0", "question-answering")
    assert found.get("library_name") == "pullquote"
    assert found.datasets == ["rajpurkar/squad_v2"]
    assert found.eval_results is not None
    assert [result.metric_type for result in found.eval_results] == ["exact_match", "f1"]


def test_a_card_needs_something_to_measure_on(run: Path) -> None:
    with pytest.raises(ConfigError, match="needs data to measure"):
        card(run, [])


# ---- push


@dataclass
class StandIn:
    """What `push` asks of huggingface_hub's client."""

    error: Exception | None = None
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def create_repo(self, repo_id: str, **options: Any) -> None:
        huggingface_hub.utils.validate_repo_id(repo_id)
        self.calls.append(("create", {"repo_id": repo_id, **options}))
        if self.error:
            raise self.error

    def create_commit(
        self, repo_id: str, operations: list[CommitOperationAdd], **options: Any
    ) -> huggingface_hub.CommitInfo:
        contents = {}
        for operation in operations:
            with operation.as_file() as file:
                contents[operation.path_in_repo] = file.read()
        self.calls.append(("commit", {"repo_id": repo_id, "contents": contents, **options}))
        return huggingface_hub.CommitInfo(
            commit_url=f"{huggingface_hub.constants.ENDPOINT}/me/mine/commit/1",
            commit_message="m",
            commit_description="d",
            oid="1",
        )


def test_push_uploads_the_model_and_not_the_state_of_its_training(
    run: Path, tmp_path: Path
) -> None:
    model = Path(shutil.copytree(run, tmp_path / "model"))
    with pytest.raises(ModelError, match=r"no model card .* pullquote card"):
        push(model, "me/mine", client=StandIn())
    (model / "README.md").write_text("# mine")
    (model / "secret.txt").write_text("x")
    client = StandIn()
    assert push(model, "me/mine", private=True, client=client).endswith("/me/mine/commit/1")
    (_, made), (_, sent) = client.calls
    assert made == {
        "repo_id": "me/mine",
        "repo_type": "model",
        "private": True,
        "exist_ok": True,
    }
    assert sent["repo_id"] == "me/mine"
    assert set(sent["contents"]) == {
        *("README.md", "config.json", "reader.json", "recipe.toml", "curve.png"),
        *("tokenizer.json", "model.safetensors"),
    }
    weights = (model / "model.safetensors").read_bytes()
    assert sent["contents"]["model.safetensors"] == weights
    assert str(run.parent.parent).encode() not in sent["contents"]["recipe.toml"]


def test_what_the_hub_refuses_is_one_clear_error(run: Path, tmp_path: Path) -> None:
    model = Path(shutil.copytree(run, tmp_path / "model"))
    (model / "README.md").write_text("# mine")
    with pytest.raises(ModelError, match="a b c: no name of a repository"):
        push(model, "a b c", client=StandIn())
    refusal = ConnectionError("403 Forbidden")
    with pytest.raises(DownloadError, match=r"did not take it .*403 Forbidden.*HF_TOKEN"):
        push(model, "me/mine", client=StandIn(refusal))
