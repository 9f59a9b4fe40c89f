"""Tells the content of a web page from boilerplate: menus, teasers, comment threads, pop-ups.

    page = Layout(etree, body)
    page.is_boilerplate(element, "div", 17)     # the element at position 17 in document order

Knows a page as lxml parses it, neither files nor passages. Nothing is left out without evidence:
an element's tag or role, its name (`class="related"`), that most of it are links, or that the page
marks it as no content. Evidence counts for less within the core, the element that holds most of the
page's prose, and not at all against an element around the core. A page without much prose in one
place has no core, and most of it is read.

Figures are kept in arrays by position and made in one walk, so that the cost is linear, however
deeply elements are nested.
"""

from __future__ import annotations

import itertools
import re
from array import array
from collections.abc import Sequence
from typing import Any

from pullquote.searching.html_tables import is_table, tags

NEVER = tags(
    "applet area audio canvas datalist embed frame frameset head iframe input link map meta meter",
    "noembed noframes noscript object optgroup option param progress script select source style",
    "svg textarea track video",
)
"""Elements without text that a page shows, or with text that is not the page's."""

HEADINGS = tags("button caption dt h1 h2 h3 h4 h5 h6 legend summary title")
BLOCKS = HEADINGS | tags(
    "address article aside blockquote body center dd details dialog div dl fieldset figcaption",
    "figure footer form header hgroup hr html li main menu nav ol p pre search section table tbody",
    "text tfoot thead tr ul",
)

_CELLS = tags("td th")
_MENUS = tags("menu nav search")
_MENU_ROLES = tags("directory menu menubar navigation search toolbar tooltip tree")
_DIALOG_ROLES = tags("alertdialog dialog")
# elements that may be boilerplate by their names or their links
_GROUPS = BLOCKS - HEADINGS - tags("blockquote body dd details html main pre text") | tags("td")
_LISTS = tags("div dl menu ol p section table td ul")
_SECTIONS = tags("article blockquote figure main section")
_CORES = tags("article blockquote center div form main p section td")
_ASIDES = tags("aside dialog footer form nav")


def _names(*names: str) -> re.Pattern[str]:
    """Matches words of classes and ids: "comment" that word alone, "disqus*" what begins so."""
    return re.compile("|".join(" ".join(names).replace("*", ".*").split()))


