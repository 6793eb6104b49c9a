"""The dossier: five questions answered on the first screen, nothing private, and a place to sign."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.report.test_report_browser import TOO_WIDE, browser  # noqa: F401  # a fixture
from tests.report.test_words import audit, row
from upcycle.report import Decision, Evidence, render, render_dossier

QUESTIONS = ("May this release leave?", "Why:", "Who could learn what:", "Not tested:", "What next:")
BUDGET = "the rate at which membership of the worst record is told must be at most 90.0 % (gate.per_record). Got 97.7 %. Audit."
WORST = {"target": "student", "records": 900, "counted_in": "records", "pairs": 32}
WORST |= {"low": 0.4, "high": 0.9, "high_by_luck": 0.89}


def facts(word: str = "INCONCLUSIVE") -> dict[str, Any]:
    control = row(target="positive control", tpr_at_1pct=0.95, tpr_at_1pct_low=0.9, tpr_at_1pct_high=0.99, population="canary")
    rows = [row(threat_model="T1"), row(population="next layer", threat_model="T1"), control]
    rows.append(row(population="patient", threat_model="T1"))
    pipelines = {**audit(word, *rows), "worst": [WORST], "plan": {"pipelines": 64, "seed": 4711}}
    return {**audit(word, row(threat_model="T1")), "pipelines": pipelines}


def pages() -> Iterator[str]:
    yield render_dossier(facts("LEAKS"), Decision(False, (BUDGET,), (("gate.per_record", "90.0 %"),)), {})
    yield render_dossier(facts(), Decision(True, accepted_risk="board <b>12</b>"), {"student/model.safetensors": "ab" * 32})
    yield render_dossier(None, Decision(False), {})


def test_five_questions_are_answered_before_anything_else() -> None:
    for text in pages():
        first = text[: text.index('id="attackers"')]
        assert [question for question in QUESTIONS if question not in first] == []
    no, risk, _ = pages()
    assert "</span>No</h2>" in no and BUDGET in no
    assert "Only at a risk that somebody accepted" in risk and "board &lt;b&gt;12" in risk


def test_every_part_is_there_and_no_seed() -> None:
    text = re.sub(r"\s+", " ", next(pages()))
    for part in (
        "the next outliers",
        "For no single record does this attack tell which of two models was given it more than 90 times in 100",
        "between 40.0 % and 90.0 %",
        "Patients",
    ):
        assert part in text
    for asked in (
        "Opinion 28/2024",
        "linkability",
        "2025/327",
        "SP 800-226",
        "Attribute inference",
        "Signature",
        "gate.per_record",
    ):
        assert asked in text
    assert "4711" not in text
    assert "<script" not in text and "http" not in text.split("</style>")[1]


def test_what_is_proven_stands_by_the_guide_that_asks_for_it() -> None:
    proven = "No finite epsilon, for an image or a patient. Made from private records without a guarantee: the <screen>."
    text = render_dossier(facts(), Decision(False), {}, guarantee=proven)
    assert proven.replace("<screen>", "&lt;screen&gt;") in text[text.index("SP 800-226") :]


def test_dossier_and_both_reports_say_which_networks_the_pipelines_had() -> None:
    known = facts()
    known["pipelines"]["networks"] = "The networks were <small>."
    shown = Evidence(title="ward", audit=known, pipelines=known["pipelines"])
    texts = [render_dossier(known, Decision(False), {}), *(render(shown, internal=inside) for inside in (True, False))]
    assert [text.count("The networks were &lt;small&gt;.") for text in texts] == [1, 1, 1]


def test_only_a_cleared_student_is_said_to_be_fit_to_leave() -> None:
    words = {word: Decision(True).word(word) for word in ("NO LEAK FOUND", "INCONCLUSIVE")}
    assert words["NO LEAK FOUND"].startswith("Yes")
    assert words["INCONCLUSIVE"].startswith("Undecided")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1440])
def test_first_screen_holds_the_answers_and_nothing_is_wider(
    browser: Any,  # noqa: F811
    tmp_path: Path,
    width: int,
    scheme: str,
) -> None:
    for text in pages():
        (tmp_path / "dossier.html").write_text(text, encoding="utf-8")
        page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
        page.goto((tmp_path / "dossier.html").as_uri())
        assert page.evaluate(TOO_WIDE) == []
        assert (
            page.evaluate("[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth + 1).length")
            == 0
        )
        assert page.evaluate("document.querySelector('.verdict').getBoundingClientRect().bottom") < 900
        page.close()
