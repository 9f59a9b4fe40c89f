"""What the application answers, and how it refuses; with a model that knows Rollo alone."""

from __future__ import annotations

import re
import resource
from dataclasses import fields
from pathlib import Path

import pytest
from serving_helpers import MakeClient
from starlette.testclient import TestClient
from tokenizers import Tokenizer

from pullquote import Reader, pipeline
from pullquote.compat.arguments import Options
from pullquote.reading.backends.scripted import ScriptedBackend
from pullquote.serving.app import create_app
from pullquote.serving.dispatcher import Dispatcher, Question, ReaderMode
from pullquote.serving.schema import PipelineParameters
from pullquote.types import Batch, Logits

NORSE = "The Norse, led by Rollo, came by sea."
RIVER = "The river rises in the hills."
MANY_WORDS = "river rises in hills and ends at an of to is was city year it he she they duke king"
QUESTION = "Who led the Norse?"
EXAMPLE = Path(__file__).parent.parent.parent / "examples" / "lighthouse.txt"


# ---- /v1/answer


def test_an_answer_with_its_place_and_scores(client: TestClient, reader: Reader) -> None:
    body = client.post("/v1/answer", json={"question": QUESTION, "context": NORSE}).json()
    expected = reader.answer(QUESTION, NORSE)
    (result,) = body["results"]
    assert body["threshold"] == reader.config.no_answer_threshold
    assert result["answer"]["text"] == "Rollo" == NORSE[18:23]
    assert (result["answer"]["start"], result["answer"]["end"]) == (18, 23)
    assert result["answer"]["score"] == pytest.approx(expected.answers[0].score)
    assert result["answers"] == [result["answer"]]
    assert result["no_answer_score"] == pytest.approx(expected.no_answer_score)
    assert result["null_score_diff"] == pytest.approx(expected.null_score_diff)


def test_offsets_are_code_points(client: TestClient) -> None:
    text = "😀🏴󠁧󠁢󠁷󠁬󠁳󠁿 Rollo came."
    body = client.post("/v1/answer", json={"question": QUESTION, "context": text}).json()
    answer = body["results"][0]["answer"]
    assert text[answer["start"] : answer["end"]] == "Rollo"


@pytest.mark.parametrize(("top_k", "expected"), [(1, 5), (5, 5), (7, 7)])
def test_no_answer_is_null_and_the_nearest_quotes_are_there(
    client: TestClient, top_k: int, expected: int
) -> None:
    request = {"question": QUESTION, "context": MANY_WORDS, "top_k": top_k}
    (result,) = client.post("/v1/answer", json=request).json()["results"]
    assert result["answer"] is None
    assert len({quote["text"] for quote in result["answers"]}) == expected
    assert all(0 <= quote["score"] <= 1 for quote in result["answers"])
    assert result["null_score_diff"] == pytest.approx(20)
    assert result["no_answer_score"] > 0.9


def test_a_threshold_of_the_request_decides(client: TestClient) -> None:
    request = {"question": QUESTION, "context": RIVER, "threshold": 20.5}
    body = client.post("/v1/answer", json=request).json()
    (result,) = body["results"]
    assert body["threshold"] == result["threshold"] == 20.5
    assert result["answer"] is not None


@pytest.mark.parametrize(("share", "answered"), [(0.5, False), (1, True)])
def test_a_share_of_the_request_decides(client: TestClient, share: float, answered: bool) -> None:
    request = {"question": QUESTION, "context": RIVER, "answerable": share}
    body = client.post("/v1/answer", json=request).json()
    (result,) = body["results"]
    assert body["answerable"] == result["answerable"] == share
    assert body["threshold"] is result["threshold"] is None
    assert bool(result["answer"]) == answered


def test_a_misspelt_word_is_told_with_how_it_was_read(client: TestClient) -> None:
    request = {"question": ["Who ledd the Norse?", QUESTION], "context": NORSE}
    first, second = client.post("/v1/answer", json=request).json()["results"]
    assert first["corrections"] == [{"word": "ledd", "read_as": "led"}]
    assert second["corrections"] == []


