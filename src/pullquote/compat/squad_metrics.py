"""`transformers.data.metrics.squad_metrics` of 4.57.6: the same names, arguments and numbers.

EM and F1 of a question are computed by `scoring.squad`. Means and the threshold search are
transformers' own here: dictionaries by id, means with `sum()`, and cuts between equal values.

    from pullquote.compat.squad_metrics import squad_evaluate
    squad_evaluate(SquadV2Processor().get_dev_examples("data"), predictions)["f1"]
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from pullquote.files import write_json
from pullquote.reading.tokenizer import bert_words
from pullquote.scoring.squad import best_over_golds, exact_match, f1_score, normalize_answer

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

_INITIAL_NULL_SCORE = 1_000_000  # above every null score


def get_tokens(s: str) -> list[str]:
    """The words of a normalised text.

    >>> from pullquote.compat.squad_metrics import get_tokens
    >>> get_tokens("The end.")
    ['end']
    """
    return normalize_answer(s).split() if s else []


def compute_exact(a_gold: str, a_pred: str) -> int:
    """1 if both texts are equal after normalisation, else 0.

    >>> from pullquote.compat.squad_metrics import compute_exact
    >>> compute_exact("the sea", "Sea!")
    1
    """
    return exact_match(a_pred, a_gold)


def compute_f1(a_gold: str, a_pred: str) -> float:
    """F1 over words; 1 if neither text has any.

    >>> from pullquote.compat.squad_metrics import compute_f1
    >>> compute_f1("by sea", "sea")
    0.6666666666666666
    """
    return f1_score(a_pred, a_gold)


def get_raw_scores(
    examples: Iterable[SquadExample], preds: Mapping[str, str]
) -> tuple[dict[str, int], dict[str, float]]:
    """Exact match and F1 by id, each the best over the gold answers; prints missing ids.

    >>> from pullquote.compat.squad_metrics import get_raw_scores
    >>> from pullquote.compat.squad import SquadExample
    >>> gold = [{"text": "Rollo", "answer_start": 0}]
    >>> example = SquadExample("1", "Who led?", "Rollo led.", None, None, "", answers=gold)
    >>> get_raw_scores([example], {"1": "Rollo"})
    ({'1': 1}, {'1': 1.0})
    """
    exact, f1 = {}, {}
    for example in examples:
        if example.qas_id not in preds:
            print(f"Missing prediction for {example.qas_id}")  # noqa: T201 - as transformers does
            continue
        golds = [answer["text"] for answer in example.answers]
        best_exact, best_f1 = best_over_golds(preds[example.qas_id], golds)
        exact[example.qas_id], f1[example.qas_id] = int(best_exact), best_f1
    return exact, f1


def apply_no_ans_threshold(
    scores: Mapping[str, float],
    na_probs: Mapping[str, float],
    qid_to_has_ans: Mapping[str, bool],
    na_prob_thresh: float,
) -> dict[str, float]:
    """Scores when every question with a no-answer value above the threshold abstains.

    >>> from pullquote.compat.squad_metrics import apply_no_ans_threshold
    >>> has_answer = {"1": True, "2": False}
    >>> apply_no_ans_threshold({"1": 1.0, "2": 0.0}, {"1": 0.2, "2": 0.9}, has_answer, 0.5)
    {'1': 1.0, '2': 1.0}
    """
    return {
        qid: float(not qid_to_has_ans[qid]) if na_probs[qid] > na_prob_thresh else score
        for qid, score in scores.items()
    }


def make_eval_dict(
    exact_scores: Mapping[str, float],
    f1_scores: Mapping[str, float],
    qid_list: Sequence[str] | None = None,
) -> dict[str, float]:
    """Means in percent over `qid_list`, or over all.

    >>> from pullquote.compat.squad_metrics import make_eval_dict
    >>> make_eval_dict({"1": 1, "2": 0}, {"1": 1.0, "2": 0.5})
    {'exact': 50.0, 'f1': 75.0, 'total': 2}
    """
    qids = qid_list or list(exact_scores)
    return {
        "exact": 100.0 * sum(exact_scores[qid] for qid in qids) / len(qids),
        "f1": 100.0 * sum(f1_scores[qid] for qid in qids) / len(qids),
        "total": len(qids),
    }


def merge_eval(main_eval: dict[str, float], new_eval: Mapping[str, float], prefix: str) -> None:
    """Add the entries of `new_eval` to `main_eval`, under `prefix_` names.

    >>> from pullquote.compat.squad_metrics import merge_eval
    >>> scores = {"f1": 75.0}
    >>> merge_eval(scores, {"f1": 50.0}, "NoAns")
    >>> scores
    {'f1': 75.0, 'NoAns_f1': 50.0}
    """
    main_eval.update({f"{prefix}_{key}": value for key, value in new_eval.items()})


def find_best_thresh(
    preds: Mapping[str, str],
    scores: Mapping[str, float],
    na_probs: Mapping[str, float],
    qid_to_has_ans: Mapping[str, bool],
) -> tuple[float, float]:
    """The best mean score in percent over all no-answer thresholds, and that threshold.

    As in transformers, it also splits equal values, which no threshold can do.
    `pullquote.scoring.thresholds.best_threshold` does not.

    >>> from pullquote.compat.squad_metrics import find_best_thresh
    >>> has_answer = {"1": True, "2": False}
    >>> find_best_thresh({"1": "a", "2": "b"}, {"1": 1, "2": 0}, {"1": 0.2, "2": 0.9}, has_answer)
    (100.0, 0.2)
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
    """As `find_best_thresh`, and the mean score of the answerable questions without a threshold.

    >>> from pullquote.compat.squad_metrics import find_best_thresh_v2
    >>> has_answer = {"1": True, "2": False}
    >>> na_probs = {"1": 0.2, "2": 0.9}
    >>> find_best_thresh_v2({"1": "a", "2": "b"}, {"1": 1, "2": 0}, na_probs, has_answer)
    (100.0, 0.2, 1.0)
    """
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
    """Add `best_exact`, `best_f1` and their thresholds to `main_eval`.

    >>> from pullquote.compat.squad_metrics import find_all_best_thresh
    >>> scores = {}
    >>> find_all_best_thresh(scores, {"1": "a"}, {"1": 1}, {"1": 1.0}, {"1": 0.2}, {"1": True})
    >>> scores["best_f1"], scores["best_f1_thresh"]
    (100.0, 0.2)
    """
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
    """As `find_all_best_thresh`, and `has_ans_exact` and `has_ans_f1`.

    >>> from pullquote.compat.squad_metrics import find_all_best_thresh_v2
    >>> scores = {}
    >>> find_all_best_thresh_v2(scores, {"1": "a"}, {"1": 1}, {"1": 1.0}, {"1": 0.2}, {"1": True})
    >>> scores["has_ans_f1"]
    1.0
    """
    find_all_best_thresh(main_eval, preds, exact_raw, f1_raw, na_probs, qid_to_has_ans)
    for name, raw in (("exact", exact_raw), ("f1", f1_raw)):
        main_eval[f"has_ans_{name}"] = find_best_thresh_v2(preds, raw, na_probs, qid_to_has_ans)[2]


