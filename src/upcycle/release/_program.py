"""Opening a `torch.export` archive without running code. `torch.export.load` alone would: it unpickles, imports and evaluates
what the archive names. Here everything is read by ourselves, from the same bytes that were checked."""

import io
import json
import pickletools
import re
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from torch import Tensor

from upcycle._arguments import typed
from upcycle._bounded import DEFAULT, Limits, TooLarge, check_unpacked, one_line, opened, parse_json
from upcycle.errors import UpcycleError
from upcycle.release._graph import GraphModule, Payloads, Program, is_known, stored_tensor

_MODEL: Final = "models/model.json"
_SAMPLE: Final = "data/sample_inputs/model.pt"
_CONFIGS: Final = {"data/weights/": "model_weights_config.json", "data/constants/": "model_constants_config.json"}
_ENTRY = re.compile(
    r"\.format_version|archive_format|archive_version|byteorder|\.data/(version|serialization_id)|models/model\.json"
    r"|extra/(class_names|preprocess)"  # text that torch hands on to whoever asks for it; it is not needed here
    r"|data/(weights|constants)/((weight|tensor)_\d+|model_(weights|constants)_config\.json)|data/sample_inputs/model\.pt"
)
# torch turns names into Python source, looks operators up in all of torch, imports modules and evaluates expressions.
_WORD = re.compile(r"[\w.]*")
_EXPRESSION = re.compile(
    r"(?:(?:Mul|Add|Max|Min|Mod|PythonMod|FloorDiv|CleanDiv|Integer)\("
    r"|Symbol\('[su]\d++'(?:, (?:positive|nonnegative|integer)=True)*+\)"
    r"|-?\d++|-?int_oo|[su]\d++|\)|, )++"  # what was matched is not tried in other ways: that takes years
)
_MOST_PICKLED = 2**16  # bytes that say what the sample inputs are; a few hundred in ours
_VERSION = re.compile(r"[\w.+]*")
_CONTAINERS = (None, "builtins.tuple", "builtins.list", "builtins.dict")
_TENSOR_PARTS = re.compile(
    r"collections OrderedDict|torch\._utils _rebuild_(tensor_v2|parameter)|torch (Byte|Char|Short|Int|Long|Half|Float|Double"
    r"|Bool|BFloat16|Untyped)Storage|torch\.storage (Untyped|_Typed|Typed)Storage"
)


@typed()
def load_program(path: str | Path, limits: Limits = DEFAULT) -> Callable[[Tensor], Tensor]:
    """The program in a `model.pt2` of a release: images (n, channels, side, side), uint8 0..255, to logits (n, classes).

    The graph is read and run by upcycle itself, one known aten operator after the other: nothing that the archive names is
    imported, looked up or evaluated. Raises UpcycleError, before any tensor is made, for an archive that holds anything but
    plain tensors and such a graph, or more than `limits` allow. An archive like that of torch 2.9 or later is needed.
    """
    source = Path(path)
    try:
        program = _program(source, limits)
        program.rehearse()
    except UpcycleError:
        raise
    except Exception as error:  # a stranger's file: whatever is odd in it is the file's fault and ends in one line
        reason = one_line(error, 160)
        raise UpcycleError(f"program must be a model.pt2 of a release. Got {source}: {reason}. Get it again.") from error
    return program


def _program(path: Path, limits: Limits) -> Program:
    with opened(path) as file, zipfile.ZipFile(file) as archive:
        whole = _entries(archive, path.stat().st_size, limits)
        if _SAMPLE in whole:
            _check_sample(_payload(archive, whole[_SAMPLE]), limits)
        model = _json(archive, whole, _MODEL, limits)
        tensors: dict[str, Tensor] = {}
        for folder, config in _CONFIGS.items():
            if folder + config in whole:
                tensors |= _tensors(archive, whole, folder, _json(archive, whole, folder + config, limits))
    return Program(GraphModule.model_validate(model["graph_module"]), tensors)


def _entries(archive: zipfile.ZipFile, packed: int, limits: Limits) -> Mapping[str, zipfile.ZipInfo]:
    """The entries by their name below the archive's root. Raises before any is unpacked."""
    members = archive.infolist()
    if len(members) > limits.entries:
        raise TooLarge(f"{len(members):,} entries, more than {limits.entries:,}")
    check_unpacked(sum(member.file_size for member in members), packed, limits)
    whole = {member.filename.partition("/")[2]: member for member in members}
    for name in whole:
        if not _ENTRY.fullmatch(name):
            raise ValueError(f"unexpected entry {name[:60]!r}")
    if len(whole) != len(members) or _MODEL not in whole:
        raise ValueError("no single graph in it")
    return whole


