"""What a run shows: plain lines off a terminal, a bar on one, and an honest pace after a resume."""

from __future__ import annotations

import io

import pytest

from tests.fakes import Terminal
from upcycle.runs.watch import _display
from upcycle.runs.watch._display import PlainDisplay, RichDisplay, SilentDisplay, make_display


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr(_display.time, "monotonic", lambda: now[0])
    return now


def test_plain_display_says_one_line_a_minute_with_rate_and_time_left(clock: list[float]) -> None:
    stream = io.StringIO()
    display = PlainDisplay(stream)
    display.plan(["a", "b"])
    display.stage("teacher", 10_000)
    for k in range(120):
        clock[0] += 1
        display.advance(10 * k, {"loss": 0.123456, "validation_accuracy": 0.5})
    display.done("teacher", 120)
    assert stream.getvalue().splitlines() == [
        "a",
        "b",
        "teacher    at work",
        "teacher    590 of 10,000 images (10/s, 15 min 41 s left) loss 0.1235  validation accuracy 0.5",
        "teacher    1,190 of 10,000 images (10/s, 14 min 41 s left) loss 0.1235  validation accuracy 0.5",
        "teacher    finished in 2 min 00 s",
    ]


def test_finished_stage_is_one_line(clock: list[float]) -> None:
    stream = io.StringIO()
    display = PlainDisplay(stream)
    display.stage("teacher", 10)
    display.done("teacher", 0)
    display.note("x")
    assert stream.getvalue().splitlines() == ["teacher    was finished before", "x"]


def test_pace_of_a_resumed_stage_does_not_count_what_was_done_before(clock: list[float]) -> None:
    stream = io.StringIO()
    display = PlainDisplay(stream, every=0)
    display.stage("generator", 2_000)
    display.advance(1_000, {})
    clock[0] += 10
    display.advance(1_100, {})
    assert "(10/s, 1 min 30 s left)" in stream.getvalue().splitlines()[-1]


def test_terminal_gets_its_cursor_back_after_an_interrupt() -> None:
    stream = Terminal()
    display = make_display(stream)
    assert isinstance(display, RichDisplay)
    display.plan(["[plan]"])
    display.stage("teacher", 100)
    display.advance(50, {"loss": 0.5})
    display.close()
    display.close()
    display.advance(60, {})
    shown = stream.getvalue()
    assert "[plan]" in shown
    assert shown.count("\x1b[?25h") >= shown.count("\x1b[?25l")


def test_terminal_keeps_one_line_a_stage() -> None:
    stream = Terminal()
    display = RichDisplay(stream)
    display.stage("teacher", 100)
    display.done("teacher", 61)
    display.stage("generator", 100)
    display.done("generator", 0)
    assert "teacher    1 min 01 s" in stream.getvalue() and "generator  was finished before" in stream.getvalue()


def test_no_terminal_no_colours_and_silence_on_request() -> None:
    assert isinstance(make_display(io.StringIO()), PlainDisplay)
    silent = SilentDisplay()
    silent.plan(["x"]), silent.stage("x", 1), silent.advance(1, {}), silent.done("x", 1), silent.note("x"), silent.close()
