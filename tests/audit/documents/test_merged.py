"""The verdict of a run's own audit and of its shadow pipelines together: one error for both, and no word that one of them denies."""

from __future__ import annotations

import copy
import json
from functools import cache
from typing import Any

import numpy as np
import pytest

from benchmarks._null_pipelines import null_audit_of
from upcycle.audit.documents._merged import merge_audits
from upcycle.audit.score_audit import AttackScores, audit_scores
from upcycle.audit.verdict import Rule

WORDS = ("LEAKS", "NO LEAK FOUND", "INCONCLUSIVE", "INVALID")


@cache
def documents() -> tuple[dict[str, Any], dict[str, Any]]:
    """The JSON of a run's audit that leaks, and of shadow pipelines that do not."""
    rng, members = np.random.default_rng(0), np.arange(400) % 2 == 0
    loud = {
        name: AttackScores({"loss threshold": rng.normal(size=400) + 2 * members}, members) for name in ("teacher", "student")
    }
    return audit_scores(loud).to_json(), json.loads(json.dumps(null_audit_of(8, 120, 3).to_json()))


def said(document: dict[str, Any], word: str, p: float) -> dict[str, Any]:
    """The document with this word on the student, whose smallest adjusted p is `p`; that of others is smaller still."""
    made = copy.deepcopy(document)
    for verdict in made["verdicts"]:
        verdict["p"] = 1e-12
        if verdict["role"] == "student":
            verdict |= {"verdict": word, "line": f"{word} line", "sentence": f"Of student: {word}.", "p": p}
    return made


def own(word: str, p: float = 1e-6) -> dict[str, Any]:
    return said(documents()[0], word, p)


def pipelines(word: str, p: float = 1e-6, confidence: float = 0.95) -> dict[str, Any]:
    made = said(documents()[1], word, p)
    made["plan"]["confidence"] = confidence
    return made


@pytest.mark.parametrize("word", WORDS)
@pytest.mark.parametrize("other", WORDS)
def test_the_worse_word_leads_with_its_own_sentence_and_both_are_kept(word: str, other: str) -> None:
    merged = merge_audits(own(word), pipelines(other))
    worst = min((word, other), key=("INVALID", "LEAKS", "INCONCLUSIVE", "NO LEAK FOUND").index)
    assert merged.verdict == worst and merged.line == f"{worst} line"
    assert merged.sentence.startswith(f"Of student: {worst}. Two audits, one verdict")
    assert (merged.run.verdict, merged.pipelines.verdict) == (word, other)


@pytest.mark.parametrize("other", ["NO LEAK FOUND", "INCONCLUSIVE"])
@pytest.mark.parametrize(("p", "shown"), [(0.0099, True), (0.0101, False)])
def test_a_leak_that_the_run_shows_alone_needs_a_quarter_of_the_error(p: float, shown: bool, other: str) -> None:
    merged = merge_audits(own("LEAKS", p), pipelines(other))
    assert merged.verdict == ("LEAKS" if shown else "INCONCLUSIVE")
    assert merged.run.at_its_share == merged.verdict
    assert ("own audit alone says LEAKS" in merged.sentence) is not shown


@pytest.mark.parametrize(("p", "shown"), [(0.0299, True), (0.0301, False)])
def test_a_leak_that_the_pipelines_show_alone_needs_three_quarters(p: float, shown: bool) -> None:
    merged = merge_audits(own("INCONCLUSIVE"), pipelines("LEAKS", p))
    assert merged.verdict == ("LEAKS" if shown else "INCONCLUSIVE")
    assert ("shadow pipelines alone says LEAKS" in merged.sentence) is not shown


@pytest.mark.parametrize("confidence", [0.9, 0.95, 0.99])
def test_shares_add_up_to_the_error_of_the_plan_and_are_said(confidence: float) -> None:
    merged = merge_audits(own("INCONCLUSIVE"), pipelines("INCONCLUSIVE", confidence=confidence))
    assert sum(merged.shares.values()) == pytest.approx(merged.error) == pytest.approx(1 - confidence)
    assert f"wrongly in at most {100 * (1 - confidence):.0f} % of cases" in merged.sentence


def test_a_student_that_gives_nothing_away_is_called_leaking_by_both_audits_together_as_often_as_by_one() -> None:
    """Uniform adjusted p-values, independent audits: the worst case that Bonferroni still bounds."""
    rng, rule, merged, count = np.random.default_rng(3), Rule(), 0, 400
    for _ in range(count):
        p = rng.random(2)
        words = ["LEAKS" if x < rule.level else "INCONCLUSIVE" for x in p]
        merged += merge_audits(own(words[0], p[0]), pipelines(words[1], p[1])).verdict == "LEAKS"
    assert merged / count < rule.level + 3 * np.sqrt(rule.level * (1 - rule.level) / count)


def test_json_of_two_real_audits_merges_and_what_is_no_audit_is_refused() -> None:
    run, shadows = documents()
    merged = merge_audits(run, shadows)
    assert (merged.run.verdict, merged.verdict) == ("LEAKS", "LEAKS")
    assert json.loads(json.dumps(merged.to_json()))["run"]["at_its_share"] == "LEAKS"
    with pytest.raises(ValueError, match="validation error"):
        merge_audits({**run, "verdicts": [{"p": 1}]}, shadows)
