"""Formulas of web pages (MathML) as text on one line: "E=m·c^2/2".

    formula(etree, element)

Knows the elements that would read wrongly as their characters alone: a fraction, a power.
"""

from __future__ import annotations

from typing import Any

# elements with two or three operands, by the signs between them
_SIGNS = {
    "mfrac": "/",
    "msub": "_",
    "msup": "^",
    "munder": "_",
    "mover": "^",
    "msubsup": "_^",
    "munderover": "_^",
    "mroot": "^1/",
}
_ROOT = "msqrt"
_LEFT_OUT = ("annotation", "annotation-xml")


def formula(etree: Any, math: Any) -> str:
    """The text of a `<math>` element, without its annotations, such as its source in TeX.

    >>> from lxml import etree
    >>> half = "<mfrac><mrow><mi>a</mi><mo>+</mo><mi>b</mi></mrow><mn>2</mn></mfrac>"
    >>> formula(etree, etree.fromstring(f"<math><mi>c</mi><mo>=</mo>{half}</math>"))
    'c=(a+b)/2'
    """
    pieces: list[str] = []
    walk = etree.iterwalk(math, events=("start", "end"))
    skipped = None
    for event, element in walk:
        parent = element.getparent() if element is not math else None
        around = "" if parent is None else parent.tag
        grouped = (around in _SIGNS and len(element) > 1) or element.tag == _ROOT
        if event == "start":
            if element.tag in _LEFT_OUT:
                walk.skip_subtree()
                skipped = element
                continue
            before = element.getprevious()
            if around in _SIGNS and before is not None:
                signs = _SIGNS[around]
                pieces.append(signs[-1] if before.getprevious() is not None else signs[0])
            if element.tag == _ROOT:
                pieces.append("√")
            if grouped:
                pieces.append("(")
            pieces.append(" ".join((element.text or "").split()))
        elif element is not skipped:
            if grouped:
                pieces.append(")")
            elif element.tag == "mtr":
                pieces.append("; ")
            elif element.tag == "mtd":
                pieces.append(" ")
    return "".join(pieces).strip(" ;")
