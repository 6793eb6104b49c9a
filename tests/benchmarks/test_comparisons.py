"""The benchmarks that compare steps and searches, end to end on a tiny run: what they bill, count and draw from."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from benchmarks._students import WholeStudent
from benchmarks.ablation import MIXES, TUNING, Banks, Workshop, last_allowed, row
from benchmarks.selection import compared, interval
from tests.conftest import blobs
from tests.run_folders import opened
from upcycle._settings import resolve
from upcycle.data import from_arrays
from upcycle.generators import Snapshot
from upcycle.nets import parameter_count
from upcycle.recycle import Choice, Score, candidates, greedy, halving, search
from upcycle.runs import run_dataset

TINY = (
    "threads=1",
    "teacher.min_images=2000",
    "teacher.max_images=2000",
    "generator.images=1024",
    "generator.warmup_images=100",
    "generator.snapshots=3",
    "generator.channels=[8,8]",
    "sampler.steps=2",
    "bank.min_images=300",
    "bank.max_images=300",
    "bank.refresh=0.2",
    "tuning.settings=[sampler.snapshot, sampler.spread]",
    "tuning.candidates=4",
    "tuning.images=300",
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = resolve("smoke", config_file=None, overrides=TINY, seed=0)
    dataset = from_arrays(*blobs(480), config=config.data, seed=0)
    out = tmp_path_factory.mktemp("compared") / "run"
    run_dataset(dataset, out, config, until="generator")
    return out


def test_selection_runs_end_to_end_and_counts_what_each_search_trained_and_drew(run: Path) -> None:
    untuned, short, whole = compared(run, images=320, grid=2, seeds=[1, 2])
    assert [r["strategy"] for r in (untuned, short, whole)] == ["untuned", "halving", "greedy"]
    assert (untuned["trials"], untuned["images"], untuned["images_drawn"]) == (0, 0, 0)
    values = 3 + 3  # snapshots; the untuned spread and the two of the grid
    assert whole["trials"] == values and whole["images"] == 320 * values
    assert short["trials"] == 4 + 2 and short["images"] == 4 * 100 + 2 * 300
    # one image that shows the shape, a bank of 0.4 times the images, and a fifth of it again at every eighth seen up to the last
    # batch; a bank of 64 that should move by 65 at once draws 64
    assert whole["images_drawn"] == values * (1 + 128 + 26 * 6)
    assert short["images_drawn"] == 4 * (1 + 64 + 64) + 2 * (1 + 120 + 24 * 6)
    assert short["share_of_images"] == pytest.approx(1000 / (320 * values))
    for found in (untuned, short, whole):
        scores = found["non_member_cas_by_seed"]
        assert isinstance(scores, list) and len(scores) == 2
        assert found["non_member_cas"] == pytest.approx(np.mean(scores))
    assert whole["points_over_greedy"] == [0, 0, 0] and whole["share_of_images_drawn"] == 1


def test_interval_of_paired_differences_is_students() -> None:
    mean, low, high = interval(np.array([1.0, 2.0, 3.0]))
    assert (mean, high - mean) == (2.0, pytest.approx(4.302653 / math.sqrt(3)))
    assert mean - low == pytest.approx(high - mean)
    assert interval(np.array([0.5])) == [0.5]


def test_halving_costs_a_twentieth_of_the_predecessors_grid_at_preset_values() -> None:
    how = resolve("quick", config_file=None, overrides=["tuning.strategy=halving"]).tuning
    sizes = {"snapshot": 4, "ema_std": 6, "spread": 22, "threshold": 4}
    choices = [Choice(name, tuple(range(size))) for name, size in sizes.items()]
    pool = candidates(choices, how.candidates, 0)
    short = search(halving(pool, lambda *_: Score(0.5, -1), images=how.images, rounds=how.rounds, keep=how.keep))
    whole = search(greedy(choices, lambda *_: Score(0.5, -1), images=60_000))
    assert short.images <= whole.images / 20


@pytest.fixture
def shop(run: Path, tmp_path: Path) -> Iterator[Workshop]:
    bench = opened(run)
    store = bench.folder.open_store()
    yield Workshop(bench, store, tmp_path / "generators")
    (run / "private" / "gate" / "gate.json").unlink(missing_ok=True)


def test_a_shared_bank_is_billed_to_every_step_that_draws_it(shop: Workshop, tmp_path: Path) -> None:
    banks = Banks(tmp_path / "banks")
    first = row(shop, "hard label (plain CAS)", 1, 300, banks)
    (tally,) = banks.tallies.values()
    members = shop.bench.plan.budget.epoch
    assert tally.draws == tally.images == members
    tally.seconds = 6_000.0  # as if drawing it had taken 100 minutes
    second = row(shop, "soft label", 1, 300, banks)
    assert tally.draws == members, "what lies there already must not be drawn again"
    assert second["drawing_minutes"] == 100 <= second["minutes"] < 101  # type: ignore[operator]
    assert first["minutes"] < 1  # type: ignore[operator]


def test_draws_of_a_regenerated_bank_are_those_that_its_student_asks_for(shop: Workshop, tmp_path: Path) -> None:
    banks = Banks(tmp_path / "banks")
    row(shop, "soft + regeneration", 1, 640, banks)
    members = shop.bench.plan.budget.epoch
    (tally,) = banks.tallies.values()
    # a fifth of the bank is drawn anew after every pass up to the last batch of 64
    assert tally.draws == WholeStudent(shop.bench, 640).draws == members + round(0.2 * members) * (576 // members) > members


def test_a_search_and_a_second_generator_are_billed_apart_and_only_once(shop: Workshop, tmp_path: Path) -> None:
    banks = Banks(tmp_path / "banks")
    tuned = row(shop, TUNING, 1, 300, banks)
    again = row(shop, TUNING, 2, 300, banks)
    assert tuned["changed"] == again["changed"] and tuned["preparing_minutes"] == again["preparing_minutes"]
    assert 0.001 < shop.tuned.minutes < 2


def test_other_teachers_label_instead_of_the_runs_own_and_are_trained_once(shop: Workshop, tmp_path: Path) -> None:
    banks, step = Banks(tmp_path / "banks"), "+ a teacher twice as wide"
    found = row(shop, step, 1, 300, banks)
    (wide,) = shop.taught_by(step).teachers
    own = shop.bench.classifier("teacher")
    assert parameter_count(wide) > 3 * parameter_count(own)
    assert found["validation_log_likelihood"] != row(shop, "temperature 4", 1, 300, banks)["validation_log_likelihood"]
    assert row(shop, step, 2, 300, banks)["preparing_minutes"] == found["preparing_minutes"]
    several = shop.taught_by("+ three teachers").teachers
    assert len(several) == 3 and parameter_count(several[1]) == parameter_count(own)
    assert same_weights(several[0], own) and not same_weights(several[1], several[2])


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@dataclass(frozen=True)
class _Stages:
    seen: tuple[int, ...]

    def snapshots(self) -> list[Snapshot]:
        return [Snapshot(seen, Path()) for seen in self.seen]


def test_a_mix_stops_at_the_last_stage_that_all_gates_let_pass() -> None:
    members = [_Stages((10, 20, 30)), _Stages((1, 2, 3, 4))]
    every = [{10, 20, 30}, {1, 2, 3, 4}]
    assert last_allowed(members, every) == 1  # type: ignore[arg-type]
    assert last_allowed(members, [{10, 20}, {1, 2, 3, 4}]) == 2  # type: ignore[arg-type]
    assert last_allowed(members, [{10, 20}, {1, 2}]) == 3  # type: ignore[arg-type]
    assert last_allowed(members, [set(), {4}]) == 1, "none passes: the last, as in a run"  # type: ignore[arg-type]


def test_the_mix_of_a_run_whose_last_snapshot_was_vetoed_is_drawn_from_an_earlier_one(shop: Workshop, tmp_path: Path) -> None:
    step = next(name for name, family in MIXES.items() if family == "edm")
    own = shop.bench.generator().load(shop.bench.folder.stage("generator")).snapshots()
    seen = [snapshot.images_seen for snapshot in own]
    path = shop.bench.folder.stage("gate") / "gate.json"
    path.write_text(json.dumps([{"images_seen": s, "vetoed": s > seen[0]} for s in seen]))
    prepared = shop.prepared(step)
    assert prepared.generator is not None and prepared.snapshot is not None
    stages = [s.images_seen for s in prepared.generator.snapshots()]
    assert prepared.snapshot.images_seen == stages[0] < stages[-1]
    found = row(replace(shop), step, 1, 300, Banks(tmp_path / "banks"))
    assert found["snapshot"] == stages[0]
