"""Several runs on one page: utility against leakage, and one table."""

from collections.abc import Mapping, Sequence
from typing import Any

from upcycle._arguments import typed
from upcycle.report._audit_json import limits, number
from upcycle.report._leak_figures import gaps, utility_against_leakage
from upcycle.report._page import page, safe
from upcycle.report._summary import verdict

_KNOWN = (
    *("name", "dataset", "preset", "seed", "verdict", "student_accuracy", "baseline_accuracy", "gap_points"),
    *("student_auc", "teacher_auc", "minutes", "kwh"),
)


@typed()
def render_comparison(
    rows: Sequence[Mapping[str, Any]], *, title: str = "", level: str = "95 %", notes: Sequence[str] = ()
) -> str:
    """HTML text of one page that compares runs: offline, without a script, figures as SVG.

    A row is one run. Keys that are known, all optional: `name`, `dataset`, `preset`, `seed`, `verdict` (text);
    `student_accuracy`, `baseline_accuracy` (fractions), `gap_points`, `student_auc`, `teacher_auc` (AUC of the primary attack),
    each (value, low, high); `minutes`, `kwh`. Further keys become columns of a folded table. Intervals are of the confidence
    `level`; `notes` say what must not be compared. The page shows what it is given: names are not made anonymous.
    """
    runs = [_compared(mark, row) for mark, row in enumerate(rows, 1)]
    others = list(dict.fromkeys(key for run in runs for key in run["others"]))
    points = [(str(run["mark"]), run["leak"], run["student"]) for run in runs if run["leak"] and run["student"]]
    datasets = {str(row["dataset"]) for row in rows if row.get("dataset") is not None}
    return page(
        "compare.html.j2",
        title=title or f"{len(runs)} runs compared",
        notes=tuple(notes),
        runs=runs,
        others=others,
        level=level,
        one_dataset=len(datasets) < 2,
        picture=safe(utility_against_leakage(points)),
        gaps=safe(gaps([(run["name"], run["gap"]) for run in runs if run["gap"]])),
    )


def _compared(mark: int, row: Mapping[str, Any]) -> dict[str, Any]:
    """One run as the page shows it; what its row did not say is None or empty. `others` are the row's further facts."""
    word = "" if row.get("verdict") is None else str(row["verdict"])
    parts = [str(row[key]) for key in ("dataset", "preset") if row.get(key) is not None]
    about = ", ".join([*parts, *([f"seed {row['seed']}"] if row.get("seed") is not None else [])])
    intervals = {"student": "student_accuracy", "baseline": "baseline_accuracy", "gap": "gap_points"}
    intervals |= {"leak": "student_auc", "teacher": "teacher_auc"}
    return {
        "mark": mark,
        "name": str(row.get("name", f"run {mark}")),
        "about": about,
        "verdict": word or "NOT AUDITED",
        "kind": verdict({"verdict": word} if word else None).kind,
        **{name: limits(row.get(key)) for name, key in intervals.items()},
        **{name: number(row.get(name)) for name in ("minutes", "kwh")},
        "others": {str(key): str(value) for key, value in row.items() if key not in _KNOWN},
    }
