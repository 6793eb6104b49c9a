"""What the data card says of copies: aggregates with what chance gives, also for a run whose check is older."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.release.conftest import light, made_of
from upcycle.release import write_release

OLD = {"images": 500, "identical": 0, "replicated": 0.0, "closer": 0.517, "closer_low": 0.49, "closer_high": 0.54}
KNOWN = {"closer_null_low": 0.46, "closer_null_high": 0.541, "closer_p_value": 0.217, "near": 0.071, "near_expected": 0.049}
SMALL = {**KNOWN, "near": None, "near_expected": None}


def _card(copies: dict[str, Any] | None, folder: Path) -> str:
    write_release(folder / "release", made_of(copies=copies), light(images=6))
    return (folder / "release" / "DATA_CARD.md").read_text(encoding="utf-8")


def test_share_of_nearer_images_stands_beside_what_chance_gives(tmp_path: Path) -> None:
    card = _card({**OLD, **KNOWN}, tmp_path)
    for words in (
        "51.7 % lay nearer",
        "50 % [46.0, 54.1] if nothing",
        "p = 0.22",
        "7.1 % lay nearer",
        "4.9 % of",
        "not a privacy measure",
    ):
        assert words in card, words
    assert "49.0" not in card


@pytest.mark.parametrize("copies", [OLD, {**OLD, **SMALL}, None])
def test_what_was_not_measured_is_left_out(copies: dict[str, Any] | None, tmp_path: Path) -> None:
    card = _card(copies, tmp_path)
    assert ("51.7 % lay nearer" in card) is (copies is not None) and "49.0" not in card
    assert "privacy measure" not in card and ("was not measured" in card) is (copies is None)


@pytest.mark.parametrize(("levels", "said"), [(1, "only the likeliest class was kept"), (4, "rounded to multiples of 1/4")])
def test_card_says_that_labels_are_rounded_and_not_how_to_undo_it(levels: int, said: str, tmp_path: Path) -> None:
    write_release(tmp_path / "rounded", made_of(temperature=4.0, levels=levels), light(images=6))
    card = (tmp_path / "rounded" / "DATA_CARD.md").read_text(encoding="utf-8")
    assert said in card and "raise them to the power" not in card
    assert f"rounded to multiples of 1/{levels}" in (tmp_path / "rounded" / "croissant.json").read_text(encoding="utf-8")
    write_release(tmp_path / "plain", made_of(), light(images=6))
    assert "rounded to" not in (tmp_path / "plain" / "DATA_CARD.md").read_text(encoding="utf-8")


def test_card_says_at_what_temperature_the_soft_labels_are(tmp_path: Path) -> None:
    """Whoever takes flattened labels for probabilities trains a student that is sure of nothing."""
    write_release(tmp_path / "warm", made_of(temperature=4.0), light(images=6))
    card = (tmp_path / "warm" / "DATA_CARD.md").read_text(encoding="utf-8")
    assert "divide your logits by 4 inside the softmax" in card and "multiply the loss by 16" in card
    assert "temperature 4" in (tmp_path / "warm" / "croissant.json").read_text(encoding="utf-8")
    write_release(tmp_path / "plain", made_of(), light(images=6))
    assert "temperature" not in (tmp_path / "plain" / "DATA_CARD.md").read_text(encoding="utf-8")
