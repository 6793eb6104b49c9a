"""A pipeline audit joins its run: the worse verdict leads, both reports tell of it, and a release cannot be made past it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from tests.release.test_command import sums_hold
from upcycle.audit import PipelineAudit, audit, from_sklearn, plan_for
from upcycle.data import ImageSet
from upcycle.errors import ReleaseError
from upcycle.release import ReleaseOptions
from upcycle.runs import read_run, release_run
from upcycle.runs._audit_run import _publish
from upcycle.runs._facts import audit_of
from upcycle.runs._folder import write_json
from upcycle.runs._shadow_facts import led, pipeline_facts

SECRET = 918273645


@pytest.fixture(scope="module")
def found() -> PipelineAudit:
    """A tree that learned noise by heart: it leaks."""
    rng = np.random.default_rng(0)
    data = ImageSet(rng.integers(0, 256, (300, 8, 8, 1), dtype=np.uint8), np.arange(300) % 4)
    return audit(from_sklearn(DecisionTreeClassifier()), data, plan_for("quick", n_jobs=1, seed=SECRET))


@pytest.fixture(scope="module")
def told(digits_run: tuple[Path, str], found: PipelineAudit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run after its pipeline audit."""
    root = Path(shutil.copytree(digits_run[0], tmp_path_factory.mktemp("told") / "run"))
    write_json(root / "private" / "audit" / "pipeline.json", found.to_json())
    _publish(root, found)
    return root


@pytest.mark.parametrize(
    ("own", "theirs", "leads"),
    [
        ("NO LEAK FOUND", "LEAKS", "LEAKS"),
        ("LEAKS", "NO LEAK FOUND", "LEAKS"),
        ("INCONCLUSIVE", "NO LEAK FOUND", "INCONCLUSIVE"),
        ("LEAKS", "INVALID", "INVALID"),
    ],
)
def test_worse_verdict_leads_with_its_own_words(own: str, theirs: str, leads: str) -> None:
    audit = {"verdict": own, "sentence": f"own {own}", "rows": [1]}
    result = led(audit, {"verdict": theirs, "sentence": f"theirs {theirs}", "line": theirs, "rows": [2]})
    assert result["verdict"] == leads and result["sentence"].endswith(leads)
    assert result["rows"] == [1]
    assert led(audit, None) == audit


def test_both_reports_tell_of_the_pipelines_and_of_the_worse_verdict(told: Path) -> None:
    internal, shareable = (told / half / "report.html" for half in ("private", "release"))
    for path in (internal, shareable):
        page = path.read_text(encoding="utf-8")
        assert '<h2 id="shadows">Shadow pipelines</h2>' in page
        assert "Verdict of the audit</span>LEAKS" in page
    assert 'href="audit/pipeline.html"' in internal.read_text(encoding="utf-8")
    public = shareable.read_text(encoding="utf-8")
    assert "pipeline.html" not in public and "strongest other attack" in public and str(SECRET) not in public


def test_show_and_python_lead_with_the_worse_verdict_too(told: Path, digits_run: tuple[Path, str]) -> None:
    assert read_run(told).verdict == audit_of(told / "private")["verdict"] == "LEAKS"
    assert read_run(told).leakage == read_run(digits_run[0]).leakage


def test_checksums_of_the_release_hold_after_an_audit(told: Path) -> None:
    assert sums_hold(told / "release")
    rows = json.loads((told / "release" / "audit.json").read_text())["rows"]
    assert any(row["target"] == "student (shadow pipelines)" for row in rows)


def test_release_made_after_the_audit_is_held_by_it_and_tells_of_it(told: Path) -> None:
    with pytest.raises(ReleaseError, match="Got LEAKS"):
        release_run(told, ReleaseOptions(images=0))
    release_run(told, ReleaseOptions(images=0, accept_risk="a test"))
    record = json.loads((told / "release" / "audit.json").read_text())
    assert record["verdict"] == "LEAKS" and str(SECRET) not in json.dumps(record)
    assert any(row["target"] == "student (shadow pipelines)" for row in record["rows"])
    assert "Membership shows" in (told / "release" / "MODEL_CARD.md").read_text()


def test_run_without_a_pipeline_audit_has_no_facts_of_one(tmp_path: Path) -> None:
    assert pipeline_facts(tmp_path) is None
