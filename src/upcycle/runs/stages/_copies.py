"""The stage that looks for copies of private images in the synthetic set."""

import numpy as np

from upcycle._files import write_json
from upcycle.audit.copies import find_copies, memorisation, nearest_two
from upcycle.data import Store, sealed
from upcycle.release import (
    write_synthetic,
)
from upcycle.runs.stages._bench import Bench, Facts
from upcycle.runs.stages._gate import groups_of
from upcycle.runs.stages._release import material


def copies_stage(bench: Bench, store: Store) -> Facts:
    """Whether images of the kind about to leave copy members; empty where none leaves. The images stay, for the reports."""
    count = bench.config.release.synthetic_images
    if not count:
        return {}
    folder = bench.folder.stage("copies")
    with sealed(bench.folder.store):
        write_synthetic(material(bench, store, "balanced"), count, ("npz",), folder, lambda _: None)
    saved = bench.folder.arrays(bench.folder.preview)
    found = judge_copies(saved["train_images"], saved["train_labels"].ravel(), store, bench.config.seed)
    write_json(bench.folder.document("copies", "copies"), found)
    return found


def judge_copies(images: np.ndarray, labels: np.ndarray, store: Store, seed: int) -> Facts:
    """Nearness of synthetic images (n, ...) to members and to non-members; distances to members are measured once."""
    inside, outside = store.members(), store.non_members()
    nearest = nearest_two(images, inside.images)
    groups = groups_of(inside, outside)
    copies = find_copies(images, inside.images, outside.images, groups=groups, nearest=nearest, seed=seed)
    held_out = (outside.images, outside.labels)
    return {**copies.to_json(), **memorisation((images, labels), inside.images, held_out, nearest=nearest, seed=seed).to_json()}
