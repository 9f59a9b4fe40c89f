"""The source of the page: one owner of its state."""

from __future__ import annotations

import re

from pullquote.serving import page


def test_all_state_of_the_page_is_in_its_store() -> None:
    source = page.load()["/page.js"].content.decode()
    # what a module could change later: a variable, or a constant that holds a container
    mutable = re.findall(r"^(?:let|var) .*|^const \w+ = (?:[\[{]|new ).*", source, re.MULTILINE)
    assert mutable == []
    assert len(re.findall(r"^const \w+ = createStore\(", source, re.MULTILINE)) == 1
