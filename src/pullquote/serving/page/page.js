// The web page: asks the server, marks the quotes, and decides again between an answer and "no
// answer" when the slider moves that says how many of the questions have an answer.
//
// All state is in `store`. Events call actions, actions call `store.update`, and `update` calls the
// views that depend on what changed. Only views change the content of the document; actions move
// the focus and scroll. Texts, questions and server messages are inserted as text, never as HTML.

// ---- constants and helpers

const MAX_QUOTES = 5; // quotes that are shown
const MAX_HISTORY = 50; // questions that are kept
const LEAST_PERCENT = 1; // the slider goes from 1 to 100 %, as in index.html
const MOST_ASKED = 0.99; // of the server: at 100 % it would not say how likely "no answer" is
const TINY = 1e-12;
const SURE = 0.8; // the probability from which on something is called sure
const LONG_QUOTE = 200; // characters from which on a quote is shown in the size of other text
const MIN_SCORE = 0.005; // a score below it would be rounded to 0 %
const STORED_SHARE = "pullquote.answerable"; // the key in the browser's local storage
const EXAMPLE_QUESTION = "Who built the first lighthouse?";
const NO_SERVER = "The server does not answer. Is it still running?";
const BYTES = "application/octet-stream";
const LINES = "application/x-ndjson"; // an answer that tells before how much is read
const LONG_NAME = 40; // characters of a file's name that are shown

const $ = (id) => document.getElementById(id);

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
  server: {
    model: "",
    max_context: Infinity,
    max_file: Infinity,
    max_seconds: 0,
    answerable: null,
    index: false,
    documents: 0,
  },
  token: "",
  tokenWanted: false, // the server refused a request without a token

  source: "text", // what is asked: "text" or "documents"
  text: "", // with \n as line ends, like the value of a textarea
  file: null, // { name, note } of the document whose text it is; null once it is edited
  question: "",
  draft: "", // a text that was typed and never asked, when a text from the history replaced it
  share: null, // of questions with an answer, on the slider; null: the server's default

  opening: null, // { name, controller } of the document whose text is awaited
  request: null, // the AbortController of the question that is being answered
  progress: null, // the share of the text that is read for it; null while unknown
  error: null, // { message }; a new object each time, so that a repeated error is read out again
  announcement: null, // { message } for screen readers; a new object each time as well

  // Answered questions, newest first: { source, question, text, file, result, quotes }.
  history: [],
  current: null, // the one of them that is shown; its source and text are those above
  editing: false, // the text of `current` can be edited; otherwise its quotes are marked
  chosen: 0, // the quote of `current` that is shown
  settled: 0, // the quote that is shown again when the pointer leaves the list
  pointer: "", // where the pointer was last seen
});

// The share that decides; null where the threshold that is stored with the model decides.
const usedShare = ({ share, server }) => share ?? server.answerable;

const percentOf = (share) => Math.round(100 * share);

// The value of `share` in the state when the slider stands at `percent`.
const shareState = (percent, { answerable }) =>
  answerable !== null && percent === percentOf(answerable) ? null : percent / 100;

const isSameQuestion = (one, other) =>
  one.question === other.question && one.text === other.text && one.source === other.source;

// What changes when a text is put into the editor. A request and an answer belong to one text:
// another text ends both.
const withText = ({ current }, text, file = null) => ({
  source: "text",
  text,
  file,
  editing: true,
  opening: null,
  request: null,
  current: current?.source === "text" && current.text === text ? current : null,
});

