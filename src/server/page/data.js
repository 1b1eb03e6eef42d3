// What the page asks the node for, and small functions on values.

const byId = (id) => document.getElementById(id);
// A store may be refused (a private window): then the page forgets.
const remembered = {
  get(key) { try { return sessionStorage.getItem(key) || ""; } catch { return ""; } },
  set(key, value) { try { sessionStorage.setItem(key, value); } catch { /* forgotten with the page */ } },
};

/** An answer that is an error of ours: {code, message, position, hint}, and the status. */
class Refused extends Error {
  constructor(status, error) {
    super(error.message);
    this.status = status;
    this.hint = error.hint;
  }
}

async function ask(path, body) {
  const headers = {};
  const token = remembered.get("token");
  if (token) headers["Authorization"] = "Bearer " + token;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  const options = { method: body === undefined ? "GET" : "POST", headers, cache: "no-store", signal: AbortSignal.timeout(10000) };
  if (body !== undefined) options.body = JSON.stringify(body);
  const response = await fetch(path, options);
  const text = await response.text();
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new Refused(response.status, { message: "the answer is no JSON" });
  }
  if (!response.ok) throw new Refused(response.status, answer.error || { message: "status " + response.status });
  return answer;
}

const runSql = (sql) => ask("v1/sql", { sql });
const quoted = (name) => '"' + name.replaceAll('"', '""') + '"';

const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const short = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });
const count = (value) => whole.format(value);
const rate = (value) => (value >= 10000 ? short.format(value) : value >= 10 || value === 0 ? whole.format(value) : value.toFixed(1));

function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit += 1;
  }
  return (unit === 0 || value >= 100 ? value.toFixed(0) : value.toFixed(1)) + " " + units[unit];
}

const plural = (n, word) => count(n) + " " + word + (n === 1 ? "" : "s");

/** Rates of counters between two looks, smoothed a little so that figures can be read. */
class Rates {
  constructor() { this.before = new Map(); }
  of(key, value, seconds) {
    const last = this.before.get(key);
    const now = last && seconds > 0 ? Math.max(0, value - last.value) / seconds : 0;
    const smooth = last ? last.rate * 0.4 + now * 0.6 : now;
    this.before.set(key, { value, rate: smooth < 0.05 ? 0 : smooth });
    return this.before.get(key).rate;
  }
}

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const isFigure = (type) => /^(U?(TINY|SMALL|BIG|HUGE)INT|U?INTEGER|FLOAT|DOUBLE|DECIMAL\([^)]*\))$/.test(type);

/** A BLOB comes as base64: shown as the text that it most often is. */
function blobText(base64) {
  try {
    const raw = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    return new TextDecoder().decode(raw);
  } catch {
    return base64;
  }
}

function valueText(value, type) {
  if (value === null) return "NULL";
  if (type === "BLOB") return blobText(value);
  if (typeof value === "number" && !Number.isInteger(value)) return String(Number(value.toPrecision(12)));
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** The answer of a SELECT as a table. `raw` names columns in the font of code; `sort` {column, descending} is marked. */
function answerTable(answer, raw = [], sort = {}) {
  const figures = answer.types.map(isFigure);
  const head = element("tr");
  answer.columns.forEach((name, i) => {
    const arrow = name === sort.column ? (sort.descending ? " ↓" : " ↑") : "";
    head.append(element("th", { class: figures[i] ? "figure" : "", "data-column": name }, name + arrow));
  });
  const table = element("table", {}, element("thead", {}, head));
  const body = element("tbody");
  for (const row of answer.rows) {
    const line = element("tr");
    row.forEach((value, i) => {
      const kind = value === null ? "null" : figures[i] ? "figure" : raw.includes(answer.columns[i]) ? "raw" : "";
      const text = valueText(value, answer.types[i]);
      line.append(element("td", kind ? { class: kind, title: text } : { title: text }, text));
    });
    body.append(line);
  }
  table.append(body);
  return table;
}
