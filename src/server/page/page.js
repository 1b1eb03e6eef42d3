// The page: looks at the node once a second and shows what it sees.

const kLookEveryMs = 1000;
const kRowsShown = 20;
const kRatePoints = 120;
const kRowsShare = 8;  // a large view is asked for its rows less often: the node shall not work for the page alone

const page = { rates: new Rates(), history: [], lastLook: 0, selected: "", sorts: new Map(), columns: new Map(), rowsAt: 0,
  deadStream: "", status: null, looks: 0 };

function setText(id, text) {
  const node = byId(id);
  if (node.textContent !== text) node.textContent = text;
}

function setState(kind, text) {
  byId("state").className = "pill " + kind;
  byId("state").querySelector("b").textContent = text;
}

function showBanner(text) {
  byId("banner").hidden = text === "";
  setText("banner", text);
}

function drawRateLine() {
  const line = byId("rate-line");
  const highest = Math.max(1, ...page.history) * 1.15;
  const points = page.history.map((value, i) => {
    const x = 240 - (page.history.length - 1 - i) * (240 / (kRatePoints - 1));
    return x.toFixed(1) + "," + (40 - (value / highest) * 38).toFixed(1);
  });
  if (points.length < 2) return;
  const first = points[0].split(",")[0];
  line.replaceChildren(svg("path", { class: "area", d: `M${first},40 L${points.join(" L")} L240,40 Z` }),
    svg("path", { class: "line", d: "M" + points.join(" L") }));
}

function showNumbers(status) {
  const dead = status.streams.reduce((sum, stream) => sum + stream.dead, 0);
  page.history.push(status.rows_per_second);
  if (page.history.length > kRatePoints) page.history.shift();
  setText("rate", rate(status.rows_per_second));
  setText("rows-in", count(status.rows_in));
  setText("commits", plural(status.commits, "commit") + ", " + plural(status.checkpoints, "checkpoint"));
  setText("lag", count(status.lag_records));
  setText("memory", bytes(status.memory_bytes));
  setText("state-bytes", bytes(status.state_bytes) + " of it state");
  setText("dead", count(dead));
  byId("dead-number").classList.toggle("bad", dead > 0);
  setText("where", status.data_directory);
  setText("version", "Millrace " + status.version + " · epoch " + count(status.epoch));
  setText("pipeline-size", [plural(status.streams.length, "source"), plural(status.views.length, "view"),
    plural(status.sinks.length, "sink")].join(" · "));
  byId("insecure").hidden = !status.insecure;
  drawRateLine();
}

/** Keeps a select's choices; returns the chosen one. */
function offer(select, names, chosen) {
  const before = [...select.options].map((option) => option.value);
  if (before.join("\n") !== names.join("\n")) select.replaceChildren(...names.map((name) => element("option", { value: name }, name)));
  const value = names.includes(chosen) ? chosen : names[0] || "";
  if (select.value !== value) select.value = value;
  return value;
}

function showProblem(place, error) {
  place.replaceChildren(element("p", { class: "problem" }, error.hint ? error.message + "\n" + error.hint : error.message));
}

/** ORDER BY of the rows shown: the column that was clicked; else a report's own order, when it has a rank. */
function orderOf(view) {
  const sort = page.sorts.get(view);
  if (sort) return " ORDER BY " + quoted(sort.column) + (sort.descending ? " DESC" : "");
  const columns = page.columns.get(view) || [];
  const rank = columns.indexOf("rank");
  return rank < 0 ? "" : " ORDER BY " + columns.slice(0, rank + 1).map(quoted).join(", ");
}

function showRowsNote(view, shown) {
  const all = view && view.kept !== false ? Math.max(view.rows, shown) : shown;
  setText("rows-note", shown < all ? shown + " of " + count(all) : plural(all, "row"));
}

async function showRows(status) {
  const names = status.views.map((view) => view.name);
  const chosen = page.selected || (names.includes("report") ? "report" : names[names.length - 1]);
  page.selected = offer(byId("view"), names, chosen);
  byId("view").hidden = names.length === 0;
  if (!page.selected) {
    byId("rows").replaceChildren(element("p", { class: "empty" }, "There is no view yet. CREATE MATERIALIZED VIEW makes one."));
    return;
  }
  const wanted = page.selected;
  const begin = performance.now();
  try {
    const answer = await runSql(`SELECT * FROM ${quoted(wanted)}${orderOf(wanted)} LIMIT ${kRowsShown}`);
    if (wanted !== page.selected) return;
    page.columns.set(wanted, answer.columns);
    showRowsNote(status.views.find((one) => one.name === wanted), answer.rows.length);
    byId("rows").replaceChildren(answer.rows.length ? answerTable(answer, [], page.sorts.get(wanted))
      : element("p", { class: "empty" }, "No rows yet."));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    setText("rows-note", "");
    showProblem(byId("rows"), error);
  }
  const now = performance.now();
  page.rowsAt = now + kRowsShare * (now - begin);
}

async function showDead(status) {
  const streams = status.streams.filter((stream) => stream.dead > 0).map((stream) => stream.name);
  byId("dead-card").hidden = streams.length === 0;
  if (streams.length === 0) return;
  page.deadStream = offer(byId("dead-stream"), streams, page.deadStream);
  const all = status.streams.find((stream) => stream.name === page.deadStream).dead;
  try {
    const answer = await runSql(`SELECT * FROM ${quoted(page.deadStream + "_dead")} ORDER BY "source_time" DESC LIMIT ${kRowsShown}`);
    setText("dead-note", "the newest " + answer.rows.length + " of " + count(all));
    byId("dead-rows").replaceChildren(answerTable(answer, ["raw", "reason"]));
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    setText("dead-note", plural(all, "record"));
    showProblem(byId("dead-rows"), error);
  }
}

