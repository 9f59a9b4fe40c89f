"""Asking the server's documents: answers as the searcher's, and nothing told of the disk."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from pullquote import Index, Reader, Searcher
from pullquote.serving.app import create_app

QUESTION = "Who led the Norse?"


@pytest.fixture
def index(tmp_path: Path) -> Path:
    folder = tmp_path / "secret" / "sagas"
    (folder / "north").mkdir(parents=True)
    (folder / "north" / "norse.txt").write_text("It rained.\n\nThe Norse, led by Rollo, came.\n")
    (folder / "river.md").write_text("# Rivers\n\nWho led the river from the hills?\n")
    with Index.create(tmp_path / "i.db") as made:
        made.add([folder])
    return tmp_path / "i.db"


@pytest.fixture
def client(reader: Reader, index: Path) -> Iterator[TestClient]:
    app = create_app(reader, index=Index.open(index, private=True))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


def test_the_best_quote_of_all_documents(client: TestClient, reader: Reader, index: Path) -> None:
    body = client.post("/v1/ask", json={"question": QUESTION, "top_k": 2}).json()
    answer = body["answer"]
    assert answer["text"] == "Rollo"
    assert (answer["path"], answer["metadata"]) == ("sagas/north/norse.txt", {})
    assert (answer["line"], answer["link"]) == (3, "sagas/north/norse.txt:3")
    start = answer["start"] - answer["passage_start"]
    assert answer["passage"][start:].startswith("Rollo")
    assert body["answers"][0] == answer
    assert client.get("/v1/model").json()["documents"] == 2

    with Index.open(index) as same:
        expected = Searcher(reader, same).search(QUESTION, 2)
    assert body["threshold"] == expected.threshold
    assert body["no_answer_score"] == pytest.approx(expected.no_answer_score)
    assert answer["score"] == pytest.approx(expected.hits[0].score)


@pytest.mark.filterwarnings("ignore:the question has")
def test_a_question_that_was_cut_is_noted(client: TestClient) -> None:
    body = client.post("/v1/ask", json={"question": "who led the norse " * 5}).json()
    assert body["note"] == "the question has 20 tokens; only the first 8 were read"


def test_no_document_has_an_answer(client: TestClient) -> None:
    body = client.post("/v1/ask", json={"question": QUESTION, "path": "*.md"}).json()
    assert body["answer"] is None
    assert {one["path"] for one in body["answers"]} == {"sagas/river.md"}
    body = client.post("/v1/ask", json={"question": "zebra"}).json()
    assert (body["answer"], body["answers"], body["passages"]) == (None, [], 0)
    assert body["note"] == ""
    figures = client.get("/metrics").text
    assert "pullquote_abstentions_total 2.0" in figures


def test_texts_are_filtered_by_their_metadata(client: TestClient, index: Path) -> None:
    with Index.open(index) as same:
        same.add_texts([{"id": "edda", "text": "The Norse, led by Rollo.", "year": 911}])

    def ask(where: object) -> dict[str, Any]:
        body = json.dumps({"question": QUESTION, "where": where})  # escapes lone surrogates
        headers = {"content-type": "application/json"}
        response = client.post("/v1/ask", content=body, headers=headers)
        return {"status": response.status_code, **response.json()}

    answer = ask({"year": 911})["answer"]
    assert (answer["document"], answer["metadata"]) == ("edda", {"year": 911})
    nothing = ask({"year": 912})
    assert nothing["answers"] == []
    assert nothing["note"] == "no document or row of a table fits the filters"
    assert ask({"age": 1})["status"] == 422
    assert "no document has the field" in str(ask({"\ud800": 1}))
    assert ask({"year": [911]})["status"] == 422
    assert ask(None)["status"] == 200


def test_a_threshold_of_the_request_decides(client: TestClient) -> None:
    request = {"question": QUESTION, "threshold": -1000}
    assert client.post("/v1/ask", json=request).json()["answer"] is None


@pytest.mark.parametrize(("share", "answered"), [(0.5, False), (1, True)])
def test_a_share_of_the_request_decides(client: TestClient, share: float, answered: bool) -> None:
    request = {"question": QUESTION, "path": "*.md", "answerable": share}
    body = client.post("/v1/ask", json=request).json()
    assert (body["answerable"], body["threshold"]) == (share, None)
    assert bool(body["answer"]) == answered


def test_an_abstention_has_the_nearest_quotes_and_their_scores(client: TestClient) -> None:
    request = {"question": QUESTION, "path": "*.md", "answerable": 0.5}
    body = client.post("/v1/ask", json=request).json()
    assert len({one["text"] for one in body["answers"]}) == 5
    places = sorted((one["start"], one["end"]) for one in body["answers"])
    assert all(end <= start for (_, end), (start, _) in itertools.pairwise(places))
    assert all(0 <= one["score"] <= 1 for one in body["answers"])


def test_a_misspelt_word_is_told_with_how_it_was_read(client: TestClient) -> None:
    body = client.post("/v1/ask", json={"question": "Who ledd the Norse?"}).json()
    assert body["question"] == "Who ledd the Norse?"
    assert body["corrections"] == [{"word": "ledd", "read_as": "led"}]
    assert body["answer"]["text"] == "Rollo"


def test_a_threshold_and_a_share_are_refused_before_any_work(client: TestClient) -> None:
    request = {"question": "zebra", "path": "*.none", "answerable": 0.8, "threshold": 0}
    response = client.post("/v1/ask", json=request)
    assert response.status_code == 422
    assert "two ways to decide when to abstain; give one of them" in response.json()["error"]


@pytest.mark.parametrize("glob", ["*/secret/*", "/*", "*secret*"])
def test_folders_above_what_was_indexed_are_neither_told_nor_guessed(
    client: TestClient, index: Path, glob: str
) -> None:
    response = client.post("/v1/ask", json={"question": QUESTION, "path": glob})
    assert response.status_code == 422
    assert response.json()["error"] == f"path={glob}: none of the documents matches"
    told = client.post("/v1/ask", json={"question": QUESTION, "top_k": 1000}).text
    assert "secret" not in told
    assert str(index.parent) not in told


def test_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for name in ("ann", "bob"):
        (tmp_path / name / "docs").mkdir(parents=True)
        (tmp_path / name / "docs" / "a.txt").write_text("The Norse, led by Rollo, came.\n")
    with Index.create(tmp_path / "i.db") as made:
        made.add([tmp_path / "ann" / "docs", tmp_path / "bob" / "docs"])
    with Index.open(tmp_path / "i.db", private=True) as private:
        assert [one.path for one in private.documents()] == ["docs/a.txt", "docs (2)/a.txt"]


def test_a_name_that_is_not_utf_8(reader: Reader, tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/caf\xe9.txt"
    Path(os.fsdecode(odd)).write_text("The Norse, led by Rollo, came.\n")
    with Index.create(tmp_path / "i.db") as made:
        made.add([os.fsdecode(odd)])
    app = create_app(reader, index=Index.open(tmp_path / "i.db", private=True))
    with TestClient(app) as client:
        response = client.post("/v1/ask", json={"question": QUESTION})
    assert response.status_code == 200
    assert response.json()["answer"]["text"] == "Rollo"


def test_without_documents(reader: Reader) -> None:
    with TestClient(create_app(reader)) as client:
        response = client.post("/v1/ask", json={"question": QUESTION})
        assert response.status_code == 404
        assert "--index" in response.json()["error"]
        assert client.get("/v1/model").json()["documents"] == 0


def test_documents_that_cannot_be_searched_are_a_503_without_their_place(
    reader: Reader, tmp_path: Path
) -> None:
    Index.create(tmp_path / "empty.db").close()
    app = create_app(reader, index=Index.open(tmp_path / "empty.db", private=True))
    with TestClient(app) as client:
        response = client.post("/v1/ask", json={"question": QUESTION})
    assert response.status_code == 503
    assert "empty.db" not in response.text


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        ({}, 422),
        ({"question": ""}, 422),
        ({"question": "  "}, 422),
        ({"question": ["Who?"]}, 422),
        ({"question": "Who?", "context": "a text"}, 422),
        ({"question": "Who?", "top_k": 0}, 422),
        ({"question": "Who?", "answerable": 0}, 422),
        ({"question": "Who?", "answerable": 1.01}, 422),
        ({"question": "Who? " * 1000}, 413),
    ],
)
def test_bad_requests(client: TestClient, request_: dict[str, object], status: int) -> None:
    assert client.post("/v1/ask", json=request_).status_code == status
