"""Accuracy on test images that were made worse: by kind of corruption and by strength."""

from dataclasses import replace

from upcycle.data import CORRUPTIONS, STRENGTHS, ImageSet, corrupted
from upcycle.recycle import accuracy
from upcycle.runs.stages._bench import Bench

_JUDGED = ("student", "baseline")


def robustness(bench: Bench, test: ImageSet) -> dict[str, dict[str, list[float]]]:
    """Classifier -> kind -> accuracy at every strength; nothing if the settings do not ask for it."""
    if not bench.config.robustness:
        return {}
    nets = {name: bench.classifier(name) for name in _JUDGED}
    found: dict[str, dict[str, list[float]]] = {name: {kind: [] for kind in CORRUPTIONS} for name in nets}
    for kind in CORRUPTIONS:
        for strength in range(1, STRENGTHS + 1):
            worse = replace(test, images=corrupted(test.images, kind, strength))
            for name, net in nets.items():
                found[name][kind].append(accuracy(net, worse, bench.device))
    return found
