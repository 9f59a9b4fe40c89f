"""`transformers.data.metrics.squad_metrics` of 4.57.6: the same names, arguments and numbers.

Knows predictions as texts and as logits of features, and leaves the arithmetic to `scoring`.

    from pullquote.compat.squad_metrics import squad_evaluate
    squad_evaluate(SquadV2Processor().get_dev_examples("data"), predictions)["f1"]
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pullquote.files import write_json
from pullquote.reading.encode import bert_words
from pullquote.scoring.squad import exact_match, f1_score, normalize_answer

if TYPE_CHECKING:
    from pullquote.compat.squad import SquadExample, SquadFeatures, SquadResult

__all__ = [
    "apply_no_ans_threshold",
    "compute_exact",
    "compute_f1",
    "compute_predictions_log_probs",
    "compute_predictions_logits",
    "find_all_best_thresh",
    "find_all_best_thresh_v2",
    "find_best_thresh",
    "find_best_thresh_v2",
    "get_final_text",
    "get_raw_scores",
    "get_tokens",
    "make_eval_dict",
    "merge_eval",
    "normalize_answer",
    "squad_evaluate",
]

_NOTHING = 1_000_000  # the null score before any window was seen


def get_tokens(s: str) -> list[str]:
    """The words of a normalised text."""
    return normalize_answer(s).split() if s else []


def compute_exact(a_gold: str, a_pred: str) -> int:
    """1 if both texts are the same once normalised, else 0."""
    return exact_match(a_pred, a_gold)


def compute_f1(a_gold: str, a_pred: str) -> float:
    """F1 over words, 1 when neither has any."""
    return f1_score(a_pred, a_gold)


def get_raw_scores(
    examples: Iterable[SquadExample], preds: Mapping[str, str]
) -> tuple[dict[str, int], dict[str, float]]:
    """Exact match and F1 by id, each the best over the gold answers; says which are missing."""
    exact, f1 = {}, {}
    for example in examples:
        if example.qas_id not in preds:
            print(f"Missing prediction for {example.qas_id}")  # noqa: T201 - as it did
            continue
        texts = [answer["text"] for answer in example.answers]
        golds = [text for text in texts if normalize_answer(text)] or [""]
        prediction = preds[example.qas_id]
        exact[example.qas_id] = max(compute_exact(gold, prediction) for gold in golds)
        f1[example.qas_id] = max(compute_f1(gold, prediction) for gold in golds)
    return exact, f1


def apply_no_ans_threshold(
    scores: Mapping[str, float],
    na_probs: Mapping[str, float],
    qid_to_has_ans: Mapping[str, bool],
    na_prob_thresh: float,
) -> dict[str, float]:
    """The scores when every question with a no-answer value above the threshold abstains."""
    return {
        qid: float(not qid_to_has_ans[qid]) if na_probs[qid] > na_prob_thresh else score
        for qid, score in scores.items()
    }


def make_eval_dict(
    exact_scores: Mapping[str, float],
    f1_scores: Mapping[str, float],
    qid_list: Sequence[str] | None = None,
) -> dict[str, float]:
    """Means in percent over `qid_list`, or over all."""
    qids = qid_list or list(exact_scores)
    return {
        "exact": 100.0 * sum(exact_scores[qid] for qid in qids) / len(qids),
        "f1": 100.0 * sum(f1_scores[qid] for qid in qids) / len(qids),
        "total": len(qids),
    }


def merge_eval(main_eval: dict[str, float], new_eval: Mapping[str, float], prefix: str) -> None:
    """Add the entries of `new_eval` to `main_eval`, under `prefix_` names."""
    main_eval.update({f"{prefix}_{key}": value for key, value in new_eval.items()})


def find_best_thresh(
    preds: Mapping[str, str],
    scores: Mapping[str, float],
    na_probs: Mapping[str, float],
    qid_to_has_ans: Mapping[str, bool],
) -> tuple[float, float]:
    """The best mean score in percent over thresholds on the no-answer value, and that threshold.

    As it was: it also cuts between equal values, which no threshold can do.
    `pullquote.scoring.thresholds.best_threshold` does not.
    """
    current = float(sum(not has_answer for has_answer in qid_to_has_ans.values()))
    best, threshold = current, 0.0
    for qid in sorted(na_probs, key=na_probs.__getitem__):
        if qid not in scores:
            continue
        if qid_to_has_ans[qid]:
            current += scores[qid]
        elif preds[qid]:
            current -= 1
        if current > best:
            best, threshold = current, na_probs[qid]
    return 100.0 * best / len(scores), threshold


def find_best_thresh_v2(
    preds: Mapping[str, str],
    scores: Mapping[str, float],
    na_probs: Mapping[str, float],
    qid_to_has_ans: Mapping[str, bool],
) -> tuple[float, float, float]:
    """As `find_best_thresh`, and the mean score of the answerable questions without a threshold."""
    best, threshold = find_best_thresh(preds, scores, na_probs, qid_to_has_ans)
    answerable = [qid for qid in sorted(na_probs, key=na_probs.__getitem__) if qid_to_has_ans[qid]]
    total = sum(scores[qid] for qid in answerable if qid in scores)
    return best, threshold, total / len(answerable)


def find_all_best_thresh(
    main_eval: dict[str, float],
    preds: Mapping[str, str],
    exact_raw: Mapping[str, float],
    f1_raw: Mapping[str, float],
    na_probs: Mapping[str, float],
    qid_to_has_ans: Mapping[str, bool],
) -> None:
    """Add `best_exact`, `best_f1` and their thresholds to `main_eval`."""
    for name, raw in (("exact", exact_raw), ("f1", f1_raw)):
        best, threshold = find_best_thresh(preds, raw, na_probs, qid_to_has_ans)
        main_eval[f"best_{name}"] = best
        main_eval[f"best_{name}_thresh"] = threshold


def find_all_best_thresh_v2(
    main_eval: dict[str, float],
    preds: Mapping[str, str],
    exact_raw: Mapping[str, float],
    f1_raw: Mapping[str, float],
    na_probs: Mapping[str, float],
    qid_to_has_ans: Mapping[str, bool],
) -> None:
    """As `find_all_best_thresh`, and `has_ans_exact` and `has_ans_f1`."""
    find_all_best_thresh(main_eval, preds, exact_raw, f1_raw, na_probs, qid_to_has_ans)
    for name, raw in (("exact", exact_raw), ("f1", f1_raw)):
        main_eval[f"has_ans_{name}"] = find_best_thresh_v2(preds, raw, na_probs, qid_to_has_ans)[2]


def squad_evaluate(
    examples: Sequence[SquadExample],
    preds: Mapping[str, str],
    no_answer_probs: Mapping[str, float] | None = None,
    no_answer_probability_threshold: float = 1.0,
) -> dict[str, float]:
    """Everything above for one file: `exact, f1, total`, `HasAns_*`, `NoAns_*`, `best_*`.

    Without probabilities all are 0, and `best_*_thresh` with them, as ever; `pullquote score`
    searches the thresholds of real ones.
    """
    has_answer = {example.qas_id: bool(example.answers) for example in examples}
    probabilities = dict.fromkeys(preds, 0.0) if no_answer_probs is None else no_answer_probs
    raw_exact, raw_f1 = get_raw_scores(examples, preds)
    exact, f1 = (
        apply_no_ans_threshold(raw, probabilities, has_answer, no_answer_probability_threshold)
        for raw in (raw_exact, raw_f1)
    )
    result = make_eval_dict(exact, f1)
    for prefix, kind in (("HasAns", True), ("NoAns", False)):
        if qids := [qid for qid, answerable in has_answer.items() if answerable is kind]:
            merge_eval(result, make_eval_dict(exact, f1, qids), prefix)
    if probabilities:
        find_all_best_thresh(result, preds, raw_exact, raw_f1, probabilities, has_answer)
    return result


def get_final_text(
    pred_text: str, orig_text: str, do_lower_case: bool, verbose_logging: bool = False
) -> str:
    """The part of `orig_text` that `pred_text`, made of its tokens, stands for.

    >>> get_final_text("steve smith", "Steve Smith's", do_lower_case=True)
    'Steve Smith'

    Both are compared without their spaces, letter by letter. Where that fails (an accent that was
    stripped into two characters), `orig_text` comes back whole.
    """
    tokenized = " ".join(bert_words(orig_text, lowercase=do_lower_case))
    start = tokenized.find(pred_text)
    # which characters are no spaces: the n-th of one text is the n-th of the other
    original = [i for i, character in enumerate(orig_text) if character != " "]
    letters = [i for i, character in enumerate(tokenized) if character != " "]
    if start < 0 or len(original) != len(letters):
        return orig_text
    place = {position: n for n, position in enumerate(letters)}
    first, last = place.get(start), place.get(start + len(pred_text) - 1)
    if first is None or last is None:
        return orig_text
    return orig_text[original[first] : original[last] + 1]


class Entry(NamedTuple):
    """A candidate: a text and the logits (or log probabilities) of its start and its end."""

    text: str
    start: float
    end: float

    @property
    def score(self) -> float:
        return self.start + self.end


class _Span(NamedTuple):
    feature: SquadFeatures
    start: int
    end: int
    start_score: float
    end_score: float

    @property
    def score(self) -> float:
        return self.start_score + self.end_score


def compute_predictions_logits(
    all_examples: Sequence[SquadExample],
    all_features: Iterable[SquadFeatures],
    all_results: Iterable[SquadResult],
    n_best_size: int,
    max_answer_length: int,
    do_lower_case: bool,
    output_prediction_file: str | None,
    output_nbest_file: str | None,
    output_null_log_odds_file: str | None,
    verbose_logging: bool,
    version_2_with_negative: bool,
    null_score_diff_threshold: float,
    tokenizer: Any,
) -> dict[str, str]:
    """run_squad.py's predictions from the logits of BERT-like models; writes up to three files.

    As it was, with its pruning (the `n_best_size` best starts and ends of each window) and its
    entry "empty" where there is no other. `Reader` compares all spans and has exact offsets.
    """
    results = {result.unique_id: result for result in all_results}
    features = _by_example(all_features)
    predictions: dict[str, str] = {}
    nbest_json: dict[str, list[dict[str, Any]]] = {}
    odds: dict[str, float] = {}
    for index, example in enumerate(all_examples):
        spans: list[_Span] = []
        null = Entry("", 0, 0)
        null_score: float = _NOTHING
        for feature in features[index]:
            result = results[feature.unique_id]
            start, end = result.start_logits, result.end_logits
            if start[0] + end[0] < null_score:
                null_score, null = start[0] + end[0], Entry("", start[0], end[0])
            spans += [
                _Span(feature, s, e, start[s], end[e])
                for s in _best_indexes(start, n_best_size)
                for e in _best_indexes(end, n_best_size)
                if s in feature.token_to_orig_map
                and e in feature.token_to_orig_map
                and feature.token_is_max_context.get(s, False)
                and s <= e < s + max_answer_length
                and e < len(feature.tokens)
            ]
        entries = _texts(
            spans,
            example,
            tokenizer,
            do_lower_case,
            n_best_size,
            null if version_2_with_negative else None,
        )
        if version_2_with_negative and len(entries) == 1:
            entries.insert(0, Entry("empty", 0.0, 0.0))
        entries = entries or [Entry("empty", 0.0, 0.0)]
        nbest_json[example.qas_id] = nbest(entries, "logit")
        if version_2_with_negative:
            best = next(entry for entry in entries if entry.text)
            odds[example.qas_id] = null_score - best.start - best.end
            abstains = odds[example.qas_id] > null_score_diff_threshold
            predictions[example.qas_id] = "" if abstains else best.text
        else:
            predictions[example.qas_id] = entries[0].text
    _write(output_prediction_file, predictions)
    _write(output_nbest_file, nbest_json)
    if version_2_with_negative:
        _write(output_null_log_odds_file, odds)
    return predictions


def compute_predictions_log_probs(
    all_examples: Sequence[SquadExample],
    all_features: Iterable[SquadFeatures],
    all_results: Iterable[SquadResult],
    n_best_size: int,
    max_answer_length: int,
    output_prediction_file: str | None,
    output_nbest_file: str | None,
    output_null_log_odds_file: str | None,
    start_n_top: int,
    end_n_top: int,
    version_2_with_negative: bool,
    tokenizer: Any,
    verbose_logging: bool,
) -> dict[str, str]:
    """The same from the beam of XLNet's and XLM's heads, which never abstain here.

    The null odds are the classifier's own, for a threshold that is searched afterwards.
    """
    results = {result.unique_id: result for result in all_results}
    features = _by_example(all_features)
    lower = getattr(tokenizer, "do_lower_case", None)
    if lower is None:
        lower = tokenizer.do_lowercase_and_remove_accent
    predictions: dict[str, str] = {}
    nbest_json: dict[str, list[dict[str, Any]]] = {}
    odds: dict[str, float] = {}
    for index, example in enumerate(all_examples):
        spans = []
        null_score: float = _NOTHING
        for feature in features[index]:
            result = results[feature.unique_id]
            null_score = min(null_score, result.cls_logits)
            for i in range(start_n_top):
                s = result.start_top_index[i]
                for j in range(i * end_n_top, (i + 1) * end_n_top):
                    e = result.end_top_index[j]
                    if (
                        feature.token_is_max_context.get(s, False)
                        and s <= e < s + max_answer_length
                        and e < feature.paragraph_len - 1
                    ):
                        scores = result.start_logits[i], result.end_logits[j]
                        spans.append(_Span(feature, s, e, *scores))
        entries = _texts(spans, example, tokenizer, lower, n_best_size, None)
        entries = entries or [Entry("", -1e6, -1e6)]
        nbest_json[example.qas_id] = nbest(entries, "log_prob")
        odds[example.qas_id] = null_score
        predictions[example.qas_id] = entries[0].text
    _write(output_prediction_file, predictions)
    _write(output_nbest_file, nbest_json)
    if version_2_with_negative:
        _write(output_null_log_odds_file, odds)
    return predictions


def _by_example(features: Iterable[SquadFeatures]) -> defaultdict[int, list[SquadFeatures]]:
    found: defaultdict[int, list[SquadFeatures]] = defaultdict(list)
    for feature in features:
        found[feature.example_index].append(feature)
    return found


def _best_indexes(logits: Sequence[float], count: int) -> list[int]:
    return sorted(range(len(logits)), key=logits.__getitem__, reverse=True)[:count]


def _texts(
    spans: list[_Span],
    example: SquadExample,
    tokenizer: Any,
    lower: bool,
    n_best_size: int,
    null: Entry | None,
) -> list[Entry]:
    """The best distinct texts, best first, with the null entry in its place, or else at the end."""
    entries: dict[str, Entry] = {}
    ranked: list[_Span | Entry] = [*spans, *([null] if null else [])]
    ranked.sort(
        key=lambda candidate: candidate.score, reverse=True
    )  # stable: the first stays first
    for candidate in ranked:
        if len(entries) >= n_best_size:
            break
        if isinstance(candidate, Entry):
            entries.setdefault("", candidate)
            continue
        feature, start, end, *scores = candidate
        text = tokenizer.convert_tokens_to_string(feature.tokens[start : end + 1])
        first, last = feature.token_to_orig_map[start], feature.token_to_orig_map[end]
        original = " ".join(example.doc_tokens[first : last + 1])
        final = get_final_text(" ".join(text.split()), original, lower)
        entries.setdefault(final, Entry(final, *scores))
    if null:
        entries.setdefault("", null)
    return list(entries.values())


def nbest(entries: list[Entry], kind: str) -> list[dict[str, Any]]:
    """n-best entries as run_squad.py writes them, with a softmax over them all."""
    top = max(entry.score for entry in entries)
    weights = [math.exp(entry.score - top) for entry in entries]
    return [
        {
            "text": entry.text,
            "probability": weight / sum(weights),
            f"start_{kind}": entry.start,
            f"end_{kind}": entry.end,
        }
        for entry, weight in zip(entries, weights, strict=True)
    ]


def _write(path: str | None, content: object) -> None:
    if path:
        write_json(path, content, indent=4)
