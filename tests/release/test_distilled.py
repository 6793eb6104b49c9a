"""A generator that leaves learned from the released set, and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.release.conftest import light, made_of
from upcycle.errors import ConfigError, ReleaseError
from upcycle.release import check_sums, write_release

SAID = {
    **{"images_seen": 900, "learned_from": 30, "parameters": 12_345, "judged_by": 12_000, "validation_images": 41},
    "accuracy": [0.75, 0.6, 0.87],
}


def test_it_is_given_the_very_images_that_leave_and_its_card_says_how_good_it_is(tmp_path: Path) -> None:
    given: list[tuple[np.ndarray, np.ndarray, int]] = []

    def distil(images: np.ndarray, labels: np.ndarray, budget: int, folder: Path) -> Mapping[str, Any]:
        given.append((images, labels, budget))
        (folder / "snapshot-0000000900.safetensors").write_bytes(b"weights")
        return SAID

    write_release(tmp_path / "release", made_of(distil=distil), light(images=30, distilled=900))
    ((images, labels, budget),) = given
    with np.load(tmp_path / "release" / "synthetic" / "synthetic.npz") as written:
        np.testing.assert_array_equal(images.squeeze(-1), written["train_images"].reshape(30, 8, 8))
        np.testing.assert_array_equal(labels, written["train_labels"][:, 0])
    assert budget == 900
    card = (tmp_path / "release" / "GENERATOR_CARD.md").read_text(encoding="utf-8")
    for words in (
        "gives away no more than they do",
        "**0.750** [0.600, 0.870] of 41 real",
        "12,345 weights",
        "first 30 images",
    ):
        assert words in card, words
    assert "generator/" in (tmp_path / "release" / "README.txt").read_text(encoding="utf-8")
    check_sums(tmp_path / "release")


def test_none_leaves_where_none_was_asked_for(tmp_path: Path) -> None:
    write_release(tmp_path / "release", made_of(), light(images=6))
    assert not (tmp_path / "release" / "generator").exists() and not (tmp_path / "release" / "GENERATOR_CARD.md").exists()
    assert "generator/" not in (tmp_path / "release" / "README.txt").read_text(encoding="utf-8")
    with pytest.raises(ReleaseError, match="distilled must be 0"):
        write_release(tmp_path / "release", made_of(), light(images=6, distilled=9))


@pytest.mark.parametrize(("images", "asked"), [(0, 5), (10, -1)])
def test_without_a_set_there_is_nothing_to_learn_from(images: int, asked: int) -> None:
    with pytest.raises(ConfigError, match=f"distilled must be 0 or more, and 0 without images. Got {asked}"):
        light(images=images, distilled=asked)
