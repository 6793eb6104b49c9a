"""Records that a run's screen must keep are kept in its shadow pipelines, too."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.conftest import blobs
from upcycle.data import Dataset, ImageSet, Store, write_store
from upcycle.runs.shadows._audit import run_pool, staying


def test_the_images_of_the_rows_to_keep_are_found_among_members_and_non_members(tmp_path: Path) -> None:
    images, labels = blobs(60)
    whole = ImageSet(images[..., None], labels)
    train, rest = whole.take(np.arange(40)), whole.take(np.arange(40, 60))
    inside, outside = np.arange(0, 40, 2), np.arange(1, 40, 2)
    write_store(tmp_path / "store", Dataset("bars", train, rest, rest, ("a", "b", "c")), inside, outside)
    store = Store(tmp_path / "store")
    found = staying(run_pool(store), store, (4, 7))
    assert found is not None
    assert {image.tobytes() for image in found} == {train.images[row].tobytes() for row in (4, 7)}
    assert staying(run_pool(store), store, ()) is None
