"""The figures in the README and in docs are those of the results files that they come from."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from statistics import median
from typing import Any

import pytest

from pullquote.checking.check import NEAR
from pullquote.scoring.bootstrap import LEVEL
from pullquote.scoring.operating_points import TOLERANCE
from pullquote.searching import pool
from pullquote.searching.engines import tantivy_process
from pullquote.searching.search import Ranking
from pullquote.serving import protocol
from pullquote.serving.memory import MAX_QUOTED_BYTES
from pullquote.serving.settings import Settings

ROOT = Path(__file__).parent.parent
GENERATED = ("api.md", "cli.md", "http.md")
PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    if path.name not in GENERATED
}
README = PAGES["README.md"]
MODELS = ROOT / "src" / "pullquote" / "models"
sys.path.append(str(ROOT / "benchmarks"))

import batch_cost  # noqa: E402

# a number, and what makes it a measurement
MEASURED = re.compile(
    r"(?<![\w.,-])(?:\d[\d,]*(?:\.\d+)?|\.\d+)(?:[ -]?%|[ -]?×|[ -](?:(?:ms|[KMGT]i?B|kB|s|min|h"
    r"|times|points|seconds?|minutes?|hours?)\b|[a-z]+ a second\b))"
)
COSTS = re.compile(r"\| \| core hours \|(?:.*\|\n)+")  # the table of docs/scale.md
NUMBER = re.compile(r"(?<![\w.-])\d[\d,]*(?:\.\d+)?(?![\w]|\.\d|-)")


def results(name: str) -> Any:
    return json.loads((ROOT / "benchmarks" / "results" / name).read_text(encoding="utf-8"))


DEV = results("2026-11-27-dev.json")["evaluations"]
RUN = results("2026-11-27-intel-r-xeon-r-processor-2-cpu.json")
SPEED = RUN["models"]
PEOPLE = results("2026-11-27-people-test.json")["models"]
SERVING = results("2026-11-27-serve-intel-r-xeon-r-processor-2-cpu.json")["models"]
BATCH = results("2026-11-27-batch.json")["runs"]
CHECK = results("2026-11-27-check-squad.json")
HIGHLIGHT = results("2026-11-27-highlight-test.json")
PRUNE = results("2026-11-27-prune-dev.json")
SHAPES = results("shapes/2026-11-27-intel-r-xeon-r-processor-2-cpu.json")["models"]
DOCS = {name: one["value"] for name, one in results("2026-11-27-docs.json")["figures"].items()}


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


def rates(shape: str) -> list[float]:
    """Of the shape of a model: pullquote's questions a second, and transformers'."""
    rows = (SHAPES[shape][side]["rows"] for side in ("pullquote", "transformers"))
    return [median(row["questions/s, list shuffled"]) for row in rows]


def served(model: str, processes: str = "") -> list[float]:
    """A row of the table of docs/serving.md."""
    rounds = SERVING[model][f"gathered{processes}"]
    keys = ("per_second", "p50_ms", "p99_ms", "single_p50_ms", "cpu_ms", "rss_mib")
    return [median(one[key] for one in rounds) for key in keys]


def significant(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")


def folder_bytes(model: str) -> int:
    return sum(path.stat().st_size for path in (MODELS / model).iterdir())


def decided(model: str) -> list[float]:
    """The questions that a model's own share was chosen on, and those without an answer."""
    told = re.search(r"over (\d+) questions, (\d+) of them answerable", PEOPLE[model]["decision"])
    assert told
    return [float(told[1]), float(told[1]) - float(told[2])]


