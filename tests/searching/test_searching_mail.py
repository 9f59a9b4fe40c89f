"""E-mail and its attachments."""

from __future__ import annotations

from email.message import EmailMessage
from pathlib import Path

import pytest
from searching_helpers import text_and_notes

from pullquote.errors import DocumentError
from pullquote.searching.documents import SourceFile, find, read


def message(subject: str = "The rent", body: str = "It is 840 crowns.") -> EmailMessage:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = subject, "Ann Lee <ann@mill.test>", "omar@mill.test"
    mail.set_content(body)
    return mail


def eml(tmp_path: Path, mail: EmailMessage | bytes) -> tuple[str, list[str]]:
    path = tmp_path / "a.eml"
    path.write_bytes(mail if isinstance(mail, bytes) else mail.as_bytes())
    return text_and_notes(path)


HEAD = "Subject: The rent\nFrom: Ann Lee <ann@mill.test>\nTo: omar@mill.test"


def test_headers_and_the_text(tmp_path: Path) -> None:
    assert eml(tmp_path, message()) == (f"{HEAD} / It is 840 crowns.", [])


def test_of_two_forms_of_a_text_one_is_read(tmp_path: Path) -> None:
    mail = message()
    mail.add_alternative("<p>It is <b>840</b> crowns.</p>", subtype="html")
    assert eml(tmp_path, mail)[0] == f"{HEAD} / It is 840 crowns."
    mail = message(body=" ")
    mail.add_alternative("<form><p>It is <b>841</b> crowns.</p></form>", subtype="html")
    assert eml(tmp_path, mail)[0] == f"{HEAD} / It is 841 crowns."


def test_what_is_attached_to_the_form_that_is_not_read_is_read(tmp_path: Path) -> None:
    """Apple's Mail puts attachments into the HTML form of a message."""
    (tmp_path / "a.eml").write_text(
        "Subject: x\nContent-Type: multipart/alternative; boundary=a\n\n"
        "--a\nContent-Type: text/plain\n\nIt is 840 crowns.\n"
        "--a\nContent-Type: multipart/mixed; boundary=b\n\n"
        "--b\nContent-Type: text/html\n\n<p>It is <b>840</b> crowns.\n"
        '--b\nContent-Type: text/csv\nContent-Disposition: inline; filename="doors.csv"\n\n'
        "item,price\noak door,310\n"
        '--b\nContent-Type: image/png\nContent-Disposition: attachment; filename="a.png"\n\nx\n'
        "--b--\n--a--\n"
    )
    text, notes = text_and_notes(tmp_path / "a.eml")
    assert text == "Subject: x / It is 840 crowns.\ndoors.csv / item: oak door; price: 310"
    assert notes == ["message 1, attachment a.png: image/png, which is not read"]


def test_attached_documents_are_read_and_others_named(tmp_path: Path) -> None:
    mail = message()
    mail.add_attachment(b"item,price\noak door,840\n", "text", "csv", filename="doors.CSV")
    mail.add_attachment("Käse", filename="Preisliste für Käse.txt")
    mail.add_attachment(b"\x89PNG", "image", "png", filename="door.png")
    mail.add_attachment(b"PK", "application", "zip", filename="a.docx")
    mail.add_attachment(b"{}", "application", "json", filename="settings.json")
    text, notes = eml(tmp_path, mail)
    assert "item: oak door; price: 840" in text
    assert "Preisliste für Käse.txt / Käse" in text
    assert notes == [
        "message 1, attachment door.png: image/png, which is not read",
        "message 1, attachment a.docx: not readable as DOCX (BadZipFile: File is not a zip file)",
        "message 1, attachment settings.json: found a JSON dict, expected a list of rows",
    ]


def test_an_attachment_without_text_is_told(tmp_path: Path) -> None:
    mail = message()
    mail.add_attachment(" ", filename="blank.txt")
    assert eml(tmp_path, mail) == (
        f"{HEAD} / It is 840 crowns.",
        ["message 1, attachment blank.txt: there is no text in it"],
    )


PICTURE = "message 1, attachment a.png: image/png, which is not read"


