"""The budget of a release: limits that were set, tightened for few, and never kept by what was not measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.release.conftest import AUDIT, light, made_of
from upcycle.cli.release import release
from upcycle.config import GateConfig
from upcycle.errors import ConfigError, ReleaseError
from upcycle.release import Budget, refusal, write_release

ATTACK = "shrunk Student-t excess"


def audited(high: float = 0.04, worst: float = 0.97, patients: float | None = None) -> dict[str, Any]:
    def row(population: str, limit: float, **changes: Any) -> dict[str, Any]:
        return {"target": "student", "attack": ATTACK, "population": population, "tpr_at_1pct_high": limit, **changes}

    rows = [row("canary", high), row("clean", 0.02), row("clean", 0.9, attack="other"), row("canary", 1.0, target="teacher")]
    rows += [] if patients is None else [row("patient", patients)]
    single = {"target": "student", "records": 900, "counted_in": "records", "pairs": 16, "high": worst}
    return {**AUDIT, "pipelines": {"endpoint": {"attack": ATTACK}, "rows": rows, "worst": [single]}}


def reasons(audit: dict[str, Any], people: int = 5_000, **gate: float) -> list[str]:
    return (refusal(audit, Budget(GateConfig(**gate), people, "patients")) or "").splitlines()


def test_without_limits_the_verdict_decides() -> None:
    assert reasons(audited()) == reasons(dict(AUDIT)) == []


def test_every_limit_is_held_against_its_own_measurement() -> None:
    assert reasons(audited(), tpr_at_1pct=0.05, per_record=0.98) == []
    found = reasons(audited(), tpr_at_1pct=0.03, per_record=0.96, patients=0.5)
    assert [line.split("(gate.")[1].split(")")[0] for line in found] == ["tpr_at_1pct", "per_record", "patients"]
    assert "must be at most 3.0 %" in found[0] and "Got an upper limit of 4.0 % (canary, shrunk" in found[0]
    assert "Got an upper limit of 97.0 % (900 records, 16 pairs of pipelines)" in found[1]
    assert "Got no such measurement" in found[2]
    assert reasons(audited(patients=0.4), patients=0.5) == []


def test_what_was_not_measured_does_not_leave(tmp_path: Path) -> None:
    with pytest.raises(ReleaseError, match="Got no such measurement"):
        write_release(tmp_path / "r", made_of(budget=Budget(GateConfig(per_record=1.0), 5_000)), light(images=0))
    write_release(
        tmp_path / "r", made_of(budget=Budget(GateConfig(per_record=1.0), 5_000)), light(images=0, accept_risk="known")
    )


def test_a_budget_tightens_by_itself_for_few_people_and_says_so() -> None:
    assert reasons(audited(high=0.1), people=500, tpr_at_1pct=0.1) == []
    (line,) = reasons(audited(high=0.1), people=50, tpr_at_1pct=0.11)
    assert "at most 2.0 % (gate.tpr_at_1pct, tightened from 11 % for 50 patients)" in line
    limits = [Budget(GateConfig(per_record=0.9), n).limit("per_record") for n in (5, 50, 499, 500, 9_999)]
    assert limits == sorted(limits, key=float) and limits[-1] == 0.9  # type: ignore[arg-type]


def test_no_budget_opens_what_the_verdict_has_closed() -> None:
    (line,) = reasons(audited() | {"verdict": "LEAKS"}, tpr_at_1pct=1.0)
    assert line.startswith("audit must end in")


def test_only_the_budget_can_be_set_at_a_release(tmp_path: Path) -> None:
    result = CliRunner().invoke(release, [str(tmp_path), "--set", "seed=3"])
    assert isinstance(result.exception, ConfigError)
    assert "gate.NAME=VALUE" in str(result.exception)
