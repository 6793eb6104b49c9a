"""The simulated audits on which false alarms of whole-pipeline verdicts are counted: silent without a leak, loud with one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from benchmarks import _null_pipelines as null
from upcycle.audit.attacks import LEARNED
from upcycle.audit.pipelines import Design

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(("pipelines", "attack"), [(1, LEARNED[0].name), (8, "LiRA online")])
def test_a_null_audit_runs_every_attack_and_a_leak_in_it_would_be_seen(
    pipelines: int, attack: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    quiet = null.null_audit_of(pipelines, 150, 1)
    assert quiet.verdict == "INCONCLUSIVE"
    assert {"canary", "clean", "patient"} <= {row.population for row in quiet.select(target="student", attack=attack)}
    assert all(control.passed for control in quiet.controls)
    blank = null._logits

    def leaking(design: Design, rng: np.random.Generator) -> np.ndarray:
        given = np.eye(null.CLASSES)[design.records.labels] * design.members[:, :, None]
        return (blank(design, rng) + 4 * given[:, :, None]).astype(np.float32)

    monkeypatch.setattr(null, "_logits", leaking)
    assert null.null_audit_of(pipelines, 150, 1).verdict == "LEAKS"


def test_eight_pipelines_without_a_leak_do_not_ring_more_often_than_declared() -> None:
    """At 5 % seven of twenty, or at 0.3 % three, come once in 10^4 times or less."""
    alarms = [{name: alarm for name, _, alarm in null.pipeline_audit(8, 120, seed)} for seed in range(20)]
    assert sum(found["verdict LEAKS, 8 pipelines"] for found in alarms) < 7
    assert sum(found["verdict INVALID, 8 pipelines"] for found in alarms) < 3


def test_stopped_calibrations_go_on_where_they_were() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("results name the commit that they measure: not a git checkout")
    from benchmarks.calibration import calibrate

    asked = []

    def every_third(n: int, seed: int) -> Iterator[tuple[str, float, bool]]:
        asked.append(seed)
        yield "third", 0.25, seed % 3 == 0

    ((first,),) = calibrate(100, 10, every_third, kind="a")
    done = {"third": (int(str(first["audits"])), int(str(first["false_alarms"])))}
    ((row,),) = calibrate(100, 30, every_third, kind="a", done=done)
    assert asked == list(range(30))
    assert (row["audits"], row["false_alarms"], row["share"]) == (30, 10, 1 / 3)
    assert row["simulation_error"] == pytest.approx(math.sqrt(0.25 * 0.75 / 30))
    assert list(calibrate(100, 60, every_third, minutes=0, done={"third": (30, 10)})) == []
    assert [rows[0]["audits"] for rows in calibrate(100, 120, every_third)] == [50, 100, 120], "what is cut off leaves rows"
