"""What the keys of an archive of arrays mean: a split, and images, labels or owners."""

from collections.abc import Sequence

from upcycle.data.readers._owners import owner_column
from upcycle.data.readers._raw import Findings, shown
from upcycle.data.readers._split_names import SPLITS, UNCLEAR, parse_split, words_of

Role = tuple[str, str]  # split, and images, labels or owners
_PARTS = {
    "images": {"images", "image", "imgs", "img", "x"},
    "labels": {"labels", "label", "y", "target", "targets"},
}
_SPLIT_FILLING = {"set", "data", "split"}


def npz_roles(keys: Sequence[str], findings: Findings) -> dict[Role, str]:
    """Role -> key. Two keys of one role are a problem; keys without one are noted, and so are owners that are not used."""
    roles: dict[Role, str] = {}
    keys = list(dict.fromkeys(keys))
    for key in keys:
        role = _role(key)
        if role is None:
            continue
        if role in roles:
            got = f"{roles[role]} and {key}"
            findings.problem("keys of the .npz", f"one for the {role[1]} of a split", got, "Remove or rename one.")
        roles.setdefault(role, key)
    if unclear := [key for (split, _), key in roles.items() if split == UNCLEAR]:
        findings.problem("splits of the .npz", "called train, val or test", shown(unclear), "Rename the keys.")
    for split in SPLITS:
        mine = [key for key in keys if _split(key) == split and key not in roles.values()]
        if owner := owner_column(mine, "the .npz", findings):
            roles[split, "owners"] = owner
    unread = [key for key in keys if key not in roles.values()]
    if unread:
        findings.note(f"{len(unread)} keys of the .npz were not read: {shown(unread)}")
    return roles


def _split(key: str) -> str:
    """The split of a key, "all" where it names none, UNCLEAR where it is not clear."""
    found = parse_split(key)
    return found.split if found else "all"


def _role(key: str) -> Role | None:
    split = _split(key)
    words = [word for word in words_of(key) if word not in _SPLIT_FILLING and not (parse_split(word) and split != "all")]
    part = next((part for part, names in _PARTS.items() if len(words) == 1 and words[0] in names), None)
    return None if part is None or {"/", "\\"} & set(key) else (split, part)
