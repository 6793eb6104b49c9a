"""One rule for the names of splits, however they are written: as folders, files, columns, keys or cells."""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass

from upcycle.data.readers._raw import Findings, shown

SPLITS = ("train", "validation", "test", "all")  # in the order in which rows are counted
SPLIT_WORDS = ("split", "splits", "splitname")  # what columns of splits are called
UNCLEAR = "unclear"  # a word for a split that people use for validation and for test
_WORDS = {
    "train": (
        *("train", "training", "trn", "entrenamiento", "entrainement", "entra\u00eenement", "apprentissage", "addestramento"),
        *("treino", "treinamento", "trening"),
    ),
    "validation": (
        *("val", "vals", "valid", "validation", "validate", "validating", "dev", "devel", "development", "validazione"),
        *("validacion", "validaci\u00f3n", "validacao", "valida\u00e7\u00e3o", "validierung"),
    ),
    "test": ("test", "tests", "testing", "tst", "prueba", "pruebas", "teste", "testes"),
    UNCLEAR: ("eval", "evaluation", "holdout", "heldout", "trainval", "traintest", "testval", "valtest"),
}
_SPLIT_OF = {word: split for split, words in _WORDS.items() for word in words}
_FILLING = {
    *("set", "sets", "data", "dataset", "datasets", "split", "splits", "subset", "part", "parts", "shard", "shards", "of"),
    *("image", "images", "img", "imgs", "picture", "pictures", "photo", "photos", "file", "files", "folder", "batch"),
}
_GLUED = re.compile(
    rf"({'|'.join(sorted(_SPLIT_OF, key=len, reverse=True))})s?(sets?|data|daten|images?|imgs?|bilder|split|part)"
)


@dataclass(frozen=True)
class SplitName:
    """`split` is train, validation, test or UNCLEAR; `rest` is what the name says besides, "" where that is nothing."""

    split: str
    rest: str


def words_of(name: str, *, camel: bool = True) -> list[str]:
    """Lower-case words and numbers of a name: parted at marks, between letters and digits, and before a capital in a word."""
    text = unicodedata.normalize("NFKC", name)
    text = re.sub(r"(?<=[^\W\d_A-Z])(?=[A-Z])", " ", text) if camel else text
    return re.findall(r"[^\W\d_]+|\d+", text.casefold())


def parse_split(name: str) -> SplitName | None:
    """What `name` says about a split; None where it has no word for one."""
    return _parse(words_of(name, camel=False)) or _parse(words_of(name))


def _parse(words: list[str]) -> SplitName | None:
    joined = ["holdout" if pair in ("hold out", "held out") else "" for pair in _pairs(words)]
    said = {k: split for k, word in enumerate(words) if (split := _split_word(word) or _split_word(joined[k]))}
    splits = set(said.values())
    if not splits:
        return None
    return SplitName(splits.pop() if len(splits) == 1 else UNCLEAR, _rest(words, set(said)))


def _pairs(words: list[str]) -> list[str]:
    return [" ".join(words[k : k + 2]) for k in range(len(words))]


def _split_word(word: str) -> str | None:
    glued = _GLUED.fullmatch(word)
    return _SPLIT_OF.get(glued[1] if glued else word)


def _rest(words: list[str], said: set[int]) -> str:
    """Other words, and numbers before the split's: those after it count shards. A fold's number always belongs to it."""
    other = [k for k, word in enumerate(words) if k not in said and not word.isdigit() and word not in _FILLING | {"out"}]
    if not other:
        return ""
    first = min(said)
    keep = set(other) | {k for k, word in enumerate(words) if word.isdigit() and (k < first or words[k - 1] in ("fold", "cv"))}
    return " ".join(words[k] for k in sorted(keep))


def split_of(name: str) -> str | None:
    """train, validation or test where the whole of `name` says so; None for any other name."""
    found = parse_split(name)
    return found.split if found and not found.rest and found.split != UNCLEAR else None


def splits_of(names: Iterable[str]) -> dict[str, str | None]:
    """Name -> train, validation, test, UNCLEAR, or None for no split, judged together with the names next to it.

    `mnist-train` next to `mnist-test` names a split; `test_tube` next to `beaker` does not. `train_old` next to `train` is
    UNCLEAR: another part of it, or something to leave out.
    """
    parsed = {name: parse_split(name) for name in names}
    rests = {found.rest for found in parsed.values() if found and found.rest}
    told = {found.split for found in parsed.values() if found and found.rest}
    together = all(parsed.values()) and (len(told) > 1 or len(rests) == 1)
    common = (len(told) > 1 and len(rests) == 1) or together
    bare = {found.split for found in parsed.values() if found and not found.rest}
    many = (len(rests) > 1 and any(_twice(parsed.values(), split) for split in told)) or bool(bare & told)
    return {name: None if not found else _judged(found, common, many) for name, found in parsed.items()}


def mostly_splits(cells: Iterable[str]) -> bool:
    """Whether most cells that are filled in name a split; a mistyped one among them is refused later."""
    given = [cell for cell in cells if cell]
    return 2 * sum(split_of(cell) is not None for cell in given) > len(given)


def note_odd_splits(known: dict[str, str], findings: Findings) -> None:
    """Say it where one name says more than its split and others do not, as `test_unlabeled` next to `train`."""
    rests = {name: found.rest for name in known if (found := parse_split(name))}
    odd = [f"{name} as {known[name]}" for name, rest in rests.items() if rest and len(set(rests.values())) > 1]
    if odd:
        findings.note(f"names that say more than their split were read: {shown(odd)}")


def _twice(found: Iterable[SplitName | None], split: str) -> bool:
    return len({f.rest for f in found if f and f.rest and f.split == split}) > 1


def _judged(found: SplitName, common: bool, many: bool) -> str | None:
    if not found.rest:
        return found.split
    if not common:
        return None
    return UNCLEAR if many else found.split
