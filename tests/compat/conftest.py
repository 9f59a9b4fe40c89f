"""A checkpoint with random weights, saved by transformers."""

from __future__ import annotations

from pathlib import Path

import pytest
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing


@pytest.fixture
def hf_checkpoint(tmp_path: Path, wordpiece: Tokenizer) -> Path:
    """A BERT of 2 layers with a fast tokenizer, saved by transformers."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=wordpiece.get_vocab_size(),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=512,
    )
    model = transformers.BertForQuestionAnswering(config)
    with torch.no_grad():
        model.qa_outputs.weight.mul_(30)
    model.save_pretrained(tmp_path / "checkpoint")
    copy = Tokenizer.from_str(wordpiece.to_str())
    ids = [(token, wordpiece.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    copy.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ids
    )
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=copy,
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        unk_token="[UNK]",
        model_max_length=512,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )
    tokenizer.save_pretrained(tmp_path / "checkpoint")
    return tmp_path / "checkpoint"
