"""Model families other than BERT: reading, export and quantisation.

The models are tiny with random weights. Each tokenizer is built here from the same parts as the
family's real tokenizer.json: normalizer, pre-tokenizer, model and pair template.
"""

from __future__ import annotations

import json
import math
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from pullquote import Reader
from pullquote.checkpoints.directory import open_model
from pullquote.checkpoints.read_weights import FAMILIES as BERT_LIKE
from pullquote.checkpoints.read_weights import read_weights, unsupported
from pullquote.errors import ModelError
from pullquote.publishing.export import export
from pullquote.publishing.quantize import quantize
from pullquote.publishing.unpack import unpack
from pullquote.reading.backends import native_library
from pullquote.reading.backends.native import NativeBackend
from pullquote.reading.backends.numpy import NumpyBackend
from pullquote.reading.backends.onnx import OnnxBackend
from pullquote.reading.backends.torch import TorchBackend
from pullquote.reading.encode import Encoder
from pullquote.settings import ReaderConfig
from pullquote.types import Example, Window

CONFIG = ReaderConfig(max_length=64, overlap=20, max_question_length=24, max_answer_length=10)
VOCABULARY = 1200  # rows of the embeddings: more than 1,000, so that int8 takes them too

RIVER = (
    "The river Vltava rises in the hills of Šumava and flows north through Český Krumlov, České "
    "Budějovice and Prague; at Mělník it joins the Elbe. It is 430 km long, and 28,090 km² of land "
    "send it their rain. Its name comes from Old Germanic *wilt ahwa, “wild water”.  In 1872, "
    "Bedřich Smetana wrote “Má vlast”, whose second poem follows the river from its two springs "
    "to the sea of roofs that is Prague. Eighteen bridges cross it there — Charles Bridge, begun "
    "in 1357, is the oldest. "
)
MIXED = (
    "  Café naïve façade — 東京は日本の首都です。人口は約1400万人。\tЭйфелева башня "
    "👩‍👩‍👧 stands in Paris 🇫🇷; e\u0301tat, I\u0307stanbul, ﬁnance,\u00a0straße… 👍🏽.\n\n"
    "中文和English混在 together."
)
TEXTS = {
    "several windows": ("Where does the Vltava rise?", RIVER * 2),
    "two windows": ("Which bridge is the oldest?", RIVER),
    "many scripts": ("What is the capital of 日本?", MIXED),
    "one window": ("Who wrote Má vlast?", "In 1872, Bedřich Smetana wrote it."),
    "a long question": ("Where does the river join the Elbe?", RIVER[200:]),
}
EXAMPLES = [Example(id, *pair) for id, pair in TEXTS.items()]
CORPUS = [RIVER, MIXED, *(question for question, _ in TEXTS.values())]


@dataclass(frozen=True)
class Family:
    name: str
    config: transformers.PretrainedConfig
    tokenizer: Callable[[], Tokenizer]
    products: int  # linear layers that read the text, but for the last one
    token_types: bool = True  # whether the model takes any


BERT_TOKENS = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "[MASK]"]
BERT_PAIR = "[CLS] $A [SEP] $B:1 [SEP]:1"


def bert_wordpiece() -> Tokenizer:
    return wordpiece(BERT_TOKENS, BERT_PAIR)


def mpnet_wordpiece() -> Tokenizer:
    return wordpiece(["<s>", "<pad>", "</s>", "[UNK]"], "<s> $A </s> </s> $B:1 </s>:1")


def wordpiece(special: list[str], pair: str) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    pieces = [piece if first else f"##{piece}" for piece, first in frequent(tokenizer)]
    ids = {token: id for id, token in enumerate([*special, *pieces])}
    tokenizer.model = models.WordPiece(ids, unk_token="[UNK]")
    tokenizer.add_special_tokens(special)
    return joined(tokenizer, pair)


def roberta_bytes() -> Tokenizer:
    tokenizer = byte_level(["<s>", "<pad>", "</s>", "<unk>"])
    tokenizer.post_processor = processors.RobertaProcessing(
        ("</s>", 2), ("<s>", 0), trim_offsets=True, add_prefix_space=False
    )
    return tokenizer


def modernbert_bytes() -> Tokenizer:
    tokenizer = byte_level(BERT_TOKENS)
    tokenizer.normalizer = normalizers.NFC()
    return joined(tokenizer, BERT_PAIR)


