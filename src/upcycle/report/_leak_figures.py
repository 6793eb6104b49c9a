"""The figures about leakage. Each returns SVG text, or "" where there is nothing to draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from upcycle.report._audit_json import AttackRow, Interval
from upcycle.report._svg import DASHES, HALF, MARKERS, WIDE, drawn_once, paint, percent, short, svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@drawn_once
def roc_curves(curves: Mapping[str, tuple[np.ndarray, ...]]) -> str:
    """True against false positive rate of the primary attack, both axes logarithmic. A curve is (fpr, tpr) or (fpr, tpr, low,
    high), whose last two bound a band."""
    shown = {target: curve for target, curve in curves.items() if len(curve[0])}
    if not shown:
        return ""
    smallest = min(float(curve[0][curve[0] > 0].min(initial=1.0)) for curve in shown.values())
    floor = max(min(smallest, 0.1), 1e-4)

    def draw(axes: Sequence[Axes]) -> None:
        axes[0].plot([floor, 1], [floor, 1], color=paint("soft"), lw=0.8, ls=":", label="guessing")
        for target, (fpr, tpr, *band) in shown.items():
            x, y = np.maximum(fpr, floor), np.maximum(tpr, floor)
            edges = [np.maximum(edge, floor) for edge in band]
            if len(edges) == 2 and target == "student":  # three filled bands would hide each other
                axes[0].fill_between(x, *edges, color=paint(target), alpha=0.16, lw=0)
            else:
                for edge in edges:
                    axes[0].plot(x, edge, color=paint(target), lw=0.5)
            axes[0].plot(x, y, color=paint(target), ls=DASHES.get(target, "-"), lw=1.4, label=target)
        axes[0].set(xscale="log", yscale="log", xlim=(floor, 1), ylim=(floor, 1))
        axes[0].set(xlabel="false positive rate", ylabel="true positive rate")
        for axis in (axes[0].xaxis, axes[0].yaxis):
            axis.set_major_formatter(percent)
            axis.set_minor_formatter("")
        axes[0].legend(loc="lower right", handlelength=2.4)

    label = f"ROC of the primary membership attack on logarithmic axes for {', '.join(shown)}; guessing is the diagonal"
    return svg(draw, name="roc", label=label, size=(HALF, 3.7))


@drawn_once
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
            axes[0].plot(value, k, MARKERS.get(row.target, "o"), mec=colour, mfc=face, ms=5)
        axes[0].set_yticks(range(len(known)), [f"{row.target}: {short(row.attack, 30)}" for row, _ in known])
        axes[0].tick_params(axis="y", length=0)
        axes[0].set(ylim=(len(known) - 0.4, -0.6), xlabel="AUC: 0.5 is guessing, 1 is certainty")
        axes[0].grid(True, axis="x")

    row, (highest, _, _) = max(known, key=lambda pair: pair[1][0])
    label = f"AUC of {len(known)} attacks with intervals; the highest is {highest:.3f}, {row.attack} on {row.target}"
    return svg(draw, name="attacks", label=label, size=(WIDE, 0.7 + 0.21 * max(len(known), 4)))


def utility_against_leakage(points: Sequence[tuple[str, Interval, Interval]]) -> str:
    """Accuracy of the student against the AUC of the attack on it, one cross of intervals per run: (name, AUC, accuracy)."""
    if not points:
        return ""

    def draw(axes: Sequence[Axes]) -> None:
        axes[0].axvline(0.5, color=paint("soft"), lw=1, ls=":")
        for name, (auc, auc_low, auc_high), (right, low, high) in points:
            axes[0].hlines(right, auc_low, auc_high, color=paint("student"), lw=1.3)
            axes[0].vlines(auc, low, high, color=paint("student"), lw=1.3)
            axes[0].plot(auc, right, "o", color=paint("student"), ms=6)
            axes[0].annotate(name, (auc, right), xytext=(6, 5), textcoords="offset points", color=paint("ink"))
        axes[0].set(
            xlabel="leakage: AUC of the primary attack on the student; 0.5 is guessing", ylabel="accuracy of the student"
        )
        axes[0].yaxis.set_major_formatter(percent)
        axes[0].grid(True)

    said = "; ".join(f"{name}: accuracy {right[0]:.1%}, AUC {auc[0]:.3f}" for name, auc, right in points)
    return svg(draw, name="trade", label=f"Accuracy of each student against leakage. {said}", size=(WIDE, 4.2))


def gaps(found: Sequence[tuple[str, Interval]]) -> str:
    """Student minus baseline of every run, in points, with its interval."""
    if not found:
        return ""

    def draw(axes: Sequence[Axes]) -> None:
        axes[0].axvline(0, color=paint("soft"), lw=1, ls=":")
        for k, (_, (value, low, high)) in enumerate(found):
            axes[0].plot([low, high], [k, k], color=paint("student"), lw=2, solid_capstyle="round")
            axes[0].plot(value, k, "o", color=paint("student"), ms=5)
        axes[0].set_yticks(range(len(found)), [short(name, 30) for name, _ in found])
        axes[0].tick_params(axis="y", length=0)
        axes[0].set(ylim=(len(found) - 0.4, -0.6), xlabel="points of accuracy; 0 is the baseline")
        axes[0].grid(True, axis="x")

    said = "; ".join(f"{name} {value:+.2f}" for name, (value, _, _) in found)
    return svg(draw, name="gaps", label=f"Gap to the baseline in points. {said}", size=(WIDE, 0.8 + 0.26 * max(len(found), 2)))


@drawn_once
def canary_forest(found: Sequence[tuple[str, str, AttackRow]], chance: float, margin: float | None) -> str:
    """TPR at 1 % false positives with its interval, a line per (target, kind of canary, row). Small rates have more room: the
    axis grows with the square root."""
    if not any(row.tpr_1 for _, _, row in found):
        return ""
    free = (max(chance, margin or 0.0) ** 0.5 + 0.015) ** 2  # right of both lines
    ticks = (0.0, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0)

    def draw(axes: Sequence[Axes]) -> None:
        from matplotlib.ticker import FixedLocator, NullLocator

        axes[0].set_xscale("function", functions=(_root, _square))
        axes[0].axvline(chance, color=paint("soft"), lw=1, ls=":", label="chance")
        if margin is not None:
            axes[0].axvline(margin, color=paint("wrong"), lw=0.9, ls="--", label="margin")
        for k, (target, _, row) in enumerate(found):
            colour = paint(target.split(",")[0])
            if row.tpr_1 is None:
                axes[0].text(free, k, row.tpr_1_note or "not resolvable", va="center", color=paint("soft"), fontsize=8)
                continue
            value, low, high = row.tpr_1
            axes[0].plot([low, high], [k, k], color=colour, lw=2, solid_capstyle="round")
            axes[0].plot(value, k, MARKERS.get(target, "o"), color=colour, ms=5)
        axes[0].set_yticks(range(len(found)), [f"{short(target, 26)}: {kind}" for target, kind, _ in found])
        axes[0].tick_params(axis="y", length=0)
        axes[0].set(ylim=(len(found) - 0.4, -0.6), xlim=(0, 1), xlabel="canaries found at 1 % false alarms")
        axes[0].xaxis.set_major_locator(FixedLocator(ticks))
        axes[0].xaxis.set_minor_locator(NullLocator())
        axes[0].xaxis.set_major_formatter(percent)
        axes[0].grid(True, axis="x")
        axes[0].legend(ncols=2, loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2, handlelength=2.4)

    said = "; ".join(f"{target}, {kind}: {_said(row)}" for target, kind, row in found)
    label = f"Share of canaries found at 1 % false alarms, with intervals; chance is {chance:.0%}. {said}"
    return svg(draw, name="forest", label=label, size=(WIDE, 0.95 + 0.24 * max(len(found), 3)))


def _said(row: AttackRow) -> str:
    return row.tpr_1_note or "not resolvable" if row.tpr_1 is None else "{:.1%}, {:.1%} to {:.1%}".format(*row.tpr_1)


def _root(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(np.maximum(values, 0)))


def _square(values: np.ndarray) -> np.ndarray:
    return np.asarray(np.square(values))
