"""Serve a released student with onnxruntime alone: neither torch nor upcycle is needed.

    pip install onnxruntime numpy pillow                    # and pydicom or nibabel, for a student of DICOM or NIfTI files
    python serve_onnx.py release/student IMAGE ...
    python serve_onnx.py release/student TEST.npz           # arrays "images" and, for the accuracy, "labels"

The graph takes uint8 images (n, channels, side, side). How a file becomes one is written in `preprocess` of config.json, and
done here step by step: open, channels, padding, filter, bits. What the block does not know of is refused: a guess would be
answered with confidence. onnxruntime is told not to report its use to its maker.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # before the import: the package on Linux keeps a device id and sends events

import numpy as np
import onnxruntime
from PIL import Image, ImageOps

Block = dict[str, Any]
FORMATS = ("PNG", "JPEG", "MPO", "TIFF", "BMP", "DIB", "WEBP", "AVIF")


class Classifier:
    """A released student: class probabilities of uint8 images (n, side, side, channels)."""

    def __init__(self, folder: Path) -> None:
        facts = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.block: Block = facts["preprocess"]
        self.class_names = facts["class_names"] or [str(label) for label in range(int(facts["classes"]))]
        self._session = onnxruntime.InferenceSession(str(folder / "model.onnx"), providers=["CPUExecutionProvider"])

    def __call__(self, images: np.ndarray, batch: int = 256) -> np.ndarray:
        """float32 (n, classes), rows summing to 1."""
        pixels = images.transpose(0, 3, 1, 2)
        parts = [
            self._session.run(["logits"], {"images": np.ascontiguousarray(pixels[start : start + batch])})[0]
            for start in range(0, len(pixels), batch)
        ]
        logits = np.concatenate(parts)
        powers = np.exp(logits - logits.max(1, keepdims=True))
        return np.asarray(powers / powers.sum(1, keepdims=True))

    def prepare(self, images: list[np.ndarray]) -> np.ndarray:
        """Images (h, w) or (h, w, 3) of one file, as found, as this classifier wants them."""
        return np.stack([in_8_bits(squared(coloured(image, self.block), self.block), self.block) for image in images])


def opened(path: Path, block: Block) -> list[np.ndarray]:
    """The images of one file (h, w) or (h, w, 3), with their values on the scale of the file, or of its window."""
    name = path.name.lower()
    kind = "volume" if name.endswith((".nii", ".nii.gz")) else "scan" if _is_dicom(path) else "picture"
    if kind != block["kind"] and not (kind == "picture" and block["kind"] == "array"):
        raise SystemExit(f"file must be a {block['kind']}, as the training images were. Got {path}, a {kind}. Convert it.")
    return {"picture": picture, "scan": scan, "volume": volume}[kind](path, block)


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def picture(path: Path, _: Block) -> list[np.ndarray]:
    """As a viewer shows it: upright, and on white where it is transparent."""
    with Image.open(path) as image:
        if image.format not in FORMATS:
            raise SystemExit(f"{path} must be one of {', '.join(FORMATS)}. Got {image.format}. Convert it.")
        image = ImageOps.exif_transpose(image)
        if image.mode == "F" or image.mode.startswith("I"):
            values = np.asarray(image)
            if image.mode == "F" or "transparency" in image.info or values.min() < 0 or values.max() > 65535:
                raise SystemExit(f"{path} must hold 8 or 16 bits, opaque. Got another kind of pixels. Convert it.")
            return [values.astype(np.uint16)]
        if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
            whole = np.asarray(image.convert("RGBA")).astype(np.uint32)
            colours, alpha = whole[..., :3], whole[..., 3:]
            return [((colours * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)]
        if image.mode in ("1", "L"):
            return [np.asarray(image.convert("L"))]
        return [np.asarray(image.convert("RGB"))]


def scan(path: Path, block: Block) -> list[np.ndarray]:
    """DICOM: rescaling, then the window asked for, the file's lookup table or window, or its range."""
    import pydicom
    from pydicom import pixels

    found = pydicom.dcmread(path)
    count = int(found.get("NumberOfFrames", 1) or 1)
    places = chosen(count, block["slices"], block["slice_share"]) if count > 1 else [0]
    frames = [pixels.pixel_array(found, index=place) for place in places]
    if frames[0].ndim == 3 or str(found.PhotometricInterpretation) == "PALETTE COLOR":
        raise SystemExit(f"{path} must be grey. Got colours, which this example does not show. Use upcycle predict.")
    if found.get("PresentationLUTSequence") or found.get("SharedFunctionalGroupsSequence"):
        raise SystemExit(f"{path} must be a plain image. Got lookup tables or an enhanced object. Use upcycle predict.")
    shares = [_grey_of_scan(frame, found, block) for frame in frames]
    if "MONOCHROME1" in str(found.PhotometricInterpretation) or str(found.get("PresentationLUTShape", "")) == "INVERSE":
        shares = [1 - share for share in shares]
    return [np.rint(share * 255).astype(np.uint8) for share in shares]


