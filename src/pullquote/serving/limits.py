"""Limits on what a request may contain, beyond its bytes; each check raises `ApiError`.

Knows numbers and lengths. A value equal to its limit is accepted.
"""

from __future__ import annotations

from collections.abc import Iterable

from pullquote.serving.error_responses import ApiError

MAX_CANDIDATES = 200_000
"""Spans that the parameters of `POST /` may have kept of all texts; about 200 bytes each."""

MAX_CANDIDATE_CHARACTERS = 5_000_000
"""Characters of the spans among which `POST /` chooses the answers to one question."""


def check_pairs(pairs: int, limit: int) -> None:
    """413 if a request has more than `limit` pairs of a question and a context."""
    if pairs > limit:
        raise ApiError(
            413,
            f"the request has {pairs:,} pairs of a question and a context, expected at most "
            f"{limit:,}",
        )


def check_lengths(name: str, texts: Iterable[str], limit: int) -> None:
    """413 if one of the texts has more than `limit` characters; `name` says what they are."""
    longest = max(map(len, texts))
    if longest > limit:
        raise ApiError(413, f"a {name} has {longest:,} characters, expected at most {limit:,}")


def check_candidates(characters: int, length: int, overlap: int, top_k: int) -> None:
    """422 if texts of so many characters may have more than `MAX_CANDIDATES` candidate spans.

    `length` and `overlap` are those of the windows, in tokens; each window keeps `top_k` spans.

        30,000 characters, length 32, overlap 20: at most 30,000 / 12 = 2,500 windows
        top_k 80 makes 200,000 candidates, which is accepted; top_k 81 is refused
    """
    # An estimate from above of the tokens: a token has at least one character. It leaves out the
    # room that the question takes in each window, since the question is not tokenised yet.
    windows = characters / max(1, length - overlap)
    if windows * top_k > MAX_CANDIDATES:
        raise ApiError(
            422,
            f"body.parameters: top_k {top_k}, max_seq_len {length} and doc_stride {overlap} make "
            f"about {windows * top_k:,.0f} candidates of {characters:,} characters of text, "
            f"expected at most {MAX_CANDIDATES:,}; lower top_k or doc_stride",
        )
