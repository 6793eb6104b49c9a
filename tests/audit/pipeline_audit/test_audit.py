"""The whole pipeline audit: right words for pipelines whose truth is known."""

from __future__ import annotations

import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

import upcycle.audit.pipeline_audit._audit as module
from tests.audit.pipelines.test_canaries import pool
from tests.audit.toy_pipelines import Constant, Copier, Memory
from upcycle.audit.attacks import CATALOGUE, NEIGHBOURS, PROBE
from upcycle.audit.documents import check_pipeline_audit
from upcycle.audit.pipeline_audit._audit import audit
from upcycle.audit.pipeline_audit._result import PipelineAudit
from upcycle.audit.pipelines import CanaryCounts, Parts, from_sklearn, from_torch, plan_for
from upcycle.data import ImageSet
from upcycle.errors import AuditInputError
from upcycle.report import render_pipeline_audit

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
        assert row.auc.low > 0.8


def test_a_student_that_knows_nothing_is_clean_next_to_a_teacher_that_was_seen(clean: PipelineAudit) -> None:
    words = {v.target: v.verdict for v in clean.verdicts}
    assert words == {
        "student": "NO LEAK FOUND",
        "teacher": "LEAKS",
        "positive control": "LEAKS",
        "synthetic set": "INCONCLUSIVE",
    }
    assert "on the positive control" in clean.sentence
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
    assert places == {
        ("student", "student"),
        ("teacher", "teacher"),
        ("positive control", "positive control"),
        ("student", NEIGHBOURS.name),
        ("synthetic set", PROBE.name),
    }
    assert all(row.p_value <= row.p_holm <= 1 for row in leaking.rows)


def test_attacks_by_pipelines_without_the_record_alone_see_the_same_leak_and_none_where_there_is_none(
    leaking: PipelineAudit, clean: PipelineAudit
) -> None:
    for attack in ("LiRA offline, density", "LiRA offline, one-sided", "RMIA offline", "difficulty calibration"):
        (loud,), (quiet,) = (found.select(target="student", population="clean", attack=attack) for found in (leaking, clean))
        assert loud.auc.low > 0.8
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
        "positive: made to remember",
    }
    assert all(c.passed for c in leaking.controls)


def test_images_that_are_members_to_the_bit_leak_by_their_number_though_few() -> None:
    """Two in a hundred members, in every run: too few for any attack, but every one a coin that fell on a member."""

    class Leaky(Memory):
        def __call__(self, images: np.ndarray, labels: np.ndarray, *, seed: int) -> Parts:
            parts = super().__call__(images, labels, seed=seed)
            assert parts.synthetic_images is not None
            return replace(parts, synthetic_images=np.concatenate([parts.synthetic_images, images[:5]]), soft_labels=None)

    found = audit(Leaky(0.0, 4), pool(600), replace(PLAN, pipelines=8))
    assert found.copies is not None
    assert (found.copies.members, found.copies.non_members) == (40, 0)
    assert {v.target: v.verdict for v in found.verdicts}["synthetic set"] == "LEAKS"
    assert "40 of 40 records that the released sets hold to the bit are members" in found.verdicts[-1].sentence
    assert found.to_json()["copies"]["p_value"] == 0.5**40


def test_copies_behind_the_images_that_are_compared_are_found_and_what_was_left_out_is_said() -> None:
    class Late(Memory):
        def __call__(self, images: np.ndarray, labels: np.ndarray, *, seed: int) -> Parts:
            parts = super().__call__(images, labels, seed=seed)
            assert parts.synthetic_images is not None
            fresh = np.repeat(parts.synthetic_images, 4, axis=0)
            return Parts(student=parts.student, synthetic_images=np.concatenate([fresh, images[::5]]))

    found = audit(Late(0.0, 4), pool(300), replace(PLAN, pipelines=4, canaries=CanaryCounts(20)))
    assert {v.target: v.verdict for v in found.verdicts}["synthetic set"] == "LEAKS"
    assert any("40 of 4" in note and "drawn at random" in note for note in found.notes)


