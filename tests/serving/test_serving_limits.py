"""Limits of a request: a value equal to its limit is accepted, one more is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from serving_helpers import MakeClient

from pullquote.serving import limits
from pullquote.serving.error_responses import ApiError

NORSE = "The Norse, led by Rollo, came by sea."  # 37 characters
QUESTION = "Who led the Norse?"  # 18 characters

ANSWER = {"question": QUESTION, "context": NORSE}
SEVERAL = {"question": [QUESTION, "Who?", "What?"], "context": ["It rained.", NORSE]}
PIPELINE = {"inputs": [{"question": "Who?", "context": "It rained."}, ANSWER]}


@pytest.mark.parametrize(
    ("setting", "path", "body", "size"),
    [
        ("max_question", "/v1/answer", ANSWER, 18),
        ("max_question", "/v1/answer", SEVERAL, 18),  # the longest of several counts
        ("max_question", "/", PIPELINE, 18),
        ("max_context", "/v1/answer", ANSWER, 37),
        ("max_context", "/v1/answer", SEVERAL, 37),
        ("max_context", "/", PIPELINE, 37),
        ("max_pairs", "/v1/answer", SEVERAL, 6),
        ("max_pairs", "/", PIPELINE, 2),
    ],
)
def test_a_request_may_have_its_limit_and_no_more(
    make_client: MakeClient, setting: str, path: str, body: object, size: int
) -> None:
    with make_client(**{setting: size}) as client:
        assert client.post(path, json=body).status_code == 200
    with make_client(**{setting: size - 1}) as client:
        response = client.post(path, json=body)
    assert (response.status_code, response.json()["code"]) == (413, "too_large")
    assert f"expected at most {size - 1}" in response.json()["error"]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_may_have_its_limit_and_no_more(make_client: MakeClient, chunked: bool) -> None:
    body = b'{"question": "Who?", "context": "The Norse, led by Rollo, came by sea."}'

    def content() -> bytes | Iterator[bytes]:
        return iter([body[:20], body[20:]]) if chunked else body

    headers = {"content-type": "application/json"}
    for limit, status in ((len(body), 200), (len(body) - 1, 413)):
        with make_client(max_body=limit) as client:
            response = client.post("/v1/answer", content=content(), headers=headers)
            assert ("content-length" in response.request.headers) != chunked
        assert response.status_code == status


def test_candidates_may_be_as_many_as_their_limit_and_no_more() -> None:
    # 30,000 characters are at most 2,500 windows of 12 new tokens; 2,500 x 80 = 200,000
    limits.check_candidates(30_000, length=32, overlap=20, top_k=80)
    with pytest.raises(ApiError, match="202,500 candidates of 30,000 characters of text"):
        limits.check_candidates(30_000, length=32, overlap=20, top_k=81)
    with pytest.raises(ApiError, match="expected at most 200,000") as refused:
        limits.check_candidates(30_001, length=32, overlap=20, top_k=80)
    assert refused.value.status == 422


def test_windows_that_overlap_by_their_whole_length_move_by_a_token() -> None:
    limits.check_candidates(200_000, length=20, overlap=20, top_k=1)
    with pytest.raises(ApiError):
        limits.check_candidates(200_001, length=20, overlap=20, top_k=1)


def test_the_parameters_of_a_request_are_checked_for_all_its_texts(
    make_client: MakeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = {"top_k": 10, "max_seq_len": 24, "doc_stride": 4}  # steps of 20 tokens
    inputs = [{"question": QUESTION, "context": NORSE * n} for n in (1, 20, 2)]
    candidates = 37 * 23 * 10 / 20
    with make_client() as client:
        for limit, status in ((candidates, 200), (candidates - 1, 422)):
            monkeypatch.setattr(limits, "MAX_CANDIDATES", limit)
            response = client.post("/", json={"inputs": inputs, "parameters": parameters})
            assert response.status_code == status
