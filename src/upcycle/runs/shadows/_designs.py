"""Several recipes of a run on the same members: stages that two of them have in common are done once."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final, final

import numpy as np

from upcycle._settings import with_settings
from upcycle.audit import Parts, PrivateModel
from upcycle.config import Config
from upcycle.data import ImageSet
from upcycle.dp import DpSettings
from upcycle.runs.folder import content_key
from upcycle.runs.shadows._config import shadow_config
from upcycle.runs.shadows._dp import private_classifiers
from upcycle.runs.shadows._pipeline import Given, ShadowPipeline, as_predict, with_threads, worked
from upcycle.runs.stages import Bench, Stage, training_road

FORMAT: Final = 1  # another number makes answers of older designs strangers
_ONLY_TEACHERS: Final = {"relabel", "apart"}  # settings of the screen that change what teachers learn, not what is left out
_NEEDS: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {  # stage -> stages before it, sections of settings
    "views": ((), ("augment", "teacher")),
    "cleaning": (("views",), ("cleaning", "teacher")),
    "screen": (("views",), ("screen", "teacher")),
    "teacher": (("views", "cleaning", "screen"), ("teacher", "screen")),
    "generator": (("views", "cleaning", "screen"), ("generator", "sampler", "support")),
    "gate": (("generator",), ("sampler",)),
    "tuning": (("gate", "teacher"), ("tuning", "sampler", "bank", "student")),
    "student": (("gate", "teacher", "tuning"), ("sampler", "bank", "student")),
    "baseline": (("views",), ("teacher", "student")),
}


@dataclass(frozen=True)
class Design:
    """A recipe by its `name`: the settings in which it differs from the base."""

    name: str
    settings: Mapping[str, object] = field(default_factory=dict)


@final
@dataclass(frozen=True, eq=False)
class DesignsPipeline:
    """A pipeline that leaves one student per design: the first is the `student` of its Parts, the others are variants.

    Attributes:
        validation: for every choice.
        classes: number of classes.
        base: settings that all designs share.
        designs: what differs.
        control: the design whose teacher is the positive control.
        dp: adds classifiers by DP-SGD on the same members.
        scale: shrinks all budgets, for measuring what a full call costs.
    """

    validation: ImageSet
    classes: int
    base: Config
    designs: tuple[Design, ...]
    control: str
    dp: DpSettings | None = None
    scale: float = 1.0

    @property
    def key(self) -> str:
        """Changes with every setting of every design and with the validation split."""
        split = hashlib.blake2b(self.validation.images.tobytes() + self.validation.labels.tobytes(), digest_size=12)
        configs = [(name, config.model_dump(exclude={"seed", "threads", "precision"})) for name, config in self.configs()]
        private = [] if self.dp is None else [asdict(self.dp)]
        return content_key(f"designs {FORMAT}", split.hexdigest(), self.classes, self.scale, self.control, configs, *private)

    def configs(self) -> list[tuple[str, Config]]:
        """Every design's settings, scaled down as those of a shadow pipeline."""
        size = self.validation.images.shape[1]
        return [(d.name, shadow_config(with_settings(self.base, d.settings), size)) for d in self.designs]

    def __call__(self, images: np.ndarray, labels: np.ndarray, *, seed: int) -> Parts:
        members = ImageSet(images, labels.astype(np.int64))
        with with_threads(1), tempfile.TemporaryDirectory(prefix="designs-") as folder:
            shared, benches, seconds = _Shared(), {}, {}
            for name, config in self.configs():
                pipeline = ShadowPipeline(self.validation, self.classes, config, self.scale, variants=False)
                bench = pipeline.bench(members, seed, Path(folder) / name)
                skipped = () if config.generator.snapshots > 1 else ("gate",)  # of one snapshot no veto could bind
                seconds[name] = shared.walk(bench, training_road(bench, Given(members, self.validation)), skipped)
                benches[name] = bench.tuned()
            return self._parts(benches, seconds, members)

    def _parts(self, benches: Mapping[str, Bench], seconds: Mapping[str, float], members: ImageSet) -> Parts:
        first, *others = benches
        control = benches[self.control]
        variants = {name: as_predict(benches[name].classifier("student")) for name in others}
        facts = {f"seconds of {name}": spent for name, spent in seconds.items()}
        private = {} if self.dp is None else private_classifiers(control, members, self.dp)
        return Parts(
            student=as_predict(benches[first].classifier("student")),
            teacher=as_predict(control.teachers()[0]),
            baseline=as_predict(control.classifier("baseline")),
            variants=variants,
            facts=facts,
            private={name: PrivateModel(as_predict(m.net), m.noise, m.epsilon) for name, m in private.items()},
        )


@final
class _Shared:
    """Stages that were done, by what they follow from. A stage that another design finished under the same key is linked."""

    def __init__(self) -> None:
        self._done: dict[str, tuple[Path, float]] = {}
        self._banks: dict[str, Path] = {}

    def walk(self, bench: Bench, road: Sequence[Stage], skipped: Sequence[str]) -> float:
        """Do what is not done yet; seconds that the whole road takes alone."""
        keys, spent = dict[str, str](), 0.0
        for stage in road:
            if stage.name not in skipped:
                keys[stage.name] = _key(stage.name, bench.config, keys)
                spent += self._do(bench, stage, keys)
        return spent

    def _do(self, bench: Bench, stage: Stage, keys: Mapping[str, str]) -> float:
        key, folder = keys[stage.name], bench.folder.private / stage.name
        if key not in self._done:
            if stage.name == "student":
                self._lend_bank(bench, keys)
            start = time.perf_counter()
            worked(bench, stage)
            self._done[key] = folder, time.perf_counter() - start
        else:
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.symlink_to(self._done[key][0], target_is_directory=True)
        return self._done[key][1]

    def _lend_bank(self, bench: Bench, keys: Mapping[str, str]) -> None:
        """The bank of another design whose draws are the same, image by image."""
        config = bench.tuned().config
        if config.sampler.threshold is not None or config.bank.hard or config.support.share:
            return  # the teacher has a say in what is drawn
        key = content_key(keys["generator"], keys.get("gate"), config.sampler.model_dump(), config.bank.model_dump())
        mine = bench.folder.stage("student") / "bank"
        if key in self._banks:
            mine.symlink_to(self._banks[key], target_is_directory=True)
        else:
            self._banks[key] = mine


def _key(stage: str, config: Config, keys: Mapping[str, str]) -> str:
    """Changes with all that `stage` follows from: settings, and stages before it, given their `keys`."""
    kind = stage.partition("-")[0]
    before, sections = _NEEDS[kind]
    found = {name: getattr(config, name).model_dump() for name in sections}
    if kind in ("screen", "teacher"):
        ignored = _ONLY_TEACHERS if kind == "screen" else set(found["screen"]) - _ONLY_TEACHERS
        found["screen"] = {name: value for name, value in found["screen"].items() if name not in ignored}
    earlier = [key for name, key in keys.items() if name.partition("-")[0] in before]
    return content_key(stage, found, earlier)
