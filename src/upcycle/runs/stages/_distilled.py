"""A generator that may leave. It learns from the released images and the classes they were asked for, and from nothing else, so
whoever has these could have trained it: it gives away no more than they do (post-processing). As the third model of DistillMD
(arXiv:2410.16657), which learns from what two generators on halves of the records drew.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from upcycle._files import write_json
from upcycle._random import derive_seed
from upcycle._training import Report, silent
from upcycle.audit.statistics import accuracy_interval
from upcycle.config import EdmConfig, SamplerConfig
from upcycle.data import ImageSet
from upcycle.generators import GENERATOR_FACTS, EdmGenerator, generator_facts
from upcycle.recycle import AskedLabels, Distillation, Proxy, Sampler, label_prior, logits_of
from upcycle.runs.stages._bench import Bench

_JUDGED_BY: Final = 12_000  # images that the classifier sees by which the generator is judged
Distil = Callable[[np.ndarray, np.ndarray, int, Path], Mapping[str, Any]]
"""(released images, their classes, images to see, folder) -> what the generator's card says."""


def distilled(
    bench: Bench, images: np.ndarray, labels: np.ndarray, budget: int, folder: Path | None = None, report: Report = silent
) -> EdmGenerator:
    """A generator of the run's size, or of the default one where the run's is of another family, that saw `budget` of the
    released `images`. No setting that was chosen by private images is among its own: neither flips nor a tuned sampler."""
    config, sampler = bench.config.generator, bench.config.sampler
    if not isinstance(config, EdmConfig):
        config, sampler = EdmConfig(), SamplerConfig()
    alone = {"images": budget, "snapshots": 1, "ema_stds": (sampler.ema_std,)}
    off = {"noise_floor": 0.0, "skip_low_loss": 0.0, "gap_stop": 0.0}
    how = sampler.model_copy(update={"snapshot": 0, "threshold": None, "first_share": None})
    generator = EdmGenerator(bench.shape, config.model_copy(update=alone | off), how, device=bench.device, dtype=bench.dtype)
    seed = derive_seed(bench.config.seed, "distilled")
    return generator.fit(images, labels, seed=seed, budget=budget, resume=folder, report=report)


def distilling(bench: Bench, validation: ImageSet) -> Distil:
    """How a release makes its generator, given records of the validation split that are in memory: the store is sealed by
    then. They judge it and choose nothing."""

    def make(images: np.ndarray, labels: np.ndarray, budget: int, folder: Path) -> Mapping[str, Any]:
        generator = distilled(bench, images, labels, budget, folder)
        write_json(folder / GENERATOR_FACTS, generator_facts(generator))
        return {
            "images_seen": budget,
            "learned_from": len(images),
            "parameters": generator.parameter_count(),
            "judged_by": _JUDGED_BY,
            "validation_images": len(validation),
            "accuracy": list(worth(bench, generator, labels, validation)),
        }

    return make


def worth(bench: Bench, generator: EdmGenerator, labels: np.ndarray, validation: ImageSet) -> tuple[float, float, float]:
    """Accuracy on `validation`, with limits, of a classifier that learned from its images with the classes asked for."""
    sampler = Sampler(generator, label_prior(labels, bench.shape.classes, 0.0), derive_seed(bench.config.seed, "worth"))
    recipe = bench.recipe(_JUDGED_BY, bench.augmentation())
    labeller, work = AskedLabels(bench.shape.classes), bench.folder.work
    work.mkdir(parents=True, exist_ok=True)
    net = Proxy(recipe, Distillation(1, 0), work=work).train(sampler, labeller, _JUDGED_BY, seed=bench.config.seed)
    hits = logits_of(net, validation, bench.device).argmax(1) == validation.labels
    low, high = accuracy_interval(hits, bench.config.audit.confidence)
    return float(hits.mean()), low, high
