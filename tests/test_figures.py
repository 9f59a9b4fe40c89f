"""The figures in the README are those of the results files that they come from."""

from __future__ import annotations

import json
import re
from pathlib import Path
from statistics import median
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MODELS = ROOT / "src" / "pullquote" / "models"
NUMBER = re.compile(r"(?<![\w.-])\d[\d,]*(?:\.\d+)?(?![\w]|\.\d|-)")


def results(name: str) -> Any:
    return json.loads((ROOT / "benchmarks" / "results" / name).read_text(encoding="utf-8"))


DEV = results("2026-11-27-dev.json")["evaluations"]
SPEED = results("2026-11-27-intel-r-xeon-r-processor-2-cpu.json")["models"]
PEOPLE = results("2026-11-27-people-test.json")["models"]


def share(model: str, which: str, *group: str) -> float:
    found = PEOPLE[model]["single texts"] if not group else PEOPLE[model]["groups"]
    for key in group:
        found = found[key]
    return float(found["shares"][which]["value"])


def mib(model: str) -> float:
    return (MODELS / model / "packed.safetensors").stat().st_size / 2**20


def quality(model: str) -> list[float]:
    return [
        *(mib(model), DEV[f"{model}, 50 %"]["exact"], DEV[f"{model}, 50 %"]["f1"]),
        *(
            share(model, which)
            for which in ("answered, right", "answered, wrong", "best quote right")
        ),
    ]


def speed(label: str) -> list[float]:
    """Of a row of the table, `small` before `tiny`: transformers, pullquote, the ratio."""
    found = []
    for model in ("small", "tiny"):
        sides = (SPEED[model][side]["rows"][label] for side in ("transformers", "pullquote"))
        theirs, ours = map(median, sides)
        found += [theirs, ours, ours / theirs]
    return found


OWN, OTHER = ("wording", "own"), ("wording", "paraphrase")
_CELLS = r"\| #{0} \| #{0} \| # × \| #{0} \| #{0} \| # × \|"
CLAIMS: list[tuple[str, list[float]]] = [
    # what the README says, with a number for each "#", and what the results have
    (
        r"\*\*pullquote `tiny`\*\*, 2 layers \| # \| \*\*#\*\* \| \*\*#\*\* \| # / # / # %",
        quality("tiny"),
    ),
    (
        r"\*\*pullquote `small`\*\*, 6 layers \| # \| \*\*#\*\* \| \*\*#\*\* \| # / # / # %",
        quality("small"),
    ),
    (r"best five for # % of people's", [share("small", "right among five")]),
    (
        r"it answers # % rightly and # % wrongly, and # % and # % where they\s+share no word",
        [
            share("small", f"answered, {how}", *words)
            for words in (OWN, OTHER)
            for how in ("right", "wrong")
        ],
    ),
    (
        r"\(ECE\) of # \(`small`\) and # \(`tiny`\) on SQuAD 2\.0 dev at `--answerable 50%`, "
        r"and of # \(`small`\)",
        [
            DEV["small, 50 %"]["trust"]["decisions"]["ece"],
            DEV["tiny, 50 %"]["trust"]["decisions"]["ece"],
            PEOPLE["small"]["single texts"]["calibration"]["decisions"]["ece"],
        ],
    ),
    (
        r"questions per second, a shuffled list " + _CELLS.format(""),
        speed("questions/s, list shuffled"),
    ),
    (
        r"order of the file, one context's after another, the factors are # and #\.",
        [speed("questions/s, list in file order")[at] for at in (2, 5)],
    ),
    (
        r"one question, median " + _CELLS.format(" ms"),
        speed("one by one, shuffled: median ms"),
    ),
    (
        r"process start to answer " + _CELLS.format(" s"),
        speed("fresh process, start to answer, s"),
    ),
    (
        r"its peak memory " + _CELLS.format(" MiB"),
        speed("peak memory of that process, MiB"),
    ),
    (
        r"where # % of the questions are expected\s+to have one \(# % for `tiny`\)",
        [100 * DEV[f"{model}, its own"]["answerable"] for model in ("small", "tiny")],
    ),
]
# Of others, as their cards and papers have them; of SQuAD itself; and the settings of the examples.
PUBLISHED = {"50.07", "48.60", "49.73", "16.74", "57.12", "60.86", "24.34", "72.7", "86", "76.13"}
PUBLISHED |= {"79.50", "127", "249", "79.87", "82.91", "473", "86.3", "89.0", "11,873", "251", "70"}
PUBLISHED |= {"0", "2.0", "1.1", "2", "6", "12", "50", "4.57", "4.57.6", "300"}


def found(claim: str) -> re.Match[str]:
    match = re.search(claim.replace("#", r"([\d.,]+)"), README)
    assert match, f"the README has nothing like {claim}"
    return match


@pytest.mark.parametrize(("claim", "values"), CLAIMS, ids=lambda value: str(value)[:30])
def test_a_figure_is_that_of_the_results(claim: str, values: list[float]) -> None:
    told = [number.replace(",", "") for number in found(claim).groups()]
    digits = [len(number.partition(".")[2]) for number in told]
    assert [float(number) for number in told] == [
        round(value, places) for value, places in zip(values, digits, strict=True)
    ]


def test_every_figure_of_how_good_and_how_fast_comes_from_somewhere() -> None:
    start = README.index("## How good")
    end = README.index("\n## ", README.index("## How fast"))
    claimed = [found(claim).span() for claim, _ in CLAIMS]
    unclaimed = [
        number[0]
        for number in NUMBER.finditer(README, start, end)
        if not any(low <= number.start() < high for low, high in claimed)
    ]
    assert set(unclaimed) <= PUBLISHED
