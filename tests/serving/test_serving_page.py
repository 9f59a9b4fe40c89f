"""The page in a real browser: asking, marks, the slider, no answer, errors, keys, narrow screens.

The server expects that 75 % of the questions have an answer, whatever is stored with the model.

Needs a Chromium (Debian: apt-get install chromium); skipped without one.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright
from serving_helpers import Server, serving

from pullquote import Index

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
# continuous integration sets this: there, a missing browser is a failure
MUST = bool(os.environ.get("PULLQUOTE_NEEDS_CHROMIUM"))
pytestmark = pytest.mark.skipif(
    not CHROMIUM and not MUST, reason="no chromium to test the page with: apt-get install chromium"
)

BUILT = "Who built the first lighthouse?"
COST = "How much did the fourth tower cost?"
PATIENCE = 60_000  # milliseconds; on a busy machine an answer takes longer than 5 s
expect.set_options(timeout=PATIENCE)
MILL = Path(__file__).parents[2] / "examples" / "mill"
PHONE = {"width": 360, "height": 740}
ANSWER = re.compile("^Answer, (sure|likely|unsure)$")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "no chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def small() -> Iterator[Server]:
    with serving("--answerable", "75%", model="small") as server:
        yield server


@pytest.fixture
def page(browser: Browser, small: Server) -> Iterator[Page]:
    """The page, which must go through a test without an error or a blocked script."""
    page = browser.new_page(reduced_motion="reduce")
    page.set_default_timeout(PATIENCE)
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.goto(small.url)
    yield page
    page.close()
    assert [one for one in complaints if "Failed to load resource" not in one] == []


def ask(page: Page, question: str, text: str | None = None) -> None:
    """Give the page a text, or the example, and ask."""
    if text is None:
        load_example(page)
    else:
        if page.locator("#edit").is_visible():
            page.locator("#edit").click()
        page.locator("#text").fill(text)
    ask_again(page, question)


def load_example(page: Page) -> None:
    """Load the example and wait for it: it brings a question, which may replace a newer one."""
    page.get_by_label("Question", exact=True).fill("")
    page.get_by_role("button", name="Example", exact=True).click()
    expect(page.get_by_label("Question", exact=True)).to_have_value(BUILT)
    expect(page.locator("#size")).to_have_text("1,323 characters")


def ask_again(page: Page, question: str) -> None:
    """Ask what is open, a text or the documents, and wait for the answer."""
    page.get_by_label("Question", exact=True).fill(question)
    page.get_by_role("button", name="Ask").click()
    # the click sets it to true at once
    expect(page.locator("#form")).to_have_attribute("aria-busy", "false")
    expect(page.locator("#history button").first).to_contain_text(question)


def wait_for_routes(page: Page, routes: list[Route], count: int) -> None:
    """Wait until so many requests are held by a handler of `page.route`."""
    deadline = time.monotonic() + PATIENCE / 1000
    while len(routes) < count:
        assert time.monotonic() < deadline, f"{len(routes)} requests, expected {count}"
        page.wait_for_timeout(20)


# Makes requests that cannot be cancelled, as if the answer had been on its way already, and counts
# the answers that the page has read and dealt with; each is one JSON text, also of a slow server.
STUBBORN_FETCH = """
  const send = window.fetch;
  let count = 0;
  window.fetch = async (path, options) => {
    const headers = { ...options?.headers, accept: "application/json" };
    const response = await send(path, { ...options, headers, signal: undefined });
    const read = response.json.bind(response);
    response.json = async () => {
      try {
        return await read();
      } finally {
        // after all that waits for this answer
        setTimeout(() => document.documentElement.setAttribute("data-answers", ++count));
      }
    };
    return response;
  };
