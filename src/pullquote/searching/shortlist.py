"""A second look: the sentences of the best quotes, as one text that is read once more.

    shortlist = Shortlist.of(best)             # the best quote of each window, best first
    looks = shortlist.looks(read_again)        # what a reader says of `shortlist.text`
    looks.of(passage, span)                    # the logit and null logit of a quote there

A reader is trained to compare the quotes of one text with each other. Logits from several passages
compare only roughly, so the sentences that matter are put side by side. Knows passages and spans,
neither an index nor what is made of the logits.

    # Who built the mill?      Ann built it. It burnt down. / Bob owned the mill.
    #   shortlist.text       Ann built it.
    #                        Bob owned the mill.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pullquote.reading.decode import Candidates, ScoredSpan
from pullquote.reading.sentences import sentence_around
from pullquote.types import Passage, Span

SENTENCES = 3
"""How many are put side by side: with five or eight, fewer questions were answered rightly."""


class Look(NamedTuple):
    """What the second reading says of a quote."""

    logit: float
    null: float


class _Listed(NamedTuple):
    """A sentence of a passage, and where it stands in the shortlist."""

    passage: Passage
    sentence: Span
    offset: int

    def holds(self, passage: Passage, span: ScoredSpan) -> bool:
        inside = self.sentence.start <= span.start and span.end <= self.sentence.end
        return passage == self.passage and inside

    def place(self) -> tuple[int, int]:
        return self.offset, self.offset + len(self.sentence.text)


@dataclass(frozen=True, slots=True)
class Shortlist:
    """Sentences of passages, a line each; an empty text if there is no quote."""

    text: str
    listed: tuple[_Listed, ...]

    @classmethod
    def of(cls, best: Iterable[tuple[Passage, ScoredSpan]]) -> Shortlist:
        """The first `SENTENCES` sentences around quotes, each text once."""
        text, listed = "", dict[str, _Listed]()
        for passage, span in best:
            sentence = sentence_around(passage.text, span.start, span.end)
            line = sentence.text.replace("\n", " ")
            if line not in listed:
                listed[line] = _Listed(passage, sentence, len(text))
                text += line + "\n"
            if len(listed) == SENTENCES:
                break
        return cls(text, tuple(listed.values()))

    def looks(self, windows: Sequence[Candidates]) -> Looks:
        """What the windows of `text` say of its sentences; the spans are those of `text`."""
        found = [(Look(s.logit, w.null), s) for w in windows for s in w.spans]
        if not found:
            return Looks((), Look(0.0, 0.0))
        known = []
        for listed in self.listed:
            start, end = listed.place()
            if inside := [look for look, s in found if start <= s.start and s.end <= end]:
                known.append((listed, max(inside)))
        return Looks(tuple(known), min(look for look, _ in found))


@dataclass(frozen=True, slots=True)
class Looks:
    """The best quote that a second reading finds in each sentence of a shortlist."""

    known: tuple[tuple[_Listed, Look], ...]
    least: Look
    """The lowest of all that it finds, for quotes in other sentences."""

    def of(self, passage: Passage, span: ScoredSpan) -> Look:
        """The logits of the sentence that holds a quote."""
        return next((look for one, look in self.known if one.holds(passage, span)), self.least)
