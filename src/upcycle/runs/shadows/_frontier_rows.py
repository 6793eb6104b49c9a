"""What a frontier found, as rows and as a page: accuracy and audited leakage of every recipe, with limits."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np

from upcycle.audit import PipelineAudit
from upcycle.audit.attacks import EXCESS, RATIO, RMIA
from upcycle.audit.pipeline_audit import row_about
from upcycle.audit.pipelines import Shadows
from upcycle.dp import Ledger
from upcycle.report import render_comparison
from upcycle.runs.shadows._designs import LEFT_OUT, SECONDS

ATTACKS: Final = (EXCESS.name, RATIO.name, RMIA.name)  # the first has one threshold for all records: it tells rates
_PENALTY: Final = 2.0  # lambda of accuracy over privacy (Lomurno & Matteucci 2025)
_TPR: Final = ("tpr_at_1pct", "tpr_at_1pct_low", "tpr_at_1pct_high")
_LEAST: Final = 20  # records that a screen left out, below which nothing is said of them
_NAMES: Final = {"student": "plain", "teacher": "teacher, plain"}  # the audit's names -> those of the rows


def rows_of(found: PipelineAudit, shadows: Shadows) -> Iterator[dict[str, Any]]:
    """A row per model, kind of record and attack; fields as in benchmarks/results/frontier.json. Differences in accuracy are
    to the plain recipe on the same members."""
    document = found.to_json()
    for row in [*document["rows"], *_of_those_left_out(found, shadows)]:
        target = row["target"]
        if target in shadows.logits:  # not a released set or a generator, of which there is none here
            planted = row["population"].startswith("canary")
            yield {
                "model": _NAMES.get(target, target),
                "kind": _kind(row["population"]),
                "attack": row["attack"],
                "pipelines": len(shadows.facts),
                "member_observations": row["n_members"],
                **accuracies(shadows, target),
                "minutes": _minutes(shadows, target),
                "auc": row["auc"],
                "auc_low": row["auc_low"],
                "auc_high": row["auc_high"],
                **({f"canary_{name}": row[name] for name in _TPR} if planted else {}),
                "aop": accuracies(shadows, target)["student_accuracy"] / max(2 * row["auc"], 1.0) ** _PENALTY,
                "epsilon_lower": row["epsilon_low"],
                "epsilon_upper": _epsilon(shadows, target),
            }


def _kind(population: str) -> str:
    kind = population.removeprefix("canary, ")
    return "mislabelled" if kind == "canary" else kind


def _of_those_left_out(found: PipelineAudit, shadows: Shadows) -> Iterator[dict[str, Any]]:
    """Rows about the records that a recipe's screen left out of at least half of the pipelines that were given them: nothing
    that was trained may tell whether they were given."""
    for name, gone in shadows.scores.items():
        target = name.removeprefix(f"{LEFT_OUT} of ")
        chosen = mostly_left_out(gone, shadows.design.members) if target != name else np.zeros(0, bool)
        for attack in ATTACKS if chosen.sum() >= _LEAST else ():
            row = row_about(found, shadows.design, target, attack, chosen, "left out by the screen")
            if row is not None:  # some attacks take more pipelines than there are
                yield row


def mostly_left_out(gone: np.ndarray, members: np.ndarray) -> np.ndarray:
    """bool (records,): those that at least half of the pipelines that were given them left out. `gone` float and `members` bool
    (pipelines, records); pipelines whose `gone` is NaN do not count."""
    known = members & np.isfinite(gone)
    return np.asarray(known.any(0) & (2 * np.where(known, gone, 0).sum(0) >= known.sum(0)))


def accuracies(shadows: Shadows, target: str) -> dict[str, float]:
    """Mean accuracy on records that a pipeline was not given and the mean difference to the plain recipe, each with 95 % limits
    by Student's t over the complementary pairs, which alone are independent."""
    own, plain = (_by_pair(shadows, name) for name in (target, "student"))
    low, high = _limits(own)
    below, above = _limits(own - plain)
    return {
        "student_accuracy": float(own.mean()),
        "student_accuracy_low": low,
        "student_accuracy_high": high,
        "to_plain": float((own - plain).mean()),
        "to_plain_low": below,
        "to_plain_high": above,
    }


def _by_pair(shadows: Shadows, name: str) -> np.ndarray:
    return np.asarray(np.reshape([facts.accuracy[name] for facts in shadows.facts], (-1, 2)).mean(1))


def _limits(values: np.ndarray) -> tuple[float, float]:
    from scipy.stats import t

    half = float(t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))) if values.std() else 0.0
    return float(values.mean()) - half, float(values.mean()) + half


def _minutes(shadows: Shadows, target: str) -> float | None:
    found = [facts.reported.get(f"{SECONDS} of {target}") for facts in shadows.facts]
    known = [seconds for seconds in found if seconds is not None]
    return round(float(np.mean(known)) / 60, 3) if known else None


def _epsilon(shadows: Shadows, target: str) -> float | None:
    found = [facts.private[target][1] for facts in shadows.facts if target in facts.private]
    return float(np.mean(found)) if found else None


def page_of(rows: Sequence[Mapping[str, Any]], name: str, privacy: Mapping[str, Ledger]) -> str:
    """HTML text: one figure, accuracy against the AUC of the planted kind that is easiest to find, and one table. `privacy` of
    releases, by model."""
    models = list(dict.fromkeys(row["model"] for row in rows))
    proven = {model: {"proven of a release": privacy[model].said()} if model in privacy else {} for model in models}
    shown = [{**_summary([row for row in rows if row["model"] == model]), **proven[model]} for model in models]
    note = (
        f"The AUC is that of the kind of planted record that is easiest to find, by the {RATIO.name}; columns give the AUC of "
        f"every kind with its limits, by the worst of {len(ATTACKS)} attacks, and the rate at which a kind is found at one "
        f"false alarm in a hundred, by the {EXCESS.name}."
    )
    return render_comparison(shown, title=f"Accuracy against leakage: {name}", notes=[note])


def _summary(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One model as a row of the page."""
    planted = [row for row in rows if "canary_tpr_at_1pct" in row and row["attack"] == RATIO.name]
    worst = max(planted or rows, key=lambda row: row["auc"])
    right = tuple(worst[f"student_accuracy{limit}"] for limit in ("", "_low", "_high"))
    kinds = {}
    for kind in dict.fromkeys(row["kind"] for row in rows):
        row = max((row for row in rows if row["kind"] == kind), key=lambda row: row["auc_high"])
        kinds[f"AUC, {kind}"] = f"{row['auc']:.3f} [{row['auc_low']:.3f}, {row['auc_high']:.3f}]"
    for row in rows:
        if row["attack"] == EXCESS.name and row.get(f"canary_{_TPR[0]}") is not None:
            value, low, high = (row[f"canary_{name}"] for name in _TPR)
            kinds[f"found at 1 %, {row['kind']}"] = f"{value:.3f} [{low:.3f}, {high:.3f}]"
    return {
        "name": worst["model"],
        "student_accuracy": right,
        "student_auc": (worst["auc"], worst["auc_low"], worst["auc_high"]),
        **({} if worst["minutes"] is None else {"minutes": worst["minutes"]}),
        **kinds,
    }
