"""The figures of the reports. Each returns SVG text, or "" where there is nothing to draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from upcycle.report._attacks import AttackRow
from upcycle.report._metrics import Recall
from upcycle.report._svg import paint, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKERS = {"baseline": "s", "teacher": "^", "student": "o", "plain": "D"}
_DASHES = {"baseline": "--", "teacher": "-.", "student": "-", "plain": ":"}
_WIDE, _HALF = 10.4, 5.1


def learning_curves(curves: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Validation accuracy and loss of the classifiers, and the loss of the generator, against images seen."""
    panels = [panel for panel in _panels(curves) if panel[2]]
    if not panels:
        return ""

    def draw(axes: Sequence[Axes]) -> None:
        for one, (title, metric, stages) in zip(axes, panels, strict=True):
            for stage, (seen, values) in stages.items():
                one.plot(seen, values, color=paint(stage), ls=_DASHES.get(stage, "-"), lw=1.5, label=stage)
            one.set_title(title)
            one.set_xlabel("images seen")
            one.xaxis.set_major_formatter(_thousands)
            one.grid(True, axis="y")
            if metric == "loss" and all((values > 0).all() for _, values in stages.values()):
                one.set_yscale("log")
                one.yaxis.set_major_formatter(_plain)
                one.yaxis.set_minor_formatter("")
            one.legend(loc="best", handlelength=2.4)

    label = "Learning curves against images seen: " + "; ".join(panel[0] for panel in panels)
    return svg(draw, name="curves", label=label, size=(_WIDE, 2.9), columns=len(panels))


def _panels(
    curves: Mapping[str, Sequence[Mapping[str, float]]],
) -> list[tuple[str, str, dict[str, tuple[np.ndarray, np.ndarray]]]]:
    classifiers = {stage: rows for stage, rows in curves.items() if stage != "generator"}
    generator = {stage: rows for stage, rows in curves.items() if stage == "generator"}
    return [
        ("Validation accuracy", "validation_accuracy", _series(classifiers, "validation_accuracy")),
        ("Loss of the classifiers", "loss", _series(classifiers, "loss")),
        ("Loss of the generator", "loss", _series(generator, "loss")),
    ]


