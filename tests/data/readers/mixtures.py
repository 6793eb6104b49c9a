"""Data sets with a mixture of quirks, written in every format, each with what must be read of it or said about it."""

from __future__ import annotations

import io
import os
import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from PIL import Image

from upcycle.config import DataConfig
from upcycle.data import Dataset, RawImages, RawSplit, from_arrays, from_torch, read, register_reader
from upcycle.errors import DataError

TRAIN = ("train", "Training", "TRAIN", "train_0", "training_set", "TrainData")
VALIDATION = ("val", "VALID", "validation", "dev", "val_1", "ValData")
TEST = ("test", "Testing", "TEST", "test_0", "test_set", "TestData")
OWNERS = ("patient_id", "PatientID", "patients", "subject_ids", "Case", "donor", "group", "patient number")
FALSE_OWNERS = ("patient_age", "exam_id", "study_date")


@dataclass
class Item:
    """One image as shown, (8, 8) or (8, 8, 3) uint8, and what is said of it; `split` is None where splits are cut."""

    shown: np.ndarray
    label: str
    split: str | None
    owner: str | None = None


@dataclass
class Mixture:
    """A set as written. `notes` and `refusals` are patterns: all notes must come, or, if anything is refused, all refusals."""

    items: list[Item] = field(default_factory=list)
    data: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    groups: Path | None = None
    notes: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    load: Callable[[DataConfig], Dataset] | None = None  # in place of reading `data`
    structural: bool = False  # a refusal that comes before the files are looked at

    def refuse(self, pattern: str, *, structural: bool = False) -> None:
        self.refusals.append(pattern)
        self.structural |= structural

    def colours(self) -> list[bytes]:
        """The images as they must come out: the channels of the settings, or those that all can have."""
        asked = self.settings.get("channels", "auto")
        shown = [item.shown for item in self.items]
        colour = [image for image in shown if image.ndim == 3]
        if asked == "auto" and 0 < len(colour) < len(shown):
            grey_only = all((image == image[..., :1]).all() for image in colour)
            asked = "grey" if grey_only else "rgb"
        modes = {"grey": "L", "rgb": "RGB"}
        return [
            i.tobytes() if asked == "auto" else np.asarray(Image.fromarray(i).convert(modes[asked])).tobytes() for i in shown
        ]


def judge(mixture: Mixture) -> str:
    """exact, said or refused. Raises AssertionError for a difference that nobody names."""
    config = DataConfig.model_validate({"min_images_per_class": 2, **mixture.settings})
    try:
        dataset = mixture.load(config) if mixture.load else read(mixture.data, config=config, seed=0, groups_csv=mixture.groups)
    except DataError as error:
        text = "\n".join(error.problems)
        assert all("must" in line and line.isprintable() for line in error.problems), text
        named = [pattern for pattern in mixture.refusals if re.search(pattern, text)]
        assert named and (mixture.structural or len(named) == len(mixture.refusals)), (mixture.refusals, text)
        return "refused"
    assert not mixture.refusals, ("read without a word", mixture.refusals)
    missing = [pattern for pattern in mixture.notes if not any(re.search(pattern, note) for note in dataset.notes)]
    assert not missing, (missing, dataset.notes)
    _compare(mixture, dataset)
    return "said" if mixture.notes else "exact"


def _compare(mixture: Mixture, dataset: Dataset) -> None:
    owners: dict[str, set[str | None]] = {}
    groups: dict[str, set[int]] = {}
    found: Counter[tuple[str, str, str | None]] = Counter()
    by_image = dict(zip(mixture.colours(), mixture.items, strict=True))
    given = {item.split for item in mixture.items}
    for name, split in dataset.splits().items():
        numbers = [None] * len(split) if split.groups is None else split.groups.tolist()
        for image, label, group in zip(split.images, split.labels, numbers, strict=True):
            item = by_image.get(image.tobytes())
            assert item is not None, "an image that was not written"
            found[image.tobytes().hex(), dataset.class_names[label], name if name in given else None] += 1
            if item.owner is not None:
                assert group is not None, "patients were dropped"
                owners.setdefault(str(group), set()).add(item.owner)
                groups.setdefault(item.owner, set()).add(group)
    cut = {name for name in dataset.splits() if name not in given}
    expected: Counter[tuple[str, str, str | None]] = Counter()
    for content, item in zip(mixture.colours(), mixture.items, strict=True):
        expected[content.hex(), item.label, item.split] += 1
    assert _without_cut(found, cut) == _without_cut(expected, cut), "images, labels or splits differ"
    assert all(len(names) == 1 for names in [*owners.values(), *groups.values()]), "patients were mixed up"