def peak_memory() -> float:
    """MiB that this process ever had."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def test_every_question_is_asked_of_every_context(client: TestClient) -> None:
    request = {"question": ["Who?", "What?"], "context": [RIVER, NORSE, NORSE]}
    results = client.post("/v1/answer", json=request).json()["results"]
    assert [(r["question"], r["context"]) for r in results] == [
        *((0, 0), (0, 1), (0, 2)),
        *((1, 0), (1, 1), (1, 2)),
    ]
    assert [bool(r["answer"]) for r in results] == [False, True, True] * 2


def test_top_k_bounds_the_quotes_but_not_by_an_error(client: TestClient, reader: Reader) -> None:
    for top_k, expected in ((3, 3), (1000, reader.config.n_best_size)):
        request = {"question": QUESTION, "context": f"Rollo {MANY_WORDS}", "top_k": top_k}
        (result,) = client.post("/v1/answer", json=request).json()["results"]
        assert len(result["answers"]) == expected


@pytest.mark.filterwarnings("ignore:the question has")
def test_a_question_that_was_cut_is_noted(client: TestClient) -> None:
    request = {"question": "who led the norse " * 5, "context": NORSE}
    (result,) = client.post("/v1/answer", json=request).json()["results"]
    assert result["note"] == "the question has 20 tokens; only the first 8 were read"


# ---- POST /


def test_the_pipeline_s_answers_and_parameters(client: TestClient, reader: Reader) -> None:
    inputs = {"question": QUESTION, "context": NORSE}
    options = {"top_k": 3, "max_answer_len": 2, "max_seq_len": 24, "doc_stride": 4}
    body = client.post("/", json={"inputs": inputs, "parameters": options}).json()
    assert body == pipeline("question-answering", model=reader)(**inputs, **options)
    assert [set(answer) for answer in body] == [{"answer", "score", "start", "end"}] * 3


def test_the_pipeline_reads_questions_as_they_are_written(
    reader: Reader, make_client: MakeClient, wordpiece: Tokenizer
) -> None:
    read: list[list[int]] = []

    def script(ids: list[int]) -> tuple[list[float], list[float]]:
        read.append(ids)
        return [0.0] * len(ids), [0.0] * len(ids)

    reader.backend = ScriptedBackend(script)
    inputs = {"question": "Who ledd the Norse?", "context": "Rollo came."}
    with make_client() as client:
        client.post("/", json={"inputs": inputs})
        client.post("/v1/answer", json=inputs)
    extra = wordpiece.token_to_id("##d")  # "ledd" is "led", "##d"
    assert [extra in ids for ids in read] == [True, False]


def test_one_answer_is_an_object_and_several_inputs_are_a_list(client: TestClient) -> None:
    inputs = {"question": QUESTION, "context": NORSE}
    one = client.post("/", json={"inputs": inputs}).json()
    assert one["answer"] == "Rollo"
    assert client.post("/", json={"inputs": [inputs]}).json() == [one]
    assert client.post("/", json={"inputs": [inputs, inputs]}).json() == [one, one]


def test_every_option_of_the_pipeline_is_a_parameter() -> None:
    assert set(PipelineParameters.model_fields) == {field.name for field in fields(Options)}


# ---- refusals, all of one shape


@pytest.mark.parametrize(
    ("path", "body", "status", "words"),
    [
        ("/v1/answer", '{"question": x', 422, "body: not JSON: Expecting value at character 13"),
        ("/v1/answer", "[" * 100_000, 422, "body: JSON that is nested too deeply"),
        ("/v1/answer", "", 422, "body"),
        ("/v1/answer", "{}", 422, "body.question: missing"),
        (
            "/v1/answer",
            '{"question": "", "context": "x"}',
            422,
            "body.question: empty, expected a text",
        ),
        ("/v1/answer", '{"question": "?", "context": []}', 422, "empty, expected at least one"),
        (
            "/v1/answer",
            '{"question": "?", "context": ["x", 1]}',
            422,
            "body.context.1: 1, expected a text",
        ),
        ("/v1/answer", '{"question": " \\u200b", "context": "x"}', 422, "the question is blank"),
        ("/v1/answer", '{"question": "\\ud800", "context": "x"}', 422, "half of a surrogate pair"),
        (
            "/v1/answer",
            '{"question": "?", "context": "x", "topk": 1}',
            422,
            "body.topk: there is no such field",
        ),
        (
            "/v1/answer",
            '{"question": "?", "context": "x", "top_k": 0}',
            422,
            "body.top_k: 0, expected at least 1",
        ),
        (
            "/v1/answer",
            '{"question": "?", "context": "x", "top_k": true}',
            422,
            "true, expected a whole number",
        ),
        ("/v1/answer", '{"question": "?", "context": "x", "top_k": 1001}', 422, "at most 1,000"),
        ("/v1/answer", '{"question": "?", "context": "x", "top_k": 1.0}', 422, "1.0, expected a w"),
        ("/v1/answer", '{"question": "?", "context": "x", "threshold": NaN}', 422, "threshold"),
        ("/v1/answer", '{"question": "?", "context": "x", "answerable": 0}', 422, "answerable"),
        (
            "/v1/answer",
            '{"question": "?", "context": "x", "answerable": 1.1}',
            422,
            "1.1, expected at most 1",
        ),
        (
            "/v1/answer",
            '{"question": "?", "context": "x", "answerable": "1"}',
            422,
            "a text, expected a number",
        ),
        (
            "/v1/answer",
            '{"question": "?", "context": "x", "answerable": 0.8, "threshold": 0}',
            422,
            "two ways to decide when to abstain; give one of them",
        ),
        ("/v1/answer", '{"question": "?", "context": "x", "threshold": 1e400}', 422, "threshold"),
        ("/", '{"inputs": {"question": "?"}}', 422, "body.inputs.context"),
        ("/", '{"inputs": [], "parameters": {}}', 422, "body.inputs"),
        (
            "/",
            '{"inputs": {"question": "?", "context": "x"}, "parameters": {"doc_stride": 999}}',
            422,
            "`doc_stride` (999) is larger than `max_seq_len`",
        ),
        (
            "/",
            '{"inputs": {"question": "?", "context": "x"}, "parameters": {"max_len": 1}}',
            422,
            "body.parameters.max_len",
        ),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(
    client: TestClient, path: str, body: str, status: int, words: str
) -> None:
    response = client.post(path, content=body, headers={"content-type": "application/json"})
    assert response.status_code == status
    assert set(response.json()) == {"error", "code", "details"}
    assert words in response.json()["error"]


@pytest.mark.parametrize("kind", [None, "application/x-www-form-urlencoded", "text/plain"])
def test_json_has_to_be_called_json(client: TestClient, kind: str | None) -> None:
    body = b'{"question": "?", "context": "x"}'
    response = client.post(
        "/v1/answer", content=body, headers={"content-type": kind} if kind else {}
    )
    assert response.status_code == 422
    found = repr(kind) if kind else "missing"
    message = f"headers.content-type: {found}, expected application/json"
    assert response.json()["error"] == message


def test_unknown_paths_and_methods_have_the_same_shape(client: TestClient) -> None:
    missing = client.get("/etc/passwd")
    assert (missing.status_code, missing.json()["code"]) == (404, "not_found")
    method = client.delete("/v1/answer")
    assert (method.status_code, method.json()["code"]) == (405, "method_not_allowed")
    assert method.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "path", ["/../pyproject.toml", "/page/../app.py", "/%2e%2e/app.py", "//etc/passwd", "/app.py"]
)
def test_no_path_leads_to_the_disk(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize(
    ("settings", "request_", "words"),
    [
        ({"max_question": 3}, {"question": "Who?"}, "a question has 4 characters"),
        ({"max_context": 20}, {}, "a context has 37 characters, expected at most 20"),
        ({"max_pairs": 3}, {"question": ["?", "?"], "context": ["x", "y"]}, "4 pairs"),
        ({"max_body": 60}, {}, "over 60 bytes"),
    ],
)
def test_more_than_the_limits_is_too_large(
    make_client: MakeClient, settings: dict[str, int], request_: dict[str, object], words: str
) -> None:
    with make_client(**settings) as client:
        asked = {"question": QUESTION, "context": NORSE, **request_}
        response = client.post("/v1/answer", json=asked)
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    assert words in response.json()["error"]


@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        ({"question": ["?"] * 100_000, "context": ["x"] * 100_000}, 413, "10,000,000,000 pairs"),
        ({"question": [1] * 500_000}, 422, "body.question.0: 1, expected a text"),
        ({"top-k": 1}, 422, "body.top-k: there is no such field"),
        ({"k" * 100_000: 1}, 422, "body." + "k" * 100 + ":"),
    ],
)
def test_what_is_far_too_much_is_refused_at_once(
    client: TestClient, request_: dict[str, object], status: int, words: str
) -> None:
    before = peak_memory()
    response = client.post("/v1/answer", json={"question": "?", "context": "x", **request_})
    assert response.status_code == status
    assert words in response.json()["error"]
    assert len(response.content) < 10_000
    assert peak_memory() - before < 100  # MiB


def test_parameters_that_make_too_many_candidates_are_refused(client: TestClient) -> None:
    inputs = {"question": QUESTION, "context": NORSE * 5000}
    parameters = {"top_k": 500, "max_seq_len": 32, "doc_stride": 20}
    response = client.post("/", json={"inputs": inputs, "parameters": parameters})
    assert response.status_code == 422
    assert "expected at most 200,000; lower top_k or doc_stride" in response.json()["error"]


def test_a_bad_question_does_not_spoil_the_batch_of_others(reader: Reader) -> None:
    good, bad, again = Dispatcher(reader).read(
        [Question(QUESTION, NORSE), Question("\u200b", NORSE), Question("Who?", NORSE)],
        lambda: 60.0,
    )
    assert good.text == again.text == "Rollo"
    assert isinstance(bad, ValueError)


def test_requests_for_few_quotes_share_a_model_batch(reader: Reader) -> None:
    dispatcher = Dispatcher(reader)
    batches = []
    model = dispatcher.backend.backend

    def counted(batch: Batch, *, alone: bool = True) -> Logits:
        batches.append(len(batch.input_ids))
        return model(batch, alone=alone)

    dispatcher.backend.backend = counted  # type: ignore[assignment]
    text = f"Rollo {MANY_WORDS}"
    modes = [ReaderMode.of(reader.config, top_k, None, None) for top_k in (1, 3, 5, 9)]
    few, *_, many = dispatcher.read([Question(QUESTION, text, m) for m in modes], lambda: 60.0)
    assert (len(few.answers), len(many.answers)) == (5, 9)
    windows = few.windows
    assert batches == [3 * windows, windows]


def test_a_fault_of_the_server_says_nothing_of_its_insides(
    make_client: MakeClient, reader: Reader, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(ids: list[int]) -> tuple[list[float], list[float]]:
        raise RuntimeError("secret")

    reader.backend = ScriptedBackend(broken)
    with make_client() as client:
        response = client.post("/v1/answer", json={"question": QUESTION, "context": NORSE})
        assert client.get("/healthz").status_code == 200
    assert (response.status_code, response.json()["code"]) == (500, "internal")
    assert "secret" not in response.text
    assert "secret" in caplog.text


# ---- the rest


def test_health_readiness_and_the_model(client: TestClient, reader: Reader) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}
    about = client.get("/v1/model").json()
    assert about["model"] == "model"  # and not where it lies
    assert about["threshold"] == reader.config.no_answer_threshold
    assert (about["answerable"], about["spelling"]) == (None, True)


@pytest.mark.parametrize("share", [0.9, 1])
def test_the_share_of_the_server_is_that_of_requests_without_one(
    model_dir: Path, reader: Reader, share: float
) -> None:
    served = Reader(model_dir, backend=reader.backend, answerable=share, spelling=False)
    with TestClient(create_app(served)) as client:
        about = client.get("/v1/model").json()
        assert (about["answerable"], about["spelling"]) == (share, False)
        request = {"question": "Who ledd the Norse?", "context": RIVER}
        body = client.post("/v1/answer", json=request).json()
        assert (body["answerable"], body["threshold"]) == (share, None)
        assert body["results"][0]["corrections"] == []
        assert bool(body["results"][0]["answer"]) == (share == 1)
        own = client.post("/v1/answer", json={**request, "answerable": 0.5, "threshold": None})
        assert own.json()["answerable"] == 0.5


def test_figures_count_requests_batches_and_abstentions(client: TestClient) -> None:
    for context in (NORSE, RIVER, RIVER):
        client.post("/v1/answer", json={"question": QUESTION, "context": context})
    client.get("/nowhere")
    text = client.get("/metrics").text
    for line in (
        'pullquote_requests_total{method="POST",path="/v1/answer",status="200"} 3.0',
        'pullquote_requests_total{method="GET",path="other",status="404"} 1.0',
        'pullquote_request_seconds_count{path="/v1/answer"} 3.0',
        "pullquote_batch_questions_count 3.0",
        "pullquote_questions_total 3.0",
        "pullquote_abstentions_total 2.0",
        "pullquote_waiting_questions 0.0",
        "pullquote_open_requests 0.0",
    ):
        assert line in text.splitlines()


def test_two_applications_share_nothing(reader: Reader) -> None:
    with TestClient(create_app(reader)) as one, TestClient(create_app(reader)) as other:
        one.post("/v1/answer", json={"question": QUESTION, "context": NORSE})
        assert "pullquote_questions_total 1.0" in one.get("/metrics").text
        assert "pullquote_questions_total 0.0" in other.get("/metrics").text


def test_the_page_and_the_reference_come_from_here_alone(client: TestClient) -> None:
    for path in ("/", "/docs"):
        response = client.get(path)
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert not re.search(r"(?:src|href)=\"?(?:https?:)?//", response.text)
        assert not re.search(r"<script(?![^>]*src=)|\son\w+=|style=", response.text)
    for path, kind in (("/page.js", "text/javascript"), ("/page.css", "text/css")):
        assert client.get(path).headers["content-type"].startswith(kind)
    assert client.head("/").status_code == 200


def test_the_example_is_that_of_the_readme(client: TestClient) -> None:
    assert client.get("/example.txt").content == EXAMPLE.read_bytes()


def test_the_reference_shows_every_path(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    shown = client.get("/docs").text
    assert [path for path in document["paths"] if f" {path}</h2>" not in shown] == []
