"""Readers in other processes: pickled as their settings, loaded once."""

from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import shutil
import warnings
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest

from pullquote import Reader
from pullquote.checkpoints.directory import open_model
from pullquote.errors import ModelError
from pullquote.reading import reader as module
from pullquote.reading.backends.scripted import ScriptedBackend

CONTEXT = "The Norse, led by Rollo, came by sea and settled in the north of France in 911."
QUESTIONS = ["Who led the Norse?", "When did they settle?", "How did they come?"]


@pytest.fixture
def reader() -> Reader:
    return Reader("tiny", threads=1, answerable=0.9, spelling=False)


def ask(reader: Reader, question: str) -> tuple[str, float, int, int]:
    found = reader.answer(question, CONTEXT)
    return found.text, found.no_answer_score, id(reader), os.getpid()


def test_a_copy_has_the_same_settings_and_answers(reader: Reader) -> None:
    content = pickle.dumps(reader)
    assert len(content) < 2000  # no weights
    module._READERS.clear()
    other = pickle.loads(content)
    assert other is not reader
    assert other.config == reader.config
    for question in QUESTIONS:
        assert ask(other, question)[:2] == ask(reader, question)[:2]
    assert pickle.loads(pickle.dumps(other)) is other


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of a fork with threads
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_process_loads_it_once(reader: Reader, method: str) -> None:
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {method} here")
    wanted = {question: ask(reader, question)[:2] for question in QUESTIONS}
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        done = [(question, pool.submit(ask, reader, question)) for question in QUESTIONS * 4]
        found = [(question, *future.result(timeout=120)) for question, future in done]
    for question, text, score, _, _ in found:
        assert (text, score) == wanted[question]
    objects = {(process, reader_id) for *_, reader_id, process in found}
    assert len(objects) == len({process for process, _ in objects})


def test_a_checkpoint_is_measured_once(tmp_path: Path) -> None:
    """The warning of what int8 changes is given where it was opened."""
    tiny = open_model("tiny").path
    for name in ("config.json", "tokenizer.json", "model.safetensors", "reader.json"):
        shutil.copy(tiny / name, tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        content = pickle.dumps(Reader(tmp_path))
    module._READERS.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        pickle.loads(content)


def test_the_last_readers_are_kept(reader: Reader) -> None:
    for share in range(10, 20):
        pickle.dumps(Reader("tiny", answerable=share / 20))
    assert len(module._READERS) == 4
    assert max(settings[-1].answerable for settings in module._READERS) == 19 / 20


def test_a_copy_within_a_process_shares_the_backend() -> None:
    reader = Reader("tiny", backend=ScriptedBackend(lambda ids: ([], [])))
    assert copy.copy(reader).backend is reader.backend
    assert copy.copy(reader) is not reader


def test_a_given_backend_does_not_pickle() -> None:
    reader = Reader("tiny", backend=ScriptedBackend(lambda ids: ([], [])))
    with pytest.raises(TypeError, match=r"given to it \(ScriptedBackend\) does not pickle"):
        pickle.dumps(reader)


def test_a_directory_that_is_gone_is_named(tmp_path: Path) -> None:
    shutil.copytree(open_model("tiny").path, tmp_path / "mine")
    content = pickle.dumps(Reader(tmp_path / "mine"))
    module._READERS.clear()
    shutil.rmtree(tmp_path / "mine")
    with pytest.raises(ModelError, match="mine"):
        pickle.loads(content)
