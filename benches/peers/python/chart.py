"""The results as text, and as RESULTS.md and chart.svg."""

import io
import math
import re

from cases import CASES, HERE

# Kinsmen have a colour in common.
STYLES = {
    "lanepool-avx2": ("#1f6feb", "|"),
    "floor": ("#808080", "."),
    "burn-ndarray": ("#e5534b", "o"),
    "burn-flex": ("#e5534b", "x"),
    "candle": ("#d29922", "^"),
    "rten": ("#57ab5a", "o"),
    "tract": ("#57ab5a", "x"),
    "torch": ("#f0883e", "s"),
    "onednn": ("#f0883e", "+"),
    "onnxruntime": ("#a371f7", "D"),
    "openvino": ("#39a0b5", "v"),
    "ncnn": ("#db61a2", "*"),
    "litert": ("#986b52", "P"),
}
LAYOUTS = {"first": "channels first", "last": "channels last"}


def rows(done, layout, threads):
    """Of each case that was timed: its peers and their microseconds."""
    for key, by_threads in done["results"].items():
        if CASES[key].layout == layout and (peers := by_threads.get(threads)):
            yield CASES[key], {peer: nanos / 1000 for peer, (nanos, _) in peers.items()}


def tables(done):
    """For each layout and number of threads, its name and its lines of cells."""
    every = {t for by_threads in done["results"].values() for t in by_threads}
    for threads in sorted(every):
        for layout, name in LAYOUTS.items():
            cases = list(rows(done, layout, threads))
            peers = [p for p in ("lanepool", *STYLES) if any(p in times for _, times in cases)]
            cells = [["case", *peers]]
            for case, times in cases:
                ours = times.get("lanepool", math.nan)
                line = [f"{ours:.2f} µs" if peer == "lanepool"
                        else f"{times[peer] / ours:.2f}" if peer in times
                        else "" for peer in peers]
                cells.append([case.title, *line])
            yield f"{name}, {threads} thread{'s' if threads != '1' else ''}", cells


def text(done):
    parts = []
    for name, cells in tables(done):
        widths = [max(map(len, column)) for column in zip(*cells)]
        lines = ["  ".join(cell.ljust(w) if i == 0 else cell.rjust(w)
                           for i, (cell, w) in enumerate(zip(line, widths))) for line in cells]
        parts.append("\n".join([f"{name}: time, and × lanepool's", *lines]))
    return "\n\n".join(parts)


def markdown(done):
    versions = ", ".join(dict.fromkeys(done["versions"].values()))
    parts = [
        "# Results",
        f"{done['date']}, {done['cpu']}, {done['cores']} cores; rustc {done['rustc']}, {versions}.",
        "The least time of lanepool, and how many times as long the others take at least; less than 1 is faster.\n"
        "Empty: the peer cannot do the case, or not in this layout or with these threads.",
        "![time as a multiple of lanepool's](chart.svg)",
    ]
    for name, (head, *body) in tables(done):
        lines = [head, ["---"] + ["---:"] * (len(head) - 1), *body]
        table = "\n".join(f"| {' | '.join(line)} |".replace("|  |", "| |") for line in lines)
        parts += [f"## {name[0].upper()}{name[1:]}", table]
    return "\n\n".join(parts) + "\n"


def svg(done):
    """A row for each case, a mark for each peer, along the multiple of lanepool's time."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot as plt

    grey = "#7d8590"  # can be read on white and on black
    plt.rcParams.update({
        "svg.fonttype": "none", "svg.hashsalt": "lanepool", "font.family": "sans-serif",
        "font.size": 9, "text.color": grey, "axes.edgecolor": grey, "axes.labelcolor": grey,
        "xtick.color": grey, "ytick.color": grey,
    })
    threads = min(t for by_threads in done["results"].values() for t in by_threads)
    figure, panels = plt.subplots(2, 1, figsize=(9, 8.4), sharex=True, layout="constrained")
    for panel, (layout, name) in zip(panels, LAYOUTS.items()):
        cases = list(rows(done, layout, threads))
        for peer, (colour, mark) in STYLES.items():
            points = [(times[peer] / times["lanepool"], y)
                      for y, (_, times) in enumerate(cases) if {peer, "lanepool"} <= times.keys()]
            if points:
                panel.plot(*zip(*points), mark, color=colour, label=peer, markersize=6, alpha=0.9)
        panel.axvline(1, color=grey, linewidth=1.5)
        panel.set_xscale("log")
        panel.set_yticks(range(len(cases)), [case.title for case, _ in cases])
        panel.invert_yaxis()
        panel.grid(axis="both", color=grey, alpha=0.25, linewidth=0.5)
        panel.set_title(f"{name}, {threads} thread{'s' if threads != '1' else ''}", loc="left")
        panel.spines[["top", "right"]].set_visible(False)
        panel.set_facecolor("none")
    panel.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    panel.set_xlabel(f"time ÷ lanepool's: right of 1 is slower ({done['cpu']}, {done['date']})")
    handles = {}
    for panel in panels:
        handles |= {label: h for h, label in zip(*panel.get_legend_handles_labels())}
    names = [peer for peer in STYLES if peer in handles]
    figure.legend([handles[n] for n in names], names, loc="outside lower center", ncols=7,
                  frameon=False)
    out = io.StringIO()
    figure.savefig(out, transparent=True, metadata={"Date": None})
    short = re.sub(r"(\d\.\d\d)\d+", r"\1", out.getvalue())
    return re.sub(r" +$", "", short, flags=re.MULTILINE)


def draw(done):
    (HERE / "RESULTS.md").write_text(markdown(done))
    (HERE / "chart.svg").write_text(svg(done))
