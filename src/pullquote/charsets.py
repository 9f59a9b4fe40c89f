"""Guesses the encoding of text that is not UTF-8, from its lines with non-ASCII bytes.

    guess(b"The rent is \\xa3840.\\n")     # "cp1252": a pound sign before digits
    guess("Да, мельница.".encode("koi8-r"))  # "koi8_r"

Windows-1252 is recognised without a library: its letters and signs must occur where Western texts
have them. Other encodings are ranked by charset-normalizer (extra `files`), by how common their
characters are, and by whether one language has all the letters. Knows bytes and letters, no files.
"""

from __future__ import annotations

import functools
import re
from collections import Counter
from dataclasses import dataclass

from pullquote.errors import MissingExtraError

LABELS = {
    "cp1252": "Windows-1252",
    "mac_roman": "Mac Roman",
    "cp850": "code page 850",
    "cp1250": "Windows-1250",
    "iso8859_2": "ISO-8859-2",
    "cp1254": "Windows-1254",
    "cp1257": "Windows-1257",
    "cp1251": "Windows-1251",
    "koi8_r": "KOI8-R",
    "koi8_u": "KOI8-U",
    "cp866": "code page 866",
    "iso8859_5": "ISO-8859-5",
    "cp1253": "Windows-1253",
    "iso8859_7": "ISO-8859-7",
    "cp1255": "Windows-1255",
    "cp1256": "Windows-1256",
    "cp874": "Windows-874",
    "cp932": "Shift_JIS",
    "euc_jp": "EUC-JP",
    "gb18030": "GB18030",
    "big5": "Big5",
    "cp949": "EUC-KR",
}
"""The encodings that can be guessed: Python's name, and the name that people know."""

# Letters beyond a to z, one word for each language; a text is mostly in one language.
_WESTERN = (
    "àâæçéèêëîïôœùûüÿ äöüßé áéíñóúü ãõáâàçéêíóôúü àèéìòùóíî åäöéàü æøåéòôêóä ëïéèüöáóç áéíóúýþæöð "
    "àçèéíïòóúü"
)
_CENTRAL = "ąćęłńóśźż áčďéěíňóřšťúůýž áéíóöőúüű ăâîşţ čćđšž áäčďéíĺľňóôŕšťúýž äöüß"
_LANGUAGES = {
    **dict.fromkeys(("cp1252", "mac_roman", "cp850"), _WESTERN.split()),
    **dict.fromkeys(("cp1250", "iso8859_2"), _CENTRAL.split()),
    "cp1254": ["çğıöşüâîû"],
    "cp1257": ["ąčęėįšųūž", "āčēģīķļņšūž", "äöüõšž"],
}
# Letters of other scripts: the common ones, three quarters of a usual text, then the rest.
_SCRIPTS = {
    **dict.fromkeys(
        ("cp1251", "koi8_r", "koi8_u", "cp866", "iso8859_5"),
        ("оеаинтсрвлкмді", "пуыяьгбзчйжхшюцщэфъёїєґ"),
    ),
    **dict.fromkeys(("cp1253", "iso8859_7"), ("αοιετσνηυρπκμλς", "άέήίόύώϊϋΐΰβγδζθξφχψω")),
    "cp1255": ("יוהלאתרבמשנ", "גדזחטכעפצקםןץףך"),
    "cp1256": ("اليمنتربودعسكحهة", "جخذزشصضطظغفقثءآأإئؤى،؟ـ"),
    "cp874": ("านรอกเงยมลวดทสตหปบคพแใไ่้ัิีะืุู", "".join(map(chr, range(0xE01, 0xE4F)))),
}
# For Chinese characters: a weight, and the first bytes of the frequent ones in a standard.
_FREQUENT = {
    "cp932": (0.7, "euc_jp", 0xB0, 0xCF),
    "euc_jp": (0.7, "euc_jp", 0xB0, 0xCF),
    "gb18030": (0.9, "gb2312", 0xB0, 0xD7),
    "big5": (0.9, "big5", 0xA4, 0xC6),
    "cp949": (-1.0, "euc_kr", 0xCA, 0xFD),
}
_PUNCTUATION = "«»“”„‘’–—…№§•·°©\xa0"
_ASIAN_PUNCTUATION = re.compile("[\u3000-\u303f\uff01-\uff5e·—…“”‘’°×]")
_COMMON_ASIAN = frozenset(
    "的一是不了在人有我他这这這中大来來上国國个個到说說们們为為子和你地出道也时時年得就那要下以生会會"
    "이다는을가에의은를로고하지한도서기사있"
)
_MOST_BAD = 1 / 8  # implausible letters and signs, for each plausible one
_UNLIKELY = 0.2  # a score below which no encoding is believed
_RANKED = 1 << 16  # bytes by which encodings are ranked
_CHUNK, _CHUNKS = 512, 64  # what charset-normalizer looks at

_WORD = re.compile(r"[^\W\d_ªºµƒˆ¹²³¼½¾]+")
_SIGN = re.compile(r"[^\x00-\x7f]")
_ALONE = frozenset("àéóèíáâåöøæúìòùôüäÀÉÓÈÅÖØÆÜÄÇ")  # words of one letter in Western languages


