"""The figures of the reports. Each returns SVG text, or "" where there is nothing to draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from upcycle.report._metrics import Recall
from upcycle.report._svg import DASHES, HALF, MARKERS, WIDE, drawn_once, paint, percent, short, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_Panel = tuple[str, str, Mapping[str, tuple[np.ndarray, np.ndarray]]]  # title, metric, stage -> images seen and values


def learning_curves(curves: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Validation accuracy and loss of the classifiers, and the loss of the generator, against images seen."""
    panels = [panel for panel in _panels(curves) if panel[2]]
    return _curves(panels) if panels else ""


@drawn_once
def _curves(panels: Sequence[_Panel]) -> str:
    def draw(axes: Sequence[Axes]) -> None:
        from matplotlib.ticker import LogLocator

        for one, (title, metric, stages) in zip(axes, panels, strict=True):
            for stage, (seen, values) in stages.items():
                one.plot(seen, values, color=paint(stage), ls=DASHES.get(stage, "-"), lw=1.5, label=stage)
            one.set_title(title)
            one.set_xlabel("images seen")
            one.xaxis.set_major_formatter(_thousands)
            one.grid(True, axis="y")
            if metric == "loss" and all((values > 0).all() for _, values in stages.values()):
                one.set_yscale("log")
                one.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
                one.yaxis.set_major_formatter(_plain)
                one.yaxis.set_minor_formatter("")
            one.legend(loc="best", handlelength=2.4)

    label = "Learning curves against images seen: " + "; ".join(panel[0] for panel in panels)
    return svg(draw, name="curves", label=label, size=(WIDE, 2.9), columns=len(panels))


def _panels(curves: Mapping[str, Sequence[Mapping[str, float]]]) -> list[_Panel]:
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


@drawn_once
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
            axes[0].plot(rows[:, 0], at, MARKERS.get(model, "o"), color=paint(model), ms=4.6, label=model)
        axes[0].hlines(np.arange(len(names) - 1) + 0.5, 0, 1, color=paint("line"), lw=0.5)
        axes[0].set_yticks(range(len(names)), [short(name, 28) for name in names])
        axes[0].tick_params(axis="y", length=0)
        axes[0].set(ylim=(len(names) - 0.5, -0.5), xlim=(max(0.0, start - 0.03), 1.004))
        axes[0].xaxis.set_major_formatter(percent)
        axes[0].grid(True, axis="x")
        axes[0].legend(ncols=len(values), loc="lower left", bbox_to_anchor=(0, 1), borderaxespad=0.2)

    means = ", ".join(f"{model} {np.nanmin(rows[:, 0]):.0%} at its weakest class" for model, rows in values.items())
    label = f"Accuracy of each class with its interval: {means}"
    return svg(draw, name="classes", label=label, size=(WIDE, 0.75 + 0.36 * max(len(names), 2)))


@drawn_once
def confusions(names: Sequence[str], matrices: Mapping[str, np.ndarray]) -> str:
    """Row-normalised confusion matrices side by side: right answers on the diagonal, mistakes in a second colour."""
    if not matrices:
        return ""

    def draw(axes: Sequence[Axes]) -> None:
        for one, (model, matrix) in zip(axes, matrices.items(), strict=True):
            _matrix(one, matrix)
            _class_axes(one, names, one is axes[0])
            one.set_title(model)
        axes[0].set_ylabel("true class")

    rights = ", ".join(f"{model} {np.nanmean(np.diag(matrix)):.1%} on the diagonal" for model, matrix in matrices.items())
    label = f"Confusion matrices, each row sums to 100 %: {rights}"
    return svg(draw, name="confusion", label=label, size=(WIDE, 0.8 + WIDE / max(len(matrices), 2)), columns=len(matrices))


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


