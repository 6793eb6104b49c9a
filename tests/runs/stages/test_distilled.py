"""The generator that leaves is a function of the released images: nothing that was learned from private ones changes a bit."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np

from tests.conftest import blobs
from tests.runs.stages.test_gap import bench
from upcycle._files import write_json
from upcycle.data import ImageSet
from upcycle.generators import load_generator
from upcycle.nets import Augmentation
from upcycle.runs.stages._distilled import distilled, distilling


def released(count: int = 120) -> tuple[np.ndarray, np.ndarray]:
    images, labels = blobs(count, seed=3)
    return images[..., None], labels % 2


def test_views_and_protections_of_the_private_generator_are_none_of_its_business(tmp_path: Path) -> None:
    """Two runs on other private images, which found other mirror images safe and protected their own generator otherwise."""
    images, labels = released()
    weights = []
    for name, views, settings in (
        ("a", Augmentation(), ()),
        ("b", Augmentation(0, True, True), ("generator.noise_floor=0.3",)),
    ):
        made = bench(tmp_path / name, *settings)
        made.folder.stage("views")
        write_json(made.folder.document("views", "views"), asdict(views))
        found = distilled(made, images, labels, 256)
        weights.append({k: t.numpy().tobytes() for k, t in found.tensors(found.snapshots()[-1]).items()})
    assert weights[0] == weights[1]


def test_it_is_left_in_the_folder_and_judged_by_held_out_records(tmp_path: Path) -> None:
    made = bench(tmp_path / "run")
    made.folder.stage("views")
    write_json(made.folder.document("views", "views"), asdict(Augmentation()))
    images, labels = released()
    (tmp_path / "generator").mkdir()
    facts = distilling(made, ImageSet(images[:40], labels[:40]))(images, labels, 256, tmp_path / "generator")
    assert (facts["images_seen"], facts["learned_from"], facts["validation_images"]) == (256, 120, 40)
    assert 0 <= facts["accuracy"][1] <= facts["accuracy"][0] <= facts["accuracy"][2] <= 1
    assert load_generator(tmp_path / "generator").sample(np.arange(2), seed=0).shape == (2, 8, 8, 1)
    assert {path.name.partition("-")[0] for path in (tmp_path / "generator").iterdir()} == {"config.json", "snapshot"}
