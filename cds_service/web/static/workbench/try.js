// The small EHR: keeps what is on the page, sends the hook request as an EHR does, shows the answer.

import { Pad, sentAs } from "./pad.js";
import { highlight, paragraph, say, tabs, words } from "./page.js";

const $ = (selector, root = document) => root.querySelector(selector);
const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
const read = (id) => JSON.parse(document.getElementById(id).textContent);

const offered = read("offered");
const form = $("#ehr");
const state = { request: "", answer: null, calledAt: "", resources: {}, asked: 0, explained: 0, why: null, asOf: null };
const pad = new Pad($("#drafts"), $("#no-drafts"), build);

const chosen = (name) => form.elements[name].value;
const service = () => $("input[name=service]:checked", form);

async function post(url, body, headers = {}) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const response = await fetch(url, {
    method: "POST",
    headers: { "Content-Type": "application/json", ...headers },
    body: text,
  });
  return { status: response.status, text: await response.text() };
}

function sentence(answer) {
  try {
    return JSON.parse(answer.text).issue[0].diagnostics;
  } catch {
    return say("refused", { status: answer.status });
  }
}

// -- what the page asks for -----------------------------------------------------------------

function setup() {
  return {
    source: chosen("source"),
    patient: chosen("patient"),
    bundle: chosen("bundle"),
    fhirServer: chosen("fhirServer"),
    patientId: chosen("patientId"),
    service: service().value,
    drafts: pad.drafts,
    unavailable: $$("input[name=delivered]:not(:checked)", form).map((box) => box.value),
    day: chosen("day"),
    user: chosen("user").trim(),
  };
}

/** Has the request built for what the page has set; the newest answer counts. */
async function build() {
  const needed = { example: ["patient"], paste: ["bundle"], server: ["fhirServer", "patientId"] };
  if (needed[chosen("source")].some((name) => !chosen(name).trim())) return false;
  const turn = ++state.asked;
  const answer = await post("/workbench/request", setup());
  if (turn !== state.asked) return false;
  const problem = $("#chart-problem");
  problem.hidden = answer.status === 200;
  if (answer.status !== 200) {
    problem.textContent = sentence(answer);
    state.request = "";
    return false;
  }
  const built = JSON.parse(answer.text);
  $("#chart").innerHTML = built.chart;
  state.request = built.request;
  const isOtherDay = followDay(built.asOf);
  remember(JSON.parse(built.request));
  Object.assign(state.resources, built.resources);
  show("request", built.request, `POST ${address()} · ${say("not_sent_yet")}`);
  show("curl", curl(), "");
  return isOtherDay ? build() : true; // ages are those of the day
}

/** Judges on the day that a chart is of, unless the address names another; whether that is new. */
function followDay(asOf) {
  if (asOf === state.asOf) return false;
  state.asOf = asOf;
  const before = chosen("day");
  if (!state.keepDay) form.elements.day.value = asOf ?? "";
  state.keepDay = false;
  return chosen("day") !== before;
}

function remember(request) {
  const prefetch = request.prefetch ?? {};
  const resources = [...Object.values(prefetch), request.context.draftOrders].flatMap((value) =>
    value?.entry ? value.entry.map((entry) => entry.resource) : value ? [value] : [],
  );
  state.resources = Object.fromEntries(resources.map((item) => [sentAs(item), item]));
  for (const row of $$("[data-key]")) {
    row.hidden = !row.dataset.services.split(" ").includes(service().value);
    const value = prefetch[row.dataset.key];
    const off = value?.resourceType === "OperationOutcome";
    const count = value?.entry?.length ?? (value && value.resourceType !== "Bundle" ? 1 : 0);
    $(".state", row).textContent = off
      ? say("not_available")
      : !value
        ? say("not_sent")
        : count
          ? say("resources", { n: count })
          : say("known_empty");
    row.classList.toggle("off", off);
  }
  const off = $$("input[name=delivered]:not(:checked)", form).length;
  $("#off-count").hidden = !off;
  $("#off-count").textContent = say("off", { n: off });
}

function address() {
  const day = chosen("day") ? `/workbench/at/${chosen("day")}` : "";
  return `${day}/${chosen("profile")}/cds-services/${service().value}`;
}

function curl() {
  const quoted = state.request.replaceAll("'", "'\\''");
  return (
    `curl -s '${location.origin}${address()}' \\\n  -H 'Content-Type: application/json' \\\n` +
    `  -H 'Accept-Language: ${chosen("language")}' \\\n  --data '${quoted}'`
  );
}

function show(name, text, about) {
  const code = $(`#text-${name} code`);
  if (name === "curl") code.textContent = text;
  else highlight(code, text);
  code.dataset.text = text;
  $(`#about-${name}`).textContent = about;
}

// -- the call -------------------------------------------------------------------------------

