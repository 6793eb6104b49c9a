"""The page about shadow pipelines: what it says of a real audit, of every verdict and of what is missing, and what it never shows."""

from __future__ import annotations

import copy
import html
import re
from dataclasses import astuple
from typing import Any

import pytest

from tests.report.conftest import unnamed
from tests.report.test_report import Outline
from tests.report.trees import SEED
from upcycle.audit import NotResolvable, PipelineAudit
from upcycle.errors import DataError
from upcycle.report import Evidence, render, render_pipeline_audit
from upcycle.report._audit_json import attack_rows
from upcycle.report._flat_table import flat_table, set_table
from upcycle.report._leak_figures import canary_forest
from upcycle.report._leak_table import lead_attack, leak_table

HOSTILE = '<script>alert(1)</script>"onload="x'
CLAIM = r"private (?:model|student)|immun|anonym|\b(?:is|are|was) (?:private|safe|protected)\b"


@pytest.fixture
def facts(shadows: PipelineAudit) -> dict[str, Any]:
    """The JSON of the real audit, to be changed."""
    return copy.deepcopy(shadows.to_json())


@pytest.fixture(scope="module")
def page(shadows: PipelineAudit) -> str:
    return render_pipeline_audit(shadows.to_json(), title="ward: quick run")


def section(page: str, name: str) -> str:
    """The section with this heading's id."""
    return unnamed(page.split(f'<h2 id="{name}">')[1].split("</section>")[0])


def text(page: str) -> str:
    return re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", page))


def test_verdict_and_its_sentence_come_first(page: str, shadows: PipelineAudit) -> None:
    first = page.split('id="done"')[0]
    assert "ward: quick run" in first and "Verdict on the student" in first
    assert shadows.headline.line.replace(">", "&gt;").replace("<", "&lt;") in first
    assert text(shadows.sentence.split("[")[0]) in text(first)


def test_every_target_and_threat_model_has_a_row_with_its_numbers(page: str, shadows: PipelineAudit) -> None:
    table = section(page, "leaks")
    for verdict in shadows.verdicts:
        assert f'<span class="stay">{verdict.target}' in table
    for threat in ("T0", "T1", "T1+", "T2", "T3", "T4", "T5"):
        assert f'<th scope="row">{threat}' in table, threat
    for population in ("clean", "outlier", "canary", "canary, patch", "canary, repeated"):
        for row in shadows.select(target="teacher", threat_model="T5", population=population, attack="shrunk Student-t excess"):
            assert str(row.auc) in table, population
            rate = row.tpr_at_1pct
            percents = "{:.1f} % [{:.1f}, {:.1f}]"
            shown = str(rate) if isinstance(rate, NotResolvable) else percents.format(*(100 * x for x in astuple(rate)))
            assert shown in table, population


def test_strongest_other_attack_stands_beside_the_one_that_was_fixed_beforehand(shadows: PipelineAudit) -> None:
    rows = [row for row in shadows.rows if row.part.name == "teacher" and row.threat_model == "T5"]
    best = min((row for row in rows if row.attack != "shrunk Student-t excess"), key=lambda row: (row.p_holm, -row.auc.value))
    (part,) = [part for part in leak_table(shadows.to_json()).parts if part.name == "teacher"]
    (line,) = [line for line in part.lines if line.threat == "T5"]
    assert line.attack == "shrunk Student-t excess"
    assert line.other is not None
    assert (line.other.attack, line.other.population, line.other.p) == (best.attack, best.population, best.p_holm)


def test_attack_of_a_row_is_not_chosen_by_its_result() -> None:
    weak = {
        "target": "synthetic set",
        "threat_model": "T2",
        "population": "clean",
        "auc": 0.5,
        "auc_low": 0.4,
        "auc_high": 0.6,
        "p_holm": 1.0,
    }
    strong = weak | {"attack": "density", "auc": 0.99, "p_holm": 1e-9}
    rows = attack_rows({"rows": [strong, weak | {"attack": "nearest"}, weak | {"attack": "nearest, shrunk Student-t ratio"}]})
    assert lead_attack(rows) == "nearest, shrunk Student-t ratio"
    assert lead_attack(rows[:2]) == "density", "the first, where none is calibrated"
    assert lead_attack(attack_rows({"rows": [strong, weak | {"attack": "nearest", "primary": True}]})) == "nearest"


def test_what_leaves_stands_before_what_stays(shadows: PipelineAudit) -> None:
    names = [part.name for part in leak_table(shadows.to_json()).parts]
    assert names == ["student", "student, hard labels", "synthetic set", "generator", "baseline", "teacher", "positive control"]


