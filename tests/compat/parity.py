"""Compares pullquote with transformers 4.57.6 on new random calls.

    python tests/compat/parity.py --hf4-python .hf4/bin/python --checkpoint build/small-hf

With `scoring="hf4"`, no difference is allowed; with the default, only the scores of contexts with
several windows may differ. Prints the seed, to repeat a run.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import warnings
from pathlib import Path

from cases import drawn, invoke
from compare import difference, flat
from make_golden import ask, random_bert, random_roberta

from pullquote import QuestionAnsweringPipeline
from pullquote.compat.squad import SquadExample
from pullquote.reading.backends import Backend
from pullquote.types import Batch, Logits


def main() -> None:
    """Compare the results of three checkpoints."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hf4-python", required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}, {arguments.count} cases")
    unexplained = 0
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = {
            "minilm": arguments.checkpoint,
            "random": random_bert(Path(folder, "random"), arguments.checkpoint),
            "bytelevel": random_roberta(Path(folder, "bytelevel")),
        }
        for number, (name, checkpoint) in enumerate(checkpoints.items()):
            count = arguments.count // 3 + (number < arguments.count % 3)
            cases = drawn(arguments.seed + number, count)
            said = ask(arguments.hf4_python, checkpoint, cases, Path(folder), logits=False)["said"]
            for scoring in ("hf4", "pullquote"):
                pipe = QuestionAnsweringPipeline(checkpoint, scoring=scoring)
                found = compare(pipe, cases, said, scoring)
                unexplained += len(found)
                print(f"{name}, {scoring}: {count} cases, {len(found)} differ without a reason")
                for case, reason in found[:5]:
                    print(f"  {json.dumps(case, ensure_ascii=False)}\n    {reason}")
    sys.exit(1 if unexplained else 0)


class Counted:
    """A backend that counts windows."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self.windows = 0
        self.workers, self.batch_tokens = backend.workers, backend.batch_tokens

    def __call__(self, batch: Batch, *, alone: bool = True) -> Logits:
        """Count and pass on."""
        self.windows += len(batch.input_ids)
        return self.backend(batch, alone=alone)


def compare(
    pipe: QuestionAnsweringPipeline,
    cases: list[dict[str, object]],
    said: list[dict[str, object]],
    scoring: str,
) -> list[tuple[dict[str, object], str]]:
    """The cases that differ, each with a description."""
    wrong = []
    counted = pipe.backend = Counted(pipe.backend)
    for case, theirs in zip(cases, said, strict=True):
        windows = 0
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                before = counted.windows
                ours = invoke(pipe, case, SquadExample)
                windows = counted.windows - before
        except Exception as error:  # noqa: BLE001 - what is raised is the result
            kinds = [kind.__name__ for kind in type(error).__mro__]
            if theirs.get("error") not in (*kinds, "Exception", "PanicException"):
                wrong.append((case, f"raised {error!r}, not {theirs.get('error')}"))
            continue
        if "error" in theirs and (case["form"] == "example" or scoring == "pullquote"):
            continue  # a SquadExample that is not in a list is taken here, and more by default
        if (
            "result" in theirs
            and scoring == "pullquote"
            and windows > len(flat(theirs["result"], case["form"]))
        ):
            continue  # scores over several windows are fixed
        if "error" in theirs:
            wrong.append((case, f"4.57.6 raised {theirs['error']}"))
        elif reason := difference(theirs["result"], ours, case["form"], exact=scoring == "hf4"):
            wrong.append((case, reason))
    return wrong


if __name__ == "__main__":
    main()
