"""A run ends in evidence: as many shadow pipelines as the time allows, resumed with the same choice, one verdict."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import upcycle.runs.shadows._audit as audits
import upcycle.runs.shadows._evidence as module
from tests.audit.pipelines.test_canaries import pool
from tests.audit.pipelines.test_runs import PLAN
from tests.audit.toy_pipelines import Memory
from upcycle._settings import resolve
from upcycle.data import Dataset, from_arrays
from upcycle.runs import read_run, run_dataset
from upcycle.runs.shadows._cost import Cost
from upcycle.runs.shadows._evidence import _with_attacks, _within

TINY = (
    *("teacher.min_images=400", "teacher.max_images=400", "teacher.width=8", "teacher.blocks=1", "teacher.batch=64"),
    *("generator.images=400", "generator.channels=[16,16]", "generator.patch=1", "generator.snapshots=2"),
    *("generator.warmup_images=100", "bank.min_images=200", "bank.max_images=200", "sampler.steps=2"),
    *("release.synthetic_images=40", "augment.flip=none", "threads=1"),
)


@pytest.mark.parametrize(
    ("allowed", "budget", "pipelines"),
    [
        (10.0, "none", 0),
        (30.0, "quick", 1),
        (59.0, "standard", 4),
        (60.0, "standard", 4),
        (200.0, "standard", 12),
        (250.0, "standard", 14),  # two more would have two without canaries, too
        (270.0, "standard", 16),
        (9e9, "standard", 32),
    ],
)
def test_the_automatic_level_takes_at_most_as_long_as_the_training(allowed: float, budget: str, pipelines: int) -> None:
    choice = _within(allowed, 30.0, 2)
    assert (choice.budget, choice.pipelines) == (budget, pipelines)
    assert choice.minutes * 60 <= allowed
    assert choice.why


def test_four_pipelines_that_nearly_fit_train_a_little_less_instead_of_leaving_one_that_decides_nothing() -> None:
    """One pipeline finds no planted label on 12,000 images, and cannot say that there is nothing to find."""
    choice = _within(3.3 * 60.0, 60.0, 1)
    assert (choice.pipelines, choice.share, choice.each) == (4, 0.82, pytest.approx(49.2))
    assert "82% of their budgets" in choice.why
    assert _within(3.3 * 60.0, 60.0, 1, may_shrink=False).pipelines == 1  # own networks are trained as the run's were
    assert _within(2.3 * 60.0, 60.0, 1).pipelines == 1  # little more than half of the budgets would be another recipe


def test_the_attacks_on_a_single_pipeline_count_in_what_is_announced() -> None:
    """On 12,000 images they took a minute that nobody had announced."""
    choice = _with_attacks(_within(90.0, 60.0, 1), 1.5)
    assert (choice.pipelines, choice.minutes) == (1, pytest.approx(2.5))
    assert "about 1.0 min" in choice.why and choice.why.endswith("and 1.5 min of attacks")


def test_what_was_measured_to_choose_is_not_measured_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pipeline of two minutes took four: half of it went into a second look at what it costs."""
    measured: list[str] = []
    monkeypatch.setattr("upcycle.runs.shadows._cost._short_ones", lambda *_: measured.append("again"))
    plan, images = replace(PLAN, pipelines=1), pool()
    said: list[str] = []
    audits.audit_pool(Memory(1.0, 4), images, plan, tmp_path, said.append, 30.0)
    assert not measured
    assert any("30 s each" in line for line in said)


def data() -> Dataset:
    rng, labels = np.random.default_rng(3), np.arange(400) % 4
    images = (rng.integers(0, 160, (400, 8, 8)) + 20 * labels[:, None, None]).astype(np.uint8)
    return from_arrays(images, labels, config=resolve("quick", config_file=None, overrides=()).data, seed=0)


def test_a_run_with_evidence_has_one_verdict_and_says_which_pipelines_it_rests_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain_ends: None
) -> None:
    monkeypatch.setattr(module, "seconds_of_one", lambda *_: (1.0, lambda: 0.0))
    monkeypatch.setattr(module, "run_pipeline", lambda *_: Memory(8.0, 4))
    monkeypatch.setattr(audits, "measure_cost", lambda *_: Cost(1, 1, 1, 1.0, 1.0))
    config = resolve("quick", config_file=None, overrides=(*TINY, "evidence=quick"))
    run_dataset(data(), tmp_path / "run", config)
    found = read_run(tmp_path / "run")
    assert found.finished
    assert found.verdict == "LEAKS"
    assert "evidence" in found.minutes
    assert "pipelines" in found.reports
    assert not list((tmp_path / "run" / "release").glob("student/*"))  # a leak is not released
