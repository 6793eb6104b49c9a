"""The table of a study: a row for each run, a line for each data set, and the mean gap."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

Row = dict[str, Any]
_HEADS: Final = (
    *("data set", "seeds", "baseline", "plain CAS", "student (KR CAS)", "gap, points", "balanced acc. b / s", "AUROC b / s"),
    *("macro F1 b / s", "ECE b / s", "attack AUC b / s", "AOP b / s", "minutes"),
)


@dataclass(frozen=True)
class GapSummary:
    """Mean gap of one data set, or of all, in points, with a 95 % interval over seeds and test images."""

    name: str
    runs: int
    gap: float
    low: float
    high: float
    error: float


def table(rows: Sequence[Row], summaries: Sequence[GapSummary]) -> list[str]:
    """Markdown lines: a row per data set (means over its seeds), then the mean of the sets."""
    worse = any(row.get("robustness") for row in rows)
    heads = [*_HEADS[:-1], "worse images b / s", _HEADS[-1]] if worse else _HEADS
    lines = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 1)]
    for summary in summaries[:-1]:
        lines.append(_line([row for row in rows if row["dataset"] == summary.name], summary, worse))
    last = summaries[-1]
    return [*lines, f"| **{last.name}** | {last.runs} | | | | {_gap(last)} |" + " |" * (len(heads) - 6)]


def settings_line(rows: Sequence[Row]) -> str:
    """What the runs of a table changed of their preset, setting by setting, and what a limit left of it; "" where nothing."""
    having: dict[str, list[Row]] = {}
    for row in rows:
        for name, value in row.get("settings", {}).items():
            having.setdefault(f"{name}={value}", []).append(row)
    told = "; ".join(f"{setting} ({_runs(some, rows)})" for setting, some in having.items())
    shares = [(f"{row['dataset']} {row['seed']}", row.get("recipe_share", 1)) for row in rows]
    scaled = ", ".join(f"{name} {share:.0%}" for name, share in shares if share != 1)
    lines = [f"Beyond the preset: {told}."] if told else []
    return " ".join([*lines, f"The time limit allowed this share of the recipe: {scaled}."] if scaled else lines)


def _runs(some: Sequence[Row], rows: Sequence[Row]) -> str:
    """Names of `some` of the `rows`: "all", or data sets, with seeds where it is not all of a set."""
    if len(some) == len(rows):
        return "all"
    names = dict.fromkeys(row["dataset"] for row in some)
    seeds = {name: [[r["seed"] for r in group if r["dataset"] == name] for group in (some, rows)] for name in names}
    return ", ".join(name if mine == every else f"{name} {'+'.join(map(str, mine))}" for name, (mine, every) in seeds.items())


def _line(rows: Sequence[Row], summary: GapSummary, worse: bool) -> str:
    cells = [
        summary.name,
        str(len(rows)),
        *(_mean([row[key] for row in rows]) for key in ("baseline_accuracy", "plain_cas", "student_accuracy")),
        _gap(summary),
        *(_both(rows, key) for key in ("balanced_accuracy", "auroc", "macro_f1", "calibration_error")),
        " / ".join(_leak([row["attack_auc"][name] for row in rows]) for name in ("baseline", "student")),
        " / ".join(_mean([row["aop"].get(name) for row in rows]) for name in ("baseline", "student")),
        *([" / ".join(_mean([_worse(row, name) for row in rows]) for name in ("baseline", "student"))] if worse else []),
        f"{statistics.fmean(row['minutes'] for row in rows):.1f}",
    ]
    return f"| {' | '.join(cells)} |"


def _worse(row: Row, name: str) -> float | None:
    """Mean accuracy over kinds and strengths of corruption; None where it was not measured."""
    kinds = row.get("robustness") or {}
    return statistics.fmean(value for values in kinds[name].values() for value in values) if name in kinds else None


def _both(rows: Sequence[Row], key: str) -> str:
    return " / ".join(_mean([row["figures"][name][key] for row in rows]) for name in ("baseline", "student"))


def _mean(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{statistics.fmean(known):.3f}" if known else "-"


def _leak(aucs: Sequence[Sequence[float]]) -> str:
    """Mean AUC of the runs with half the width of its 95 % interval: every run flipped its own coins."""
    reach = float(np.sqrt(sum(((high - low) / 2) ** 2 for _, low, high in aucs))) / len(aucs)
    return f"{statistics.fmean(auc for auc, _, _ in aucs):.3f} ± {reach:.3f}"


def _gap(summary: GapSummary) -> str:
    return f"{summary.gap:+.2f} [{summary.low:+.2f}, {summary.high:+.2f}]"
