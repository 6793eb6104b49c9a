"""One rule for what names an owner of images: columns of tables, keys of archives, and names of folders and files."""

import re
import unicodedata
from collections.abc import Iterable, Sequence

from upcycle.data.readers._raw import Findings, shown
from upcycle.data.readers._split_names import split_of, words_of

_RANKS = (  # the first rank that is there is used: one person may have several studies
    ("patient", "pat", "pt", "mrn", "pid", "paziente", "patiente", "patienten", "paciente"),
    ("subject", "subj", "person", "participant", "individual", "proband", "donor", "volunteer", "owner", "client"),
    ("case", "group", "family", "animal", "user", "writer"),
    ("study", "studie"),
)
_FINER = ("exam", "examination", "visit", "session", "accession", "encounter", "admission", "series", "specimen", "slide")
_PLURALS = {"studies": "study", "families": "family", "cases": "case", "series": "series"}
_MARKS = {
    *("id", "ids", "identifier", "identifiers", "no", "nr", "num", "nums", "number", "numbers", "key", "keys", "code", "codes"),
    *(
        "nummer",
        "nummern",
        "numero",
        "kennung",
        "uid",
        "uids",
        "uuid",
        "guid",
        "index",
        "idx",
        "hash",
        "hashes",
        "pseudonym",
        "name",
        "names",
        "anon",
        "anonymous",
    ),
    *("nummer", "nummern", "numero", "kennung", "anonymized", "anonymised", "deidentified", "the", "of"),
}
_ALL = [word for rank in _RANKS for word in rank] + list(_FINER)
_GLUED = re.compile(rf"({'|'.join(sorted(_ALL, key=len, reverse=True))})s?({'|'.join(sorted(_MARKS, key=len, reverse=True))})")
_PLACEHOLDERS = {"-1", "?", "-", "na", "n/a", "unknown", "unk", "missing", "anonymous", "anonymized", "anon", "not available"}
_IN_PATH = re.compile(
    r"(?:^|/)(patient|subject|subj|sub|person|case|participant|proband|donor|pat|pt)s?[-_ .]?(?:id|no|nr)?[-_ .]?\d+",
    re.IGNORECASE,
)


def rank_of(column: str) -> int | None:
    """How well `column` names owners, 0 best; None where it does not, len of the ranks where it names something finer.

    The name may hold an owner's word in any spelling, with words such as id and number and that of a split around it.
    """
    words = {_owner_word(word) for word in words_of(column) if not word.isdigit()}
    words -= _MARKS | {""}
    words = {word for word in words if split_of(word) is None}
    if len(words) != 1:
        return None
    word = words.pop()
    ranks = [k for k, rank in enumerate((*_RANKS, _FINER)) if word in rank]
    return ranks[0] if ranks else None


def _owner_word(word: str) -> str:
    glued = _GLUED.fullmatch(word)
    word = glued[1] if glued else word
    if word in _PLURALS:
        return _PLURALS[word]
    return word[:-1] if word.endswith("s") and word[:-1] in _ALL else word


def sounds_like_owner(column: str) -> bool:
    """Whether a word of an owner is in the name at all, as in `patient_age`."""
    return any(_owner_word(word) in _ALL for word in words_of(column))


def owner_column(columns: Iterable[str], where: str, findings: Findings) -> str | None:
    """The column of owners, if there is one. Others that sound like one are noted: they were not used."""
    columns = list(columns)
    ranked = sorted((rank, k) for k, column in enumerate(columns) if (rank := rank_of(column)) is not None)
    usable = [columns[k] for rank, k in ranked if rank < len(_RANKS)]
    chosen = usable[0] if usable else None
    others = [column for column in columns if column != chosen and sounds_like_owner(column)]
    if chosen is not None and rank_of(chosen) == len(_RANKS) - 1:  # one patient may be in several studies
        findings.note(f"images were grouped by {chosen} of {where}")
    if others:
        instead = f"images are grouped by {chosen}" if chosen else "give them with --groups if images of one patient share them"
        findings.note(f"{where} has {shown(others)}, which were not used as patients: {instead}")
    return chosen


def note_owners_in_paths(names: Sequence[str], parts: int, findings: Findings) -> None:
    """Say that files are called after patients, or lie in more folders than their `parts`, the classes of all splits, need.

    None is grouped by such names, as they may start again in every folder."""
    words = [found[1].lower() for name in names if (found := _IN_PATH.search(name))]
    if words:
        called = shown(f"{word}..." for word in sorted(set(words)))
        then = "give the patients with --groups if several images are of one"
        findings.note(f"{len(words)} files or their folders are called {called}: images were not grouped by such names, {then}")
        return
    folders = sorted({name.rpartition("/")[0] for name in names})
    if parts < len(folders) < len(names):
        got = f"images lie in {len(folders)} folders ({shown(folders, 3)}) and were not grouped by them"
        findings.note(f"{got}: give the patients with --groups if several images are of one")


def spelled_alike(text: str) -> str:
    """The same for ids that differ in case, spaces, marks, leading zeros or a trailing .0 only."""
    text = unicodedata.normalize("NFKC", text).casefold()
    text = re.sub(r"\.0+$", "", text.strip())
    return re.sub(r"(?<!\d)0+(?=\d)", "", re.sub(r"[\W_]+", "", text)) or text


def note_alike(count: int, findings: Findings) -> None:
    """Say that `count` ids differ from another one in their spelling only; they are not shown, as they are about people."""
    if count:
        findings.note(
            f"{count} patient ids differ from another in case, spaces, marks, leading zeros or issuer only: they count as "
            "different patients. If they are the same, write them alike"
        )


def may_be_unknown(text: str) -> bool:
    """Whether an id is a word for "unknown", or zero."""
    plain = text.strip().casefold()
    return plain in _PLACEHOLDERS or plain.strip("0") == ""


def note_placeholders(ids: dict[str, int], findings: Findings) -> None:
    """Report how many images share an id that means "unknown": they count as one patient. `ids` is id -> images.

    0 is reported too if it has far more images than other ids.
    """
    usual = sorted(ids.values())[len(ids) // 2] if ids else 0
    for text, count in ids.items():
        plain = text.strip().casefold()
        if (plain in _PLACEHOLDERS and count > 1) or (plain.strip("0") == "" and count > 5 * max(usual, 2)):
            findings.note(
                f"{count} images have the patient id {text!r}: they count as one patient. Give unknown patients separate ids"
            )