@pytest.mark.parametrize(
    ("headers", "notes"),
    [
        ("Content-ID: <a@x>\nContent-Disposition: inline", []),
        ("Content-ID: <a@x>", []),
        ("Content-ID: <A@x>", []),  # the scheme may be in capital letters
        ("Content-ID:  <a@x> \nContent-Type: application/octet-stream", []),
        ("Content-ID:\n <a@x>", []),  # a long one stands on a line of its own
        ("Content-ID: <C@x>", []),
        ("Content-Location: a.png", []),
        ("Content-Location:\n a.png", []),
        ("Content-ID: <a@x>\nContent-Disposition: attachment", []),
        ("Content-ID: <b@x>\nContent-Disposition: inline", [PICTURE]),  # which nothing shows
        ("Content-ID: <b@x>\nContent-Disposition: attachment", [PICTURE]),
        ("Content-Disposition: inline", [PICTURE]),
        ("", [PICTURE]),
    ],
)
@pytest.mark.parametrize("plain", [True, False])
def test_pictures_that_the_text_shows_are_no_attachments(
    tmp_path: Path, headers: str, notes: list[str], plain: bool
) -> None:
    """A logo is shown by `cid:`; a scanned letter is attached, often with a Content-ID, too."""
    kind = "" if "Content-Type" in headers else "Content-Type: image/png\n"
    headers = headers.replace("inline", 'inline; filename="a.png"')
    headers = headers.replace("attachment", 'attachment; filename="a.png"')
    picture = f"{kind}X-Name: a\n{headers}"
    if "filename" not in picture:
        picture = picture.replace("image/png", 'image/png; name="a.png"')
    shown = ("src='cid:a%40x'", "src=a.png", "SRC=CID:C@x", "src='CID:A@x'", "src='cid:'")
    body = "It is 840." + "".join(f"<img {source}>" for source in (*shown, "src='&#1;'"))
    text = "Content-Type: text/plain\n\nIt is 840.\n--b\n" if plain else ""
    mail = (
        "Subject: x\nContent-Type: multipart/related; boundary=a\n\n--a\n"
        f"Content-Type: multipart/alternative; boundary=b\n\n--b\n{text}"
        f"Content-Type: text/html\n\n{body}\n--b--\n--a\n{picture}\n\nx\n--a--\n"
    )
    assert eml(tmp_path, mail.encode()) == ("Subject: x / It is 840.", notes)


def test_a_message_of_pictures_alone_is_told(tmp_path: Path) -> None:
    mail = message(body=" ")
    mail.add_alternative("<img src='cid:a'><p><img src='cid:a'>", subtype="html")
    mail.get_payload()[1].add_related(b"GIF", "image", "gif", cid="<a>", filename="a.gif")  # type: ignore[union-attr,index]
    assert eml(tmp_path, mail) == (HEAD, ["message 1: no text in it, but pictures"])
    mail.add_attachment("Of oak.", filename="doors.txt")
    text, notes = eml(tmp_path, mail)
    assert text == f"{HEAD} / doors.txt / Of oak."
    assert notes == ["message 1: no text in it, but pictures"]


def test_a_picture_of_a_message_that_is_forwarded_is_known(tmp_path: Path) -> None:
    inner = message("Doors", " ")
    inner.add_alternative("<p>It is 840.<img src='cid:a'>", subtype="html")
    outer = message("Fwd: Doors")
    outer.add_attachment(inner)
    # where some programs put what the message within shows
    outer.add_attachment(b"GIF", "image", "gif", cid="<a>", filename="a.gif")
    inner.get_payload()[1].add_related(b"GIF", "image", "gif", cid="<a>", filename="a.gif")  # type: ignore[union-attr,index]
    assert eml(tmp_path, outer)[1] == []


def test_a_document_that_the_text_links_is_read(tmp_path: Path) -> None:
    mail = message()
    mail.add_alternative("<p>See <a href='cid:a'>the list</a>.", subtype="html")
    mail.add_attachment(b"item,price\noak,310\n", "application", "csv", cid="<a>", filename="a.csv")
    text, notes = eml(tmp_path, mail)
    assert text.endswith("a.csv / item: oak; price: 310")
    assert notes == []


def test_attached_messages_have_numbers(tmp_path: Path) -> None:
    mail = message()
    mail.add_attachment(message("Re: doors", "They are of oak."))
    (tmp_path / "a.eml").write_bytes(mail.as_bytes())
    (file,) = find([tmp_path / "a.eml"])
    assert isinstance(file, SourceFile)
    (passage,) = read(file)
    assert [mark.number for mark in passage.marks] == [1, 2]
    assert passage.text.endswith("They are of oak.")


