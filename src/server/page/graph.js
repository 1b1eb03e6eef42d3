// The pipeline as a graph: streams and tables at the left, views by how far they are from them, sinks at the right.

const kBox = { width: 216, height: 84, gapX: 92, gapY: 20, margin: 6 };

/** Boxes {id, kind, name, lines, trouble, active} and edges [from, to], from a status and the rates of its counters. */
function pipelineOf(status, rateOf) {
  const boxes = new Map();
  const edges = [];
  for (const stream of status.streams) {
    const speed = rateOf("stream " + stream.name, stream.records);
    boxes.set(stream.name.toLowerCase(), {
      kind: "stream", label: stream.kind, name: stream.name, speed, reads: [],
      lines: [count(stream.records) + " rows · " + rate(speed) + "/s", bytes(stream.bytes)],
      trouble: stream.dead > 0 ? plural(stream.dead, "dead letter") : "",
    });
  }
  for (const view of status.views) {
    const key = view.name.toLowerCase();
    const speed = rateOf("view " + view.name, view.changes);
    const problems = [];
    if (view.errors > 0) problems.push(plural(view.errors, "error"));
    if (view.late > 0) problems.push(count(view.late) + " late");
    const known = boxes.get(key);  // a table is a stream and a view
    if (known) {
      known.lines[1] = count(view.rows) + " rows now";
      known.selectable = true;
      continue;
    }
    boxes.set(key, {
      kind: "view", label: view.kind, name: view.name, speed, reads: view.reads, selectable: true,
      lines: view.kept === false ? ["feeds views; no rows kept", ""] : [count(view.rows) + " rows", view.changes > 0 ? count(view.changes) + " changes · " + rate(speed) + "/s" : ""],
      trouble: problems.join(", "),
    });
  }
  for (const sink of status.sinks) {
    const failing = sink.state.startsWith("failing");
    boxes.set("sink " + sink.name.toLowerCase(), {
      kind: "sink", label: "sink", name: sink.name, reads: [sink.source], speed: rateOf("sink " + sink.name, sink.rows),
      lines: [count(sink.rows) + " rows delivered", sink.lag > 0 ? count(sink.lag) + " behind" : failing ? "" : sink.state],
      trouble: failing ? sink.state : "", failing,
    });
  }
  for (const [id, box] of boxes) {
    for (const source of box.reads) if (boxes.has(source.toLowerCase())) edges.push([source.toLowerCase(), id]);
  }
  markActive(boxes, edges);
  return { boxes, edges };
}

/** Where rows move: a box whose counter rises, and every view behind it (it is computed anew, even when nothing comes out). */
function markActive(boxes, edges) {
  for (const box of boxes.values()) box.active = box.speed > 0;
  for (let changed = true; changed;) {
    changed = false;
    for (const [from, to] of edges) {
      if (!boxes.get(from).active || boxes.get(to).active || boxes.get(to).kind === "sink") continue;
      boxes.get(to).active = changed = true;
    }
  }
}

/** Sets `column` of each box: the longest way from a source; sinks stand at the right end. */
function setColumns({ boxes, edges }) {
  const column = new Map();
  const depth = (id, seen) => {
    if (column.has(id)) return column.get(id);
    if (seen.has(id)) return 0;
    const reads = edges.filter((edge) => edge[1] === id);
    const found = reads.length === 0 ? 0 : 1 + Math.max(...reads.map((edge) => depth(edge[0], new Set(seen).add(id))));
    column.set(id, found);
    return found;
  };
  for (const id of boxes.keys()) depth(id, new Set());
  const views = [...boxes].filter(([, box]) => box.kind !== "sink").map(([id]) => column.get(id));
  const last = Math.max(0, ...views) + 1;
  for (const [id, box] of boxes) box.column = box.kind === "sink" ? last : column.get(id);
}

/** What stands in each column: boxes, and a low gap for each edge that passes through to a column behind. Sets each edge's `stops`. */
function fillColumns({ boxes, edges }) {
  const columns = [];
  const put = (at, slot) => { (columns[at] ||= []).push(slot); return slot; };
  const slots = new Map();
  for (const [id, box] of boxes) slots.set(id, put(box.column, { box, height: kBox.height, from: [] }));
  for (const edge of edges) {
    const [from, to] = edge;
    let before = slots.get(from);
    edge.stops = [];
    for (let at = boxes.get(from).column + 1; at < boxes.get(to).column; at += 1) {
      const gap = put(at, { height: 8, from: [before] });
      edge.stops.push(gap);
      before = gap;
    }
    slots.get(to).from.push(before);
  }
  return columns;
}