def squad_evaluate(
    examples: Sequence[SquadExample],
    preds: Mapping[str, str],
    no_answer_probs: Mapping[str, float] | None = None,
    no_answer_probability_threshold: float = 1.0,
) -> dict[str, float]:
    """All scores of one file: `exact, f1, total`, `HasAns_*`, `NoAns_*`, `best_*`.

    Without probabilities all of them are 0, and so is `best_*_thresh`, as in transformers;
    `pullquote score` searches thresholds with real probabilities.

    >>> from pullquote.compat.squad_metrics import squad_evaluate
    >>> from pullquote.compat.squad import SquadExample
    >>> gold = [{"text": "Rollo", "answer_start": 0}]
    >>> example = SquadExample("1", "Who led?", "Rollo led.", None, None, "", answers=gold)
    >>> squad_evaluate([example], {"1": "Rollo"})["f1"]
    100.0
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
    """The part of `orig_text` that corresponds to `pred_text`, which was joined from its tokens.

    >>> from pullquote.compat.squad_metrics import get_final_text
    >>> get_final_text("steve smith", "Steve Smith's", do_lower_case=True)
    'Steve Smith'

    Both are compared without spaces, letter by letter. If that fails (an accent that was stripped
    into two characters), the whole `orig_text` is returned.
    """
    tokenized = " ".join(bert_words(orig_text, lowercase=do_lower_case))
    start = tokenized.find(pred_text)
    # offsets of characters that are not spaces: the n-th of one text is the n-th of the other
    original = [i for i, character in enumerate(orig_text) if character != " "]
    letters = [i for i, character in enumerate(tokenized) if character != " "]
    if start < 0 or len(original) != len(letters):
        return orig_text
    number = {offset: n for n, offset in enumerate(letters)}
    first, last = number.get(start), number.get(start + len(pred_text) - 1)
    if first is None or last is None:
        return orig_text
    return orig_text[original[first] : original[last] + 1]


class Entry(NamedTuple):
    """An n-best entry: a text and the logits (or log probabilities) of its start and end."""

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

    As in transformers, with its pruning (the `n_best_size` best starts and ends of each window) and
    its entry "empty" if there is no other. `Reader` compares all spans and has exact offsets.

    >>> from pullquote.compat.squad_metrics import compute_predictions_logits
    >>> predictions = compute_predictions_logits(
    ...     examples, features, results, 20, 30, True,
    ...     "predictions.json", "nbest.json", "null_odds.json", False, True, 0.0, tokenizer,
    ... )  # doctest: +SKIP
    """
    results = {result.unique_id: result for result in all_results}
    features = _by_example(all_features)
    predictions: dict[str, str] = {}
    nbest_json: dict[str, list[dict[str, Any]]] = {}
    odds: dict[str, float] = {}
    for index, example in enumerate(all_examples):
        spans: list[_Span] = []
        null = Entry("", 0, 0)
        null_score: float = _INITIAL_NULL_SCORE
        for feature in features[index]:
            result = results[feature.unique_id]
            null_start, null_end = result.start_logits[0], result.end_logits[0]
            if null_start + null_end < null_score:
                null_score, null = null_start + null_end, Entry("", null_start, null_end)
            spans += _spans(feature, result, n_best_size, max_answer_length)
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
    """Predictions from the beam search of XLNet's and XLM's heads, which never abstain here.

    The null odds are those of the model's classifier, for a threshold that is searched afterwards.

    >>> from pullquote.compat.squad_metrics import compute_predictions_log_probs
    >>> predictions = compute_predictions_log_probs(
    ...     examples, features, results, 20, 30,
    ...     "predictions.json", "nbest.json", "null_odds.json", 5, 5, True, tokenizer, False,
    ... )  # doctest: +SKIP
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
        null_score: float = _INITIAL_NULL_SCORE
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
    grouped: defaultdict[int, list[SquadFeatures]] = defaultdict(list)
    for feature in features:
        grouped[feature.example_index].append(feature)
    return grouped


def _spans(
    feature: SquadFeatures, result: SquadResult, n_best_size: int, max_answer_length: int
) -> list[_Span]:
    """The valid spans of a window among its `n_best_size` best starts and ends."""
    start, end = result.start_logits, result.end_logits
    return [
        _Span(feature, s, e, start[s], end[e])
        for s in _best_indexes(start, n_best_size)
        for e in _best_indexes(end, n_best_size)
        if s in feature.token_to_orig_map
        and e in feature.token_to_orig_map
        and feature.token_is_max_context.get(s, False)
        and s <= e < s + max_answer_length
        and e < len(feature.tokens)
    ]


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
    """The `n_best_size` best distinct texts, best first, with the null entry.

    The null entry is added at the end if it is not among them.
    """
    entries: dict[str, Entry] = {}
    ranked: list[_Span | Entry] = [*spans, *([null] if null else [])]
    ranked.sort(key=lambda candidate: candidate.score, reverse=True)  # stable
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
    """n-best entries in run_squad.py's JSON form, with a softmax over all of them."""
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
