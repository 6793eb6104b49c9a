"""Sets of few patients with many images each: no patient on two sides, and a verdict that says what it rests on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from tests.audit.pipelines.test_canaries import pool
from tests.audit.toy_pipelines import Memory
from upcycle._settings import resolve
from upcycle.audit import TargetScores, audit, audit_scores, forecast_pipelines, plan_for
from upcycle.cli.check import check
from upcycle.config import Config
from upcycle.data import Dataset, draw_members, from_arrays
from upcycle.errors import AuditInputError
from upcycle.runs import forecasts, read_run, run_dataset

TINY = (
    *("teacher.min_images=400", "teacher.max_images=400", "teacher.width=8", "teacher.blocks=1", "teacher.batch=64"),
    *("generator.images=400", "generator.channels=[16,16]", "generator.patch=1", "generator.snapshots=2"),
    *("generator.warmup_images=100", "bank.min_images=200", "bank.max_images=200", "sampler.steps=2"),
    *("release.synthetic_images=40", "augment.flip=none", "evidence=none", "threads=1"),
)


def patients(count: int, each: int, *, one_class: bool) -> Dataset:
    """`count` patients with `each` images of two classes, or of one class each."""
    rng, groups = np.random.default_rng(count), np.repeat(np.arange(count), each)
    labels = groups % 2 if one_class else rng.integers(0, 2, len(groups))
    images = (rng.integers(0, 120, (len(groups), 8, 8)) + 100 * labels[:, None, None]).astype(np.uint8)
    return from_arrays(images, labels, groups, config=Config().data, seed=0, name="patients")


@pytest.mark.parametrize("one_class", [False, True])
@pytest.mark.parametrize("count", [8, 12, 20, 39, 60])
def test_no_patient_is_on_two_sides_and_the_forecast_says_what_everything_rests_on(count: int, one_class: bool) -> None:
    dataset = patients(count, 200, one_class=one_class)
    splits = [split.groups for split in dataset.splits().values()]
    members, outside = draw_members(dataset.train, share=0.1, at_least=100, seed=0)
    assert dataset.train.groups is not None
    sides = [dataset.train.groups[members], dataset.train.groups[outside], *splits[1:]]
    assert sum(len(np.unique(side)) for side in sides if side is not None) == count
    assert np.isin([0, 1], dataset.train.labels[members]).all()
    found, notes = forecasts(dataset, Config())
    kept = len(np.unique(dataset.train.groups[outside]))
    assert kept >= 2
    assert f"{kept} kept away" in found[0].rests_on
    assert found[0].counted_in == "patients"
    assert len(found) > 1
    assert not notes


@pytest.mark.parametrize(("images", "warned"), [(40, True), (200, False)])
def test_strong_privacy_says_what_it_cost_where_records_are_few(images: int, warned: bool) -> None:
    dataset = patients(10, images, one_class=False)
    _, notes = forecasts(dataset, Config(privacy="strong"))
    assert any("--privacy strong cost 5.6 points" in note for note in notes) == warned
    assert not forecasts(dataset, Config())[1]


@pytest.mark.parametrize(("count", "said"), [(3, "a run would refuse this set: non-members"), (8, "fewer than 10 patients")])
def test_check_says_before_the_work_what_few_patients_can_show(count: int, said: str, tmp_path: Path) -> None:
    data = patients(count, 30, one_class=False)
    parts = [getattr(split, name) for name in ("images", "labels", "groups") for split in data.splits().values()]
    images, labels, groups = (np.concatenate(parts[k : k + 3]) for k in (0, 3, 6))
    np.savez(tmp_path / "few.npz", images=images, labels=labels, patient_ids=groups)
    found = CliRunner().invoke(check, [str(tmp_path / "few.npz")])
    assert found.exit_code == 0, found.output
    assert said in found.output
    assert count == 3 or "rests on 2 patients given and 2 kept away" in found.output


@pytest.mark.parametrize(("inside", "outside"), [(2, 2), (6, 2), (9, 3)])
def test_a_handful_of_patients_is_judged_without_learned_attacks_and_says_so(inside: int, outside: int) -> None:
    rng, groups = np.random.default_rng(5), np.repeat(np.arange(inside + outside), 20)
    labels, members = rng.integers(0, 2, len(groups)), groups < inside
    logits = rng.normal(size=(len(groups), 2)) + 2 * np.eye(2)[labels] + rng.normal(size=(inside + outside, 1))[groups]
    found = audit_scores({"student": TargetScores(logits, labels, members, groups)}, seed=1)
    assert found.verdict == "INCONCLUSIVE"
    assert any(f"groups: {inside} of members and {outside} of non-members" in note for note in found.notes)
    assert {row.attack for row in found.rows} >= {"loss threshold"}


def test_one_patient_on_a_side_is_refused_and_said_why() -> None:
    groups = np.repeat(np.arange(4), 20)
    target = TargetScores(np.random.default_rng(0).normal(size=(80, 2)), groups % 2, groups < 3, groups)
    with pytest.raises(AuditInputError, match="the luck of one cannot be told from a leak"):
        audit_scores({"student": target})


def test_shadow_pipelines_of_three_patients_are_refused_before_the_work() -> None:
    pool = patients(12, 20, one_class=False).train
    three = pool.take(np.isin(pool.groups, np.unique(pool.groups)[:3]))
    with pytest.raises(AuditInputError, match="patients must number at least 4"):
        forecast_pipelines(three, plan_for("standard"))


@pytest.mark.parametrize("count", [4, 5, 8, 11, 20])
def test_shadow_pipelines_of_few_patients_end_in_a_verdict_that_says_what_it_rests_on(count: int) -> None:
    """Fewer than ten patients make no row, since it would speak of single ones; the exact test of planted labels still decides."""
    data = pool(count * 20, 4, groups=np.repeat(np.arange(count), 20))
    for sure in (0.0, 6.0):
        found = audit(Memory(sure, 4), data, plan_for("standard", pipelines=12, n_jobs=1, views=1, seed=3, without_canaries=0))
        assert found.verdict in ("INCONCLUSIVE", "LEAKS")
        if sure == 0:
            assert found.verdict == "INCONCLUSIVE"
            assert count >= 10 or f"rests on {count} patients" in found.sentence
        elif count > 4:
            assert found.verdict == "LEAKS"
        assert bool(found.rows) == (count >= 10)
        assert found.plan.pipelines == (4 if count < 10 else 12)


@pytest.mark.parametrize("one_class", [True])
def test_eight_patients_run_from_images_to_report_and_end_in_a_verdict(
    tmp_path: Path, one_class: bool, plain_ends: None
) -> None:
    config = resolve("quick", config_file=None, overrides=TINY)
    run_dataset(patients(8, 25, one_class=one_class), tmp_path / "run", config)
    found = read_run(tmp_path / "run")
    assert found.finished
    assert found.verdict in ("INCONCLUSIVE", "LEAKS")
    assert found.words["next"]
    assert found.by_class is not None
