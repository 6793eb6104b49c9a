"""The student as a stand-alone program: `torch.export` and ONNX, each loaded again and compared before it counts."""

import contextlib
import copy
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, cast, final

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from upcycle._telemetry import silence
from upcycle.data import Preprocess
from upcycle.errors import ReleaseError
from upcycle.nets import ResidualClassifier, for_inference
from upcycle.release._material import Material, ReleaseOptions, onnx_missing
from upcycle.release._program import load_program
from upcycle.release._student import WEIGHTS, load_student

PROGRAM: Final = "model.pt2"
ONNX: Final = "model.onnx"
_COMPARED = 64
_TOLERANCE = 1e-3  # of the largest logit; different convolution kernels differ by about 1e-6 of it
Answer = Callable[[np.ndarray], np.ndarray]


@final
class Servable(nn.Module):
    """Logits float32 (n, classes) of images (n, channels, side, side) with grey levels 0..255, uint8 or float: the
    normalisation is part of it."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = for_inference(net).cpu().to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]

    def forward(self, images: Tensor) -> Tensor:
        return cast(Tensor, self.net(images.to(torch.float32) / 127.5 - 1))


@dataclass(frozen=True)
class Comparison:
    """How far a file that was written and loaded again is from the student: the largest absolute difference of logits on
    random images, and the largest logit of the student."""

    compared_images: int
    max_abs_difference: float
    largest_logit: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Programs:
    """Comparisons of the programs that were written, and why others were not, both by file name."""

    made: Mapping[str, Comparison]
    missing: Mapping[str, str]


@final
class Comparer:
    """Compares whatever answers uint8 NCHW images with the student, on batches of 1 and of the rest."""

    def __init__(self, net: nn.Module, shape: tuple[int, int, int]) -> None:
        self._images = np.random.default_rng(0).integers(0, 256, (_COMPARED, *shape), dtype=np.uint8)
        self._wanted = _served(copy.deepcopy(net).cpu().eval())(self._images)

    def __call__(self, name: str, answer: Answer) -> Comparison:
        """Raises ReleaseError where the answers are not those of the student."""
        got = np.concatenate([answer(self._images[:1]), answer(self._images[1:])])
        scale = float(np.abs(self._wanted).max())
        same_shape = got.shape == self._wanted.shape
        difference = float(np.abs(got - self._wanted).max()) if same_shape else float("nan")
        if not difference <= _TOLERANCE * max(scale, 1.0):
            raise ReleaseError(
                f"{name} must answer as the student does. Got logits that differ by {difference:.3g}. Leave this export out."
            )
        return Comparison(_COMPARED, difference, scale)


def _served(net: nn.Module) -> Answer:
    @torch.inference_mode()
    def answer(images: np.ndarray) -> np.ndarray:
        return np.asarray(net(torch.from_numpy(images).to(torch.float32) / 127.5 - 1).float().numpy())

    return answer


def check_weights(net: nn.Module, folder: Path, compare: Comparer) -> Comparison:
    """The comparison of the safetensors file in `folder`; a network of another family gets the weights into a copy."""
    if isinstance(net, ResidualClassifier):
        return compare(WEIGHTS, _served(load_student(folder)))
    loaded = copy.deepcopy(net).cpu()
    loaded.load_state_dict(load_file(folder / WEIGHTS))
    return compare(WEIGHTS, _served(loaded.eval()))


def write_programs(material: Material, options: ReleaseOptions, folder: Path, compare: Comparer) -> Programs:
    """The programs that `options` ask for, and why those that nobody insisted on could not be made. Raises ReleaseError where
    one was insisted on."""
    shape, told = (material.channels, material.size, material.size), _told(material)
    writers = {PROGRAM: (options.torch_export, write_program), ONNX: (options.onnx, write_onnx)}
    wanted = {name: write for name, (asked, write) in writers.items() if asked is not False}
    missing = {ONNX: f"{', '.join(absent)} not installed (extra onnx)"} if ONNX in wanted and (absent := onnx_missing()) else {}
    try:
        program = exported(material.student, shape) if set(wanted) - set(missing) else None
    except Exception as error:  # torch raises whatever it has on a network that it cannot take apart
        if isinstance(material.student, ResidualClassifier):
            raise
        reason = f"torch.export cannot take {type(material.student).__name__} apart ({_short(error)})"
        if options.torch_export or options.onnx:
            raise ReleaseError(f"network must be one that torch.export knows. Got one where {reason}. Leave it out.") from None
        return Programs({}, dict.fromkeys(wanted, reason))
    made = {name: write(program, told, folder, compare) for name, write in wanted.items() if program and name not in missing}
    return Programs(made, missing)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:80].rstrip(".,: ") or type(error).__name__


def exported(net: nn.Module, shape: tuple[int, int, int]) -> torch.export.ExportedProgram:
    """The student as a graph for batches of any size, free of source paths."""
    example = torch.zeros((2, *shape), dtype=torch.uint8)
    batch = torch.export.Dim("batch", min=1)
    with torch.no_grad():
        program = torch.export.export(Servable(net).eval(), (example,), dynamic_shapes={"images": {0: batch}})
    for node in program.graph.nodes:
        for key in ("stack_trace", "nn_module_stack", "source_fn_stack", "torch_fn", "from_node"):
            node.meta.pop(key, None)  # they name files of this machine
    return program


def write_program(
    program: torch.export.ExportedProgram, told: Mapping[str, str], folder: Path, compare: Comparer
) -> Comparison:
    """Write `model.pt2`, with every text of `told` as an extra file by that name; returns its comparison."""
    buffer = io.BytesIO()
    torch.export.save(program, buffer, extra_files=dict(told))
    (folder / PROGRAM).write_bytes(buffer.getvalue())
    compare(PROGRAM, _answering(torch.export.load(folder / PROGRAM).module()))  # for those who open it with torch alone
    return compare(PROGRAM, program_answers(folder / PROGRAM))


def program_answers(path: Path) -> Answer:
    """What the program in a released file answers, opened without running code of it; for ONNX the extra `onnx` is needed."""
    if path.name == PROGRAM:
        return _answering(load_program(path))
    silence()  # the environment may have been changed since the import of upcycle
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return lambda images: np.asarray(session.run(["logits"], {"images": images})[0])


def _answering(loaded: Callable[[Tensor], Tensor]) -> Answer:
    @torch.inference_mode()
    def answer(images: np.ndarray) -> np.ndarray:
        return np.asarray(loaded(torch.from_numpy(images)).numpy())

    return answer


def write_onnx(program: torch.export.ExportedProgram, told: Mapping[str, str], folder: Path, compare: Comparer) -> Comparison:
    """Write `model.onnx`, free of source paths and with `told` as its metadata, and check it; returns its comparison by
    onnxruntime. Needs extra `onnx`."""
    import onnx

    with _quiet():
        made = torch.onnx.export(program, dynamo=True, input_names=["images"], output_names=["logits"], verbose=False)
    assert made is not None, "dynamo=True returns the program"
    model = _plain(made.model_proto)
    onnx.helper.set_model_props(model, dict(told))
    onnx.checker.check_model(model, full_check=True)
    onnx.save_model(model, str(folder / ONNX))
    return compare(ONNX, program_answers(folder / ONNX))


def _plain(model: Any) -> Any:
    """The model without what the exporter notes about where it came from: stack traces, which name files of this machine."""
    for message in (model, model.graph, *model.graph.node, *model.graph.input, *model.graph.output):
        _forget(message)
    for message in (*model.graph.initializer, *model.graph.value_info, *model.functions):
        _forget(message)
    for function in model.functions:
        for node in function.node:
            _forget(node)
    _name_batch(model.graph)
    model.producer_name, model.producer_version = "upcycle", ""
    return model


def _name_batch(graph: Any) -> None:
    """The exporter's number for the free axis becomes `batch`, wherever it stands."""
    free = graph.input[0].type.tensor_type.shape.dim[0].dim_param
    for value in (*graph.input, *graph.output, *graph.value_info):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param == free:
                axis.dim_param = "batch"


def _forget(message: Any) -> None:
    for name in ("metadata_props", "doc_string"):
        if name in message.DESCRIPTOR.fields_by_name:
            message.ClearField(name)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's chatter: it warns about unused libraries and about deprecated calls that it makes itself."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    finally:
        logger.setLevel(level)


def interface(block: Preprocess, classes: int) -> Mapping[str, str]:
    """How the programs are called, for config.json and the card."""
    shape = f"(batch, {block.channels}, {block.side}, {block.side})"
    return {
        "input": f"images: uint8 {shape}, grey levels 0..255, made as `preprocess` in config.json says",
        "output": f"logits: float32 (batch, {classes}); a softmax over the last axis gives probabilities",
    }


def _told(material: Material) -> Mapping[str, str]:
    """What a program says of itself, as JSON: the class of every logit, and how its images are made."""
    return {"class_names": json.dumps(list(material.names)), "preprocess": json.dumps(material.preprocess.to_json())}
