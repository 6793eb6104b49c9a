"""The memorisation gate beside every snapshot of the generator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from upcycle._random import derive_seed, numpy_rng
from upcycle.audit import GateReport, judge_snapshots, passing
from upcycle.generators import Generator, Snapshot
from upcycle.nets import ResidualClassifier, to_input
from upcycle.runs._folder import write_json
from upcycle.runs._steps import Bench, Facts, Splits

_SYNTHETIC = 512  # images drawn per snapshot
_RECORDS = 1_000  # members and held-out records compared, at most


def gate_stage(bench: Bench, splits: Splits) -> Facts:
    """Every snapshot's samples against members and held-out records, in pixels and in features of random convolutions."""
    members, held_out, groups = _sides(splits, bench.config.seed)
    features = random_features(bench.shape.channels, bench.shape.size)
    generator = bench.generator().load(bench.folder.stage("generator"))
    prior = np.bincount(splits.members().labels, minlength=bench.shape.classes)
    labels = numpy_rng(bench.config.seed, "gate").choice(len(prior), _SYNTHETIC, p=prior / prior.sum())
    spaces = {}
    for snapshot in generator.snapshots():
        drawn = _draw(generator, snapshot, labels, derive_seed(bench.config.seed, "gate"))
        pixels = (drawn, members, held_out)
        spaces[snapshot.images_seen] = {
            "pixels": pixels,
            "features": (features(drawn), features(members), features(held_out)),
        }
    reports = judge_snapshots(spaces, groups=groups, seed=bench.config.seed)
    write_json(bench.folder.stage("gate") / "gate.json", [report.to_json() for report in reports])
    facts = _facts(reports)
    for line in warnings(facts):
        bench.display.note(line)
        bench.folder.log(line)
    return facts


def warnings(facts: Facts) -> list[str]:
    """What a user must know of the gate's findings; nothing if every snapshot passed."""
    if not facts["vetoed"]:
        return []
    closest = facts["closest"]
    found = (
        f"{closest['closer']:.2f} of its images lie nearer to members than to held-out records (p = {closest['p_value']:.3g})"
    )
    if not facts["passed"]:
        return [f"warning: every snapshot lies too near to its members: {found}. The last one is used all the same"]
    which = ", ".join(map(str, facts["vetoed"]))
    return [f"warning: snapshots after {which} images lie too near to their members: {found}. They are not used"]


def _facts(reports: list[GateReport]) -> Facts:
    passed = passing(reports)
    worst = max(reports, key=lambda report: report.closer)
    return {"passed": passed, "vetoed": sorted({r.images_seen for r in reports if r.vetoed}), "closest": worst.to_json()}


def _draw(generator: Generator, snapshot: Snapshot, labels: np.ndarray, seed: int) -> np.ndarray:
    return np.ascontiguousarray(generator.sample(labels, seed=seed, snapshot=snapshot).transpose(0, 2, 3, 1))


def _sides(splits: Splits, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
    """As many members as held-out records, and the groups of both."""
    outside, inside = splits.non_members(), splits.members()
    count = min(len(outside), len(inside), _RECORDS)
    rng = numpy_rng(seed, "gate-records")
    some, others = (half.take(np.sort(rng.permutation(len(half))[:count])) for half in (inside, outside))
    groups = None if some.groups is None or others.groups is None else np.concatenate([some.groups, others.groups])
    return some.images, others.images, groups


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