def _without_cut(counted: Counter[tuple[str, str, str | None]], cut: set[str]) -> Counter[tuple[str, str, str | None]]:
    """Splits that are cut come out of train: train counts as one with them."""
    return Counter(
        {(i, label, None if cut and split in (None, "train") else split): n for (i, label, split), n in counted.items()}
    )


# What all writers draw


def respelled(random: Random, mixture: Mixture) -> None:
    """Ids of half the images in another spelling: other patients, and said so."""
    if not chance(random, 10):
        return
    for item in mixture.items[::2]:
        item.owner = random.choice([str.upper, lambda text: text.replace("-", "_"), lambda text: f"00{text}"])(str(item.owner))
    ids = {str(item.owner) for item in mixture.items}
    if len({text.casefold().replace("-", "").replace("_", "").removeprefix("00") for text in ids}) < len(ids):
        mixture.notes.append("patient ids differ from another")


def items(random: Random, *, colour: bool = False, split_names: bool = True) -> list[Item]:
    """Two or three classes of four to six images a split; patients of two images of one class and split."""
    classes = random.choice([("benign", "malignant"), ("0", "1", "2"), ("2", "10"), ("b\u00e9nin", "malin")])
    splits: tuple[str | None, ...] = (
        random.choice([(None,), ("train", "test"), ("train", "validation", "test")]) if split_names else (None,)
    )
    rng = np.random.default_rng(random.randrange(2**32))
    made: list[Item] = []
    for split in splits:
        for label in classes:
            for k in range(12 if split in (None, "train") else 4):
                shape = (8, 8, 3) if colour else (8, 8)
                made.append(Item(rng.integers(0, 256, shape, dtype=np.uint8), label, split, f"{split}-{label}-{k // 2}"))
    return made


def chance(random: Random, percent: int = 25) -> bool:
    return random.randrange(100) < percent


def spelled(random: Random, split: str | None) -> str:
    return random.choice({"train": TRAIN, "validation": VALIDATION, "test": TEST}.get(split or "", ("",)))


# Folders and tables of pictures


def stored(random: Random, item: Item, mixture: Mixture) -> tuple[bytes, str]:
    """Content and suffix of one file that shows `item.shown`, which may be changed to what the file can hold."""
    kind = random.choice([".png", ".png", ".PNG", ".tif", ".bmp", ".webp", ".tiff"])
    mode = random.choice(["L", "L", "L", "RGB", "LA", "P", "RGBA"]) if kind.lower() == ".png" else random.choice(["L", "RGB"])
    image = Image.fromarray(item.shown)
    if item.shown.ndim == 3 and mode in ("L", "LA", "P"):  # files of one channel, or of few colours, cannot show it
        mode = "RGB"
    if mode in ("RGB", "RGBA") or kind == ".webp":
        item.shown = np.asarray(image.convert("RGB"))
    if mode in ("LA", "RGBA") and chance(random, 60):
        hole = np.zeros((8, 8), bool)
        hole[random.randrange(4) :, : random.randrange(1, 5)] = True
        image = Image.fromarray(np.where(hole if item.shown.ndim == 2 else hole[..., None], 99, item.shown).astype(np.uint8))
        image.putalpha(Image.fromarray(np.where(hole, 0, 255).astype(np.uint8)))
        item.shown = np.where(hole if item.shown.ndim == 2 else hole[..., None], 255, item.shown).astype(np.uint8)
        mixture.notes.append("put on white")
    else:
        image = Image.fromarray(item.shown).convert(mode) if mode != "L" else Image.fromarray(item.shown)
    extra: dict[str, Any] = {"lossless": True, "exact": True} if kind == ".webp" else {}
    if chance(random, 15) and kind not in (".bmp",):
        exif = Image.Exif()
        exif[0x0112] = 6
        image, extra["exif"] = image.transpose(Image.Transpose.ROTATE_90), exif
        mixture.notes += [] if kind.startswith(".tif") else ["EXIF orientation"]
    content = io.BytesIO()
    image.save(content, {"tif": "TIFF", "tiff": "TIFF"}.get(kind[1:].lower(), kind[1:].upper()), **extra)
    suffix = random.choice([kind, ".jfif", ".image"]) if kind == ".png" and chance(random, 15) else kind
    return content.getvalue(), suffix


