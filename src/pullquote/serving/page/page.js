// The web page: asks the server, marks the quotes, and decides again between an answer and "no
// answer" when the threshold slider moves.
//
// All state is in `store`. Events call actions, actions call `store.update`, and `update` calls the
// views that depend on what changed. Only views change the content of the document; actions move
// the focus and scroll. Texts, questions and server messages are inserted as text, never as HTML.

// ---- constants and helpers

const MAX_QUOTES = 5; // quotes that are shown
const MIN_QUOTES = 3; // below it, overlapping quotes ("Rollo", "led by Rollo") are shown as well
const MAX_HISTORY = 50; // questions that are kept
const SLIDER_END = 12; // the slider goes from -12 to 12 logits, as in index.html
const SLIDER_SNAP = 0.05; // one step of the slider: nearer to the model's threshold means "at it"
const MIN_PERCENT = 0.005; // a score below it would be rounded to 0 %
const EXAMPLE_QUESTION = "Who built the first lighthouse?";
const NO_SERVER = "The server does not answer. Is it still running?";

const $ = (id) => document.getElementById(id);

const clampToSlider = (logit) => Math.max(-SLIDER_END, Math.min(SLIDER_END, logit));

// ---- state

// The one owner of the state. `update` takes the keys that change; views run at once, and only
// those that subscribed to a changed key. A state is frozen: the next one replaces it.
function createStore(initial) {
  let state = Object.freeze(initial);
  const views = [];
  return {
    get: () => state,
    subscribe: (keys, view) => views.push({ keys, view }),
    update(changes) {
      const before = state;
      for (const key of Object.keys(changes)) {
        if (!(key in before)) throw new TypeError(`the page has no state ${key}`);
      }
      state = Object.freeze({ ...before, ...changes });
      for (const { keys, view } of views) {
        if (keys.some((key) => state[key] !== before[key])) view(state, before);
      }
    },
  };
}

// The initial state is what index.html shows.
const store = createStore({
  // what GET /v1/model says; these values hold until it has answered
  server: { model: "", max_context: Infinity, top_k: 20, threshold: 0, documents: 0 },
  token: "",
  tokenWanted: false, // the server refused a request without a token

  source: "text", // what is asked: "text" or "documents"
  text: "", // with \n as line ends, like the value of a textarea
  question: "",
  draft: "", // a text that was typed and never asked, when a text from the history replaced it
  slider: null, // the threshold on the slider; null: at the model's own, and follows it

  request: null, // the AbortController of the question that is being answered
  error: null, // { message }; a new object each time, so that a repeated error is read out again
  announcement: null, // { message } for screen readers; a new object each time as well

  // Answered questions, newest first: { source, question, text, result, threshold, quotes }, where
  // `threshold` is the model's own.
  history: [],
  current: null, // the one of them that is shown; its source and text are those above
  editing: false, // the text of `current` can be edited; otherwise its quotes are marked
  chosen: 0, // the quote of `current` that is shown
  settled: 0, // the quote that is shown again when the pointer leaves the list
  pointer: "", // where the pointer was last seen over the list
});

// The model's own threshold. It differs between a text and documents.
const ownThreshold = ({ current, server }) => current?.threshold ?? server.threshold;

// The value of `slider` in the state when it stands at `threshold`.
const sliderState = (threshold, own) =>
  Math.abs(threshold - clampToSlider(own)) < SLIDER_SNAP ? null : threshold;

const isSameQuestion = (one, other) =>
  one.question === other.question && one.text === other.text && one.source === other.source;

// What changes when a text is put into the editor. A request and an answer belong to one text:
// another text ends both.
const withText = ({ current }, text) => ({
  source: "text",
  text,
  editing: true,
  request: null,
  current: current?.source === "text" && current.text === text ? current : null,
});