def test_forest_shows_every_model_on_every_kind_of_canary_with_chance_and_margin(page: str) -> None:
    figure = section(page, "forest")
    for model in ("teacher", "baseline", "student", "student, hard labels"):
        for kind in ("mislabelled canaries", "canaries with a patch", "repeated canaries"):
            assert f"{model}: {kind}" in figure, (model, kind)
    assert ">chance<" in figure and ">margin<" in figure
    assert re.search(r"aria-label=\"[^\"]*teacher, mislabelled canaries: [\d.]+%, [\d.]+% to", figure)


def test_forest_without_a_resolved_rate_or_a_canary_is_not_drawn(facts: dict[str, Any]) -> None:
    for row in facts["rows"]:
        row |= {
            "tpr_at_1pct": None,
            "tpr_at_1pct_low": None,
            "tpr_at_1pct_high": None,
            "tpr_at_1pct_note": "needs 311 non-members",
        }
    page = render_pipeline_audit(facts)
    assert 'id="forest"' not in page
    assert section(page, "leaks").count("needs 311 non-members") > 20
    assert canary_forest([], 0.01, None) == ""
    plain = facts | {"rows": [row for row in facts["rows"] if not row["population"].startswith("canary")], "permutation": []}
    plain["plan"]["canaries"] = None
    plain["facts"] = {}
    assert "This budget plants no canaries" in render_pipeline_audit(plain)


def test_rate_that_so_few_records_cannot_resolve_says_what_it_needs(facts: dict[str, Any]) -> None:
    (row,) = [r for r in facts["rows"] if r["primary"] and r["target"] == "student"]
    row |= {"tpr_at_1pct": None, "tpr_at_1pct_note": "needs 299 non-members"}
    page = render_pipeline_audit(facts)
    assert "needs 299 non-members" in section(page, "leaks")
    assert ">needs 299 non-members<" in section(page, "forest"), "in the figure, in the place of the interval"
    assert "student, mislabelled canaries: needs 299 non-members" in section(page, "forest")


@pytest.mark.parametrize(
    ("word", "kind"),
    [("LEAKS", "bad"), ("NO LEAK FOUND", "good"), ("INCONCLUSIVE", "unsure"), ("INVALID", "bad"), ("UNHEARD", "unsure")],
)
def test_no_verdict_claims_more_than_the_audit_saw(facts: dict[str, Any], word: str, kind: str) -> None:
    facts |= {"verdict": word, "line": word, "verdicts": [v | {"verdict": word, "line": word} for v in facts["verdicts"]]}
    page = render_pipeline_audit(facts)
    assert f'<section class="verdict {kind}"' in page
    assert f'<span class="word {kind}">{word}' in section(page, "leaks")
    assert not re.search(CLAIM, page, re.IGNORECASE)
    assert ("do not believe any number below" in page) == (word == "INVALID")


def test_permutation_controls_bounds_accuracy_cost_scope_and_cards_are_all_there(page: str, shadows: PipelineAudit) -> None:
    (test,) = [test for test in shadows.permutation if test.target == "teacher"]
    assert f"<td>{100 * test.ranked_first:.1f} %</td><td>{100 * test.chance:.1f} %</td><td>under 0.001</td>" in section(
        page, "permutation"
    )
    controls = section(page, "controls")
    for control in shadows.controls:
        assert f'<th scope="row">{control.control}</th>' in controls
    assert "A coin calls" in controls and "passed (" in controls and "cannot clear the student" in controls
    (bound,) = shadows.select(target="teacher", population="clean", threat_model="T5", attack="shrunk Student-t ratio")
    rest = section(page, "more")
    assert bound.epsilon_cap > 0
    assert f"{bound.epsilon_low:.2f} ({bound.epsilon_cap:.2f})" in rest
    assert "one record, given twice" not in rest, "fewer than 437 pairs without the canary show no epsilon"
    assert f"{100 * shadows.facts.accuracy['student, hard labels']:.1f} %" in rest
    for words in ("canaries, mislabelled", "teacher agrees with the class asked for", "minutes of all pipelines", ">480<"):
        assert words in rest, words
    assert shadows.to_json()["scope"] in section(page, "not")
    assert all(card.paper in html.unescape(section(page, "attacks")) for card in shadows.cards)


def test_bound_on_more_than_one_record_says_whose_it_is(facts: dict[str, Any]) -> None:
    (row,) = [row for row in facts["rows"] if row["primary"] and row["target"] == "teacher"]
    row |= {"epsilon_low": 1.25, "epsilon_cap": 3.5}
    assert "<td>1.25 (3.50)</td>" in section(render_pipeline_audit(facts), "more")
    row["epsilon_of"] = "records that share a coin"
    assert "1.25 (3.50) of records that share a coin" in text(section(render_pipeline_audit(facts), "more"))
    del row["epsilon_of"]
    assert "<td>1.25 (3.50)</td>" in section(render_pipeline_audit(facts), "more"), "in JSON from before it was said"


