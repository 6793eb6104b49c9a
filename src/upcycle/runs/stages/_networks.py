"""Which classifier network is built for whom: teachers may be larger than the student that leaves."""

from __future__ import annotations

from dataclasses import dataclass

from upcycle.config import ClassifierConfig, Config
from upcycle.nets import ClassifierFactory, classifier_factory


@dataclass(frozen=True)
class Networks:
    """`teacher` builds those that label, and those that clean labels; `student` the student and all it is compared with:
    baseline, plain student, proxies, private classifiers."""

    teacher: ClassifierFactory
    student: ClassifierFactory

    @property
    def same(self) -> bool:
        """Whether teacher and student have the same network."""
        return self.teacher is self.student

    def of(self, stage: str) -> ClassifierFactory:
        """The factory of the classifier of `stage`: "teacher", "teacher-2" ..., "cleaning", or one of the student's."""
        return self.teacher if stage.split("-")[0] in ("teacher", "cleaning") else self.student


def networks_of(config: Config, own: ClassifierFactory | None = None) -> Networks:
    """The networks that `config` describes; `own`, one of the user's, stands for both. One object where both have one size."""
    if own is not None:
        return Networks(own, own)
    teacher = classifier_factory(config.teacher)
    same = student_config(config) == config.teacher
    return Networks(teacher, teacher if same else classifier_factory(student_config(config)))


def student_config(config: Config) -> ClassifierConfig:
    """The teacher's settings with the student's size, where it has one of its own."""
    sizes = {"width": config.student.width, "blocks": config.student.blocks}
    return config.teacher.model_copy(update={name: size for name, size in sizes.items() if size is not None})
