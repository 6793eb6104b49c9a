"""pipeline.json has a written shape: what an audit by shadow pipelines writes follows it, and nothing that was cut or added does."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any

import pytest

from benchmarks._null_pipelines import null_audit_of
from upcycle.audit.documents._pipeline_audit import check_pipeline_audit, pipeline_schema
from upcycle.audit.documents._score_audit import check_released_audit, released_schema
from upcycle.audit.pipeline_audit import DpComparator, PipelineAudit
from upcycle.audit.pipelines import CanaryCounts


@pytest.fixture(scope="module")
def found() -> PipelineAudit:
    """One pipeline: all attacks, and bounds from one run."""
    return null_audit_of(1, 150, 1)


@pytest.mark.parametrize("public", [False, True])
def test_what_an_audit_writes_follows_its_schema_on_both_sides(found: PipelineAudit, public: bool) -> None:
    written = json.loads(json.dumps(found.to_json(public=public)))
    assert written["one_run"] and written["permutation"] and written["sets"]
    check_pipeline_audit(written, public=public)
    assert set(written) == set(pipeline_schema()["properties"])
    assert pipeline_schema()["$id"] == written["schema"]
    default = json.loads(json.dumps(replace(found, plan=replace(found.plan, canaries=None)).to_json(public=public)))
    check_pipeline_audit(default, public=public)


def test_comparison_with_dp_sgd_has_its_place_in_the_schema(found: PipelineAudit) -> None:
    beside = DpComparator("DP-SGD, noise 1", 1.0, 8.0, 0.8, 0.82, 0.78, 0.86, True, (0.02, 0.0, 0.05), None, "Near.")
    check_pipeline_audit({**found.to_json(), "dp_comparator": json.loads(json.dumps(asdict(beside)))})


def _without_endpoint(document: dict[str, Any]) -> None:
    del document["primary_endpoint"]


def _unplanned(document: dict[str, Any]) -> None:
    document["plan"]["attacks"] = "all"


def _other(document: dict[str, Any]) -> None:
    document["schema"] = "upcycle-pipeline-audit/0"


def _safe(document: dict[str, Any]) -> None:
    document["verdicts"][0]["verdict"] = "SAFE"


def _record(document: dict[str, Any]) -> None:
    document["rows"][0]["record"] = 17


@pytest.mark.parametrize("change", [_without_endpoint, _unplanned, _other, _safe, _record])
def test_document_that_was_cut_or_added_to_is_refused(found: PipelineAudit, change: Callable[[dict[str, Any]], None]) -> None:
    document = copy.deepcopy(found.to_json())
    change(document)
    with pytest.raises(ValueError, match="1 validation error for Pipelines"):
        check_pipeline_audit(document)


def test_public_half_and_released_document_have_no_place_for_a_seed(found: PipelineAudit) -> None:
    with pytest.raises(ValueError, match=r"plan\.seed"):
        check_pipeline_audit(found.to_json(), public=True)
    plans = {name: part["properties"] for name, part in released_schema()["$defs"].items() if "Plan" in name}
    assert {"PublicPlan", "PublicScorePlan"} == set(plans)
    assert not any("seed" in part for part in plans.values())
    with pytest.raises(ValueError, match="ReleasedAudit"):
        check_released_audit({"verdict": "NO LEAK FOUND"})


def test_canary_counts_of_a_plan_are_whole_numbers_by_kind(found: PipelineAudit) -> None:
    document = copy.deepcopy(found.to_json())
    assert document["plan"]["canaries"] == vars(CanaryCounts(75, 10, 10))
    document["plan"]["canaries"]["swapped"] = 3
    with pytest.raises(ValueError, match="swapped"):
        check_pipeline_audit(document)