def test_label_test_of_other_answers_than_the_part_s_own_names_them(facts: dict[str, Any]) -> None:
    names = re.findall(r'<th scope="row">(.*?)</th>', section(render_pipeline_audit(facts), "permutation"))
    assert {"teacher", "student", "synthetic set: probe of the released pairs"} <= set(names)
    for test in facts["permutation"]:
        del test["answers"]
    assert ":" not in "".join(re.findall(r'<th scope="row">(.*?)</th>', section(render_pipeline_audit(facts), "permutation")))


def test_runs_of_several_code_versions_are_said_in_one_line_on_every_page(facts: dict[str, Any]) -> None:
    one = {"code": {"upcycle 1, sources aa": 1.0}}
    two = {"code": {"upcycle 1, sources aa": 0.75, "upcycle 2, sources bb": 0.25}}
    bare = {key: value for key, value in facts["facts"].items() if key != "code"}
    line = "Kept runs of 2 code versions were mixed: upcycle 1, sources aa (75%); upcycle 2, sources bb (25%)."
    for made in ({}, one, two):
        page = render_pipeline_audit({**facts, "facts": bare | made})
        assert (line in section(page, "not")) is (made is two)
        assert ("code that ran them" in page) is bool(made) and "share of runs by" not in page
    shown = Evidence(title="x", pipelines={**facts, "facts": bare | two})
    assert line in render(shown, internal=True)
    assert "Kept runs of 2 code versions were mixed." in render(shown, internal=False)
    assert "were mixed" not in render(Evidence(title="x", pipelines={**facts, "facts": bare | one}), internal=True)


def test_failed_control_is_named_as_failed(facts: dict[str, Any]) -> None:
    facts["controls"][0]["passed"] = False
    name, tried = (
        facts["controls"][0]["control"],
        sum(c["control"] == facts["controls"][0]["control"] for c in facts["controls"]),
    )
    assert f'{name}</th><td class="fail">failed ({tried - 1} of {tried})' in section(render_pipeline_audit(facts), "controls")


def test_patients_sets_and_one_run_bounds_are_shown_where_they_are_known(facts: dict[str, Any]) -> None:
    bare = render_pipeline_audit({key: value for key, value in facts.items() if key not in ("sets", "one_run")})
    assert 'id="owned"' not in bare and 'id="one-run"' not in bare
    (primary,) = [row for row in facts["rows"] if row["primary"] and row["target"] == "student"]
    patient = primary | {"primary": False, "population": "patient", "auc": 0.777, "auc_low": 0.7, "auc_high": 0.8}
    facts["rows"].append(patient)
    facts["sets"] = [
        {
            "target": "student",
            "size": 50,
            "sets": 12,
            "detected": 0.25,
            "detected_low": 0.05,
            "detected_high": 0.57,
            "seed": 4242,
        },
        {"target": "student", "size": 900, "sets": 0, "detected": None, "detected_note": "needs 900 members"},
    ]
    facts["one_run"] = [{"target": "teacher", "canaries": 60, "guesses": 20, "epsilon_low": 1.234567, "epsilon_cap": 2.5}]
    found = render_pipeline_audit(facts)
    owned = section(found, "owned")
    assert (
        "0.777 [0.700, 0.800]" in owned
        and "0.250 [0.050, 0.570]" in owned
        and "needs 900 members" in owned
        and "4242" not in owned
    )
    assert '<th scope="col">patients</th>' in owned and "teacher" not in owned.split("</table>")[0]
    assert "0.777" not in section(found, "leaks"), "patients are no column of the table of records"
    assert '<th scope="col">epsilon low</th>' in section(found, "one-run") and "<td>1.23</td>" in section(found, "one-run")


def test_shares_of_sets_stand_by_part_and_size() -> None:
    rows = [
        {"target": t, "size": n, "share": n / 100, "low": 0.0, "high": 0.875} for t in ("student", "teacher") for n in (10, 50)
    ]
    found = set_table(rows[:-1])
    assert found is not None
    assert found.columns == ("part", "10 records", "50 records")
    assert found.rows == (("student", "10.0 % [0.0, 87.5]", "50.0 % [0.0, 87.5]"), ("teacher", "10.0 % [0.0, 87.5]", "–"))
    assert set_table([{"odd": 1}]) == flat_table([{"odd": 1}]) and set_table(None) is None


