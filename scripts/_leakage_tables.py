"""Tables about the audits themselves: what canaries cost, and how often bounds and verdicts are wrong if nothing leaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


def canary_costs(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line per data set and classifier; empty if no pipeline ran without canaries."""
    found = [row for row in rows if row["kind"] == "canary cost"]
    lines = ["| data | budget | classifier | with canaries | without | scatter |", "| --- |" + " --- |" * 5]
    for row in found:
        cells = " | ".join(_percent(row[key]) for key in ("with_canaries", "without_canaries", "spread"))
        budget = f"{row['budget']} {row.get('overrides') or ''}".strip()
        lines.append(f"| {row['dataset']} | {budget} | {row['classifier']} | {cells} |")
    return "\n".join(lines) if found else ""


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f} %"


def false_alarms(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line per statistic, a column per number of members and of non-members."""
    sizes = sorted({row["n"] for row in rows})
    found = {(row["statistic"], row["n"]): row for row in rows}
    heads = " | ".join(f"n = {n:,}" for n in sizes)
    lines = [f"| statistic | declared | {heads} |", "| --- |" + " --- |" * (1 + len(sizes))]
    for name, declared in {row["statistic"]: row["declared"] for row in rows}.items():
        cells = " | ".join(_share(found.get((name, n))) for n in sizes)
        lines.append(f"| {name} | {100 * declared:.3g} % | {cells} |")
    return "\n".join(lines)


def _share(row: Mapping[str, Any] | None) -> str:
    return "-" if row is None else f"{100 * row['share']:.1f} % of {row['audits']:,}"
