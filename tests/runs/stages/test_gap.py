"""The gap of every snapshot decides which ones are drawn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from upcycle._files import write_json
from upcycle._settings import resolve
from upcycle.config import Config
from upcycle.data import ImageSet
from upcycle.generators import ImageShape
from upcycle.runs.folder import RunFolder
from upcycle.runs.stages._bench import GAPS, Bench
from upcycle.runs.stages._gap import gap_facts
from upcycle.runs.stages._networks import networks_of
from upcycle.runs.stages._plan import Plan, budget_for
from upcycle.runs.watch import SilentDisplay

GAP = ("generator.channels=[8]", "generator.patch=2", "generator.images=256", "generator.warmup_images=32")


def bench(folder: Path, *overrides: str) -> Bench:
    config: Config = resolve("smoke", config_file=None, overrides=[*GAP, *overrides])
    plan = Plan.unmeasured(budget_for(config, 64))
    return Bench(
        RunFolder(folder), config, ImageShape(1, 8, 2), torch.device("cpu"), SilentDisplay(), networks_of(config), plan
    )


def kept(made: Bench, gaps: list[float]) -> list[int]:
    stage = made.folder.stage("generator")
    for number, _ in enumerate(gaps):
        (stage / f"snapshot-{100 * (number + 1):010d}.safetensors").touch()
    rows = [{"images_seen": 100 * (number + 1), "gap": gap} for number, gap in enumerate(gaps)]
    write_json(made.folder.document("generator", GAPS), rows)
    return [snapshot.images_seen for snapshot in made.passed_snapshots()]


@pytest.mark.parametrize(
    ("gaps", "drawn"),
    [([0.0, 0.04, 0.06, 0.3], [100, 200]), ([0.0, 0.0, 0.0, 0.0], [100, 200, 300, 400]), ([0.1, 0.2, 0.3, 0.4], [100])],
)
def test_no_snapshot_beyond_the_limit_is_drawn_from_and_where_all_are_the_first(
    gaps: list[float], drawn: list[int], tmp_path: Path
) -> None:
    assert kept(bench(tmp_path, "generator.gap_stop=0.05"), gaps) == drawn


def test_the_stage_leaves_the_gap_of_every_snapshot_and_nothing_where_there_is_no_limit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    inside, outside = (ImageSet(rng.integers(0, 256, (n, 8, 8, 1), dtype=np.uint8), np.arange(n) % 2) for n in (64, 32))
    made = bench(tmp_path, "generator.gap_stop=0.05")
    made.generator().fit(inside.images, inside.labels, seed=0, budget=256, resume=made.folder.stage("generator"))
    facts = gap_facts(made, inside, outside, None)
    assert [row["images_seen"] for row in facts["gaps"]] == [128, 256]
    assert all(abs(row["gap"]) < 0.5 for row in facts["gaps"])
    assert made.folder.facts("generator", GAPS) == facts["gaps"]
    assert gap_facts(bench(tmp_path), inside, outside, None) == {}