def test_flat_table_takes_what_later_versions_may_write() -> None:
    assert flat_table(None) is None and flat_table([]) is None and flat_table("x") is None and flat_table([1, "x"]) is None
    found = flat_table(
        {"student": [{"ok": True, "share": {"value": 0.5, "low": 0.25, "high": 0.75}}], "teacher": {"n": 12345, "ok": False}}
    )
    assert found is not None
    assert found.columns == ("target", "ok", "share", "n")
    assert found.rows == (("student", "yes", "0.500 [0.250, 0.750]", "–"), ("teacher", "no", "–", "12,345"))


def test_neither_half_shows_the_seed_that_draws_canaries_and_members(shadows: PipelineAudit, page: str) -> None:
    public = render_pipeline_audit(shadows.to_json(public=True))
    assert shadows.to_json()["plan"]["seed"] == SEED
    for found in (page, public):
        assert str(SEED) not in found and f"{SEED:,}" not in found
    assert "Internal" in page and "Internal" not in public and "Shareable" in public


def test_hostile_text_stays_text(facts: dict[str, Any]) -> None:
    facts |= {"sentence": HOSTILE, "line": HOSTILE, "scope": HOSTILE, "primary_endpoint": HOSTILE, "sets": [{HOSTILE: HOSTILE}]}
    for row in (*facts["rows"], *facts["controls"], *facts["verdicts"], *facts["permutation"]):
        row["target"] = f"{row['target']}{HOSTILE}"
    for row in facts["rows"]:
        row |= {
            "tpr_at_1pct_note": HOSTILE,
            "attack": HOSTILE,
            "population": f"{row['population']}{HOSTILE}" if row["population"] == "clean" else row["population"],
        }
    for name in ("reported", "accuracy", "canaries"):
        facts["facts"][name][HOSTILE] = 1
    facts["plan"]["budget"] = HOSTILE
    facts["attacks"][0]["paper"] = HOSTILE
    page = render_pipeline_audit(facts, title=HOSTILE)
    assert "<script" not in page and page.count("&lt;script&gt;") > 30
    assert 'onload="' not in page
    assert Outline(page).open == []


def test_page_is_a_well_formed_outline(page: str) -> None:
    outline = Outline(page)
    assert outline.headings[0] == 1 and outline.headings.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(outline.headings, outline.headings[1:], strict=False))
    assert len(outline.ids) == len(set(outline.ids)) and not outline.open


@pytest.mark.parametrize(
    "part", ["plan", "facts", "rows", "controls", "permutation", "attacks", "verdicts", "margins", "scope", "line"]
)
def test_part_that_another_version_leaves_out_costs_its_section_and_not_the_page(facts: dict[str, Any], part: str) -> None:
    for row in facts["rows"]:
        row["primary"] = False  # no figure, which takes longest
    without = render_pipeline_audit({key: value for key, value in facts.items() if key != part})
    assert facts["verdict"] in without and Outline(without).open == []
    assert Outline(render_pipeline_audit(facts | {part: None})).open == []


@pytest.mark.parametrize("other", [{}, {"schema": "upcycle-audit/2"}, {"schema": "upcycle-pipeline-audit/9"}])
def test_json_of_another_kind_is_refused_in_one_line(other: Any) -> None:
    with pytest.raises(DataError, match=r"^audit must be JSON of schema upcycle-pipeline-audit/2\. Got .*\. Give it .*\.$"):
        render_pipeline_audit(other)


@pytest.mark.parametrize("internal", [True, False])
def test_reports_of_a_run_tell_of_its_shadow_pipelines(shadows: PipelineAudit, internal: bool) -> None:
    page = render(Evidence(title="t", pipelines=shadows.to_json() | {"records": ["scan-0815"]}), internal=internal)
    found = section(page, "shadows")
    assert shadows.headline.line.replace(">", "&gt;") in found and "8 times" in found and "120 planted" in found
    assert ('href="audit/pipeline.html"' in found) == internal
    assert ("generator" in found) == (not internal), "the public report has the table, and nothing to follow a link to"
    assert str(SEED) not in page and "scan-0815" not in page
    assert "No attack on" not in page, "the pipelines' synthetic images, soft labels and generator were"
    assert 'id="shadows"' not in render(Evidence(title="t"), internal=internal)


def test_what_could_not_be_judged_is_said_and_shown_as_text(facts: dict[str, Any]) -> None:
    facts["notes"] = ["outlier: no row for any: a single record or patient among members or non-members.", HOSTILE]
    page = render_pipeline_audit(facts)
    assert "a single record or patient" in section(page, "not")
    assert HOSTILE not in page
    assert html.escape("<script>alert(1)</script>") in page
    facts["notes"] = 3
    assert "a single record or patient" not in render_pipeline_audit(facts)
