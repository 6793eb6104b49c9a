"""The measurement before a plan: set-up is taken off where it counts, and long batches are not measured seven times."""

from types import SimpleNamespace

import pytest

import upcycle.runs.stages._plan as module


class Worker:
    """Takes `setup` seconds and `each` seconds a batch of 10, on a clock of its own that a busy machine slows down."""

    def __init__(self, setup: float, each: float, slower: float = 1.0) -> None:
        self.setup, self.each, self.slower, self.used, self.batches = setup, each, slower, 0.0, 0

    def __call__(self, batches: int) -> int:
        self.used += self.setup + batches * self.each
        self.batches += batches
        return 10 * batches

    def clock(self) -> SimpleNamespace:
        return SimpleNamespace(process_time=lambda: self.used, perf_counter=lambda: self.slower * self.used)


@pytest.mark.parametrize(
    ("work", "rate", "batches"),
    [
        (Worker(0.3, 0.1), 100.0, 7),
        (Worker(0.3, 0.1, slower=20.0), 5.0, 7),
        (Worker(0.0, 4.0), 2.5, 2),
    ],
)
def test_only_batches_that_are_long_for_the_processor_are_measured_once(
    work: Worker, rate: float, batches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "time", work.clock())
    assert module._rate(work, 1.0) == pytest.approx(rate)
    assert work.batches == batches
