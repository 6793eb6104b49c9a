"""Audits of one pipeline: every attack that needs no shadows, and the one-run bound, against what must come out."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from tests.audit.pipelines.test_canaries import pool
from tests.audit.toy_pipelines import Memory
from upcycle.audit.attacks import ESTIMATORS, LEARNED, LOSS, Answered
from upcycle.audit.pipeline_audit._attacked import audited_records
from upcycle.audit.pipeline_audit._audit import audit
from upcycle.audit.pipeline_audit._result import PipelineAudit
from upcycle.audit.pipelines import AuditPlan, CanaryCounts, make_design, plan_for
from upcycle.audit.statistics import Scores, null_deviation, one_run_bound, one_run_gaussian

CLASSES, SURE = 4, 4.0
NAMES = tuple(attack.name for attack in LEARNED)
ATTACKS = ("gap", *NAMES, "quantile regression")


@pytest.fixture(scope="module")
def leaking() -> PipelineAudit:
    return audit(Memory(SURE, CLASSES), pool(600), plan_for("quick", n_jobs=1, seed=2, synthetic=40))


@pytest.fixture(scope="module")
def quiet() -> PipelineAudit:
    return audit(Memory(0.0, CLASSES), pool(600), plan_for("quick", n_jobs=1, seed=2, synthetic=40))


def cheap(**changes: object) -> AuditPlan:
    """A plan of one pipeline without the attacks that take their time."""
    return plan_for("quick", attacks=(LOSS.name,), n_jobs=1, views=1, synthetic=40, **changes)


def gap_auc() -> float:
    """1/2 + (share of members judged rightly - that of non-members) / 2: standard normal logits, the member's own plus SURE."""
    right = quad(lambda x: norm.pdf(x - SURE) * norm.cdf(x) ** (CLASSES - 1), -9, 14)[0]
    return 0.5 + (right - 1 / CLASSES) / 2


def test_plans_name_the_toolkits_learned_attacks() -> None:
    planned = {budget: {attack.name for attack in plan_for(budget).planned()} for budget in ("smoke", "quick", "standard")}
    assert tuple(ESTIMATORS) == NAMES
    assert set(ATTACKS) <= planned["smoke"] & planned["quick"]
    assert not set(ATTACKS) & planned["standard"]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_model_that_knows_its_members_by_heart_is_seen_by_every_attack(leaking: PipelineAudit, attack: str) -> None:
    """Whether the label comes first is among the features, so no attack may do worse than the gap; and none can beat the
    likelihood ratio of two normal laws SURE apart."""
    for target in ("student", "teacher"):
        (row,) = leaking.select(target=target, population="clean", attack=attack)
        noise = 4 * null_deviation(row.n_members, row.n_non_members)
        assert row.auc.value > gap_auc() - noise
        assert target == "teacher" or row.auc.value < norm.cdf(SURE / math.sqrt(2)) + noise / 4
        assert row.p_holm < 1e-6
    (gap,) = leaking.select(target="student", population="clean", attack="gap")
    assert gap.auc.value == pytest.approx(gap_auc(), abs=4 * 0.43 / math.sqrt(gap.n_non_members) / 2)
    assert gap.threat_model == "T0"


def test_without_canaries_a_verdict_rests_on_the_auc_of_clean_records() -> None:
    found = audit(Memory(0.0, CLASSES), pool(), cheap(canaries=CanaryCounts(), seed=1))
    assert str(found.endpoint) == "AUC of the loss threshold attack on clean records"
    assert [row.population for row in found.select(target="student", primary=True)] == ["clean"]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_model_that_knows_nothing_is_seen_by_none(quiet: PipelineAudit, attack: str) -> None:
    (row,) = quiet.select(target="student", population="clean", attack=attack)
    assert abs(row.auc.value - 0.5) < 4 * null_deviation(row.n_members, row.n_non_members)
    assert row.p_holm > 0.05
    assert quiet.verdict == "INCONCLUSIVE"


def test_only_judged_records_are_counted(leaking: PipelineAudit) -> None:
    members, clean = leaking.arrays["members"][0], leaking.arrays["kind"] == ""
    for attack in (*NAMES, "quantile regression"):
        judged = ~np.isnan(leaking.arrays[f"student/T1/{attack}"][0])
        (row,) = leaking.select(target="student", population="clean", attack=attack)
        assert row.n_members == (judged & clean & members).sum()
        assert row.n_non_members == (judged & clean & ~members).sum()
        assert not judged.all()
    assert judged[members].all()  # quantile regression gives up known non-members alone


