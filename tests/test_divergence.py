"""Losses that are not finite: a fit goes back once and lowers its rate, the same bits after a kill, and then says what to do."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from upcycle._files import append_row, read_rows
from upcycle._training import Checkpoint, Good, NotFiniteError, check_finite, descend, fit, set_rate
from upcycle.errors import TrainingError


class Kill(Exception):
    """Stands for a kill: the fit ends between two steps."""


class Loop:
    """A fit of one weight whose loss is infinite at `bad` images while the rate is above `most`."""

    def __init__(self, path: Path | None, *, bad: int = 60, most: float = 0.5, kill_at: int | None = None) -> None:
        self.net = nn.Linear(1, 1, bias=False)
        nn.init.ones_(self.net.weight)
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=1.0, momentum=0.5)
        self.checkpoint, self.bad, self.most, self.kill_at = Checkpoint(path, seconds=0.0), bad, most, kill_at
        self.trace: list[tuple[int, float]] = []

    def step(self, seen: int, rng: torch.Generator) -> int:
        if seen == self.kill_at:
            raise Kill
        set_rate(self.optimizer, 0.9)
        rate = self.optimizer.param_groups[0]["lr"]
        self.trace.append((seen, rate))
        loss = (self.net(torch.rand((4, 1), generator=rng)) ** 2).mean()
        descend(loss * float("inf") if seen >= self.bad and rate > self.most else loss, self.optimizer)
        return 4

    def run(self) -> float:
        parts = {"net": self.net, "optimizer": self.optimizer}
        fit(self.step, parts, self.checkpoint, seed=0, stage="teacher", budget=96)
        return float(self.net.weight.detach())


def test_a_fit_goes_back_to_the_last_sound_eighth_at_a_tenth_of_the_rate(caplog: pytest.LogCaptureFixture) -> None:
    loop = Loop(None)
    loop.run()
    assert [seen for seen, _ in loop.trace] == [*range(0, 64, 4), *range(60, 96, 4)]
    assert [rate for _, rate in loop.trace] == pytest.approx([0.9] * 16 + [0.09] * 9)
    assert "teacher: not finite between images 60 and 64" in caplog.text


@pytest.mark.parametrize("kill_at", [24, 64, 80])
def test_a_fit_that_was_killed_before_or_after_it_went_back_ends_in_the_same_bits(kill_at: int, tmp_path: Path) -> None:
    whole = Loop(tmp_path / "whole" / "resume.pt", bad=56).run()
    killed = tmp_path / "killed" / "resume.pt"
    with pytest.raises(Kill):
        Loop(killed, bad=56, kill_at=kill_at).run()
    assert Loop(killed, bad=56).run() == whole


def test_a_fit_that_does_not_become_finite_names_the_images_and_the_setting() -> None:
    with pytest.raises(TrainingError, match=r"between images 60 and 64, also at a tenth of .* Lower teacher\.lr"):
        Loop(None, most=0.0).run()


def test_weights_that_are_not_finite_at_the_end_are_not_called_finished() -> None:
    net = nn.Linear(2, 2)

    def step(seen: int, _: torch.Generator) -> int:
        with torch.no_grad():
            net.weight[0, 0] = float("nan")
        return 8

    with pytest.raises(TrainingError, match=r"Lower generator\.lr"):
        fit(step, {"net": net}, Checkpoint(None), seed=0, stage="generator", budget=8)
    with pytest.raises(NotFiniteError):
        check_finite({"net": net})


def test_nothing_of_the_way_back_is_left_when_a_fit_is_over(tmp_path: Path) -> None:
    loop = Loop(tmp_path / "resume.pt")
    loop.run()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["resume.good.pt", "resume.pt"]
    loop.checkpoint.remove()
    assert not list(tmp_path.iterdir())


def test_a_damaged_good_state_is_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "resume.good.pt").write_bytes(b"half")
    net = nn.Linear(1, 1)
    assert Good(Checkpoint(tmp_path / "resume.pt"), {"net": net}, every=8).seen == 0


def test_metrics_are_json_also_where_a_number_is_not_finite(tmp_path: Path) -> None:
    append_row(
        tmp_path / "metrics.jsonl", {"stage": "x", "images": 4, "loss": float("nan"), "other": float("inf"), "sound": 0.5}
    )
    (line,) = (tmp_path / "metrics.jsonl").read_text().splitlines()

    def refuse(name: str) -> None:
        raise AssertionError(f"{name} is not JSON")

    assert json.loads(line, parse_constant=refuse)["loss"] is None
    (row,) = read_rows(tmp_path / "metrics.jsonl")
    assert (row["other"], row["sound"]) == (None, 0.5)
