"""The two pages: what they say, what the shareable one must not, and what becomes of incomplete or hostile evidence."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from tests.report.conftest import unnamed
from upcycle.report import Energy, Evidence, _leak_figures, _run_figures, _svg, render, render_comparison, write_reports

from .conftest import ALIKE, COPY, FACE, MARK, SECRETS, TWIN, audit_row

BOTH = pytest.mark.parametrize("kind", ["internal", "shareable"])
ALL = pytest.mark.parametrize("kind", ["internal", "shareable", "comparison"])
Decoder = Callable[[str], list[np.ndarray]]


class Outline(HTMLParser):
    """Headings in order, ids, and whether every tag is closed by its own end."""

    EMPTY = frozenset({"meta", "img", "line", "circle", "br"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.headings: list[int] = []
        self.ids: list[str] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag not in self.EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.EMPTY:
            assert self.open.pop() == tag


@BOTH
def test_first_screen_says_the_three_numbers_and_the_verdict(pages: dict[str, str], kind: str) -> None:
    first = pages[kind].split('id="details"')[0]
    for words in (
        "88.1 %",
        "90 % interval 80.0 to 94.0 %",
        "90.0 % (85.0 to 95.0)",
        "−1.50",
        "−3.00 to +0.50",
        "no difference was shown",
        "0.610",
        "0.830 (0.550 to 0.870)",
        "61 times in 100",
        "LEAKS",
        "The best attack reached 0.61.",
        "What it means",
        "What it does not mean",
        "1,200 records that were used and 100 that were not",
    ):
        assert words in first, words


@BOTH
def test_first_lines_say_why_what_next_and_what_was_not_tested(pages: dict[str, str], kind: str) -> None:
    box = unnamed(pages[kind].split('aria-labelledby="verdict"')[1].split("</section>")[0])
    places = [
        box.index(f"<strong>{label}:</strong>") for label in ("Why", "Next", "Not tested", "What the audit could have seen")
    ]
    assert places == sorted(places)
    assert "No attack on the synthetic images and their soft labels." in box and 'href="#untested"' in box
    assert ("most exposed records below" in box) == (kind == "internal")
    assert "<code>--privacy strong</code>" in box or kind == "shareable"
    assert "report.html" not in box


def test_internal_report_warns_before_anything_else(pages: dict[str, str]) -> None:
    body = pages["internal"].split("<body>")[1]
    assert body.index("must not leave") < body.index("<header>")
    assert "What this report leaves out" in pages["shareable"] and "must not leave" not in pages["shareable"]


def test_shareable_report_shows_nothing_private(pages: dict[str, str], pictures_in: Decoder) -> None:
    for secret in SECRETS:
        assert secret in pages["internal"] and secret not in pages["shareable"], secret
    decoded = b"".join(base64.b64decode(text) for text in re.findall(r"base64,([A-Za-z0-9+/=]+)", pages["shareable"]))
    assert not any(secret.encode() in decoded for secret in SECRETS)
    for mark, count in ((MARK, 6), (COPY, 3), (TWIN, 3), (FACE, 1), (ALIKE, 4)):
        marked = [sum(bool((p == mark).any()) for p in pictures_in(pages[kind])) for kind in ("internal", "shareable")]
        assert marked == [count, 0]
    assert len(pictures_in(pages["shareable"])) == 12 + 2, "the strips, and the one sheet without a copy on it"


def test_shareable_report_gives_no_seed_that_would_repeat_the_coin_flip(pages: dict[str, str]) -> None:
    assert "987654" in pages["internal"] and "987654" not in pages["shareable"]


def test_shareable_report_gives_no_small_count(pages: dict[str, str]) -> None:
    assert "<td>4</td>" in unnamed(pages["internal"])
    shareable = unnamed(pages["shareable"])
    assert "<td>4</td>" not in shareable and "<td>under 10</td>" in shareable
    assert "<td>600</td>" in shareable


def test_part_added_to_the_evidence_stays_inside_until_it_is_let_out(evidence: Evidence) -> None:
    shared = evidence.shareable()
    assert (shared.real_examples, shared.nearest, shared.exposed) == (None, None, None)
    assert set(shared.sheets) == {"classes"}, "sheets that were not checked, or hold a copy, stay inside"
    unheard = replace(evidence, sheets={"unheard of": evidence.sheets["classes"]})
    assert unheard.shareable().sheets == {}
    assert set(shared.dataset) == {"name", "size", "channels", "class_names", "counts"}
    assert shared.audit is not None and not {"per_record"} & set(shared.audit)
    assert "record_names" not in shared.audit["rows"][0]


@BOTH
def test_hostile_class_names_stay_text(pages: dict[str, str], kind: str) -> None:
    assert "<script" not in pages[kind] and "&lt;script&gt;" in pages[kind]
    assert "$dog^{" in pages[kind]


@BOTH
def test_hostile_text_of_an_audit_stays_text(evidence: Evidence, kind: str) -> None:
    evil = "<img src=x onerror=alert(1)>"
    audit = {"verdict": evil, "sentence": evil, "rows": [audit_row(evil, evil)], "controls": [{"control": evil}]}
    page = render(Evidence(title=evil, dataset={"name": evil}, config_yaml=evil, audit=audit), internal=kind == "internal")
    assert "<img src=x" not in page and "&lt;img src=x" in page


@ALL
def test_page_needs_no_network_and_no_script(pages: dict[str, str], kind: str) -> None:
    page = pages[kind]
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in page
    assert not re.findall(r'(?:src|href|data|action)="(?!data:image/png;base64,|#)', page)
    assert not re.search(r"https?:|url\((?!#)|@import|<(?:script|iframe|object|link|form)\b|\son\w+=", page)


@ALL
def test_page_is_well_formed_and_its_headings_skip_no_level(pages: dict[str, str], kind: str) -> None:
    outline = Outline(pages[kind])
    assert outline.open == []
    assert len(outline.ids) == len(set(outline.ids))
    assert outline.headings[0] == 1 and outline.headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(outline.headings, outline.headings[1:], strict=False))


@ALL
def test_every_figure_and_table_can_be_heard(pages: dict[str, str], kind: str) -> None:
    page = pages[kind]
    assert (
        page.count("<svg ")
        == len(re.findall(r'<svg [^>]*role="img"[^>]*aria-label="[^"]+"', page))
        >= (2 if kind == "comparison" else 9)
    )
    assert page.count("<table") == page.count("<caption>")
    assert len(re.findall("<th[ >]", page)) == len(re.findall('<th scope="(?:col|row)"', page))
    assert all('alt="' in image for image in re.findall("<img[^>]*>", page))


def test_details_are_folded_below_the_first_screen(pages: dict[str, str]) -> None:
    assert pages["internal"].count("<details") == 12 and "<details open" not in pages["internal"]
    assert pages["shareable"].count("<details") == 10


def test_same_evidence_gives_the_same_bytes(
    evidence: Evidence, pages: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_svg, "_kept", {})  # every figure is drawn anew
    write_reports(evidence, internal=tmp_path / "a.html", shareable=tmp_path / "b.html")
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == pages["internal"]
    assert (tmp_path / "b.html").read_text(encoding="utf-8") == pages["shareable"]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.html", "b.html"]


def test_a_figure_that_both_reports_show_is_drawn_once_and_each_report_is_as_if_made_alone(
    evidence: Evidence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A class of 5 test images is left out of the shareable one, so that some figures differ."""
    few = replace(evidence, test_labels=np.where(np.arange(90) < 5, 0, 1 + np.arange(90) % 2))
    drawn: list[str] = []
    draw = _run_figures.svg
    for module in (_run_figures, _leak_figures):
        monkeypatch.setattr(module, "svg", lambda *given, **told: drawn.append(told["name"]) or draw(*given, **told))
    alone = []
    for internal in (True, False):
        monkeypatch.setattr(_svg, "_kept", {})
        alone.append(render(few, internal=internal))
    apart = sorted(drawn)
    monkeypatch.setattr(_svg, "_kept", {})
    drawn.clear()
    write_reports(few, internal=tmp_path / "a.html", shareable=tmp_path / "b.html")
    assert [(tmp_path / name).read_text(encoding="utf-8") for name in ("a.html", "b.html")] == alone
    assert len(_svg._kept) == len(drawn) and set(drawn) == set(apart), "each has all its figures"
    assert {name for name in drawn if drawn.count(name) == 1} == {"curves", "minutes"}
    assert [page.count('class="figure" viewBox') for page in alone] == [len(apart) / 2] * 2 == [8, 8]


