"""The two pages: what they say, what the shareable one must not, and how they look to a browser."""

from __future__ import annotations

import base64
import io
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from upcycle.report import Evidence, render, write_reports
from upcycle.report._figures import image_grid
from upcycle.report._metrics import confusion, recalls, reliability_bins, scores

NAMES = ("cat", "dog", "<script>alert(1)</script>")


def audit_row(target: str, attack: str = "loss threshold", **changes: object) -> dict[str, object]:
    row: dict[str, object] = {
        "target": target,
        "attack": attack,
        "primary": attack == "loss threshold",
        "n_members": 100,
        "n_non_members": 100,
        "auc": 0.61,
        "auc_low": 0.55,
        "auc_high": 0.67,
        "tpr_at_1pct": None,
        "tpr_at_1pct_low": None,
        "tpr_at_1pct_high": None,
        "p_holm": 0.02,
    }
    return row | changes


@pytest.fixture
def evidence() -> Evidence:
    rng = np.random.default_rng(0)
    labels = np.arange(90) % 3
    logits = {m: rng.normal(0, 1, (90, 3)) + 3 * np.eye(3)[labels] for m in ("baseline", "teacher", "student")}
    images = rng.integers(0, 150, (12, 8, 8, 1), dtype=np.uint8)
    rows = [
        audit_row("student"),
        audit_row("teacher"),
        audit_row("student", "random forest", tpr_at_1pct=0.1, tpr_at_1pct_low=0.0, tpr_at_1pct_high=0.2),
    ]
    control = {
        "control": "shuffled",
        "target": "student",
        "attack": "a",
        "auc": 0.5,
        "auc_low": 0.4,
        "auc_high": 0.6,
        "passed": True,
    }
    return Evidence(
        title="st-mary-hospital: quick run",
        dataset={
            "name": "st-mary-hospital",
            "size": 8,
            "channels": 1,
            "class_names": NAMES,
            "counts": {"train": [4, 5, 6]},
            "notes": ("patient-4711 repaired",),
        },
        config_yaml="seed: 0",
        environment={"upcycle": "0.1.0", "libraries": {"torch": "2.13"}},
        minutes={"teacher": 1.5},
        curves={
            "teacher": [{"images": 10, "loss": 2.0, "validation_accuracy": 0.4}],
            "generator": [{"images": 10, "loss": 0.4}],
        },
        test_labels=labels,
        logits=logits,
        accuracies=dict.fromkeys(logits, (0.9, 0.85, 0.95)),
        gap_points=(-1.5, -3.0, 0.5),
        audit={"verdict": "LEAKS", "sentence": "The best attack reached 0.61.", "rows": rows, "controls": [control]},
        roc={"student": (np.array([0.0, 0.1, 1.0]), np.array([0.0, 0.3, 1.0]))},
        synthetic_examples=(images, np.arange(12) % 3, np.eye(3)[np.arange(12) % 3]),
        real_examples=(np.full((6, 8, 8, 1), 173, np.uint8), np.arange(6) % 3),
    )


def pictures_in(page: str) -> list[np.ndarray]:
    found = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", page)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")) for text in found]


def test_first_screen_says_the_three_numbers_and_the_verdict(evidence: Evidence) -> None:
    page = render(evidence, internal=True)
    for words in (
        "0.900",
        "-1.50",
        "0.610",
        "LEAKS",
        "The best attack reached 0.61.",
        "What it does not mean",
        "must not leave",
    ):
        assert words in page


def test_shareable_report_shows_nothing_private(evidence: Evidence) -> None:
    internal, shared = render(evidence, internal=True), render(evidence, internal=False)
    for secret in ("st-mary-hospital", "patient-4711"):
        assert secret in internal and secret not in shared
    marked = [any((p == 173).all(2).any() for p in pictures_in(page)) for page in (internal, shared)]
    assert marked == [True, False]
    assert len(pictures_in(shared)) == 1


def test_hostile_class_names_stay_text(evidence: Evidence) -> None:
    for internal in (True, False):
        page = render(evidence, internal=internal)
        assert "<script" not in page and "&lt;script&gt;" in page


