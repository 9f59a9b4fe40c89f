"""The evaluation report: one self-contained HTML page, and its figures as PNGs.

Knows an `Analysis`, not models. The page embeds its style and figures. Its content security policy
forbids scripts and requests, so text from the data set cannot run or load anything.

    write_report("report", analysis, model="small", data="dev-v2.0.json")
"""

from __future__ import annotations

import base64
import itertools
import os
from collections.abc import Iterable, Sequence
from html import escape
from pathlib import Path

import numpy as np

from pullquote.files import atomic_write
from pullquote.scoring.analysis import MISTAKES, OF_EACH_KIND, Analysis, Mistake
from pullquote.scoring.bootstrap import FEWEST, RESAMPLES, Estimate
from pullquote.scoring.calibration_metrics import (
    ACCURACIES,
    Outcomes,
    measure_calibration,
)
from pullquote.scoring.figures import (
    HISTOGRAMS,
    NAMES,
    PRECISION_RECALL,
    RELIABILITY,
    RISK_COVERAGE,
    WIDTH,
    Figure,
    draw,
)
from pullquote.scoring.slices import Slice
from pullquote.settings import Decision
from pullquote.types import Span

PAGE = "index.html"
FILES = (PAGE, *NAMES)
"""The names of all files that a report may have."""
_MAX_WHOLE = 1500
"""Texts up to this many characters are shown whole; of longer ones, excerpts around the answers."""
_EXCERPT_MARGIN = 400
"""Characters that an excerpt shows before and after an answer."""


def write_report(
    directory: str | os.PathLike[str], analysis: Analysis, *, model: str, data: str
) -> list[Path]:
    """Write `index.html` and its figures; `model` and `data` are named in the heading.

    Files of an older report are replaced, or removed where this one has no such figure; whatever
    else is in the folder stays. Raises `OutputError` and `MissingExtraError`.

    >>> from pullquote import Reader
    >>> from pullquote.data import load
    >>> from pullquote.reading.evaluate import evaluate
    >>> from pullquote.scoring.report import write_report
    >>> examples = load("held-out.json").examples  # doctest: +SKIP
    >>> reader = Reader()  # doctest: +SKIP
    >>> found = evaluate(reader, examples, top_k=reader.config.n_best_size)  # doctest: +SKIP
    >>> analysis = found.analyse(examples)  # doctest: +SKIP
    >>> page, *figures = write_report(
    ...     "report", analysis, model="small", data="held-out.json"
    ... )  # doctest: +SKIP
    """
    figures = draw(analysis)
    page = _page(analysis, figures, model, data)
    written = []
    for name, figure in figures.items():
        with atomic_write(Path(directory, name), "wb", links=False) as file:
            file.write(figure.png)
        written.append(Path(directory, name))
    for name in set(NAMES) - set(figures):
        Path(directory, name).unlink(missing_ok=True)
    with atomic_write(
        Path(directory, PAGE), links=False
    ) as file:  # last, after the figures it describes
        file.write(page)
    return [Path(directory, PAGE), *written]


def _page(analysis: Analysis, figures: dict[str, Figure], model: str, data: str) -> str:
    sections = [
        ("scores", "Scores", _scores(analysis)),
        ("trust", "Can the scores be trusted?", _trust(analysis, figures)),
        ("thresholds", "Over all thresholds", _thresholds(figures)),
        ("kinds", "Question types", _question_types(analysis)),
        ("mistakes", "Most confident errors", _mistakes(analysis)),
    ]
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    title = f"{escape(model)} on {escape(data)}"
    links = "\n".join(f'<li><a href="#{id}">{name}</a></li>' for id, name, _ in sections)
    body = "\n".join(
        f'<section aria-labelledby="{id}">\n<h2 id="{id}">{name}</h2>\n{content}\n</section>'
        for id, name, content in sections
        if content
    )
    abstains = _abstains(analysis.decision)
    total, paragraphs = analysis.scores["f1"].total, analysis.paragraphs
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
  content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<header>