def test_a_made_up_attack_takes_a_file_and_a_line_and_stands_everywhere(tmp_path: Path) -> None:
    """One file with a value, one line that adds it; then it is in rows, cards, documents and report."""
    (tmp_path / "made_up.py").write_text(
        "import numpy as np\n"
        "from upcycle.audit import Attack, AttackCard, Needs\n"
        "def margin(answered):\n"
        "    ranked = np.sort(answered.logits[:, :, 0], axis=-1)\n"
        "    return (ranked[..., -1] - ranked[..., -2]).astype(float)\n"
        "MARGIN = Attack(AttackCard('made-up margin', 'nobody 2026', 'logits', 'none'), Needs.ANSWERS, margin)\n"
    )
    spec = importlib.util.spec_from_file_location("made_up", tmp_path / "made_up.py")
    assert spec is not None and spec.loader is not None
    made_up = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made_up)
    catalogue = (*CATALOGUE, made_up.MARGIN)
    found = audit(Memory(4.0, 4), pool(300), replace(PLAN, pipelines=4, canaries=None), catalogue=catalogue)
    (row,) = found.select(target="student", attack="made-up margin", population="clean")
    assert row.auc.low > 0.5
    assert "made-up margin" in {card.name for card in found.cards}
    document = found.to_json()
    check_pipeline_audit(document)
    assert "made-up margin" in document["plan"]["attacks"]
    page = render_pipeline_audit(document)
    assert "made-up margin" in page and "nobody 2026" in page


def test_a_copying_synthetic_set_leaks_where_its_student_does_not() -> None:
    found = audit(Copier(0.0, 4), pool(600), PLAN)
    words = {v.target: v.verdict for v in found.verdicts}
    assert words["synthetic set"] == "LEAKS"
    assert words["student"] != "LEAKS"


@pytest.mark.parametrize(("budget", "pipelines"), [("smoke", 1), ("quick", 1), ("standard", 8)])
def test_a_memorising_scikit_learn_model_leaks_and_a_constant_one_never_does(budget: str, pipelines: int) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 120, (500, 8, 8, 1))
    labels = np.arange(500) % 4
    images[np.arange(500), labels * 2] += 80
    data = ImageSet(images.astype(np.uint8), labels)
    for seed in range(2):
        plan = plan_for(budget, pipelines=pipelines, n_jobs=1, seed=seed)
        assert audit(from_sklearn(DecisionTreeClassifier()), data, plan).verdict == "LEAKS"
        constant = audit(Constant(), data, plan)
        assert constant.verdict == "INCONCLUSIVE"
        assert constant.exit_code == 0
        assert not any(test.p_value < 0.05 for test in constant.permutation if test.target == "student")


@pytest.mark.parametrize("pipelines", [2, 4, 6])
def test_few_pipelines_run_the_attacks_that_so_few_allow(pipelines: int) -> None:
    found = audit(Memory(4.0, 4), pool(), plan_for("standard", pipelines=pipelines, n_jobs=1, views=1, synthetic=40))
    attacks = {row.attack for row in found.rows if row.part.name == "student"}
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
    found = audit(Memory(0.0, 4), data, plan_for("quick", n_jobs=1, seed=1))
    assert found.verdict == "INVALID"
    assert found.exit_code == 3
    assert "blind" in found.sentence
    assert {row["verdict"] for row in found.to_json()["rows"]} == {"INVALID"}


def test_an_attack_on_synthetic_sets_that_is_blind_makes_the_audit_invalid(monkeypatch: pytest.MonkeyPatch) -> None:
    blind = lambda queries, pool: (np.random.default_rng(0).random((len(queries), 2)), None)  # noqa: E731
    monkeypatch.setattr("upcycle.audit.pipelines._questions.nearest_two", blind)
    found = audit(Memory(0.0, 4), pool(400), plan_for("quick", n_jobs=1, seed=1))
    assert found.exit_code == 3
    assert "copying generator" in found.sentence


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