def test_no_patient_is_on_both_sides_of_a_fold_or_half_known() -> None:
    groups = np.random.default_rng(0).integers(0, 150, 600)
    design = make_design(pool(600, groups=groups), plan_for("quick", seed=4))
    alone = audited_records(design, 4)
    for train, held_out in alone.folds:
        assert not np.isin(design.units[train], design.units[held_out]).any()
    assert not alone.known[design.members[0]].any()
    assert not np.isin(design.units[alone.known], design.units[~alone.known]).any()
    outside, known = (len(np.unique(design.units[side])) for side in (~design.members[0], alone.known))
    assert abs(known - outside / 2) < 4 * math.sqrt(outside / 4)


def test_learned_scores_of_a_fold_do_not_depend_on_its_own_membership() -> None:
    """Rules are fixed before a fold is judged: with the first four of five folds as they are, what the last one's coins say
    changes no score."""
    plan = plan_for("quick", seed=1)
    alone = audited_records(make_design(pool(200), plan), plan.seed)
    logits = np.random.default_rng(0).normal(size=(1, 200, 1, CLASSES)).astype(np.float32)
    last = alone.folds[-1][1]
    turned = alone.members.copy()
    turned[0, last] = ~turned[0, last]
    other = replace(alone, members=turned)
    other.__dict__["folds"] = alone.folds  # a cached property
    for attack in LEARNED:
        a, b = (attack.score(Answered(logits, audited)) for audited in (alone, other))
        np.testing.assert_array_equal(a[0, last], b[0, last])


def test_too_few_records_leave_attacks_out_instead_of_failing() -> None:
    few = audit(Memory(SURE, CLASSES), pool(60), plan_for("smoke", n_jobs=1, seed=1, synthetic=20))
    attacks = {row.attack for row in few.rows}
    assert "gap" in attacks
    assert not attacks & {*NAMES, "quantile regression"}
    assert (~few.arrays["members"][0]).sum() < 50


def test_several_pipelines_leave_the_attacks_on_one_alone() -> None:
    found = audit(Memory(SURE, CLASSES), pool(), plan_for("quick", pipelines=4, n_jobs=1, views=1, synthetic=40))
    assert not {row.attack for row in found.rows} & set(ATTACKS)
    assert found.one_run == ()
    assert not {card.name for card in found.cards} & {*ATTACKS, "one run"}


def test_every_attack_of_a_row_has_its_card(leaking: PipelineAudit) -> None:
    assert {*ATTACKS, "one run"} <= {card.name for card in leaking.cards}


def test_the_one_run_bound_is_that_of_a_direct_call(leaking: PipelineAudit, quiet: PipelineAudit) -> None:
    for found, target in ((leaking, "student"), (leaking, "teacher"), (quiet, "student")):
        (bound,) = [b for b in found.one_run if b.target == target]
        used = np.isin(found.arrays["kind"], ("mislabelled", "patch"))  # copies of a record say nothing about one of it
        threat = {"student": "T1", "teacher": "T5"}[target]
        scores, members = found.arrays[f"{target}/{threat}/loss threshold"][0][used], found.arrays["members"][0][used]
        direct = one_run_bound(Scores(scores, members), guesses=round(used.sum() / 4))
        assert (bound.canaries, bound.guesses) == (used.sum(), round(used.sum() / 4))
        assert (bound.epsilon_low, bound.epsilon_cap) == (direct.low, direct.cap)
        assert bound.mu == one_run_gaussian(Scores(scores, members), guesses=bound.guesses).mu
    assert bound.epsilon_low == bound.mu == 0
    assert leaking.one_run[0].epsilon_low > 1


def test_patients_share_a_coin_in_the_one_run_bound() -> None:
    groups = np.arange(600) // 3
    found = audit(Memory(SURE, CLASSES), pool(600, groups=groups), cheap(seed=2))
    used = np.isin(found.arrays["kind"], ("mislabelled", "patch"))
    assert found.one_run[0].canaries == len(np.unique(found.arrays["units"][used]))


def test_without_canaries_there_is_no_one_run_bound() -> None:
    for counts in (CanaryCounts(), CanaryCounts(20)):
        assert audit(Memory(SURE, CLASSES), pool(), cheap(canaries=counts)).one_run == ()


def test_what_may_leave_is_numbers_about_attacks_and_nothing_per_record(leaking: PipelineAudit) -> None:
    public = leaking.to_json(public=True)
    assert "seed" not in public["plan"]
    assert set(public["one_run"][0]) == {"target", "attack", "canaries", "guesses", "epsilon_low", "epsilon_cap", "mu"}
    assert set(public["sets"][0]) == {"target", "size", "share", "low", "high"}
    for name in ("one_run", "sets", "rows", "verdicts", "controls", "permutation"):
        for entry in public[name]:
            assert all(value is None or isinstance(value, str | int | float) for value in entry.values())
