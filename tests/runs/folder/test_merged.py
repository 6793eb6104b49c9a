"""A pipeline audit joins its run: the merged verdict leads, both reports tell of it, and a release cannot be made past it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.tree import DecisionTreeClassifier

from tests.release.conftest import light
from tests.release.test_command import sums_hold
from tests.run_folders import opened, sign_pipelines
from upcycle._files import write_json
from upcycle.audit import PipelineAudit, audit, check_audit, check_released_audit, from_sklearn, merge_audits, plan_for
from upcycle.data import ImageSet
from upcycle.errors import ReleaseError
from upcycle.release import ReleaseOptions
from upcycle.runs import summary_of
from upcycle.runs.folder._facts import audit_of, read_run
from upcycle.runs.folder._merged import led, pipeline_facts
from upcycle.runs.shadows import publish
from upcycle.runs.stages import release_run

SECRET = 918273645


def _published(root: Path) -> None:
    bench = opened(root, needs="report")
    publish(bench, bench.folder.open_store())


@pytest.fixture(scope="module")
def found(few_trees: None) -> PipelineAudit:
    """A tree that learned noise by heart: it leaks."""
    rng = np.random.default_rng(0)
    data = ImageSet(rng.integers(0, 256, (300, 8, 8, 1), dtype=np.uint8), np.arange(300) % 4)
    return audit(from_sklearn(DecisionTreeClassifier()), data, plan_for("quick", n_jobs=1, seed=SECRET))


@pytest.fixture(scope="module")
def told(digits_run: tuple[Path, str], found: PipelineAudit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run after its pipeline audit."""
    root = Path(shutil.copytree(digits_run[0], tmp_path_factory.mktemp("told") / "run"))
    write_json(root / "private" / "audit" / "pipeline.json", found.to_json())
    sign_pipelines(root)
    _published(root)
    return root


def test_merged_verdict_leads_the_rows_of_the_run_itself(told: Path, found: PipelineAudit) -> None:
    own = json.loads((told / "private" / "audit" / "audit.json").read_text())
    both = led(own, found.to_json())
    assert both["verdict"] == both["merged"]["verdict"] == found.verdict == "LEAKS" != own["verdict"]
    assert {key: both[key] for key in ("rows", "controls", "verdicts", "plan")} == {
        key: own[key] for key in ("rows", "controls", "verdicts", "plan")
    }
    assert led(own, None) == own


def test_both_reports_tell_of_the_pipelines_and_of_the_merged_verdict(told: Path) -> None:
    internal, shareable = (told / half / "report.html" for half in ("private", "release"))
    for path in (internal, shareable):
        page = path.read_text(encoding="utf-8")
        assert '<h2 id="shadows">Shadow pipelines</h2>' in page
        assert "Verdict of the audit</span>LEAKS" in page
    assert 'href="audit/pipeline.html"' in internal.read_text(encoding="utf-8")
    public = shareable.read_text(encoding="utf-8")
    assert "pipeline.html" not in public and "strongest other attack" in public and str(SECRET) not in public


def test_show_python_and_the_last_lines_of_a_run_lead_with_the_merged_verdict_too(
    told: Path, digits_run: tuple[Path, str]
) -> None:
    assert read_run(told).verdict == audit_of(told / "private")["verdict"] == "LEAKS"
    assert read_run(told).leakage == read_run(digits_run[0]).leakage
    assert "verdict           LEAKS" in summary_of(opened(told, needs="report"), "report").lines()


def test_checksums_of_the_release_hold_after_an_audit(told: Path) -> None:
    assert sums_hold(told / "release")


def test_released_document_keeps_both_audits_apart_each_with_what_it_declared(
    told: Path, found: PipelineAudit, digits_run: tuple[Path, str]
) -> None:
    record = json.loads((told / "release" / "audit.json").read_text())
    before = json.loads((digits_run[0] / "release" / "audit.json").read_text())
    apart = ("verdict", "line", "sentence", "merged", "pipelines")
    assert {key: value for key, value in record.items() if key not in apart} == {
        key: value for key, value in before.items() if key not in apart
    }
    assert record["verdict"] == record["merged"]["verdict"] == "LEAKS"
    theirs, whole = record["pipelines"], found.to_json()
    inside = ("seed", "engine", "n_jobs")
    declared = [name for name in whole["plan"] if name not in inside]
    assert theirs["plan"] == json.loads(json.dumps({key: whole["plan"][key] for key in declared}))
    for key in ("schema", "verdict", "line", "sentence", "primary_endpoint", "margins", "verdicts", "rows", "permutation"):
        assert theirs[key] == json.loads(json.dumps(whole[key])), key


def test_released_documents_follow_their_schema_with_and_without_pipelines(told: Path, digits_run: tuple[Path, str]) -> None:
    for root in (told, digits_run[0]):
        record = json.loads((root / "release" / "audit.json").read_text())
        check_released_audit(record)
        with pytest.raises(ValueError, match="seed"):
            check_released_audit({**record, "plan": {**record["plan"], "seed": 1}})
    seeded = {**record, "pipelines": {"plan": {"seed": SECRET}}}
    with pytest.raises(ValueError, match=r"pipelines\.plan\.seed"):
        check_released_audit(seeded)
    check_audit(json.loads((told / "private" / "audit" / "audit.json").read_text()))


def test_released_document_lets_a_reader_compute_the_merged_verdict_again(told: Path) -> None:
    record = json.loads((told / "release" / "audit.json").read_text())
    again = merge_audits(record, record["pipelines"])
    assert json.loads(json.dumps(again.to_json())) == record["merged"]


def test_release_made_after_the_audit_is_held_by_it_and_tells_of_it(told: Path) -> None:
    known = json.loads((told / "release" / "audit.json").read_text())
    with pytest.raises(ReleaseError, match="Got LEAKS"):
        release_run(told, ReleaseOptions(images=0))
    release_run(told, light(images=0, accept_risk="a test"))
    record = json.loads((told / "release" / "audit.json").read_text())
    assert record == {**known, "accepted_risk": "a test"} and str(SECRET) not in json.dumps(record)
    assert "Membership shows" in (told / "release" / "MODEL_CARD.md").read_text()
    _published(told)
    assert json.loads((told / "release" / "audit.json").read_text()) == record


def test_run_without_a_pipeline_audit_has_no_facts_of_one(tmp_path: Path) -> None:
    assert pipeline_facts(tmp_path) is None
