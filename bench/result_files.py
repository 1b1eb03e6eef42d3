"""The results of bench/run.py as an aligned table and as an SVG plot."""

from xml.sax.saxutils import escape

HEADINGS = ("what", "events/s/core", "MB/s/core", "peak MB", "limit", "its MB/s/core", "its peak MB", "of limit")

WIDTH = 960
NAME_WIDTH = 270
BAR_WIDTH = 400
BAR_HEIGHT = 18
GROUP_GAP = 16
TOP = 62

# Text and bars change with the reader's colour scheme; the background is the page's.
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #1c2733 }
  .title { font-size: 16px; font-weight: 600 }
  .note, .limit-name { fill: #54626f }
  .ours { fill: #1769aa }
  .limit { fill: #a9b8c6 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .note, .limit-name { fill: #9fb0c0 }
    .ours { fill: #58a6ff }
    .limit { fill: #4d5b69 }
  }
"""


def cells(row):
    """A line for each limit; the measure itself stands on the first."""
    lines = []
    for number, limit in enumerate(row["limits"]):
        own = ("", "", "", "")
        if number == 0:
            own = (row["name"], f"{row['events_per_core']:,.0f}", f"{row['mb_per_core']:,.0f}", f"{row['peak_memory_mb']:,.0f}")
        beside = (limit["name"], f"{limit['mb_per_core']:,.0f}", f"{limit['peak_memory_mb']:,.0f}", f"{limit['ratio']:.2f}")
        lines.append(own + beside)
    return lines


def goal_line(row):
    goal = row["goal"]
    unit = "MB/s/core" if goal["figure"] == "mb_per_core" else "events/s/core"
    word = "reached" if goal["reached"] else "MISSED"
    return f"goal: {row['name']}: at least {goal['at_least']:,} {unit}: {word} ({row[goal['figure']]:,.0f})"


def table(results):
    lines = [HEADINGS] + [line for row in results["rows"] for line in cells(row)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    is_text = {0, 4}

    def aligned(line):
        return "  ".join(text.ljust(width) if column in is_text else text.rjust(width)
                         for column, (text, width) in enumerate(zip(line, widths))).rstrip()

    out = [f"{results['date']}, {results['cores']} cores, {results['processor']}, median of {results['runs']}"]
    out += [aligned(line) for line in lines]
    out += [goal_line(row) for row in results["rows"] if "goal" in row]
    return "\n".join(out)


def bar(y, css, name, name_css, value, longest, note):
    width = max(BAR_WIDTH * value / longest, 1)
    middle = y + BAR_HEIGHT - 5
    return (f'<text class="{name_css}" x="{NAME_WIDTH - 10}" y="{middle}" text-anchor="end">{escape(name)}</text>\n'
            f'<rect class="{css}" x="{NAME_WIDTH}" y="{y}" width="{width:.1f}" height="{BAR_HEIGHT - 3}" rx="2"/>\n'
            f'<text x="{NAME_WIDTH + width + 8:.1f}" y="{middle}">{escape(note)}</text>\n')


def plot(results):
    """Bars of MB/s per core, each group with a scale of its own: what matters is the distance to the limit."""
    y, shapes = TOP, []
    for row in results["rows"]:
        longest = max([row["mb_per_core"]] + [limit["mb_per_core"] for limit in row["limits"]])
        note = f"{row['mb_per_core']:,.0f} MB/s, {row['events_per_core']:,.0f} events/s"
        shapes.append(bar(y, "ours", row["name"], "name", row["mb_per_core"], longest, note))
        y += BAR_HEIGHT
        for limit in row["limits"]:
            note = f"{limit['mb_per_core']:,.0f} MB/s"
            shapes.append(bar(y, "limit", limit["name"], "limit-name", limit["mb_per_core"], longest, note))
            y += BAR_HEIGHT
        y += GROUP_GAP
    note = f"{results['date']}, {results['cores']} cores, {results['processor']}; each group has its own scale"
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}" role="img">\n'
            f"<style>{STYLE}</style>\n"
            f'<text class="title" x="12" y="24">Per core, beside the limit measured in the same run</text>\n'
            f'<text class="note" x="12" y="44">{escape(note)}</text>\n' + "".join(shapes) + "</svg>\n")
