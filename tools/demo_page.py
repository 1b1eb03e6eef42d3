"""report.html of the demo: one file, no outside requests. Bars per title, the error of each shortcut, the work over time."""

import html

STYLE = """
:root { --ink:#1c2430; --soft:#66707f; --line:#dfe4ea; --bar:#2f6fde; --pale:#b9c7dd; --mark:#d8432a; --good:#1e8a4c; --card:#fff; --page:#f4f6f9; }
@media (prefers-color-scheme: dark) {
  :root { --ink:#e6eaf0; --soft:#97a1b0; --line:#313a47; --bar:#5b93f5; --pale:#46546b; --mark:#ff7b63; --good:#4cc38a; --card:#1b222c; --page:#12171e; } }
body { margin:0; background:var(--page); color:var(--ink); font:15px/1.5 system-ui, sans-serif; }
main { max-width:1040px; margin:0 auto; padding:32px 24px 64px; }
h1 { font-size:26px; margin:0 0 4px; } h2 { font-size:18px; margin:0 0 4px; }
p { color:var(--soft); margin:0 0 14px; max-width:90ch; }
section { background:var(--card); border:1px solid var(--line); border-radius:10px; padding:20px 24px; margin-top:20px; }
.facts { display:grid; grid-template-columns:repeat(auto-fit, minmax(112px, 1fr)); gap:16px; } .facts b { display:block; font-size:22px; }
.facts span { color:var(--soft); font-size:13px; }
.good { color:var(--good); } .bad { color:var(--mark); }
table { width:100%; border-collapse:collapse; table-layout:fixed; }
td, th { padding:4px 8px; text-align:right; border-bottom:1px solid var(--line); font-variant-numeric:tabular-nums; }
td:first-child, th:first-child { text-align:left; width:34%; overflow:hidden; text-overflow:ellipsis; white-space:nowrap; }
th { color:var(--soft); font-weight:500; font-size:13px; }
td.bars, th.bars { width:32%; text-align:left; }
.bars div { height:6px; border-radius:3px; margin:1px 0; min-width:1px; }
.published { background:var(--pale); } .computed { background:var(--bar); } .off { background:var(--mark); }
.key { display:inline-block; width:18px; height:6px; border-radius:3px; margin:0 6px 2px 14px; }
details summary { cursor:pointer; color:var(--soft); padding:8px; }
svg { width:100%; height:auto; display:block; } svg text { fill:var(--soft); font:12px system-ui, sans-serif; }
"""
SHOWN = 25
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 960, 210, 78, 24, 12, 28
STEP_SECONDS = 0.25  # of the rate's curve, at least


def short(title):
    return html.escape(title.split(" // ")[0])


def million(value, sign=""):
    return f"{int(value) / 1e6:{sign},.1f}"


def facts(manifest, wrong, titles, seconds):
    items = [(f"{manifest['lines']:,}", "events in", ""), (f"{manifest['duplicates']:,}", "sent twice", ""),
             (f"{manifest['offline_sessions']:,}", "plays up to 13 days late", ""), (f"{manifest['bad_clock_sessions']:,}", "plays with a wrong clock", ""),
             (f"{manifest['malformed']:,}", "garbage lines", ""), (f"{seconds:.1f} s", "with kill −9 and restart", ""),
             (f"{wrong} of {titles}", "titles wrong", "bad" if wrong else "good")]
    return "".join(f"<div><b class='{look}'>{value}</b><span>{label}</span></div>" for value, label, look in items)


def title_row(row, wanted, most):
    width = 100 * int(row["views"]) / most
    right = int(wanted.get("views", 0))
    same = right == int(row["views"])
    return (f"<tr><td title='{short(row['title'])}'>{row['rank']}. {short(row['title'])}</td><td class=bars>"
            f"<div class=published style='width:{100 * right / most:.1f}%'></div><div class=computed style='width:{width:.1f}%'></div></td>"
            f"<td>{right:,}</td><td class='{'' if same else 'bad'}'>{int(row['views']):,}</td></tr>")


def title_section(kind, name, report, published):
    wanted = {row["title"]: row for row in published if row["kind"] == kind}
    rows = [row for row in report if row["kind"] == kind]
    if not rows:
        return f"<section><h2>{name}</h2><p>none</p></section>"
    most = max(max(int(row["views"]) for row in rows), max(int(row["views"]) for row in wanted.values()))
    lines = [title_row(row, wanted.get(row["title"], {}), most) for row in rows]
    head = "<tr><th>title</th><th class=bars></th><th>views, published</th><th>views, computed</th></tr>"
    return (f"<section><h2>{name}<span class='key published'></span><small>published</small><span class='key computed'></span>"
            f"<small>computed</small></h2><table>{head}{''.join(lines[:SHOWN])}</table>"
            f"<details><summary>all {len(lines)}</summary><table>{''.join(lines[SHOWN:])}</table></details></section>")


def shortcut_rows(shortcuts, hours, wrong, titles, off):
    most = max([abs(shortcut["hours"]) for shortcut in shortcuts] + [1])
    out = []
    for label, count, error in [("Millrace, report.sql", wrong, off)] + [(s["label"], s["wrong"], s["hours"]) for s in shortcuts]:
        out.append(f"<tr><td>{html.escape(label)}</td><td class=bars><div class=off style='min-width:0;width:{100 * abs(error) / most:.1f}%'></div></td>"
                   f"<td class='{'bad' if count else 'good'}'>{count} of {titles}</td><td>{million(error, '+')}</td><td>{100 * error / hours:+.0f} %</td></tr>")
    return "".join(out)


