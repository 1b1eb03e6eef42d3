"""report.html of the demo: one file, no outside requests. Bars per title, the error of each shortcut, events over time."""

import html

STYLE = """
:root { --ink:#1c2430; --soft:#66707f; --line:#dfe4ea; --bar:#2f6fde; --mark:#e2462c; --card:#fff; --page:#f4f6f9; }
@media (prefers-color-scheme: dark) {
  :root { --ink:#e6eaf0; --soft:#97a1b0; --line:#313a47; --bar:#5b93f5; --mark:#ff7b63; --card:#1b222c; --page:#12171e; } }
body { margin:0; background:var(--page); color:var(--ink); font:15px/1.5 system-ui, sans-serif; }
main { max-width:1040px; margin:0 auto; padding:32px 24px 64px; }
h1 { font-size:26px; margin:0 0 4px; } h2 { font-size:18px; margin:0 0 12px; }
p { color:var(--soft); margin:0 0 16px; max-width:70ch; }
section { background:var(--card); border:1px solid var(--line); border-radius:10px; padding:20px 24px; margin-top:20px; }
.facts { display:flex; flex-wrap:wrap; gap:28px; } .facts b { display:block; font-size:22px; }
.facts span { color:var(--soft); font-size:13px; }
table { width:100%; border-collapse:collapse; } td, th { padding:4px 8px; text-align:right; border-bottom:1px solid var(--line); font-variant-numeric:tabular-nums; }
td:first-child, th:first-child { text-align:left; } th { color:var(--soft); font-weight:500; font-size:13px; }
.bar { width:34%; } .bar div { background:var(--bar); height:10px; border-radius:3px; }
svg { width:100%; height:auto; display:block; } svg text { fill:var(--soft); font:12px system-ui, sans-serif; }
"""


def short(title):
    return html.escape(title.split(" // ")[0])


def facts(manifest, published, wrong, seconds):
    items = [(f"{manifest['lines']:,}", "events in"), (f"{manifest['duplicates']:,}", "sent twice"),
             (f"{manifest['offline_sessions']:,}", "plays up to 13 days late"), (f"{manifest['malformed']:,}", "garbage lines"),
             (f"{seconds:.1f} s", "crash and restart included"), (f"{wrong} of {len(published)}", "titles wrong")]
    return "".join(f"<div><b>{value}</b><span>{label}</span></div>" for value, label in items)


def title_rows(kind, report, published):
    wanted = {(row["kind"], row["title"]): row for row in published}
    rows = [row for row in report if row["kind"] == kind][:25]
    most = max(int(row["views"]) for row in rows)
    out = []
    for row in rows:
        figures = wanted.get((kind, row["title"]), {})
        width = 100 * int(row["views"]) / most
        out.append(f"<tr><td>{row['rank']}. {short(row['title'])}</td><td class=bar><div style='width:{width:.1f}%'></div></td>"
                   f"<td>{int(row['views']):,}</td><td>{int(figures.get('views', 0)):,}</td></tr>")
    return "".join(out)


def shortcut_rows(shortcuts, published):
    out = ["<tr><td>Millrace, report.sql</td><td>0</td><td>+0</td></tr>"]
    for shortcut in shortcuts:
        out.append(f"<tr><td>{html.escape(shortcut['label'])}</td><td>{shortcut['wrong']} of {len(published)}</td>"
                   f"<td>{shortcut['hours']:+,}</td></tr>")
    return "".join(out)


def progress(rates, lines, killed):
    """Events processed over time, with the moment of the kill."""
    width, height, left, bottom = 960, 240, 70, 30
    longest = max(time for time, _ in rates) or 1

    def x(time):
        return left + (width - left - 10) * time / longest

    def y(rows):
        return 10 + (height - bottom - 10) * (1 - rows / lines)
    points = " ".join(f"{x(time):.1f},{y(rows):.1f}" for time, rows in rates)
    grid = "".join(f"<line x1={left} x2={width - 10} y1={y(lines * part / 4):.1f} y2={y(lines * part / 4):.1f} stroke='var(--line)'/>"
                   f"<text x={left - 8} y={y(lines * part / 4) + 4:.1f} text-anchor=end>{lines * part // 4:,}</text>" for part in range(5))
    ticks = "".join(f"<text x={x(longest * part / 5):.1f} y={height - 8} text-anchor=middle>{longest * part / 5:.1f} s</text>" for part in range(6))
    mark = (f"<line x1={x(killed):.1f} x2={x(killed):.1f} y1=10 y2={height - bottom} stroke='var(--mark)' stroke-dasharray='4 4'/>"
            f"<text x={x(killed) + 6:.1f} y=24 style='fill:var(--mark)'>kill −9</text>")
    return (f"<svg viewBox='0 0 {width} {height}' role=img aria-label='events processed over time'>{grid}{ticks}"
            f"<polyline points='{points}' fill=none stroke='var(--bar)' stroke-width=2.5 />{mark}</svg>")


def write(path, manifest, published, report, shortcuts, rates, killed, seconds):
    computed = {(row["kind"], row["title"], int(row["hours_viewed"]), int(row["views"])) for row in report}
    wrong = sum((row["kind"], row["title"], int(row["hours_viewed"]), int(row["views"])) not in computed for row in published)
    tables = "".join(
        f"<section><h2>{name}</h2><table><tr><th>title</th><th></th><th>views, computed</th><th>published</th></tr>"
        f"{title_rows(kind, report, published)}</table></section>" for kind, name in (("Show", "Shows: the first 25"), ("Movie", "Films: the first 25")))
    page = f"""<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>
<title>Millrace: the engagement report</title><link rel=icon href='data:,'><style>{STYLE}</style><main>
<h1>The engagement report</h1>
<p>From raw player events to the figures that Netflix published for January to June 2025. The events are generated from those figures, so
this shows that the pipeline is right, not that Netflix is. A title is a film or one season; views are hours viewed divided by running time.</p>
<section><div class=facts>{facts(manifest, published, wrong, seconds)}</div></section>
<section><h2>Events processed over time</h2>{progress(rates, manifest['lines'], killed)}</section>
<section><h2>What usual shortcuts cost</h2><table><tr><th>pipeline</th><th>titles wrong</th><th>hours off</th></tr>{shortcut_rows(shortcuts, published)}</table></section>
{tables}</main></html>"""
    path.write_text(page, encoding="utf-8")
