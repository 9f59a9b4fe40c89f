"""pullquote run-squad: run_squad.py's flags and files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from pullquote.cli.console import ensure_writable, progress_bar
from pullquote.errors import OutputError

_EVALUATION: tuple[tuple[str, dict[str, Any]], ...] = (
    ("--model_type", {"help": "Taken and not needed: config.json says it."}),
    ("--model_name_or_path", {"required": True, "help": "Bundled name, directory or hub id."}),
    ("--output_dir", {"required": True, "help": "Where the files go."}),
    ("--data_dir", {"help": "Where dev-v2.0.json (or dev-v1.1.json) is."}),
    ("--train_file", {"help": "The data to train on, instead of the official name."}),
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
_UNNEEDED = "Taken and not needed"
_TRAINING: tuple[tuple[str, dict[str, Any]], ...] = (
    ("--per_gpu_train_batch_size", {"type": int, "default": 8, "help": "Windows of a batch."}),
    ("--learning_rate", {"type": float, "default": 5e-5, "help": "Peak rate of AdamW."}),
    ("--gradient_accumulation_steps", {"type": int, "default": 1, "help": "Batches of a step."}),
    ("--weight_decay", {"type": float, "default": 0.0, "help": "Of matrices."}),
    ("--adam_epsilon", {"type": float, "default": 1e-8, "help": "AdamW's epsilon."}),
    ("--max_grad_norm", {"type": float, "default": 1.0, "help": "Gradients are clipped to it."}),
    ("--num_train_epochs", {"type": float, "default": 3.0, "help": "Passes over the data."}),
    ("--max_steps", {"type": int, "default": -1, "help": "Instead of epochs, if above 0."}),
    ("--warmup_steps", {"type": int, "default": 0, "help": "Steps in which the rate rises."}),
    ("--seed", {"type": int, "default": 42, "help": "Of order, head and dropout."}),
    ("--logging_steps", {"type": int, "default": 500, "help": f"{_UNNEEDED}: every 10 seconds."}),
    ("--save_steps", {"type": int, "default": 500, "help": f"{_UNNEEDED}: every 5 minutes."}),
    ("--local_rank", {"type": int, "default": -1, "help": f"{_UNNEEDED}: accelerate says it."}),
    ("--fp16_opt_level", {"default": "O1", "help": f"{_UNNEEDED}."}),
    ("--server_ip", {"default": "", "help": f"{_UNNEEDED}."}),
    ("--server_port", {"default": "", "help": f"{_UNNEEDED}."}),
)
_SWITCHES = (
    ("--version_2_with_negative", "Some questions have no answer."),
    ("--do_eval", "Answer the data, write the files, print the scores."),
    ("--do_train", "Train on the data, before anything else."),
    ("--do_lower_case", "Taken and not needed: tokenizer.json says it."),
    ("--verbose_logging", "Taken and not needed."),
    ("--overwrite_cache", "Taken and not needed: nothing is cached."),
    ("--no_cuda", "Train and answer on the CPU, whatever --device says."),
    ("--evaluate_during_training", "Keep the checkpoint that is best on the data to answer."),
    ("--eval_all_checkpoints", "Taken and not needed: the best or last checkpoint is kept."),
    ("--overwrite_output_dir", "Replace the run in --output_dir."),
    ("--fp16", "Train in bf16 where the machine has it."),
)


def _flags(function: Callable[..., Any]) -> Callable[..., Any]:
    for name, text in reversed(_SWITCHES):
        function = click.option(name, is_flag=True, help=text)(function)
    for name, settings in reversed(_TRAINING):
        function = click.option(name, show_default=True, **settings)(function)
    for name, settings in reversed(_EVALUATION):
        function = click.option(name, show_default="default" in settings, **settings)(function)
    return function


@click.command(
    "run-squad",
    epilog="""Examples:

\b
  pullquote run-squad --model_name_or_path small --do_eval --data_dir data --output_dir out
  pullquote run-squad --model_name_or_path ./bert --do_train --data_dir data --output_dir out
""",
)
@_flags
@click.option("--device", default="cpu", show_default=True, help="Where answering runs.")
def command(**flags: Any) -> None:
    """Take run_squad.py's flags and write its files: predictions_.json and the others.

    Its --doc_stride is a step, not an overlap. What is compared with it stands in
    docs/from-run-squad.md.
    """
    from pullquote.compat.run_squad import SquadSettings, evaluate_squad

    if not (flags["do_train"] or flags["do_eval"]):
        raise click.UsageError("nothing to do; give --do_train or --do_eval.")
    predict_file = _file(flags, "predict_file", "dev")
    if flags["do_train"]:
        if not _train(flags, predict_file):
            return  # only the main process answers
        # absolute, so that it is not taken for a bundled model
        flags["model_name_or_path"] = str(Path(flags["output_dir"]).resolve())
    if not flags["do_eval"]:
        return
    if flags["no_cuda"]:
        flags["device"] = "cpu"
    ensure_writable(Path(flags["output_dir"]) / "predictions_.json")
    names = (
        *("model_name_or_path", "output_dir", "version_2_with_negative", "device", "threads"),
        *("null_score_diff_threshold", "max_seq_length", "doc_stride", "max_query_length"),
        *("max_answer_length", "n_best_size", "tokenizer_name"),
    )
    settings = SquadSettings(predict_file=predict_file, **{name: flags[name] for name in names})
    with progress_bar("answering") as progress:
        results, paths = evaluate_squad(settings, progress=progress)
    for path in paths:
        click.echo(path)
    click.echo(f"Results: {results}")


def _file(flags: dict[str, Any], flag: str, official: str) -> str:
    """The named data file, or the official one in --data_dir."""
    name: str | None = flags[flag]
    if name and not flags["data_dir"]:
        return name
    version = "v2.0" if flags["version_2_with_negative"] else "v1.1"
    return str(Path(flags["data_dir"] or ".") / (name or f"{official}-{version}.json"))


def _train(flags: dict[str, Any], predict_file: str) -> bool:
    """Train, and return whether this is the main process, which goes on."""
    from pullquote.cli.train import run
    from pullquote.compat.run_squad import SquadTraining, squad_recipe

    if flags["tokenizer_name"]:
        raise click.UsageError("--tokenizer_name is for answering; --do_train takes the model's.")
    out = Path(flags["output_dir"])
    overwrite = flags["overwrite_output_dir"]
    if out.is_dir() and any(out.iterdir()) and not overwrite:
        raise OutputError(
            f"{out}: already exists and is not empty; use --overwrite_output_dir to replace the "
            "run in it"
        )
    names = (
        *("model_name_or_path", "max_seq_length", "doc_stride", "max_query_length", "fp16"),
        *("max_answer_length", "per_gpu_train_batch_size", "gradient_accumulation_steps", "seed"),
        *("learning_rate", "weight_decay", "adam_epsilon", "max_grad_norm", "num_train_epochs"),
        *("max_steps", "warmup_steps"),
    )
    recipe = squad_recipe(
        SquadTraining(
            train_file=_file(flags, "train_file", "train"),
            evaluate_on=predict_file if flags["evaluate_during_training"] else "",
            **{name: flags[name] for name in names},
        )
    )
    return run(recipe, str(out), overwrite=overwrite, cpu=flags["no_cuda"]).main