def _series(curves: Mapping[str, Sequence[Mapping[str, float]]], metric: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Stage -> images seen and finite values of one metric; stages without any are left out."""
    found = {}
    for stage, rows in curves.items():
        listed = [(row["images"], row[metric]) for row in rows if "images" in row and row.get(metric) is not None]
        pairs = np.array(listed, float)
        pairs = pairs[np.isfinite(pairs).all(1)] if len(pairs) else pairs
        if len(pairs):
            found[stage] = (pairs[:, 0], pairs[:, 1])
    return found


def _thousands(value: float, _position: object = None) -> str:
    return f"{value / 1000:g}k" if value >= 1000 else f"{value:g}"


def _plain(value: float, _position: object = None) -> str:
    return f"{value:g}"


def _percent(value: float, _position: object = None) -> str:
    return f"{100 * value:g} %"


def per_class(names: Sequence[str], recalls: Mapping[str, Sequence[Recall]]) -> str:
    """Accuracy of every class with its interval, one mark per model."""
    values = {model: np.array(rows, float) for model, rows in recalls.items() if len(rows)}
    if not values or all(np.isnan(rows).all() for rows in values.values()):
        return ""
    start = min(np.nanmin(rows) for rows in values.values())

    def draw(axes: Sequence[Axes]) -> None:
        step = 0.62 / max(len(values), 1)
        for k, (model, rows) in enumerate(values.items()):
            at = np.arange(len(rows)) + (k - (len(values) - 1) / 2) * step
            axes[0].hlines(at, rows[:, 1], rows[:, 2], color=paint(model), lw=1.6)
            axes[0].plot(rows[:, 0], at, _MARKERS.get(model, "o"), color=paint(model), ms=4.6, label=model)
        axes[0].hlines(np.arange(len(names) - 1) + 0.5, 0, 1, color=paint("line"), lw=0.5)
        axes[0].set_yticks(range(len(names)), [_short(name, 28) for name in names])
        axes[0].tick_params(axis="y", length=0)
        axes[0].set(ylim=(len(names) - 0.5, -0.5), xlim=(max(0.0, start - 0.03), 1.004))
        axes[0].xaxis.set_major_formatter(_percent)
        axes[0].grid(True, axis="x")
        axes[0].legend(ncols=len(values), loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)

    means = ", ".join(f"{model} {np.nanmin(rows[:, 0]):.0%} at its weakest class" for model, rows in values.items())
    label = f"Accuracy of each class with its interval: {means}"
    return svg(draw, name="classes", label=label, size=(_WIDE, 0.75 + 0.36 * max(len(names), 2)))


def _short(name: str, longest: int) -> str:
    return name if len(name) <= longest else name[: longest - 1] + "…"


def confusions(names: Sequence[str], matrices: Mapping[str, np.ndarray]) -> str:
    """Row-normalised confusion matrices side by side: right answers on the diagonal, mistakes in a second colour."""
    if not matrices:
        return ""

    def draw(axes: Sequence[Axes]) -> None:
        for one, (model, matrix) in zip(axes, matrices.items(), strict=True):
            _matrix(one, matrix)
            every = max(1, len(names) // 12)
            ticks = range(0, len(names), every)
            one.set_xticks(ticks, [_short(names[t], 14) for t in ticks], rotation=90 if max(map(len, names)) > 2 else 0)
            one.set_yticks(ticks, [_short(names[t], 14) for t in ticks] if one is axes[0] else [])
            one.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(names) - 0.5, -0.5), aspect="equal", xlabel="answer", title=model)
            one.tick_params(length=0)
            one.spines[:].set_visible(False)
        axes[0].set_ylabel("true class")

    rights = ", ".join(f"{model} {np.nanmean(np.diag(matrix)):.1%} on the diagonal" for model, matrix in matrices.items())
    label = f"Confusion matrices, each row sums to 100 %: {rights}"
    return svg(draw, name="confusion", label=label, size=(_WIDE, 1.25 + _WIDE / max(len(matrices), 2)), columns=len(matrices))


def _matrix(axes: Axes, matrix: np.ndarray) -> None:
    """Cells above half a percent; opacity grows with the square root, so that rare mistakes can be seen."""
    from matplotlib.patches import Rectangle

    small = len(matrix) <= 12
    for (row, column), value in np.ndenumerate(matrix):
        if np.isnan(value) or value < 0.005:
            continue
        right = row == column
        colour = paint("baseline") if right else paint("wrong")
        axes.add_patch(Rectangle((column - 0.46, row - 0.46), 0.92, 0.92, color=colour, lw=0, alpha=float(np.sqrt(value))))
        if small:
            shade = paint("card") if right and value > 0.35 else paint("ink")
            axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", color=shade, fontsize=7.5)
    sides = np.arange(len(matrix) + 1) - 0.5
    if small:
        axes.hlines(sides, -0.5, len(matrix) - 0.5, color=paint("line"), lw=0.4, zorder=0)
        axes.vlines(sides, -0.5, len(matrix) - 0.5, color=paint("line"), lw=0.4, zorder=0)


def reliability(curves: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]]) -> str:
    """Accuracy against confidence in bins; the area of a point is its share of the images."""
    shown = {model: curve for model, curve in curves.items() if len(curve[0])}
    if not shown:
        return ""

    def draw(axes: Sequence[Axes]) -> None:
        axes[0].plot([0, 1], [0, 1], color=paint("soft"), lw=0.8, ls=":", label="calibrated")
        for model, (confidence, accuracy, share) in shown.items():
            axes[0].plot(confidence, accuracy, color=paint(model), ls=_DASHES.get(model, "-"), lw=1.3, label=model)
            axes[0].scatter(confidence, accuracy, s=10 + 110 * share, color=paint(model), alpha=0.75, lw=0)
        axes[0].set(xlabel="confidence of the model", ylabel="share right", xlim=(0, 1.03), ylim=(0, 1.03))
        axes[0].xaxis.set_major_formatter(_percent)
        axes[0].yaxis.set_major_formatter(_percent)
        axes[0].legend(loc="upper left", handlelength=2.4)

    label = f"Reliability: share of right answers against confidence for {', '.join(shown)}"
    return svg(draw, name="reliability", label=label, size=(_HALF, 3.7))


def roc_curves(curves: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> str:
    """True against false positive rate of the primary attack, both axes logarithmic."""
    shown = {target: curve for target, curve in curves.items() if len(curve[0])}
    if not shown:
        return ""
    smallest = min(float(fpr[fpr > 0].min(initial=1.0)) for fpr, _ in shown.values())
    floor = max(min(smallest, 0.1), 1e-4)

    def draw(axes: Sequence[Axes]) -> None:
        axes[0].plot([floor, 1], [floor, 1], color=paint("soft"), lw=0.8, ls=":", label="guessing")
        for target, (fpr, tpr) in shown.items():
            x, y = np.maximum(fpr, floor), np.maximum(tpr, floor)
            axes[0].plot(x, y, color=paint(target), ls=_DASHES.get(target, "-"), lw=1.4, label=target)
        axes[0].set(xscale="log", yscale="log", xlim=(floor, 1), ylim=(floor, 1))
        axes[0].set(xlabel="false positive rate", ylabel="true positive rate")
        for axis in (axes[0].xaxis, axes[0].yaxis):
            axis.set_major_formatter(_percent)
            axis.set_minor_formatter("")
        axes[0].legend(loc="lower right", handlelength=2.4)

    label = f"ROC of the primary membership attack on logarithmic axes for {', '.join(shown)}; guessing is the diagonal"
    return svg(draw, name="roc", label=label, size=(_HALF, 3.7))


def attack_intervals(rows: Sequence[AttackRow], margin: float | None = None) -> str:
    """AUC of every attack on every target with its interval; primary attacks are filled."""
    known = [(row, row.auc) for row in rows if row.auc is not None]
    if not known:
        return ""

    def draw(axes: Sequence[Axes]) -> None:
        axes[0].axvline(0.5, color=paint("soft"), lw=1, ls=":")
        if margin is not None:
            axes[0].axvline(margin, color=paint("wrong"), lw=0.8, ls="--")
        for k, (row, (value, low, high)) in enumerate(known):
            colour, face = paint(row.target), paint(row.target) if row.primary else paint("card")
            axes[0].plot([low, high], [k, k], color=colour, lw=2.2 if row.primary else 1.2, solid_capstyle="round")
            axes[0].plot(value, k, _MARKERS.get(row.target, "o"), mec=colour, mfc=face, ms=5)
        axes[0].set_yticks(range(len(known)), [f"{row.target}: {_short(row.attack, 30)}" for row, _ in known])
        axes[0].tick_params(axis="y", length=0)
        axes[0].set(ylim=(len(known) - 0.4, -0.6), xlabel="AUC: 0.5 is guessing, 1 is certainty")
        axes[0].grid(True, axis="x")

    row, (highest, _, _) = max(known, key=lambda pair: pair[1][0])
    label = f"AUC of {len(known)} attacks with intervals; the highest is {highest:.3f}, {row.attack} on {row.target}"
    return svg(draw, name="attacks", label=label, size=(_WIDE, 0.7 + 0.21 * max(len(known), 4)))


def stage_minutes(minutes: Mapping[str, float]) -> str:
    """Minutes of work of every stage."""
    if not minutes:
        return ""

    def draw(axes: Sequence[Axes]) -> None:
        bars = axes[0].barh(list(minutes), list(minutes.values()), height=0.62, color=paint("baseline"))
        axes[0].bar_label(bars, fmt="%.1f", color=paint("ink"), padding=4)
        axes[0].tick_params(axis="y", length=0)
        axes[0].invert_yaxis()
        axes[0].set(xlabel="minutes")
        axes[0].spines["bottom"].set_visible(False)
        axes[0].grid(True, axis="x")

    label = f"Minutes of work per stage, {sum(minutes.values()):.1f} in all"
    return svg(draw, name="minutes", label=label, size=(_WIDE, 0.6 + 0.25 * max(len(minutes), 3)))