<h1>{title}</h1>
<p class="soft">{total:,} questions on {paragraphs:,} paragraphs. The reader abstains when
{abstains}.</p>
<nav aria-label="Sections"><ul>
{links}
</ul></nav>
</header>
<main>
{body}
</main>
<footer>Intervals are 95 % bootstrap intervals: {RESAMPLES:,} resamples of whole paragraphs with all
their questions. Fewer than {FEWEST} paragraphs get none. They show the effect of other paragraphs
like these, not of other training runs. Written by pullquote.</footer>
</body>
</html>
"""


def _abstains(decision: Decision) -> str:
    """When a reader abstains."""
    if decision.threshold is not None:
        limit = f"{decision.threshold:.4g}".replace("-", "&minus;")
        return f"null logit minus best span logit exceeds {limit}"
    share = f"{100 * decision.answerable:.0f} %"
    return (
        "no answer is likelier than that its best quote is right, where "
        f"{share} of the questions are expected to have an answer"
    )


# ---- scores


def _scores(analysis: Analysis) -> str:
    scores = analysis.scores
    rows = []
    for name, prefix in (("all", ""), ("answerable", "HasAns_"), ("unanswerable", "NoAns_")):
        if f"{prefix}f1" not in scores:
            continue
        exact, f1 = scores[f"{prefix}exact"], scores[f"{prefix}f1"]
        rows.append([name, f"{f1.total:,}", _estimate(exact), _estimate(f1)])
    table = _table(["", "questions", "exact match", "F1"], rows)
    return (
        "<p>The official metrics of SQuAD 2.0, in percent, each with its 95 % interval.</p>\n"
        f'<div class="scores">\n{table}\n</div>\n'
        f"<p>Right choice between answering and abstaining: {_estimate(scores['avna'])} %.</p>"
    )


def _estimate(estimate: Estimate) -> str:
    """A number and its interval."""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} <small>{estimate.low:.1f}&ndash;{estimate.high:.1f}</small>"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str = "") -> str:
    """A table of HTML cells; the first cell of each row is its heading."""
    columns = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    lines = [
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{cell}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    ]
    title = f"<caption>{caption}</caption>\n" if caption else ""
    return (
        f"<table>\n{title}<thead><tr>{columns}</tr></thead>\n<tbody>\n"
        + "\n".join(lines)
        + "\n</tbody>\n</table>"
    )


# ---- calibration


def _trust(analysis: Analysis, figures: dict[str, Figure]) -> str:
    introduction = (
        "A score is meant as a probability: of the decisions with a score near 0.8, eight in ten "
        "should be right. "
    )
    if analysis.raw:
        introduction += "The raw softmax of the same logits is shown for comparison."
    else:
        introduction += (
            "These scores are the raw softmax of the logits and not calibrated; "
            "<code>pullquote calibrate</code> does that, on held-out data."
        )
    answerable = float(1 - np.mean(analysis.outcomes["no answer"].right))
    expected = analysis.decision.answerable
    if analysis.raw and abs(answerable - expected) > 0.1:
        introduction += (
            f" Calibrated scores expect {100 * expected:.4g} % of the questions to have an answer; "
            f"here it is {100 * answerable:.0f} %, which moves the curves away from the diagonal."
        )
    parts = []
    for name, outcomes in analysis.outcomes.items():
        raw = analysis.raw[name] if analysis.raw else None
        parts.append((name.capitalize(), RELIABILITY[name], _measures(outcomes, raw)))
    explanation = (
        "<p>Decisions are sorted by score, the highest first; AURC is the share of wrong "
        "decisions, averaged over all coverages.</p>"
    )
    parts.append(("Risk and coverage", RISK_COVERAGE, explanation))
    blocks = "\n".join(
        f"<div>\n<h3>{heading}</h3>\n{_figure(figures, name)}\n{below}\n</div>"
        for heading, name, below in parts
    )
    return f'<p>{introduction}</p>\n<div class="figures pairs">\n{blocks}\n</div>'


def _measures(outcomes: Outcomes, raw: Outcomes | None) -> str:
    """The table below a reliability diagram: a column for each of `outcomes` and `raw`."""
    columns = [
        measure_calibration(column.confidence, column.right) for column in (outcomes, raw) if column
    ]
    names = {
        "ece": '<abbr title="expected calibration error">ECE</abbr>',
        "macro_ce": '<abbr title="macro-averaged calibration error">MacroCE</abbr>',
        "brier": "Brier score",
        "aurc": '<abbr title="area under the risk-coverage curve">AURC</abbr>',
    }
    rows = [
        [heading, *(f"{getattr(metrics, name):.4f}" for metrics in columns)]
        for name, heading in names.items()
    ]
    for accuracy in ACCURACIES:
        coverages = [f"{100 * metrics.coverage[accuracy]:.1f} %" for metrics in columns]
        rows.append([f"coverage, {100 * accuracy:.0f} % right", *coverages])
    return _table(["", *(["calibrated", "raw"] if raw else ["raw"])], rows)


def _figure(figures: dict[str, Figure], name: str) -> str:
    figure = figures[name]
    data = base64.b64encode(figure.png).decode("ascii")
    return (
        f'<figure>\n<img src="data:image/png;base64,{data}" width="{WIDTH}"\n'
        f'  alt="{escape(figure.alternative)}">\n'
        f"<figcaption>{escape(figure.caption)}</figcaption>\n</figure>"
    )


# ---- thresholds and question types


def _thresholds(figures: dict[str, Figure]) -> str:
    curves = [name for name in PRECISION_RECALL.values() if name in figures]
    bars = [name for name in HISTOGRAMS.values() if name in figures]
    blocks = []
    if curves:
        blocks.append(
            "<p>Questions are answered in the order of their no-answer scores, the lowest first. "
            "Precision is the score per answered question, recall the score per answerable one; "
            "the oracle gives the gold answer wherever there is one.</p>"
        )
    for names in (curves, bars):
        images = "\n".join(_figure(figures, name) for name in names)
        if names:
            blocks.append(f'<div class="figures">\n{images}\n</div>')
    return "\n".join(blocks)


def _question_types(analysis: Analysis) -> str:
    blocks = [
        '<p class="roomy">The dot is F1, the horizontal line its 95 % interval, from 0 to 100; the '
        "vertical line is F1 over all questions.</p>"
    ]
    for division, slices in analysis.slices.items():
        rows = [
            [
                escape(part.name),
                f"{part.f1.total:,}",
                _estimate(part.f1),
                _plot(part, analysis.scores["f1"].value),
                f"{part.has_answer_f1.value:.1f}" if part.has_answer_f1 else "&ndash;",
                f"{part.no_answer_f1.value:.1f}" if part.no_answer_f1 else "&ndash;",
            ]
            for part in slices
        ]
        head = [division, "questions", "F1", "", "has answer", "no answer"]
        table = _table(head, rows).replace("<td><svg", '<td class="plot"><svg')
        blocks.append(f'<div class="slice wide">\n{table}\n</div>')
    blocks.append(
        "<p>Words in the answer are those of the shortest gold answer. Each question is in one row "
        "of each table.</p>"
    )
    return "\n".join(blocks)


def _plot(part: Slice, all_f1: float) -> str:
    """A dot with its interval, and the overall mean; hidden from screen readers, as the table has
    the same numbers.
    """
    f1 = part.f1
    line = ""
    if f1.low is not None and f1.high is not None:
        line = f'<line x1="{f1.low:.1f}%" x2="{f1.high:.1f}%" y1="50%" y2="50%" stroke-width="2"/>'
    return (
        '<svg aria-hidden="true">'
        f'<line class="rule" x1="{all_f1:.1f}%" x2="{all_f1:.1f}%" y1="-40%" y2="140%"/>'
        f'{line}<circle cx="{f1.value:.1f}%" cy="50%" r="3.5" fill="currentColor"/></svg>'
    )


# ---- mistakes


_KINDS = {
    "quote": "Another quote than the answer",
    "invented": "A quote where there is no answer",
    "abstained": "No answer where there is one",
}


def _mistakes(analysis: Analysis) -> str:
    if not analysis.mistakes:
        return "<p>There are none.</p>"
    blocks = [
        f"<p>The {MISTAKES} wrong decisions with the highest scores, and of each kind at least "
        f'{OF_EACH_KIND}. <mark class="said">Inverse</mark> is the answer that was given, '
        '<mark class="gold">bold and underlined</mark> the gold answer, '
        '<mark class="near">dotted</mark> the best quote where the reader abstained.</p>'
    ]
    for kind, heading in _KINDS.items():
        mistakes = [mistake for mistake in analysis.mistakes if mistake.kind == kind]
        items = "\n".join(_mistake(number, item) for number, item in enumerate(mistakes, 1))
        if mistakes:
            blocks.append(f'<h3>{heading}</h3>\n<ol class="mistakes">\n{items}\n</ol>')
    return "\n".join(blocks)


def _mistake(number: int, mistake: Mistake) -> str:
    example, quote = mistake.example, mistake.quote
    golds = list(dict.fromkeys(answer.text for answer in example.answers))
    expected = "; ".join(map(_quoted, golds)) or "no answer in this text"
    if mistake.answered and quote:
        given = _quoted(quote.text)
    else:
        given = "no answer" + (f" (the nearest quote: {_quoted(quote.text)})" if quote else "")
    score = f"{mistake.confidence:.3f}"
    if mistake.f1:
        score += f", F1 {100 * mistake.f1:.0f}"
    title = example.title.replace("_", " ")
    title_line = f"<dt>Title</dt><dd>{escape(title)}</dd>\n" if title else ""
    return f"""<li dir="auto">