function verdictText(verdict) {
  const parts = [];
  if (verdict.lost) parts.push(count(verdict.lost) + " lost");
  if (verdict.repeated) parts.push(count(verdict.repeated) + " repeated");
  if (verdict.in_flight) parts.push(count(verdict.in_flight) + " in flight");
  return (parts.join(", ") || verdict.kind) + (verdict.detail ? " · " + verdict.detail : "");
}

// The order in which a record meets the hops; views, what left the way, and sinks follow.
const kHops = ["received", "stored", "decoded", "dead", "view", "filtered", "late", "error", "changelog", "sink"];
const hopPlace = (hop) => (kHops.indexOf(hop.split(":")[0]) + kHops.length + 1) % (kHops.length + 1);

function showLedger(report) {
  const troubles = report.open.filter((verdict) => verdict.kind !== "in flight");
  const books = byId("books");
  books.className = "pill " + (troubles.length ? "bad" : report.closed ? "good" : "");
  books.textContent = troubles.length ? plural(troubles.length, "open verdict") : report.closed ? "the books are closed" : "rows in flight";
  if (report.totals.length === 0) {
    byId("ledger").replaceChildren(element("p", { class: "empty" }, "Nothing was counted yet."));
    return;
  }
  const body = element("tbody");
  for (const verdict of report.open.slice(0, 50)) {
    const kind = verdict.kind === "in flight" ? "flight" : "open";
    body.append(element("tr", { class: kind }, element("td", {}, verdict.stream + ": " + verdict.from + " → " + verdict.to),
      element("td", { class: "figure", title: verdict.detail }, verdictText(verdict))));
  }
  const streams = [...new Set(report.totals.map((total) => total.stream))];
  for (const stream of streams) {
    body.append(element("tr", { class: "group" }, element("td", { colspan: "2" }, stream)));
    const totals = report.totals.filter((one) => one.stream === stream);
    totals.sort((a, b) => hopPlace(a.hop) - hopPlace(b.hop));
    for (const total of totals) {
      body.append(element("tr", { title: "fingerprint " + total.fingerprint }, element("td", {}, total.hop),
        element("td", { class: "figure" }, count(total.count))));
    }
  }
  byId("ledger").replaceChildren(element("table", {}, body));
}

function showPipeline(status, seconds) {
  const pipeline = pipelineOf(status, (key, value) => page.rates.of(key, value, seconds));
  drawPipeline(byId("graph"), pipeline, page.selected);
}

function showHealth(status) {
  if (status.failure) {
    setState("bad", "stopped");
    showBanner("The engine stopped: " + status.failure);
  } else {
    setState(status.ready ? "good" : "warn", status.bounded_done ? "input done" : status.ready ? "running" : "starting");
    showBanner("");
  }
}

function showGone(error) {
  if (error instanceof Refused && error.status === 401) {
    setState("warn", "locked");
    byId("token-form").hidden = false;
    showBanner("");
    return;
  }
  setState("bad", error instanceof Refused ? "in trouble" : "gone");
  showBanner(error instanceof Refused ? "The node answers: " + error.message
    : "The node does not answer. The page keeps trying; the figures are the last ones seen.");
}

async function look() {
  try {
    const status = await ask("v1/status");
    const now = performance.now();
    const seconds = page.lastLook ? (now - page.lastLook) / 1000 : 0;
    page.lastLook = now;
    page.status = status;
    byId("token-form").hidden = true;
    showHealth(status);
    showNumbers(status);
    showPipeline(status, seconds);
    const rows = now >= page.rowsAt ? showRows(status) : null;
    const [report] = await Promise.all([ask("v1/ledger"), rows, showDead(status)]);
    showLedger(report);
    page.looks += 1;
    document.body.dataset.looks = page.looks;
  } catch (error) {
    showGone(error);
  }
  setTimeout(look, document.hidden ? 5 * kLookEveryMs : kLookEveryMs);
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
}

function start() {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  setTheme(remembered.get("theme") || (dark.matches ? "dark" : "light"));
  byId("theme").addEventListener("click", () => {
    const theme = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    remembered.set("theme", theme);
    setTheme(theme);
  });
  const select = (name) => {
    page.selected = name;
    byId("view").value = name;
    for (const box of document.querySelectorAll("#graph g.box")) box.classList.toggle("selected", box.dataset.name === name);
    if (page.status) showRows(page.status).catch(showGone);
  };
  byId("view").addEventListener("change", (event) => select(event.target.value));
  byId("graph").addEventListener("click", (event) => {
    const box = event.target.closest("g.box.selectable");
    if (box) select(box.dataset.name);
  });
  byId("rows").addEventListener("click", (event) => {
    const column = event.target.closest("th")?.dataset.column;
    if (column === undefined) return;
    const before = page.sorts.get(page.selected);
    page.sorts.set(page.selected, { column, descending: before?.column === column ? !before.descending : true });
    select(page.selected);
  });
  byId("dead-stream").addEventListener("change", (event) => { page.deadStream = event.target.value; });
  byId("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    remembered.set("token", byId("token").value.trim());
    byId("token").value = "";
  });
  look();
}

start();