// What changes when an answered question is shown. A request for another text is cancelled.
function withRecord({ source, text, request }, record) {
  const shownText = record.source === "text" ? record.text : text;
  return {
    source: record.source,
    text: shownText,
    request: record.source === source && shownText === text ? request : null,
    current: record,
    editing: false,
    chosen: 0,
    settled: 0,
  };
}

// The text in the editor becomes the draft unless it was asked: then the history has it.
const keepDraft = ({ text, draft, history }) =>
  text.trim() && history.every((record) => record.text !== text) ? text : draft;

// At its own threshold the model decides exactly, not by the nearest step of the slider. At the
// right end every quote is given.
function abstains({ result, threshold }, slider) {
  if (!result.answers.length) return true;
  if (slider === null) return result.null_score_diff > threshold;
  return slider < SLIDER_END && result.null_score_diff > slider;
}

// ---- offsets and quotes

// JSON readers refuse half of a surrogate pair.
const replaceLoneSurrogates = (text) =>
  text.replace(
    /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g,
    "\ufffd",
  );

const countCodePoints = (text) =>
  text.length - (text.match(/[\ud800-\udbff][\udc00-\udfff]/g) || []).length;

// The server counts code points, JavaScript UTF-16 units: in "😀 Rollo", Rollo begins at 2 for the
// server and at 3 here. Returns a Map from the given code point offsets to UTF-16 offsets.
function utf16Offsets(text, codePointOffsets) {
  const wanted = [...new Set(codePointOffsets)].sort((a, b) => a - b);
  const offsets = new Map();
  let point = 0;
  let unit = 0;
  for (const offset of wanted) {
    while (point < offset && unit < text.length) {
      unit += text.codePointAt(unit) > 0xffff ? 2 : 1;
      point += 1;
    }
    offsets.set(offset, unit);
  }
  return offsets;
}

const isDisjoint = (one, other) => one.end <= other.start || other.end <= one.start;

// The best answers that do not overlap, as quotes: answers with `from` and `to` in UTF-16 units.
// Where that leaves few, overlapping ones follow, with `overlaps`.
function quotesInText(text, answers) {
  const best = [];
  for (const answer of answers) {
    const isNew = best.every((other) => isDisjoint(answer, other));
    if (best.length < MAX_QUOTES && isNew) best.push(answer);
  }
  for (const answer of answers) {
    const isKnown = best.includes(answer);
    if (best.length < MIN_QUOTES && !isKnown) best.push({ ...answer, overlaps: true });
  }
  const offsets = utf16Offsets(text, best.flatMap(({ start, end }) => [start, end]));
  return best.map((answer) => ({
    ...answer,
    from: offsets.get(answer.start),
    to: offsets.get(answer.end),
  }));
}

// The best answers of all documents, as quotes in their passages: `from` and `to` in UTF-16 units
// of `passage`, and `where` in words.
function quotesInDocuments(answers) {
  return answers.slice(0, MAX_QUOTES).map((answer) => {
    const start = answer.start - answer.passage_start;
    const end = answer.end - answer.passage_start;
    const offsets = utf16Offsets(answer.passage, [start, end]);
    const unit = ["page", "line", "section", "paragraph", "row"].find((name) => answer[name]) ?? "";
    return {
      ...answer,
      where: `${answer.path}, ${unit} ${answer[unit] ?? ""}`,
      from: offsets.get(start),
      to: offsets.get(end),
    };
  });
}

// ---- requests

class RequestError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

