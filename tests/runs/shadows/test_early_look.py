"""An early look that was planned: what it saves, what it costs, and that the design of the first pipelines does not depend on it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import upcycle.runs.shadows._audit as runs
from tests.audit.pipelines.test_canaries import pool
from tests.audit.toy_pipelines import Memory
from upcycle.audit import AuditInputError, CanaryCounts, Parts, audit, plan_for
from upcycle.audit.documents import look_sentence
from upcycle.audit.pipelines import make_design, run_in, run_paths
from upcycle.cli import cli
from upcycle.errors import ConfigError
from upcycle.runs.shadows._cost import Cost

PLAN = plan_for(
    "standard", pipelines=12, look=6, canaries=CanaryCounts(150), views=1, synthetic=40, n_jobs=1, seed=3, without_canaries=0
)


def test_a_student_that_leaks_at_the_look_costs_half_of_the_pipelines(tmp_path: Path) -> None:
    found = audit(Memory(4.0, 4, tmp_path), pool(600), PLAN)
    assert found.verdict == "LEAKS"
    assert len(list(tmp_path.iterdir())) == found.plan.pipelines == 6
    assert found.plan.confidence == pytest.approx(0.995)
    assert any("after 6 of 12 pipelines" in note for note in found.notes)


def test_without_a_leak_all_pipelines_are_run_once_and_the_end_keeps_nine_tenths_of_the_error(tmp_path: Path) -> None:
    found = audit(Memory(0.0, 4, tmp_path), pool(600), PLAN)
    assert found.verdict != "LEAKS"
    assert len(list(tmp_path.iterdir())) == found.plan.pipelines == 12
    assert found.plan.confidence == pytest.approx(0.955)
    assert not any("early look" in note for note in found.notes)


def test_the_look_sees_the_first_pipelines_of_the_same_design() -> None:
    early, final = PLAN.looks()
    first, whole = make_design(pool(600), early), make_design(pool(600), final)
    assert (first.members == whole.members[:6]).all() and first.seeds == whole.seeds[:6]
    assert np.array_equal(first.records.images, whole.records.images)


def test_a_pipeline_without_a_key_can_be_looked_at_too() -> None:
    memory = Memory(4.0, 4)
    nameless: Callable[..., Parts] = lambda images, labels, *, seed: memory(images, labels, seed=seed)  # noqa: E731
    assert audit(nameless, pool(600), PLAN).plan.pipelines == 6


def test_a_look_at_runs_that_are_mostly_kept_counts_the_missing_ones_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An early one is missing where later ones are kept: fewer are finished at the look than were kept before."""
    memory, whole = Memory(0.0, 4), replace(PLAN, look=0)
    design = make_design(pool(600), whole)
    run_in(tmp_path, memory, design, whole)
    run_paths(memory, design, whole, tmp_path)[2].unlink()
    monkeypatch.setattr(runs, "measure_cost", lambda *_: Cost(12, 1, 1, 0.0, 0.0))
    said: list[str] = []
    runs.audit_pool(memory, pool(600), PLAN, tmp_path, said.append)  # type: ignore[arg-type]
    assert "or half of it if 6 pipelines show a leak" in said[0]
    assert said[1:-1] == ["pipeline 12 of 12, 0.0 min left"]


def test_the_option_stands_beside_a_budget_that_has_shadow_pipelines(tmp_path: Path) -> None:
    for budget in ([], ["--budget", "quick"]):
        with pytest.raises(ConfigError, match="--early-look needs --budget standard or full"):
            cli.main(["audit", str(tmp_path), "--early-look", *budget], standalone_mode=False)


@pytest.mark.parametrize("look", [2, 5, 12, 14])
def test_a_look_that_could_show_nothing_is_refused_before_the_first_pipeline(look: int) -> None:
    with pytest.raises(AuditInputError, match=f"look must be even.*Got {look}"):
        audit(Memory(4.0, 4), pool(), replace(PLAN, look=look))


@pytest.mark.parametrize(("sure", "confidence"), [(4.0, 0.995), (0.0, 0.955)])
def test_the_merged_verdict_says_what_both_looks_together_may_err(sure: float, confidence: float) -> None:
    """The same 5 % wherever the audit stopped."""
    plan = replace(PLAN, confidence=confidence, pipelines=6 if sure else 12)
    assert "over both, at most 5 % err" in look_sentence(plan, 1 - confidence)
    assert not look_sentence(replace(PLAN, look=0), 0.05)
