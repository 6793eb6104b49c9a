"""Training and sampling loops as a share of what their bare 3x3 convolutions reach in the same process.

    python -m benchmarks.speed        (three minutes on two quiet cores)

Roof and loop take turns, so that other work on the machine slows both; `share` is the median of the turns' ratios, its lowest
and highest stand next to it. The roof of a loop is the time of all 3x3 convolutions of its network at their own shapes, forward (and backward to input and
weight where the loop trains), with nothing around them. All else counts as lost: data, views, noise, normalisation,
activation, skips, 1x1 convolutions, linear layers, optimiser, averages, Python.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from benchmarks._results import write
from upcycle._machine import tune_process
from upcycle._presets import PRESETS
from upcycle.config import Config
from upcycle.data import ImageSet
from upcycle.generators import EdmGenerator, ImageShape
from upcycle.nets import Augmentation, classifier_factory, predict_logits
from upcycle.recycle import Recipe, train_classifier

Shape = tuple[int, int, int, int]  # in channels, out channels, side, stride


def convolutions(net: nn.Module, *inputs: torch.Tensor) -> list[Shape]:
    """Every 3x3 convolution that a forward pass runs, in order."""
    found: list[Shape] = []

    def note(layer: nn.Conv2d, args: tuple[torch.Tensor], _: torch.Tensor) -> None:
        if layer.kernel_size == (3, 3):
            found.append((layer.in_channels, layer.out_channels, args[0].shape[-1], layer.stride[0]))

    handles = [m.register_forward_hook(note) for m in net.modules() if isinstance(m, nn.Conv2d)]  # type: ignore[arg-type]
    with torch.no_grad():
        net(*inputs)
    for handle in handles:
        handle.remove()
    return found


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Median seconds of one call after a warm one."""
    work()
    spent = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        spent.append(time.perf_counter() - start)
    return statistics.median(spent)


def bare(shapes: list[Shape], batch: int, *, train: bool) -> float:
    """Seconds of the convolutions alone, channels last."""
    total = 0.0
    for inner, outer, side, stride in sorted(set(shapes)):
        x = torch.randn(batch, inner, side, side).to(memory_format=torch.channels_last).requires_grad_(train)
        weight = torch.randn(outer, inner, 3, 3).to(memory_format=torch.channels_last).requires_grad_(train)
        with torch.no_grad():
            gradient = torch.randn_like(F.conv2d(x, weight, stride=stride, padding=1))

        def step(x=x, weight=weight, gradient=gradient, stride=stride) -> None:  # type: ignore[no-untyped-def]
            y = F.conv2d(x, weight, stride=stride, padding=1)
            if train:
                torch.autograd.grad(y, (x, weight), gradient)

        total += seconds(step) * shapes.count((inner, outer, side, stride))
    return total


def rate_of(work: Callable[[int], int], few: int, many: int) -> float:
    """Images per second of a whole loop, its set-up taken off; `work` takes batches and returns images."""
    start = time.perf_counter()
    low = work(few)
    middle = time.perf_counter()
    high = work(many)
    end = time.perf_counter()
    return (high - low) / ((end - middle) - (middle - start))


def measure(config: Config, shape: ImageShape) -> list[dict[str, object]]:
    """Four rows: U-Net training and sampling, classifier training and labelling."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (512, shape.size, shape.size, shape.channels), dtype=np.uint8)
    data, device = ImageSet(images, rng.integers(0, shape.classes, 512)), torch.device("cpu")
    generator = EdmGenerator(shape, config.generator, config.sampler, augmentation=Augmentation(0, True, True))
    network = classifier_factory(config.teacher)
    look = config.teacher.model_copy(update={"validate_every": 1.0})

    def generate(batches: int) -> int:
        generator.fit(images, data.labels, seed=0, budget=batches * config.generator.batch)
        return batches * config.generator.batch

    def draw(batches: int) -> int:
        return len(generator.sample(np.zeros(256 * batches, np.int64), seed=0))

    def classify(batches: int) -> int:
        recipe = Recipe(network, shape.classes, look, Augmentation(2, True, True), budget=batches * look.batch)
        return train_classifier(data, data.take(np.arange(2)), recipe, seed=0).images_seen

    net = network(shape.channels, shape.classes, shape.size)

    def label(batches: int) -> int:
        return len(predict_logits(net, torch.from_numpy(np.resize(images, (500 * batches, *images.shape[1:]))), device))

    one = torch.zeros(1, shape.channels, shape.size, shape.size)
    unet = convolutions(generator.build(), one, torch.zeros(1), torch.zeros(1, dtype=torch.long))
    flat = convolutions(net.eval(), one)
    steps, batch = config.sampler.steps, config.generator.batch
    loops = {
        "unet train": (generate, 8, lambda: batch / bare(unet, batch, train=True)),
        "unet sample": (draw, 5, lambda: 256 / bare(unet, 256, train=False) / steps),
        "classifier train": (classify, 8, lambda: look.batch / bare(flat, look.batch, train=True)),
        "classifier label": (label, 8, lambda: 500 / bare(flat, 500, train=False)),
    }
    name = f"{shape.channels}x{shape.size}x{shape.size}"
    return [_row(loop, name, work, many, roof) for loop, (work, many, roof) in loops.items()]


def _row(
    loop: str, shape: str, work: Callable[[int], int], many: int, roof: Callable[[], float], turns: int = 7
) -> dict[str, object]:
    work(1)
    pairs = [(rate_of(work, 1, many), roof()) for _ in range(turns)]
    shares = [rate / top for rate, top in pairs]
    rate, top, share = (statistics.median(column) for column in (*zip(*pairs, strict=True), shares))
    print(
        f"{loop:18} {shape:10} {rate:8.0f} of {top:8.0f} images/s = {share:.2f} [{min(shares):.2f}, {max(shares):.2f}]",
        flush=True,
    )
    return {
        "loop": loop,
        "shape": shape,
        "images_per_second": round(rate, 1),
        "roof_images_per_second": round(top, 1),
        "share": round(share, 3),
        "share_low": round(min(shares), 3),
        "share_high": round(max(shares), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--presets", nargs="+", default=["quick", "standard"])
    arguments = parser.parse_args()
    tune_process()
    rows = []
    for name in arguments.presets:
        for channels in (1, 3):
            rows += [{"preset": name, **row} for row in measure(PRESETS[name], ImageShape(channels, 28, 8))]
    print(write("speed.json", rows))


if __name__ == "__main__":
    main()
