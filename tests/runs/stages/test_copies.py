"""The check for copies of a run: what is written of members, non-members and their patients."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from upcycle.data import Dataset, ImageSet, Store, write_store
from upcycle.runs.stages._copies import judge_copies


def _store(folder: Path, groups: bool) -> Store:
    rng = np.random.default_rng(0)

    def split(n: int) -> ImageSet:
        images = rng.integers(0, 256, (n, 6, 6, 1), dtype=np.uint8)
        return ImageSet(images, np.arange(n) % 2, np.arange(n) // 4 if groups else None)

    dataset = Dataset("noise", split(400), split(20), split(20), ("even", "odd"))
    write_store(folder, dataset, np.arange(300), np.arange(300, 400))
    return Store(folder)


@pytest.mark.parametrize("groups", [False, True])
def test_copies_of_members_are_seen_in_every_part_of_the_check(groups: bool, tmp_path: Path) -> None:
    store = _store(tmp_path / "store", groups)
    members = store.members()
    found = judge_copies(members.images[:200, ..., 0], members.labels[:200], store, seed=0)
    assert (found["images"], found["identical"], found["compared_records"], found["compared_classes"]) == (200, 200, 100, 2)
    assert found["closer"] > 0.6 and found["closer_p_value"] < 0.05
    assert (found["near"], found["authentic"]) == (1.0, 0.0) and found["c_t"] < -5 and set(found["closest"]) == {0.0}
    assert json.loads(json.dumps(found))["c_t_worst_class"] in (0, 1)


def test_images_of_the_same_law_are_as_near_to_either_side(tmp_path: Path) -> None:
    drawn = np.random.default_rng(9).integers(0, 256, (200, 6, 6, 1), dtype=np.uint8)
    found = judge_copies(drawn, np.arange(200) % 2, _store(tmp_path / "store", True), seed=0)
    assert found["identical"] == 0 and found["closer_p_value"] > 0.05 and abs(found["c_t"]) < 3 and found["near_p_value"] > 0.01
