// The page: asks the server, marks what it quotes, and decides anew when the slider moves.
// All that comes from a text, a question or the server is put in as text, never as markup.
"use strict";

const $ = (id) => document.getElementById(id);
const PLACES = 5; // quotes that are shown
const FEW = 3; // with fewer places, other ways to cut them are shown, too
const SCALE = 12; // logits to either end of the slider
const SHOWN = 0.005; // below it, a score would read 0 %

let own = 0; // the threshold that decides when the slider is left alone
let limits = { max_context: Infinity, top_k: 20, threshold: 0, documents: 0 };
let source = "text"; // what is asked: a text, or the server's "documents"
let token = "";
let asking = null; // an AbortController while a question is on its way
// The record on display: {source, question, text, result, own, quotes, chosen}. Each quote stands in
// the text, or in a passage of its own.
let shown = null;
const past = [];
let draft = ""; // a text that was typed and not asked, when one asked before took its place

// ---- text

// Half of a surrogate pair is no character, and no JSON reader takes it.
const whole = (text) => text.replace(/[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g, "\ufffd");

// The server counts code points, JavaScript UTF-16 units: "😀 Rollo" has Rollo at 2, here at 3.
function toUnits(text, points) {
  const wanted = [...new Set(points)].sort((a, b) => a - b);
  const units = new Map();
  let point = 0;
  let unit = 0;
  for (const place of wanted) {
    while (point < place && unit < text.length) {
      unit += text.codePointAt(unit) > 0xffff ? 2 : 1;
      point += 1;
    }
    units.set(place, unit);
  }
  return units;
}

const apart = (one, other) => one.end <= other.start || other.end <= one.start;

// The best quote of each place: "Rollo" and not "led by Rollo", too, unless there are few places.
// With its place in UTF-16 units.
function places(text, answers) {
  const best = [];
  for (const one of answers) {
    if (best.length < PLACES && best.every((other) => apart(one, other))) best.push(one);
  }
  for (const one of answers) {
    if (best.length < FEW && !best.includes(one)) best.push({ ...one, cut: true });
  }
  const units = toUnits(text, best.flatMap((one) => [one.start, one.end]));
  return best.map((one) => ({ ...one, from: units.get(one.start), to: units.get(one.end) }));
}

const countPoints = (text) => text.length - (text.match(/[\ud800-\udbff][\udc00-\udfff]/g) || []).length;

// The best quotes of all documents, each with its passage.
function found(answers) {
  return answers.slice(0, PLACES).map((one) => {
    const [start, end] = [one.start - one.passage_start, one.end - one.passage_start];
    const units = toUnits(one.passage, [start, end]);
    const [unit, number] = ["page", "line", "section", "paragraph"].map((name) => [name, one[name]]).find(([, at]) => at) || ["", ""];
    return { ...one, where: `${one.path}, ${unit} ${number}`, from: units.get(start), to: units.get(end) };
  });
}

function setText(text) {
  setSource("text");
  $("text").value = text;
  edit();
  textChanged();
}

function setSource(kind) {
  source = kind;
  if (shown && shown.source !== kind) {
    shown = null; // it belongs to what was asked before
    $("result").hidden = true;
  }
  const documents = kind === "documents";
  $("of-text").setAttribute("aria-pressed", !documents);
  $("of-documents").setAttribute("aria-pressed", documents);
  for (const id of ["open", "example", "size"]) $(id).hidden = documents;
  $("where").hidden = !documents;
  if (!documents) return edit();
  $("where").textContent = "";
  $("reading").replaceChildren(span("quiet", `Ask, and what answers stands here. ${limits.documents.toLocaleString("en")} documents are searched.`));
  for (const id of ["text", "edit"]) $(id).hidden = true;
  $("reading").hidden = false;
}

// What is being read then is no longer what stands there.
function textChanged() {
  asking?.abort();
  if (shown?.source === "text" && shown.text !== $("text").value) {
    shown = null;
    $("result").hidden = true;
  }
  const count = countPoints($("text").value);
  $("size").textContent = count ? `${count.toLocaleString("en")} characters` : "";
}

function edit() {
  $("reading").hidden = true;
  $("edit").hidden = true;
  $("text").hidden = false;
}

async function read(file) {
  fail("");
  // four bytes are the most that a character takes
  if (file.size > 4 * limits.max_context) {
    fail(`${file.name} has ${file.size.toLocaleString("en")} bytes; the longest text that this server reads has ${limits.max_context.toLocaleString("en")} characters.`);
    return;
  }
  const bytes = new Uint8Array(await file.arrayBuffer());
  try {
    setText(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    $("question").focus();
  } catch {
    fail(`${file.name} is not UTF-8 text. A PDF or a Word document has to be made text first.`);
  }
}

// ---- asking

async function call(path, options = {}) {
  const headers = { ...options.headers };
  if (token) headers.authorization = `Bearer ${token}`;
  let response;
  try {
    response = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer. Is it still running?");
  }
  const body = await response.json().catch(() => ({}));
  if (response.status === 401) {
    $("token-form").hidden = false;
    $("token").focus();
  }
  if (!response.ok) throw new Error(body.error || `The server answered with status ${response.status}.`);
  return body;
}

async function ask() {
  const question = whole($("question").value.trim());
  const of = source;
  const text = of === "text" ? whole($("text").value) : "";
  if (of === "text" && !text.trim()) return fail("There is no text yet: paste one, drop a file, or load the example.", $("text"));
  if (!question) return fail("There is no question yet.", $("question"));
  fail("");
  asking?.abort(); // the server stops reading what nobody waits for
  asking = new AbortController();
  const mine = asking;
  busy(true);
  try {
    const body = await call(of === "text" ? "v1/answer" : "v1/ask", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(of === "text" ? { question, context: text, top_k: limits.top_k } : { question, top_k: PLACES }),
      signal: mine.signal,
    });
    const result = of === "text" ? body.results[0] : body;
    const quotes = of === "text" ? places(text, result.answers) : found(result.answers);
    const record = { source: of, question, text, result, own: body.threshold, quotes, chosen: 0 };
    const same = past.findIndex((one) => one.question === question && one.text === text && one.source === of);
    if (same >= 0) past.splice(same, 1);
    past.unshift(record);
    past.length = Math.min(past.length, 50);
    show(record);
    announce();
  } catch (error) {
    if (error.name !== "AbortError") fail(error.message);
  } finally {
    if (asking === mine) {
      asking = null;
      busy(false);
    }
  }
}

function busy(yes) {
  $("ask").textContent = yes ? "Reading…" : "Ask";
  $("form").setAttribute("aria-busy", yes);
}

function fail(message, focus) {
  $("error").textContent = message;
  $("error").hidden = !message;
  focus?.focus();
}

// ---- deciding

const threshold = () => Number($("threshold").value);
const isOwn = () => Math.abs(threshold() - clamp(own)) < 0.05;
const clamp = (logit) => Math.max(-SCALE, Math.min(SCALE, logit));
// At its own setting the model's own threshold decides, not the slider's nearest step; and at the
// right end every quote is given.
function abstains({ result, own: usual }) {
  if (!result.answers.length) return true;
  if (isOwn()) return result.null_score_diff > usual;
  return threshold() < SCALE && result.null_score_diff > threshold();
}

const percent = (score) => (score > 0 && score < SHOWN ? "<1 %" : `${Math.round(100 * score)} %`);

function howClose(margin) {
  const distance = Math.abs(margin);
  if (margin > 0) {
    if (distance < 1) return "It was very close: a little bolder, and it would answer.";
    if (distance < 3) return "It was not far from answering.";
    if (distance < 8) return "It was far from answering.";
    return "It was nowhere near answering.";
  }
  if (distance < 1) return "A close call: a little more careful, and it would not answer.";
  if (distance < 3) return "It is fairly sure of this answer.";
  return "It is sure of this answer.";
}

// ---- showing

function show(record) {
  shown = record;
  if (record.source !== source) setSource(record.source);
  if (source === "text" && $("text").value !== record.text) setText(record.text);
  setOwn(record.own);
  $("result").hidden = false;
  $("welcome").hidden = true;
  paintText();
  paintOthers();
  decide();
  scrollToQuote();
}

// What depends on the threshold.
function decide() {
  $("threshold").setAttribute("aria-valuetext", settingWords());
  $("own").disabled = isOwn();
  paintPast();
  if (!shown) return;
  const { result } = shown;
  const none = abstains(shown);
  const best = shown.quotes[shown.chosen];
  $("answer").classList.toggle("none", none);
  const silent = source === "text" ? "The text does not say." : "The documents do not say.";
  const nearest = shown.chosen ? "Other words it considered" : "The nearest words";
  const other = best?.cut ? "Cut otherwise" : "Another place";
  $("verdict").textContent = none ? silent : shown.chosen ? other : "Answer";
  $("quote").textContent = !best ? "" : none ? `${nearest}: “${flat(best.text)}”` : best.text;
  $("quote").hidden = !best;
  const score = best ? best.score : 0;
  $("bar").style.width = `${100 * score}%`;
  $("score").setAttribute("aria-valuenow", Math.round(100 * score));
  $("score").setAttribute("aria-valuetext", percent(score));
  $("score").hidden = !best;
  const no = percent(result.no_answer_score);
  $("score-words").textContent = best ? `Score of these words ${percent(score)} · of “no answer” ${no}` : "";
  const line = isOwn() ? own : threshold();
  $("closeness").textContent = best ? howClose(result.null_score_diff - line) : "";
  // of the best quote alone; it keeps its room, so that the list stays under the pointer
  $("closeness").classList.toggle("away", shown.chosen > 0);
  $("note").textContent = result.note ?? "";
  for (const mark of $("reading").querySelectorAll("mark")) mark.classList.toggle("unsure", none);
  const turn = result.null_score_diff;
  $("turn-tick").hidden = !best || Math.abs(turn) > SCALE;
  $("turn-tick").style.left = position(turn);
  $("turn").textContent = !best
    ? "There is nothing to quote."
    : turn > SCALE
      ? "Only at the very end would this question be answered."
      : turn < -SCALE
        ? "This question is answered wherever the slider stands."
        : `The arrow shows where this question turns: it is answered to the right of it. ${settingWords()}.`;
}

function settingWords() {
  if (isOwn()) return "The slider stands at the model’s own setting";
  if (threshold() >= SCALE) return "The slider stands at always answering";
  const step = Math.abs(threshold() - own);
  const much = step < 1 ? "a touch" : step < 4 ? "somewhat" : "much";
  return `The slider is ${much} ${threshold() > own ? "bolder" : "more careful"} than the model’s own setting`;
}

const position = (logit) => `${(100 * (clamp(logit) + SCALE)) / (2 * SCALE)}%`;
const flat = (text) => text.split(/\s+/).join(" ").trim();

function paintText() {
  const pieces = [];
  let done = 0;
  const numbered = shown.quotes.map((quote, number) => ({ ...quote, number }));
  const chosen = shown.quotes[shown.chosen];
  const beside = (one) => source === "text" && !one.cut && apart(one, chosen);
  const here = numbered.filter((one) => one.number === shown.chosen || beside(one));
  const text = source === "text" ? shown.text : (here[0]?.passage ?? "");
  $("where").textContent = here[0]?.where ?? "";
  const inOrder = here.sort((a, b) => a.from - b.from);
  for (const { from, to, number } of inOrder) {
    const mark = document.createElement("mark");
    mark.textContent = text.slice(from, to);
    mark.classList.toggle("chosen", number === shown.chosen);
    pieces.push(text.slice(done, from), mark);
    done = to;
  }
  const top = $("reading").scrollTop;
  $("reading").replaceChildren(...pieces, text.slice(done));
  $("reading").scrollTop = top;
  $("text").hidden = true;
  $("reading").hidden = false;
  $("edit").hidden = source !== "text";
}

function scrollToQuote() {
  const mark = $("reading").querySelector("mark.chosen");
  if (!mark) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const box = $("reading");
  const top = mark.getBoundingClientRect().top - box.getBoundingClientRect().top + box.scrollTop;
  box.scrollTo({ top: top - box.clientHeight / 2, behavior: calm ? "auto" : "smooth" });
  // on a phone the text is above the answer, and may be out of sight
  if (box.getBoundingClientRect().bottom < 80) box.scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
}

function paintOthers() {
  const rows = shown.quotes.map((one, number) => {
    const button = document.createElement("button");
    button.type = "button";
    const words = span("words", flat(one.text));
    const share = span("share", "");
    const bar = document.createElement("i");
    bar.style.width = `${100 * one.score}%`;
    share.append(bar);
    const what = span("what", "");
    what.append(words);
    if (one.where) what.append(span("place", one.where));
    button.append(what, share, span("percent", percent(one.score)));
    button.setAttribute("aria-current", number === shown.chosen);
    button.addEventListener("mouseenter", (event) => moved(event) && choose(number));
    for (const event of ["focus", "click"]) {
      button.addEventListener(event, () => {
        shown.stays = number; // when the pointer goes away
        choose(number);
      });
    }
    const row = document.createElement("li");
    row.append(button);
    return row;
  });
  $("others").replaceChildren(...rows);
  $("others").parentElement.hidden = rows.length < 2;
}

// A longer quote shifts the list: what comes under a pointer that rests was not pointed at.
let pointer = "";
function moved(event) {
  const before = pointer;
  pointer = `${event.clientX} ${event.clientY}`;
  return pointer !== before;
}

function choose(number) {
  if (shown.chosen === number) return;
  shown.chosen = number;
  [...$("others").querySelectorAll("button")].forEach((button, at) => button.setAttribute("aria-current", at === number));
  paintText();
  decide();
  scrollToQuote();
}

function paintPast() {
  const rows = past.map((record) => {
    const button = document.createElement("button");
    button.type = "button";
    const found = abstains(record) ? "no answer" : `“${flat(record.result.answers[0].text)}”`;
    button.append(span("", record.question), span("found", found));
    button.addEventListener("click", () => {
      keepDraft();
      record.chosen = record.stays = 0;
      $("question").value = record.question;
      show(record);
      announce();
    });
    const row = document.createElement("li");
    row.append(button);
    return row;
  });
  if (draft) {
    const button = document.createElement("button");
    button.type = "button";
    button.append(span("", "The text you had not asked yet"), span("found", flat(draft.slice(0, 80))));
    button.addEventListener("click", () => {
      const text = draft;
      draft = "";
      keepDraft();
      setText(text);
      paintPast();
      $("question").focus();
    });
    const row = document.createElement("li");
    row.append(button);
    rows.unshift(row);
  }
  $("history").replaceChildren(...rows);
  $("past").hidden = !rows.length;
}

// A text of one's own that was never asked is not lost when an older one takes its place.
function keepDraft() {
  const text = $("text").value;
  if (text.trim() && past.every((one) => one.text !== text)) draft = text;
}

function span(kind, text) {
  const element = document.createElement("span");
  if (kind) element.className = kind;
  element.textContent = text;
  return element;
}

// What a screen reader says once an answer is there, or the slider has changed it.
function announce() {
  if (!shown) return;
  const quote = shown.result.answers[0];
  $("status").textContent = abstains(shown)
    ? `No answer. ${$("closeness").textContent}`
    : `Answer: ${quote.text}. Score ${percent(quote.score)}.`;
}

// ---- events

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  ask();
});
$("text").addEventListener("input", textChanged);
$("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("form").requestSubmit();
});
$("edit").addEventListener("click", () => {
  edit();
  $("text").focus();
});
$("of-documents").addEventListener("click", () => {
  if (source !== "documents") leave("documents");
});
$("of-text").addEventListener("click", () => {
  if (source !== "text") leave("text");
});
function leave(kind) {
  asking?.abort();
  setSource(kind);
  setOwn(limits.threshold);
  $("question").focus();
}
$("open").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", () => {
  if ($("file").files.length) read($("file").files[0]);
  $("file").value = "";
});
async function loadExample() {
  try {
    setText(await (await fetch("example.txt")).text());
    $("question").value = "Who built the first lighthouse?";
    $("question").focus();
  } catch {
    fail("The server does not answer. Is it still running?");
  }
}
for (const id of ["example", "try"]) $(id).addEventListener("click", loadExample);
for (const kind of ["dragenter", "dragover"]) {
  $("drop").addEventListener(kind, (event) => {
    event.preventDefault();
    $("drop").classList.add("over");
  });
}
for (const kind of ["dragleave", "drop"]) $("drop").addEventListener(kind, () => $("drop").classList.remove("over"));
$("drop").addEventListener("drop", (event) => {
  event.preventDefault();
  const file = event.dataTransfer.files[0];
  const text = event.dataTransfer.getData("text/plain");
  if (file) read(file);
  else if (text) setText(text);
});
$("threshold").addEventListener("input", decide);
$("threshold").addEventListener("change", announce);
$("own").addEventListener("click", () => {
  $("threshold").value = clamp(own);
  decide();
  announce();
  $("threshold").focus();
});
$("others").addEventListener("mousemove", moved);
$("others").addEventListener("mouseleave", (event) => moved(event) && choose(shown.stays ?? 0));
$("others").addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const buttons = [...$("others").querySelectorAll("button")];
  buttons[Math.max(0, Math.min(buttons.length - 1, buttons.indexOf(document.activeElement) + step))].focus();
});
$("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  token = $("token").value.trim();
  $("token-form").hidden = true;
  fail("");
  start();
  $("question").focus();
});
document.addEventListener("keydown", (event) => {
  const typing = /^(INPUT|TEXTAREA)$/.test(document.activeElement?.tagName);
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    $("question").focus();
    $("question").select();
  }
});

// A slider that stands at the model's own setting stays there.
function setOwn(threshold) {
  if (isOwn()) $("threshold").value = clamp(threshold);
  own = threshold;
  $("own-tick").style.left = position(own);
}

async function start() {
  try {
    const about = await call("v1/model");
    limits = about;
    $("model").textContent = `model ${about.model}`;
    $("question").maxLength = about.max_question;
    $("sources").hidden = !about.documents;
    $("text-title").classList.toggle("unseen", about.documents > 0);
    setOwn(about.threshold);
    decide();
    if (about.documents && !$("text").value) setSource("documents");
  } catch (error) {
    fail(error.message);
  }
}

textChanged();
start();
