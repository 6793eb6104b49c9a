"""Figures as SVG text: transparent, without clock or chance, readable on light and dark pages."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"baseline": "#0072b2", "teacher": "#d55e00", "student": "#009e73", "plain": "#cc79a7", "generator": "#8a6fd1"}
_GREY = "#7d8590"
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "upcycle",
    "font.size": 9,
    "font.family": "sans-serif",
    "text.color": _GREY,
    "axes.labelcolor": _GREY,
    "axes.edgecolor": _GREY,
    "axes.titlecolor": _GREY,
    "xtick.color": _GREY,
    "ytick.color": _GREY,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


def _svg(draw: Any, title: str, size: tuple[float, float], columns: int = 1) -> str:
    """SVG text of what `draw(axes)` paints on one row of axes, with `title` as its text alternative."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_STYLE):
        figure = Figure(figsize=size, layout="constrained")
        figure.patch.set_alpha(0)
        axes = figure.subplots(1, columns, squeeze=False)[0]
        for one in axes:
            one.patch.set_alpha(0)
        draw(axes)
        return _text(figure, title)


def _text(figure: Figure, title: str) -> str:
    from markupsafe import escape

    stream = io.StringIO()
    figure.savefig(stream, format="svg", metadata={"Date": None, "Creator": None})
    body = stream.getvalue()
    body = body[body.index("<svg") :]
    label = escape(title)
    return body.replace("<svg", f'<svg role="img" aria-label="{label}" class="figure"', 1)


def learning_curves(curves: Mapping[str, Sequence[Mapping[str, float]]]) -> str:
    """Loss and validation accuracy against images seen, one line per stage."""

    def draw(axes: Sequence[Axes]) -> None:
        for stage, rows in curves.items():
            seen = [row["images"] for row in rows]
            colour = COLOURS.get(stage, _GREY)
            axes[0].plot(seen, [row.get("loss", np.nan) for row in rows], color=colour, label=stage, lw=1.4)
            if any("validation_accuracy" in row for row in rows):
                axes[1].plot(seen, [row.get("validation_accuracy", np.nan) for row in rows], color=colour, label=stage, lw=1.4)
        for one, name in zip(axes, ("loss", "validation accuracy"), strict=True):
            one.set(xlabel="images seen", ylabel=name)
            one.legend(frameon=False)
        axes[0].set_yscale("log")

    return _svg(draw, "Learning curves: loss and validation accuracy against images seen", (9, 3.2), 2)


def per_class(names: Sequence[str], recalls: Mapping[str, Sequence[tuple[float, float, float]]]) -> str:
    """Accuracy of every class with its interval, one bar per model."""

    def draw(axes: Sequence[Axes]) -> None:
        width = 0.8 / max(len(recalls), 1)
        for k, (model, rows) in enumerate(recalls.items()):
            values = np.array(rows)
            at = np.arange(len(names)) + (k - (len(recalls) - 1) / 2) * width
            errors = np.abs(values[:, 1:].T - values[:, 0])
            axes[0].bar(at, values[:, 0], width * 0.9, color=COLOURS.get(model, _GREY), label=model)
            axes[0].errorbar(at, values[:, 0], errors, fmt="none", ecolor=_GREY, lw=1)
        long = max(map(len, names)) > 4
        axes[0].set_xticks(range(len(names)), names, rotation=30 if long else 0, ha="right" if long else "center")
        axes[0].set(ylabel="accuracy", ylim=(0, 1.02))
        axes[0].legend(frameon=False, ncols=len(recalls), loc="upper center", bbox_to_anchor=(0.5, 1.15))

    return _svg(draw, "Accuracy of each class for every model, with 95 % intervals", (9, 3.4))


def confusions(names: Sequence[str], matrices: Mapping[str, np.ndarray]) -> str:
    """Row-normalised confusion matrices side by side."""

    def draw(axes: Sequence[Axes]) -> None:
        for one, (model, matrix) in zip(axes, matrices.items(), strict=True):
            one.imshow(matrix, cmap="viridis", vmin=0, vmax=1)
            one.set_title(model)
            ticks = range(len(names)) if len(names) <= 12 else range(0, len(names), 5)
            one.set_xticks(ticks, [names[t][:8] for t in ticks], rotation=90)
            one.set_yticks(ticks, [names[t][:8] for t in ticks])
            one.set(xlabel="predicted")
            if len(names) <= 6:
                for (row, column), value in np.ndenumerate(matrix):
                    shade = "black" if value > 0.6 else "white"
                    one.text(column, row, f"{value:.2f}", ha="center", va="center", color=shade, fontsize=8)
        axes[0].set_ylabel("true class")

    return _svg(draw, "Confusion matrices, each row summing to one", (9, 3.4), len(matrices))


