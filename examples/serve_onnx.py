"""Serve a released student with onnxruntime alone: neither torch nor upcycle is needed.

    pip install onnxruntime numpy pillow
    python serve_onnx.py release/student IMAGE.png ...
    python serve_onnx.py release/student TEST.npz          # arrays "images" and, for the accuracy, "labels"

onnxruntime is told not to report its use to its maker.
The graph takes uint8 images (n, channels, side, side) with grey levels 0..255 and normalises them itself.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the import: the package on Linux keeps a device id and sends events

import numpy as np
import onnxruntime
from PIL import Image


class Classifier:
    """A released student: class probabilities of uint8 images (n, side, side) or (n, side, side, channels)."""

    def __init__(self, folder: Path) -> None:
        facts = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.channels, self.size = int(facts["channels"]), int(facts["size"])
        self.class_names = facts["class_names"] or [str(label) for label in range(int(facts["classes"]))]
        self._session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])

    def __call__(self, images: np.ndarray, batch: int = 256) -> np.ndarray:
        """float32 (n, classes), rows summing to 1."""
        pixels = (images[..., None] if images.ndim == 3 else images).transpose(0, 3, 1, 2)
        parts = [
            self._session.run(["logits"], {"images": np.ascontiguousarray(pixels[start : start + batch])})[0]
            for start in range(0, len(pixels), batch)
        ]
        logits = np.concatenate(parts)
        powers = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(powers / powers.sum(1, keepdims=True))

    def open(self, path: Path) -> np.ndarray:
        """One image file as this classifier wants it: uint8 (1, side, side[, 3])."""
        image = Image.open(path).convert("L" if self.channels == 1 else "RGB").resize((self.size, self.size))
        return np.asarray(image, np.uint8)[None]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("student", type=Path, help="folder release/student")
    parser.add_argument("images", type=Path, nargs="+", help="image files, or one .npz")
    arguments = parser.parse_args()
    classifier = Classifier(arguments.student)
    for path in arguments.images:
        if path.suffix == ".npz":
            _answer_npz(classifier, path)
        else:
            (row,) = classifier(classifier.open(path))
            print(f"{path.name}: {classifier.class_names[row.argmax()]} ({row.max():.3f})")


def _answer_npz(classifier: Classifier, path: Path) -> None:
    arrays = np.load(path, allow_pickle=False)
    found = classifier(arrays["images"]).argmax(1)
    print(f"{len(found)} images, classes {np.bincount(found, minlength=len(classifier.class_names)).tolist()}")
    if "labels" in arrays:
        print(f"accuracy {np.mean(found == arrays['labels'].ravel()):.6f}")


if __name__ == "__main__":
    main()
