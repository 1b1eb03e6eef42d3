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
      lines: [count(view.rows) + " rows", count(view.changes) + " changes · " + rate(speed) + "/s"],
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
  return { boxes, edges };
}

/** Sets column and row of each box: the column is the longest way from a source; rows follow the middle of what is read. */
function layOut({ boxes, edges }) {
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
  const last = Math.max(0, ...[...boxes].filter(([, box]) => box.kind !== "sink").map(([id]) => column.get(id))) + 1;
  for (const [id, box] of boxes) box.column = box.kind === "sink" ? last : column.get(id);
  const columns = [];
  for (const [id, box] of boxes) (columns[box.column] ||= []).push(id);
  const place = new Map();
  for (const ids of columns.filter(Boolean)) {
    const wanted = (id) => {
      const from = edges.filter((edge) => edge[1] === id && place.has(edge[0])).map((edge) => place.get(edge[0]));
      return from.length ? from.reduce((sum, at) => sum + at, 0) / from.length : Infinity;
    };
    const order = ids.map((id, at) => ({ id, at, wanted: wanted(id) }));
    order.sort((a, b) => (a.wanted === b.wanted ? a.at - b.at : a.wanted - b.wanted));
    order.forEach(({ id }, at) => place.set(id, at - (ids.length - 1) / 2));
  }
  const used = columns.map((ids, at) => (ids ? at : -1)).filter((at) => at >= 0);
  const tallest = Math.max(1, ...columns.filter(Boolean).map((ids) => ids.length));
  for (const [id, box] of boxes) {
    box.x = kBox.margin + used.indexOf(box.column) * (kBox.width + kBox.gapX);
    box.y = kBox.margin + (place.get(id) + (tallest - 1) / 2) * (kBox.height + kBox.gapY);
  }
  return {
    width: used.length * (kBox.width + kBox.gapX) - kBox.gapX + 2 * kBox.margin,
    height: tallest * (kBox.height + kBox.gapY) - kBox.gapY + 2 * kBox.margin,
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

function drawEdge(from, to) {
  const x1 = from.x + kBox.width, y1 = from.y + kBox.height / 2, x2 = to.x, y2 = to.y + kBox.height / 2;
  // Past the columns between, an edge leaves and arrives level.
  const bend = Math.min(kBox.gapX * 0.6, Math.abs(x2 - x1) / 2 + 10);
  const moving = to.speed > 0 ? " moving" : "";
  return svg("path", { class: "edge" + moving, d: `M${x1},${y1} C${x1 + bend},${y1} ${x2 - bend},${y2} ${x2},${y2}` });
}

/** Draws into `place`; the box of the view `selected` is marked. */
function drawPipeline(place, pipeline, selected) {
  if (pipeline.boxes.size === 0) {
    place.replaceChildren(element("p", { class: "empty" }, "Nothing is defined yet. CREATE STREAM makes a first stream."));
    return;
  }
  const size = layOut(pipeline);
  const canvas = svg("svg", { width: size.width, height: size.height, viewBox: `0 0 ${size.width} ${size.height}`, role: "img", "aria-label": "pipeline", preserveAspectRatio: "xMinYMid meet" });
  for (const [from, to] of pipeline.edges) canvas.append(drawEdge(pipeline.boxes.get(from), pipeline.boxes.get(to)));
  for (const [id, box] of pipeline.boxes) {
    const drawn = drawBox(id, box);
    if (box.name === selected && box.selectable) drawn.classList.add("selected");
    canvas.append(drawn);
  }
  const scrolled = place.scrollLeft;
  place.replaceChildren(canvas);
  place.scrollLeft = scrolled;
}