def _grey_of_scan(stored: np.ndarray, found: Any, block: Block) -> np.ndarray:
    from pydicom import pixels

    slope, intercept = (float(found.get(name) or absent) for name, absent in (("RescaleSlope", 1), ("RescaleIntercept", 0)))
    values = pixels.apply_modality_lut(stored, found) if found.get("ModalityLUTSequence") else stored * slope + intercept
    if block["window"]:
        return windowed(values, *block["window"], "LINEAR_EXACT")
    if found.get("VOILUTSequence"):
        bits = int(found.VOILUTSequence[0].LUTDescriptor[2])
        return np.asarray(pixels.apply_voi(values.astype(np.int64), found) / (2**bits - 1))
    centre, width = (
        np.ravel(found.get(name) if found.get(name) is not None else []) for name in ("WindowCenter", "WindowWidth")
    )
    if len(centre) and len(width):
        function = str(found.get("VOILUTFunction", "") or "LINEAR").upper()
        return windowed(values, float(centre[0]), float(width[0]), function)
    padding = [
        int(found[name].value) for name in ("PixelPaddingValue", "PixelPaddingRangeLimit") if found.get(name) is not None
    ]
    inside = (stored < min(padding)) | (stored > max(padding)) if padding else np.ones(stored.shape, bool)
    real = values[inside] if inside.any() else values
    return stretched(values, float(real.min()), float(real.max()))


def volume(path: Path, block: Block) -> list[np.ndarray]:
    """NIfTI, turned to right, anterior, superior: slices of one plane, the front or the head at the top."""
    import nibabel

    image = nibabel.as_closest_canonical(nibabel.load(path))
    values = np.asarray(image.get_fdata(dtype=np.float32)).reshape(image.shape[:3])
    if not np.isfinite(values).all():
        raise SystemExit(f"{path} must be free of NaN and infinity. Got some. Repair it.")
    if block["window"]:
        shares = windowed(values, *block["window"], "LINEAR_EXACT")
    else:
        low, high = (float(end) for end in np.percentile(values, [0.5, 99.5]))
        low, high = (float(values.min()), float(values.max())) if low == high else (low, high)
        shares = stretched(values, low, high)
    slices = np.moveaxis(shares, {"sagittal": 0, "coronal": 1, "axial": 2}[block["plane"]], 0)
    places = chosen(len(slices), block["slices"], block["slice_share"])
    return [np.rint(np.flip(slices[place].T) * 255).astype(np.uint8) for place in places]


def chosen(count: int, slices: int, share: float) -> list[int]:
    """Indices of `slices` of `count`, evenly spaced over the central `share`; all of that share if `slices` is 0."""
    first, last = count * (1 - share) / 2, count * (1 + share) / 2
    if slices == 0:
        return list(range(int(first), min(int(np.ceil(last)), count)))
    places = first + (np.arange(slices) + 0.5) * (last - first) / slices
    return sorted({min(int(place), count - 1) for place in places})


def windowed(values: np.ndarray, centre: float, width: float, function: str) -> np.ndarray:
    """Shares of white (DICOM PS3.3, C.11.2.1)."""
    if function not in ("LINEAR", "SIGMOID", "LINEAR_EXACT") or width < (1 if function == "LINEAR" else 1e-9):
        raise SystemExit(f"window must be LINEAR, LINEAR_EXACT or SIGMOID, and wide. Got {function} of width {width:g}.")
    if function == "LINEAR":
        return np.asarray(np.clip((values - (centre - 0.5)) / max(width - 1, 1e-9) + 0.5, 0, 1))
    if function == "SIGMOID":
        return np.asarray(1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -700, 700))))
    return np.asarray(np.clip((values - centre) / width + 0.5, 0, 1))


