"""Families of generators at equal processor time: rows of generators.json, written as they come.

    python -m benchmarks.generators digits --preset demo --minutes 3
    python -m benchmarks.generators DATA [DATA ...] --generators edm gan "gan,width=64" --minutes 10 --seeds 0 1

Every generator is trained for the same minutes of processor time on the train split (its budget follows from a short
measurement), then judged on the validation split by short proxy students: `validation_cas` from one fixed synthetic set and
its hard labels, `validation_gkd` from the same set and a teacher's soft labels, each as accuracy and as mean log-likelihood,
which still tells students apart where nearly all are right. The test split is never opened.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from benchmarks._results import MEASURED, write
from upcycle._machine import tune_process
from upcycle._settings import resolve
from upcycle.config import Config
from upcycle.data import Dataset, ImageSet, read
from upcycle.generators import ImageShape, StoredGenerator, make_generator
from upcycle.nets import Augmentation, classifier_factory, predict_logits
from upcycle.recycle import (
    Bank,
    Distillation,
    Fitted,
    Recipe,
    Sampler,
    Score,
    TeacherLabels,
    choose_augmentation,
    label_prior,
    score_on,
    train_classifier,
    train_student,
    try_flips,
)

_SAME = ("dataset", "generator", "seed", "preset", "spread", "proxy_images")  # what is measured again takes their place


@dataclass(frozen=True)
class Judge:
    """One data set, its teacher and how proxy students learn; the same for every generator."""

    data: Dataset
    config: Config
    recipe: Recipe
    teacher: Fitted
    proxies: int

    @classmethod
    def of(cls, data: Dataset, config: Config, images: int, proxies: int) -> Judge:
        look = config.teacher.model_copy(update={"validate_every": 1.0})
        network = classifier_factory(config.teacher)
        plain = Recipe(network, data.classes, look, choose_augmentation(config.augment, data.size, []), budget=images)
        trials = try_flips(data.train, plain, seed=0, images=min(20_000, images)) if config.augment.flip == "auto" else []
        views = choose_augmentation(config.augment, data.size, trials)
        recipe = Recipe(network, data.classes, look, views, budget=images)
        return cls(data, config, recipe, train_classifier(data.train, data.validation, recipe, seed=0), proxies)

    def score(self, generator: StoredGenerator, spread: float) -> dict[str, float]:
        """Means of the proxy students of one set on the validation split, and how often the teacher agrees with the class."""
        prior = label_prior(self.data.train.labels, self.data.classes, self.config.bank.prior)
        size = max(len(self.data.train), 5_000)
        side, channels = self.data.size, self.data.channels
        device = torch.device("cpu")
        with tempfile.TemporaryDirectory() as folder:
            bank = Bank(Path(folder), Sampler(generator, prior, 0, spread), size, (side, side, channels)).advance(size)
            drawn = ImageSet(np.array(bank.images), np.array(bank.labels))
            hard, soft = [], []
            for seed in range(self.proxies):
                fitted = train_classifier(drawn, self.data.validation, self.recipe, seed=seed, stage="plain")
                hard.append(score_on(fitted.net, self.data.validation, device))
                student = train_student(bank, TeacherLabels(self.teacher.net), self.recipe, Distillation(size, 0), seed=seed)
                soft.append(score_on(student.net, self.data.validation, device))
            logits = predict_logits(self.teacher.net, torch.from_numpy(drawn.images), device)
        agreement = float((logits.argmax(1).numpy() == drawn.labels).mean())
        return {**_means("cas", hard), **_means("gkd", soft), "teacher_agreement": round(agreement, 4)}


def _means(name: str, scores: Sequence[Score]) -> dict[str, float]:
    accuracy = statistics.mean(score.accuracy for score in scores)
    log_likelihood = statistics.mean(score.log_likelihood for score in scores)
    return {f"validation_{name}": round(accuracy, 4), f"validation_{name}_log_likelihood": round(log_likelihood, 4)}


def configured(preset: str, spec: str, overrides: list[str]) -> Config:
    """The preset with the generator of `spec`: a family, then any of its settings, as in "gan,width=64"."""
    family, *settings = spec.split(",")
    texts = [f"generator.family={family}", *(f"generator.{text}" for text in settings), *overrides]
    return resolve(preset, config_file=None, overrides=texts)


def train(
    data: Dataset, config: Config, views: Augmentation, minutes: float, seed: int
) -> tuple[StoredGenerator, dict[str, float]]:
    """A generator trained for `minutes` of processor time, and what that took."""
    shape = ImageShape(data.channels, data.size, data.classes)
    generator = make_generator(shape, config.generator, config.sampler, augmentation=views)

    def seconds(budget: int) -> float:
        start = time.process_time()
        generator.fit(data.train.images, data.train.labels, seed=seed, budget=budget)
        return time.process_time() - start

    step = config.generator.step_images
    seconds(step)
    few, many = seconds(4 * step), seconds(44 * step)
    budget = int(max(step, 60 * minutes * 40 * step / (many - few)))
    spent = seconds(budget)
    seen = generator.snapshots()[-1].images_seen
    generator.sample(np.zeros(256, np.int64), seed=0)
    start = time.process_time()
    generator.sample(np.arange(2048) % data.classes, seed=0)
    return generator, {
        "cpu_minutes": round(spent / 60, 3),
        "images_seen": seen,
        "images_per_second_train": round(seen / spent, 1),
        "images_per_second_sample": round(2048 / (time.process_time() - start), 1),
        "parameters": generator.parameter_count(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="+")
    parser.add_argument("--preset", default="quick")
    parser.add_argument("--generators", nargs="+", default=["edm", "gan"])
    parser.add_argument("--minutes", type=float, default=3.0, help="of processor time, for each generator")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--spreads", type=float, nargs="+", default=[1.0])
    parser.add_argument("--proxy-images", type=int, default=40_000)
    parser.add_argument("--proxies", type=int, default=2, help="proxy students per score")
    parser.add_argument("--set", dest="overrides", action="append", default=[])
    parser.add_argument("--dry-run", action="store_true", help="print rows, write nothing")
    arguments = parser.parse_args()
    threads = tune_process(1)
    for path in arguments.data:
        base = resolve(arguments.preset, config_file=None, overrides=arguments.overrides)
        data = read(path, config=base.data, seed=0)
        judge = Judge.of(data, base, arguments.proxy_images, arguments.proxies)
        for spec in arguments.generators:
            for seed in arguments.seeds:
                config = configured(arguments.preset, spec, arguments.overrides)
                generator, facts = train(data, config, judge.recipe.augmentation, arguments.minutes, seed)
                row = {"dataset": Path(path).stem, "generator": spec, "seed": seed, "preset": arguments.preset, **facts}
                row |= {
                    "threads": threads,
                    "commit": MEASURED,
                    "teacher_validation_accuracy": judge.teacher.validation_accuracy,
                }
                row |= {"validation_images": len(data.validation), "proxy_images": arguments.proxy_images}
                for spread in arguments.spreads:
                    scored = {**row, "spread": spread, **judge.score(generator, spread)}
                    print(scored, flush=True)
                    if not arguments.dry_run:
                        write("generators.json", [scored], same=_SAME)


if __name__ == "__main__":
    main()
