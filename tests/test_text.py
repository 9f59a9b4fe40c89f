"""Bytes to characters: which encoding a text is in, and what is no text."""

from __future__ import annotations

import io
import sys
import tracemalloc

import pytest

from pullquote.errors import MissingExtraError, TextError
from pullquote.text import characters, decode, decode_beginning, decode_utf8, plain_letters

# --- Windows-1252: texts with a few special characters

SPECIAL = (
    """
Renée|Åse|Zoë|Müller|señora|Ørsted|façade|Þórður|Noël|Straße|Ñandú|Ça va|à la carte|Étienne
smörgåsbord|São Paulo
£840|840 £|£1.2m|5 €|99¢|12°C|12 °C|90°|½ cup|1½ cups|20 m²|5 m³|±5|3×4|5 µm|5‰|n° 4|§ 4
“no”|‘no’|it’s|«non»|„nein“|wait…|a – b|1990–1991|• one|© 2020|Acme™|¿Qué?|¡Sí!|word†
""".replace("\n", "|")
    .strip("|")
    .split("|")
)
FRAMES = (
    "{}",
    "The rent is {} a month.\n",
    "On Monday {} came to the mill by the river and stayed.\r\n",
    "a,b,{}\n1,2,3\n",
    "(from {}), {}; {}\n",
    "# {}\n\nThe mill.\n",
    "plain words, one after another\n" * 2200 + "At last {}.\n",
)


@pytest.mark.parametrize("frame", FRAMES)
def test_windows_1252_with_a_few_special_characters(
    frame: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """320 texts and more, none of which needs charset-normalizer."""
    monkeypatch.setitem(sys.modules, "charset_normalizer", None)
    assert len(SPECIAL) * len(FRAMES) >= 320
    for special in SPECIAL:
        text = frame.format(*[special] * 3)
        decoded = decode(text.encode("cp1252"))
        assert decoded.text == text
        assert (decoded.encoding.name, decoded.encoding.guessed) == ("cp1252", True)


def test_pairs_of_special_characters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "charset_normalizer", None)
    for first in SPECIAL:
        for second in SPECIAL:
            text = f"The mill: {first}, {second} and others."
            assert decode(text.encode("cp1252")).text == text


LETTERS = [chr(c) for c in range(0xC0, 0x100) if c not in (0xD7, 0xF7)] + [*"ŒœŠšŽžŸ"]


