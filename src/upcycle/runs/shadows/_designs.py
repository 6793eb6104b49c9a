"""One of several recipes on the same members: a stage that another recipe finished on them is not done again."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, final

import numpy as np

from upcycle._settings import telling, with_settings
from upcycle.audit import Parts, PrivateModel
from upcycle.audit.attacks import RecordScore
from upcycle.config import Config
from upcycle.data import ImageSet, image_hashes
from upcycle.dp import DpSettings, Ledger
from upcycle.recycle import images_to_remember
from upcycle.runs.folder import content_key, run_stage
from upcycle.runs.shadows._config import _telling, shadow_config
from upcycle.runs.shadows._dp import private_classifiers, private_ledger
from upcycle.runs.shadows._pipeline import Given, ShadowPipeline, as_predict, with_threads
from upcycle.runs.stages import CONTROL, Bench, Stage, control_stage, run_ledger, training_road

FORMAT: Final = 1  # another number makes answers of older designs strangers
LEFT_OUT: Final = "left out"  # a score: 1 for the members that the screen kept from teacher and generator, 0 for all others
SECONDS: Final = "seconds"
_BY_THE_SCREEN: Final = {  # settings of the screen that change a later stage, and not what is left out
    "relabel": "teacher",
    "apart": "teacher",
    "crossed": "student",
}
_NEEDS: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {  # stage -> stages before it, sections of settings
    "views": ((), ("augment", "teacher")),
    "cleaning": (("views",), ("cleaning", "teacher")),
    "screen": (("views",), ("screen", "teacher")),
    "teacher": (("views", "cleaning", "screen"), ("teacher", "screen")),
    "generator": (("views", "cleaning", "screen"), ("generator", "sampler", "support")),
    "gate": (("generator",), ("sampler",)),
    "tuning": (("gate", "teacher"), ("tuning", "sampler", "bank", "student", "screen", "support")),
    "student": (("gate", "teacher", "tuning", "generator"), ("sampler", "bank", "student", "screen", "support")),
    "baseline": (("views",), ("teacher", "student")),
    CONTROL: ((), ("teacher", "student")),
}


@dataclass(frozen=True)
class Design:
    """A recipe by its `name`: the settings in which it differs from the base; with a `noise` a classifier by DP-SGD with that
    multiplier, with an `epsilon` a linear head that proves it, trained on the members themselves, in place of a student; with
    `formal`, an epsilon, a student whose generator and labels prove it together."""

    name: str
    settings: Mapping[str, object] = field(default_factory=dict)
    noise: float | None = None
    epsilon: float | None = None
    formal: float | None = None

    @property
    def private(self) -> DpSettings | None:
        """Of the classifier with a proven epsilon; None for a student."""
        given = (self.noise, self.epsilon, self.formal)
        if given == (None, None, None):
            return None
        noises, heads, formals = (() if value is None else (value,) for value in given)
        return DpSettings(noises=noises, heads=heads, formals=formals)


@final
@dataclass(frozen=True, eq=False)
class DesignPipeline:
    """The pipeline of one design: its student, or its classifier with a proven epsilon.

    Attributes:
        validation: for every choice.
        classes: number of classes.
        base: settings that all designs share.
        design: what differs.
        control: also leave the teacher, which saw every record, the baseline, and a positive control.
        scale: shrinks all budgets, for a trial.
        stages: where finished stages are kept under what they follow from; other designs on the same members find them there,
            and so does a call after one that was killed. None: nowhere.
    """

    validation: ImageSet
    classes: int
    base: Config
    design: Design
    control: bool = False
    scale: float = 1.0
    stages: Path | None = None

    @property
    def key(self) -> str:
        """Changes with every setting of the design and with the validation split, not with its name."""
        split = hashlib.blake2b(self.validation.images.tobytes() + self.validation.labels.tobytes(), digest_size=12)
        private = [] if self.design.private is None else [self.design.private.telling()]
        facts = [split.hexdigest(), self.classes, self.scale, self.control]
        return content_key(f"design {FORMAT}", *facts, _telling(self.config()), *private)

    def config(self) -> Config:
        """The design's settings, scaled down as those of a shadow pipeline."""
        return shadow_config(with_settings(self.base, self.design.settings), self.validation.images.shape[1])

    def ledger(self, records: int, images: int = 1) -> Ledger:
        """Of a release that this recipe makes of this many `records`; `images`: of a patient, at most."""
        if self.design.private is None:
            return run_ledger(with_settings(self.base, self.design.settings))
        return private_ledger(records, self._pipeline().budget(records), self.design.private, images)

    def _pipeline(self) -> ShadowPipeline:
        return ShadowPipeline(self.validation, self.classes, self.config(), self.scale, variants=False)

    def __call__(self, images: np.ndarray, labels: np.ndarray, *, seed: int) -> Parts:
        members = ImageSet(images, labels.astype(np.int64))
        with with_threads(1), tempfile.TemporaryDirectory(prefix="design-") as own:
            pipeline = self._pipeline()
            bench = pipeline.bench(members, seed, Path(own))
            kept = _Kept((self.stages or Path(own) / "stages") / _of(members, seed))
            if self.design.private is not None:
                found = private_classifiers(bench, members, self.design.private, kept.folder / f"dp-{self.key}")
                return Parts(private={k: PrivateModel(as_predict(m.net), m.noise, m.epsilon) for k, m in found.items()})
            seconds = kept.walk(bench, self._road(bench, Given(members, self.validation)), self._skipped())
            return self._parts(bench.tuned(), members, seconds)

    def _road(self, bench: Bench, given: Given) -> list[Stage]:
        most = max(64, round(images_to_remember(len(given.inside)) * self.scale))
        remembering = [Stage(CONTROL, most, lambda: control_stage(bench, given, most))] if self.control else []
        return [*training_road(bench, given), *remembering]

    def _skipped(self) -> tuple[str, ...]:
        """Of one snapshot no veto could bind, and one baseline is enough."""
        return (*(() if self.config().generator.snapshots > 1 else ("gate",)), *(() if self.control else ("baseline",)))

    def _parts(self, bench: Bench, members: ImageSet, seconds: float) -> Parts:
        parts = Parts(
            student=as_predict(bench.classifier("student")),
            generator_scores={LEFT_OUT: _left_out(bench, members)},
            facts={SECONDS: seconds},
        )
        if not self.control:
            return parts
        return replace(
            parts,
            teacher=as_predict(bench.teachers()[0]),
            baseline=as_predict(bench.classifier("baseline")),
            control=as_predict(bench.classifier(CONTROL)),
        )


