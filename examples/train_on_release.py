"""Train a classifier of your own on a released synthetic set, in plain scikit-learn.

    pip install scikit-learn numpy
    python train_on_release.py release/synthetic/synthetic.npz [TEST.npz]

TEST.npz holds real images ("images", "labels"); without it, scikit-learn's handwritten digits are the test, which fits a
release of `upcycle demo`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC


def train(path: Path) -> tuple[object, dict[str, np.ndarray]]:
    """A fitted classifier of flat images, and the arrays that it learned from."""
    with np.load(path, allow_pickle=False) as saved:
        arrays = {name: saved[name] for name in saved.files}
    images = flat(arrays["train_images"])
    soft = arrays["train_soft_labels"].astype(np.float64)
    labels, certainty = soft.argmax(1), soft.max(1)  # the teacher's answer, and how sure it was, as a weight
    model = make_pipeline(StandardScaler(), SVC())
    model.fit(images, labels, svc__sample_weight=certainty)
    return model, arrays


def flat(images: np.ndarray) -> np.ndarray:
    """float64 (n, pixels) in 0..1."""
    return np.asarray(images.reshape(len(images), -1) / 255.0)


def test_set(path: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Real images uint8 (n, side, side[, 3]) and their classes (n,)."""
    if path is None:
        digits = load_digits()
        return np.round(digits.images * (255 / 16)).astype(np.uint8), digits.target
    with np.load(path, allow_pickle=False) as saved:
        return saved["images"], saved["labels"].ravel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("synthetic", type=Path, help="synthetic.npz of a release")
    parser.add_argument("test", type=Path, nargs="?", help=".npz of real images; left out: scikit-learn's digits")
    arguments = parser.parse_args()
    model, arrays = train(arguments.synthetic)
    images, labels = test_set(arguments.test)
    accuracy = np.mean(model.predict(flat(images)) == labels)  # type: ignore[attr-defined]
    print(f"trained on {len(arrays['train_images'])} synthetic images")
    print(f"accuracy on {len(images)} real images {accuracy:.4f}")


if __name__ == "__main__":
    main()