@pytest.mark.parametrize("letter", LETTERS)
def test_one_western_letter_at_any_place(letter: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a word, at its beginning or end, alone, in capitals; without charset-normalizer."""
    monkeypatch.setitem(sys.modules, "charset_normalizer", None)
    words = ("ab{}cd", "AB{}CD", "a{}b", "A{}B", "ab{}", "AB{}", "{}ab", "{}AB", "{}", "a{}", "{}A")
    for word in words:
        for frame in ("{}", "{}\n", "The mill by {} was built in 1641.\n", "a,b\n1,{}\n", "({})"):
            text = frame.format(word.format(letter))
            assert decode(text.encode("cp1252")).text == text
    alone = f'The letter {letter}, a {letter} or "{letter}".\n'
    assert decode(alone.encode("cp1252")).text == alone


# --- other encodings, as sentences, many lines, and in the midst of English

SENTENCES = {
    "Die Mühle am Fluß wurde im Frühjahr für Gäste geöffnet.": "cp1252 mac_roman",
    "Le moulin fut bâti près de la rivière. L’été, il est ouvert à tous.": "cp1252 mac_roman",
    "El molino se construyó en 1641. ¿Quién lo abrió mañana?": "cp1252 cp850",
    "Myllan var byggð árið 1641 við ána. Nú er hún opin á sunnudögum.": "cp1252",
    "Młyn nad rzeką został zbudowany w roku 1641. Dziś można go zwiedzać.": "cp1250 iso8859_2",
    "Żółta łódka płynie po jeziorze, a księżyc świeci nad górą.": "cp1250 iso8859_2",
    "Mlýn u řeky byl postaven roku 1641. Dnes je otevřen každou neděli.": "cp1250 iso8859_2",
    "A malom a folyó mellett épült. Ma nyitva van, és őszintén szólva hűvös erdő veszi körül.": (
        "cp1250 iso8859_2"
    ),
    "Değirmen nehir kıyısında 1641 yılında yapıldı. Şimdi her pazar günü açıktır.": "cp1254",
    "Мельница стоит на реке. Её построили в тысяча шестьсот сорок первом году.": (
        "cp1251 koi8_r cp866 iso8859_5"
    ),
    "Млин стоїть біля річки. Його збудували у тисяча шістсот році.": "cp1251 koi8_u",
    "Ο μύλος χτίστηκε το 1641 δίπλα στο ποτάμι. Σήμερα είναι ανοιχτός.": "cp1253 iso8859_7",
    "הטחנה ליד הנהר נבנתה בשנת 1641. היא פתוחה בכל יום ראשון.": "cp1255",
    "بنيت الطاحونة على ضفة النهر عام 1641. وهي مفتوحة كل يوم أحد.": "cp1256",
    "โรงสีสร้างขึ้นในปี 1641 ริมแม่น้ำ เปิดทุกวันอาทิตย์": "cp874",
    "川のほとりに水車小屋がある。それは大工の娘によって建てられた。": "shift_jis euc_jp",
    "磨坊建在河边，是木匠的女儿在1641年建造的。现在每个星期天开放。": "gb18030 gbk",
    "磨坊建在河邊，是木匠的女兒在1641年建造的。現在每個星期天開放。": "big5",
    "방앗간은 강가에 있다. 그것은 목수의 딸이 1641년에 지었다.": "euc_kr",
}
SHORT = {
    "Привет, мир": "cp1251 koi8_r",
    "Кто написал письмо?": "cp1251 koi8_r cp866",
    "Καλημέρα κόσμε": "cp1253",
    "Gęś i żółw": "cp1250 iso8859_2",
    "誰が書きましたか": "shift_jis euc_jp",
    "谁写了这封信？": "gb18030",
    "你好，世界。": "gb18030 big5",
    "이 방앗간은": "euc_kr",
}


@pytest.mark.parametrize("text", [*SENTENCES, *SHORT])
def test_other_encodings_are_told_apart(text: str) -> None:
    pytest.importorskip("charset_normalizer")
    forms = [text]
    if text in SENTENCES:
        forms += [
            f"{text}\n" * 30,
            f"The mill by the river is open, they say:\n{text}\nSo be it.\n",
        ]
    for name in {**SENTENCES, **SHORT}[text].split():
        for form in forms:
            decoded = decode(form.encode(name))
            assert decoded.text == form, (name, decoded.encoding)
            assert decoded.encoding.guessed


def test_another_encoding_without_charset_normalizer_names_the_extra(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "charset_normalizer", None)
    with pytest.raises(MissingExtraError, match=r"neither UTF-8 nor Windows-1252.*\[files\]"):
        decode("Мельница стоит на реке.".encode("cp1251"))


# --- the order: mark, declaration, UTF-8, guess


@pytest.mark.parametrize("name", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_names_the_encoding(name: str) -> None:
    decoded = decode("Renée £840\n".encode(name), declared="koi8-r")
    assert (decoded.text, decoded.encoding.guessed) == ("Renée £840\n", False)


@pytest.mark.parametrize(
    ("text", "name", "declared"),
    [
        ("Мельница", "koi8-r", "KOI8-R"),
        ("水車小屋", "iso2022_jp", "ISO-2022-JP"),
        ("水车", "hz", "HZ-GB-2312"),  # all its bytes are ASCII, thus valid UTF-8
        ("12°C – naïve", "cp1252", "iso-8859-1"),  # what browsers do
        ("Café", "cp1252", "utf-8"),  # wrong, and told from its bytes
        ("Café “é”", "utf-8", "iso-8859-1"),
        ("Café", "utf-8", "utf-16"),
        ("Café", "utf-8", "no-such-encoding"),
        ("Café", "utf-8", "base64"),
        ("Café", "utf-8", "idna"),
    ],
)
def test_a_declared_encoding_counts_unless_it_is_wrong(text: str, name: str, declared: str) -> None:
    assert decode(text.encode(name), declared=declared).text == text


@pytest.mark.parametrize("name", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("text", ["Renée came by sea, “they say”.", "Мельница стоит на реке.\n"])
def test_utf_16_without_a_mark(name: str, text: str) -> None:
    assert decode(text.encode(name)).text == text


def test_utf_8_with_a_broken_byte_stays_utf_8() -> None:
    decoded = decode("Zoë, Renée, Åse, “Ça”, ".encode() + b"\xff and so on")
    assert decoded.text == "Zoë, Renée, Åse, “Ça”, \ufffd and so on"
    assert "broken bytes" in decoded.encoding.note


def test_a_guess_is_told_and_nothing_else() -> None:
    assert decode("Zoë".encode()).encoding.note == ""
    note = decode("The rent is £840.".encode("cp1252")).encoding.note
    assert note == "not UTF-8; read as Windows-1252, which is a guess"


# --- what is no text


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x7fELF\0\0\1", "binary"),
        (b"text, " * 20000 + b"\n\0\0", "NUL byte in line 2"),
        (b"Rollo\0led", "NUL characters"),
        (b"Rollo\0le", "NUL characters"),
        (b"\xff\xfeR\0o\0l\0l", "UTF-16 text that is cut"),
        (bytes(range(1, 256)), "binary"),
        (b"Rollo \xed\xa0\x80 led", r"not UTF-8 text \(byte 6\)"),  # half of a UTF-16 pair
    ],
)
def test_what_is_no_text(data: bytes, words: str) -> None:
    with pytest.raises(TextError, match=words):
        decode(data)


def test_a_long_line_that_begins_with_ascii() -> None:
    pytest.importorskip("charset_normalizer")
    text = "?" * 200_000 + "Аренда составляет сто крон в месяц, и она не меняется."
    assert decode(text.encode("koi8_r")).text == text


def test_files_of_our_own_are_utf_8_or_as_marked() -> None:
    for name in ("utf-8", "utf-8-sig", "utf-16", "utf-32"):
        assert decode_utf8("Zoë".encode(name)) == "Zoë"
        assert decode_beginning("Zoë".encode(name)[:-1]).lstrip("\ufeff")[:2] == "Zo"
    with pytest.raises(TextError, match="UTF-16 text that is cut or broken"):
        decode_utf8("Zoë".encode("utf-16")[:-1])
    with pytest.raises(TextError, match=r"byte 0xeb at 4 \(line 2\); save it again as UTF-8"):
        decode_utf8(b"a\nZo\xeb")


def test_a_large_file_is_guessed_in_bounded_memory() -> None:
    """A special character in each line, and the file is larger than what the guess looks at."""
    file = io.BytesIO("The rent of Renée is £840 a month, they say.\n".encode("cp1252") * 100_000)
    tracemalloc.start()
    try:
        length = sum(map(len, characters(file)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert length == len(file.getvalue())
    assert peak < 3_000_000


def test_japanese_that_is_valid_utf8_by_its_bytes() -> None:
    text = "水車は川のそばに立っている。\n"
    decoded = decode(text.encode("iso2022_jp"))
    assert decoded.text == text
    assert "ISO2022" in decoded.encoding.note
    assert decode(b"ESC is \x1b, and \x1b$ a price").encoding.name == "utf-8"


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("The oﬃce is ﬁne", "The office is fine"),
        ("４０ ｍ² and ①", "40 m2 and 1"),
        ("𝐑𝐞𝐧𝐭 Ⅳ", "Rent IV"),
        ("Mill™ ½ … ﷺ", "Mill™ ½ … ﷺ"),
        ("e\u0301té", "été"),
        ("plain é", "plain é"),
    ],
)
def test_plain_letters(text: str, plain: str) -> None:
    assert plain_letters(text) == plain
