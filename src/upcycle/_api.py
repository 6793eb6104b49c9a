"""Three lines from arrays to a fitted object."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self, final

import numpy as np
import torch

from upcycle._arguments import typed
from upcycle._files import write_bytes, write_json, write_text
from upcycle._machine import learning_dtype
from upcycle._settings import to_yaml
from upcycle._temporary import TemporaryRun
from upcycle.config import Config
from upcycle.data import Inputs, Preprocess, checked, from_arrays, prepare_images
from upcycle.errors import ConfigError, UpcycleError
from upcycle.generators import Generator, GeneratorFactory, ImageShape, OwnGenerator, Snapshot, make_generator
from upcycle.nets import ClassifierFactory
from upcycle.release import probabilities
from upcycle.runs import Summary, run_dataset
from upcycle.runs.folder import audit_of, read_config
from upcycle.runs.stages import load_classifier, networks_of, prepare


@final
class Upcycler:
    """Private labelled images in; a student that never saw one, and a generator of synthetic images, out.

    >>> model = Upcycler(preset="quick").fit(images, labels)      # uint8 (n, side, side[, 1 or 3]), int (n,)
    >>> model.predict(new_images), model.sample(100)

    Settings are those of the command line: `Upcycler("quick", seed=1, settings={"generator.images": 200_000})`. `out` is the
    run folder (resumable); without it a temporary one is used and lives as long as the object.

    `network` replaces the residual classifier, `generator` the generator of the settings. One of your own must pass
    `check_generator`: images go in and come out as uint8 (n, height, width, channels).

    >>> Upcycler("quick", network=lambda channels, classes, size: MyNet(channels, classes)).fit(images, labels)
    >>> Upcycler("quick", generator=lambda channels, size, classes: MyGenerator(channels, size, classes)).fit(images, labels)
    """

    _snapshot: Snapshot
    _generator_folder: Path

    @typed("preset", "seed", "settings", "network", "generator")
    def __init__(
        self,
        preset: str = "quick",
        *,
        seed: int = 0,
        settings: dict[str, object] | None = None,
        out: str | Path | None = None,
        network: ClassifierFactory | None = None,
        generator: GeneratorFactory | None = None,
    ) -> None:
        self.preset, self.seed, self.settings, self.out = preset, seed, settings, out
        self.network, self.generator = network, generator

    def fit(self, images: np.ndarray, labels: np.ndarray, *, groups: np.ndarray | None = None) -> Self:
        """Run the whole road: splits, teacher, generator, student, audit, reports. Returns self.

        `images` uint8 (n, side, side) or (n, side, side, 1 or 3); `labels` whole numbers (n,) from 0; `groups` (n,) keeps all
        images of one patient on one side of every split. Raises DataError or ConfigError before any work.
        """
        if not isinstance(self.settings, Mapping | None):
            got = type(self.settings).__name__
            raise ConfigError(f"settings must be names and their values. Got {got}. Write settings={{'teacher.epochs': 20}}.")
        config = Config.from_preset(self.preset, **{"seed": self.seed, **(self.settings or {})})
        dataset = from_arrays(images, labels, groups, config=config.data, seed=config.seed)
        self._temporary = TemporaryRun() if self.out is None else None
        out = Path(self.out) if self._temporary is None else self._temporary.folder  # type: ignore[arg-type]
        self.preprocess_ = dataset.preprocess
        own: Any = {"network": self.network, "generator": self.generator}
        self.summary_: Summary = run_dataset(dataset, out, config, **own)
        with prepare(None, out, needs="audit", **own) as bench:
            folder, tuned = bench.folder, bench.tuned()
            self._open(tuned.config, bench.shape, folder.weights("student"))
            self._generator_folder = folder.private / "generator"
            self.generator_: Generator = tuned.generator().load(self._generator_folder)
            self._snapshot = tuned.sampler().snapshot or self.generator_.snapshots()[-1]
            self.audit_ = audit_of(folder.private)
        return self

    def predict(self, inputs: Inputs, *, prepared: bool = False) -> np.ndarray:
        """Classes int64 (n,) of images; see `predict_proba`."""
        return np.asarray(self.predict_proba(inputs, prepared=prepared).argmax(1))

    def predict_proba(self, inputs: Inputs, *, prepared: bool = False) -> np.ndarray:
        """Class probabilities float32 (n, classes) of images, which are prepared as those of `fit` were.

        `inputs`: an array (n, h, w[, channels]) of the type that `fit` was given, or paths of files; with `prepared`, uint8
        images (n, side, side[, channels]) that need no preparation, such as those of `sample`. Raises DataError, with a line
        for every reason, where an image needs more than the fit has seen.
        """
        self._fitted_config()
        pixels = checked(np.asarray(inputs), self.preprocess_) if prepared else prepare_images(inputs, self.preprocess_).images
        return probabilities(self.student_, pixels)

    @typed()
    def sample(self, labels: int | Sequence[int] | np.ndarray, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Synthetic images uint8 (n, side, side, channels) and the classes asked for; a number asks for all classes in turn.

        They come from the snapshot, average and spread that the run's bank was drawn with; no filter is applied."""
        self._fitted_config()
        asked = np.arange(labels) % self._shape.classes if isinstance(labels, int) else np.asarray(labels, np.int64)
        images = self.generator_.sample(asked, seed=seed, spread=self.config_.sampler.spread, snapshot=self._snapshot)
        return images, asked

    def evaluate(self, images: Inputs, labels: np.ndarray) -> dict[str, Any]:
        """Accuracy of the student on real images, as `predict` takes them, with its Clopper-Pearson interval."""
        from upcycle.audit.statistics import accuracy_interval

        right = self.predict(images) == np.asarray(labels).ravel()
        low, high = accuracy_interval(right, self.config_.audit.confidence)
        return {"accuracy": float(right.mean()), "low": low, "high": high, "images": len(right)}

    @typed()
    def save(self, folder: str | Path) -> Path:
        """Write student and generator for `load`. This is for your own use: the generator is not audited for release.

        Raises UpcycleError for a generator of your own that has no `load(folder)`: its folder could not be opened again.
        """
        target, config = Path(folder), self._fitted_config()
        if self.generator is not None and not OwnGenerator(self.generator, self._shape).loads:
            name = type(self.generator_).__name__
            raise UpcycleError(f"generator must have load(folder) to be saved. Got {name} without it. Give it that method.")
        target.mkdir(parents=True, exist_ok=True)
        write_text(target / "config.yaml", to_yaml(config))
        write_bytes(target / "student.safetensors", self._student_path.read_bytes())
        if self.generator is None:
            write_bytes(target / self._snapshot.path.name, self._snapshot.path.read_bytes())
        else:
            shutil.copytree(self._generator_folder, target / "generator", dirs_exist_ok=True)
        write_json(target / "shape.json", {**self._shape.__dict__, "preprocess": self.preprocess_.to_json()})
        return target

    @classmethod
    @typed()
    def load(
        cls,
        folder: str | Path,
        *,
        network: ClassifierFactory | None = None,
        generator: GeneratorFactory | None = None,
    ) -> Upcycler:
        """The object that `save` wrote. Opens weights and settings only, never code: a `network` or `generator` of your own is
        needed again."""
        source = Path(folder)
        if not (source / "shape.json").exists():
            raise UpcycleError(f"folder must be one written by Upcycler.save. Got {source}. Fit and save a model first.")
        config = read_config(source / "config.yaml")
        model = cls(config.preset, seed=config.seed, network=network, generator=generator)
        facts = json.loads((source / "shape.json").read_text())
        model.preprocess_ = Preprocess.from_json(facts.pop("preprocess", None))
        model._open(config, ImageShape(**facts), source / "student.safetensors")
        model._generator_folder = source if generator is None else source / "generator"
        if generator is None:
            dtype = learning_dtype(config.precision, torch.device("cpu"))
            model.generator_ = make_generator(model._shape, config.generator, config.sampler, dtype=dtype).load(source)
        else:
            model.generator_ = OwnGenerator(generator, model._shape).load(model._generator_folder)
        model._snapshot = model.generator_.snapshots()[-1]
        return model

    def _fitted_config(self) -> Config:
        if not hasattr(self, "config_"):
            raise UpcycleError("Upcycler must be fitted first. Got an unfitted one. Call fit(images, labels).")
        return self.config_

    def _open(self, config: Config, shape: ImageShape, student: Path) -> None:
        self.config_, self._shape, self._student_path = config, shape, student
        self.student_ = load_classifier(student, networks_of(config, self.network).student, shape)
