# SPDX-License-Identifier: Apache-2.0
"""plot_interference.py FILE.svg < CURVES: draws what split_interference.py measured."""
import json
import statistics
import sys

import matplotlib
matplotlib.use("svg")
from matplotlib import pyplot  # noqa: E402

matplotlib.rcParams.update({"svg.hashsalt": "ashlar", "font.size": 9})
TITLES = ("time between tokens, p99 (ms)", "TTFT of the long prompts, median (s)", "tokens/s of the four answers")
figure, axes = pyplot.subplots(1, 3, figsize=(11, 3.4), constrained_layout=True)
for name, by_rate in json.load(sys.stdin).items():
    for which, axis in enumerate(axes):
        points = []
        for rate, rounds in by_rate.items():
            values = [one[which] * (1e3 if which == 0 else 1) for one in rounds if one[which] is not None]
            if values:
                points.append((float(rate), statistics.median(values), min(values), max(values)))
        x, y, low, high = zip(*points)
        drawn, = axis.plot(x, y, marker="o", markersize=3.5, label=name)
        axis.fill_between(x, low, high, alpha=0.15, color=drawn.get_color(), linewidth=0)
for axis, title in zip(axes, TITLES):
    axis.set_title(title, fontsize=9)
    axis.set_xlabel("prompts of 1,024 tokens a second")
    axis.grid(alpha=0.3)
    axis.set_ylim(bottom=0)
axes[0].legend(fontsize=8)
figure.savefig(sys.argv[1], metadata={"Date": None})