def _of(members: ImageSet, seed: int) -> str:
    """The name of what follows from these members and this seed."""
    shared = hashlib.blake2b(str(seed).encode(), digest_size=12)
    for array in (members.images, members.labels):
        shared.update(np.ascontiguousarray(array).data)
    return shared.hexdigest()


def _left_out(bench: Bench, members: ImageSet) -> RecordScore:
    """Which records were given and yet reached neither teacher nor generator, known by their images."""
    path = bench.folder.private / "screen" / "kept.npy"
    kept = np.load(path) if path.exists() else np.ones(len(members), bool)
    hashes = image_hashes(members.images)[~kept]
    return lambda images, labels: np.isin(image_hashes(images), hashes).astype(np.float32)  # noqa: ARG005 - a score's signature


@final
@dataclass(frozen=True)
class _Kept:
    """Stages that were done on the same members with the same seed, in `folder`, by what they follow from."""

    folder: Path

    def walk(self, bench: Bench, road: Sequence[Stage], skipped: Sequence[str]) -> float:
        """Do what is not done yet; seconds that the whole road takes alone, without baseline and positive control."""
        keys, spent = dict[str, str](), 0.0
        for stage in road:
            if stage.name not in skipped:
                keys[stage.name] = _key(stage.name, bench.config, keys)
                seconds = self._do(bench, stage, keys)
                spent += 0.0 if stage.name in ("baseline", CONTROL) else seconds
        return spent

    def _do(self, bench: Bench, stage: Stage, keys: Mapping[str, str]) -> float:
        key, place = keys[stage.name], bench.folder.private / stage.name
        own = self.folder / f"{stage.name}-{key}"
        own.mkdir(parents=True, exist_ok=True)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(own.resolve(), target_is_directory=True)
        if stage.name == "student":
            self._lend_bank(bench, keys)
        return run_stage(own, key, stage.work)[0].seconds

    def _lend_bank(self, bench: Bench, keys: Mapping[str, str]) -> None:
        """The bank of another design whose draws are the same, image by image."""
        config = bench.tuned().config
        if config.sampler.threshold is not None or config.bank.hard or config.support.share:
            return  # the teacher has a say in what is drawn
        drawn = config.sampler.model_dump(), config.bank.model_dump()
        lent = self.folder / f"bank-{content_key(keys['generator'], keys.get('gate'), *drawn)}"
        lent.mkdir(exist_ok=True)
        mine = bench.folder.stage("student") / "bank"
        if not mine.is_symlink():
            mine.symlink_to(lent.resolve(), target_is_directory=True)


def _key(stage: str, config: Config, keys: Mapping[str, str]) -> str:
    """Changes with all that `stage` follows from: settings, and stages before it, given their `keys`."""
    kind = stage.partition("-")[0]
    before, sections = _NEEDS[kind]
    found = {name: telling(getattr(config, name).model_dump()) for name in sections}
    if "screen" in found:
        found["screen"] = _asked_of(kind, found["screen"])
    earlier = [key for name, key in keys.items() if name.partition("-")[0] in before]
    return content_key(stage, found, earlier)


def _asked_of(kind: str, screen: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of the screen that a stage of this kind reads itself."""
    reader = {"tuning": "student"}.get(kind, kind)
    return {name: value for name, value in screen.items() if _BY_THE_SCREEN.get(name, "screen") == reader}