def stretched(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """Shares of the way from `low` to `high`."""
    return np.asarray(np.clip((values - low) / (high - low), 0, 1)) if high > low else np.zeros(values.shape)


def coloured(image: np.ndarray, block: Block) -> np.ndarray:
    """The step `channels`: (h, w, channels)."""
    planes = image[..., None] if image.ndim == 2 else image
    if planes.shape[2] == block["channels"]:
        return planes
    if block["channels"] == 3:
        return np.repeat(planes, 3, 2)
    if block["colour"] != "convert" and not (planes == planes[..., :1]).all():
        raise SystemExit("image must be grey, as the training images were. Got colours. Convert it as those were.")
    return ((planes.astype(np.int64) @ [19595, 38470, 7471] + 32768) >> 16).astype(image.dtype)[..., None]


def squared(image: np.ndarray, block: Block) -> np.ndarray:
    """The steps `padding` and `filter`: black round the image, then an average over the pixels that a new one covers."""
    side, (height, width) = block["side"], image.shape[:2]
    if (height, width) == (side, side):
        return image
    if block["padding"] != "black":
        raise SystemExit(
            f"image must be {side} x {side} pixels, as all training images were. Got {height} x {width}. Resize it."
        )
    longest = max(height, width)
    above, left = (longest - height) // 2, (longest - width) // 2
    square = np.pad(image, [(above, longest - height - above), (left, longest - width - left), (0, 0)])
    planes = [Image.fromarray(square[..., k].astype(np.float32)) for k in range(square.shape[2])]
    resized = [np.asarray(plane.resize((side, side), Image.Resampling.BILINEAR)) for plane in planes]
    return np.rint(np.stack(resized, 2)).astype(image.dtype)


def in_8_bits(image: np.ndarray, block: Block) -> np.ndarray:
    """The step `bits`: the whole numbers of `grey_range` become 0 to 255."""
    if (image.dtype == np.uint8) != (block["stored"] == 8) and (block["bits"] > 8 or block["stored"] == 8):
        raise SystemExit(f"pixels must be stored in {block['stored']} bits, as the training images were. Got {image.dtype}.")
    high = block["grey_range"][1]
    if image.max() > high:
        raise SystemExit(f"pixels must be 0 to {high}, as the training images were. Got {image.max()}. Rescale them alike.")
    return image if high == 255 else np.round(image * (255 / high)).astype(np.uint8)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("student", type=Path, help="folder release/student")
    parser.add_argument("images", type=Path, nargs="+", help="image files, or .npz files")
    parser.add_argument("--json", action="store_true", help="print every probability, as JSON")
    arguments = parser.parse_args()
    classifier = Classifier(arguments.student)
    answers = []
    for path in arguments.images:
        try:
            if path.suffix == ".npz":
                answer_npz(classifier, path)
                continue
            found = opened(path, classifier.block)
        except (OSError, SyntaxError, ValueError, KeyError) as error:  # of Pillow, pydicom, nibabel and NumPy
            raise SystemExit(f"{path} must be a readable image or .npz. Got {type(error).__name__}: {error}.") from None
        for row in classifier(classifier.prepare(found)):
            answers.append({"name": path.name, "class": classifier.class_names[row.argmax()], "probabilities": row.tolist()})
    if arguments.json:
        json.dump(answers, sys.stdout)
    for answer in () if arguments.json else answers:
        line = f"{answer['name']}: {answer['class']} ({max(answer['probabilities']):.3f})"
        print("".join(c if c.isprintable() else "?" for c in line))


def answer_npz(classifier: Classifier, path: Path) -> None:
    arrays = np.load(path, allow_pickle=False)
    found = classifier(classifier.prepare(list(arrays["images"]))).argmax(1)
    print(f"{len(found)} images, classes {np.bincount(found, minlength=len(classifier.class_names)).tolist()}")
    if "labels" in arrays:
        print(f"accuracy {np.mean(found == arrays['labels'].ravel()):.6f}")


if __name__ == "__main__":
    main()