def folder(random: Random, root: Path) -> Mixture:
    """Class folders, with or without folders of splits above or below them."""
    mixture = Mixture(
        items(random, colour=chance(random, 20)), str(root), {"channels": random.choice(["auto", "auto", "grey", "rgb"])}
    )
    below = mixture.items[-1].split is not None and chance(random, 15)
    tops = {split: spelled(random, split) for split in ("train", "validation", "test")}
    inside = chance(random, 15)
    names: list[str] = []
    for k, item in enumerate(mixture.items):
        content, suffix = stored(random, item, mixture)
        label = unicodedata.normalize("NFD", item.label) if item.label == "b\u00e9nin" and item.split == "test" else item.label
        parts = [] if item.split is None else [tops[item.split]]
        visit = ["visit"] if inside and not below else []
        place = "/".join([label, *parts, *visit] if below else [*parts, label, *visit])
        (root / place).mkdir(parents=True, exist_ok=True)
        (root / place / f"im{k}{suffix}").write_bytes(content)
        names.append(f"{place}/im{k}{suffix}")
    if any(unicodedata.normalize("NFC", n) != n for n in names):
        mixture.notes.append("stored in two ways")
    _groups_file(random, mixture, root, names)
    _clutter(random, mixture, root, "" if mixture.items[-1].split is None or below else tops["train"], names)
    return mixture