<h4><span class="number">{number}</span>{escape(example.question)}</h4>
<dl>
<dt>Said</dt><dd>{given}</dd>
<dt>Gold</dt><dd>{expected}</dd>
<dt>Score</dt><dd>{score}</dd>
{title_line}</dl>
<blockquote dir="auto">{_marked(mistake)}</blockquote>
</li>"""


def _quoted(text: str) -> str:
    return f"&ldquo;{escape(text)}&rdquo;"


def _marked(mistake: Mistake) -> str:
    """The text, or excerpts of a long one, with the gold answers and the reader's quote marked."""
    context = mistake.example.context
    spans = [("gold", span) for span in mistake.example.answers]
    if quote := mistake.quote:
        kind = "said" if mistake.answered else "near"
        spans.append((kind, Span(quote.text, quote.start, quote.end)))
    # The spans may overlap, so the text is cut at the borders of all of them:
    #   gold        led by Rollo
    #   said               Rollo, came         ->  <gold>led by |<gold said>Rollo|<said>, came
    excerpts = _excerpts(len(context), [span for _, span in spans])
    borders = {offset for _, span in spans for offset in (span.start, span.end)}
    pieces = []
    for first, last in excerpts:
        if first > 0:
            pieces.append("&hellip; ")
        inside = sorted({first, last, *(offset for offset in borders if first < offset < last)})
        for start, end in itertools.pairwise(inside):
            text = escape(context[start:end])
            kinds = {kind for kind, span in spans if span.start <= start and end <= span.end}
            if kinds:
                text = f'<mark class="{" ".join(sorted(kinds))}">{text}</mark>'
            pieces.append(text)
        if last < len(context):
            pieces.append(" &hellip;\n" if (first, last) != excerpts[-1] else " &hellip;")
    return "".join(pieces)


def _excerpts(length: int, spans: Sequence[Span]) -> list[tuple[int, int]]:
    """Ranges of a text of this length that together contain all spans; one range if it is short."""
    if length <= _MAX_WHOLE:
        return [(0, length)]
    excerpts: list[tuple[int, int]] = []
    for span in sorted(spans, key=lambda span: span.start):
        start = max(0, span.start - _EXCERPT_MARGIN)
        end = min(length, span.end + _EXCERPT_MARGIN)
        if excerpts and start <= excerpts[-1][1]:
            excerpts[-1] = (excerpts[-1][0], max(end, excerpts[-1][1]))
        else:
            excerpts.append((start, end))
    return excerpts