class Chart:
    """An SVG of something over the seconds of the run, with the crash marked."""

    def __init__(self, longest, most, crash):
        self.longest, self.most, self.crash, self.parts = longest, most, crash, []
        killed, back = crash
        self.parts.append(f"<rect x={self.x(killed):.1f} y={TOP} width={self.x(back) - self.x(killed):.1f} height={HEIGHT - TOP - BOTTOM} "
                          "fill='var(--mark)' opacity=.12 />")
        for part in range(5):
            at = self.y(most * part / 4)
            self.parts.append(f"<line x1={LEFT} x2={WIDTH - RIGHT} y1={at:.1f} y2={at:.1f} stroke='var(--line)'/>"
                              f"<text x={LEFT - 8} y={at + 4:.1f} text-anchor=end>{most * part / 4:,.0f}</text>")
        for part in range(6):
            self.parts.append(f"<text x={self.x(longest * part / 5):.1f} y={HEIGHT - 6} text-anchor=middle>{longest * part / 5:.1f} s</text>")
        self.parts.append(f"<text x={self.x(killed) + 6:.1f} y={TOP + 14} style='fill:var(--mark)'>kill −9, back in {back - killed:.2f} s</text>")

    def x(self, seconds):
        return LEFT + (WIDTH - LEFT - RIGHT) * seconds / self.longest

    def y(self, value):
        return TOP + (HEIGHT - BOTTOM - TOP) * (1 - value / self.most)

    def line(self, points, area=False):
        """A curve; the node's two lives are drawn apart."""
        for alive in (lambda t: t <= self.crash[0], lambda t: t >= self.crash[1]):
            life = [(t, value) for t, value in points if alive(t)]
            if not life:
                continue
            text = " ".join(f"{self.x(t):.1f},{self.y(value):.1f}" for t, value in life)
            self.parts.append(f"<polyline points='{text}' fill=none stroke='var(--bar)' stroke-width=2.5 stroke-linejoin=round />")
            if area:
                ends = f"{self.x(life[-1][0]):.1f},{self.y(0):.1f} {self.x(life[0][0]):.1f},{self.y(0):.1f}"
                self.parts.append(f"<polygon points='{text} {ends}' fill='var(--bar)' opacity=.15 />")

    def svg(self, label):
        return f"<svg viewBox='0 0 {WIDTH} {HEIGHT}' role=img aria-label='{label}'>{''.join(self.parts)}</svg>"


def speeds(rates, crash):
    """Events a second between samples that lie far enough apart, within one life of the node."""
    found = []
    before = None
    for time, rows in rates:
        if before is None or (before[0] <= crash[0] < time):
            before = (time, rows)
        elif time - before[0] >= STEP_SECONDS:
            found.append(((time + before[0]) / 2, max(0, rows - before[1]) / (time - before[0])))
            before = (time, rows)
    return found


def round_up(value):
    """The next 1, 2 or 5 times a power of ten, times four: so that an axis has round marks."""
    size = 4
    while size < value:
        for factor in (1, 1.5, 2, 2.5, 5):
            if size * factor >= value:
                return size * factor
        size *= 10
    return size


def work_over_time(rates, lines, crash):
    longest = max([time for time, _ in rates] + [crash[1], 0.1])
    done = Chart(longest, round_up(lines), crash)
    done.line(rates)
    per_second = speeds(rates, crash)
    rate = Chart(longest, round_up(max([value for _, value in per_second] + [1])), crash)
    rate.line(per_second, area=True)
    return (f"<section><h2>Events processed</h2>{done.svg('events processed over time')}</section>"
            f"<section><h2>Events a second</h2>{rate.svg('events a second over time')}</section>")


def write(path, manifest, published, report, shortcuts, rates, crash, seconds):
    computed = {(row["kind"], row["title"], int(row["hours_viewed"]), int(row["views"])) for row in report}
    wrong = sum((row["kind"], row["title"], int(row["hours_viewed"]), int(row["views"])) not in computed for row in published)
    hours = sum(int(row["hours_viewed"]) for row in published)
    off = sum(int(row["hours_viewed"]) for row in report) - hours
    page = f"""<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>
<title>Millrace: the engagement report</title><link rel=icon href='data:,'><style>{STYLE}</style><main>
<h1>The engagement report</h1>
<p>From raw player events to the figures that Netflix published for January to June 2025. The events are generated from those figures, so
this shows that the pipeline is right; it shows nothing about Netflix. A title is a film or one season; views are hours viewed divided by
running time. The events are a sample: {manifest['unit_ms'] / 1000:g} seconds of play stand for 100,000 hours.</p>
<section><div class=facts>{facts(manifest, wrong, len(published), seconds)}</div></section>
<section><h2>What usual shortcuts cost</h2><p>The same SQL with one mistake, over the same events. The error is that of all hours together, in millions.</p>
<table><tr><th>pipeline</th><th class=bars></th><th>titles wrong</th><th>hours off, million</th><th></th></tr>{shortcut_rows(shortcuts, hours, wrong, len(published), off)}</table></section>
{work_over_time(rates, manifest['lines'], crash)}
{title_section("Show", "Shows", report, published)}{title_section("Movie", "Films", report, published)}</main></html>"""
    path.write_text(page, encoding="utf-8")
