"""The paragraph "What it means" speaks of the audit that brought the verdict."""

import re
from typing import Any

import pytest

from tests.report.test_words import audit, row
from upcycle.report import Evidence, render

BY_PIPELINES = "This was tried on students of 32 shadow pipelines, which repeat the whole run, with 1,200 records"
BY_RUN = "on 900 records that were used and 100 that were not."


def meaning(own: str, theirs: str, merged: str, *more: dict[str, Any], inside: bool = True) -> str:
    """The paragraph of a run whose own audit and shadow pipelines say these words."""
    sides = {"run": {"name": "own", "at_its_share": own}, "pipelines": {"name": "theirs", "at_its_share": theirs}}
    led = {**audit(merged, row(n_members=900, n_non_members=100), *more), "merged": sides}
    pipelines = {**audit(theirs, row()), "plan": {"pipelines": 32}, "facts": {"records": 1200, "canaries": {"mislabelled": 60}}}
    page = render(Evidence(title="ward", audit=led, pipelines=pipelines), internal=inside)
    return re.sub(r"\s+", " ", page.split('id="means"')[1].split("</section>")[0])


@pytest.mark.parametrize("inside", [True, False])
def test_a_leak_that_the_pipelines_showed_is_not_explained_by_the_records_of_the_run(inside: bool) -> None:
    said = meaning("INCONCLUSIVE", "LEAKS", "LEAKS", inside=inside)
    assert BY_PIPELINES in said and "60 planted ones among them" in said
    assert BY_RUN not in said


def test_a_leak_that_the_run_showed_is_not_explained_by_pipelines() -> None:
    said = meaning("LEAKS", "NO LEAK FOUND", "LEAKS")
    assert f"This was tried {BY_RUN}" in said and "shadow pipelines" not in said


@pytest.mark.parametrize("words", [("NO LEAK FOUND",) * 3, ("LEAKS", "NO LEAK FOUND", "INCONCLUSIVE")])
def test_a_verdict_of_both_is_explained_by_both(words: tuple[str, str, str]) -> None:
    said = meaning(*words)
    assert BY_PIPELINES in said and f"The released student was tried {BY_RUN}" in said


def test_what_the_attacks_were_tried_on_to_see_that_they_work_is_named() -> None:
    assert "run on the teacher, which did see" in meaning("LEAKS", "LEAKS", "LEAKS")
    assert "run on a model that was made to remember" in meaning("LEAKS", "LEAKS", "LEAKS", row(target="positive control"))
