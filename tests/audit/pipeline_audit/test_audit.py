"""The whole pipeline audit: right words for pipelines whose truth is known."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

import upcycle.audit.pipeline_audit._audit as module
from tests.audit.pipelines.test_canaries import pool
from tests.audit.toy_pipelines import Constant, Copier, Memory
from upcycle.audit.pipeline_audit._audit import audit
from upcycle.audit.pipeline_audit._controls import failed
from upcycle.audit.pipeline_audit._result import PipelineAudit
from upcycle.audit.pipelines import NEIGHBOURS, PROBE, CanaryCounts, Parts, from_sklearn, from_torch, plan_for
from upcycle.audit.verdict import Control
from upcycle.data import ImageSet
from upcycle.errors import AuditInputError

PLAN = plan_for("standard", pipelines=24, canaries=CanaryCounts(260, 20, 10), views=1, synthetic=40, n_jobs=1, seed=3)


@pytest.fixture(scope="module")
def leaking() -> PipelineAudit:
    return audit(Memory(4.0, 4), pool(600), PLAN)


@pytest.fixture(scope="module")
def clean() -> PipelineAudit:
    return audit(Memory(0.0, 4), pool(600), PLAN)


def test_a_memorising_student_leaks_on_every_population(leaking: PipelineAudit) -> None:
    assert leaking.verdict == "LEAKS"
    assert leaking.exit_code == 0
    for population in ("clean", "outlier", "canary", "canary, repeated"):
        (row,) = leaking.select(target="student", population=population, attack="shrunk Student-t ratio")
        assert row.auc_low > 0.8
        assert row.verdict == "LEAKS"


def test_a_student_that_knows_nothing_is_clean_beside_a_teacher_that_was_seen(clean: PipelineAudit) -> None:
    words = {v.target: v.verdict for v in clean.verdicts}
    assert words == {"student": "NO LEAK FOUND", "teacher": "LEAKS", "synthetic set": "INCONCLUSIVE"}
    assert "on the teacher" in clean.sentence
    for word in ("private", "immune"):
        assert word not in json.dumps(clean.to_json()).lower()


def test_every_row_carries_the_fields_that_readers_rely_on(leaking: PipelineAudit) -> None:
    rows = leaking.to_json()["rows"]
    assert {row["threat_model"] for row in rows} >= {"T0", "T1", "T1+", "T2", "T3", "T5"}
    for row in rows:
        assert {"target", "threat_model", "population", "attack", "n_members", "auc", "auc_low", "auc_high"} <= row.keys()
        assert {"tpr_at_1pct", "tpr_at_1pct_low", "tpr_at_1pct_high", "verdict", "p_holm"} <= row.keys()
        assert row["auc_low"] <= row["auc"] <= row["auc_high"]
        assert row["p_value"] <= row["p_holm"] <= 1
    assert sum(row["primary"] for row in rows if row["target"] == "student") == 1
    assert {row["epsilon_of"] for row in rows if row["population"] == "canary, repeated"} == {"one record, given twice"}
    assert {row["epsilon_of"] for row in rows if row["population"] in ("clean", "canary")} == {"one record"}


def test_every_label_test_stands_under_the_part_that_it_accuses_and_in_its_family(leaking: PipelineAudit) -> None:
    places = {(test.target, test.answers) for test in leaking.permutation}
    assert places == {("student", "student"), ("teacher", "teacher"), ("student", NEIGHBOURS), ("synthetic set", PROBE)}
    for target, tests in (("student", 2), ("synthetic set", 1)):
        rows = leaking.select(target=target)
        family = sorted([row.p_value for row in rows] + [t.p_value for t in leaking.permutation if t.target == target])
        assert len(family) == len(rows) + tests
        steps = [min(1.0, p * (len(family) - k)) for k, p in enumerate(family)]
        for row in rows:
            assert row.p_holm == pytest.approx(max(steps[: family.index(row.p_value) + 1]))


def test_attacks_by_pipelines_without_the_record_alone_see_the_same_leak_and_none_where_there_is_none(
    leaking: PipelineAudit, clean: PipelineAudit
) -> None:
    for attack in ("LiRA offline, density", "LiRA offline, one-sided", "RMIA offline", "difficulty calibration"):
        (loud,), (quiet,) = (found.select(target="student", population="clean", attack=attack) for found in (leaking, clean))
        assert loud.auc_low > 0.8
        assert quiet.p_value > 0.001


def test_every_attack_that_a_row_names_has_a_card(leaking: PipelineAudit) -> None:
    known = {card.name for card in leaking.cards}
    for row in leaking.rows:
        assert row.attack in known | {"raw score"} or any(row.attack.startswith(f"{name}, ") for name in known), row.attack


def test_all_six_controls_run_and_pass(leaking: PipelineAudit) -> None:
    names = {c.control for c in leaking.controls}
    assert names == {
        "non-members vs non-members",
        "shuffled membership",
        "blind, images and labels",
        "positive: copying generator",
        "positive: planted near-duplicates",
        "positive: teacher",
    }
    assert all(c.passed for c in leaking.controls)


def test_a_copying_synthetic_set_leaks_where_its_student_does_not() -> None:
    found = audit(Copier(0.0, 4), pool(600), PLAN)
    words = {v.target: v.verdict for v in found.verdicts}
    assert words["synthetic set"] == "LEAKS"
    assert words["student"] == "NO LEAK FOUND"


@pytest.mark.parametrize(("budget", "pipelines"), [("smoke", 1), ("quick", 1), ("standard", 8)])
def test_a_memorising_scikit_learn_model_leaks_and_a_constant_one_never_does(budget: str, pipelines: int) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 120, (500, 8, 8, 1))
    labels = np.arange(500) % 4
    images[np.arange(500), labels * 2] += 80
    data = ImageSet(images.astype(np.uint8), labels)
    for seed in range(3):
        plan = plan_for(budget, pipelines=pipelines, n_jobs=1, seed=seed)
        assert audit(from_sklearn(DecisionTreeClassifier()), data, plan).verdict == "LEAKS"
        constant = audit(Constant(), data, plan)
        assert constant.verdict == "INCONCLUSIVE"
        assert constant.exit_code == 0
        assert not any(test.p_value < 0.05 for test in constant.permutation)


@pytest.mark.parametrize("pipelines", [2, 4, 6])
def test_few_pipelines_run_the_attacks_that_so_few_allow(pipelines: int) -> None:
    found = audit(Memory(4.0, 4), pool(), plan_for("standard", pipelines=pipelines, n_jobs=1, views=1, synthetic=40))
    attacks = {row.attack for row in found.rows if row.target == "student"}
    assert ("shrunk Student-t ratio" in attacks) == (pipelines >= 4)
    for attack in ("LiRA online", "LiRA offline, density", "LiRA offline, one-sided"):
        assert (attack in attacks) == (pipelines >= 6)
    for attack in ("RMIA online", "RMIA offline", "difficulty calibration"):
        assert (attack in attacks) == (pipelines >= 4)
    assert found.verdict == "LEAKS"


def test_a_torch_model_is_audited_through_its_fit() -> None:
    import torch
    from torch import nn

    def fit(images: torch.Tensor, labels: torch.Tensor, seed: int) -> nn.Module:
        net = nn.Sequential(nn.Flatten(), nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 4))
        optimizer = torch.optim.Adam(net.parameters(), 0.01)
        for _ in range(120):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(images), labels).backward()
            optimizer.step()
        return net

    found = audit(from_torch(fit, key="a"), pool(300), plan_for("quick", n_jobs=1, seed=1))
    assert found.verdict == "LEAKS"  # noise learned by heart
    assert found.permutation[0].p_value < 1e-6


def test_members_from_another_scanner_make_the_audit_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    data, make = pool(400), module.make_design

    def biased(data: ImageSet, plan: object) -> object:
        design = make(data, plan)  # type: ignore[arg-type]
        images = design.records.images
        images[design.members[0]] = images[design.members[0]] // 2 + 120
        return design

    monkeypatch.setattr(module, "make_design", biased)
    found = audit(Constant(), data, plan_for("quick", n_jobs=1, seed=1))
    assert found.verdict == "INVALID"
    assert found.exit_code == 3
    assert "blind" in found.sentence
    assert all(row.verdict == "INVALID" for row in found.rows)


def test_an_attack_on_synthetic_sets_that_is_blind_makes_the_audit_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    blind = lambda queries, pool: (np.random.default_rng(0).random((len(queries), 2)), None)  # noqa: E731
    monkeypatch.setattr("upcycle.audit.pipelines._questions.nearest_two", blind)
    found = audit(Memory(0.0, 4), pool(400), plan_for("quick", n_jobs=1, seed=1))
    assert found.exit_code == 3
    assert "copying generator" in found.sentence


def test_a_teacher_that_was_not_seen_takes_the_power_away_but_does_not_break_the_audit() -> None:
    unseen = Control("positive: teacher", "teacher", "x", 0.5, 0.4, 0.6, False)
    broken = Control("shuffled membership", "student", "x", 0.7, 0.6, 0.8, False)
    assert failed([unseen]) == ()
    assert failed([unseen, broken]) == (broken,)


def test_what_may_leave_holds_no_secret_and_no_record(leaking: PipelineAudit) -> None:
    public = leaking.to_json(public=True)
    assert "seed" not in public["plan"]
    assert leaking.to_json()["plan"]["seed"] == 3
    sizes = [len(value) for value in public.values() if isinstance(value, list)]
    assert 600 not in sizes
    assert {"members", "kind", "labels"} <= set(leaking.arrays)


def test_a_model_with_broken_outputs_gives_a_named_error_and_no_number() -> None:
    def broken(images: np.ndarray, labels: np.ndarray, *, seed: int) -> Parts:
        return Parts(student=lambda asked: np.full((len(asked), 4), np.nan))

    with pytest.raises(AuditInputError, match="finite"):
        audit(broken, pool(), plan_for("smoke", n_jobs=1))
