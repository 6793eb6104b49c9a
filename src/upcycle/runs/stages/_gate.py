"""The memorisation gate, for every snapshot of the generator."""

from collections.abc import Callable

import numpy as np
import torch

from upcycle._files import write_json
from upcycle._random import derive_seed, numpy_rng
from upcycle.audit.copies import GateReport, judge_snapshots, passing
from upcycle.config import Config
from upcycle.data import ImageSet
from upcycle.generators import Generator, Snapshot
from upcycle.nets import ResidualClassifier, to_input
from upcycle.runs.stages._bench import Bench, Facts, Splits
from upcycle.runs.stages._plan import GATE_IMAGES


def gate_stage(bench: Bench, splits: Splits) -> Facts:
    """Judge every snapshot of the run's generator, and leave the findings in gate.json."""
    reports = judged(bench.generator().load(bench.folder.stage("generator")), bench, splits)
    write_json(bench.folder.document("gate", "gate"), [report.to_json() for report in reports])
    facts = _facts(reports)
    for line in warnings(facts):
        bench.display.note(line)
        bench.folder.log(line)
    return facts


def judged(generator: Generator, bench: Bench, splits: Splits) -> list[GateReport]:
    """Every snapshot's samples against members and the validation split, in pixels and in features of random convolutions.

    Non-members would serve as well, but a veto is a choice, and no choice may have seen whom the audit compares with.
    """
    inside, outside = splits.members(), splits.validation()
    features = random_features(bench.shape.channels, bench.shape.size)
    known = {"pixels": (inside.images, outside.images), "features": (features(inside.images), features(outside.images))}
    prior = np.bincount(inside.labels, minlength=bench.shape.classes)
    labels = numpy_rng(bench.config.seed, "gate").choice(len(prior), GATE_IMAGES, p=prior / prior.sum())
    spaces = {}
    for snapshot in generator.snapshots():
        drawn = _draw(generator, snapshot, labels, bench.config)
        views = {"pixels": drawn, "features": features(drawn)}
        spaces[snapshot.images_seen] = {name: (views[name], *known[name]) for name in known}
    return judge_snapshots(spaces, groups=groups_of(inside, outside), seed=bench.config.seed)


def warnings(facts: Facts) -> list[str]:
    """What a user must know of the gate's findings; nothing if every snapshot passed."""
    if not facts["vetoed"]:
        return []
    closest = facts["closest"]
    found = (
        f"{closest['closer']:.2f} of its images lie nearer to members than to held-out records (p = {closest['p_value']:.3g})"
    )
    if not facts["passed"]:
        return [f"warning: every snapshot lies too near to its members: {found}. The last one is used nevertheless"]
    which = ", ".join(map(str, facts["vetoed"]))
    return [f"warning: snapshots after {which} images lie too near to their members: {found}. They are not used"]


def _facts(reports: list[GateReport]) -> Facts:
    passed = passing(reports)
    worst = max(reports, key=lambda report: report.closer)
    return {"passed": passed, "vetoed": sorted({r.images_seen for r in reports if r.vetoed}), "closest": worst.to_json()}


def _draw(generator: Generator, snapshot: Snapshot, labels: np.ndarray, config: Config) -> np.ndarray:
    seed = derive_seed(config.seed, "gate")
    return generator.sample(labels, seed=seed, spread=config.sampler.spread, snapshot=snapshot)


def groups_of(inside: ImageSet, outside: ImageSet) -> np.ndarray | None:
    """Patients of members, then of held-out records; None where they are not known."""
    if inside.groups is None or outside.groups is None:
        return None
    return np.concatenate([inside.groups, outside.groups])


def random_features(channels: int, size: int) -> Callable[[np.ndarray], np.ndarray]:
    """Features float32 (n, 128) of uint8 images (n, height, width, channels): an untrained residual network of fixed weights.

    It was trained on nothing, so members are no nearer to it than other records (Ulyanov et al. 2018: its shape is a prior).
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        net = ResidualClassifier(channels, 1, size, width=32, blocks=1).eval().requires_grad_(False)
    net.head = torch.nn.Identity()  # type: ignore[assignment]

    @torch.inference_mode()
    def extract(images: np.ndarray) -> np.ndarray:
        parts = torch.split(torch.from_numpy(np.ascontiguousarray(images)), 500)
        return np.asarray(torch.cat([net(to_input(part, torch.device("cpu"))) for part in parts]).numpy())

    return extract
