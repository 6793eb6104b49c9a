"""Half blocks carry the pixels they stand for, fit the terminal, and stay away where they cannot be shown."""

from __future__ import annotations

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from rich.style import Style
from rich.text import Text

from tests.fakes import Terminal
from upcycle.runs.watch._display import PlainDisplay, RichDisplay, make_display
from upcycle.runs.watch._thumbnails import can_show, first_of_each_class, thumbnail_rows


def pixels(lines: list[Text]) -> np.ndarray:
    """The colours that the lines show, uint8 (2 * lines, columns, 3); a gap is black."""
    out = np.zeros((2 * len(lines), len(lines[0]), 3), np.uint8)
    for row, line in enumerate(lines):
        for span in line.spans:
            style = Style.parse(str(span.style))
            assert style.color and style.bgcolor and line.plain[span.start : span.end] == "▀"
            out[2 * row, span.start] = style.color.get_truecolor()
            out[2 * row + 1, span.start] = style.bgcolor.get_truecolor()
    return out


def test_colours_are_the_pixels_upper_half_first() -> None:
    images = np.random.default_rng(0).integers(0, 256, (2, 20, 20, 3), dtype=np.uint8)
    shown = pixels(thumbnail_rows(images, 41))
    assert np.array_equal(shown[:, :20], images[0]) and np.array_equal(shown[:, 21:], images[1])
    assert not shown[:, 20].any(), "thumbnails must not touch"


def test_grey_is_grey_odd_sides_repeat_the_last_row_and_small_images_are_enlarged() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1, 17, 17, 1), dtype=np.uint8)
    shown = pixels(thumbnail_rows(image, 80))
    assert shown.shape == (18, 17, 3) and np.array_equal(shown[:17], image[0].repeat(3, 2))
    assert np.array_equal(shown[17], shown[16])
    small = np.random.default_rng(0).integers(0, 256, (1, 8, 8, 1), dtype=np.uint8)
    assert np.array_equal(pixels(thumbnail_rows(small, 80)), small[0].repeat(2, 0).repeat(2, 1).repeat(3, 2))


def test_large_images_are_averaged_not_cut() -> None:
    image = np.zeros((1, 56, 56, 1), np.uint8)
    image[0, ::2] = 200
    shown = pixels(thumbnail_rows(image, 80))
    assert shown.shape == (28, 28, 3) and (shown == 100).all()


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 70), st.integers(0, 9), st.integers(28, 130), st.integers(1, 2))
def test_lines_never_wrap(side: int, count: int, width: int, rows: int) -> None:
    lines = thumbnail_rows(np.zeros((count, side, side, 3), np.uint8), width, rows=rows)
    assert all(len(line) <= width for line in lines) and bool(lines) == bool(count)


def test_classes_come_in_turn() -> None:
    assert first_of_each_class(np.array([1, 1, 1, 0, 2, 0]), 5).tolist() == [3, 0, 4, 5, 1]
    assert first_of_each_class(np.zeros(0, int), 5).tolist() == []


def test_only_a_terminal_of_24_bit_colour_gets_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    for colours, able in (("truecolor", True), ("", False)):
        monkeypatch.setenv("COLORTERM", colours)
        assert can_show(Console(file=Terminal())) is able
        stream = Terminal()
        display = make_display(stream, thumbnails=True)
        assert isinstance(display, RichDisplay) and display.wants_samples is able
        assert ("thumbnails need a terminal of 24-bit colour" in stream.getvalue()) is not able
    assert not RichDisplay(Terminal()).wants_samples, "only on request"
    stream = io.StringIO()
    assert isinstance(make_display(stream, thumbnails=True), PlainDisplay) and "24-bit" in stream.getvalue()


def test_display_prints_the_samples_it_is_handed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    stream = Terminal()
    display = RichDisplay(stream, thumbnails=True)
    display.stage("generator", 100)
    display.samples(np.full((2, 16, 16, 3), 7, np.uint8))
    display.close()
    assert "\x1b[38;2;7;7;7;48;2;7;7;7m▀" in stream.getvalue()