async function send() {
  const button = $("#send");
  if (button.disabled) return; // one call at a time, also from the keyboard
  button.disabled = true;
  $("#status").textContent = say("sending");
  try {
    if (await build()) await call();
    else $("#status").textContent = $("#chart-problem").textContent;
  } catch {
    $("#status").textContent = say("unreachable");
  } finally {
    button.disabled = false;
  }
}

async function call() {
  const turn = ++state.explained;
  state.why = null;
  $("#panel-why").replaceChildren(paragraph(say("sending"), "nothing"));
  $("#quiet").hidden = true;
  const started = performance.now();
  const to = address();
  const asked = {
    service: service().value,
    profile: chosen("profile"),
    language: chosen("language"),
    day: chosen("day"),
    request: state.request,
  };
  const answer = await post(to, asked.request, { "Accept-Language": asked.language });
  const ms = Math.round(performance.now() - started);
  $("#about-request").textContent = `POST ${to}`;
  show("response", answer.text, `${answer.status} · ${ms} ms`);
  if (answer.status !== 200) {
    $("#status").textContent = sentence(answer);
    $("#cards").replaceChildren(paragraph(sentence(answer), "problem"));
    $("#panel-why").replaceChildren(paragraph(sentence(answer), "nothing"));
    return;
  }
  state.answer = JSON.parse(answer.text);
  state.calledAt = to;
  const cards = state.answer.cards;
  const key = ["answered_none", "answered_one"][cards.length] ?? "answered";
  $("#status").textContent = say(key, { n: cards.length, ms });
  asked.decision = cards[0]?.extension?.["org.example.lbp"]?.decision;
  const shown = await post("/workbench/cards", { response: answer.text, language: asked.language });
  if (shown.status === 200) {
    const { html, response } = JSON.parse(shown.text);
    $("#cards").innerHTML = html;
    show("response", response, `${answer.status} · ${ms} ms`);
  } else $("#cards").replaceChildren(paragraph(sentence(shown), "problem"));
  $(".answer").scrollIntoView({ block: "nearest" });
  explain(asked, turn);
}

/** Has the newest call explained, beside the cards that are shown already. */
async function explain(asked, turn) {
  const panel = $("#panel-why");
  panel.replaceChildren(paragraph(say("explaining"), "nothing"));
  const told = await post("/workbench/why", asked).catch(() => ({ status: 0, text: "" }));
  if (turn !== state.explained) return;
  if (told.status !== 200) {
    panel.replaceChildren(paragraph(told.status ? sentence(told) : say("unreachable"), "problem"));
    return;
  }
  const { why, quiet, resources } = JSON.parse(told.text);
  panel.innerHTML = why;
  $("#quiet").hidden = !quiet.length;
  $("#quiet span").textContent = say("quiet", { rules: quiet.join(", ") });
  $("#quiet a").dataset.why = quiet[0] ?? "";
  state.resources = { ...state.resources, ...resources };
  if (state.why !== null) tellWhy(state.why);
}

/** Puts the order of a button on the pad, under the button's own words. */
function addOrder(button) {
  pad.add(structuredClone(offered[button.dataset.order]), button.textContent);
}

// -- feedback -------------------------------------------------------------------------------

async function feedback(element, item, key) {
  const message = { feedback: [{ ...item, outcomeTimestamp: new Date().toISOString() }] };
  const to = `${state.calledAt}/feedback`; // of the call, whatever is chosen by now
  const answer = await post(to, message);
  const done = answer.status === 200;
  const outcome = $(".outcome", element);
  outcome.hidden = false;
  outcome.textContent = say(done ? key : "feedback_failed", { status: answer.status });
  element.classList.toggle("done", done);
  log(`POST ${to} → ${answer.status}`, message);
  return done;
}

function log(about, message) {
  const item = document.createElement("li");
  const pre = document.createElement("pre");
  pre.className = "json";
  const code = document.createElement("code");
  highlight(code, JSON.stringify(message, null, 2));
  pre.append(code);
  item.append(paragraph(about, "about"), pre);
  $("#feedback-log").prepend(item);
  $("#panel-feedback .nothing").hidden = true;
  const count = $("#feedback-count");
  count.hidden = false;
  count.textContent = $$("#feedback-log > li").length;
}

async function accept(button) {
  const element = button.closest("[data-card]");
  const card = state.answer.cards.find((item) => item.uuid === element.dataset.card);
  const suggestion = card.suggestions.find((item) => item.uuid === button.dataset.suggestion);
  button.disabled = true;
  if (card.selectionBehavior !== "any") $$(".accept", element).forEach((other) => (other.disabled = true));
  button.classList.add("accepted");
  pad.apply(suggestion);
  build();
  const item = { card: card.uuid, outcome: "accepted", acceptedSuggestions: [{ id: suggestion.uuid }] };
  await feedback(element, item, "accepted");
}

async function override(button) {
  const element = button.closest("[data-card]");
  const card = state.answer.cards.find((item) => item.uuid === element.dataset.card);
  const index = $("input[type=radio]:checked", element)?.value;
  const comment = $("input[name=comment]", element).value.trim();
  const reason = index === undefined ? undefined : card.overrideReasons[index];
  const item = { card: card.uuid, outcome: "overridden" };
  if (reason || comment)
    item.overrideReason = { ...(reason && { reason }), ...(comment && { userComment: comment }) };
  if (await feedback(element, item, "overridden")) $(".override", element).open = false;
}

