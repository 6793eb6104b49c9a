"""Which classifier network is built for whom: teachers may be larger than the student that leaves."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from upcycle._files import read_json, write_json
from upcycle.config import ClassifierConfig, Config
from upcycle.errors import ConfigError, RunFolderError
from upcycle.generators import GeneratorFactory, ImageShape, OwnGenerator
from upcycle.nets import ClassifierFactory, classifier_factory
from upcycle.runs.folder import RunFolder

OWN = "own.json"  # in private: what of the run is the user's own code, which a resumed run and a release need again


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

    network: ClassifierFactory | None
    generator: GeneratorFactory | None

    def networks(self, config: Config, shape: ImageShape) -> Networks:
        """What `config` describes, with what the user replaced. Raises ConfigError for settings that do not go with it."""
        drawing = None if self.generator is None else OwnGenerator(self.generator, shape)
        return networks_of(config, self.network, drawing)


def check_own(folder: RunFolder, networks: Networks, shape: ImageShape) -> None:
    """Note in a new run what is the user's own code. Raises RunFolderError where an earlier start of the run had other code."""
    net = networks.student(shape.channels, shape.classes, shape.size) if networks.own else None
    mine = {
        "network": None if net is None else f"{type(net).__name__} {_structure(net)}",
        "generator": None if networks.generator is None else networks.generator.name,
    }
    path = folder.private / OWN
    if not path.exists():
        write_json(path, mine)
        return
    before = read_json(path)
    problems = [
        f"{part} must be the one that {folder.root} was started with ({_said(before.get(part))}). Got {_said(given)}. "
        f"{'Give' if before.get(part) else 'Leave out'} {part}= in upcycle.run, Upcycler or upcycle.release_run."
        for part, given in mine.items()
        if before.get(part) != given
    ]
    if problems:
        raise RunFolderError(*problems)


def check_own_absent(root: Path) -> None:
    """Raise RunFolderError where the run in `root` has code of the user's, which shadow pipelines do not repeat."""
    path = root / "private" / OWN
    found = read_json(path) if path.exists() else {}
    if own := [f"the {part} {_said(name)}" for part, name in found.items() if name]:
        raise RunFolderError(
            f"run must be of settings alone to be audited by shadow pipelines. Got one with {' and '.join(own)}. Give "
            "upcycle.audit.audit a Pipeline of your own (docs/howto/audit-only.md)."
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