def _clutter(random: Random, mixture: Mixture, root: Path, top: str, names: list[str]) -> None:
    """Entries that are no part of the data, or that hide a part of it."""
    some = root / Path(names[0]).parent
    for percent, pattern, make in (
        (20, "no images were left out.*readme.txt", lambda: (some / "readme.txt").write_text("x")),
        (10, "not known were left out.*x.bin", lambda: (some / "x.bin").write_bytes(b"??")),
        (20, "", lambda: (some / ".hidden.png").write_bytes(b"x")),
        (15, "outside the class folders.*loose.png", lambda: Image.new("L", (8, 8)).save(root / top / "loose.png")),
        (10, "files of a kind that is not known.*x.zip", lambda: (some / "x.zip").write_bytes(b"PK\3\4")),
    ):
        if chance(random, percent):
            make()
            mixture.notes += [pattern] if pattern else []
    for pattern, spoil in (
        ("gone.png .a link to nothing", lambda: (some / "gone.png").symlink_to(root / "nowhere")),
        ("pipe .neither", lambda: os.mkfifo(some / "pipe")),
        ("x.heic", lambda: (some / "x.heic").write_bytes(b"x")),
        ("broken.png", lambda: (some / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")),
        ("must be UTF-8", lambda: (some / os.fsdecode(b"n\xe9.png")).write_bytes((root / names[0]).read_bytes())),
        ("no image of class none|parts of that class|must be one per class", lambda: (root / top / "none").mkdir()),
    ):
        if chance(random, 5):
            spoil()
            mixture.refuse(pattern)
    if top and chance(random, 15):
        _beside(random, mixture, root)
    if chance(random, 8) and mixture.groups is None:
        shown = np.random.default_rng(random.randrange(2**32)).integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(shown).save(some / "case_mask.png")
        mixture.items.append(Item(shown, *_place_of(mixture)))
        mixture.notes.append("1 files are called mask")
    if chance(random, 15):
        _link(random, mixture, root, some)


def _link(random: Random, mixture: Mixture, root: Path, some: Path) -> None:
    """A link below a class to a folder elsewhere with one image more."""
    outside = root.parent / f"{root.name}-outside"
    outside.mkdir()
    shown = np.random.default_rng(random.randrange(2**32)).integers(0, 256, (8, 8), dtype=np.uint8)
    Image.fromarray(shown).save(outside / "far.png")
    (some / "linked").symlink_to(outside)
    if mixture.groups is None:
        mixture.items.append(Item(shown, *_place_of(mixture)))
    else:
        mixture.refuse("no row for ")


def _place_of(mixture: Mixture) -> tuple[str, str | None]:
    return mixture.items[0].label, mixture.items[0].split


def _beside(random: Random, mixture: Mixture, root: Path) -> None:
    """A folder next to train."""
    name, pattern, refused = random.choice(
        [
            *(("unlabelled", "were not read: unlabelled", False), ("eval", "Got eval", True), ("holdout", "Got holdout", True)),
            *(("train_old", "Got .*train_old", True), ("external_test", "Got .*external_test", True)),
        ]
    )
    (root / name / "a").mkdir(parents=True)
    Image.new("L", (8, 8)).save(root / name / "a" / "x.png")
    if refused:
        mixture.refuse(pattern)
    else:
        mixture.notes.append(pattern)


def _groups_file(random: Random, mixture: Mixture, root: Path, names: list[str]) -> None:
    """Patients by --groups in some spelling, or none at all."""
    if chance(random, 50):
        for item in mixture.items:
            item.owner = None
        return
    mark, owner = random.choice([",", ";", "\t"]), random.choice(OWNERS)
    respelled(random, mixture)
    called = random.choice([lambda n: n, lambda n: Path(n).name, lambda n: n.replace("/", "\\"), lambda n: f"./{n}"])
    rows = [[called(name), str(item.owner), "1"] for name, item in zip(names, mixture.items, strict=True)]
    header = ["image", owner, random.choice([*FALSE_OWNERS, "age"])]
    mixture.notes.append(f"columns of the groups file were not read: {header[2]}")
    if header[2] != "age":
        mixture.notes.append(f"{header[2]}.* not used as patients")
    if chance(random, 10):
        rows[0][1] = ""
        mixture.refuse("no patient for")
    elif chance(random, 10):
        rows = rows[1:]
        mixture.refuse("no row for")
    order = random.choice([(0, 1, 2), (1, 0, 2), (2, 1, 0)])
    if chance(random, 30):
        random.shuffle(rows)
    lines = [mark.join(row[k] for k in order) for row in [header, *rows]]
    lines = [f"sep={mark}", *lines] if chance(random, 15) else lines
    mixture.groups = root.parent / f"{root.name}.csv"
    mixture.groups.write_text("\n".join(lines) + "\n", encoding=random.choice(["utf-8", "utf-8-sig"]))


def table(random: Random, root: Path) -> Mixture:
    """Files anywhere, and a labels.csv."""
    mixture = Mixture(
        items(random, colour=chance(random, 20)), str(root), {"channels": random.choice(["auto", "auto", "grey", "rgb"])}
    )
    owned, mark = chance(random, 50), random.choice([",", ";", "\t"])
    header = [random.choice(["file", "Filename", "image_path", "img"]), random.choice(["class", "Label", "diagnosis"])]
    header += [random.choice(["split", "Split", "part of"])] if mixture.items[-1].split else []
    header += [random.choice(OWNERS)] if owned else []
    if owned:
        respelled(random, mixture)
    rows = []
    called = random.choice([lambda n: n, lambda n: Path(n).name, lambda n: Path(n).stem, lambda n: n.replace("/", "\\")])
    for k, item in enumerate(mixture.items):
        content, suffix = stored(random, item, mixture)
        place = random.choice(["", "scans", "scans/deep"])
        (root / place).mkdir(parents=True, exist_ok=True)
        name = f"{place}/im{k}{suffix}".lstrip("/")
        (root / name).write_bytes(content)
        rows.append(
            [
                called(name),
                item.label,
                *([spelled(random, item.split)] if item.split else []),
                *([str(item.owner)] if owned else []),
            ]
        )
        item.owner = item.owner if owned else None
    if chance(random, 15):
        header.append(random.choice([*FALSE_OWNERS, "age"]))
        rows = [[*row, "1"] for row in rows]
        mixture.notes.append(header[-1])
    _table_mistakes(random, mixture, root, header, rows)
    order = list(range(len(header)))
    random.shuffle(order)
    lines = [mark.join(row[k] for k in order) for row in [header, *rows]]
    lines = [f"sep={mark}", *lines] if chance(random, 15) else lines
    (root / random.choice(["labels.csv", "Labels.CSV"])).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return mixture


def _table_mistakes(random: Random, mixture: Mixture, root: Path, header: list[str], rows: list[list[str]]) -> None:
    if chance(random, 15):
        Image.new("L", (8, 8)).save(root / "more.png")
        mixture.notes.append("without a row.*more.png")
    if chance(random, 6):
        rows.append(["absent.png", *rows[0][1:]])
        mixture.refuse("no absent.png")
    if chance(random, 6):
        rows[0][1] = random.choice(["", "nan", "NULL"])
        mixture.refuse("no class for")
    if mixture.items[-1].split and chance(random, 8):
        rows[1][2] = random.choice(["tset", "evaluation", "fold 2"])
        mixture.refuse(f"Got {rows[1][2]}")
    if chance(random, 6):
        (root / "gone.png").symlink_to(root / "nowhere")
        mixture.refuse("gone.png .a link to nothing")


# Arrays


def npz(random: Random, root: Path) -> Mixture:
    """Keys in any spelling, pixels of any type."""
    mixture = Mixture(
        items(random, colour=chance(random, 30)), str(root / "set.npz"), {"channels": random.choice(["auto", "grey", "rgb"])}
    )
    names = sorted({item.label for item in mixture.items}, key=lambda n: (len(n), n))
    arrays: dict[str, np.ndarray] = {}
    respelled(random, mixture)
    spelling = mixture.notes.copy()
    owned, depth = chance(random, 50), random.choice(["uint8", "uint8", "uint16", "float32"])
    style = random.choice(["{s}_{p}", "{p}_{s}", "{S}_{P}"])
    owner = random.choice(OWNERS[:-1])
    for split in dict.fromkeys(item.split for item in mixture.items):
        mine = [item for item in mixture.items if item.split == split]
        word = random.choice({"train": TRAIN[:3], "validation": VALIDATION[:4], "test": TEST[:3]}.get(split or "", ("",)))
        parts = {
            "images": _deep(np.stack([i.shown for i in mine]), depth),
            "labels": np.array([names.index(i.label) for i in mine]),
        }
        parts |= {owner: np.array([i.owner for i in mine])} if owned else {}
        for part, array in parts.items():
            plain = part if part not in ("images", "labels") else random.choice([part, {"images": "x", "labels": "y"}[part]])
            arrays[style.format(s=word, p=plain, S=word.upper(), P=plain).strip("_")] = array
    for item in mixture.items:
        item.label, item.owner = str(names.index(item.label)), item.owner if owned else None
    mixture.notes = spelling if owned else []
    mixture.notes += ["rescaled"] if depth != "uint8" else []
    several = mixture.items[-1].split is not None
    if not owned and several and chance(random, 30):
        arrays["patient_ids"] = np.arange(len(mixture.items))
        mixture.refuse("patient ids must be given for each split")
    if chance(random, 20):
        key = random.choice([*FALSE_OWNERS, "features", "split", "fold", "class_names"])
        arrays[key] = np.arange(9)
        mixture.notes.append(f"not read: .*{key}")
    np.savez(root / "set.npz", **arrays)
    return mixture


def _deep(images: np.ndarray, depth: str) -> np.ndarray:
    """The same pixels in another type; 16 bits are 257 times 8."""
    if depth == "uint16":
        images = images.copy()
        return images.astype(np.uint16) * 257
    return images.astype(np.float32) / np.float32(255) if depth == "float32" else images


def idx(random: Random, root: Path) -> Mixture:
    """MNIST's files, gzipped or not."""
    import gzip
    import struct

    mixture = Mixture(items(random, split_names=False), str(root))
    names = sorted({item.label for item in mixture.items}, key=lambda n: (len(n), n))
    for k, item in enumerate(mixture.items):
        item.label, item.split, item.owner = str(names.index(item.label)), "train" if k % 3 else "test", None
    for split, prefix in (("train", "train"), ("test", "t10k")):
        mine = [item for item in mixture.items if item.split == split]
        images = struct.pack(">IIII", 0x803, len(mine), 8, 8) + b"".join(item.shown.tobytes() for item in mine)
        labels = struct.pack(">II", 0x801, len(mine)) + bytes(int(item.label) for item in mine)
        for part, content in (("images-idx3", images), ("labels-idx1", labels)):
            packed = chance(random, 50)
            (root / f"{prefix}-{part}-ubyte{'.gz' if packed else ''}").write_bytes(
                gzip.compress(content) if packed else content
            )
    if chance(random, 30):
        (root / "val-images").write_bytes(b"x")
        mixture.notes.append("not read: val-images")
    if chance(random, 10):
        (root / "eval-labels-idx1-ubyte").write_bytes(b"x")
        mixture.refuse("Got eval")
    if chance(random, 10):
        (root / "t10k-labels-idx1-ubyte").unlink(missing_ok=True)
        (root / "t10k-labels-idx1-ubyte.gz").unlink(missing_ok=True)
        mixture.refuse("no test labels")
    return mixture


# Hugging Face


def hugging_face(random: Random, root: Path) -> Mixture:
    """A saved data set or a folder of parquet, classes numbered by each split on its own."""
    import datasets

    mixture = Mixture(
        items(random, colour=chance(random, 20)), str(root / "d"), {"channels": random.choice(["auto", "grey", "rgb"])}
    )
    owned, as_parquet = chance(random, 50), chance(random, 50)
    owner = random.choice(OWNERS)
    false_owner = random.choice(FALSE_OWNERS) if chance(random, 15) else None
    parts: dict[str, Any] = {}
    for split in dict.fromkeys(item.split for item in mixture.items):
        mine = [item for item in mixture.items if item.split == split]
        for shard, half in enumerate((mine[::2], mine[1::2]) if as_parquet and chance(random, 40) else (mine,)):
            name = f"{spelled(random, split) or 'data'}-{shard}" if as_parquet else spelled(random, split) or "data"
            parts[name] = _hf_table(random, half, owner if owned else None, false_owner, mixture)
    for item in mixture.items:
        item.owner = item.owner if owned else None
    if false_owner:
        mixture.notes += [f"{false_owner}.* not used as patients", f"columns of the data set were not read: .*{false_owner}"]
    if mixture.items[-1].split and chance(random, 12):
        name, pattern, refused = random.choice([("extra", "not read: extra", False), ("eval", "Got eval", True)])
        parts[name] = _hf_table(random, mixture.items[:2], owner if owned else None, false_owner, Mixture())
        mixture.refuse(pattern) if refused else mixture.notes.append(pattern)
    if as_parquet:
        (root / "d").mkdir()
        if chance(random, 15):
            (root / "d" / "readme.md").write_text("x")
            mixture.notes.append("no parquet were not read: readme.md")
        for name, part in parts.items():
            part.to_parquet(root / "d" / f"{name}.parquet")
    elif list(parts) == ["data"]:
        parts["data"].save_to_disk(root / "d")
    else:
        datasets.DatasetDict({re.sub(r"\W", "_", name): part for name, part in parts.items()}).save_to_disk(root / "d")
    return mixture


def _hf_table(random: Random, mine: list[Item], owner: str | None, false_owner: str | None, mixture: Mixture) -> Any:
    import datasets

    names = sorted({item.label for item in mine})
    random.shuffle(names)
    cells = []
    for item in mine:
        content = io.BytesIO()
        Image.fromarray(item.shown).save(content, "PNG")
        cells.append({"bytes": content.getvalue(), "path": None})
    features = {"image": datasets.Image(), "label": datasets.ClassLabel(names=names)}
    rows: dict[str, Any] = {"image": cells, "label": [names.index(item.label) for item in mine]}
    for column, values in ((owner, [item.owner for item in mine]), (false_owner, ["1"] * len(mine))):
        if column:
            features[column], rows[column] = datasets.Value("string"), list(values)
    if owner and chance(random, 5):
        rows[owner][0] = None
        mixture.refuse("empty ones")
    return datasets.Dataset.from_dict(rows, features=datasets.Features(features))


# Scans


def dicom(random: Random, root: Path) -> Mixture:
    """Pixels as shown, behind rescaling, windows, padding and inversion of many kinds."""
    from tests.data.readers.test_dicom import write

    mixture = Mixture(items(random), str(root))
    owned = chance(random, 60)
    if owned:
        respelled(random, mixture)
    top = {split: spelled(random, split) for split in ("train", "validation", "test")}
    for k, item in enumerate(mixture.items):
        item.shown = item.shown.copy()
        item.shown[0, :2] = 0, 255  # so that a stretch leaves the values as they are
        pixels, tags = _scan(random, item, mixture)
        place = root / (top[item.split] if item.split else "") / item.label
        write(place / f"{k}{random.choice(['.dcm', '', '.IMA'])}", pixels, str(item.owner) if owned else None, **tags)
        item.owner = item.owner if owned else None
    if not owned:
        mixture.notes.append("no file names a patient")
    some = root / (top["train"] if mixture.items[-1].split else "") / mixture.items[0].label
    if chance(random, 8):
        write(some / "odd.dcm", mixture.items[0].shown, "q", WindowCenter=1, WindowWidth=0)
        mixture.refuse("odd.dcm .*data.window")
    if chance(random, 8):
        Image.new("L", (8, 8)).save(some / "preview.png")
        mixture.refuse("preview.png")
    return mixture


def _scan(random: Random, item: Item, mixture: Mixture) -> tuple[np.ndarray, dict[str, Any]]:
    window = {"WindowCenter": 127.5, "WindowWidth": 255, "VOILUTFunction": "LINEAR_EXACT"}
    kind = random.choice(["plain", "empty", "slope", "inverse", "stretch", "padding", "mono1", "hounsfield"])
    shown = item.shown
    if kind == "empty":
        return shown, window | {"RescaleSlope": random.choice([None, "1"]), "RescaleIntercept": random.choice([None, "0"])}
    if kind == "slope":
        return shown.astype(np.uint16) * 10, window | {"RescaleSlope": "0.1"}
    if kind == "inverse":
        mixture.notes.append("presentation LUT is inverse")
        return 255 - shown, window | {"PresentationLUTShape": "INVERSE"}
    if kind == "stretch":
        mixture.notes.append("from their darkest")
        return shown, {"WindowCenter": None, "WindowWidth": None}
    if kind == "padding":
        stored = shown.astype(np.int16) + 100
        stored[7, 7] = random.choice([-2000, -1990])
        item.shown = item.shown.copy()
        item.shown[7, 7] = 0
        return stored, {"PixelPaddingValue": -2000, "PixelPaddingRangeLimit": -1980}
    if kind == "mono1":
        mixture.notes.append("MONOCHROME1")
        return 255 - shown, window | {"PhotometricInterpretation": "MONOCHROME1"}
    if kind == "hounsfield":
        stored = shown.astype(np.int16) + 24
        return stored, {
            "RescaleIntercept": "-1024",
            "WindowCenter": -872.5,
            "WindowWidth": 255,
            "VOILUTFunction": "LINEAR_EXACT",
        }
    if chance(random, 10):
        mixture.notes.append("read as squares")
        return shown, window | {"PixelSpacing": [1, 2]}
    return shown, window


def nifti(random: Random, root: Path) -> Mixture:
    """Volumes of one slice that matters, stored either way round, sparse or dense."""
    import nibabel

    mixture = Mixture(items(random), str(root), {"slices": 1})
    top = {split: spelled(random, split) for split in ("train", "validation", "test")}
    sparse = chance(random, 30)
    for k, item in enumerate(mixture.items):
        shape = (8, 8, 41) if sparse else (8, 8, 3)
        volume = np.zeros(shape, np.int16)
        if sparse:
            item.shown = np.zeros((8, 8), np.uint8)
            item.shown[3, 3], item.shown[4, 4] = 255, 1 + k
            volume[:, :, 20] = item.shown[::-1, ::-1].T
            mixture.notes.append("one value nearly everywhere")
        else:
            item.shown = item.shown.copy()
            item.shown[0] = 0, 0, 0, 0, 255, 255, 255, 255  # both percentiles lie on them
            volume[:] = item.shown[::-1, ::-1].T[..., None]
        affine = np.eye(4)
        if chance(random, 40):
            volume, affine = volume[::-1, ::-1], np.diag([-1.0, -1, 1, 1])
        if chance(random, 2):
            affine = affine @ np.diag([1.0, 2, 1, 1])
            mixture.notes.append("read as squares")
        place = root / (top[item.split] if item.split else "") / item.label
        place.mkdir(parents=True, exist_ok=True)
        name = f"sub-{k}" if chance(random, 20) else f"v{k}"
        nibabel.save(
            nibabel.Nifti1Image(np.ascontiguousarray(volume), affine), place / f"{name}{random.choice(['.nii', '.nii.gz'])}"
        )
        if name.startswith("sub"):
            mixture.notes.append("called .*sub")
        item.owner = None
    some = root / (top["train"] if mixture.items[-1].split else "") / mixture.items[0].label
    if chance(random, 10):
        (some / "x.mgz").write_bytes(b"x")
        mixture.refuse("x.mgz")
    if chance(random, 10):
        nibabel.save(nibabel.Nifti1Image(np.zeros((8, 8, 3, 2), np.int16), np.eye(4)), some / "film.nii")
        mixture.refuse("film.nii .shape")
    return mixture


# In memory


def own(random: Random, root: Path) -> Mixture:
    """A reader of somebody's own, whose splits number their classes as they like."""
    mixture = Mixture(items(random, colour=chance(random, 20)), "own:set", {"channels": random.choice(["auto", "grey", "rgb"])})
    owned, named = chance(random, 50), chance(random, 70)
    every = sorted({item.label for item in mixture.items}, key=lambda n: (len(n), n))
    raws = []
    for split in dict.fromkeys(item.split for item in mixture.items):
        mine = [item for item in mixture.items if item.split == split]
        names = random.sample(every, len(every)) if named else every
        ids = np.array([item.owner if k % 4 < 2 else f"{item.owner}".encode() for k, item in enumerate(mine)], object)
        if owned and chance(random, 6):
            ids[0] = random.choice([None, float("nan"), ""])
            mixture.refuse("1 empty ones")
        labels: Any = np.array([names.index(item.label) for item in mine])
        images: Any = np.stack([i.shown for i in mine])
        if chance(random, 20):
            images, labels = list(images), labels.tolist()
        name = spelled(random, split) or "all"
        raws.append(
            RawSplit(
                name,
                images,
                labels,
                ids if owned else None,
                class_names=tuple(names) if named else None,
            )
        )
    for item in mixture.items:
        item.owner = item.owner if owned else None
    if len(raws) > 1 and chance(random, 8):
        raws[-1] = replace(raws[-1], name=random.choice(["extra", "Train"]))
        mixture.refuse("splits must be")
    whole = None if named else tuple(every)
    if not named and chance(random, 8):
        whole = tuple(every[:-1])
        mixture.refuse("class names must be one for each|at least two classes")
    register_reader("own", lambda source: RawImages(raws, whole))
    return mixture


def torch(random: Random, root: Path) -> Mixture:
    """Pillow images, arrays or tensors of a torch data set."""
    import torch as library

    mixture = Mixture(items(random, split_names=False, colour=chance(random, 40)))
    every = sorted({item.label for item in mixture.items}, key=lambda n: (len(n), n))
    kind, pairs = random.choice(["pillow", "array", "tensor"]), []
    for item in mixture.items:
        image: Any = item.shown
        if kind == "pillow":
            image = Image.fromarray(item.shown)
            if chance(random, 20):
                exif = Image.Exif()
                exif[0x0112] = 3
                image = image.transpose(Image.Transpose.ROTATE_180)
                image.info["exif"] = exif.tobytes()
                mixture.notes.append("EXIF orientation")
        elif kind == "tensor":
            image = library.from_numpy(item.shown if item.shown.ndim == 2 else np.moveaxis(item.shown, 2, 0).copy())
        pairs.append((image, every.index(item.label)))
        item.label, item.owner = str(every.index(item.label)), None

    def load(config: DataConfig) -> Dataset:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            dataset = from_arrays(*from_torch(pairs), config=config, seed=0)
        return replace(dataset, notes=(*dataset.notes, *(str(warning.message) for warning in caught)))

    mixture.load = load
    return mixture


WRITERS: dict[str, Callable[[Random, Path], Mixture]] = {
    "folder": folder,
    "table": table,
    "npz": npz,
    "idx": idx,
    "hugging_face": hugging_face,
    "dicom": dicom,
    "nifti": nifti,
    "own": own,
    "torch": torch,
}
