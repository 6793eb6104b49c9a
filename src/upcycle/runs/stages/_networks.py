"""Which classifier network is built for whom: teachers may be larger than the student that leaves."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from torch import nn

from upcycle.config import ClassifierConfig, Config
from upcycle.errors import ConfigError, RunFolderError
from upcycle.generators import GeneratorFactory, ImageShape, OwnGenerator
from upcycle.nets import ClassifierFactory, classifier_factory
from upcycle.runs.folder import read_record


@dataclass(frozen=True)
class Networks:
    """`teacher` builds those that label, and those that clean labels; `student` the student and all it is compared with:
    baseline, plain student, proxies, private classifiers. `generator` is one of the user's own; None: that of the settings."""

    teacher: ClassifierFactory
    student: ClassifierFactory
    generator: OwnGenerator | None = None
    own: bool = False  # whether the classifiers are the user's

    @property
    def same(self) -> bool:
        """Whether teacher and student have the same network."""
        return self.teacher is self.student

    def of(self, stage: str) -> ClassifierFactory:
        """The factory of the classifier of `stage`: "teacher", "teacher-2" ..., "cleaning", or one of the student's."""
        return self.teacher if stage.split("-")[0] in ("teacher", "cleaning") else self.student


def networks_of(config: Config, network: ClassifierFactory | None = None, generator: OwnGenerator | None = None) -> Networks:
    """The networks that `config` describes; a `network` of the user's stands for teacher and student, a `generator` for that of
    the settings. One object where both classifiers have one size. Raises ConfigError for settings that it cannot have."""
    if generator is not None and config.support.share:
        raise ConfigError(
            f"support.share must be 0 with a generator of your own. Got {config.support.share}. Only ours are trained by folds."
        )
    if network is not None:
        return Networks(network, network, generator, own=True)
    teacher = classifier_factory(config.teacher)
    same = student_config(config) == config.teacher
    return Networks(teacher, teacher if same else classifier_factory(student_config(config)), generator)


@dataclass(frozen=True)
class Own:
    """Factories of the user's: networks from (channels, classes, size), generators from (channels, size, classes)."""

    network: ClassifierFactory | None = None
    generator: GeneratorFactory | None = None

    @classmethod
    def of(cls, networks: Networks) -> Self:
        """The factories of the user's among these networks, for others of the same kind."""
        drawing = networks.generator
        return cls(networks.student if networks.own else None, None if drawing is None else drawing.make)

    def networks(self, config: Config, shape: ImageShape) -> Networks:
        """What `config` describes, with what the user replaced. Raises ConfigError for settings that do not go with it."""
        drawing = None if self.generator is None else OwnGenerator(self.generator, shape)
        return networks_of(config, self.network, drawing)


def own_parts(networks: Networks, shape: ImageShape) -> dict[str, str]:
    """What of a run is the user's own code: the network's name and structure, the generator's name; the plan keeps them."""
    net = networks.student(shape.channels, shape.classes, shape.size) if networks.own else None
    network = {} if net is None else {"network": f"{type(net).__name__} {_structure(net)}"}
    return network if networks.generator is None else {**network, "generator": networks.generator.name}


def check_own(root: Path, before: Mapping[str, str], mine: Mapping[str, str]) -> None:
    """Raise RunFolderError where the run in `root` was started with other code of the user's than `mine`."""
    problems = [
        f"{part} must be the one that {root} was started with ({_said(before.get(part))}). Got {_said(mine.get(part))}. "
        f"{'Give' if part in before else 'Leave out'} {part}= in upcycle.run, Upcycler or upcycle.release_run, or among "
        "the networks of upcycle.runs.audit_run."
        for part in ("network", "generator")
        if before.get(part) != mine.get(part)
    ]
    if problems:
        raise RunFolderError(*problems)


def check_own_absent(root: Path) -> None:
    """Raise RunFolderError where the run in `root` has code of the user's, which small shadow pipelines do not repeat."""
    record = read_record(root / "private" / "plan")
    found = {} if record is None else record.facts.get("own", {})
    if own := [f"the {part} {_said(name)}" for part, name in found.items()]:
        raise RunFolderError(
            "run must be of settings alone to be audited by shadow pipelines of small networks. Got one with "
            f"{' and '.join(own)}. Set evidence_networks=own, or see docs/howto/own-parts.md."
        )


def _said(part: str | None) -> str:
    return part.split(" ")[0] if part else "that of the settings"


def _structure(net: nn.Module) -> str:
    """A short hash of the names and shapes of the weights."""
    text = json.dumps({name: list(tensor.shape) for name, tensor in net.state_dict().items()}, sort_keys=True)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()


def student_config(config: Config) -> ClassifierConfig:
    """The teacher's settings, with the student's size if it has its own."""
    sizes = {"width": config.student.width, "blocks": config.student.blocks}
    return config.teacher.model_copy(update={name: size for name, size in sizes.items() if size is not None})
