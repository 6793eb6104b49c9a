"""The pages as a browser and its user find them: no request, no error, nothing wider than the window, all of it reachable by
keyboard, printable, and without a finding of axe-core."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any, NoReturn

import pytest

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
TOO_WIDE = """[...document.querySelectorAll('body *')]
    .filter(e => e.getBoundingClientRect().right > innerWidth + 1 && !e.closest('.scroll, pre, .skip'))
    .map(e => e.tagName + '.' + e.className)"""


FOCUSED = """() => { const e = document.activeElement;
    return e === document.body ? null : [e.tagName, e.textContent.trim().slice(0, 40), e.getBoundingClientRect().height > 0]; }"""
OPEN_ALL = "open => document.querySelectorAll('details').forEach(d => d.open = open)"
KINDS = ("internal", "shareable", "comparison", "pipelines")
FOLDS = {"comparison": 1, "pipelines": 6}  # the others have 8 and more


def absent(reason: str) -> NoReturn:
    """Skip, or fail where the machine was prepared for these tests (UPCYCLE_BROWSER_TESTS=required, as in .ci/run)."""
    if os.environ.get("UPCYCLE_BROWSER_TESTS") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        absent("playwright is not installed: pip install --group dev")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        absent("no Chromium on this machine: apt-get install chromium")
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=chromium, args=list(FLAGS))
        yield found
        found.close()


@pytest.fixture
def opened(browser: Any, pages: dict[str, str], tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """Opens a page of this room by kind, with the options of a browser page."""
    shown = []

    def open_page(kind: str, **options: Any) -> Any:
        path = tmp_path / f"{kind}.html"
        path.write_text(pages[kind], encoding="utf-8")
        page = browser.new_page(**options)
        shown.append(page)
        page.goto(path.as_uri())
        return page

    yield open_page
    for page in shown:
        page.close()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1440])
def test_browser_sees_no_error_no_request_and_no_overflow(
    browser: Any, pages: dict[str, str], tmp_path: Path, kind: str, scheme: str, width: int
) -> None:
    path = tmp_path / "report.html"
    path.write_text(pages[kind], encoding="utf-8")
    page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    errors: list[str] = []
    requests: list[str] = []
    page.on("console", lambda message: errors.append(message.text))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("request", lambda request: requests.append(request.url))
    page.goto(path.as_uri())
    for state in ("folded", "open"):
        page.evaluate(OPEN_ALL, state == "open")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate(TOO_WIDE) == []
    assert page.evaluate("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
    assert errors == []
    assert all(url.startswith("data:") or url == path.as_uri() for url in requests)
    page.close()


@pytest.mark.parametrize("kind", KINDS)
def test_no_table_hides_a_column_on_a_telephone(opened: Callable[..., Any], kind: str) -> None:
    page = opened(kind, viewport={"width": 390, "height": 900})
    page.evaluate(OPEN_ALL, True)
    wide = "[...document.querySelectorAll('table')].filter(t => t.scrollWidth > 390 || t.closest('.scroll').scrollWidth > t.closest('.scroll').clientWidth + 1)"
    assert page.evaluate(f"{wide}.map(t => t.caption.textContent)") == []
    cell = "document.querySelector('td[data-column]')"
    assert page.evaluate(f"{cell} === null || getComputedStyle({cell}, '::before').content.length > 4")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_light_and_in_dark(browser: Any, pages: dict[str, str], tmp_path: Path, scheme: str) -> None:
    path = tmp_path / "report.html"
    path.write_text(pages["internal"], encoding="utf-8")
    page = browser.new_page(color_scheme=scheme)
    page.goto(path.as_uri())
    colours = {
        name: page.evaluate("n => getComputedStyle(document.documentElement).getPropertyValue(n)", f"--{name}").strip()
        for name in ("page", "card", "ink", "soft", "good", "bad", "unsure")
    }
    page.close()
    for text in ("ink", "soft", "good", "bad", "unsure"):
        for ground in ("page", "card"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)  # WCAG 2.2, AA


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (390, "dark")])
def test_axe_finds_nothing_to_mend(opened: Callable[..., Any], kind: str, scheme: str, width: int) -> None:
    """Of a table its first rows and parts are looked at: the others are written by the same macro, and cost half a minute."""
    axe = Path(str(resources.files("axe_playwright_python"))) / "axe.min.js"
    page = opened(kind, viewport={"width": width, "height": 900}, color_scheme=scheme)
    page.evaluate(OPEN_ALL, True)
    page.evaluate(axe.read_text(encoding="utf-8") + ";0")
    found = page.evaluate(
        "axe.run({exclude: [['tbody:nth-of-type(n+3)'], ['tr:nth-of-type(n+6)']]}, {resultTypes: ['violations']})"
    )
    assert len(found["passes"]) > 10, "axe did not look"
    bad = {rule["id"]: (rule["impact"], [node["html"][:120] for node in rule["nodes"]][:3]) for rule in found["violations"]}
    assert bad == {}


def test_axe_would_have_seen_a_violation(opened: Callable[..., Any]) -> None:
    axe = Path(str(resources.files("axe_playwright_python"))) / "axe.min.js"
    page = opened("shareable")
    page.evaluate(
        "document.querySelector('main').insertAdjacentHTML('beforeend', '<img src=\"data:,\"><p style=\"color:#ccc;background:#fff\">a sentence in pale grey</p>')"
    )
    page.evaluate(axe.read_text(encoding="utf-8") + ";0")
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    assert {"image-alt", "color-contrast"} <= {rule["id"] for rule in found["violations"]}


@pytest.mark.parametrize("kind", KINDS)
def test_keyboard_reaches_and_opens_every_fold(opened: Callable[..., Any], kind: str) -> None:
    page = opened(kind)
    folds = page.evaluate("document.querySelectorAll('summary').length")
    reached = []
    for _ in range(200):
        page.keyboard.press("Tab")
        focused = page.evaluate(FOCUSED)
        if focused is None:
            break
        reached.append(focused)
        if focused[0] == "SUMMARY":
            page.keyboard.press("Enter")
            assert page.evaluate("document.activeElement.parentElement.open"), focused
    assert reached[0][1] == "Skip to the content"
    assert sum(tag == "SUMMARY" for tag, _, _ in reached) == folds >= FOLDS.get(kind, 8)
    assert all(seen for _, _, seen in reached)
    assert page.evaluate("[...document.querySelectorAll('details')].every(d => d.open)")


@pytest.mark.parametrize("kind", ["internal", "shareable"])
def test_two_minutes_reader_has_verdict_and_its_limits_on_the_first_screen(opened: Callable[..., Any], kind: str) -> None:
    page = opened(kind, viewport={"width": 1440, "height": 900})
    for words in ("#verdict", "#means", "#not", ".verdict .plain", "[aria-labelledby=means] ul", "[aria-labelledby=not] ul"):
        assert page.locator(words).bounding_box()["y"] + page.locator(words).bounding_box()["height"] <= 900, words
    shown = page.evaluate("document.querySelector('main').innerText.split(/\\s+/).length")
    assert shown < 600, "a minute's reading is some 250 words"
    assert "Holm" not in page.evaluate("document.querySelector('main').innerText"), "statistics are folded away"


@pytest.mark.parametrize("kind", ["internal", "shareable"])
def test_on_a_phone_the_verdict_why_what_next_and_what_was_not_tested_need_no_scrolling(
    opened: Callable[..., Any], kind: str
) -> None:
    page = opened(kind, viewport={"width": 390, "height": 900})
    for label in ("Why", "Next", "Not tested"):
        box = page.locator(f".verdict p:has(strong:text-is('{label}:'))").bounding_box()
        assert box["y"] + box["height"] <= 900, label


@pytest.mark.parametrize("kind", KINDS)
def test_printed_page_is_light_complete_and_as_wide_as_the_paper(opened: Callable[..., Any], kind: str) -> None:
    page = opened(kind, viewport={"width": 794, "height": 1123}, color_scheme="dark")
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("document.documentElement.scrollWidth") <= 794
    hidden = "[...document.querySelectorAll('details table')].filter(t => !t.getBoundingClientRect().height).length"
    assert page.evaluate(hidden) == 0, "paper cannot be unfolded"
    assert page.pdf(format="A4").startswith(b"%PDF")


def contrast(one: str, other: str) -> float:
    """Contrast ratio of two #rrggbb colours (WCAG 2.2)."""
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