def _payload(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytearray:
    content = bytearray()  # filled block by block: read at once, the whole would be held twice
    with archive.open(member) as file:
        while block := file.read(2**20):
            content += block
    return content


def _json(archive: zipfile.ZipFile, whole: Mapping[str, zipfile.ZipInfo], name: str, limits: Limits) -> Any:
    if whole[name].file_size > limits.text_mb * 2**20:
        raise TooLarge(f"more than {limits.text_mb:g} MB of JSON in {name}")
    value = parse_json(_payload(archive, whole[name]), limits)
    _check_json(name, value)
    return value


def _tensors(archive: zipfile.ZipFile, whole: Mapping[str, zipfile.ZipInfo], folder: str, config: Any) -> dict[str, Tensor]:
    found = Payloads.model_validate(config).config
    paths = dict.fromkeys(each.path_name for each in found.values())
    files = {path: _payload(archive, whole[folder + path]) for path in paths}
    return {name: stored_tensor(files[each.path_name], each.tensor_meta) for name, each in found.items()}


def _check_json(name: str, value: Any) -> None:
    """Raise ValueError with the first thing in `value` that our own exports do not need and torch would act on."""
    for key, found in _leaves(value):
        if key == "use_pickle" and found is not False:
            raise ValueError(f"a pickled payload in {name}")
        if key in ("in_spec", "out_spec") and isinstance(found, str):
            _check_containers(name, found)
        elif isinstance(found, str) and not _allowed(key, found):
            raise ValueError(f"text in {name} that torch would run: {found[:60]!r}")


def _allowed(key: str, text: str) -> bool:
    if key == "target":
        return is_known(text)
    return {"expr_str": _EXPRESSION, "torch_version": _VERSION}.get(key, _WORD).fullmatch(text) is not None


def _leaves(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every key and every leaf with the key above it."""
    if isinstance(value, dict):
        for inner, found in value.items():
            yield "", inner
            if inner == "guards_code" and found:
                yield "", "code of guards: torch evaluates it"
            yield from _leaves(found, inner)
    elif isinstance(value, list):
        for found in value:
            yield from _leaves(found, key)
    else:
        yield key, value


def _check_containers(name: str, text: str) -> None:
    """A tree specification may hold tuples, lists and dictionaries alone: torch imports what others name."""
    version, root = json.loads(text)
    waiting = [root]
    while waiting:
        spec = waiting.pop()
        plain = set(spec) <= {"type", "context", "children_spec"} and spec["type"] in _CONTAINERS
        if version != 1 or not plain or not _is_plain_context(spec["context"]):
            raise ValueError(f"text in {name} that torch would run: {str(spec)[:60]!r}")
        waiting += spec["children_spec"]


def _is_plain_context(text: str | None) -> bool:
    found = None if text is None else json.loads(text)
    return found is None or (isinstance(found, list) and all(isinstance(k, str) and _WORD.fullmatch(k) for k in found))


def _check_sample(payload: bytearray, limits: Limits) -> None:
    """Raise ValueError unless the sample inputs, which are not needed and not opened, are tensors alone."""
    problem = "sample inputs that are more than tensors"
    if not zipfile.is_zipfile(io.BytesIO(payload)) or payload.count(b"PK\1\2") > limits.entries:
        raise ValueError(problem)
    with zipfile.ZipFile(io.BytesIO(payload)) as archive:
        check_unpacked(sum(member.file_size for member in archive.infolist()), len(payload), limits)
        pickles = [name for name in archive.namelist() if name.endswith(".pkl")]
        code = any(name.endswith(".py") for name in archive.namelist())
        if len(pickles) != 1 or code or archive.getinfo(pickles[0]).file_size > _MOST_PICKLED:
            raise ValueError(problem)
        for opcode, found, _ in pickletools.genops(archive.read(pickles[0])):
            named = opcode.name in ("GLOBAL", "INST")
            if opcode.name in ("STACK_GLOBAL", "EXT1", "EXT2", "EXT4") or (named and not _TENSOR_PARTS.fullmatch(str(found))):
                raise ValueError(problem)