MADE = ("quotes", "right", "offsets exact", "found")
TINY, SMALL = batch_cost.rate("tiny"), batch_cost.rate("small")
READING = batch_cost.rate("tiny", "reading")
LONG = "tiny, tokens/s of a long run, "
GAINS = [
    value - DOCS["balanced F1 without made questions"]
    for value in DOCS["balanced F1 with unanswerable questions of one kind"].values()
]
MORE = ", a process for each core"
SERVED = r" \| # \| #, # ms \| # ms \| # ms \| # MiB"
OWN, OTHER = ("wording", "own"), ("wording", "paraphrase")
_CELLS = r"\| #{0} \| #{0} \| # × \| #{0} \| #{0} \| # × \|"
_RATES = r" \| # / # \|"
IN_README: list[tuple[str, list[float]]] = [
    # what it says, with a number for each "#", and what the results have
    (
        r"\*\*pullquote `tiny`\*\*, 2 layers \| # \| \*\*#\*\* \| \*\*#\*\* \| # / # / # %"
        + _RATES,
        [*quality("tiny"), *rates("tiny")],
    ),
    (
        r"\*\*pullquote `small`\*\*, 6 layers \| # \| \*\*#\*\* \| \*\*#\*\* \| # / # / # %"
        + _RATES,
        [*quality("small"), *rates("small")],
    ),
    *(
        (rf"{name}.*\|" + _RATES, rates(shape))
        for name, shape in (
            ("minilm-uncased-squad2", "minilm-l12"),
            ("distilbert-base-cased-distilled-squad", "distilbert-base"),
            ("roberta-base-squad2, as", "roberta-base"),
        )
    ),
    (r"best five for # % of people's", [share("small", "right among five")]),
    (r"reads the same weights in fp32: # questions of dev", [RUN["questions"]]),
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
IN_DOCS: list[tuple[str, str, list[float]]] = [
    # the page, too
    ("check", r"at least # % of its words", [100 * NEAR]),
    (
        "check",
        r"Of # quotes made by seed[^,]*, each looked for in 200,000 characters, # have the right "
        r"verdict, and # of the # found ones exact offsets, in # ms",
        [*(CHECK["made"][key] for key in MADE), CHECK["made"]["ms"]["median"]],
    ),
    (
        "check",
        r"of # written blind, as people misquote, #\.",
        [CHECK["blind"]["quotes"], CHECK["blind"]["right"]],
    ),
    (
        "check",
        r"In an index of # passages, # quotes of 25 words, half of them with a changed word, take "
        r"# ms \(median; 95 % of them at most #\)",
        [CHECK["index"][key] for key in ("passages", "quotes")]
        + [CHECK["index"]["ms"][key] for key in ("median", "95 %")],
    ),
    ("concepts", r"(?s)The plot is of # questions.{,150}, #\s+of\s+them without", decided("small")),
    ("concepts", r"are within # %", [100 * TOLERANCE]),
    ("concepts", r"counts # times for the quotes there", [Ranking().again]),
    ("concepts", r"to the power of #:", [Ranking().independence]),
    ("evaluation", r"The # % intervals", [100 * LEVEL]),
    (
        "folders",
        r"passages \(# to # ms for 50,000 rows\)",
        [DOCS[f"filter by a column, {which} ms for 50,000 rows"] for which in ("least", "most")],
    ),
    (
        "folders",
        r"in 4 bits, # MB; English",
        [(MODELS / "text-encoder" / "packed.safetensors").stat().st_size / 1e6],
    ),
    (
        "folders",
        r"lxml \(BSD-3-Clause, # MB\), pypdfium2 \(Apache-2\.0 or\s+BSD-3-Clause, # MB\), "
        r"charset-normalizer \(MIT, # MB\), xlrd \(BSD-3-Clause, # MB\)",
        [DOCS[f"{name}, MB"] for name in ("lxml", "pypdfium2", "charset-normalizer", "xlrd")],
    ),
    (
        "folders",
        r"take # seconds of processor time, # more for each MiB of its file, and # GiB of memory",
        [pool.SECONDS, pool.SECONDS_PER_MIB, pool.MEMORY / 2**30],
    ),
    (
        "folders",
        r"A call\s+may take # seconds of processor time, # more for each MiB of the files, and "
        r"# GiB of memory more than these",
        [
            tantivy_process.SECONDS,
            tantivy_process.SECONDS_PER_MIB,
            tantivy_process.MEMORY / 2**30,
        ],
    ),
    (
        "highlight",
        r"# % are found, and # % of what is marked is right; with `--least 20%` it is # % and # %",
        [
            100 * HIGHLIGHT[f"highlight, least {least}"][key]
            for least in (0.3, 0.2)
            for key in ("recall", "precision")
        ],
    ),
    (
        "highlight",
        r"\(ECE\) of # over those of questions with several answers, and of # over all",
        [HIGHLIGHT[f"scores, {kind}"]["ece"] for kind in ("several", "all")],
    ),
    (
        "highlight",
        r"With 0\.95, # % of the words are removed and # % of the answers kept",
        [100 * PRUNE["keep 0.95"][key]["value"] for key in ("removed", "kept")],
    ),
    (
        "models",
        r"layers in 7 \| # MiB, of which weights # \| # %",
        [folder_bytes("small") / 2**20, mib("small"), 100 * DEV["small, its own"]["answerable"]],
    ),
    (
        "models",
        r"and int8 \| # MiB, of which int8 # \| # %",
        [folder_bytes("tiny") / 2**20, mib("tiny"), 100 * DEV["tiny, its own"]["answerable"]],
    ),
    (
        "models",
        r"4 bits \(# MiB\)",
        [(MODELS / "text-encoder" / "packed.safetensors").stat().st_size / 2**20],
    ),
    ("models", r"within # % of the questions", [100 * TOLERANCE]),
    ("scale", r"\(some # thousand rows a second\)", [READING / 1000]),
    ("scale", r"`tiny` answers # questions a second and core [^,]*, `small` #\.", [TINY, SMALL]),
    ("scale", r"its model is within # % of the runs", [100 * batch_cost.worst()]),
    ("scale", r"The # ms of\s+an index are parts", [1000 * batch_cost.OF_A_MILLION]),
    ("scale", r"with # s of start-up", [batch_cost.START]),
    ("scale", r"A core costs # an hour here", [batch_cost.PRICE]),
    (
        "scale",
        r"in a constant # MiB",
        [significant(max(one["reader_mib"] for one in BATCH if one["engine"] == "local"), 2)],
    ),
    (
        "scale",
        r"ten million questions for `tiny` \(# hours a core\) and a million for `small` \(#\)",
        [1e7 / TINY / 3600, 1e6 / SMALL / 3600],
    ),
    (
        "scale",
        r"by one task, # thousand rows a second: it feeds # cores with `tiny`, # with `small`",
        [READING / 1000, READING / TINY, READING / SMALL],
    ),
    (
        "scale",
        r"takes # ms a question at 100,000 passages; \*\*tantivy\*\* # ms at a million\. "
        r"[^,]*, # ms a million",
        [
            DOCS["FTS5, ms a question at 112,148 passages"],
            DOCS["tantivy, ms a question at 1,129,828 passages"],
            DOCS["vectors, ms a question of a million"],
        ],
    ),
    ("serving", r"\| `tiny`" + SERVED, served("tiny")),
    (
        "serving",
        r"`tiny --workers 2 --threads 1`" + SERVED,
        served("tiny", MORE := ", a process for each core"),
    ),
    ("serving", r"\| `small`" + SERVED, served("small")),
    ("serving", r"`small --workers 2 --threads 1`" + SERVED, served("small", MORE)),
    ("serving", r"\| # MiB, with 100 for each quote", [MAX_QUOTED_BYTES / 2**20]),
    (
        "serving",
        r"\| # KiB, # seconds \| 431",
        [protocol.MAX_HEAD_BYTES / 1024, protocol.HEAD_TIMEOUT],
    ),
    (
        "serving",
        r"\| # KiB in # seconds, or all",
        [protocol.LEAST_READ / 1024, protocol.READ_TIMEOUT],
    ),
    ("serving", r"together \| # MiB \| the connection", [protocol.MAX_UNREAD_BYTES / 2**20]),
    (
        "serving",
        r"# times `--max-body` and # MiB more for what arrives, is open\s+and is not read: # MiB",
        [
            64 + 32,
            protocol.MAX_UNREAD_BYTES / 2**20,
            (96 * Settings().max_body + protocol.MAX_UNREAD_BYTES) / 2**20,
        ],
    ),
    ("serving", r"may have # GiB more", [pool.MEMORY / 2**30]),
    (
        "training",
        r"from # to # tokens a second",
        [DOCS[LONG + "at first"], DOCS[LONG + "after twenty minutes"]],
    ),
    (
        "training",
        r"reads # tokens a second on an H200 with\s+`micro_tokens = 16384`, and # with 65536",
        [DOCS[f"small, tokens/s with {tokens} a micro-batch"] for tokens in ("16,384", "65,536")],
    ),
    ("training", r"gain # to # points of balanced F1", [min(GAINS), max(GAINS)]),
]
CLAIMS = [
    *(("README.md", claim, values) for claim, values in IN_README),
    *((f"docs/{page}.md", claim, values) for page, claim, values in IN_DOCS),
]
# What looks like a measurement and is none: settings, examples, what follows from a definition. By
# the page, in the words around it.
SETTINGS = {
    "concepts": ["100 % answers whenever", '"No answer (82 %)"', "40 % that there is none"],
    "evaluation": ["which 80, 90 or 95 % are correct", "80, 90 and 95 % are correct"],
    "fill": ["Below `--low` (50 %)"],
    "folders": ["at least 1 %", "much to read (8 MiB)"],
    "models": ["at least 2 ×", "answer the 80 % with"],
    "scale": ["30 s of a cluster", "An answer of more than 32 MiB"],
    "serving": ["64 times", "32 times", "at most about 100 MiB", "(3 MiB for each process)"],
    "training": ["less than 1 % is padding"],
}
# Of others, as their cards and papers have them; of SQuAD itself; and the settings of the runs: a
# line of README, by its beginning, and its numbers that are in no results file.
PUBLISHED = {
    "On SQuAD 2.0 dev (": ["2.0", "11,873", "50", "251"],
    "[as people ask them](": ["70"],
    '| always "no answer" |': ["0", "50.07", "50.07", "0", "0"],
    "| bert-tiny-finetuned-squadv2, as published |": ["16.74", "48.60", "49.73"],
    "| **pullquote `tiny`**, 2 layers |": ["2"],
    "| **pullquote `small`**, 6 layers |": ["6"],
    "| bert-tiny-5-finetuned-squadv2 (": ["12", "24.34", "57.12", "60.86"],
    "| MiniLM of `small`'s shape, as published |": ["86", "72.7"],
    "| minilm-uncased-squad2 (": ["12", "127", "76.13", "79.50"],
    "| distilbert-base-cased-distilled-squad (": ["1.1", "249"],
    "| roberta-base-squad2, as published |": ["473", "79.87", "82.91"],
    "| human |": ["86.3", "89.0"],
    "each, at the pipeline's best batch size (": ["2", "0"],
}


def found(page: str, claim: str) -> re.Match[str]:
    match = re.search(claim.replace("#", r"([\d.,]*\d)"), PAGES[page])
    assert match, f"{page} has nothing like {claim}"
    return match


@pytest.mark.parametrize(("page", "claim", "values"), CLAIMS, ids=lambda value: str(value)[:30])
def test_a_figure_is_that_of_the_results(page: str, claim: str, values: list[float]) -> None:
    told = [number.replace(",", "") for number in found(page, claim).groups()]
    digits = [len(number.partition(".")[2]) for number in told]
    assert [float(number) for number in told] == [
        round(value, places) for value, places in zip(values, digits, strict=True)
    ]


def test_what_batches_cost_is_what_the_script_counts() -> None:
    (table,) = COSTS.findall(PAGES["docs/scale.md"])
    assert table.splitlines() == list(batch_cost.table())


def test_every_figure_of_how_good_and_how_fast_comes_from_somewhere() -> None:
    start = README.index("## How good")
    end = README.index("\n## ", README.index("## How fast"))
    claimed = {
        at
        for page, claim, _ in CLAIMS
        if page == "README.md"
        for group in range(1, found(page, claim).re.groups + 1)
        for at in range(*found(page, claim).span(group))
    }
    unclaimed: dict[str, list[str]] = {}
    for number in NUMBER.finditer(README, start, end):
        if number.start() not in claimed:
            line = README[README.rindex("\n", 0, number.start()) + 1 :].partition("\n")[0]
            unclaimed.setdefault(line, []).append(number[0])
    known = {
        line: next((PUBLISHED[begin] for begin in PUBLISHED if line.startswith(begin)), [])
        for line in unclaimed
    }
    assert unclaimed == known
    assert len(unclaimed) == len(PUBLISHED)


@pytest.mark.parametrize("page", [page for page in PAGES if page.startswith("docs/")])
def test_every_measurement_of_the_docs_comes_from_somewhere(page: str) -> None:
    claimed = [found(of, claim).span() for of, claim, _ in CLAIMS if of == page]
    claimed += [match.span() for match in COSTS.finditer(PAGES[page])]
    for words in SETTINGS.get(Path(page).stem, ()):
        start = PAGES[page].index(words)
        claimed.append((start, start + len(words)))
    code = [match.span() for match in re.finditer(r"(?ms)^```.*?^```|`[^`\n]+`", PAGES[page])]
    unclaimed = {
        number[0]
        for number in MEASURED.finditer(PAGES[page])
        if not any(low <= number.start() < high for low, high in claimed + code)
    }
    assert unclaimed == set()