@pytest.mark.parametrize(
    ("head", "body", "expected", "guess"),
    [
        (b"Content-Type: text/plain; charset=iso-8859-1", b"Ren\xe9e \x80840", "Renée €840", ""),
        (b"X: y", "Renée zahlt".encode(), "Renée zahlt", ""),
        (b"X: y", "Renée pays £840 a month.".encode("cp1252"), "£840", "Windows-1252"),
        (b"Content-Type: text/plain; charset=nonsense", b"Plain.", "Plain.", ""),
        (b"X: y", b"One\0two.", "One\ufffdtwo.", ""),
        (b"Content-Transfer-Encoding: base64", b"VGhlIHJlbnQ=", "The rent", ""),
        (b"Content-Transfer-Encoding: quoted-printable", b"The=20r=\nent", "The rent", ""),
    ],
)
def test_encodings(tmp_path: Path, head: bytes, body: bytes, expected: str, guess: str) -> None:
    text, notes = eml(tmp_path, b"Subject: x\n" + head + b"\n\n" + body)
    assert expected in text
    assert notes == ([f"read as {guess}"] if guess else [])


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (b"=?utf-8?q?The_rent=3A_=C2=A3840?=", "The rent: £840"),
        (b"=?utf-8?b?w6Q=?= =?iso-8859-1?q?=E4?=", "ää"),
        ("Miete für Mai".encode(), "Miete für Mai"),
        (b"=?nonsense?q?x=41?=", "xA"),
        (b"=?utf-8?q?unfinished", "=?utf-8?q?unfinished"),
        ("Straße, Łódź €9 =?utf-8?q?=C2=A3840?=".encode(), "Straße, Łódź €9 £840"),
    ],
)
def test_subjects(tmp_path: Path, subject: bytes, expected: str) -> None:
    assert eml(tmp_path, b"Subject: " + subject + b"\n\nx")[0] == f"Subject: {expected} / x"


def test_a_mailbox_of_messages(tmp_path: Path) -> None:
    path = tmp_path / "a.mbox"
    line = "From ann@mill.test Mon May 12 10:00:00 2019\n"
    one = message(body="Hello.\n\n>From here on it is dark.\nFrom now on, too.\n").as_string()
    path.write_text(f"{line}{one}\n{line}{message('Doors', 'Of oak.').as_string()}")
    text, notes = text_and_notes(path)
    assert notes == []
    assert text.replace("\n", " / ").split(" / ") == [
        *HEAD.split("\n"),
        *("Hello.", "From here on it is dark.", "From now on, too."),
        *HEAD.replace("The rent", "Doors").split("\n"),
        "Of oak.",
    ]
    (file,) = find([path])
    assert isinstance(file, SourceFile)
    assert {mark.number for passage in read(file) for mark in passage.marks} == {1, 2}


def test_files_that_are_no_mail(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="no e-mail"):
        eml(tmp_path, b"\nJust text.")
    (tmp_path / "a.mbox").write_text("Just text.")
    with pytest.raises(DocumentError, match="no e-mail"):
        text_and_notes(tmp_path / "a.mbox")


def test_a_mailbox_of_one_message_without_a_separator(tmp_path: Path) -> None:
    (tmp_path / "a.mbox").write_bytes(message().as_bytes())
    assert text_and_notes(tmp_path / "a.mbox") == (f"{HEAD} / It is 840 crowns.", [])


@pytest.mark.parametrize("kind", ["multipart/mixed", "multipart/alternative", "text/enriched"])
def test_a_text_that_is_said_to_be_more(tmp_path: Path, kind: str) -> None:
    text = f"Subject: x\nContent-Type: {kind}; boundary=b\n\nThe rent is 840."
    assert eml(tmp_path, text.encode()) == ("Subject: x / The rent is 840.", [])


def test_parts_in_parts_end(tmp_path: Path) -> None:
    text = b""
    for depth in range(60):
        text += b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (depth, depth)
    _, notes = eml(tmp_path, b"Subject: x\n" + text + b"\nThe end.")
    assert notes == ["message 1: more than 50 parts in parts"]


# ---- saved pages


def test_a_saved_page_is_read_as_a_page(tmp_path: Path) -> None:
    page = (
        "<nav><ul><li><a href=1>News</a><li><a href=2>Shop</a></ul></nav>"
        "<table><tr><th>Item<th>Price<tr><td>oak door<td>=C2=A3840</table>"
    )
    quoted = page.replace("=1", "=3D1").replace("=2>", "=3D2>")
    (tmp_path / "a.mhtml").write_text(
        "Subject: The joiner\nMIME-Version: 1.0\nContent-Type: multipart/related; boundary=b\n\n"
        "--b\nContent-Type: text/html; charset=utf-8\n"
        f"Content-Transfer-Encoding: quoted-printable\n\n{quoted}\n"
        "--b\nContent-Type: image/png\n\nx\n"
        "--b\nContent-Type: text/html\n\n<p>In a frame.\n--b--\n"
    )
    expected = "The joiner / Item: oak door; Price: £840\nIn a frame."
    assert text_and_notes(tmp_path / "a.mhtml") == (expected, [])
    (tmp_path / "a.mht").write_text("Subject: x\n\nJust text.")
    with pytest.raises(DocumentError, match="no saved page"):
        text_and_notes(tmp_path / "a.mht")
