"""The positive control of a run where its budget is too small for all members."""

from pathlib import Path

import numpy as np
import pytest

from upcycle._settings import resolve
from upcycle.data import from_arrays
from upcycle.runs.stages import compared_members, control_stage, prepare
from upcycle.runs.stages._audit import audit_records
from upcycle.runs.stages._plan import control_images


def test_a_control_that_cannot_see_all_members_often_enough_remembers_those_that_the_audit_compares(tmp_path: Path) -> None:
    """Spread over all members, the same images left a control of 10,000 at AUC 0.49: no audit of a large set could decide."""
    rng = np.random.default_rng(0)
    images, labels = rng.integers(0, 256, (900, 8, 8), dtype=np.uint8), np.arange(900) % 2  # nothing to learn, all to remember
    changes = ("threads=1", "teacher.width=8", "teacher.blocks=1", "audit.min_non_members=60")
    config = resolve("smoke", config_file=None, overrides=changes)
    with prepare(from_arrays(images, labels, config=config.data, seed=0), tmp_path / "run", config) as bench:
        store, most = bench.folder.open_store(), 36 * 80
        rows = compared_members(store, config.seed)
        spread = control_stage(bench, store, most)
        found = control_stage(bench, store, most, rows)
    data, members, _ = audit_records(store, config.seed)
    assert np.array_equal(data.images[members], store.members().images[rows])
    assert found["members"] == len(rows) == len(store.non_members())
    assert spread["members"] == len(store.members())
    assert spread["labels_known"] < 0.98 < found["labels_known"]


@pytest.mark.parametrize(
    ("members", "share", "most", "images"),
    [
        (1_000, 0.1, 60_000, 36_000),  # all of them, often enough
        (9_720, 0.1, 60_000, 36 * 1_080),  # those that are compared
        (9_720, 0.1, 30_000, 30_000),
        (9_720, 0.0, 60_000, 60_000),  # nothing is compared
    ],
)
def test_the_plan_counts_what_the_control_will_see(members: int, share: float, most: int, images: int) -> None:
    assert control_images(members, share, most) == images
