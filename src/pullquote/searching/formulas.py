"""Equations of Word and PowerPoint (OMML) as a line of text: "F=m·v^2/r".

Knows the elements that would read wrongly as their characters alone: a fraction, a power.
"""

from __future__ import annotations

from typing import Any

from pullquote.searching.archives import local_name

# elements with two operands, by the sign between them
_BETWEEN = {"f": ("num", "/", "den"), "sSup": ("e", "^", "sup"), "sSub": ("e", "_", "sub")}
_LEFT_OUT = ("ctrlPr", "rPr", "degHide")


def formula(element: Any) -> str:
    """The text of an equation.

    >>> from lxml import etree
    >>> m = 'xmlns:m="http://schemas.openxmlformats.org/officeDocument/2006/math"'
    >>> half = "<m:num><m:t>a+b</m:t></m:num><m:den><m:t>2</m:t></m:den>"
    >>> formula(etree.fromstring(f"<m:oMath {m}><m:t>c=</m:t><m:f>{half}</m:f></m:oMath>"))
    'c=(a+b)/2'
    """
    tag = local_name(element)
    parts = {local_name(child): child for child in element}
    if tag == "t":
        return element.text or ""
    if tag in _BETWEEN:
        first, sign, second = _BETWEEN[tag]
        return f"{_operand(parts, first)}{sign}{_operand(parts, second)}"
    if tag == "sSubSup":
        return f"{_operand(parts, 'e')}_{_operand(parts, 'sub')}^{_operand(parts, 'sup')}"
    if tag == "rad":
        degree = formula(parts["deg"]) if "deg" in parts else ""
        root = {"": "√", "3": "∛", "4": "∜"}.get(degree, f"{degree}√")
        return f"{root}{_operand(parts, 'e')}"
    if tag == "nary":
        sign = _said(parts.get("naryPr"), "chr") or "∫"
        low, high = (_operand(parts, name) for name in ("sub", "sup"))
        return f"{sign}{f'_{low}' if low else ''}{f'^{high}' if high else ''} {_rest(parts, 'e')}"
    if tag == "d":
        inner = (formula(child) for child in element if local_name(child) == "e")
        begin = _said(parts.get("dPr"), "begChr", "(")
        return f"{begin}{', '.join(inner)}{_said(parts.get('dPr'), 'endChr', ')')}"
    if tag == "mr":  # a row of a matrix
        return " ".join(formula(child) for child in element) + "; "
    return "".join(formula(child) for child in element if local_name(child) not in _LEFT_OUT)


def _operand(parts: dict[str, Any], name: str) -> str:
    """A part, in brackets unless it is one word or number."""
    text = _rest(parts, name)
    return text if text.replace(".", "").isalnum() or len(text) < 2 else f"({text})"


def _rest(parts: dict[str, Any], name: str) -> str:
    return formula(parts[name]) if name in parts else ""


def _said(settings: Any, name: str, usual: str = "") -> str:
    """A setting of an element, such as the sign of its brackets."""
    for child in () if settings is None else settings:
        if local_name(child) == name:
            return next((value for key, value in child.items() if key.endswith("}val")), "")
    return usual