/** Sets x and y of every box and gap; returns the size of the whole. A column's slots follow the middle of what they read. */
function layOut(pipeline) {
  setColumns(pipeline);
  const columns = fillColumns(pipeline).filter(Boolean);
  const heightOf = (slots) => slots.reduce((sum, slot) => sum + slot.height + kBox.gapY, -kBox.gapY);
  const height = Math.max(...columns.map(heightOf));
  columns.forEach((slots, at) => {
    const middle = (slot) => slot.from.reduce((sum, one) => sum + one.y + one.height / 2, 0) / slot.from.length;
    const order = slots.map((slot, place) => ({ slot, place, wanted: slot.from.length ? middle(slot) : Infinity }));
    order.sort((a, b) => (a.wanted === b.wanted ? a.place - b.place : a.wanted - b.wanted));
    let y = kBox.margin + (height - heightOf(slots)) / 2;
    for (const { slot } of order) {
      slot.x = kBox.margin + at * (kBox.width + kBox.gapX);
      slot.y = y;
      y += slot.height + kBox.gapY;
      if (slot.box) Object.assign(slot.box, { x: slot.x, y: slot.y });
    }
  });
  return {
    width: columns.length * (kBox.width + kBox.gapX) - kBox.gapX + 2 * kBox.margin,
    height: height + 2 * kBox.margin,
  };
}

function svg(name, attributes, ...children) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

const cut = (text, length) => (text.length > length ? text.slice(0, length - 1) + "…" : text);

function drawBox(id, box) {
  const classes = ["box", box.kind];
  if (box.failing) classes.push("failing");
  if (box.selectable) classes.push("selectable");
  const { x, y } = box;
  const group = svg("g", { class: classes.join(" "), "data-name": box.name },
    svg("title", {}, box.trouble ? box.name + ": " + box.trouble : box.name),
    svg("rect", { class: "frame", x, y, width: kBox.width, height: kBox.height, rx: 9 }),
    svg("rect", { class: "stripe", x: x + 9, y: y + 12, width: 4, height: kBox.height - 24, rx: 2 }),
    svg("text", { class: "kind", x: x + 23, y: y + 19 }, box.label.toUpperCase()),
    svg("text", { class: "name", x: x + 23, y: y + 37 }, cut(box.name, 24)),
    svg("text", { class: "quiet", x: x + 23, y: y + 55 }, cut(box.lines[0], 32)));
  group.append(box.trouble ? svg("text", { class: "trouble", x: x + 23, y: y + 72 }, cut(box.trouble, 31))
    : svg("text", { class: "quiet", x: x + 23, y: y + 72 }, cut(box.lines[1], 32)));
  return group;
}

function drawEdge(from, to, stops) {
  let [x, y] = [from.x + kBox.width, from.y + kBox.height / 2];
  let path = `M${x},${y}`;
  const bend = kBox.gapX * 0.55;
  for (const stop of [...stops, { x: to.x, y: to.y, height: kBox.height }]) {
    const level = stop.y + stop.height / 2;
    path += ` C${x + bend},${y} ${stop.x - bend},${level} ${stop.x},${level}`;
    if (stops.includes(stop)) path += ` H${stop.x + kBox.width}`;
    [x, y] = [stop.x + kBox.width, level];
  }
  return svg("path", { class: from.active && to.kind !== "sink" || to.active ? "edge moving" : "edge", d: path });
}

/** Draws into `place`; the box of the view `selected` is marked. */
function drawPipeline(place, pipeline, selected) {
  if (pipeline.boxes.size === 0) {
    place.replaceChildren(element("p", { class: "empty" }, "Nothing is defined yet. CREATE STREAM makes a first stream."));
    return;
  }
  const size = layOut(pipeline);
  const canvas = svg("svg", { width: size.width, height: size.height, viewBox: `0 0 ${size.width} ${size.height}`, role: "img", "aria-label": "pipeline", preserveAspectRatio: "xMinYMid meet" });
  for (const edge of pipeline.edges) canvas.append(drawEdge(pipeline.boxes.get(edge[0]), pipeline.boxes.get(edge[1]), edge.stops));
  for (const [id, box] of pipeline.boxes) {
    const drawn = drawBox(id, box);
    if (box.name === selected && box.selectable) drawn.classList.add("selected");
    canvas.append(drawn);
  }
  const scrolled = place.scrollLeft;
  place.replaceChildren(canvas);
  place.scrollLeft = scrolled;
}