def test_figures_of_other_data_are_others_however_alike() -> None:
    """What is kept of one record's figure is never shown for another's; and memory is given back."""
    drawn: list[object] = []
    figure = _svg.drawn_once(lambda *given: f"{drawn.append(given)}{len(drawn)}")
    alike = [1, 1.0, True, "1", None, np.array([1.0]), np.array([1.0], "f4"), np.array([[1.0]]), np.nextafter(1, 2)]
    given = [*((value,) for value in alike), ([1, 2],), ([1], 2), ({"a": 1},), ({"b": 1},), ((0.0, np.nan),), ((-0.0, np.nan),)]
    found = [figure(*one) for one in given]
    assert len(set(found)) == len(given) == len(drawn)
    assert [figure(*one) for one in given] == found
    for number in range(40):
        figure(number)
    assert len(_svg._kept) <= 16


def test_failed_rendering_leaves_the_old_reports(evidence: Evidence, tmp_path: Path) -> None:
    for name in ("a.html", "b.html"):
        (tmp_path / name).write_text("old")
    broken = replace(evidence, logits={"student": np.zeros((3, 3))})  # fits no test label
    with pytest.raises(ValueError):
        write_reports(broken, internal=tmp_path / "a.html", shareable=tmp_path / "b.html")
    assert {p.name: p.read_text() for p in tmp_path.iterdir()} == {"a.html": "old", "b.html": "old"}


