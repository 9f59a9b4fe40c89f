"""pullquote run-squad: run_squad.py's flags and files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pullquote.cli.console import ensure_writable, progress

_EVALUATION: tuple[tuple[str, dict[str, Any]], ...] = (
    ("--model_type", {"help": "Taken and not needed: config.json says it."}),
    ("--model_name_or_path", {"required": True, "help": "Bundled name, directory or hub id."}),
    ("--output_dir", {"required": True, "help": "Where the files go."}),
    ("--data_dir", {"help": "Where dev-v2.0.json (or dev-v1.1.json) is."}),
    ("--train_file", {"help": "For training."}),
    ("--predict_file", {"help": "The data to answer, instead of the official name."}),
    ("--config_name", {"help": "Taken and not needed: the model's own is read."}),
    ("--tokenizer_name", {"help": "Another tokenizer than the model's."}),
    ("--cache_dir", {"help": "Taken and not needed: huggingface_hub has its own."}),
    ("--lang_id", {"type": int, "default": 0, "help": "Taken and not needed: for XLM."}),
    ("--threads", {"type": int, "help": "Threads at work [default: all cores]."}),
    ("--null_score_diff_threshold", {"type": float, "default": 0.0, "help": "Abstain above it."}),
    ("--max_seq_length", {"type": int, "default": 384, "help": "Tokens of a window."}),
    ("--doc_stride", {"type": int, "default": 128, "help": "Tokens between windows' starts."}),
    ("--max_query_length", {"type": int, "default": 64, "help": "Tokens of a question."}),
    ("--max_answer_length", {"type": int, "default": 30, "help": "Tokens of an answer."}),
    ("--n_best_size", {"type": int, "default": 20, "help": "Answers in the n-best file."}),
    ("--per_gpu_eval_batch_size", {"type": int, "default": 8, "help": "Taken and not needed."}),
)
_TRAINING: tuple[tuple[str, dict[str, Any]], ...] = (
    ("--per_gpu_train_batch_size", {"type": int, "default": 8}),
    ("--learning_rate", {"type": float, "default": 5e-5}),
    ("--gradient_accumulation_steps", {"type": int, "default": 1}),
    ("--weight_decay", {"type": float, "default": 0.0}),
    ("--adam_epsilon", {"type": float, "default": 1e-8}),
    ("--max_grad_norm", {"type": float, "default": 1.0}),
    ("--num_train_epochs", {"type": float, "default": 3.0}),
    ("--max_steps", {"type": int, "default": -1}),
    ("--warmup_steps", {"type": int, "default": 0}),
    ("--logging_steps", {"type": int, "default": 500}),
    ("--save_steps", {"type": int, "default": 500}),
    ("--seed", {"type": int, "default": 42}),
    ("--local_rank", {"type": int, "default": -1}),
    ("--fp16_opt_level", {"default": "O1"}),
    ("--server_ip", {"default": ""}),
    ("--server_port", {"default": ""}),
)
_SWITCHES = (
    ("--version_2_with_negative", "Some questions have no answer."),
    ("--do_eval", "Answer the data, write the files, print the scores."),
    ("--do_train", "Not here yet: answered with a message."),
    ("--do_lower_case", "Taken and not needed: tokenizer.json says it."),
    ("--verbose_logging", "Taken and not needed."),
    ("--overwrite_cache", "Taken and not needed: nothing is cached."),
    ("--no_cuda", "Stay on the CPU, whatever --device says."),
    ("--evaluate_during_training", "For training."),
    ("--eval_all_checkpoints", "For training."),
    ("--overwrite_output_dir", "For training."),
    ("--fp16", "For training."),
)


def _flags(function: Callable[..., Any]) -> Callable[..., Any]:
    for name, text in reversed(_SWITCHES):
        function = click.option(name, is_flag=True, help=text)(function)
    for name, settings in reversed(_TRAINING):
        function = click.option(name, help="For training.", **settings)(function)
    for name, settings in reversed(_EVALUATION):
        function = click.option(name, show_default="default" in settings, **settings)(function)
    return function


@click.command(
    "run-squad",
    epilog="""Example:

\b
  pullquote run-squad --model_name_or_path small --do_eval --data_dir data --output_dir out
""",
)
@_flags
@click.option("--device", default="cpu", show_default=True, help="Where the model runs.")
def command(**flags: Any) -> None:
    """Take run_squad.py's flags and write its files: predictions_.json and the others.

    Its --doc_stride is a step, not an overlap. What is compared with it stands in
    docs/from-run-squad.md.
    """
    from pullquote.compat.run_squad import SquadSettings, evaluate_squad

    if flags["do_train"]:
        raise click.UsageError(
            "--do_train is not here yet: this version answers and scores (--do_eval). Train with "
            "transformers' Trainer, then export: pullquote export MODEL_DIR -o OUT"
        )
    if not flags["do_eval"]:
        raise click.UsageError("nothing to do; give --do_eval.")
    predict_file = flags["predict_file"]
    if flags["data_dir"] or not predict_file:
        official = "dev-v2.0.json" if flags["version_2_with_negative"] else "dev-v1.1.json"
        predict_file = str(Path(flags["data_dir"] or ".") / (predict_file or official))
    if flags["no_cuda"]:
        flags["device"] = "cpu"
    ensure_writable(Path(flags["output_dir"]) / "predictions_.json")
    names = (
        *("model_name_or_path", "output_dir", "version_2_with_negative", "device", "threads"),
        *("null_score_diff_threshold", "max_seq_length", "doc_stride", "max_query_length"),
        *("max_answer_length", "n_best_size", "tokenizer_name"),
    )
    settings = SquadSettings(predict_file=predict_file, **{name: flags[name] for name in names})
    results, paths = evaluate_squad(
        settings, progress=lambda items, total: progress(items, total, "answering")
    )
    for path in paths:
        click.echo(path)
    click.echo(f"Results: {results}")
