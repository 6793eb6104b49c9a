"""The verdict of a run's own audit and of its shadow pipelines together: one error for both, and no word that one of them denies."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from benchmarks._null_pipelines import null_audit_of
from upcycle.audit.documents._merged import merge_audits
from upcycle.audit.pipeline_audit import PipelineRow, judge_pipeline
from upcycle.audit.score_audit import AttackScores, audit_scores

WORDS = ("LEAKS", "NO LEAK FOUND", "INCONCLUSIVE", "INVALID")


def verdict(target: str, word: str) -> dict[str, str]:
    return {"target": target, "verdict": word, "line": f"{word} line", "sentence": f"Of {target}: {word}."}


def own(word: str, p: float = 1e-6, tpr_p: float | None = None) -> dict[str, Any]:
    """The JSON of a run's audit with adjusted p-values, those of another target being smaller still."""
    rows = [{"target": name, "p_holm": p / k, "tpr_p_holm": tpr_p} for k, name in ((1, "student"), (1000, "teacher"))]
    return {"verdicts": [verdict("teacher", "LEAKS"), verdict("student", word)], "rows": rows}


def row(target: str = "student", p: float = 0.5, **changes: Any) -> PipelineRow:
    names = PipelineRow.__dataclass_fields__
    found: dict[str, Any] = dict.fromkeys(names) | {
        "target": target,
        "threat_model": "T1",
        "population": "clean",
        "attack": "x",
    }
    found |= {"primary": False, "n_members": 100, "n_non_members": 100, "epsilon_low": 0.0, "epsilon_cap": 4.0, "verdict": ""}
    found |= {"auc": 0.6, "auc_low": 0.4, "auc_high": 0.7, "p_value": p, "p_holm": p}
    return PipelineRow(**{**found, **changes})


def pipelines(
    word: str, *rows: PipelineRow, permutation: tuple[dict[str, Any], ...] = (), confidence: float = 0.95
) -> dict[str, Any]:
    found = {"verdicts": [verdict("student", word)], "plan": {"confidence": confidence}, "permutation": list(permutation)}
    return {**found, "rows": [{name: getattr(r, name) for name in r.__dataclass_fields__} for r in rows or (row(),)]}


SURE = row(p=1e-9)  # a leak at any share


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("other", WORDS)
def test_the_worse_word_leads_with_its_own_sentence_and_both_are_kept(word: str, other: str) -> None:
    merged = merge_audits(own(word), pipelines(other, SURE))
    worst = min((word, other), key=("INVALID", "LEAKS", "INCONCLUSIVE", "NO LEAK FOUND").index)
    assert merged.verdict == worst and merged.line == f"{worst} line"
    assert merged.sentence.startswith(f"Of student: {worst}. Two audits, one verdict")
    assert (merged.run.verdict, merged.pipelines.verdict) == (word, other)


@pytest.mark.parametrize("other", ["NO LEAK FOUND", "INCONCLUSIVE"])
@pytest.mark.parametrize(("p", "tpr_p", "said"), [(0.0124, None, True), (0.0126, None, False), (0.9, 0.0124, True)])
def test_a_leak_that_the_run_shows_alone_needs_a_quarter_of_the_error(p: float, tpr_p: float, said: bool, other: str) -> None:
    merged = merge_audits(own("LEAKS", p, tpr_p), pipelines(other))
    assert merged.verdict == ("LEAKS" if said else "INCONCLUSIVE")
    assert merged.run.at_its_share == merged.verdict
    assert ("own audit alone says LEAKS" in merged.sentence) is not said
    assert said or "Membership shows" not in merged.sentence


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ((row(primary=True, auc_low=0.501),), True),  # the declared endpoint keeps its half, the limits that it has
        ((row(primary=True), row(p=0.0062)), True),  # 2 x 0.0062 < 0.0125
        ((row(primary=True), row(p=0.0064)), False),
        ((row(primary=True, population="canary", tpr_at_1pct_low=0.02),), True),
    ],
)
def test_pipelines_keep_half_of_the_error_for_what_they_declared(rows: tuple[PipelineRow, ...], said: bool) -> None:
    alone = judge_pipeline(rows, (), (), 0.95)
    assert alone[0].verdict == "LEAKS"  # at an error of their own
    merged = merge_audits(own("NO LEAK FOUND"), pipelines("LEAKS", *rows))
    assert merged.verdict == ("LEAKS" if said else "INCONCLUSIVE")


def test_permutation_test_counts_among_the_other_tests() -> None:
    test = {"target": "student", "canaries": 80, "ranked_first": 0.3, "chance": 0.1, "p_value": 0.006}
    rows = (row(primary=True),)
    assert merge_audits(own("INCONCLUSIVE"), pipelines("LEAKS", *rows, permutation=(test,))).verdict == "LEAKS"
    assert merge_audits(own("INCONCLUSIVE"), pipelines("LEAKS", *rows, SURE)).verdict == "LEAKS"
    late = merge_audits(own("INCONCLUSIVE"), pipelines("LEAKS", *rows, row(), permutation=(test,)))
    assert late.verdict == "INCONCLUSIVE" and "shadow pipelines alone says LEAKS" in late.sentence


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_shares_add_up_to_the_error_of_the_plan_and_are_said(confidence: float) -> None:
    merged = merge_audits(own("INCONCLUSIVE"), pipelines("INCONCLUSIVE", confidence=confidence))
    assert sum(merged.shares.values()) == pytest.approx(merged.error) == pytest.approx(1 - confidence)
    assert f"wrongly in at most {100 * (1 - confidence):.0f} % of cases" in merged.sentence


def test_a_student_that_gives_nothing_away_is_called_leaking_by_both_audits_together_as_often_as_by_one() -> None:
    """Uniform p-values, independent audits: the worst case that Bonferroni still bounds. The worse word errs twice as often."""
    rng, worse, merged, count = np.random.default_rng(3), 0, 0, 3000
    for _ in range(count):
        p = rng.random(6)
        rows = [row(primary=True, auc_low=0.51 if rng.random() < 0.025 else 0.4), *(row(p=x) for x in p[1:])]
        run = own("LEAKS" if p[0] < 0.05 else "INCONCLUSIVE", p[0])
        shadows = pipelines(judge_pipeline(rows, (), (), 0.95)[0].verdict, *rows)
        worse += "LEAKS" in (run["verdicts"][1]["verdict"], shadows["verdicts"][0]["verdict"])
        merged += merge_audits(run, shadows).verdict == "LEAKS"
    spread = np.sqrt(0.05 * 0.95 / count)
    assert worse / count > 0.05 + 5 * spread
    assert 0.05 - 4 * spread < merged / count < 0.05 + 3 * spread


def test_json_of_two_real_audits_merges_and_holds_no_number_of_a_single_record() -> None:
    rng = np.random.default_rng(0)
    members = np.arange(400) % 2 == 0
    run = audit_scores({"student": AttackScores({"loss threshold": rng.normal(size=400) + 2 * members}, members, None)})
    shadows = null_audit_of(8, 120, 3)
    merged = merge_audits(run.to_json(), json.loads(json.dumps(shadows.to_json())))
    assert (merged.run.verdict, merged.verdict) == ("LEAKS", "LEAKS") and merged.pipelines.verdict == shadows.verdict
    assert json.loads(json.dumps(merged.to_json()))["run"]["at_its_share"] == "LEAKS"
