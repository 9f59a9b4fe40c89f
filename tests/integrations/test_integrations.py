"""The components for frameworks, with the frameworks themselves (make test-integrations)."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent
PAGE = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```py\n(.*?)```", PAGE, re.S)
TEXTS = [
    "It rained for days.",
    "",
    "They stayed. " * 200 + "The Norse, led by Rollo, came by sea.",
    "Rollo ate. The Norse, led by Rollo, went home.",
]
QUESTION = "Who led the Norse?"
NOTHING = "Who wrote the history of the Normans?"

# of other people's code
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::UserWarning")


def test_there_are_examples_of_every_framework() -> None:
    text = "".join(BLOCKS)
    assert all(name in text for name in ("haystack", "langchain", "llama_index", "frames"))


@pytest.mark.parametrize("code", BLOCKS)
def test_the_examples_run(code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("haystack", "langchain_core", "llama_index", "pandas"):
        if name.partition("_")[0] in code:
            pytest.importorskip(name)
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "docs/integrations.md", "exec"), {"MILL": ROOT / "examples" / "mill"})


def test_haystack_offsets_no_answer_and_yaml() -> None:
    haystack = pytest.importorskip("haystack")
    from pullquote.integrations.haystack import PullquoteReader

    documents = [haystack.Document(content=text or None) for text in TEXTS]
    reader = PullquoteReader(top_k=2)
    answers = reader.run(QUESTION, documents)["answers"]
    quotes = [answer for answer in answers if answer.data]
    assert len(answers) == 3
    assert len(quotes) == 2
    assert [one.score for one in answers] == sorted((one.score for one in answers), reverse=True)
    for quote in quotes:
        assert quote.meta == {"answered": True}
        whole, inner = quote.document_offset, quote.context_offset
        assert quote.document.content[whole.start : whole.end] == quote.data
        assert quote.context[inner.start : inner.end] == quote.data
    (none,) = [answer for answer in answers if not answer.data]
    assert (none.document, none.document_offset) == (None, None)
    assert 0 < none.score < quotes[0].score

    first = reader.run(NOTHING, documents)["answers"][0]
    assert (first.data, first.meta) == (None, {"answered": False})
    assert reader.run(QUESTION, [], top_k=5)["answers"][0].score == 1.0

    pipeline = haystack.Pipeline()
    pipeline.add_component("reader", reader)
    module = PullquoteReader.__module__
    loaded = haystack.Pipeline.loads(pipeline.dumps(), allowed_modules=[module])
    again = loaded.run({"reader": {"query": QUESTION, "documents": documents}})
    assert [one.score for one in again["reader"]["answers"]] == [one.score for one in answers]


def test_langchain_compressor_keeps_metadata_and_the_best_of_each() -> None:
    pytest.importorskip("langchain_core")
    from langchain_core.documents import Document

    from pullquote.integrations.langchain import QuoteCompressor

    documents = [Document(text, metadata={"n": n}) for n, text in enumerate(TEXTS)]
    kept = QuoteCompressor(top_k=5).compress_documents(documents, QUESTION)
    numbers = [one.metadata["n"] for one in kept]
    assert sorted(numbers[:2]) == [2, 3]
    assert len(set(numbers)) == len(numbers)
    for one in kept:
        start, end = one.metadata["quote_start"], one.metadata["quote_end"]
        assert TEXTS[one.metadata["n"]][start:end] == one.metadata["quote"] in one.page_content
    assert documents[2].metadata == {"n": 2}

    strict: Any = QuoteCompressor(only_answered=True)
    assert strict.compress_documents(documents, NOTHING) == []
    assert strict.compress_documents([], QUESTION) == []


def test_langchain_retriever_gives_each_passage_once_with_its_place(tmp_path: Path) -> None:
    pytest.importorskip("langchain_core")
    from pullquote import Index
    from pullquote.integrations.langchain import QuoteRetriever

    with Index.create(tmp_path / "mill.db") as index:
        index.add([ROOT / "examples" / "mill"])
    retriever = QuoteRetriever(index=str(tmp_path / "mill.db"), top_k=4)
    found = retriever.invoke("How long is the notice period?")
    texts = [one.page_content for one in found]
    assert len(found) > 1
    assert len(set(texts)) == len(texts)
    for one in found:
        start, end = one.metadata["quote_start"], one.metadata["quote_end"]
        assert one.page_content[start:end] == one.metadata["quote"]
    best = found[0].metadata
    assert (Path(best["source"]).name, best["page"]) == ("lease.pdf", 3)
    assert best["quote"] == "three months"


def test_langchain_retriever_gives_as_many_passages_as_are_asked_for(tmp_path: Path) -> None:
    """However many quotes stand in the best of them."""
    pytest.importorskip("langchain_core")
    from pullquote import Index
    from pullquote.integrations.langchain import QuoteRetriever

    names = [
        f"{first}{last}" for first in ("Al", "Be", "Da") for last in ("ton", "nna", "rik", "so")
    ]
    many = [
        f"{' '.join(f'{name}{n} signed the lease.' for name in names)} It is lease {n}."
        for n in range(15)
    ]
    few = [f"The weather of lease {n} was fine and dry all summer." for n in range(5)]
    with Index.create(tmp_path / "i.db") as index:
        index.add_texts({"id": str(n), "text": text} for n, text in enumerate(many + few))
    retriever = QuoteRetriever(index=str(tmp_path / "i.db"), top_k=20)
    assert len(retriever.invoke("Who signed the lease?")) == 20


def test_llama_index_postprocessor_leaves_the_given_nodes_alone() -> None:
    pytest.importorskip("llama_index.core")
    from llama_index.core.schema import NodeWithScore, TextNode

    from pullquote.errors import InputError
    from pullquote.integrations.llama_index import QuotePostprocessor

    nodes = [NodeWithScore(node=TextNode(text=text), score=0.5) for text in TEXTS]
    kept = QuotePostprocessor(top_k=2).postprocess_nodes(nodes, query_str=QUESTION)
    assert {one.node.node_id for one in kept} == {nodes[2].node.node_id, nodes[3].node.node_id}
    assert [one.score for one in kept] == sorted((one.score or 0 for one in kept), reverse=True)
    for one in kept:
        found = one.node.metadata
        assert one.node.get_content()[found["quote_start"] : found["quote_end"]] == "Rollo"
    assert all(one.node.metadata == {} and one.score == 0.5 for one in nodes)
    with pytest.raises(InputError, match="no query"):
        QuotePostprocessor().postprocess_nodes(nodes)


def test_predictions_as_a_frame() -> None:
    pandas = pytest.importorskip("pandas")
    from pullquote import Reader
    from pullquote.integrations.frames import predictions_to_frame

    reader = Reader()
    asked = [(QUESTION, TEXTS[3]), (NOTHING, TEXTS[3]), (QUESTION, "")]
    predictions = list(reader.answer_all(asked))
    frame = predictions_to_frame(predictions)
    assert list(frame) == ["id", "answer", "start", "end", "score", "no_answer_score"]
    assert frame["answer"][0] == "Rollo"
    assert TEXTS[3][frame["start"][0] : frame["end"][0]] == "Rollo"
    assert frame["start"].isna().tolist() == [False, True, True]
    assert frame["no_answer_score"][2] == 1.0
    assert list(predictions_to_frame([])) == list(frame)
    wide = predictions_to_frame(predictions, top_k=2)
    assert wide["answers"][0][0]["text"] == "Rollo"
    assert isinstance(frame, pandas.DataFrame)


@pytest.mark.parametrize("library", ["pandas", "polars", "pyarrow", "datasets"])
def test_columns_of_frames_are_lists(library: str) -> None:
    # `datasets` is a folder of the repository, too
    module = pytest.importorskip("datasets.arrow_dataset" if library == "datasets" else library)
    from pullquote import Reader, pipeline

    columns = {"q": [QUESTION, NOTHING], "c": [TEXTS[3]] * 2}
    make = {"pyarrow": "table", "datasets": "Dataset"}.get(library, "DataFrame")
    made = getattr(module, make)
    frame = made.from_dict(columns) if library == "datasets" else made(columns)
    qa = pipeline("question-answering")
    wanted = qa(question=columns["q"], context=columns["c"])
    assert qa(question=frame["q"], context=frame["c"]) == wanted
    assert wanted[0]["answer"] == "Rollo"
    if library != "pyarrow":  # whose columns have texts of their own kind
        rows = Reader().answer_all(zip(frame["q"], frame["c"], strict=True))
        assert [one.text for one in rows] == ["Rollo", ""]
