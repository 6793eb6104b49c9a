"""Tables of what recipes buy, of a run's evidence next to its forecast, of what small networks change in it, and of growth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

_PLANTED = ("mislabelled", "patch", "repeated", "odd", "near pair")
_KINDS = (*_PLANTED, "outlier", "next layer", "clean", "left out by the screen")


def frontier(rows: Sequence[Row]) -> str:
    """A line per data set, recipe and number of pipelines: accuracy, minutes, and the strongest attack on every kind."""
    lines = _head("data", "recipe", "pipelines", "accuracy", "to plain", "minutes", *_KINDS)
    for (data, model, pipelines, _), found in _grouped(rows, "dataset", "model", "pipelines", "overrides").items():
        one = found[0]
        to_plain = "-" if one.get("to_plain") is None else f"{100 * one['to_plain']:+.1f}"
        minutes = "-" if one.get("minutes") is None else f"{one['minutes']:.1f}"
        kinds = [_strongest([row for row in found if row["kind"] == kind]) for kind in _KINDS]
        lines.append(_line(data, model, pipelines, f"{one['student_accuracy']:.3f}", to_plain, minutes, *kinds))
    return "\n".join(lines)


def _strongest(rows: Sequence[Row]) -> str:
    """Of all attacks on one kind: the highest AUC, and the highest rate at 1 % with its upper limit where it was estimated."""
    if not rows:
        return "-"
    auc = max(row["auc"] for row in rows)
    rates = [row for row in rows if row.get("canary_tpr_at_1pct") is not None]
    if not rates:
        return f"{auc:.2f}"
    top = max(rates, key=lambda row: row["canary_tpr_at_1pct_high"])
    return f"{auc:.2f}; {100 * top['canary_tpr_at_1pct']:.0f} % (<= {100 * top['canary_tpr_at_1pct_high']:.0f} %)"


def evidence(rows: Sequence[Row]) -> str:
    """A line per set: what the plan expected, what came, and the minutes announced and taken."""
    lines = _head(
        *(
            "data",
            "minutes asked for",
            "pipelines",
            "NO LEAK FOUND, by the forecast",
            "verdict",
        ),
        *("planted labels answered: student", "positive control", "training: announced, taken", "evidence: announced, taken"),
        "all and measuring, taken / announced",
    )
    for row in rows:
        answered = row.get("planted_labels_answered", {})
        lines.append(
            _line(
                *(row["dataset"], f"{row['minutes']:g}", row["pipelines"], _reach(row), row["verdict"]),
                *(_answered(answered.get(target)) for target in ("student", "positive control")),
                *(f"{row[f'{part}_announced']:.1f}, {row[f'{part}_taken']:.1f}" for part in ("training", "evidence")),
                f"{row['whole_ratio']:.2f}",
            )
        )
    return "\n".join(lines)


def _reach(row: Row) -> str:
    """Of every forecast: of the run's own audit, of one shadow pipeline and of many."""
    return "; ".join(f"{each['audit']}: {each['no_leak_found']}" for each in row["forecast"])


def _answered(shares: Mapping[str, float] | None) -> str:
    """By models that were given those labels, and by those that were not."""
    return "-" if shares is None else f"{100 * shares['given']:.0f} %, {100 * shares['not_given']:.0f} %"


def fidelity(rows: Sequence[Row]) -> str:
    """A line per set, target, kind of record and attack; the small networks' figures next to the run's own."""
    lines = _head(
        *("data", "target", "records", "attack", "small: AUC", "own: AUC", "small: TPR at 1 %", "own: TPR at 1 %"),
        *("small: verdict", "own: verdict", "small: accuracy", "own: accuracy"),
    )
    keys = ("dataset", "minutes", "pipelines", "target", "population", "attack")
    for key, found in _grouped(rows, *keys).items():
        pair = {row["networks"]: row for row in found}
        if set(pair) == {"small", "own"}:
            both = [pair["small"], pair["own"]]
            cells = [[_limits(row, "auc") for row in both], [_limits(row, "tpr_at_1pct") for row in both]]
            cells += [[row["verdict"] for row in both], [f"{row['accuracy']:.3f}" for row in both]]
            lines.append(_line(key[0], *key[3:], *(cell for two in cells for cell in two)))
    return "\n".join(lines)


def _limits(row: Row, name: str) -> str:
    if row.get(name) is None:
        return "-"
    return f"{row[name]:.2f} [{row[f'{name}_low']:.2f}, {row[f'{name}_high']:.2f}]"


_AXES = ("records", "side", "classes", "million")


def growth(rows: Sequence[Row]) -> str:
    """A line per axis and stage: processor seconds and peak memory at the smallest and the largest size, and the exponent."""
    lines = _head("grows with", "stage", "from, to", "seconds", "exponent", "MB at the peak")
    for row in sorted(rows, key=lambda row: _AXES.index(row["axis"])):
        exponent = f"{row['exponent']:.2f} ± {row['scatter']:.2f}" if "exponent" in row else "-"
        ends = (_ends(row["sizes"], ",d"), _ends(row["seconds"], ".2f"), exponent, _ends(row["peak_mb"], ",.0f"))
        lines.append(_line("a million records" if row["axis"] == "million" else row["axis"], row["stage"], *ends))
    return "\n".join(lines)


def _ends(values: Sequence[float], form: str) -> str:
    return ", ".join(format(value, form) for value in dict.fromkeys((values[0], values[-1])))


def _grouped(rows: Iterable[Row], *keys: str) -> dict[tuple[Any, ...], list[Row]]:
    groups: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(row.get(key) for key in keys), []).append(row)
    return groups


def _head(*names: str) -> list[str]:
    return [_line(*names), "| --- |" + " --- |" * (len(names) - 1)]


def _line(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"