def test_page_needs_no_network_and_no_script(evidence: Evidence) -> None:
    page = render(evidence, internal=True)
    assert "default-src 'none'" in page
    assert not re.search(r'(?:src|href)="(?!data:|#)', page.replace('xlink:href="#', 'href="#'))


def test_every_figure_has_a_text_alternative(evidence: Evidence) -> None:
    page = render(evidence, internal=True)
    assert page.count("<svg role=") == page.count('class="figure"') >= 6
    assert all(label for label in re.findall(r'<svg role="img" aria-label="([^"]*)"', page))


def test_same_evidence_gives_the_same_bytes(evidence: Evidence, tmp_path: Path) -> None:
    write_reports(evidence, internal=tmp_path / "a.html", shareable=tmp_path / "b.html")
    assert (tmp_path / "a.html").read_text() == render(evidence, internal=True)
    assert (tmp_path / "b.html").read_text() == render(evidence, internal=False)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.html", "b.html"]


def test_run_that_has_little_to_show_still_has_a_page(evidence: Evidence) -> None:
    bare = Evidence(title="bare", dataset=evidence.dataset)
    page = render(bare, internal=True)
    assert "NOT AUDITED" in page and "<svg" not in page
    assert "NOT AUDITED" in render(replace(evidence, audit=None, roc={}), internal=False)


@pytest.mark.parametrize("word", ["LEAKS", "NO LEAK FOUND", "INCONCLUSIVE", "INVALID"])
def test_no_verdict_claims_privacy(evidence: Evidence, word: str) -> None:
    page = render(replace(evidence, audit={"verdict": word, "sentence": "", "rows": [], "controls": []}), internal=False)
    assert not re.search(r"\b(immune|anonymous|is private|are private)\b", page)


def test_grid_places_every_image_unchanged() -> None:
    images = np.random.default_rng(0).integers(0, 255, (4, 8, 8, 3), dtype=np.uint8)
    sheet = pictures_in(image_grid(images, np.array([0, 0, 1, 1]), per_row=2))[0]
    assert sheet.shape == (17, 17, 3)
    assert np.array_equal(sheet[:8, :8], images[0]) and np.array_equal(sheet[9:, 9:], images[3])


def test_figures_of_merit_equal_their_definitions() -> None:
    labels = np.array([0, 0, 0, 1])
    logits = np.log(np.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.25, 0.75]]))
    found = scores(logits, labels)
    assert found.accuracy == 0.75 and found.balanced_accuracy == pytest.approx((2 / 3 + 1) / 2)
    assert found.macro_f1 == pytest.approx((0.8 + 2 / 3) / 2) and found.auroc == 1.0
    assert confusion(logits, labels) == pytest.approx(np.array([[2 / 3, 1 / 3], [0, 1]]))
    assert [row[0] for row in recalls(logits, labels)] == pytest.approx([2 / 3, 1.0])
    confidence, accuracy, share = reliability_bins(logits, labels)
    assert (share * np.abs(confidence - accuracy)).sum() == pytest.approx(found.calibration_error)
    assert found.calibration_error == pytest.approx((abs(1.45 - 1) + 0.2 + 0.1) / 4)


def test_browser_sees_no_error_no_request_and_no_overflow(evidence: Evidence, tmp_path: Path) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("no Chromium on this machine")
    write_reports(evidence, internal=tmp_path / "a.html", shareable=tmp_path / "b.html")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
    with playwright.sync_playwright() as tool:
        browser = tool.chromium.launch(executable_path=chromium, args=flags)
        for name in ("a.html", "b.html"):
            for width in (390, 1440):
                page = browser.new_page(viewport={"width": width, "height": 900})
                errors: list[str] = []
                requests: list[str] = []
                page.on("console", lambda message, errors=errors: errors.append(message.text))
                page.on("pageerror", lambda error, errors=errors: errors.append(str(error)))
                page.on("request", lambda request, requests=requests: requests.append(request.url))
                page.goto((tmp_path / name).as_uri())
                page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
                assert page.evaluate("document.documentElement.scrollWidth") <= width
                assert errors == []
                assert all(url.startswith(("file:", "data:")) for url in requests)
                page.close()
        browser.close()