// What changes when an answered question is shown. A request for another text is cancelled.
function withRecord({ source, text, file, request }, record) {
  const shownText = record.source === "text" ? record.text : text;
  return {
    source: record.source,
    text: shownText,
    file: record.source === "text" ? record.file : file,
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

// Whether a quote is not worth showing beside a better one that is the answer.
const isMinor = ({ abstains, scores }, number) =>
  !abstains && number > 0 && scores[number] < MIN_SCORE;

const oddsOfNone = (share) => (1 - share) / share;

// The probabilities of a result where the share `share` of the questions has an answer, and whether
// there is an answer then. By Bayes' rule, the odds of "no answer" change with those of the shares:
//   half of the questions have an answer,  none 0.6, quotes 0.3 and 0.1
//   with 75 % the odds are a third,        none 1/3, quotes 1/2 and 1/6: the first is the answer
function decide({ result }, share) {
  const none = result.no_answer_score;
  const scores = result.answers.map((answer) => answer.score);
  if (share === null || !scores.length) return { abstains: !result.answer, none, scores };
  const weight = (none * oddsOfNone(share)) / oddsOfNone(result.answerable);
  const sum = weight + Math.max(1 - none, TINY);
  const [best] = scores;
  return {
    abstains: weight > best,
    none: weight / sum,
    scores: scores.map((score) => score / sum),
  };
}

// The share from which on there is an answer.
function turnOf({ result }) {
  const [best] = result.answers;
  const odds = (best.score / Math.max(result.no_answer_score, TINY)) * oddsOfNone(result.answerable);
  return 1 / (1 + odds);
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

// The answers, which do not overlap, as quotes: answers with `from` and `to` in UTF-16 units.
function quotesInText(text, answers) {
  const offsets = utf16Offsets(text, answers.flatMap(({ start, end }) => [start, end]));
  return answers.map((answer) => ({
    ...answer,
    from: offsets.get(answer.start),
    to: offsets.get(answer.end),
  }));
}

// The best answers of all documents, as quotes in their passages: `from` and `to` in UTF-16 units
// of `passage`, and `where` in words.
function quotesInDocuments(answers) {
  return answers.map((answer) => {
    const start = answer.start - answer.passage_start;
    const end = answer.end - answer.passage_start;
    const offsets = utf16Offsets(answer.passage, [start, end]);
    const units = ["page", "line", "section", "paragraph", "slide", "message", "row"];
    const unit = units.find((name) => answer[name]); // a web page has none
    const sheet = answer.sheet ? `sheet ${answer.sheet}, ` : "";
    return {
      ...answer,
      where: unit ? `${answer.path}, ${sheet}${unit} ${answer[unit]}` : answer.path,
      from: offsets.get(start),
      to: offsets.get(end),
    };
  });
}

// ---- requests

class RequestError extends Error {
  constructor(message, code = "") {
    super(message);
    this.code = code; // of the server's error
  }
}

// GET, or POST where there is a body: an object, sent as JSON, or the bytes of a file. Calls
// `onProgress` with the share that is read, if the server tells it. Raises a RequestError with what
// the server says, or the AbortError of the signal.
async function fetchJson(path, { token, body, signal, onProgress }) {
  const headers = { accept: `${LINES}, application/json` };
  if (token) headers.authorization = `Bearer ${token}`;
  const isFile = body instanceof ArrayBuffer;
  if (body) headers["content-type"] = isFile ? BYTES : "application/json";
  let response;
  let content;
  try {
    response = await fetch(path, {
      method: body ? "POST" : "GET",
      headers,
      body: isFile ? body : body && JSON.stringify(body),
      signal,
    });
    const isLines = response.headers.get("content-type") === LINES;
    content = await (isLines ? lastLine(response, onProgress) : response.json());
  } catch (error) {
    if (error.name === "AbortError") throw error;
    if (response && !response.ok) {
      throw new RequestError(`the server answered with status ${response.status}`);
    }
    throw new RequestError("", "no_server"); // or it stopped in the middle of its answer
  }
  if (!response.ok || content.error) {
    const message = content.error || `the server answered with status ${response.status}`;
    throw new RequestError(message, content.code);
  }
  return content;
}

// The last of the lines of JSON; those before it tell the progress.
async function lastLine(response, onProgress) {
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const pieces = [];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return JSON.parse(pieces.join(""));
    const lines = value.split("\n");
    const rest = lines.pop();
    for (const line of lines) {
      const { progress, ...content } = JSON.parse(pieces.splice(0).join("") + line);
      if (progress === undefined) return content;
      onProgress(progress);
    }
    pieces.push(rest);
  }
}

// What every question is asked with.
const askOptions = ({ answerable }) => ({
  top_k: MAX_QUOTES,
  ...(answerable > MOST_ASKED ? { answerable: MOST_ASKED } : {}),
});

async function askText(question, { text, file, server }, options) {
  const body = { question, context: text, ...askOptions(server) };
  const [result] = (await fetchJson("v1/answer", { ...options, body })).results;
  return { source: "text", question, text, file, result, quotes: quotesInText(text, result.answers) };
}

async function askDocuments(question, { server }, options) {
  const body = { question, ...askOptions(server) };
  const result = await fetchJson("v1/ask", { ...options, body });
  const quotes = quotesInDocuments(result.answers);
  return { source: "documents", question, text: "", file: null, result, quotes };
}

// The text of a document that the browser has.
async function fetchText(file, bytes, options) {
  const path = `v1/text?name=${encodeURIComponent(replaceLoneSurrogates(file.name))}`;
  return fetchJson(path, { ...options, body: bytes });
}

// ---- what the browser remembers; it may forbid to store anything

function rememberedShare() {
  try {
    const percent = Number(localStorage.getItem(STORED_SHARE));
    return percent >= LEAST_PERCENT && percent <= 100 ? percent / 100 : null;
  } catch {
    return null;
  }
}

function storeShare(share) {
  try {
    if (share === null) localStorage.removeItem(STORED_SHARE);
    else localStorage.setItem(STORED_SHARE, percentOf(share));
  } catch {
    // it is forgotten when the page closes
  }
}

// ---- words

const collapseSpaces = (text) => text.split(/\s+/).join(" ").trim();
const inQuotes = (text) => `“${collapseSpaces(text)}”`;
const formatNumber = (number) => number.toLocaleString("en");
const formatSize = (bytes) => `${formatNumber(Math.ceil((10 * bytes) / 2 ** 20) / 10)} MB`;

// The beginning and the end of a long name.
function shortName(name) {
  const characters = [...name];
  if (characters.length <= LONG_NAME) return name;
  const half = LONG_NAME / 2;
  return `${characters.slice(0, half).join("")}…${characters.slice(-half).join("")}`;
}

// What is to be known of a document beside its text.
function fileNote({ is_whole, note }, { max_context }) {
  const cut =
    `Cut after ${formatNumber(max_context)} characters, the most that this server reads of one ` +
    "text. To ask all of it, serve an index: pullquote index FILE -o notes.db";
  return [!is_whole && cut, note && `Not all was read as it stands there: ${note}.`]
    .filter(Boolean)
    .join(" · ");
}

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1).replace(/\.?$/, ".");

// What went wrong with a request, and what to do, in words.
function errorText({ message, code }, { token, server }) {
  switch (code) {
    case "no_server":
      return NO_SERVER;
    case "unauthorized":
      return token ? "The server does not know this token. Give it another one." : "";
    case "busy":
      return `The server cannot answer now: ${message}. Your question stays here; ask again in a moment.`;
    case "timeout":
    case "too_slow":
      return (
        `It took more than ${server.max_seconds} seconds, and was given up: the server has much to ` +
        "do, or this is much to read. Try again in a moment, or with less text."
      );
    case "internal":
      return "The server failed, and its log says why. Another question may be answered.";
    case "too_large":
      return `That is more than this server reads: ${message}.`;
    default:
      return sentence(message);
  }
}

// The same for a document that was opened.
function fileErrorText(error, name, state) {
  if (error.code !== "invalid") return errorText(error, state);
  const [reason, ofLibrary] = error.message.split(/ \((?=\w+Error: )/);
  const help = "It may be damaged: save it again with the program that made it";
  return `${shortName(name)} cannot be read: ${reason}.${ofLibrary ? ` ${help}.` : ""}`;
}
function formatPercent(score) {
  if (score > 0 && score < MIN_SCORE) return "<1 %";
  if (score < 1 && score > 1 - MIN_SCORE) return ">99 %";
  return `${percentOf(score)} %`;
}

const sliderPosition = (share) =>
  `${(100 * (100 * share - LEAST_PERCENT)) / (100 - LEAST_PERCENT)}%`;

function shareText(state) {
  const share = usedShare(state);
  if (share === null) return "the default";
  return `${percentOf(share)} %${state.share === null ? ", the default" : ""}`;
}

// Where on the slider the decision about the current question changes.
function turnText(state) {
  const { current } = state;
  if (!current.quotes.length) return "";
  const percent = Math.ceil(100 * turnOf(current));
  const note = usedShare(state) === null ? "The default is a threshold, not a share. " : "";
  if (percent <= LEAST_PERCENT) return `${note}This question is answered wherever you set it.`;
  if (percent >= 100) return `${note}Only at 100 % is this question answered.`;
  return `${note}From ${percent} % on, this question is answered.`;
}

function noAnswerText({ current }, none) {
  if (!current.quotes.length) return "There is nothing to quote";
  const where = current.source === "text" ? "this text has" : "these documents have";
  return `${formatPercent(none)} that ${where} no answer`;
}

// What the probabilities say: that there is no answer only where nothing is more probable.
function verdictText({ current, chosen }, { abstains, none, scores }) {
  if (!abstains && chosen) return "Another place";
  if (!abstains) return `Answer, ${wordOf(scores[0], "sure", "likely", "unsure")}`;
  if (scores.some((score) => score > none)) return "No sure answer.";
  const where = current.source === "text" ? "in this text" : "in these documents";
  return wordOf(none, `Not ${where}.`, `Probably not ${where}.`, `Perhaps not ${where}.`);
}

function wordOf(probability, sure, likely, unsure) {
  if (probability >= SURE) return sure;
  return probability >= 0.5 ? likely : unsure;
}

function scoreText(state, { abstains, none, scores }) {
  const noAnswer = noAnswerText(state, none);
  return abstains ? noAnswer : `${formatPercent(scores[state.chosen])} that this is right · ${noAnswer}`;
}

const correctionsText = ({ corrections }) =>
  corrections.map(({ word, read_as }) => `${inQuotes(word)} read as: ${read_as}`).join(" · ");

// What a screen reader says of the current answer.
function announcementText(state) {
  const { current } = state;
  const { abstains, none, scores } = decide(current, usedShare(state));
  const [answer] = current.result.answers;
  const readAs = correctionsText(current.result);
  return [
    readAs && `${readAs}.`,
    abstains ? `No answer: ${noAnswerText(state, none)}.` : `Answer: ${answer.text}.`,
    !abstains && `${formatPercent(scores[0])} that this is right.`,
  ]
    .filter(Boolean)
    .join(" ");
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
  $("empty-index").hidden = !server.index || server.documents > 0;
  $("text-title").classList.toggle("unseen", server.documents > 0);
}

function showTokenForm({ tokenWanted }) {
  $("token-form").hidden = !tokenWanted;
}

function showError({ error }) {
  $("error").textContent = error?.message ?? "";
  $("error").hidden = !error?.message;
}

function showProgress({ request, opening, progress }) {
  $("ask").textContent = request ? "Reading…" : "Ask";
  $("form").setAttribute("aria-busy", request !== null);
  const isKnown = request !== null && progress !== null;
  $("progress").hidden = !opening && !isKnown;
  $("progress-meter").classList.toggle("unknown", !isKnown);
  const percent = isKnown ? percentOf(progress) : 0;
  $("progress-meter").firstElementChild.style.width = isKnown ? `${percent}%` : "";
  if (isKnown) $("progress-meter").setAttribute("aria-valuenow", percent);
  else $("progress-meter").removeAttribute("aria-valuenow");
  const words = isKnown ? `${percent} % of the text is read` : "";
  $("progress-words").textContent = opening ? `Opening ${shortName(opening.name)}…` : words;
}

function showSource({ source }) {
  const isDocuments = source === "documents";
  $("of-text").setAttribute("aria-pressed", !isDocuments);
  $("of-documents").setAttribute("aria-pressed", isDocuments);
  $("question").placeholder = isDocuments ? "What do you want to know?" : EXAMPLE_QUESTION;
  for (const id of ["example", "size", "help-text"]) $(id).hidden = isDocuments;
  for (const id of ["where", "help-documents"]) $(id).hidden = !isDocuments;
}

function showText({ text, file, source }) {
  setValue($("text"), text);
  const count = countCodePoints(text);
  const size = count ? `${formatNumber(count)} characters` : "";
  $("size").textContent = file ? `${shortName(file.name)} · ${size}` : size;
  $("size").title = file?.name ?? "";
  $("size").classList.toggle("named", file !== null);
  $("file-note").textContent = file?.note ?? "";
  $("file-note").hidden = !file?.note || source === "documents";
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
    showMarks(text, marksOf(current, chosen), chosen);
  } else if (source === "documents") {
    const count = formatNumber(server.documents);
    const documents = server.documents === 1 ? "1 document is" : `${count} documents are`;
    const hint = `${documents} searched. The passage that answers will stand here.`;
    $("where").textContent = "";
    $("reading").replaceChildren(createSpan("hint", hint));
  }
  $("text").hidden = isMarked || source === "documents";
  $("reading").hidden = !isMarked && source === "text";
  $("edit").hidden = !isMarked || source === "documents";
}

// The quotes that are marked, in the order of the text. In documents each has a passage of its own.
function marksOf({ source, quotes }, chosen) {
  return quotes
    .map((quote, number) => ({ ...quote, number }))
    .filter(({ number }) => number === chosen || source === "text")
    .sort((a, b) => a.from - b.from);
}

function showMarks(text, marks, chosen) {
  const pieces = [];
  let end = 0;
  for (const quote of marks) {
    const mark = document.createElement("mark");
    mark.textContent = text.slice(quote.from, quote.to);
    mark.dataset.number = quote.number;
    mark.classList.toggle("chosen", quote.number === chosen);
    pieces.push(text.slice(end, quote.from), mark);
    end = quote.to;
  }
  const top = $("reading").scrollTop;
  $("reading").replaceChildren(...pieces, text.slice(end));
  $("reading").scrollTop = top;
}

// The marks stay in place when only the decision changes, so that their colour can fade.
function showMarkDecision(state) {
  if (!state.current) return;
  const decision = decide(state.current, usedShare(state));
  for (const mark of $("reading").querySelectorAll("mark")) {
    mark.classList.toggle("unsure", decision.abstains);
    mark.classList.toggle("minor", isMinor(decision, Number(mark.dataset.number)));
  }
}

function showAnswer(state) {
  const { current, chosen } = state;
  $("result").hidden = !current;
  if (!current) return;
  const decision = decide(current, usedShare(state));
  const shown = decision.abstains ? decision.none : decision.scores[chosen];
  $("answer").classList.toggle("none", decision.abstains);
  $("read-as").textContent = correctionsText(current.result);
  $("verdict").textContent = verdictText(state, decision);
  $("quote").textContent = decision.abstains ? "" : current.quotes[chosen].text;
  $("quote").classList.toggle("long", $("quote").textContent.length > LONG_QUOTE);
  $("quote").hidden = decision.abstains;
  $("score").hidden = !current.quotes.length;
  $("bar").style.width = `${100 * shown}%`;
  $("score").setAttribute("aria-valuenow", percentOf(shown));
  $("score").setAttribute("aria-valuetext", formatPercent(shown));
  $("score-words").textContent = scoreText(state, decision);
  $("note").textContent = current.result.note ?? "";
}

function showSlider(state) {
  const { current, share, server } = state;
  $("share").value = percentOf(usedShare(state) ?? 0.5);
  $("share").setAttribute("aria-valuetext", shareText(state));
  $("share-value").textContent = shareText(state);
  $("own").hidden = share === null;
  $("own-tick").hidden = server.answerable === null;
  $("own-tick").style.left = sliderPosition(server.answerable ?? 0.5);
  if (!current) return;
  $("turn").textContent = turnText(state);
  const turn = current.quotes.length ? turnOf(current) : 0;
  $("turn-tick").hidden = turn <= LEAST_PERCENT / 100;
  $("turn-tick").style.left = sliderPosition(turn);
}

function showQuotes({ current }) {
  if (!current) return;
  const { answers } = current.result;
  // by score: that of the second quote may be higher than that of the first, which has the higher
  // logits
  const order = [...answers.keys()].sort((a, b) => answers[b].score - answers[a].score);
  const rows = order.map((number) => {
    const quote = current.quotes[number];
    const row = createRow((button) => {
      const what = createSpan("what", "");
      what.append(createSpan("words", collapseSpaces(quote.text)));
      if (quote.where) what.append(createSpan("place", quote.where));
      const meter = createSpan("meter", "");
      meter.append(document.createElement("i"));
      button.append(what, meter, createSpan("percent", ""));
      button.addEventListener("mouseenter", (event) => {
        if (trackPointer(event)) chooseQuote(number);
      });
      button.addEventListener("focus", () => settleOnQuote(number));
      button.addEventListener("click", () => settleOnQuote(number));
    });
    row.dataset.number = number;
    return row;
  });
  $("others").replaceChildren(...rows);
}

// The list stays in place when only the probabilities change, so that it keeps the focus.
function showProbabilitiesOfQuotes(state) {
  if (!state.current) return;
  const decision = decide(state.current, usedShare(state));
  const { abstains, scores } = decision;
  for (const row of $("others").children) {
    const number = Number(row.dataset.number);
    row.hidden = isMinor(decision, number);
    row.querySelector("i").style.width = `${100 * scores[number]}%`;
    row.querySelector(".percent").textContent = formatPercent(scores[number]);
  }
  $("others-title").textContent = abstains ? "The nearest quotes" : "The best quotes";
  const rows = $("others").querySelectorAll("li:not([hidden])");
  $("others").parentElement.hidden = rows.length < (abstains ? 1 : 2);
}

function showChosenInQuotes({ chosen }) {
  for (const row of $("others").children) {
    const isChosen = Number(row.dataset.number) === chosen;
    row.querySelector("button").setAttribute("aria-current", isChosen);
  }
}

function showHistory(state) {
  const { history, draft } = state;
  const rows = history.map((record) =>
    createRow((button) => {
      const [answer] = record.result.answers;
      const { abstains } = decide(record, usedShare(state));
      const found = abstains ? "no answer" : inQuotes(answer.text);
      button.append(createSpan("asked", record.question), createSpan("found", found));
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

function rememberShare({ share }) {
  storeShare(share);
}

// A request that leaves the state is cancelled: the server stops reading what nobody waits for.
function cancelRequest({ request }, before) {
  if (before.request !== request) before.request?.abort();
}

function cancelOpening({ opening }, before) {
  if (before.opening !== opening) before.opening?.controller.abort();
}

store.subscribe(["request"], cancelRequest);
store.subscribe(["opening"], cancelOpening);
store.subscribe(["server"], showServer);
store.subscribe(["tokenWanted"], showTokenForm);
store.subscribe(["error"], showError);
store.subscribe(["request", "opening", "progress"], showProgress);
store.subscribe(["source"], showSource);
store.subscribe(["text", "file", "source"], showText);
store.subscribe(["question"], showQuestion);
store.subscribe(["server", "source", "current", "editing", "chosen"], showReading);
store.subscribe(["server", "current", "editing", "chosen", "share"], showMarkDecision);
store.subscribe(["server", "current", "chosen", "share"], showAnswer);
store.subscribe(["server", "current", "share"], showSlider);
store.subscribe(["current"], showQuotes);
store.subscribe(["server", "current", "share"], showProbabilitiesOfQuotes);
store.subscribe(["current", "chosen"], showChosenInQuotes);
store.subscribe(["server", "history", "draft", "share"], showHistory);
store.subscribe(["share"], rememberShare);
store.subscribe(["announcement"], showAnnouncement);

// ---- actions

function fail(message, focus) {
  store.update({ error: { message } });
  focus?.focus();
}

function failRequest(error, words = errorText) {
  if (error.code === "unauthorized") {
    store.update({ tokenWanted: true });
    $("token").focus();
  }
  fail(words(error, store.get()));
}

function announce() {
  const state = store.get();
  if (state.current) store.update({ announcement: { message: announcementText(state) } });
}

async function loadServer() {
  try {
    const server = await fetchJson("v1/model", { token: store.get().token });
    const { source, text, share } = store.get();
    store.update({
      server,
      source: server.documents && !text ? "documents" : source,
      share: share === null ? null : shareState(percentOf(share), server),
    });
  } catch (error) {
    failRequest(error);
  }
}

// Takes over what the browser filled in and what it remembers.
function start() {
  if ($("text").value !== store.get().text) setText($("text").value);
  store.update({ question: $("question").value, share: rememberedShare() });
  loadServer();
}

function submitToken() {
  store.update({ token: $("token").value.trim(), tokenWanted: false, error: null });
  loadServer();
  $("question").focus();
}

// A textarea turns every line end into \n.
function setText(text, file = null) {
  store.update(withText(store.get(), text.replace(/\r\n?/g, "\n"), file));
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

async function openFile(file) {
  const { server, token } = store.get();
  if (file.size > server.max_file) {
    const size = `${shortName(file.name)} has ${formatSize(file.size)}`;
    const limit = `the largest document that this server opens has ${formatSize(server.max_file)}`;
    fail(`${size}, and ${limit}. Index it instead: pullquote index FILE -o notes.db`);
    return;
  }
  const opening = { name: file.name, controller: new AbortController() };
  const isAwaited = () => store.get().opening === opening;
  store.update({ error: null, opening });
  try {
    const bytes = await file.arrayBuffer().catch(() => {
      throw new RequestError("the browser may not read it, or it is a folder", "invalid");
    });
    const found = await fetchText(file, bytes, { token, signal: opening.controller.signal });
    if (!isAwaited()) return;
    setText(found.text, { name: file.name, note: fileNote(found, server) });
    $("question").focus();
  } catch (error) {
    if (!isAwaited()) return;
    store.update({ opening: null });
    failRequest(error, (_, state) => fileErrorText(error, file.name, state));
  }
}

function openDropped({ files, entry, text }) {
  if (entry?.isDirectory) {
    const help = "Drop a single file, or index the folder: pullquote index FOLDER -o notes.db";
    fail(`${shortName(entry.name)} is a folder. ${help}`);
  } else if (files.length > 1) {
    fail(`These are ${files.length} files. Drop one, or index all: pullquote index FILES -o notes.db`);
  } else if (files.length) openFile(files[0]);
  else if (text) setText(text);
}

function switchSource(source) {
  if (store.get().source === source) return;
  store.update({ source, request: null, opening: null, current: null });
  $("question").focus();
}

// The answer is shown only if this is still the question that the page waits for.
async function ask() {
  const { source, server, token, file, ...state } = store.get();
  const question = replaceLoneSurrogates(state.question.trim());
  const text = replaceLoneSurrogates(state.text);
  if (source === "text" && !text.trim()) {
    return fail("There is no text yet: paste one, drop a file, or load the example.", $("text"));
  }
  if (!question) return fail("There is no question yet.", $("question"));
  const length = countCodePoints(text);
  if (source === "text" && length > server.max_context) {
    const most = formatNumber(server.max_context);
    const help = "Delete what you do not need, or make an index: pullquote index FILE -o notes.db";
    return fail(
      `This text has ${formatNumber(length)} characters; this server reads at most ${most}. ${help}`,
      $("text"),
    );
  }
  const request = new AbortController();
  const isAwaited = () => store.get().request === request;
  store.update({ request, progress: null, error: null });
  const onProgress = (progress) => isAwaited() && store.update({ progress });
  try {
    const options = { token, signal: request.signal, onProgress };
    const record = await (source === "text"
      ? askText(question, { text, file, server }, options)
      : askDocuments(question, { server }, options));
    if (isAwaited()) acceptAnswer(record);
  } catch (error) {
    if (!isAwaited()) return;
    store.update({ request: null });
    failRequest(error);
  }
}

function stop() {
  store.update({ request: null, opening: null });
  $("question").focus();
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
// below it, and the page can be scrolled: a row that comes to lie under a resting pointer was not
// pointed at.
function trackPointer({ clientX, clientY }) {
  const before = store.get().pointer;
  const pointer = `${clientX} ${clientY}`;
  store.update({ pointer });
  return pointer !== before;
}

function focusQuote(step) {
  const buttons = [...$("others").querySelectorAll("li:not([hidden]) button")];
  const next = buttons.indexOf(document.activeElement) + step;
  buttons[Math.max(0, Math.min(buttons.length - 1, next))].focus();
}

// The best quote is shown again: another one may no longer be worth showing.
function decideBy(share) {
  store.update({ share, chosen: 0, settled: 0 });
}

function moveSlider(percent) {
  decideBy(shareState(percent, store.get().server));
}

function resetSlider() {
  decideBy(null);
  announce();
  $("share").focus();
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
on("stop", "click", stop);
on("of-text", "click", () => switchSource("text"));
on("of-documents", "click", () => switchSource("documents"));
on("example", "click", loadExample);
on("try", "click", loadExample);
on("open", "click", () => $("file").click());
on("file", "change", () => {
  if ($("file").files.length) openFile($("file").files[0]);
  $("file").value = "";
});

// A file may be dropped anywhere: outside the page's own places, the browser would leave the page
// for it.
function onDrag(type, handler) {
  document.addEventListener(type, (event) => {
    const isFile = event.dataTransfer.types.includes("Files");
    if (!isFile && !$("drop").contains(event.target)) return;
    event.preventDefault();
    handler(event);
  });
}

for (const type of ["dragenter", "dragover"]) onDrag(type, () => $("drop").classList.add("over"));
onDrag("dragleave", ({ relatedTarget }) => {
  if (!relatedTarget) $("drop").classList.remove("over");
});
onDrag("drop", ({ dataTransfer }) => {
  $("drop").classList.remove("over");
  const entry = dataTransfer.items[0]?.webkitGetAsEntry?.();
  openDropped({ files: dataTransfer.files, entry, text: dataTransfer.getData("text/plain") });
});

on("share", "input", () => moveSlider(Number($("share").value)));
on("share", "change", announce);
on("own", "click", resetSlider);

document.addEventListener("mousemove", trackPointer);
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