@BOTH
def test_run_that_has_nothing_to_show_still_has_a_page(kind: str) -> None:
    page = render(Evidence(title="bare"), internal=kind == "internal")
    assert "NOT AUDITED" in page and page.count("not measured") == 3 and "<svg" not in page
    assert Outline(page).open == []


@BOTH
def test_check_for_copies_is_shown_with_what_no_copying_would_give(pages: dict[str, str], kind: str) -> None:
    section = pages[kind].split("Copies of private images")[1].split("</details>")[0]
    words = ("0 identical of 2000", "2,000", "1.2 %", "51.7 %, p 0.22", "50 % [46.0 %, 54.0 %]", "21.2", "–", "cannot acquit")
    more = (
        "not a privacy measure",
        "-1.23",
        "-2.35, p 0.019",
        "7.1 %, p under 0.001",
        "4.9 %",
        "72.0 % (0.96 times held-out)",
        "75.0 %",
    )
    for text in words + more:
        assert text in section, text
    private = ("worst class, $dog^{", "3.8 · 4.5")
    assert [text in section for text in private] == [kind == "internal"] * 2
    assert "No attack on the synthetic images and their soft labels." in pages[kind]
    assert "The images were only checked for copies." in pages[kind]


@BOTH
def test_run_whose_check_for_copies_is_older_has_a_page_without_its_interval(kind: str) -> None:
    """That interval over images was too narrow."""
    old = {"images": 200, "identical": 0, "replicated": 0.0, "closer": 0.517, "closer_low": 0.49, "closer_high": 0.54}
    page = render(Evidence(title="old", copies=old), internal=kind == "internal")
    section = unnamed(page.split("Copies of private images")[1].split("</details>")[0])
    assert "51.7 %</td><td>50 %</td>" in section and "49.0 %" not in section and "worst class" not in section


def test_part_that_was_attacked_is_not_called_unattacked() -> None:
    rows = [audit_row("student"), audit_row("synthetic set", threat_model="T2")]
    page = render(Evidence(title="t", audit={"verdict": "LEAKS", "rows": rows}), internal=False)
    assert "No attack on their soft labels." in page
    rows += [audit_row("synthetic set", threat_model="T3")]
    assert "No attack on" not in render(Evidence(title="t", audit={"verdict": "LEAKS", "rows": rows}), internal=False)


def test_shareable_report_with_identical_copies_says_so_instead_of_inviting(evidence: Evidence) -> None:
    found = render(replace(evidence, logits={}, copies={"identical": 3.0, "images": 2000}), internal=False)
    assert "Do not share yet: 3 of the synthetic images are byte-identical" in found
    assert "shows no private image" not in found


PARTS = (
    "config_yaml",
    "environment",
    "minutes",
    "curves",
    "logits",
    "accuracies",
    "roc",
    "audit",
    "copies",
    "dataset",
    "gap_points",
)


@pytest.mark.parametrize(
    "part", [*PARTS, "test_labels", "synthetic_examples", "sheets", "energy", "real_examples", "nearest", "exposed"]
)
def test_any_part_may_be_missing(part: str) -> None:
    labels = np.arange(6) % 2
    whole = Evidence(
        title="t",
        dataset={"class_names": ("a", "b"), "counts": {"train": [3, 3]}},
        accuracies={"student": (0.5, 0.4, 0.6)},
        gap_points=(1.0, 0.5, 1.5),
        test_labels=labels,
        logits={"student": np.eye(2)[labels]},
        audit={"verdict": "LEAKS", "rows": [audit_row("student")]},
        synthetic_examples=(np.zeros((2, 4, 4, 3), np.uint8), np.arange(2), np.eye(2)),
    )
    assert "Verdict of the audit" in render(replace(whole, **{part: None}), internal=True)