@drawn_once
def confusion_difference(names: Sequence[str], student: np.ndarray, baseline: np.ndarray) -> str:
    """Student minus baseline of two row-normalised confusion matrices, in points; what is better has the student's colour."""
    change = 100 * (student - baseline)
    if not np.isfinite(change).any():
        return ""
    better = np.where(np.eye(len(change), dtype=bool), change, -change)
    largest = max(float(np.nanmax(np.abs(change))), 1.0)

    def draw(axes: Sequence[Axes]) -> None:
        from matplotlib.patches import Rectangle

        for (row, column), value in np.ndenumerate(change):
            if not abs(value) >= 0.5:  # also where it is not a number
                continue
            colour = paint("student") if better[row, column] > 0 else paint("wrong")
            alpha = 0.15 + 0.7 * abs(value) / largest
            axes[0].add_patch(Rectangle((column - 0.46, row - 0.46), 0.92, 0.92, color=colour, lw=0, alpha=alpha))
            if len(names) <= 12:
                text = f"{value:+.0f}".replace("-", "−")
                axes[0].text(column, row, text, ha="center", va="center", color=paint("ink"), fontsize=7.5)
        _class_axes(axes[0], names, True)
        axes[0].set_ylabel("true class")

    gains = np.diag(change)
    worst = int(np.nanargmin(gains)) if np.isfinite(gains).any() else 0
    label = (
        f"Confusion of the student minus that of the baseline, in points: on the diagonal {np.nanmean(gains):+.1f} on average, "
        f"lowest {gains[worst]:+.1f} for {names[worst]}"
    )
    return svg(draw, name="difference", label=label, size=(HALF, 0.9 + 0.84 * HALF))


def _class_axes(axes: Axes, names: Sequence[str], named: bool) -> None:
    """A square of classes against classes; true ones are named where `named`."""
    every = max(1, len(names) // 12)
    ticks = range(0, len(names), every)
    axes.set_xticks(ticks, [short(names[t], 14) for t in ticks], rotation=90 if max(map(len, names)) > 2 else 0)
    axes.set_yticks(ticks, [short(names[t], 14) for t in ticks] if named else [])
    axes.set(xlim=(-0.5, len(names) - 0.5), ylim=(len(names) - 0.5, -0.5), aspect="equal", xlabel="answer")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if len(names) <= 12:
        sides = np.arange(len(names) + 1) - 0.5
        axes.hlines(sides, -0.5, len(names) - 0.5, color=paint("line"), lw=0.4, zorder=0)
        axes.vlines(sides, -0.5, len(names) - 0.5, color=paint("line"), lw=0.4, zorder=0)


@drawn_once
def reliability(curves: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]]) -> str:
    """Accuracy against confidence in bins; the area of a point is its share of the images."""
    shown = {model: curve for model, curve in curves.items() if len(curve[0])}
    if not shown:
        return ""

    def draw(axes: Sequence[Axes]) -> None:
        axes[0].plot([0, 1], [0, 1], color=paint("soft"), lw=0.8, ls=":", label="calibrated")
        for model, (confidence, accuracy, share) in shown.items():
            axes[0].plot(confidence, accuracy, color=paint(model), ls=DASHES.get(model, "-"), lw=1.3, label=model)
            axes[0].scatter(confidence, accuracy, s=10 + 110 * share, color=paint(model), alpha=0.75, lw=0)
        axes[0].set(xlabel="confidence of the model", ylabel="share right", xlim=(0, 1.03), ylim=(0, 1.03))
        axes[0].xaxis.set_major_formatter(percent)
        axes[0].yaxis.set_major_formatter(percent)
        axes[0].legend(loc="upper left", handlelength=2.4)

    label = f"Reliability: share of right answers against confidence for {', '.join(shown)}"
    return svg(draw, name="reliability", label=label, size=(HALF, 3.7))


@drawn_once
def stage_minutes(minutes: Mapping[str, float], kwh: Mapping[str, float] | None = None) -> str:
    """Minutes of work of every stage, and its energy where that is known."""
    if not minutes:
        return ""
    energy = dict(kwh or {})

    def draw(axes: Sequence[Axes]) -> None:
        bars = axes[0].barh(list(minutes), list(minutes.values()), height=0.62, color=paint("baseline"))
        texts = [f"{spent:.1f} min" + (f", {1000 * energy[k]:.2g} Wh" if k in energy else "") for k, spent in minutes.items()]
        axes[0].bar_label(bars, texts, color=paint("ink"), padding=4)
        axes[0].tick_params(axis="y", length=0)
        axes[0].invert_yaxis()
        axes[0].margins(x=0.16)
        axes[0].set(xlabel="minutes")
        axes[0].spines["bottom"].set_visible(False)
        axes[0].grid(True, axis="x")

    label = f"Minutes of work per stage, {sum(minutes.values()):.1f} in all"
    label += f"; energy {1000 * sum(energy.values()):.3g} Wh" if energy else ""
    return svg(draw, name="minutes", label=label, size=(WIDE, 0.6 + 0.25 * max(len(minutes), 3)))