"""


@pytest.fixture
def stubborn(page: Page) -> Page:
    """The page with requests that cannot be cancelled; GET v1/model is the first answer."""
    page.add_init_script(STUBBORN_FETCH)
    page.reload()
    expect_answers(page, 1)
    return page


def expect_answers(page: Page, count: int) -> None:
    expect(page.locator("html")).to_have_attribute("data-answers", str(count))


def slide(page: Page, percent: int) -> None:
    page.get_by_role("slider").fill(str(percent))


TOWERS = "Ann <b>Bell</b> built the tower. Bob paid 840 crowns, Cy 20 marks and Di <img src=x>."


def answer_with(page: Page, quotes: dict[str, float], none: float, **others: Any) -> None:
    """Make the server give these quotes of `TOWERS` with their scores to every question.

    The scores are for a share of one half, as they would be if the request had named it.
    """
    answers = [
        {"text": text, "start": TOWERS.index(text), "end": TOWERS.index(text) + len(text)}
        | {"score": score, "start_logit": 0, "end_logit": 0}
        for text, score in quotes.items()
    ]
    result = {
        "answer": answers[0] if none <= answers[0]["score"] else None,
        "answers": answers,
        "no_answer_score": none,
        "answerable": 0.5,
        "null_score_diff": 0,
        "threshold": None,
        "corrections": [],
    }
    page.route("**/v1/answer", lambda route: route.fulfill(json={"results": [result | others]}))
    ask(page, "Who built the tower?", TOWERS)


def set_default(page: Page, share: float | None) -> None:
    """Load the page of a server with this default."""

    def changed(route: Route) -> None:
        route.fulfill(json=route.fetch().json() | {"answerable": share})

    page.route("**/v1/model", changed)
    page.reload()
    expect(page.locator("#model")).to_have_text("model small")


def test_the_answer_is_shown_marked_and_scrolled_to(page: Page) -> None:
    ask(page, "When was the tower of Smeaton lit?")
    expect(page.locator("#verdict")).to_have_text(ANSWER)
    expect(page.locator("#quote")).to_have_text("1759")
    mark = page.locator("mark.chosen")
    expect(mark).to_have_text("1759")
    expect(mark).to_be_in_viewport()
    score = page.get_by_role("meter").get_attribute("aria-valuetext") or ""
    assert score.endswith(" %")
    expect(page.locator("#score-words")).to_contain_text(f"{score} that this is right · ")
    expect(page.locator("#score-words")).to_contain_text("that this text has no answer")


def test_a_long_text_is_scrolled_to_its_answer(page: Page) -> None:
    text = "Nothing happens here at all.\n" * 300 + "The tower was built by Ann Bell.\n"
    ask(page, "Who built the tower?", text + "Nothing happens here at all.\n" * 300)
    expect(page.locator("mark.chosen")).to_have_text("Ann Bell")
    expect(page.locator("mark.chosen")).to_be_in_viewport()


def test_emoji_before_the_answer_do_not_shift_its_mark(page: Page) -> None:
    text = "😀👩‍👩‍👧🏴󠁧󠁢󠁷󠁬󠁳󠁿 e\u0301 𝕬 The tower was built by Ann Bell 😀 in 1882."
    ask(page, "Who built the tower?", text)
    expect(page.locator("mark.chosen")).to_have_text("Ann Bell")
    assert page.locator("#reading").text_content() == text


@pytest.mark.parametrize(
    ("none", "verdict"),
    [
        *((0.82, "Not in this text."), (0.6, "Probably not in this text.")),
        *((0.46, "Perhaps not in this text."),),
    ],
)
def test_no_answer_is_said_with_its_probability(page: Page, none: float, verdict: str) -> None:
    set_default(page, 0.5)
    answer_with(page, {"Ann <b>Bell</b>": 0.1, "Bob": 0.05}, none)
    words = f"{none * 100:.0f} % that this text has no answer"
    expect(page.locator("#verdict")).to_have_text(verdict)
    expect(page.locator("#score-words")).to_have_text(words)
    expect(page.get_by_role("meter")).to_have_attribute("aria-valuenow", f"{none * 100:.0f}")
    expect(page.locator("#quote")).to_be_hidden()
    expect(page.get_by_role("status")).to_have_text(f"No answer: {words}.")
    expect(page.locator("#history button").first).to_contain_text("no answer")


@pytest.mark.parametrize(("score", "word"), [(0.8, "sure"), (0.79, "likely"), (0.31, "unsure")])
def test_an_answer_is_called_as_sure_as_it_is(page: Page, score: float, word: str) -> None:
    set_default(page, 0.5)
    answer_with(page, {"Ann <b>Bell</b>": score, "Bob": 0.1}, 0.1)
    expect(page.locator("#verdict")).to_have_text(f"Answer, {word}")


def test_quotes_are_listed_by_their_probabilities(page: Page) -> None:
    set_default(page, 0.5)
    answer_with(page, {"Ann <b>Bell</b>": 0.2, "Bob": 0.3, "Cy": 0.05, "840 crowns": 0.1}, 0.1)
    rows = page.locator("#others button")
    expect(rows.locator(".percent")).to_have_text(["30 %", "20 %", "10 %", "5 %"])
    expect(rows.nth(1)).to_have_attribute("aria-current", "true")
    expect(page.locator("#quote")).to_have_text("Ann <b>Bell</b>")
    rows.first.click()
    expect(page.locator("mark.chosen")).to_have_text("Bob")
    expect(rows.first).to_have_attribute("aria-current", "true")


def test_the_nearest_quotes_stand_in_a_list_and_lead_to_their_places(page: Page) -> None:
    set_default(page, 0.5)
    nearest = {"Ann <b>Bell</b>": 0.1, "840 crowns": 0.08, "Di <img src=x>": 0.05, "Bob": 0.001}
    answer_with(page, nearest, 0.6)
    expect(page.locator("#others-title")).to_have_text("The nearest quotes")
    rows = page.locator("#others button")
    expect(rows.locator(".words")).to_have_text(list(nearest))
    expect(rows.locator(".percent")).to_have_text(["10 %", "8 %", "5 %", "<1 %"])
    for number, words in enumerate(nearest):
        rows.nth(number).click()
        expect(page.locator("mark.unsure.chosen")).to_have_text(words)
    assert page.locator("#reading").text_content() == TOWERS
    assert page.locator("#reading img, #reading b, #others img, #others b").count() == 0


def test_moving_the_slider_returns_to_the_best_quote(page: Page) -> None:
    set_default(page, 0.5)
    answer_with(page, {"Ann <b>Bell</b>": 0.3, "Bob": 0.001}, 0.6)
    page.locator("#others button").nth(1).click()
    expect(page.locator("mark.chosen")).to_have_text("Bob")
    slide(page, 100)
    expect(page.locator("#verdict")).to_have_text(ANSWER)
    expect(page.locator("mark.chosen")).to_have_text("Ann <b>Bell</b>")


def test_quotes_that_are_hardly_right_are_not_shown_beside_an_answer(page: Page) -> None:
    set_default(page, 0.5)
    answer_with(page, {"Ann <b>Bell</b>": 0.9, "Bob": 0.02, "Cy": 0.002}, 0.04)
    expect(page.locator("#quote")).to_have_text("Ann <b>Bell</b>")
    expect(page.locator("#score-words")).to_have_text(
        "90 % that this is right · 4 % that this text has no answer"
    )
    expect(page.locator("#others-title")).to_have_text("The best quotes")
    expect(page.locator("#others .words >> visible=true")).to_have_text(["Ann <b>Bell</b>", "Bob"])
    page.locator("#others button").first.focus()
    for _ in range(3):
        page.keyboard.press("ArrowDown")
    expect(page.locator("mark.chosen")).to_have_text("Bob")
    expect(page.locator("#verdict")).to_have_text("Another place")
    expect(page.locator("#score-words")).to_contain_text("2 % that this is right")


def test_a_misspelt_word_is_shown_as_it_was_read(page: Page) -> None:
    ask(page, "Who built the first lighthuose?")
    expect(page.locator("#read-as")).to_have_text("“lighthuose” read as: lighthouse")
    expect(page.locator("#quote")).to_have_text("Henry Winstanley")
    expect(page.get_by_role("status")).to_contain_text("read as: lighthouse. Answer: Henry")
    ask_again(page, BUILT)
    expect(page.locator("#read-as")).to_be_hidden()


# ---- how many of the questions have an answer


def test_the_slider_decides_again_without_asking(page: Page) -> None:
    ask(page, COST)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    slide(page, 100)
    expect(page.locator("#verdict")).to_have_text(ANSWER)
    expect(page.locator("#score-words")).to_contain_text("· 0 % that this text has no answer")
    expect(page.locator("#history button").first).to_contain_text("“")
    slide(page, 1)
    expect(page.locator("#verdict")).to_have_text("Not in this text.")
    expect(page.locator("#history button").first).to_contain_text("no answer")
    expect(page.get_by_role("status")).to_contain_text("No answer: ")
    assert asked == []


@pytest.mark.parametrize("percent", [5, 40, 99])
def test_the_slider_decides_as_the_server_would(page: Page, small: Server, percent: int) -> None:
    ask(page, COST)
    slide(page, percent)
    text = page.locator("#text").input_value()
    request = {"question": COST, "context": text, "answerable": percent / 100, "top_k": 5}
    (result,) = page.request.post(f"{small.url}/v1/answer", data=request).json()["results"]
    quote = result["answer"]["text"] if result["answer"] else ""
    expect(page.locator("#quote")).to_have_text(quote)
    none = re.search(r"(\S+) % that this text", page.locator("#score-words").inner_text())
    assert none
    assert float(none[1].strip("<>")) == pytest.approx(100 * result["no_answer_score"], abs=1)
    for percents, score in zip(
        page.locator("#others .percent").all_text_contents(), result["answers"], strict=True
    ):
        shown = float(percents.strip("<> %"))
        assert shown == pytest.approx(100 * score["score"], abs=1)


def test_the_slider_says_where_the_answer_turns(page: Page) -> None:
    answer_with(page, {"Ann <b>Bell</b>": 0.3, "Bob": 0.1}, 0.6)
    slider = page.get_by_label("How many of your questions have an answer?")
    expect(slider).to_have_value("75")
    expect(slider).to_have_attribute("aria-valuetext", "75 %, the default")
    expect(page.locator("#score-words")).to_have_text(
        "50 % that this is right · 33 % that this text has no answer"
    )
    expect(page.locator("#turn")).to_have_text("From 67 % on, this question is answered.")
    expect(page.locator("#turn-tick")).to_be_visible()
    expect(page.get_by_role("button", name="Use the default")).to_be_hidden()
    slide(page, 67)
    expect(page.locator("#verdict")).to_have_text(ANSWER)
    slide(page, 66)
    expect(page.locator("#verdict")).to_have_text("Perhaps not in this text.")
    expect(slider).to_have_attribute("aria-valuetext", "66 %")
    expect(page.locator("#share-value")).to_have_text("66 %")
    page.get_by_role("button", name="Use the default").click()
    expect(page.locator("#verdict")).to_have_text(ANSWER)
    expect(slider).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(slider).to_have_value("74")


def test_where_the_slider_stands_is_remembered(page: Page) -> None:
    ask(page, BUILT)
    slide(page, 40)
    for place in ("40", "75"):
        page.reload()
        ask(page, BUILT)
        expect(page.get_by_role("slider")).to_have_value(place)
        if place == "40":
            page.get_by_role("button", name="Use the default").click()


def test_a_browser_that_stores_nothing_can_be_asked(page: Page) -> None:
    refuse = "() => { throw new DOMException('no', 'SecurityError') }"
    page.add_init_script(f"Object.defineProperty(window, 'localStorage', {{ get: {refuse} }})")
    page.reload()
    ask(page, BUILT)
    slide(page, 40)
    expect(page.locator("#share-value")).to_have_text("40 %")
    expect(page.locator("#quote")).to_have_text("Henry Winstanley")


def test_a_threshold_of_the_model_decides_until_the_slider_moves(page: Page) -> None:
    set_default(page, None)
    answer_with(page, {"Ann <b>Bell</b>": 0.5, "Bob": 0.1}, 0.3, answer=None, threshold=-1.5)
    expect(page.locator("#verdict")).to_have_text("No sure answer.")
    expect(page.locator("#share-value")).to_have_text("the default")
    expect(page.locator("#turn")).to_contain_text("The default is a threshold, not a share.")
    page.get_by_role("slider").focus()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#share-value")).to_have_text("51 %")
    expect(page.locator("#verdict")).to_have_text(ANSWER)
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#share-value")).to_have_text("50 %")
    expect(page.locator("#verdict")).to_have_text(ANSWER)
    page.get_by_role("button", name="Use the default").click()
    expect(page.locator("#verdict")).to_have_text("No sure answer.")


def test_where_the_default_is_100_percent_the_slider_decides_too(page: Page) -> None:
    set_default(page, 1)
    with page.expect_request("**/v1/answer") as asked:
        ask(page, COST)
    # the answer to a request for 100 % would not say how likely "no answer" is
    assert asked.value.post_data_json["answerable"] == 0.99
    expect(page.locator("#verdict")).to_have_text(ANSWER)
    expect(page.locator("#score-words")).to_contain_text("· 0 % that this text has no answer")
    slide(page, 1)
    expect(page.locator("#verdict")).to_have_text("Not in this text.")


# ---- other places, the history


def test_other_places_are_shown_by_pointing_and_by_keys(page: Page) -> None:
    ask(page, COST)
    first, second = (page.locator("#others button").nth(n) for n in (0, 1))
    nearest, words = (one.locator(".words").text_content() or "" for one in (first, second))
    assert nearest != words
    second.hover()
    expect(page.locator("mark.chosen")).to_have_text(words)
    page.mouse.move(0, 0)  # the pointer only looked
    expect(page.locator("mark.chosen")).to_have_text(nearest)
    first.focus()
    expect(page.locator("mark.chosen")).to_have_text(nearest)
    page.keyboard.press("ArrowDown")
    expect(second).to_be_focused()
    expect(second).to_have_attribute("aria-current", "true")
    expect(page.locator("mark.chosen")).to_have_text(words)


def test_each_answer_is_shown_with_its_best_quote_first(page: Page) -> None:
    ask(page, COST)
    best = page.locator("mark.chosen").text_content() or ""
    page.locator("#others button").nth(1).click()
    expect(page.locator("mark.chosen")).not_to_have_text(best)
    ask_again(page, BUILT)
    expect(page.locator("#verdict")).to_have_text(ANSWER)
    expect(page.locator("mark.chosen")).to_have_text("Henry Winstanley")
    page.locator("#history button").nth(1).click()
    expect(page.locator("mark.chosen")).to_have_text(best)
    expect(page.locator("#others button").first).to_have_attribute("aria-current", "true")


def test_a_text_that_was_not_asked_yet_is_kept(page: Page) -> None:
    ask(page, BUILT)
    page.locator("#edit").click()
    page.locator("#text").fill("The tower was built by Ann Bell.")
    expect(page.locator("#result")).to_be_hidden()  # it belonged to another text
    page.locator("#history button").first.click()
    expect(page.locator("#reading")).to_contain_text("Eddystone")
    page.get_by_role("button", name="The text you had not asked yet").click()
    expect(page.locator("#text")).to_have_value("The tower was built by Ann Bell.")
    expect(page.get_by_role("button", name="The text you had not asked yet")).to_have_count(0)


def test_questions_asked_before_come_back_without_asking(page: Page) -> None:
    ask(page, BUILT)
    ask(page, "Who built the tower?", "The tower was built by Ann Bell.")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.locator("#history button").nth(1).click()
    expect(page.locator("#quote")).to_have_text("Henry Winstanley")
    expect(page.locator("#reading")).to_contain_text("Eddystone")
    assert asked == []


def test_what_is_typed_while_an_answer_comes_is_kept(page: Page) -> None:
    ask(page, BUILT)
    waiting: list[Route] = []
    page.route("**/v1/answer", lambda route: waiting.append(route))
    question, button = (
        page.get_by_label("Question", exact=True),
        page.get_by_role("button", name="Ask"),
    )
    question.fill("Who lit it?")
    button.click()
    expect(page.get_by_role("button", name="Reading")).to_be_visible()
    question.fill("Who built the second")
    wait_for_routes(page, waiting, 1)
    waiting[0].continue_()
    expect(page.locator("#history button").first).to_contain_text("Who lit it?")
    assert question.input_value() == "Who built the second"

    button.click()
    expect(page.get_by_role("button", name="Reading")).to_be_visible()
    page.locator("#edit").click()
    page.locator("#text").fill("The tower was built by Ann Bell.")
    expect(button).to_have_text("Ask")  # nobody waits for what another text says
    expect(page.locator("#text")).to_have_value("The tower was built by Ann Bell.")
    expect(page.locator("#history button")).to_have_count(2)


def test_an_older_answer_that_arrives_late_is_dropped(stubborn: Page) -> None:
    page = stubborn
    load_example(page)
    held: list[Route] = []
    page.route("**/v1/answer", lambda route: held.append(route))
    question = page.get_by_label("Question", exact=True)
    for count, asked in ((1, COST), (2, BUILT)):
        question.fill(asked)
        page.keyboard.press("Enter")
        wait_for_routes(page, held, count)
    held[1].continue_()
    expect(page.locator("#quote")).to_have_text("Henry Winstanley")
    expect_answers(page, 2)
    held[0].continue_()
    expect_answers(page, 3)
    expect(page.locator("#quote")).to_have_text("Henry Winstanley")
    expect(page.locator("#history button")).to_have_count(1)


def test_an_older_error_that_arrives_late_is_dropped(stubborn: Page) -> None:
    page = stubborn
    load_example(page)
    held: list[Route] = []
    page.route("**/v1/answer", lambda route: held.append(route))
    question = page.get_by_label("Question", exact=True)
    for count, asked in ((1, COST), (2, BUILT)):
        question.fill(asked)
        page.keyboard.press("Enter")
        wait_for_routes(page, held, count)
    held[0].fulfill(status=500, json={"error": "the older question failed"})
    expect_answers(page, 2)
    expect(page.locator("#error")).to_be_hidden()
    expect(page.get_by_role("button", name="Reading")).to_be_visible()  # for the newer one
    held[1].continue_()
    expect(page.locator("#quote")).to_have_text("Henry Winstanley")


def test_an_answer_about_a_text_that_changed_is_dropped(stubborn: Page) -> None:
    page = stubborn
    load_example(page)
    held: list[Route] = []
    page.route("**/v1/answer", lambda route: held.append(route))
    page.get_by_role("button", name="Ask").click()
    wait_for_routes(page, held, 1)
    page.locator("#text").fill("The tower was built by Ann Bell.")
    expect(page.get_by_role("button", name="Ask")).to_be_visible()
    held[0].continue_()
    expect_answers(page, 2)
    expect(page.locator("#text")).to_have_value("The tower was built by Ann Bell.")
    expect(page.locator("#result")).to_be_hidden()
    expect(page.locator("#history button")).to_have_count(0)


def test_a_request_that_nobody_waits_for_is_cancelled(page: Page) -> None:
    load_example(page)
    held: list[Route] = []
    page.route("**/v1/answer", lambda route: held.append(route))
    page.get_by_role("button", name="Ask").click()
    wait_for_routes(page, held, 1)
    with page.expect_event("requestfailed") as cancelled:
        page.locator("#text").fill("The tower was built by Ann Bell.")
    assert cancelled.value.url.endswith("/v1/answer")
    assert cancelled.value.failure == "net::ERR_ABORTED"


def test_an_answer_that_ends_in_the_middle_is_an_error(page: Page) -> None:
    load_example(page)
    page.route("**/v1/answer", lambda route: route.fulfill(status=200, body='{"results": [{"a'))
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("alert")).to_have_text(
        "The server does not answer. Is it still running?"
    )
    expect(page.get_by_role("button", name="Ask")).to_be_visible()
    page.unroute("**/v1/answer")
    ask_again(page, BUILT)
    expect(page.locator("#error")).to_be_hidden()


def test_the_history_keeps_the_focus(page: Page) -> None:
    ask(page, BUILT)
    ask_again(page, COST)
    older = page.locator("#history button").nth(1)
    older.focus()
    page.keyboard.press("Enter")
    expect(page.locator("#quote")).to_have_text("Henry Winstanley")
    expect(older).to_be_focused()


def test_what_the_browser_fills_in_again_can_be_asked(page: Page, small: Server) -> None:
    ask(page, COST, "The tower was built by Ann Bell.")
    page.goto(f"{small.url}/docs")
    page.go_back()
    expect(page.locator("#text")).to_have_value("The tower was built by Ann Bell.")
    expect(page.locator("#size")).to_have_text("32 characters")
    ask_again(page, "Who built the tower?")
    expect(page.locator("#quote")).to_have_text("Ann Bell")


def test_it_works_by_keyboard_alone(page: Page) -> None:
    page.keyboard.press("/")
    expect(page.get_by_label("Question", exact=True)).to_be_focused()
    page.locator("#example").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Question", exact=True)).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#quote")).to_have_text("Henry Winstanley")
    reached = []
    while len(reached) < 10 and "share" not in reached:
        page.keyboard.press("Tab")
        reached.append(page.evaluate("() => document.activeElement.id"))
    assert (reached[0], reached[-1]) == ("ask", "share")


def test_a_text_is_never_markup(page: Page) -> None:
    evil = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
    ask(
        page, f"Who built {evil}?", f"{evil} The tower was built by Ann <b>Bell</b> {evil} in 1882."
    )
    assert page.locator("#reading").text_content() == page.locator("#text").input_value()
    assert page.locator("#reading img, #reading script, #history img, #quote b").count() == 0
    assert page.title() == "pullquote"


def test_files_are_dropped_and_opened(page: Page, tmp_path: Path) -> None:
    page.locator("#file").set_input_files(
        {"name": "a.txt", "mimeType": "text/plain", "buffer": "Café\r\nby Ann.".encode()}
    )
    expect(page.locator("#text")).to_have_value("Café\nby Ann.")
    page.locator("#file").set_input_files(
        {"name": "a.pdf", "mimeType": "application/pdf", "buffer": b"%PDF-\xff\xfe"}
    )
    expect(page.get_by_role("alert")).to_have_text(
        "a.pdf cannot be read: not readable as a PDF. It may be damaged: save it again with the "
        "program that made it."
    )
    expect(page.locator("#text")).to_have_value("Café\nby Ann.")
    drop = page.locator("#drop")
    data = page.evaluate_handle(
        "() => { const d = new DataTransfer();"
        " d.items.add(new File(['dropped words'], 'b.txt', {type: 'text/plain'})); return d; }"
    )
    drop.dispatch_event("drop", {"dataTransfer": data})
    expect(page.locator("#text")).to_have_value("dropped words")


@pytest.mark.parametrize(
    ("name", "question", "quote"),
    [
        ("lease.pdf", "How much is the rent a month?", "840 crowns"),
        ("house-rules.docx", "How many dogs may live in the house?", "One"),
        ("history.epub", "Who built the first mill?", "Hedda Kroon"),
        ("visiting.html", "How much is a ticket?", "six crowns"),
    ],
)
def test_a_document_is_read_and_asked(page: Page, name: str, question: str, quote: str) -> None:
    slide_to_all = page.get_by_role("slider")
    page.locator("#file").set_input_files(MILL / name)
    expect(page.locator("#size")).to_contain_text(f"{name} · ")
    expect(page.locator("#progress")).to_be_hidden()
    expect(page.get_by_label("Question", exact=True)).to_be_focused()
    ask_again(page, question)
    slide_to_all.fill("100")
    expect(page.locator("mark.chosen")).to_contain_text(quote)
    page.locator("#edit").click()
    page.locator("#text").fill("Another text.")
    expect(page.locator("#size")).to_have_text("13 characters")


def drop(page: Page, *files: tuple[str, str]) -> None:
    """Drop files of a name and a content somewhere on the page."""
    data = page.evaluate_handle(
        "(files) => { const d = new DataTransfer();"
        " for (const [name, text] of files) d.items.add(new File([text], name)); return d; }",
        list(files),
    )
    page.locator("header").dispatch_event("drop", {"dataTransfer": data})


def test_files_may_be_dropped_anywhere(page: Page) -> None:
    drop(page, ("a.html", "<p>Ann Bell built<br>the tower.<p>It is high."))
    expect(page.locator("#text")).to_have_value(re.compile(r"Ann Bell built\sthe tower\.\s+It"))
    drop(page, ("a.txt", "Ann"), ("b.txt", "Bob"))
    expect(page.get_by_role("alert")).to_contain_text("These are 2 files. Drop one")
    expect(page.locator("#text")).to_have_value(re.compile("^Ann Bell"))


def test_a_folder_is_refused_with_advice(page: Page) -> None:
    # a script cannot make a transfer that holds a folder
    page.locator("header").evaluate(
        """(header) => {
          const entry = { isDirectory: true, name: "notes" };
          const items = [{ webkitGetAsEntry: () => entry }];
          const dataTransfer = { types: ["Files"], files: [{}], items, getData: () => "" };
          const event = new Event("drop", { bubbles: true, cancelable: true });
          header.dispatchEvent(Object.assign(event, { dataTransfer })); }"""
    )
    expect(page.get_by_role("alert")).to_have_text(
        "notes is a folder. Drop a single file, or index the folder: "
        "pullquote index FOLDER -o notes.db"
    )


def test_names_of_documents_are_never_markup_and_never_too_long(page: Page) -> None:
    evil = "<img src=x onerror=alert(1)>"
    drop(page, (f"{evil}.txt", "Ann"))
    expect(page.locator("#size")).to_have_text(f"{evil}.txt · 3 characters")
    drop(page, (f"{evil}{'x' * 300}.png", "\0"))
    expect(page.get_by_role("alert")).to_have_text(
        "<img src=x onerror=a…xxxxxxxxxxxxxxxx.png cannot be read: .png is no ending of documents."
    )
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    drop(page, (f"{'x' * 300}.txt", "Ann"))
    expect(page.locator("#size")).to_contain_text("xxx.txt · 3 characters")
    assert page.evaluate(MISFITS) == []
    assert page.locator("#size img, #error img").count() == 0


def test_a_document_that_is_too_large_is_not_sent(page: Page) -> None:
    page.route(
        "**/v1/model", lambda route: route.fulfill(json=route.fetch().json() | {"max_file": 2**20})
    )
    page.reload()
    expect(page.locator("#model")).to_have_text("model small")
    drop(page, ("a.pdf", "x" * (2**20 + 1)))
    expect(page.get_by_role("alert")).to_contain_text("a.pdf has 1.1 MB, and the largest document")
    expect(page.get_by_role("alert")).to_contain_text("has 1 MB. Index it instead: pullquote index")


def test_a_book_that_is_too_long_begins_and_says_so(page: Page) -> None:
    drop(page, ("book.txt", "x" * 300_001))
    expect(page.locator("#size")).to_have_text("book.txt · 300,000 characters")
    expect(page.locator("#file-note")).to_contain_text("Cut after 300,000 characters")
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    expect(page.locator("#size")).to_be_visible()
    assert page.evaluate(MISFITS) == []
    page.locator("#text").fill("Ann")
    expect(page.locator("#file-note")).to_be_hidden()


def test_opening_a_document_can_be_stopped(page: Page) -> None:
    held: list[Route] = []
    page.route("**/v1/text*", lambda route: held.append(route))
    drop(page, ("book.epub", "x"))
    expect(page.locator("#progress")).to_have_text("Opening book.epub… Stop", use_inner_text=True)
    wait_for_routes(page, held, 1)
    with page.expect_event("requestfailed"):
        page.get_by_role("button", name="Stop").click()
    expect(page.locator("#progress")).to_be_hidden()
    expect(page.locator("#error")).to_be_hidden()
    assert page.locator("#text").input_value() == ""


def test_a_long_text_tells_how_much_is_read_and_can_be_stopped(page: Page) -> None:
    text = "The ferry sails in the morning and comes back at night. " * 4000
    page.locator("#text").fill(text)
    page.get_by_label("Question", exact=True).fill("Who built the tower?")
    page.get_by_role("button", name="Ask").click()
    meter = page.get_by_role("progressbar")
    expect(meter).to_have_attribute("aria-valuenow", re.compile("^[1-9]"))
    expect(page.locator("#progress-words")).to_have_text(re.compile("% of the text is read$"))
    page.get_by_role("button", name="Stop").click()
    expect(meter).to_be_hidden()
    expect(page.get_by_role("button", name="Ask")).to_be_visible()
    expect(page.locator("#error")).to_be_hidden()


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (
            503,
            {"error": "the queue is full", "code": "busy"},
            "cannot answer now: the queue is full",
        ),
        (
            504,
            {"error": "no answer", "code": "timeout"},
            "took more than 30 seconds, and was given up",
        ),
        (500, {"error": "failed", "code": "internal"}, "The server failed, and its log says why"),
        (
            413,
            {"error": "over 9 bytes", "code": "too_large"},
            "more than this server reads: over 9",
        ),
        (422, {"error": "it is odd", "code": "invalid"}, "It is odd."),
        (502, "<h1>Bad gateway</h1>", "The server answered with status 502."),
    ],
)
def test_errors_of_the_server_are_told_in_plain_words(
    page: Page, status: int, body: Any, words: str
) -> None:
    load_example(page)
    content = body if isinstance(body, str) else json.dumps(body)
    page.route("**/v1/answer", lambda route: route.fulfill(status=status, body=content))
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("alert")).to_contain_text(words)
    expect(page.get_by_role("button", name="Ask")).to_be_visible()


def test_errors_are_told_where_they_are_seen_and_heard(page: Page, small: Server) -> None:
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("alert")).to_contain_text("There is no text yet")
    page.locator("#text").fill("x" * 300_001)
    page.get_by_label("Question", exact=True).fill("Who built it?")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("alert")).to_contain_text(
        "This text has 300,001 characters; this server reads at most 300,000"
    )
    page.route("**/v1/answer", lambda route: route.abort())
    page.locator("#text").fill("Ann Bell built it.")
    page.get_by_role("button", name="Ask").click()
    expect(page.get_by_role("alert")).to_contain_text("The server does not answer")
    page.unroute("**/v1/answer")
    page.get_by_role("button", name="Ask").click()
    expect(page.locator("#quote")).to_be_visible()
    expect(page.locator("#error")).to_be_hidden()


def test_a_token_is_asked_for_and_used(browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULLQUOTE_TOKEN", "secret")
    with serving() as server:
        page = browser.new_page()
        page.set_default_timeout(PATIENCE)
        page.goto(server.url)
        expect(page.get_by_role("alert")).to_have_count(0)
        for token in ("wrong", "secret"):
            page.get_by_label("This server asks for a token").fill(token)
            page.get_by_role("button", name="Use it").click()
            if token == "wrong":
                expect(page.get_by_role("alert")).to_contain_text("does not know this token")
        expect(page.locator("#model")).to_have_text("model tiny")
        ask(page, "Who led the Norse?", "The Norse, led by Rollo, came by sea.")
        expect(page.locator("#quote")).to_have_text("Rollo")
        page.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_narrow_screens_show_all_in_one_column(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.set_viewport_size(PHONE)  # type: ignore[arg-type]
    ask(page, BUILT)
    expect(page.locator("#quote")).to_have_text("Henry Winstanley")
    shadow = page.locator("mark.chosen").evaluate("e => getComputedStyle(e).boxShadow")
    places = re.findall(r"(-?[\d.]+)px (-?[\d.]+)px ([\d.]+)px ([\d.]+)px", shadow)
    assert places  # above and below, not over the comma beside it
    assert all((x, blur, spread) == ("0", "0", "0") for x, _, blur, spread in places), shadow
    assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]
    for name in ("#form", "#answer", "#share", "#drop"):
        box = page.locator(name).bounding_box()
        assert box
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= PHONE["width"]


# What is wider than the window or than what it is in, or cut off at its end.
MISFITS = """() => {
  const wide = innerWidth + 0.5;
  const misfits = document.documentElement.scrollWidth > wide ? ["the page scrolls"] : [];
  for (const e of document.querySelectorAll("body *")) {
    if (!e.checkVisibility() || e.closest(".unseen, .skip")) continue;
    const { left, right } = e.getBoundingClientRect();
    if (left < -0.5 || right > wide) misfits.push(`outside: ${e.outerHTML.slice(0, 80)}`);
    const isCut = getComputedStyle(e).display !== "inline" && e.scrollWidth > e.clientWidth + 1;
    if (isCut && !e.matches("input, textarea")) misfits.push(`cut: ${e.outerHTML.slice(0, 80)}`);
  }
  const quote = document.getElementById("quote");
  if (quote.scrollHeight > quote.clientHeight + 1) misfits.push("the quote is cut");
  return misfits;
}"""


def answers_always(body: object) -> Callable[[Route], None]:
    """A handler of `page.route` that gives one answer."""
    return lambda route: route.fulfill(json=body)


def long_quote(length: int) -> str:
    """So many characters: words, and at the end one that no line could hold."""
    words = "the keeper of the northern light wrote that the tower stood "
    return (words * (length // len(words) + 1))[: length - length // 5] + "w" * (length // 5)


@pytest.mark.parametrize("width", [360, 768, 1280, 1920])
@pytest.mark.parametrize("mode", ["text", "documents"])
def test_answers_of_any_length_fit(
    page: Page, library: Server, mode: str, width: int, tmp_path: Path
) -> None:
    page.set_viewport_size({"width": width, "height": 740})
    page.goto(library.url)
    page.get_by_role("button", name="Documents", exact=True).wait_for()
    for length in (5, 60, 300, 2000):
        quote, other = long_quote(length), long_quote(length).upper()
        text = f"{quote}. {other}."
        answers = [
            {"text": one, "start": text.index(one), "end": text.index(one) + length}
            | {"score": score, "start_logit": 0, "end_logit": 0, "passage": text, "page": 3}
            | {"passage_start": 0, "path": "folder/" * 12 + "a-long-name-of-a-file.pdf"}
            for one, score in ((quote, 0.7), (other, 0.1))
        ]
        result = {"answer": answers[0], "answers": answers, "no_answer_score": 0.1}
        result |= {"answerable": 0.5, "null_score_diff": 0, "threshold": None, "corrections": []}
        question = f"Who {quote[:150]} {length}?"
        if mode == "text":
            page.get_by_role("button", name="Text", exact=True).click()
            page.route("**/v1/answer", answers_always({"results": [result]}))
            ask(page, question, text)
        else:
            page.route("**/v1/ask", answers_always(result))
            ask_again(page, question)
        expect(page.locator("#quote")).to_have_text(quote)
        page.screenshot(path=tmp_path / f"{mode}-{width}-{length}.png", full_page=True)
        assert page.evaluate(MISFITS) == []
    expect(page.locator("#history button")).to_have_count(4)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_control_has_a_name_and_every_text_contrast(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    ask(page, COST)
    unnamed = page.evaluate(
        """() => [...document.querySelectorAll("button, input, textarea, [role=meter]")]
          .filter((e) => e.checkVisibility() && !(e.textContent.trim() || e.labels?.length
            || e.ariaLabel || e.getAttribute("aria-labelledby"))).map((e) => e.outerHTML)"""
    )
    assert unnamed == []
    # WCAG's contrast of the words with what is behind them: 4.5 for AA
    weak = page.evaluate(
        """() => {
          const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
            .map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
          const rgb = (text) => text.match(/[\\d.]+/g).map(Number);
          const behind = (e) => { for (; e; e = e.parentElement) {
            const c = rgb(getComputedStyle(e).backgroundColor);
            if (c.length < 4 || c[3] > 0) return c; }
            return [255, 255, 255]; };
          return [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility()
              && !e.disabled && !e.closest(".unseen, .skip")
              && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
            .map((e) => { const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))]
              .sort((x, y) => y - x); return [(a + 0.05) / (b + 0.05), e.outerHTML.slice(0, 80)]; })
            .filter(([ratio]) => ratio < 4.5); }"""
    )
    assert weak == []


# ---- documents


@pytest.fixture(scope="module")
def library(mill: Path) -> Iterator[Server]:
    with serving("--index", str(mill), "--answerable", "75%", model="small") as server:
        yield server


@pytest.fixture
def shelf(page: Page, library: Server) -> Page:
    page.goto(library.url)
    expect(page.get_by_role("button", name="Documents")).to_have_attribute("aria-pressed", "true")
    return page


def test_documents_answer_with_their_place(shelf: Page) -> None:
    expect(shelf.locator("#reading")).to_have_text(
        "8 documents are searched. The passage that answers will stand here."
    )
    expect(shelf.locator("#help-documents")).to_be_visible()
    expect(shelf.locator("#help-text")).to_be_hidden()
    expect(shelf.locator("#help-documents")).to_contain_text("drop it anywhere on this page")
    expect(shelf.get_by_label("Question", exact=True)).to_have_attribute(
        "placeholder", "What do you want to know?"
    )
    ask_again(shelf, "How long is the notice period?")
    expect(shelf.locator("#verdict")).to_have_text(ANSWER)
    expect(shelf.locator("#quote")).to_have_text("three months")
    expect(shelf.locator("#where")).to_have_text("mill/lease.pdf, page 3")
    expect(shelf.locator("mark.chosen")).to_have_text("three months")
    expect(shelf.locator("mark.chosen")).to_be_in_viewport()
    expect(shelf.locator("#edit")).to_be_hidden()


def test_other_documents_are_shown_by_pointing(shelf: Page) -> None:
    ask_again(shelf, "How long is the notice period?")
    second = shelf.locator("#others button").nth(1)
    second.hover()
    place = second.locator(".place").text_content() or ""
    assert place
    expect(shelf.locator("#where")).to_have_text(place)
    expect(shelf.locator("mark")).to_have_count(1)


def test_documents_that_do_not_say(shelf: Page) -> None:
    ask_again(shelf, "Who won the race of the ferry?")
    slide(shelf, 1)
    expect(shelf.locator("#verdict")).to_have_text("Not in these documents.")
    expect(shelf.locator("#score-words")).to_contain_text("that these documents have no answer")
    expect(shelf.locator("#others-title")).to_have_text("The nearest quotes")
    expect(shelf.locator("#others button")).to_have_count(5)
    expect(shelf.locator("#others .place")).to_have_count(5)
    slide(shelf, 100)
    expect(shelf.locator("#verdict")).to_have_text(ANSWER)


def test_an_empty_index_says_how_to_fill_it(page: Page, tmp_path: Path) -> None:
    Index.create(tmp_path / "empty.db").close()
    with serving("--index", str(tmp_path / "empty.db")) as server:
        page.goto(server.url)
        expect(page.locator("#empty-index")).to_contain_text("pullquote index FOLDER -o INDEX")
        expect(page.get_by_role("button", name="Documents")).to_be_hidden()
        ask(page, BUILT)
        expect(page.locator("mark")).not_to_have_count(0)


def test_fifty_quotes_of_hostile_documents(shelf: Page) -> None:
    evil = "<img src=x onerror=alert(1)>\u202e"
    passage = f"Ann {evil} built it."
    answers = [
        {"text": f"Ann {evil}", "start": 0, "end": 4 + len(evil), "passage_start": 0}
        | {"score": 0.3 - number / 1000, "start_logit": 0, "end_logit": 0, "passage": passage}
        | {"path": f"{evil}/{'long-' * 40}{number}.html", "block": number}
        for number in range(50)
    ]
    result = {"answer": None, "answers": answers, "no_answer_score": 0.6, "answerable": 0.5}
    result |= {"null_score_diff": 0, "threshold": None, "corrections": []}
    shelf.route("**/v1/ask", answers_always(result))
    ask_again(shelf, "Who built it?")
    expect(shelf.locator("#others button")).to_have_count(50)
    expect(shelf.locator("#where")).to_have_text(answers[0]["path"])
    box = shelf.locator("#others").bounding_box()
    assert box
    assert box["height"] < 500
    assert shelf.evaluate(MISFITS) == []
    shelf.locator("#others button").last.focus()
    expect(shelf.locator("#where")).to_have_text(answers[-1]["path"])
    assert shelf.locator("img[src=x]").count() == 0


def test_paragraphs_run_in_their_own_direction(page: Page) -> None:
    ask(page, BUILT, "بنى هنري أول منارة هنا.\n\nThe first lighthouse was built by Ann Bell.")
    expect(page.locator("#quote")).to_have_text("Ann Bell")
    right_edges = page.evaluate(
        """() => [...document.getElementById("reading").childNodes].map((node) => {
          const range = document.createRange(); range.selectNodeContents(node);
          return [...range.getClientRects()].map((r) => r.right); }).flat()"""
    )
    box = page.locator("#reading").bounding_box()
    assert box
    # Arabic ends at the right side, English well before it
    assert max(right_edges) > box["x"] + box["width"] - 80
    assert right_edges[-1] < box["x"] + box["width"] - 80


def test_documents_without_a_word_of_the_question(shelf: Page) -> None:
    ask_again(shelf, "zebra xylophone")
    expect(shelf.locator("#verdict")).to_have_text("Not in these documents.")
    expect(shelf.locator("#score-words")).to_have_text("There is nothing to quote")
    expect(shelf.get_by_role("meter")).to_be_hidden()
    expect(shelf.locator("#others")).to_be_hidden()
    slide(shelf, 100)
    expect(shelf.locator("#verdict")).to_have_text("Not in these documents.")


def test_a_text_and_documents_in_turn(shelf: Page) -> None:
    ask_again(shelf, "How long is the notice period?")
    shelf.get_by_role("button", name="Text", exact=True).click()
    expect(shelf.locator("#result")).to_be_hidden()
    ask(shelf, BUILT)
    expect(shelf.locator("#quote")).to_have_text("Henry Winstanley")
    expect(shelf.locator("#where")).to_be_hidden()
    shelf.locator("#history button").nth(1).click()
    expect(shelf.locator("#quote")).to_have_text("three months")
    expect(shelf.locator("#where")).to_have_text("mill/lease.pdf, page 3")
    shelf.locator("#history button").first.click()
    expect(shelf.locator("mark.chosen")).to_have_text("Henry Winstanley")


def test_a_text_that_is_dropped_ends_what_the_documents_said(shelf: Page) -> None:
    ask_again(shelf, "How long is the notice period?")
    shelf.locator("#file").set_input_files(
        {"name": "a.txt", "mimeType": "text/plain", "buffer": b"Ann Bell built the tower."}
    )
    expect(shelf.locator("#text")).to_have_value("Ann Bell built the tower.")
    expect(shelf.locator("#result")).to_be_hidden()


def test_both_inputs_are_kept_when_text_and_documents_change_places(shelf: Page) -> None:
    text, documents = (
        shelf.get_by_role("button", name=name, exact=True) for name in ("Text", "Documents")
    )
    shelf.get_by_label("Question", exact=True).fill("How long is the notice period?")
    text.click()
    expect(shelf.get_by_label("Question", exact=True)).to_have_value(
        "How long is the notice period?"
    )
    shelf.locator("#text").fill("The notice period is nine weeks.")
    documents.click()
    expect(shelf.locator("#text")).to_be_hidden()
    expect(shelf.get_by_label("Question", exact=True)).to_have_value(
        "How long is the notice period?"
    )
    ask_again(shelf, "How long is the notice period?")
    expect(shelf.locator("#quote")).to_have_text("three months")
    text.click()
    expect(shelf.locator("#text")).to_have_value("The notice period is nine weeks.")
    expect(shelf.locator("#size")).to_have_text("32 characters")
    ask_again(shelf, "How long is the notice period?")
    expect(shelf.locator("#quote")).to_have_text("nine weeks")


def test_a_question_to_the_documents_ends_when_a_text_is_opened(shelf: Page) -> None:
    shelf.get_by_role("button", name="Text", exact=True).click()
    ask(shelf, BUILT)
    shelf.get_by_role("button", name="Documents", exact=True).click()
    held: list[Route] = []
    shelf.route("**/v1/ask", lambda route: held.append(route))
    shelf.get_by_label("Question", exact=True).fill("How long is the notice period?")
    shelf.get_by_role("button", name="Ask").click()
    wait_for_routes(shelf, held, 1)
    shelf.locator("#history button").first.click()
    expect(shelf.get_by_role("button", name="Ask")).to_be_visible()
    expect(shelf.locator("#quote")).to_have_text("Henry Winstanley")
    expect(shelf.get_by_label("Question", exact=True)).to_have_value(BUILT)
