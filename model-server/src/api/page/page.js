"use strict";
const form = document.getElementById("row");
const result = document.getElementById("result");
const url = new URL("predict", document.baseURI);
url.username = url.password = "";
// Most bars that are drawn.
const MOST = 20;
const keyed = form.dataset.keyed === "true";

// A number or text with what it is measured in.
function measured(value, unit) {
  return unit ? `${value} ${unit}` : String(value);
}

function row() {
  const row = {};
  for (const field of form.querySelectorAll("[data-type]")) {
    const text = field.value;
    if (text === "") continue;
    const type = field.dataset.type;
    row[field.name] = type === "Boolean" ? text === "true" : type === "Number" ? Number(text) : text;
  }
  return row;
}

// What is wanted beside the prediction, as the address says it.
function address() {
  const names = [...form.querySelectorAll("[data-with]:checked")].map(option => option.dataset.with);
  const threshold = form.querySelector("[data-threshold]");
  const parts = [];
  if (names.length > 0) parts.push(`with=${names.join(",")}`);
  if (names.includes("decision") && threshold.value !== "") parts.push(`threshold=${Number(threshold.value)}`);
  return url.href + (parts.length > 0 ? "?" + parts.join("&") : "");
}

// A text as a shell takes it.
function quoted(text) {
  return "'" + text.replaceAll("'", "'\\''") + "'";
}

