// The editor of a plan: while it is typed, lint looks at it, its cases run and their cards appear.

import { Completions } from "./completing.js";
import { paragraph, say, tabs } from "./page.js";
import { TextView } from "./text_view.js";

const PAUSE_MS = 350;
const AGAIN_MS = 1500;
const $ = (selector) => document.querySelector(selector);

const root = $("#editor");
const { url } = root.dataset;
const view = new TextView(root);
const completions = new Completions(view, $("#completions"), root, (n) => {
  $("#offered").textContent = say("completions", { n }); // its own place: a check writes into status
});
tabs($("#told"));
const state = {
  etag: root.dataset.etag,
  saved: view.text,
  case: "",
  problems: [],
  warnings: [],
  checked: null,
  underway: null,
  timer: 0,
};

const status = (text) => ($("#status").textContent = text);

async function post(path, body, signal) {
  const response = await fetch(`${url}/${path}`, {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(body),
    signal,
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(answer.issue[0].diagnostics);
  return answer;
}

// -- looking at the text --------------------------------------------------------------------

function soon() {
  clearTimeout(state.timer);
  state.timer = setTimeout(look, PAUSE_MS);
  allowSaving();
}

/** Has the text looked at; what was under way for an older text is given up. */
async function look() {
  state.underway?.abort();
  state.underway = new AbortController();
  const { signal } = state.underway;
  const text = view.text;
  status(say("checking"));
  try {
    const checked = await post("check", { text }, signal);
    $("#refused").hidden = true;
    state.problems = checked.findings;
    state.checked = text;
    if (!checked.compiles) state.warnings = [];
    showFindings();
    allowSaving();
    post("changes", { text }, signal).then(showChanges, refused);
    if (checked.compiles) await tryOut(text, signal);
    else notRun();
  } catch (error) {
    refused(error);
    if (error instanceof TypeError) state.timer = setTimeout(look, AGAIN_MS); // it starts anew
  }
}

async function tryOut(text, signal) {
  status(`${summary()} · ${say("running")}`);
  $("#panel-cases").setAttribute("aria-busy", "true");
  const tried = await post("trial", { text, case: state.case }, signal);
  state.warnings = tried.findings;
  showFindings();
  $("#panel-cases").innerHTML = tried.cases;
  $("#panel-cases").removeAttribute("aria-busy");
  $("#panel-preview").innerHTML = tried.preview;
  count("cases", tried.failed);
  status(`${summary()} · ${tried.failed ? say("failed", { n: tried.failed }) : say("passed")}`);
}

function notRun() {
  for (const name of ["cases", "preview"]) {
    $(`#panel-${name}`).replaceChildren(paragraph(say("not_run"), "nothing"));
  }
  count("cases", 0);
  status(`${summary()} · ${say("not_run")}`);
}

function refused(error) {
  if (error.name === "AbortError") return;
  const box = $("#refused");
  box.textContent = error instanceof TypeError ? say("unreachable") : error.message;
  box.hidden = false;
}

// -- what was found -------------------------------------------------------------------------

const findings = () => [...state.problems, ...state.warnings];
const summary = () =>
  findings().length
    ? say("found", { problems: state.problems.length, warnings: state.warnings.length })
    : say("clean");

function count(name, n) {
  $(`#count-${name}`).textContent = n;
  $(`#count-${name}`).hidden = !n;
}

function showFindings() {
  const found = findings();
  view.mark(found.filter((item) => item.line));
  count("findings", found.length);
  const list = document.createElement("ol");
  list.className = "findings";
  list.append(...found.map(asItem));
  $("#panel-findings").replaceChildren(found.length ? list : paragraph(say("clean"), "nothing"));
  showPlace();
}

function asItem(finding) {
  const item = document.createElement("li");
  item.className = finding.severity;
  const head = document.createElement(finding.line ? "button" : "span");
  head.className = "where";
  const place = finding.line ? say("finding", { line: finding.line }) : (finding.file ?? "");
  head.textContent = [say(finding.severity), place].filter(Boolean).join(" · ");
  if (finding.line) {
    head.type = "button";
    head.addEventListener("click", () => view.go(finding.line, finding.column));
  }
  const message = document.createElement("p");
  message.textContent = finding.message;
  const rest = document.createElement("p");
  rest.className = "hint";
  rest.textContent = [finding.hint, `[${finding.code}]`, finding.path].filter(Boolean).join(" ");
  item.append(head, message, rest);
  return item;
}

function showPlace() {
  const { line, column } = view.place;
  const here = findings().find((item) => item.line === line);
  $("#place").textContent = say("place", { line, column }) + (here ? `: ${here.message}` : "");
  $("#place").classList.toggle("found", Boolean(here));
}

function nextFinding() {
  const places = findings().filter((item) => item.line).sort((a, b) => a.line - b.line);
  const next = places.find((item) => item.line > view.place.line) ?? places[0];
  if (next) view.go(next.line, next.column);
}

function showChanges({ changes }) {
  $("#panel-changes").innerHTML = changes;
}

// -- saving ---------------------------------------------------------------------------------

const isChanged = () => view.text !== state.saved;

function allowSaving() {
  const save = $("#save");
  if (save) save.disabled = !isChanged() || state.checked !== view.text || state.problems.length > 0;
}

async function save() {
  const text = view.text;
  $("#refused").hidden = true;
  try {
    ({ etag: state.etag } = await post("save", { text, etag: state.etag }));
    state.saved = text;
    allowSaving();
    status(say("saved"));
    showChanges(await post("changes", { text: view.text }));
  } catch (error) {
    refused(error);
  }
}

// -- keys -----------------------------------------------------------------------------------

function newLine(event) {
  const { selectionStart, selectionEnd, value } = view.area;
  const line = value.slice(value.lastIndexOf("\n", selectionStart - 1) + 1, selectionStart);
  const deeper = /[[{]\s*$/.test(line) ? "  " : "";
  event.preventDefault();
  view.replace(selectionStart, selectionEnd, `\n${/^ */.exec(line)[0]}${deeper}`);
}

view.area.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.ctrlKey && !event.isComposing) newLine(event);
});
document.addEventListener("keydown", (event) => {
  if (event.key === "F8") {
    event.preventDefault();
    nextFinding();
  } else if (event.key === "s" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    if ($("#save") && !$("#save").disabled) save();
  }
});
window.addEventListener("beforeunload", (event) => {
  if ($("#save") && isChanged()) event.preventDefault();
});
$("#save")?.addEventListener("click", save);
$("#panel-cases").addEventListener("click", (event) => {
  const chosen = event.target.closest("[data-case]");
  if (!chosen) return;
  state.case = chosen.dataset.case;
  $("#tab-preview").click();
  look();
});

view.onChange = () => {
  $("#refused").hidden = true;
  completions.offer(false);
  showPlace();
  soon();
};
view.onCaret = showPlace;
fetch(`${url}/names`)
  .then((answer) => answer.json())
  .then((names) => completions.learn(names), refused);
look();
