"use strict";
// The cells come from documents: they are shown as text, never as HTML.
const rows = JSON.parse(document.getElementById("data").textContent);
const main = document.getElementById("rows");
const cells = [];
let saved = true;

function add(parent, tag, text, name) {
  const made = document.createElement(tag);
  if (text) made.textContent = text;
  if (name) made.className = name;
  parent.append(made);
  return made;
}

function choices(cell) {
  if (!cell.quote) return [];
  const yes = [["yes", "Yes"], ["no", "No"]];
  return [...(cell.kind === "yes/no" ? yes : [["accepted", "Accept"]]), ["rejected", "Reject"]];
}

function show(cell) {
  cell.buttons.forEach(([name, button]) => button.setAttribute("aria-pressed", String(cell.decision === name)));
}

function count() {
  const asked = cells.filter((cell) => cell.quote);
  const decided = asked.filter((cell) => cell.decision).length;
  document.getElementById("count").textContent = `${decided} of ${asked.length} cells decided`;
}

function filter() {
  const which = document.getElementById("show").value;
  cells.forEach((cell) => {
    cell.box.hidden =
      (which === "open" && (!cell.quote || cell.decision)) ||
      (which === "low" && !cell.note) ||
      (which === "none" && cell.answered);
  });
}

for (const row of rows) {
  const section = add(main, "section");
  add(section, "h2", row.document);
  if (row.error) add(section, "p", row.error, "error");
  for (const cell of row.cells) {
    cell.document = row.document;
    const box = add(section, "article", "", cell.answered ? (cell.note ? "low" : "") : "none");
    add(box, "h3", cell.question);
    add(box, "p", cell.asked, "asked");
    add(box, "p", cell.value, "value");
    if (cell.quote) {
      const passage = add(box, "blockquote");
      passage.append(cell.before);
      add(passage, "mark", cell.quote);
      passage.append(cell.after);
      const near = cell.answered ? "" : "nearest quote, ";
      const note = cell.note ? `, ${cell.note}` : "";
      add(box, "p", `${near}${cell.place}, score ${cell.score.toFixed(2)}${note}`, "where");
    }
    cell.box = box;
    cell.buttons = choices(cell).map(([name, words]) => {
      const button = add(box, "button", words);
      button.type = "button";
      button.addEventListener("click", () => {
        cell.decision = cell.decision === name ? "" : name;
        saved = false;
        show(cell);
        count();
      });
      return [name, button];
    });
    show(cell);
    cells.push(cell);
  }
}

document.getElementById("show").addEventListener("change", filter);
document.getElementById("save").addEventListener("click", () => {
  const decisions = cells
    .filter((cell) => cell.quote && (cell.decision || cell.before))
    .map((cell) => ({
      document: cell.document, question: cell.question, quote: cell.quote, decision: cell.decision,
    }));
  const file = new Blob([JSON.stringify({ format: 1, decisions }, null, 2)], { type: "application/json" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(file);
  link.download = "decisions.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  saved = true;
});
window.addEventListener("beforeunload", (event) => {
  if (!saved) event.preventDefault();
});
cells.forEach((cell) => { cell.before = cell.decision; });
count();
