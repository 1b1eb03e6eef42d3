"""The results of bench/nexmark.py as a table and as an SVG plot."""

from result_files import BAR_HEIGHT, GROUP_GAP, STYLE, TOP, WIDTH, bar
from xml.sax.saxutils import escape

HEADINGS = ["query", "JSON", "made", "with sink", "DuckDB", "CPU ratio", "Flink", "times Flink", "goal", "met", "by clock", "step p50 ms",
            "step p99 ms", "rows", "state MB", "peak MB"]


def per_core(run):
    """Events a second of CPU time."""
    return run["events"] / run["cpu_seconds"] if run else None


def thousands(figure):
    return "-" if figure is None else f"{figure / 1e3:,.0f}"


def line_of(query, runs, goal):
    json_run, made, sink, duckdb, flink = (runs.get(key) for key in ("json", "made", "sink", "duckdb", "flink"))
    best_input = made or json_run
    met = "" if not goal or not made else "yes" if per_core(made) >= goal else "no"
    return [query, *(thousands(per_core(run)) for run in (json_run, made, sink, duckdb)),
            f"{json_run['cpu_seconds'] / duckdb['cpu_seconds']:.1f}" if json_run and duckdb else "-",
            thousands(per_core(flink)), f"{per_core(best_input) / per_core(flink):.1f}" if flink and best_input else "-",
            thousands(goal), met, thousands(best_input["events"] / best_input["wall_seconds"]),
            f"{best_input['step_p50_ms']:.1f}", f"{best_input['step_p99_ms']:.1f}", f"{best_input['rows']:,}",
            f"{best_input['state_bytes'] / 1e6:,.0f}", f"{best_input['peak_memory_kib'] / 1024:,.0f}"]


def table(lines):
    widths = [max(len(line[column]) for line in [HEADINGS, *lines]) for column in range(len(HEADINGS))]
    rows = [HEADINGS, ["-" * width for width in widths], *lines]
    return "\n".join("| " + " | ".join(text.rjust(width) for text, width in zip(row, widths)) + " |" for row in rows)


def tables(results):
    """One for each number of workers."""
    out = []
    for workers, queries in results["best"].items():
        out.append(f"{results['date']}, {results['events']:,} events, {workers} worker(s), best of {results['rounds']}; thousands of events "
                   "a second and core; clock, steps and memory of \"made\"")
        measured = {query: runs for query, runs in queries.items() if "json" in runs or "made" in runs}
        out.append(table([line_of(query, runs, results["goals"].get(query)) for query, runs in measured.items()]))
    return "\n".join(out + [f"{name}: {why}" for name, why in results["failed"].items()])


BARS = [("made", "ours", "made"), ("json", "ours", "JSON"), ("duckdb", "limit", "DuckDB, once"), ("flink", "limit", "Flink")]


def plot(results):
    """Bars of events a second and core with one worker, each query with a scale of its own."""
    workers, queries = next(iter(results["best"].items()))
    y, shapes = TOP, []
    for query, runs in queries.items():
        bars = [(key, css, name) for key, css, name in BARS if runs.get(key)]
        longest = max((per_core(runs[key]) for key, _, _ in bars), default=1)
        for key, css, name in bars:
            figure = per_core(runs[key])
            shapes.append(bar(y, css, f"{query}, {name}", "name" if css == "ours" else "limit-name", figure, longest,
                              f"{figure / 1e3:,.0f} K events/s"))
            y += BAR_HEIGHT
        y += GROUP_GAP
    note = f"{results['date']}, {results['events']:,} events, {workers} worker(s); each query has its own scale"
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y}" viewBox="0 0 {WIDTH} {y}" role="img">\n'
            f"<style>{STYLE}</style>\n"
            f'<text class="title" x="12" y="24">Nexmark: events a second of CPU time</text>\n'
            f'<text class="note" x="12" y="44">{escape(note)}</text>\n' + "".join(shapes) + "</svg>\n")
