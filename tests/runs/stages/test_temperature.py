"""The student's temperature: where it counts, and where it must not show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from upcycle._settings import resolve
from upcycle.generators import ImageShape
from upcycle.recycle import CommitteeLabels, RoundedLabels
from upcycle.runs.folder import RunFolder
from upcycle.runs.stages._bench import Bench
from upcycle.runs.stages._networks import networks_of
from upcycle.runs.stages._plan import Plan, budget_for
from upcycle.runs.stages._release import soft_labels_of
from upcycle.runs.stages._report import _probabilities
from upcycle.runs.watch import SilentDisplay


@pytest.mark.parametrize(("labels", "temperature"), [("soft", 4.0), ("hard", 1.0)])
def test_hard_labels_are_learned_without_a_temperature(labels: str, temperature: float, tmp_path: Path) -> None:
    """Else the plain student of a comparison would be handicapped by a setting that is about soft labels."""
    config = resolve("quick", config_file=None, overrides=[f"student.labels={labels}"])
    shape, cpu = ImageShape(1, 8, 3), torch.device("cpu")
    plan = Plan.unmeasured(budget_for(config, 100))
    bench = Bench(RunFolder(tmp_path), config, shape, cpu, SilentDisplay(), networks_of(config), plan)
    assert bench.distillation().temperature == temperature


@pytest.mark.parametrize(("levels", "kind"), [(0, CommitteeLabels), (2, RoundedLabels)])
def test_labels_that_are_to_be_rounded_are_rounded_for_the_student_and_for_the_released_set(
    levels: int, kind: type, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = resolve("quick", config_file=None, overrides=[f"student.levels={levels}"])
    shape, cpu = ImageShape(1, 8, 3), torch.device("cpu")
    plan = Plan.unmeasured(budget_for(config, 100))
    bench = Bench(RunFolder(tmp_path), config, shape, cpu, SilentDisplay(), networks_of(config), plan)
    monkeypatch.setattr(Bench, "teachers", lambda self: [self.networks.of("teacher")(1, 3, 8)])
    assert isinstance(bench.labeller(), kind)
    found = soft_labels_of(bench)(np.random.default_rng(0).integers(0, 256, (20, 8, 8, 1), dtype=np.uint8))
    assert (np.abs(found * 2 - np.round(found * 2)) < 1e-6).all() == bool(levels)
    assert isinstance(bench.soft_labeller(1.0, rounded=False), CommitteeLabels), "calibration asks how sure the teachers are"


def test_bars_of_the_report_are_the_teachers_probabilities_at_any_temperature() -> None:
    logits = torch.randn(20, 5, generator=torch.manual_seed(0)) * 3
    warm = (logits / 4).softmax(1).numpy().astype(np.float16)
    np.testing.assert_allclose(_probabilities(warm, 4.0), logits.softmax(1).numpy(), atol=0.01)