def guess(telling: bytes) -> str | None:
    """Python's name of the most likely encoding; None if none is likely.

    `telling` holds whole lines; ASCII lines may be left out. Raises `MissingExtraError` if the text
    is not Windows-1252 and charset-normalizer is not installed.
    """
    if _is_windows_1252(telling):
        return "cp1252"
    try:
        import charset_normalizer  # noqa: F401
    except ImportError:
        raise MissingExtraError(
            "it is neither UTF-8 nor Windows-1252, and charset-normalizer, which knows other "
            "encodings,",
            "files",
        ) from None
    telling = _head(telling)
    ranked = {name: _score(telling, name) for name in LABELS}
    best = max(ranked, key=lambda name: ranked[name])  # the first of equally good ones
    return best if ranked[best] >= _UNLIKELY else None


def _head(telling: bytes) -> bytes:
    """The first lines or words, as many as can be ranked in a second."""
    if len(telling) <= _RANKED:
        return telling
    # ASCII tells nothing, and may be a long line's beginning
    first = re.search(rb"[\x80-\xff]", telling)
    telling = telling[max(first.start() - _RANKED // 2, 0) if first else 0 :]
    cut = max(telling.rfind(end, 0, _RANKED) for end in (b"\n", b" "))
    return telling[: cut if cut > 0 else _RANKED]


@dataclass(frozen=True, slots=True)
class _Sense:
    """How many non-ASCII characters are plausible at their places in a text in Latin script."""

    good: int
    bad: int
    letters: Counter[str]


def _is_windows_1252(telling: bytes) -> bool:
    text = telling.decode("cp1252", "replace")
    if len(signs := _SIGN.findall(text)) == 1 and _WORD.match(signs[0]):
        return True  # one letter, which is no evidence for any encoding: Western wins
    sense = _sense(text)
    if sense.bad > _MOST_BAD * sense.good:
        return False
    # Czech, Hungarian or Turkish are plausible, too: æ and ø take the places of their letters. A
    # few letters are no evidence, and Western wins.
    if sense.letters.total() < 5 or len(sense.letters) < 4:
        return True
    western = _coverage(sense.letters, "cp1252")
    rivals = (
        _coverage(_sense(telling.decode(name, "replace")).letters, name)
        for name in ("cp1250", "iso8859_2", "cp1254", "cp1257")
    )
    return western > (0.9 if sense.letters.total() >= 12 else 0.75) or max(rivals) < 0.98


def _coverage(letters: Counter[str], name: str) -> float:
    """The share of the letters that the best fitting language of an encoding has."""
    total = letters.total()
    return max(
        (
            sum(count for letter, count in letters.items() if letter in language) / max(total, 1)
            for language in _LANGUAGES[name]
        ),
        default=0.0,
    )


def _score(telling: bytes, name: str) -> float:
    """1 for a text that is certainly in an encoding, less for others; may be negative."""
    text = telling.decode(name, "replace")
    marks = text.count("\ufffd")
    total = sum(1 for _ in _SIGN.finditer(text))
    if name in _LANGUAGES:
        sense = _sense(text, 2 if name == "cp1252" else 4)
        letters = sense.letters.total()
        covered = letters * _coverage(sense.letters, name) + max(sense.good - letters, 0)
        own = (covered - 2 * sense.bad) / total
    elif name in _SCRIPTS:
        own = _script_score(text, *_SCRIPTS[name]) / total
    else:
        own = _asian_score(text, name) / total
    if own < -1:
        return own
    chaos, coherence = _judged(text.replace("\ufffd", "").encode(name, "ignore"), name)
    # charset-normalizer finds short Asian texts with punctuation messy
    weight = 0.5 if name in _FREQUENT else 2
    return own - 4 * marks / total - weight * chaos + 0.3 * coherence


def _judged(data: bytes, name: str) -> tuple[float, float]:
    """How messy the text is, and how similar to a language, by charset-normalizer."""
    from charset_normalizer import from_bytes

    found = from_bytes(
        data,
        steps=min(max(len(data) // _CHUNK, 5), _CHUNKS),
        chunk_size=_CHUNK,
        threshold=1.0,
        cp_isolation=[name],
        enable_fallback=False,
        preemptive_behaviour=False,
    ).best()
    return (1.0, 0.0) if found is None else (found.chaos, found.coherence)


def _script_score(text: str, common: str, rest: str) -> float:
    """Add for letters of a script, more for common ones; subtract for mixed scripts and cases."""
    score = 0.0
    known = set(common + rest)
    for word in _WORD.findall(text):
        if word.isascii():
            continue
        low = word.lower()
        for place, (letter, lower) in enumerate(zip(word, low, strict=False)):
            if letter.isascii() or lower not in known:
                score -= 1
            elif place and letter != lower and word[place - 1] == low[place - 1]:
                score -= 1  # a capital after a small letter
            else:
                score += 1 if lower in common else 0.4
    for sign in _SIGN.findall(text):
        if not sign.isalpha():
            score += 0.5 if sign in _PUNCTUATION else -0.5 if sign not in known else 0.5
    return score


def _asian_score(text: str, name: str) -> float:
    """Add for characters that are frequent in the encoding's language; subtract for others."""
    score = 0.0
    kana = 0
    for sign in _SIGN.findall(text):
        if sign in _COMMON_ASIAN:
            score += 1.1
        elif _ASIAN_PUNCTUATION.match(sign):
            score += 0.8
        elif "\u3040" <= sign <= "\u30ff":
            kana += 1
            score += 1 if name in ("cp932", "euc_jp") else -1
        elif "\uac00" <= sign <= "\ud7a3":
            score += 1 if name == "cp949" and _level_one(sign, "euc_kr", 0xB0, 0xC8) else -1
        elif "\u4e00" <= sign <= "\u9fff":
            weight, codec, first, last = _FREQUENT[name]
            score += weight if _level_one(sign, codec, first, last) else -0.8
        else:
            score -= 1
    if name in ("cp932", "euc_jp"):
        score *= 1.2 if kana else 0.5  # Japanese without kana is rare
    return score


@functools.lru_cache(maxsize=1 << 14)
def _level_one(character: str, codec: str, first: int, last: int) -> bool:
    """Whether a character is one of the frequent ones of a standard, which come first in it."""
    data = character.encode(codec, "ignore")
    return len(data) == 2 and first <= data[0] <= last


def _sense(text: str, run: int = 2) -> _Sense:
    """Judge each non-ASCII character; up to `run` accented letters may follow each other."""
    good = bad = 0
    letters: Counter[str] = Counter()
    for found in _WORD.finditer(text):
        word = found[0]
        if word.isascii():
            continue
        high = [letter for letter in word if letter > "\x7f"]
        letters.update(map(str.lower, high))
        if len(word) == 1 and word not in _ALONE:
            continue  # "the letter ß": rare, and no evidence
        if _is_word(word, len(high), run):
            good += len(high)
        else:
            bad += len(high)
    for found in _SIGN.finditer(text):
        if _WORD.match(found[0]):
            continue
        begin, end = found.start(), found.end()
        verdict = _sign(found[0], text[max(begin - 2, 0) : begin], text[end : end + 2])
        good += verdict > 0
        bad += verdict < 0
    return _Sense(good, bad, letters)


def _is_word(word: str, high: int, run: int) -> bool:
    """Whether a word with accents could be one of a language in Latin script."""
    if high == len(word):
        return len(word) == 1
    if len(word) >= 4 and high > (0.6 if run < 3 else 0.8) * len(word):
        return False
    if high > run and re.search(rf"[^\x00-\x7f]{{{run + 1}}}", word):
        return False
    if re.search(r"[a-zß-ÿ][À-Þ]", word):
        return False  # a capital with an accent after a small letter
    return not re.search(r"[A-ZÀ-Þ][à-ÿ][A-ZÀ-Þ]", word)


def _sign(sign: str, before: str, after: str) -> int:
    """Whether Western texts have a sign at such a place: 1 for yes, 0 for perhaps, -1 for no."""
    p, n = before[-1:] or " ", after[:1] or " "
    if sign == "\ufffd":
        return -1
    if sign in "\xa0–—":
        return 1
    if sign in "’´":
        return -1 if sign == "´" and not p.isalpha() else 1
    if sign == "\xad":
        return 1 if p.isalpha() else 0
    inside = p.isalpha() and n.isalpha()
    if sign in "‚„":
        return 1 if not p.isalnum() and n.isalnum() else -1
    if sign in "‘“”«»‹›†‡•©®™…":
        return 1 if not inside else 0 if sign == "…" else -1
    if sign in "€£¥¢¤":
        near = (before.strip("\xa0 ")[-1:] + after.strip("\xa0 ")[:1]).strip()
        return 1 if any(c.isdigit() for c in near) else -1 if p.isalpha() or n.isalpha() else 0
    if sign == "°":
        return 1 if p.isdigit() or n in "CFK" or p in "nN" else -1 if inside else 0
    if sign in "¹²³":
        if n.isalpha() or (p.isspace() and not n.isspace()):
            return -1
        return 1 if p.isdigit() or p in "mM)" else 0
    if sign in "¼½¾":
        return -1 if p.isalpha() or n.isalpha() else 1
    if sign in "±×÷":
        return -1 if p.isalpha() else 1
    if sign in "§¶":
        return -1 if p.isalpha() or n.isalpha() else 1
    if sign == "µ":
        return 1 if n.isalpha() and not p.isalpha() else -1
    if sign in "¡¿":
        return 1 if not p.isalnum() and not n.isspace() else -1
    if sign in "ªº":
        return -1 if n.isalpha() else 1 if p.isdigit() or p in ".nN" else 0
    if sign == "‰":
        return 1 if p.isdigit() or p.isspace() else -1
    if sign == "·":
        return 1 if not inside or p == n == "l" else 0
    return -1 if p.isalpha() or n.isalpha() else 0