function cell(value) {
  const text = String(value);
  return /[",\n\r]/.test(text) ? '"' + text.replaceAll('"', '""') + '"' : text;
}

// A value as Python writes it. Texts and finite numbers are the same in JSON.
function inPython(value) {
  return value === true ? "True" : value === false ? "False" : JSON.stringify(value);
}

function curl(fields) {
  const key = keyed ? ' -H "Authorization: Bearer $KEY"' : "";
  return `curl ${quoted(address())}${key} -H 'Content-Type: application/json' -d ${quoted(JSON.stringify(fields))}`;
}

function python(fields) {
  const lines = Object.entries(fields).map(([name, value]) => `    ${JSON.stringify(name)}: ${inPython(value)},\n`);
  const key = keyed ? ', "Authorization": "Bearer " + os.environ["KEY"]' : "";
  return `import json
${keyed ? "import os\n" : ""}import urllib.request

row = {
${lines.join("")}}
request = urllib.request.Request(
    ${JSON.stringify(address())},
    data=json.dumps(row).encode(),
    headers={"Content-Type": "application/json"${key}},
)
with urllib.request.urlopen(request) as reply:
    print(json.load(reply))`;
}

function javascript(fields) {
  const key = keyed ? ', "Authorization": `Bearer ${process.env.KEY}`' : "";
  return `const row = ${JSON.stringify(fields, null, 2)};
const reply = await fetch(${JSON.stringify(address())}, {
  method: "POST",
  headers: { "Content-Type": "application/json"${key} },
  body: JSON.stringify(row),
});
console.log(await reply.json());`;
}

function table(fields) {
  const key = keyed ? ' -H "Authorization: Bearer $KEY"' : "";
  const lines = [Object.keys(fields), Object.values(fields)].map(cells => quoted(cells.map(cell).join(",")));
  return `printf '%s\\n' ${lines.join(" ")} > rows.csv
curl -X POST ${quoted(address())}${key} -H 'Content-Type: text/csv' -T rows.csv`;
}

function showSnippets() {
  const fields = row();
  for (const [id, snippet] of Object.entries({ curl, python, javascript, table })) {
    document.getElementById(id).textContent = snippet(fields);
  }
}

// Where pages may not write to the clipboard, the text is marked, to be copied by keyboard.
async function copy(code, button) {
  try {
    await navigator.clipboard.writeText(code.textContent);
    button.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(code);
    button.textContent = "Marked";
  }
  setTimeout(() => { button.textContent = "Copy"; }, 2000);
}

for (const code of document.querySelectorAll("details code[id]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "copy";
  button.textContent = "Copy";
  button.addEventListener("click", () => copy(code, button));
  code.parentElement.after(button);
}

function add(parent, name, text) {
  const element = document.createElement(name);
  element.textContent = text;
  parent.append(element);
  return element;
}

function round(value) {
  return String(Number(value.toPrecision(4)));
}

// Rows of a name, a number and a bar from `from` to `to`, both between `low` and `high`.
function bars(caption, low, high, rows) {
  const table = add(result, "table", "");
  add(table, "caption", caption);
  const place = value => 100 * (value - low) / (high - low || 1);
  for (const { name, text, from, to } of rows) {
    const line = add(table, "tr", "");
    add(line, "th", name).scope = "row";
    add(line, "td", text).className = "number";
    const track = add(add(line, "td", ""), "div", "");
    track.className = "track";
    track.setAttribute("aria-hidden", "true");
    const bar = add(track, "div", "");
    bar.className = to < from ? "bar less" : "bar";
    bar.style.left = `${place(Math.min(from, to))}%`;
    bar.style.width = `max(1px, ${Math.abs(place(to) - place(from))}%)`;
    if (low < 0) {
      const zero = add(track, "div", "");
      zero.className = "zero";
      zero.style.left = `${place(0)}%`;
    }
  }
}

const scales = {
  "prediction": "",
  "logarithm": ", as logarithms",
  "probability": ", as probability",
  "log-odds": ", as logarithms of the odds",
  "score": ", as scores",
};

// A field as it was asked for.
function asked(name, sent) {
  if (!(name in sent)) return name;
  const control = [...form.querySelectorAll("[data-type]")].find(control => control.name === name);
  return `${name}: ${measured(sent[name], control.dataset.unit)}`;
}

function showContributions({ scale, "class": name, base, total, fields }, sent) {
  const unit = scale === "prediction" ? form.dataset.unit : "";
  const sorted = Object.entries(fields).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
  const rows = sorted.slice(0, MOST).map(([name, value]) => ({ name: asked(name, sent), text: (value > 0 ? "+" : "") + round(value), from: 0, to: value }));
  const rest = sorted.slice(MOST).reduce((sum, [, value]) => sum + value, 0);
  if (sorted.length > MOST) rows.push({ name: `${sorted.length - MOST} others`, text: (rest > 0 ? "+" : "") + round(rest), from: 0, to: rest });
  const ends = [0, ...rows.map(row => row.to)];
  const of = name === undefined ? "" : ` to ${name}`;
  const caption = `What each field adds${of}${scales[scale] || ""}: from ${round(base)}, where nothing is known, to ${measured(round(total), unit)}`;
  bars(caption, Math.min(...ends), Math.max(...ends), rows);
}

function show(ok, reply, sent) {
  result.className = ok ? "" : "bad";
  result.replaceChildren();
  if (!ok) {
    const mistakes = (reply.details || []).map(d => `${d.field || "row"}: expected ${d.expected}, got ${d.got}`);
    if (mistakes.length === 0) mistakes.push(reply.error);
    const list = add(result, "ul", "");
    for (const mistake of mistakes) add(list, "li", mistake);
    return;
  }
  add(add(result, "p", ""), "strong", measured(reply.prediction, form.dataset.unit));
  if (reply.decision !== undefined) add(result, "p", `Decision: ${reply.decision}`);
  if (reply.probabilities) {
    const byProbability = Object.entries(reply.probabilities).sort((a, b) => b[1] - a[1]);
    const rows = byProbability.slice(0, MOST).map(([name, value]) => ({ name, text: `${(100 * value).toFixed(1)} %`, from: 0, to: value }));
    bars("Probabilities", 0, 1, rows);
  }
  if (reply.range) {
    const { low, high, rows } = reply.range;
    add(result, "p", `Of the ${rows} test rows with the most similar predictions, 8 of 10 were between ${round(low)} and ${measured(round(high), form.dataset.unit)}.`);
  }
  if (reply.contributions) showContributions(reply.contributions, sent);
  for (const warning of reply.warnings || []) add(result, "p", warning);
}

// Asks for what is ticked. A model that cannot explain itself says why, and is asked for the rest.
async function ask(sent) {
  const body = JSON.stringify(sent);
  const post = () => fetch(address(), { method: "POST", headers: { "Content-Type": "application/json" }, body });
  const answer = await post();
  const explain = form.querySelector("[data-with=contributions]");
  if (answer.status !== 400 || !explain.checked) return answer;
  explain.checked = false;
  const again = await post();
  explain.checked = !again.ok;
  if (again.ok) {
    explain.disabled = true;
    add(explain.parentElement, "span", (await answer.json()).error).className = "hint";
    showSnippets();
  }
  return again;
}

form.addEventListener("input", event => {
  const { id, value } = event.target;
  // A number and its slider show the same.
  const other = event.target.dataset.of ? document.getElementById(event.target.dataset.of) : form.querySelector(`[data-of="${id}"]`);
  if (other && value !== "") other.value = value;
  showSnippets();
});

form.addEventListener("submit", async event => {
  event.preventDefault();
  const sent = row();
  try {
    const answer = await ask(sent);
    show(answer.ok, await answer.json(), sent);
  } catch (error) {
    show(false, { error: `No answer: ${error.message}` });
  }
});
showSnippets();
