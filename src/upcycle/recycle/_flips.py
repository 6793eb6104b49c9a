"""Which mirror images keep the label? Asked of the data, since "left kidney" and "b" are not safe and a blood cell is."""

from dataclasses import asdict, dataclass, replace
from typing import Final, Literal

import numpy as np
import torch
from scipy.stats import norm

from upcycle._random import numpy_rng
from upcycle.config import AugmentConfig
from upcycle.data import ImageSet
from upcycle.nets import Augmentation, predict_logits
from upcycle.recycle._classify import Recipe, train_classifier

Flip = Literal["horizontal", "vertical"]
MIRRORED_IMAGES: Final = 4_000  # that the probe is asked about, at most
_AXIS: dict[Flip, int] = {"horizontal": 2, "vertical": 1}


@dataclass(frozen=True)
class FlipTrial:
    """Accuracy lost on mirrored images by a probe that saw none, with its upper limit; `safe` if that is below the margin."""

    flip: Flip
    accuracy: float
    mirrored_accuracy: float
    loss_upper: float
    safe: bool

    def to_json(self) -> dict[str, object]:
        return asdict(self)


def paired_loss(right: np.ndarray, mirrored_right: np.ndarray, confidence: float = 0.9) -> tuple[float, float]:
    """Mean drop in accuracy and its one-sided upper limit, from two bool (n,) arrays on the same images (paired, normal)."""
    drop = right.astype(float) - mirrored_right.astype(float)
    error = drop.std(ddof=1) / np.sqrt(len(drop))
    return float(drop.mean()), float(drop.mean() + norm.ppf(confidence) * error)


def try_flips(members: ImageSet, recipe: Recipe, *, seed: int, images: int = 20_000, margin: float = 0.03) -> list[FlipTrial]:
    """One trial per mirror axis. A probe learns half the members unflipped and is asked about the other half, as it is and
    mirrored; a class that only its side tells apart collapses at once. Neither validation nor test images are used."""
    order = numpy_rng(seed, "flip-probe").permutation(len(members))
    learn, ask = members.take(order[: len(order) // 2]), members.take(order[len(order) // 2 :][:MIRRORED_IMAGES])
    config = recipe.config.model_copy(update={"validate_every": 1.0})
    probe_recipe = replace(recipe, config=config, budget=images, augmentation=Augmentation(recipe.augmentation.shift))
    probe = train_classifier(learn, ask, probe_recipe, seed=seed, stage="flip-probe").net

    def right(pixels: np.ndarray) -> np.ndarray:
        logits = predict_logits(probe, torch.from_numpy(np.ascontiguousarray(pixels)), recipe.device)
        return np.asarray(logits.argmax(1).numpy() == ask.labels)

    straight = right(ask.images)
    trials = []
    for flip, axis in _AXIS.items():
        mirrored = right(np.flip(ask.images, axis))
        _, upper = paired_loss(straight, mirrored)
        safe = upper <= margin and _no_class_suffers(ask.labels, straight, mirrored)
        trials.append(FlipTrial(flip, float(straight.mean()), float(mirrored.mean()), upper, safe))
    return trials


def _no_class_suffers(labels: np.ndarray, right: np.ndarray, mirrored: np.ndarray, limit: float = 0.15) -> bool:
    """False if some class loses more than `limit` of its recall beyond two standard errors."""
    for label in np.unique(labels):
        drop = right[labels == label].astype(float) - mirrored[labels == label]
        error = drop.std() / np.sqrt(len(drop))
        if drop.mean() - 2 * error > limit or drop.mean() > 2 * limit:
            return False
    return True


def choose_augmentation(config: AugmentConfig, size: int, trials: list[FlipTrial]) -> Augmentation:
    """The views used in a run: the shift in pixels, and the flips asked for or, with "auto", those found safe."""
    safe = {trial.flip for trial in trials if trial.safe}
    fixed: dict[str, list[Flip]] = {"none": [], "both": ["horizontal", "vertical"], "auto": list(safe)}
    wanted: list[Flip] = fixed[config.flip] if config.flip in fixed else [config.flip]  # type: ignore[list-item]  # noqa: SIM401
    return Augmentation(round(config.shift * size), "horizontal" in wanted, "vertical" in wanted, config.contrast)