@pytest.mark.parametrize("key", ["auc", "auc_low", "target", "attack", "primary", "n_members", "tpr_at_1pct_note", "p_holm"])
def test_audit_row_without_a_key_costs_a_cell_and_not_the_report(key: str) -> None:
    row = {name: value for name, value in audit_row("student", unheard_of=[1]).items() if name != key}
    page = render(Evidence(title="t", audit={"verdict": "INCONCLUSIVE", "rows": [row, None, "x"]}), internal=True)
    assert "INCONCLUSIVE" in page and ("–" in page or key in ("tpr_at_1pct_note", "primary", "p_holm", "target", "attack"))


def test_accuracy_without_an_interval_is_given_one() -> None:
    labels = np.zeros(10, int)
    page = render(Evidence(title="t", test_labels=labels, logits={"student": np.eye(2)[labels]}), internal=True)
    assert "100.0 %" in page and "95 % interval 69.2 to 100.0 %" in page  # Clopper-Pearson: 0.025 ** (1 / 10)


def test_numbers_of_an_invalid_audit_are_not_offered(evidence: Evidence) -> None:
    page = render(Evidence(title="t", audit={**(evidence.audit or {}), "verdict": "INVALID"}), internal=False)
    assert "Not to be used: a control of the audit failed." in page and "times in 100" not in page


@pytest.mark.parametrize("word", ["LEAKS", "NO LEAK FOUND", "INCONCLUSIVE", "INVALID", None])
def test_no_verdict_claims_privacy(word: str | None) -> None:
    audit = None if word is None else {"verdict": word, "sentence": "", "rows": [], "controls": []}
    for internal in (True, False):
        page = render(Evidence(title="t", audit=audit), internal=internal)
        assert not re.search(r"private model|immun|anonym|\b(?:is|are) (?:private|safe|protected)\b", page, re.IGNORECASE)


def test_differential_privacy_is_missed_only_where_it_is_missing() -> None:
    rows = [audit_row("student"), audit_row("dp-classifier")]
    for given, said in ((rows[:1], True), (rows, False)):
        page = render(Evidence(title="t", audit={"verdict": "LEAKS", "rows": given}), internal=False)
        assert ("has no such model for comparison" in page) == said


def test_report_room_loads_no_heavy_library_before_it_draws() -> None:
    code = (
        "import sys, upcycle.report; "
        "print([m for m in ('matplotlib', 'sklearn', 'scipy', 'jinja2', 'PIL') if m in sys.modules and m not in before])"
    )
    code = "import sys, upcycle; before = set(sys.modules); " + code
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


@BOTH
def test_energy_says_that_it_is_an_estimate_and_from_what(pages: dict[str, str], kind: str) -> None:
    section = unnamed(pages[kind].split("Time and energy")[1].split("</details>")[0])
    for words in ("about 7.5 Wh", "estimate, not a measurement: time at 100 W", "<td>90.0</td><td>2.5</td>"):
        assert words in section, words


def test_counted_energy_says_what_the_counter_leaves_out(evidence: Evidence) -> None:
    counted = replace(evidence, logits={}, energy=Energy({"teacher": 0.001}, measured=True))
    page = render(counted, internal=False)
    assert "counter (RAPL)" in page and "graphics cards" in page and "estimate, not a measurement" not in page


def test_exposed_records_say_how_many_outsiders_look_the_same(pages: dict[str, str]) -> None:
    section = pages["internal"].split("The most exposed records")[1].split("</details>")[0]
    assert "scan-0815" in section and section.count("<img") == 1
    assert "The list is evidence only if few unused" in section


def test_comparison_shows_every_run_with_its_intervals(comparison: str) -> None:
    for words in (
        "a &amp; b &lt;i&gt;",
        "blood, quick, seed 0",
        "0.961 [0.954, 0.968]",
        "−0.91 [−1.47, −0.37]",
        "0.610 [0.590, 0.630]",
        'class="word bad">LEAKS',
        "<td>22.1</td>",
        "<td>0.0369</td>",
        '<th scope="col">bank.size</th>',
        "NOT AUDITED",
        "Utility against leakage",
    ):
        assert words in unnamed(comparison), words


def test_comparison_of_different_data_warns_about_accuracies() -> None:
    page = render_comparison([{"name": "a", "dataset": "blood"}, {"name": "b", "dataset": "chest"}])
    assert "not accuracies" in page and "Utility against leakage" not in page
    assert Outline(page).open == [] and Outline(render_comparison([])).open == []
