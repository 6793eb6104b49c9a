"""What makes the default generator learn in fewer processor seconds, lever by lever: rows of levers.json, written as they come.

    python -m benchmarks.levers DATA [DATA ...] --arms "" lr=0.008 p_mean=-0.8 --images 30000 --seeds 0 1

Every arm is the generator of the preset with some settings changed, trained on the same images in the same order from the same
weights. At every snapshot it is judged on the validation split: `cas` by a fixed small classifier that learns from images drawn
with hard labels (`cas_log_likelihood` scatters less), `loss` of the denoiser over four noise levels, and
`gap`, the share by which that is lower on members. `seconds` are the process's own, and more on a busy machine; `cost` is
what an image costs relative to the first arm, the median of short trainings in turns. The test split is never opened.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from benchmarks._results import MEASURED, write
from upcycle._machine import learning_dtype, tune_process
from upcycle._random import derive_seed, indexed_normal
from upcycle._settings import resolve
from upcycle.config import ClassifierConfig, Config, EdmConfig
from upcycle.data import Dataset, ImageSet, read
from upcycle.generators import EdmGenerator, ImageShape, Snapshot, denoising_gap
from upcycle.nets import Augmentation, classifier_factory
from upcycle.recycle import Recipe, label_prior, score_on, train_classifier

_SAME = ("dataset", "arm", "seed", "images", "preset", "overrides", "images_seen")
_LEVELS = (0.1, 0.2, 0.4, 0.6)  # of noise: those of `denoising_gap`
_JUDGE = ClassifierConfig(width=16, blocks=1, batch=64, validate_every=1.0)


def made(data: Dataset, preset: str, arm: str, overrides: list[str]) -> EdmGenerator:
    """The generator of the preset with the settings of `arm`, as in "lr=0.004,dropout=0"."""
    texts = [f"generator.{text}" for text in arm.split(",") if text]
    config = resolve(preset, config_file=None, overrides=["generator.snapshots=3", *overrides, *texts])
    assert isinstance(config.generator, EdmConfig), "arms are settings of an edm"
    dtype = learning_dtype(config.precision, torch.device("cpu"))
    return EdmGenerator(ImageShape(data.channels, data.size, data.classes), config.generator, config.sampler, dtype=dtype)


def spent(generator: EdmGenerator, data: Dataset, seed: int, budget: int) -> list[tuple[int, float]]:
    """(Images seen, processor seconds by then) of a whole training, every 5,000 images and at the end."""
    start, marks = time.process_time(), [(0, 0.0)]

    def note(seen: int, _: Mapping[str, float]) -> None:
        marks.append((seen, time.process_time() - start))

    generator.fit(data.train.images, data.train.labels, seed=seed, budget=budget, report=note)
    return marks


def costs(data: Dataset, generators: Mapping[str, EdmGenerator], turns: int) -> dict[str, float]:
    """Processor seconds of an image relative to the first generator: medians over turns."""
    ratios: dict[str, list[float]] = {arm: [] for arm in generators}
    for turn in range(turns + 1):  # the first one warms up
        seconds = {arm: spent(g, data, 0, 10 * g.config.batch)[-1][1] for arm, g in generators.items()}
        for arm, value in seconds.items():
            ratios[arm] += [value / next(iter(seconds.values()))] if turn else []
    return {arm: round(statistics.median(values), 3) for arm, values in ratios.items() if values}


@torch.inference_mode()
def loss(generator: EdmGenerator, at: Snapshot, records: ImageSet, level: float) -> float:
    """Mean squared error of the denoiser on 512 `records` with the noise of `denoising_gap`."""
    denoise, scale = generator.denoiser(at)
    some = records.take(np.linspace(0, len(records) - 1, min(512, len(records))).round().astype(np.int64))
    clean, labels = scale(some.images), torch.from_numpy(some.labels)
    noise = torch.from_numpy(indexed_normal(derive_seed(0, "gap", str(level)), np.arange(len(clean)), tuple(clean.shape[1:])))
    return float((denoise(clean + level * noise, torch.full((len(clean),), level), labels) - clean).square().mean())


def judged(generator: EdmGenerator, data: Dataset, snapshot: int, drawn: int, proxies: int) -> dict[str, float]:
    """The figures of one snapshot."""
    at = generator.snapshots()[snapshot]
    members, held_out = ((records.images, records.labels) for records in (data.train, data.validation))
    return {
        "images_seen": at.images_seen,
        **(cas(generator, at, data, drawn, proxies) if proxies else {}),
        "loss": round(1000 * statistics.mean(loss(generator, at, data.validation, level) for level in _LEVELS), 4),
        "gap": round(denoising_gap(generator, at, members, held_out), 4),
    }


def cas(generator: EdmGenerator, at: Snapshot, data: Dataset, drawn: int, proxies: int) -> dict[str, float]:
    """Means of `proxies` classifiers that learned from one set of `drawn` images."""
    prior = label_prior(data.train.labels, data.classes, 0.5)
    labels = np.random.default_rng(0).choice(data.classes, drawn, p=prior).astype(np.int64)
    images = ImageSet(generator.sample(labels, seed=1, snapshot=at), labels)
    recipe, scores = Recipe(classifier_factory(_JUDGE), data.classes, _JUDGE, Augmentation(1), budget=5 * drawn), []
    for seed in range(proxies):
        fitted = train_classifier(images, data.validation, recipe, seed=seed, stage="plain")
        scores.append(score_on(fitted.net, data.validation, torch.device("cpu")))
    accuracy, log_likelihood = (statistics.mean(getattr(s, name) for s in scores) for name in ("accuracy", "log_likelihood"))
    return {"cas": round(accuracy, 4), "cas_log_likelihood": round(log_likelihood, 4)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--arms", nargs="+", default=[""])
    parser.add_argument("--images", type=int, default=30_000, help="seen in training by every arm")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--drawn", type=int, default=2_000, help="images that the judging classifier learns from")
    parser.add_argument("--proxies", type=int, default=1, help="judging classifiers per score; 0 = no cas")
    parser.add_argument("--judge", type=int, nargs="+", default=[0, 1, 2], help="snapshots that are judged, of 3")
    parser.add_argument("--turns", type=int, default=0, help="of measuring the relative cost; 0 = none")
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--dry-run", action="store_true", help="print rows, write nothing")
    arguments = parser.parse_args()
    tune_process(1)
    for path in arguments.data:
        config: Config = resolve(arguments.preset, config_file=None, overrides=arguments.overrides)
        data = read(path, config=config.data, seed=0)
        generators = {arm: made(data, arguments.preset, arm, arguments.overrides) for arm in arguments.arms}
        relative = costs(data, generators, arguments.turns) if arguments.turns else {}
        for seed in arguments.seeds:
            for arm, generator in generators.items():
                seen, seconds = zip(*spent(generator, data, seed, arguments.images), strict=True)
                for snapshot in arguments.judge:
                    row = {"dataset": Path(path).stem, "arm": arm, "seed": seed, "images": arguments.images}
                    row |= {"preset": arguments.preset, "overrides": " ".join(arguments.overrides), "commit": MEASURED}
                    row |= {"cost": relative.get(arm), **judged(generator, data, snapshot, arguments.drawn, arguments.proxies)}
                    row["seconds"] = round(float(np.interp(row["images_seen"], seen, seconds)), 1)
                    print(row, flush=True)
                    if not arguments.dry_run:
                        write("levers.json", [row], same=_SAME)


if __name__ == "__main__":
    main()