def byte_level(special: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=600, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    return tokenizer


def albert_unigram() -> Tokenizer:
    quotes = [normalizers.Replace("``", '"'), normalizers.Replace("''", '"')]
    return unigram(*quotes, normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase())


def deberta_unigram() -> Tokenizer:
    return unigram(normalizers.Strip(), normalizers.NFKC())


def unigram(*steps: normalizers.Normalizer) -> Tokenizer:
    tokenizer = Tokenizer(models.Unigram())
    spaces = normalizers.Replace(Regex(" {2,}"), " ")
    tokenizer.normalizer = normalizers.Sequence([*steps, spaces])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    counts = Counter(dict.fromkeys(BERT_TOKENS, 1))
    for (piece, _), count in frequent(tokenizer).items():
        counts[piece] += count
    scores = [(piece, math.log(count / counts.total())) for piece, count in counts.items()]
    tokenizer.model = models.Unigram(scores, unk_id=BERT_TOKENS.index("[UNK]"))
    tokenizer.add_special_tokens(BERT_TOKENS)
    return joined(tokenizer, BERT_PAIR)


def frequent(tokenizer: Tokenizer) -> Counter[tuple[str, bool]]:
    """All letters and the pieces of words that come twice, and whether they start a word.

    (The trainers of WordPiece and Unigram do not give the same pieces twice.)
    """
    counts: Counter[tuple[str, bool]] = Counter()
    for text in CORPUS:
        normal = tokenizer.normalizer.normalize_str(text)
        for word, _ in tokenizer.pre_tokenizer.pre_tokenize_str(normal):
            for start in range(len(word)):
                for end in range(start + 1, min(start + 6, len(word)) + 1):
                    counts[word[start:end], start == 0] += 1
    return Counter({key: n for key, n in counts.items() if n > 1 or len(key[0]) == 1})


def joined(tokenizer: Tokenizer, pair: str) -> Tokenizer:
    names = {piece.partition(":")[0] for piece in pair.split() if "$" not in piece}
    tokenizer.post_processor = processors.TemplateProcessing(
        single=pair.partition(" $B")[0],
        pair=pair,
        special_tokens=[(name, tokenizer.token_to_id(name)) for name in sorted(names)],
    )
    return tokenizer


# wide enough for what torch does to large weights only: it leaves shared ones transposed
SIZES = {
    "vocab_size": VOCABULARY,
    "hidden_size": 96,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_hidden_layers": 2,
    "max_position_embeddings": 66,
}
FAMILIES = [
    Family("bert", transformers.BertConfig(**SIZES), bert_wordpiece, products=12),
    Family(
        "roberta",
        transformers.RobertaConfig(**SIZES, type_vocab_size=1, pad_token_id=1),
        roberta_bytes,
        products=12,
    ),
    Family(
        "distilbert",
        transformers.DistilBertConfig(
            vocab_size=VOCABULARY,
            dim=96,
            hidden_dim=128,
            n_heads=4,
            n_layers=2,
            max_position_embeddings=64,
        ),
        bert_wordpiece,
        products=12,
        token_types=False,
    ),
    # embeddings narrower than the model, and so one more linear layer
    Family("electra", transformers.ElectraConfig(**SIZES, embedding_size=16), bert_wordpiece, 13),
    Family(
        "mpnet",
        transformers.MPNetConfig(**SIZES, pad_token_id=1),
        mpnet_wordpiece,
        products=12,
        token_types=False,
    ),
    # one set of weights for all layers
    Family("albert", transformers.AlbertConfig(**SIZES, embedding_size=16), albert_unigram, 13),
    Family(
        "deberta-v2",
        transformers.DebertaV2Config(
            **SIZES, relative_attention=True, pos_att_type=["c2p", "p2c"], type_vocab_size=2
        ),
        deberta_unigram,
        products=12,
    ),
    Family(
        "deberta-v3",
        transformers.DebertaV2Config(
            **SIZES,
            relative_attention=True,
            pos_att_type="p2c|c2p",
            position_biased_input=False,
            position_buckets=8,
            share_att_key=True,
            norm_rel_ebd="layer_norm",
            type_vocab_size=0,
        ),
        deberta_unigram,
        products=12,
    ),
    # layer 0 sees the whole window, layer 1 four tokens to either side
    Family(
        "modernbert",
        transformers.ModernBertConfig(
            **SIZES,
            local_attention=8,
            global_attn_every_n_layers=2,
            pad_token_id=0,
            cls_token_id=1,
            bos_token_id=1,
            sep_token_id=2,
            eos_token_id=2,
        ),
        modernbert_bytes,
        products=9,
        token_types=False,
    ),
]


@pytest.fixture(scope="module", params=FAMILIES, ids=lambda family: family.name)
def family(request: pytest.FixtureRequest) -> Family:
    return request.param


@pytest.fixture(scope="module")
def checkpoint(family: Family, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint as fine-tuning scripts save it: config, safetensors and tokenizer.json."""
    directory = tmp_path_factory.mktemp(family.name)
    torch.manual_seed(0)
    model = transformers.AutoModelForQuestionAnswering.from_config(family.config)
    with torch.no_grad():
        for weights in model.parameters():
            if weights.dim() > 1:  # as transformers starts them, all logits would be near 0
                weights.normal_(0, 0.1)
    model.save_pretrained(directory)
    family.tokenizer().save(str(directory / "tokenizer.json"))
    (directory / "reader.json").write_text(json.dumps(asdict(CONFIG)))
    return directory


@pytest.fixture(scope="module")
def exported(checkpoint: Path) -> Path:
    return export(checkpoint, checkpoint / "export").path


@pytest.fixture(scope="module")
def int8(exported: Path) -> Path:
    path = exported.parent / "int8.onnx"
    quantize(exported / "model.onnx", path)
    return path


@pytest.fixture(scope="module")
def reader(exported: Path) -> Reader:
    return Reader(exported)


@pytest.mark.parametrize("name", TEXTS)
def test_pairs_are_joined_as_transformers_joins_them(
    family: Family, checkpoint: Path, name: str
) -> None:
    question, context = TEXTS[name]
    path = checkpoint / "tokenizer.json"
    types = getattr(family.config, "type_vocab_size", 2)
    encoder = Encoder.from_file(path, ReaderConfig(max_length=2000), type_vocab_size=types)
    (window,) = encoder.windows(question, context)
    theirs = transformers.PreTrainedTokenizerFast(tokenizer_file=str(path))(
        question,
        context,
        truncation=False,
        return_token_type_ids=True,
        return_offsets_mapping=True,
    )
    assert window.input_ids.tolist() == theirs["input_ids"]
    offsets = zip(theirs["offset_mapping"], theirs.sequence_ids(), strict=True)
    assert window.offsets.tolist() == [list(pair) for pair, side in offsets if side == 1]
    if family.token_types and types:
        assert window.token_type_ids.tolist() == theirs["token_type_ids"]


def test_logits_are_those_of_transformers(family: Family, checkpoint: Path) -> None:
    reader = Reader(checkpoint, precision="fp32")
    by_engine = family.config.model_type in BERT_LIKE and native_library.available()
    assert isinstance(reader.backend, NativeBackend if by_engine else TorchBackend)
    window, *_ = reader.encoder.windows(*TEXTS["several windows"])
    ours = reader.backend(reader.encoder.batch([window]))
    inputs = {
        "input_ids": torch.tensor([window.input_ids.tolist()]),
        "attention_mask": torch.ones(1, len(window), dtype=torch.long),
    }
    if family.token_types:
        inputs["token_type_ids"] = torch.tensor([window.token_type_ids.tolist()])
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(checkpoint).eval()
    with torch.no_grad():
        theirs = model(**inputs)
    np.testing.assert_allclose(ours.start, theirs.start_logits.numpy(), atol=1e-5)
    np.testing.assert_allclose(ours.end, theirs.end_logits.numpy(), atol=1e-5)


@pytest.mark.parametrize("precision", ["float32", "float16", "bfloat16"])
@pytest.mark.parametrize("sharded", [False, True])
def test_numpy_gives_the_logits_of_torch(
    family: Family, checkpoint: Path, tmp_path: Path, precision: str, sharded: bool
) -> None:
    directory = open_model(checkpoint)
    if family.config.model_type not in BERT_LIKE:
        assert "is not one of bert, " in unsupported(directory)
        with pytest.raises(ModelError, match="is read by torch"):
            read_weights(directory)
        return
    model = transformers.AutoModelForQuestionAnswering.from_pretrained(checkpoint)
    folder = tmp_path / "model"
    shutil.copytree(checkpoint, folder, ignore=shutil.ignore_patterns("*.safetensors", "export"))
    model.to(getattr(torch, precision)).save_pretrained(
        folder, max_shard_size="200KB" if sharded else "1GB"
    )
    assert (folder / "model.safetensors.index.json").exists() is sharded
    exact, ours = TorchBackend(folder), NumpyBackend(read_weights(open_model(folder)))
    reader = Reader(folder, backend=ours)
    batch = reader.encoder.batch(all_windows(reader))
    theirs, found = exact(batch), ours(batch)
    real = batch.attention_mask.astype(bool)
    np.testing.assert_allclose(found.start[real], theirs.start[real], atol=1e-4)
    np.testing.assert_allclose(found.end[real], theirs.end[real], atol=1e-4)
    assert theirs.start[real].std() > 0.1  # so that the tolerance means something


def test_an_export_answers_as_its_checkpoint(checkpoint: Path, reader: Reader) -> None:
    assert isinstance(reader.backend, OnnxBackend)
    answers = reader.answer_all(EXAMPLES, top_k=3)
    for expected, found in zip(
        Reader(checkpoint, precision="fp32").answer_all(EXAMPLES, top_k=3), answers, strict=True
    ):
        assert found.null_score_diff == pytest.approx(expected.null_score_diff, abs=1e-3)
        assert [(a.text, a.start, a.end) for a in found.answers] == [
            (a.text, a.start, a.end) for a in expected.answers
        ]


def test_padding_and_other_rows_of_a_batch_do_not_change_the_logits(
    reader: Reader, int8: Path
) -> None:
    windows = all_windows(reader)
    assert len({len(window) for window in windows}) > 3
    for backend in (reader.backend, OnnxBackend(int8)):
        together = backend(reader.encoder.batch(windows))
        for row, window in enumerate(windows):
            alone = backend(reader.encoder.batch([window]))
            T = len(window)
            np.testing.assert_allclose(alone.start[0], together.start[row, :T], atol=1e-4)
            np.testing.assert_allclose(alone.end[0], together.end[row, :T], atol=1e-4)


def test_int8_stays_near_fp32(reader: Reader, int8: Path) -> None:
    batch = reader.encoder.batch(all_windows(reader))
    real = batch.attention_mask.astype(bool)
    exact, rounded = (
        np.concatenate([logits.start[real], logits.end[real]])
        for logits in (reader.backend(batch), OnnxBackend(int8)(batch))
    )
    # measured: 0.02 of the spread of the logits, 0.05 for ModernBERT
    assert np.sqrt(np.mean((exact - rounded) ** 2)) < 0.1 * exact.std()


def test_int8_is_unpacked_or_refused(
    checkpoint: Path, exported: Path, int8: Path, tmp_path: Path
) -> None:
    """Shared weights and weights that nodes compute have no names left: the file is refused."""
    folder = Path(shutil.copytree(exported, tmp_path / "int8"))
    shutil.copy(int8, folder / "model.onnx")
    try:
        out = unpack(folder, tmp_path / "out")
    except ModelError:
        assert not (tmp_path / "out").exists()
        return
    exact = load_file(checkpoint / "model.safetensors")
    for name, tensor in load_file(out / "model.safetensors").items():
        torch.testing.assert_close(
            tensor, exact[name], rtol=0, atol=0.01 * tensor.abs().max().item()
        )


def test_int8_takes_every_linear_layer_and_the_embeddings(family: Family, int8: Path) -> None:
    graph = onnx.load(int8).graph
    assert Counter(node.op_type for node in graph.node)["MatMulIntegerToFloat"] == family.products
    weights = {tensor.name: tensor for tensor in graph.initializer}
    exact = [node.input[1] for node in graph.node if node.op_type in ("MatMul", "Gemm")]
    # of the weights, those of the last layer alone stay as they were: (96, 2)
    assert [weights[name].dims[1] for name in exact if name in weights] == [2]
    tables = [tensor for tensor in graph.initializer if VOCABULARY in tensor.dims]
    assert {(tensor.data_type, tensor.dims[1]) for tensor in tables} == {
        (onnx.TensorProto.INT8, getattr(family.config, "embedding_size", 96)),
        (onnx.TensorProto.FLOAT, 1),  # the scales
    }


pieces = st.sampled_from(
    [
        *"aéß .,\n\t\u00a0\u200b\u3000東京🇫🇷👍🏽",
        "e\u0301",
        "👩‍👩‍👧",
        "Prague",
        " the ",
        "  ",
        "1357",
        "``",
    ]
)


@settings(max_examples=25, deadline=None)
@given(context=st.lists(pieces, max_size=80).map("".join))
def test_every_answer_is_a_quote(reader: Reader, context: str) -> None:
    prediction = reader.answer("Where is Prague?", context, top_k=CONFIG.n_best_size)
    for answer in prediction.answers:
        assert answer.text
        assert context[answer.start : answer.end] == answer.text == answer.text.strip()


def all_windows(reader: Reader) -> list[Window]:
    return [
        window
        for example in EXAMPLES
        for window in reader.encoder.windows(example.question, example.context)
    ]