/** The same orders by somebody who has not overridden anything: `gp-2`, `gp-3` and so on. */
function askAsAnother() {
  const { user } = form.elements;
  const [, name, number] = /^(.*?)(?:-(\d+))?$/.exec(user.value.trim());
  user.value = `${name}-${Number(number ?? 1) + 1}`;
  send();
}

// -- Why ------------------------------------------------------------------------------------

function filter() {
  const wanted = $(".filter[aria-pressed=true]")?.dataset.filter ?? "";
  const text = ($("[data-search]")?.value ?? "").toLowerCase();
  for (const row of $$(".why"))
    row.hidden =
      (wanted && row.dataset.verdict !== wanted) || !row.textContent.toLowerCase().includes(text);
}

/** Opens the explanation of a rule, of the whole call without one; at once, or when it has come. */
function tellWhy(rule) {
  select("why");
  state.why = $(".whys") ? null : rule;
  const row = rule && $(`[data-rule="${CSS.escape(rule)}"]`);
  if (!row) {
    $("#panel-why").scrollIntoView({ block: "nearest" });
    return;
  }
  row.closest(".why").hidden = false;
  row.open = true;
  row.scrollIntoView({ block: "start", behavior: "auto" });
  $("summary", row).focus({ preventScroll: true });
}

function open(reference) {
  const dialog = $("#resource");
  $("#resource-title").textContent = reference;
  highlight($("code", dialog), JSON.stringify(state.resources[reference] ?? null, null, 2));
  dialog.showModal();
}

// -- wiring ---------------------------------------------------------------------------------

const select = tabs($(".behind"));

document.addEventListener("click", async (event) => {
  const at = (selector) => event.target.closest(selector);
  if (at("[data-order]")) {
    addOrder(at("[data-order]"));
    build();
  } else if (at(".accept")) accept(at(".accept"));
  else if (at("[data-override]")) override(at("[data-override]"));
  else if (at("[data-resource]")) open(at("[data-resource]").dataset.resource);
  else if (at("[data-another-user]")) askAsAnother();
  else if (at("[data-close]")) $("#resource").close();
  else if (at("[data-why]")) {
    event.preventDefault();
    tellWhy(at("[data-why]").dataset.why);
  } else if (at(".filter")) {
    for (const button of $$(".filter")) button.setAttribute("aria-pressed", button === at(".filter"));
    filter();
  } else if (at(".above")) {
    for (let part = $(at(".above").hash); part; part = part.parentElement.closest("details"))
      if (part.tagName === "DETAILS") part.open = true;
  } else if (at("[data-copy]")) {
    const button = at("[data-copy]");
    await navigator.clipboard.writeText($(`#text-${button.dataset.copy} code`).dataset.text ?? "");
    button.textContent = say("copied");
    setTimeout(() => (button.textContent = say("copy")), 1500);
  }
});
document.addEventListener("input", (event) => event.target.matches("[data-search]") && filter());
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.isComposing) return;
  if (event.ctrlKey || event.metaKey) form.requestSubmit();
  else if (event.target.matches(".cards input, .behind input")) {
    event.preventDefault(); // it belongs to that card or list, and sends no call
    const overriding = event.target.closest(".override");
    if (overriding) override($("[data-override]", overriding));
  }
});
form.addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
form.addEventListener("change", (event) => {
  if (event.target.closest(".cards, .behind")) return;
  chooseOnServer(event.target);
  arrange();
  build();
});

/** Keeps the list of the server's patients and the id beside it together; any other id is none. */
function chooseOnServer(changed) {
  const list = $("#fhir-patients");
  if (changed === list) form.elements.patientId.value = list.value;
  else if (list && changed.name === "fhirServer") list.value = "";
  else if (list) list.value = chosen("patientId");
}

function arrange() {
  for (const part of $$("[data-source]")) part.hidden = part.dataset.source !== chosen("source");
  const hook = service().dataset.hook;
  $("#pad").hidden = !hook.startsWith("order-");
  $("#send-text").textContent = words[`send.${hook}`] ?? words["send.other"];
  const address = new URLSearchParams({
    patient: chosen("patient"),
    service: service().value,
    profile: chosen("profile"),
  });
  history.replaceState(null, "", `?${address}`);
  for (const link of $$(".menu a")) {
    const there = new URLSearchParams(link.search);
    for (const [name, value] of address) there.set(name, value);
    link.search = there;
  }
}

const asked = new URLSearchParams(location.search);
for (const [name, value] of asked) {
  const element = form.elements[name];
  if (["patient", "service", "profile", "day"].includes(name) && element) element.value = value;
}
state.keepDay = asked.has("day");
addOrder($("[data-order=mri]"));
arrange();
build();