def reliability(curves: Mapping[str, tuple[np.ndarray, np.ndarray, np.ndarray]]) -> str:
    """Accuracy against confidence in ten bins; the area of a point is its share of the images."""

    def draw(axes: Sequence[Axes]) -> None:
        axes[0].plot([0, 1], [0, 1], color=_GREY, lw=0.8, ls=":")
        for model, (confidence, accuracy, share) in curves.items():
            axes[0].plot(confidence, accuracy, color=COLOURS.get(model, _GREY), lw=1.2, label=model)
            axes[0].scatter(confidence, accuracy, s=8 + 120 * share, color=COLOURS.get(model, _GREY))
        axes[0].set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1.02), ylim=(0, 1.02))
        axes[0].legend(frameon=False)

    return _svg(draw, "Reliability: accuracy against confidence for every model", (4.4, 3.6))


def roc_curves(curves: Mapping[str, tuple[np.ndarray, np.ndarray]], floor: float) -> str:
    """True against false positive rate of the primary attack, both axes logarithmic from `floor` on."""

    def draw(axes: Sequence[Axes]) -> None:
        line = np.geomspace(floor, 1, 50)
        axes[0].plot(line, line, color=_GREY, lw=0.8, ls=":", label="chance")
        for target, (fpr, tpr) in curves.items():
            axes[0].plot(np.maximum(fpr, floor), np.maximum(tpr, floor), color=COLOURS.get(target, _GREY), lw=1.4, label=target)
        axes[0].set(xscale="log", yscale="log", xlabel="false positive rate", ylabel="true positive rate")
        axes[0].set(xlim=(floor, 1), ylim=(floor, 1))
        axes[0].legend(frameon=False)

    return _svg(draw, "ROC of the primary membership attack on logarithmic axes", (4.4, 3.6))


def attack_intervals(rows: Sequence[Mapping[str, Any]]) -> str:
    """AUC of every attack on every target with its interval."""

    def draw(axes: Sequence[Axes]) -> None:
        axes[0].axvline(0.5, color=_GREY, lw=0.8, ls=":")
        for k, row in enumerate(rows):
            colour = COLOURS.get(str(row["target"]), _GREY)
            axes[0].plot([row["auc_low"], row["auc_high"]], [k, k], color=colour, lw=1.6)
            axes[0].plot(row["auc"], k, "o", color=colour, ms=4)
        axes[0].set_yticks(range(len(rows)), [f"{row['target']}: {row['attack']}" for row in rows])
        axes[0].invert_yaxis()
        axes[0].set(xlabel="AUC (0.5 = the attack learns nothing)")

    return _svg(draw, "AUC of every attack on every target with 95 % interval", (9, 0.5 + 0.24 * max(len(rows), 4)))


def stage_minutes(minutes: Mapping[str, float]) -> str:
    """Minutes of work of every stage."""

    def draw(axes: Sequence[Axes]) -> None:
        bars = axes[0].barh(list(minutes), list(minutes.values()), color="#56b4e9")
        axes[0].bar_label(bars, fmt="%.1f", color=_GREY, padding=3)
        axes[0].invert_yaxis()
        axes[0].set(xlabel="minutes")

    return _svg(draw, "Minutes of work of every stage", (9, 0.5 + 0.26 * max(len(minutes), 3)))


def image_grid(images: np.ndarray, labels: np.ndarray, *, per_row: int = 10) -> str:
    """A PNG data URI: one row per class with up to `per_row` images, one pixel between them."""
    from PIL import Image

    side, classes = images.shape[1], np.unique(labels)
    sheet = np.zeros((len(classes) * (side + 1) - 1, per_row * (side + 1) - 1, 4), np.uint8)
    for row, label in enumerate(classes):
        for column, image in enumerate(images[labels == label][:per_row]):
            top, left = row * (side + 1), column * (side + 1)
            sheet[top : top + side, left : left + side, :3] = image
            sheet[top : top + side, left : left + side, 3] = 255
    stream = io.BytesIO()
    Image.fromarray(sheet, "RGBA").save(stream, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