_THREADS = _names("comment comments commentlist disqus* livefyre* replies reply respond")
_TEASERS = _names(
    "newsletter* outbrain* popular promo promos recirc* recommended recommendations related*",
    "share sharedaddy shares sharetools sharing social subscribe subscription suggested taboola*",
    "trending",
)
_LINKS = _names("breadcrumb* byline dateline pager pagination tags toc")
_POPUPS = _names("advert* consent cookie cookies gdpr login modal overlay popup signup sponsor*")
_AROUND = _names(
    "banner feedback foot footer masthead menu menus nav navbar navigation privacy rail sidebar*",
    "skip toolbar topbar widget widgets",
)
_ADS = _names("ad ads adx* nocontent")
_FOOTERS = frozenset(["footer", "page-footer", "pagefooter", "site-footer"])
# what only screen readers or prints show: "Skip to content", the address of the page
_UNSEEN = re.compile(
    r"(?:\S*-)?(?:visually-?hidden|sr-only|screen-reader(?:-text)?|off-?screen|only-print|print-only)"
)
_LONGEST_UNSEEN = 200  # bytes
_DOUBTFUL = (_THREADS, _TEASERS, _POPUPS, _AROUND)
_WORD = re.compile("[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_WITH = re.compile("(?:and|has|is|no|w|with|without)[-_]", re.IGNORECASE)  # "has-sidebar"

_HERE = ("#", "mailto:", "tel:")  # links that lead to no other page

_PROSE = 80  # bytes outside links from which on a block counts as prose
_ENOUGH = 500  # bytes of prose without which a page has no core
_DOUBT = 8  # prose in lists, sidebars and comment threads counts for an eighth

# bits of `_marks`
_IS_CORE, _IN_SECTION, _IS_DOUBTFUL, _IS_THREAD = 1, 2, 4, 8


class Layout:
    """Where the text, the links and the prose of a page are.

    Sizes are bytes of UTF-8 without whitespace, so that scripts weigh about the same.
    """

    def __init__(self, etree: Any, page: Any) -> None:
        count = int(page.xpath("count(descendant-or-self::*)"))
        # for each element, by its position in document order
        self._ends: array[int] = _zeros("I", count)  # the position behind its last descendant
        self._parents: array[int] = _zeros("I", count)
        self._marks: array[int] = _zeros("B", count)
        self._sizes: array[int] = _zeros("I", count)
        self._linked: array[int] = _zeros("I", count)  # how much of its size is in links
        self._links: array[int] = _zeros("I", count)  # how many there are
        self._prose: array[int] = _zeros("I", count)  # the size of its blocks that are prose
        self._teasers: array[int] = _zeros("I", count)  # headings that are links
        self._titles: array[int] = _zeros("I", count)  # other headings
        self._h1: array[int] = _zeros("I", count)
        self._articles: list[int] = []  # positions
        self._threads_are_below = False  # threads of comments, below something else
        self._measure(etree, page)
        self._sum_up()
        self._core, self._core_end = self._find_core()

    def end(self, at: int) -> int:
        """The position behind the last descendant of the element at a position."""
        return self._ends[at]

    def _measure(self, etree: Any, page: Any) -> None:
        """Fill in the figures: those of text and links of whole elements, the others of each."""
        sizes, linked, marks, parents = self._sizes, self._linked, self._marks, self._parents
        around: list[int] = []  # positions of the elements around the current place
        blocks: list[list[int]] = [[0, 0]]  # sizes of the blocks around it, and how much is linked
        links = items = sections = silent = 0  # how many of these are around it

        def add(text: str) -> None:
            joined = "".join(text.split())
            size = len(joined) if joined.isascii() else len(joined.encode("utf-8", "replace"))
            sizes[around[-1]] += size
            blocks[-1][0] += size
            if links:
                linked[around[-1]] += size
                blocks[-1][1] += size

        at = -1
        for event, element in etree.iterwalk(page, events=("start", "end")):
            tag = element.tag if isinstance(element.tag, str) else ""
            is_block = tag in BLOCKS or tag in _CELLS
            leads = tag == "a" and not element.get("href", "#").startswith(_HERE)
            if event == "start":
                at += 1
                if around:
                    parents[at] = around[-1]
                around.append(at)
                marks[at] = (tag in _CORES) * _IS_CORE + (sections > 0) * _IN_SECTION
                links += leads
                items += tag == "li"
                sections += tag in _SECTIONS
                silent += tag in NEVER
                if is_block:
                    blocks.append([0, 0])
                if tag == "article":
                    self._articles.append(at)
                if not silent and (text := element.text):
                    add(text)
                continue
            here = around.pop()
            self._ends[here] = at + 1
            size = sizes[here]
            if is_block:
                text_size, text_linked = blocks.pop()
                if text_size - text_linked >= _PROSE and text_size > 2 * text_linked:
                    self._prose[here] = (text_size - text_linked) // (_DOUBT if items else 1)
                if size and tag in HEADINGS and tag != "button":
                    is_teaser = links > 0 or linked[here] > 0.8 * size
                    (self._teasers if is_teaser else self._titles)[here] = 1
                    self._h1[here] = tag == "h1"
                if size and (tag in _ASIDES or _named(element, tag, _DOUBTFUL)):
                    marks[here] |= _IS_DOUBTFUL
                    if tag in _GROUPS and _named(element, tag, [_THREADS]):
                        marks[here] |= _IS_THREAD
            if leads:
                links -= 1
                self._links[here] = 1
            items -= tag == "li"
            sections -= tag in _SECTIONS
            silent -= tag in NEVER
            if around:
                if size:
                    sizes[around[-1]] += size
                    linked[around[-1]] += linked[here]
                if not silent and (text := element.tail):
                    add(text)

    def _sum_up(self) -> None:
        """Sum up the figures of elements, with less weight for prose that is doubtful."""
        marks, parents, prose = self._marks, self._parents, self._prose
        for figures in (self._links, self._teasers, self._titles, self._h1):
            for at in range(len(parents) - 1, 0, -1):
                if count := figures[at]:
                    figures[parents[at]] += count
        in_threads = end = 0
        for at in range(1, len(marks)):
            if marks[at] & _IS_THREAD:
                if self._h1[at]:
                    marks[at] &= ~_IS_THREAD
                elif at >= end:
                    in_threads, end = in_threads + self._own(at), self._ends[at]
            if marks[parents[at]] & _IS_DOUBTFUL:
                marks[at] |= _IS_DOUBTFUL
            elif marks[at] & _IS_DOUBTFUL and (
                self._has_title(at) or self._sizes[at] > 0.7 * self._sizes[0]
            ):
                marks[at] &= ~_IS_DOUBTFUL
            if marks[at] & _IS_DOUBTFUL and prose[at]:
                prose[at] //= _DOUBT
        self._threads_are_below = self._own(0) - in_threads > _ENOUGH
        for at in range(len(prose) - 1, 0, -1):
            if size := prose[at]:
                prose[parents[at]] += size

    def _find_core(self) -> tuple[int, int]:
        """The range of positions of the core; an empty one if there is none."""
        prose, whole = self._prose, self._prose[0]
        if whole < _ENOUGH:
            return 0, 0
        # elements with more than half of the prose lie in each other: the last is the innermost
        core = 0
        for at in range(1, len(prose)):
            if prose[at] > 0.6 * whole and self._marks[at] & _IS_CORE:
                core = at
        for at in self._articles:
            if at < core < self._ends[at]:
                core = at
                break
        return (core, self._ends[core]) if core else (0, 0)

    def _own(self, at: int) -> int:
        """The size of an element's text outside links."""
        return self._sizes[at] - self._linked[at]

    def _has_title(self, at: int) -> bool:
        """Whether the main heading is in an element."""
        return 0 < self._h1[at] == self._h1[0]

    def is_boilerplate(self, element: Any, tag: str, at: int) -> bool:
        """Whether the element at a position is not content.

        What is in an element that is not content has to be skipped, too.
        """
        if tag in NEVER:
            return True
        role = element.get("role", "")
        if tag == "template":
            return element.get("shadowrootmode") is None
        if at <= self._core < self._ends[at] or role == "tabpanel":
            return False
        return self._is_boilerplate(element, tag, at, role)

    def _is_boilerplate(self, element: Any, tag: str, at: int, role: str) -> bool:
        size, linked, links, prose = (
            figures[at] for figures in (self._sizes, self._linked, self._links, self._prose)
        )
        in_core = self._core_end == 0 or self._core < at < self._core_end
        is_most = self._core_end == 0 and 2 * self._own(at) > self._own(0)
        if self._marks[at] & _IS_THREAD and self._threads_are_below:
            return True
        if prose > 0.4 * max(self._prose[0], _ENOUGH):
            return False
        if tag == "button":
            return not _opens(element, size)
        if tag in _MENUS or role in _MENU_ROLES:
            return True
        if tag == "dialog" or role in _DIALOG_ROLES:
            return not is_most
        if element.get("aria-hidden") == "true" and tag not in BLOCKS:
            return True  # such as the letters of an icon, or a formula that is there as MathML, too
        if size and size <= _LONGEST_UNSEEN and tag not in HEADINGS and _is_unseen(element):
            return True
        if not size or tag not in _GROUPS:
            return False
        is_little = self._core_end and prose < 0.1 * self._prose[0] and not self._has_title(at)
        if is_little and _is_not_content(element, tag, in_core):
            return True
        dense = linked > 0.5 * size
        if tag in ("header", "footer") or role in ("banner", "contentinfo"):
            if self._marks[at] & _IN_SECTION or (self._core_end and in_core):
                return dense and links > 1
            if 10 * self._own(at) > 9 * self._own(0):
                return False
            if tag == "footer" or role == "contentinfo":
                return True
            return not self._h1[at] and (dense or not prose)
        if is_most:
            return False
        aside = tag == "aside" or role == "complementary"
        if aside and (dense or not (in_core or prose)):
            return True
        if tag == "form" and not in_core and size - linked < 400:
            return True
        if links and prose < 0.2 * self._prose[0] and _named(element, tag, [_TEASERS], in_core):
            return True
        if dense and _named(element, tag, [_LINKS], in_core):
            return True
        if (dense or not in_core) and _named(element, tag, [_POPUPS], in_core):
            return True
        if (dense if in_core else linked > size / 10) and _named(element, tag, [_AROUND], in_core):
            return True
        if tag == "table" and is_table(element):
            return False
        if tag in _LISTS and links >= 4 and linked > 0.75 * size:
            return not in_core or not _is_introduced(element)
        if in_core:
            return False
        if links and not prose and linked > size / 6 and self._prose[0] > 2 * _ENOUGH:
            return True
        return self._teasers[at] > 1 and self._teasers[at] >= 2 * self._titles[at]


def _zeros(kind: str, count: int) -> array[int]:
    zero: array[int] = array(kind, [0])
    return zero * count


def _named(element: Any, tag: str, names: Sequence[re.Pattern[str]], in_core: bool = False) -> bool:
    """Whether a word of an element's class or id is one of some names.

    Ids of sections do not count, and none in the core: they are often made of titles, which are
    text (`id="sharing-files"`).
    """
    given: str = element.get("class", "")
    if "-" in given or "_" in given:
        given = " ".join(name for name in given.split() if not _WITH.match(name))
    if not in_core and tag != "section" and "section" not in given:
        given = f"{given} {element.get('id', '')}"
    words = _WORD.findall(given)
    return any(pattern.fullmatch(word.lower()) for word in words for pattern in names)


def _is_unseen(element: Any) -> bool:
    """Whether an element is there for screen readers or for prints alone."""
    return any(map(_UNSEEN.fullmatch, element.get("class", "").split()))


def _is_not_content(element: Any, tag: str, in_core: bool) -> bool:
    """Whether a page says that an element is none of its content, or hides it beside the core."""
    if "data-nosnippet" in element.attrib or _named(element, tag, [_ADS], in_core):
        return True
    hidden = "display:none" in "".join(element.get("style", "").split()).lower()
    hidden = hidden and not element.get("id")  # by which a button would open it
    if in_core:
        return hidden and tag in _ASIDES
    names = {element.get("id", ""), *element.get("class", "").split()}
    return hidden or not _FOOTERS.isdisjoint(names)


def _opens(button: Any, size: int) -> bool:
    """Whether a button is the heading of a part that it opens, such as a question."""
    around = itertools.islice(button.iterancestors(), 2)
    if button.get("role") == "tab" or any(element.tag in HEADINGS for element in around):
        return True
    return size > 12 and any(
        button.get(name) for name in ("aria-controls", "aria-expanded", "data-toggle")
    )


def _is_introduced(element: Any) -> bool:
    """Whether a heading or other text stands directly before an element."""
    before = element.getprevious()
    if before is None:
        text = element.getparent().text
    elif before.tag in HEADINGS or before.tag == "p":
        return True
    else:
        text = before.tail
    return bool(text and text.strip())