// GET, or POST where there is a body. Raises a RequestError with words for the user, or the
// AbortError of the signal.
async function fetchJson(path, { token, body, signal }) {
  const headers = {};
  if (token) headers.authorization = `Bearer ${token}`;
  if (body) headers["content-type"] = "application/json";
  let response;
  try {
    response = await fetch(path, {
      method: body ? "POST" : "GET",
      headers,
      body: body && JSON.stringify(body),
      signal,
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new RequestError(NO_SERVER);
  }
  const content = await response.json().catch(() => null);
  if (!response.ok) {
    const message = content?.error || `The server answered with status ${response.status}.`;
    throw new RequestError(message, response.status);
  }
  if (!content) throw new RequestError(NO_SERVER); // it stopped in the middle of its answer
  return content;
}

async function askText(question, text, topK, options) {
  const body = { question, context: text, top_k: topK };
  const { results, threshold } = await fetchJson("v1/answer", { ...options, body });
  const [result] = results;
  const quotes = quotesInText(text, result.answers);
  return { source: "text", question, text, result, threshold, quotes };
}

async function askDocuments(question, options) {
  const body = { question, top_k: MAX_QUOTES };
  const result = await fetchJson("v1/ask", { ...options, body });
  const quotes = quotesInDocuments(result.answers);
  return { source: "documents", question, text: "", result, threshold: result.threshold, quotes };
}

// ---- words

const collapseSpaces = (text) => text.split(/\s+/).join(" ").trim();
const inQuotes = (text) => `“${collapseSpaces(text)}”`;
const formatNumber = (number) => number.toLocaleString("en");
const formatPercent = (score) =>
  score > 0 && score < MIN_PERCENT ? "<1 %" : `${Math.round(100 * score)} %`;

const sliderPosition = (logit) =>
  `${(100 * (clampToSlider(logit) + SLIDER_END)) / (2 * SLIDER_END)}%`;

// How far the best quote of a record is from the other decision.
function closenessText({ result, threshold, quotes }, slider) {
  if (!quotes.length) return "";
  const margin = result.null_score_diff - (slider ?? threshold);
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

function sliderText(state) {
  const { slider } = state;
  if (slider === null) return "The slider stands at the model’s own setting";
  if (slider >= SLIDER_END) return "The slider stands at always answering";
  const difference = slider - ownThreshold(state);
  const distance = Math.abs(difference);
  const amount = distance < 1 ? "a touch" : distance < 4 ? "somewhat" : "much";
  const direction = difference > 0 ? "bolder" : "more careful";
  return `The slider is ${amount} ${direction} than the model’s own setting`;
}

// Where on the slider the decision about the current question changes.
function turnText(state) {
  const { quotes, result } = state.current;
  if (!quotes.length) return "There is nothing to quote.";
  const turn = result.null_score_diff;
  if (turn > SLIDER_END) return "Only at the very end would this question be answered.";
  if (turn < -SLIDER_END) return "This question is answered wherever the slider stands.";
  const arrow = "The arrow shows where this question turns: it is answered to the right of it.";
  return `${arrow} ${sliderText(state)}.`;
}

function verdictText({ current, chosen, slider }) {
  if (abstains(current, slider)) {
    return current.source === "text" ? "The text does not say." : "The documents do not say.";
  }
  if (!chosen) return "Answer";
  return current.quotes[chosen].overlaps ? "Cut otherwise" : "Another place";
}

function quoteText({ current, chosen, slider }) {
  const quote = current.quotes[chosen];
  if (!quote) return "";
  if (!abstains(current, slider)) return quote.text;
  return `${chosen ? "Other words it considered" : "The nearest words"}: ${inQuotes(quote.text)}`;
}

// What a screen reader says of the current answer.
function announcementText({ current, slider }) {
  if (abstains(current, slider)) return `No answer. ${closenessText(current, slider)}`;
  const [answer] = current.result.answers;
  return `Answer: ${answer.text}. Score ${formatPercent(answer.score)}.`;
}

// ---- elements

function createSpan(className, text) {
  const element = document.createElement("span");
  if (className) element.className = className;
  element.textContent = text;
  return element;
}

// A list item with one button: the button, for its content and events, is given to `fill`.
function createRow(fill) {
  const button = document.createElement("button");
  button.type = "button";
  fill(button);
  const row = document.createElement("li");
  row.append(button);
  return row;
}

// Setting a value moves the cursor: only where it differs.
function setValue(input, value) {
  if (input.value !== value) input.value = value;
}

// ---- views: each shows the keys of the state that it is subscribed to below

function showServer({ server }) {
  $("model").textContent = `model ${server.model}`;
  $("question").maxLength = server.max_question;
  $("sources").hidden = !server.documents;
  $("text-title").classList.toggle("unseen", server.documents > 0);
}

function showTokenForm({ tokenWanted }) {
  $("token-form").hidden = !tokenWanted;
}

function showError({ error }) {
  $("error").textContent = error?.message ?? "";
  $("error").hidden = !error;
}

function showProgress({ request }) {
  $("ask").textContent = request ? "Reading…" : "Ask";
  $("form").setAttribute("aria-busy", request !== null);
}

function showSource({ source }) {
  const isDocuments = source === "documents";
  $("of-text").setAttribute("aria-pressed", !isDocuments);
  $("of-documents").setAttribute("aria-pressed", isDocuments);
  for (const id of ["open", "example", "size"]) $(id).hidden = isDocuments;
  $("where").hidden = !isDocuments;
}

function showText({ text }) {
  setValue($("text"), text);
  const count = countCodePoints(text);
  $("size").textContent = count ? `${formatNumber(count)} characters` : "";
}

function showQuestion({ question }) {
  setValue($("question"), question);
}

// The left side: the editor, the text or passage with its marks, or a hint before the first
// question to the documents.
function showReading({ server, source, current, editing, chosen }) {
  const isMarked = current !== null && !(source === "text" && editing);
  if (isMarked) {
    const quote = current.quotes[chosen];
    const text = source === "text" ? current.text : (quote?.passage ?? "");
    $("where").textContent = quote?.where ?? "";
    showMarks(text, marksOf(current, quote), quote);
  } else if (source === "documents") {
    const count = formatNumber(server.documents);
    const hint = `Ask, and what answers stands here. ${count} documents are searched.`;
    $("where").textContent = "";
    $("reading").replaceChildren(createSpan("quiet", hint));
  }
  $("text").hidden = isMarked || source === "documents";
  $("reading").hidden = !isMarked && source === "text";
  $("edit").hidden = !isMarked || source === "documents";
}

// The quotes that are marked, in the order of the text: the chosen one and, in a text, those that
// do not overlap it. In documents each quote has a passage of its own.
function marksOf({ source, quotes }, chosen) {
  const isBeside = (quote) => source === "text" && !quote.overlaps && isDisjoint(quote, chosen);
  return quotes
    .filter((quote) => quote === chosen || isBeside(quote))
    .sort((a, b) => a.from - b.from);
}

function showMarks(text, marks, chosen) {
  const pieces = [];
  let end = 0;
  for (const quote of marks) {
    const mark = document.createElement("mark");
    mark.textContent = text.slice(quote.from, quote.to);
    mark.classList.toggle("chosen", quote === chosen);
    pieces.push(text.slice(end, quote.from), mark);
    end = quote.to;
  }
  const top = $("reading").scrollTop;
  $("reading").replaceChildren(...pieces, text.slice(end));
  $("reading").scrollTop = top;
}

// The marks stay in place when only the decision changes, so that their colour can fade.
function showMarkDecision({ current, slider }) {
  if (!current) return;
  const isUnsure = abstains(current, slider);
  for (const mark of $("reading").querySelectorAll("mark")) {
    mark.classList.toggle("unsure", isUnsure);
  }
}

function showAnswer(state) {
  const { current, chosen, slider } = state;
  $("result").hidden = !current;
  if (!current) return;
  $("answer").classList.toggle("none", abstains(current, slider));
  $("verdict").textContent = verdictText(state);
  $("quote").textContent = quoteText(state);
  $("quote").hidden = !current.quotes.length;
  $("closeness").textContent = closenessText(current, slider);
  // It is about the best quote. Invisible, it keeps its room, so that the list below does not move
  // under the pointer.
  $("closeness").classList.toggle("away", chosen > 0);
  $("note").textContent = current.result.note ?? "";
}

function showScore({ current, chosen }) {
  if (!current) return;
  const quote = current.quotes[chosen];
  const score = quote?.score ?? 0;
  const words = formatPercent(score);
  const noAnswer = formatPercent(current.result.no_answer_score);
  $("bar").style.width = `${100 * score}%`;
  $("score").setAttribute("aria-valuenow", Math.round(100 * score));
  $("score").setAttribute("aria-valuetext", words);
  $("score").hidden = !quote;
  $("score-words").textContent = quote
    ? `Score of these words ${words} · of “no answer” ${noAnswer}`
    : "";
}

function showSlider(state) {
  const { current, slider } = state;
  const own = ownThreshold(state);
  $("threshold").value = slider ?? clampToSlider(own);
  $("threshold").setAttribute("aria-valuetext", sliderText(state));
  $("own").disabled = slider === null;
  $("own-tick").style.left = sliderPosition(own);
  if (!current) return;
  const turn = current.result.null_score_diff;
  $("turn").textContent = turnText(state);
  $("turn-tick").hidden = !current.quotes.length || Math.abs(turn) > SLIDER_END;
  $("turn-tick").style.left = sliderPosition(turn);
}

function showQuotes({ current }) {
  if (!current) return;
  const rows = current.quotes.map((quote, number) =>
    createRow((button) => {
      const what = createSpan("what", "");
      what.append(createSpan("words", collapseSpaces(quote.text)));
      if (quote.where) what.append(createSpan("place", quote.where));
      const share = createSpan("share", "");
      const bar = document.createElement("i");
      bar.style.width = `${100 * quote.score}%`;
      share.append(bar);
      button.append(what, share, createSpan("percent", formatPercent(quote.score)));
      button.addEventListener("mouseenter", (event) => {
        if (trackPointer(event)) chooseQuote(number);
      });
      button.addEventListener("focus", () => settleOnQuote(number));
      button.addEventListener("click", () => settleOnQuote(number));
    }),
  );
  $("others").replaceChildren(...rows);
  $("others").parentElement.hidden = rows.length < 2;
}

function showChosenInQuotes({ chosen }) {
  for (const [number, button] of $("others").querySelectorAll("button").entries()) {
    button.setAttribute("aria-current", number === chosen);
  }
}

function showHistory({ history, draft, slider }) {
  const rows = history.map((record) =>
    createRow((button) => {
      const [answer] = record.result.answers;
      const found = abstains(record, slider) ? "no answer" : inQuotes(answer.text);
      button.append(createSpan("", record.question), createSpan("found", found));
      button.addEventListener("click", () => returnTo(record));
    }),
  );
  if (draft) {
    const row = createRow((button) => {
      const beginning = collapseSpaces(draft.slice(0, 80));
      button.append(createSpan("", "The text you had not asked yet"));
      button.append(createSpan("found", beginning));
      button.addEventListener("click", returnToDraft);
    });
    rows.unshift(row);
  }
  $("history").replaceChildren(...rows);
  $("past").hidden = !rows.length;
  $("welcome").hidden = history.length > 0;
}

function showAnnouncement({ announcement }) {
  $("status").textContent = announcement.message;
}

// A request that leaves the state is cancelled: the server stops reading what nobody waits for.
function cancelRequest(state, before) {
  before.request?.abort();
}

store.subscribe(["request"], cancelRequest);
store.subscribe(["server"], showServer);
store.subscribe(["tokenWanted"], showTokenForm);
store.subscribe(["error"], showError);
store.subscribe(["request"], showProgress);
store.subscribe(["source"], showSource);
store.subscribe(["text"], showText);
store.subscribe(["question"], showQuestion);
store.subscribe(["server", "source", "current", "editing", "chosen"], showReading);
store.subscribe(["server", "current", "editing", "chosen", "slider"], showMarkDecision);
store.subscribe(["current", "chosen", "slider"], showAnswer);
store.subscribe(["current", "chosen"], showScore);
store.subscribe(["server", "current", "slider"], showSlider);
store.subscribe(["current"], showQuotes);
store.subscribe(["current", "chosen"], showChosenInQuotes);
store.subscribe(["history", "draft", "slider"], showHistory);
store.subscribe(["announcement"], showAnnouncement);

// ---- actions

function fail(message, focus) {
  store.update({ error: { message } });
  focus?.focus();
}

function failRequest(error) {
  if (error.status === 401) {
    store.update({ tokenWanted: true });
    $("token").focus();
  }
  fail(error.message);
}

function announce() {
  const state = store.get();
  if (state.current) store.update({ announcement: { message: announcementText(state) } });
}

async function loadServer() {
  try {
    const server = await fetchJson("v1/model", { token: store.get().token });
    const { source, text, slider } = store.get();
    store.update({
      server,
      source: server.documents && !text ? "documents" : source,
      slider: slider === null ? null : sliderState(slider, server.threshold),
    });
  } catch (error) {
    failRequest(error);
  }
}

// Takes over what the browser filled in.
function start() {
  if ($("text").value !== store.get().text) setText($("text").value);
  store.update({ question: $("question").value });
  moveSlider(Number($("threshold").value));
  loadServer();
}

function submitToken() {
  store.update({ token: $("token").value.trim(), tokenWanted: false, error: null });
  loadServer();
  $("question").focus();
}

// A textarea turns every line end into \n.
function setText(text) {
  store.update(withText(store.get(), text.replace(/\r\n?/g, "\n")));
}

async function loadExample() {
  try {
    setText(await (await fetch("example.txt")).text());
    store.update({ question: EXAMPLE_QUESTION });
    $("question").focus();
  } catch {
    fail(NO_SERVER);
  }
}

async function loadFile(file) {
  store.update({ error: null });
  const longest = store.get().server.max_context;
  // a character takes four bytes at most
  if (file.size > 4 * longest) {
    const size = `${file.name} has ${formatNumber(file.size)} bytes`;
    const limit = `the longest text that this server reads has ${formatNumber(longest)} characters`;
    fail(`${size}; ${limit}.`);
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

function loadDropped({ files, text }) {
  if (files.length) loadFile(files[0]);
  else if (text) setText(text);
}

function switchSource(source) {
  if (store.get().source === source) return;
  store.update({ source, request: null, current: null });
  $("question").focus();
}

// The answer is shown only if this is still the question that the page waits for.
async function ask() {
  const { source, server, token, ...state } = store.get();
  const question = replaceLoneSurrogates(state.question.trim());
  const text = replaceLoneSurrogates(state.text);
  if (source === "text" && !text.trim()) {
    return fail("There is no text yet: paste one, drop a file, or load the example.", $("text"));
  }
  if (!question) return fail("There is no question yet.", $("question"));
  const request = new AbortController();
  const isAwaited = () => store.get().request === request;
  store.update({ request, error: null });
  try {
    const options = { token, signal: request.signal };
    const record = await (source === "text"
      ? askText(question, text, server.top_k, options)
      : askDocuments(question, options));
    if (isAwaited()) acceptAnswer(record);
  } catch (error) {
    if (!isAwaited()) return;
    store.update({ request: null });
    failRequest(error);
  }
}

function acceptAnswer(record) {
  const state = store.get();
  const older = state.history.filter((other) => !isSameQuestion(other, record));
  const history = [record, ...older].slice(0, MAX_HISTORY);
  store.update({ ...withRecord(state, record), history, request: null });
  scrollToChosen();
  announce();
}

function returnTo(record) {
  const state = store.get();
  const draft = keepDraft(state);
  store.update({ ...withRecord(state, record), question: record.question, draft });
  scrollToChosen();
  announce();
}

function returnToDraft() {
  const state = store.get();
  const draft = keepDraft({ ...state, draft: "" });
  store.update({ ...withText(state, state.draft), draft });
  $("question").focus();
}

function chooseQuote(number) {
  const { current, chosen } = store.get();
  if (!current || chosen === number) return;
  store.update({ chosen: number });
  scrollToChosen();
}

function settleOnQuote(number) {
  store.update({ settled: number });
  chooseQuote(number);
}

// Notes where the pointer is, and returns whether it has moved. A longer quote shifts the list
// below it: a row that comes to lie under a resting pointer was not pointed at.
function trackPointer({ clientX, clientY }) {
  const before = store.get().pointer;
  const pointer = `${clientX} ${clientY}`;
  store.update({ pointer });
  return pointer !== before;
}

function focusQuote(step) {
  const buttons = [...$("others").querySelectorAll("button")];
  const next = buttons.indexOf(document.activeElement) + step;
  buttons[Math.max(0, Math.min(buttons.length - 1, next))].focus();
}

function moveSlider(threshold) {
  store.update({ slider: sliderState(threshold, ownThreshold(store.get())) });
}

function resetSlider() {
  store.update({ slider: null });
  announce();
  $("threshold").focus();
}

function scrollToChosen() {
  const box = $("reading");
  const mark = box.querySelector("mark.chosen");
  if (!mark) return;
  const isCalm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const behavior = isCalm ? "auto" : "smooth";
  const boxTop = box.getBoundingClientRect().top;
  const top = mark.getBoundingClientRect().top - boxTop + box.scrollTop;
  box.scrollTo({ top: top - box.clientHeight / 2, behavior });
  // on a phone the text is above the answer, and may be out of sight
  if (box.getBoundingClientRect().bottom < 80) box.scrollIntoView({ block: "nearest", behavior });
}

// ---- events

const on = (id, type, handler) => $(id).addEventListener(type, handler);

on("form", "submit", (event) => {
  event.preventDefault();
  ask();
});
on("question", "input", () => store.update({ question: $("question").value }));

on("text", "input", () => setText($("text").value));
on("text", "keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("form").requestSubmit();
});
on("edit", "click", () => {
  store.update({ editing: true });
  $("text").focus();
});
on("of-text", "click", () => switchSource("text"));
on("of-documents", "click", () => switchSource("documents"));
on("example", "click", loadExample);
on("try", "click", loadExample);
on("open", "click", () => $("file").click());
on("file", "change", () => {
  if ($("file").files.length) loadFile($("file").files[0]);
  $("file").value = "";
});

for (const type of ["dragenter", "dragover"]) {
  on("drop", type, (event) => {
    event.preventDefault();
    $("drop").classList.add("over");
  });
}
on("drop", "dragleave", () => $("drop").classList.remove("over"));
on("drop", "drop", (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  const { files } = event.dataTransfer;
  loadDropped({ files, text: event.dataTransfer.getData("text/plain") });
});

on("threshold", "input", () => moveSlider(Number($("threshold").value)));
on("threshold", "change", announce);
on("own", "click", resetSlider);

on("others", "mousemove", trackPointer);
on("others", "mouseleave", (event) => {
  if (trackPointer(event)) chooseQuote(store.get().settled);
});
on("others", "keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  focusQuote(step);
});

on("token-form", "submit", (event) => {
  event.preventDefault();
  submitToken();
});

document.addEventListener("keydown", (event) => {
  const isTyping = /^(INPUT|TEXTAREA)$/.test(document.activeElement?.tagName);
  if (event.key === "/" && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    $("question").focus();
    $("question").select();
  }
});

// When the user comes back to the page, the browser fills in what stood there; it has done so by the
// time of this event, but not yet when this module runs.
addEventListener("pageshow", start, { once: true });
