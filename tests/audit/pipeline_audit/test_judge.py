"""From rows and label tests of a pipeline audit to a word: what counts, how much of the error it gets, and what must be seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from upcycle.audit.pipeline_audit._judge import judge_pipeline
from upcycle.audit.pipeline_audit._label_test import LabelTest
from upcycle.audit.pipeline_audit._result import AUC_MARGIN, TPR_MARGIN, PipelineRow
from upcycle.audit.pipeline_audit._rows import adjusted
from upcycle.audit.pipelines import NEIGHBOURS, PROBE
from upcycle.audit.statistics import Rate, pool, pooled_tpr

NOTHING = PipelineRow(
    target="student",
    threat_model="T1",
    population="clean",
    attack="loss threshold",
    primary=False,
    n_members=500,
    n_non_members=500,
    auc=0.5,
    auc_low=0.48,
    auc_high=0.52,
    tpr_at_1pct=0.01,
    tpr_at_1pct_low=0.005,
    tpr_at_1pct_high=0.02,
    tpr_at_1pct_note=None,
    tpr_at_01pct=None,
    tpr_at_01pct_low=None,
    tpr_at_01pct_high=None,
    tpr_at_01pct_note="needs 3000 non-members",
    p_value=0.5,
    p_holm=1.0,
    tpr_p_value=None,
    tpr_p_holm=None,
    epsilon_low=0.0,
    epsilon_cap=4.0,
    verdict="",
    epsilon_of="one record",
)
SET = replace(NOTHING, target="synthetic set", threat_model="T2", attack="nearest synthetic image")


def of_set(p: float, answers: str = PROBE) -> LabelTest:
    return LabelTest("synthetic set", answers, 60, 0.9, 0.25, p)


def word(rows: list[PipelineRow], tests: list[LabelTest]) -> str:
    return judge_pipeline(rows, tests, (), 0.95)[0].verdict


def test_wrong_labels_that_only_a_probe_of_the_released_pairs_finds_make_the_synthetic_set_leak() -> None:
    (verdict,) = judge_pipeline([SET], [of_set(1e-9)], (), 0.95)
    assert verdict.verdict == "LEAKS"
    assert f"in the answers of the {PROBE}" in verdict.sentence
    assert word([SET], [replace(of_set(1e-9), target="student")]) == "INCONCLUSIVE", "another part's test is no evidence"


def test_every_label_test_of_a_part_costs_its_share_of_the_error() -> None:
    """0.025 in all: 0.012 is below the half and above the third of it."""
    assert word([SET], [of_set(0.012)]) == "LEAKS"
    assert word([SET], [of_set(0.012), of_set(0.9, "another probe")]) == "INCONCLUSIVE"
    assert word([SET], [of_set(0.9, "another probe"), of_set(0.008)]) == "LEAKS", "also where it is not the first"
    row = replace(SET, p_value=0.012)
    assert [r.p_holm for r in adjusted([row], [])] == [0.012]
    assert [r.p_holm for r in adjusted([row], [of_set(0.9)])] == [0.024]
    assert [r.p_holm for r in adjusted([row], [of_set(0.001)])] == [0.012], "what a smaller p took is passed on"
    assert [r.p_holm for r in adjusted([row], [replace(of_set(0.9), target="student")])] == [0.012]


@pytest.mark.parametrize("p", [0.0, 1e-30])
def test_what_is_quoted_for_a_leak_is_what_is_least_likely_by_luck(p: float) -> None:
    """Adjusted p-values of all three are equal where one is very small, so they cannot tell them apart."""
    weak = replace(SET, p_value=0.004, p_holm=0.0, auc=0.61)
    strong = replace(weak, p_value=p, attack="density of the synthetic set", auc=0.97)
    for rows in ([weak, strong], [strong, weak]):
        (verdict,) = judge_pipeline(rows, [of_set(0.003)], (), 0.95)
        assert "density of the synthetic set on clean" in verdict.sentence and "0.970" in verdict.sentence
    (verdict,) = judge_pipeline([weak], [of_set(0.003, NEIGHBOURS), of_set(p)], (), 0.95)
    assert f"in the answers of the {PROBE}" in verdict.sentence, "a test stands before a row that says less"


def primaries(population: str, teacher: float) -> list[PipelineRow]:
    """A student of whom nothing is found, and a teacher whose lower limit is `teacher`."""
    student = replace(NOTHING, primary=True, population=population, auc_low=0.49, auc_high=0.53)
    limit = {"auc_low" if population == "clean" else "tpr_at_1pct_low": teacher}
    return [student, replace(student, target="teacher", threat_model="T5", auc=0.7, auc_high=0.8, **limit)]  # type: ignore[arg-type]


@pytest.mark.parametrize(("population", "margin"), [("clean", AUC_MARGIN), ("canary", TPR_MARGIN)])
def test_no_leak_is_said_only_beside_a_teacher_who_was_seen_above_the_same_margin(population: str, margin: float) -> None:
    assert word(primaries(population, margin + 0.01), []) == "NO LEAK FOUND"
    assert word(primaries(population, margin - 0.01), []) == "INCONCLUSIVE"  # above chance, and no proof of power


def test_sixty_canaries_can_clear_a_student_at_this_margin_and_seldom_could_at_three_percent() -> None:
    """What docs/concepts.md says of the standard budget: 32 pipelines, a student that knows nothing."""
    rng, highs = np.random.default_rng(1), []
    for _ in range(100):
        halves = rng.random((16, 60)) < 0.5
        members = np.stack([half ^ flip for half in halves for flip in (False, True)])
        pooled = pool(rng.normal(size=(32, 60)), members, np.arange(60), np.arange(32) // 2, np.ones(60, bool))
        found = pooled_tpr(pooled, 0.01)
        assert isinstance(found, Rate)
        highs.append(found.high)
    assert np.mean(np.array(highs) < TPR_MARGIN) > 0.85
    assert np.mean(np.array(highs) < 0.03) < 0.5
