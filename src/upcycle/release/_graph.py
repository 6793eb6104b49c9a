"""The graph of a `torch.export` archive as a list of calls of known operators, checked and run by this module alone.

torch's own reader imports modules, looks names up and evaluates text that the archive holds. Here a name from the archive is
only ever compared with the names below or used as the key of a dictionary.
"""

import math
import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

MOST_NODES: Final = 20_000
_MOST_BYTES, _MOST_PARTS = 2**31, 1_024  # of intermediate results held at a time for one image, and of a tensor that is cut
_CUT: Final = frozenset({"chunk", "split", "split_with_sizes", "unbind"})

# What classifiers are made of. Nothing here reads a file, looks anything up, or touches memory that is not its own.
_ATEN_NAMES: Final = (
    "abs add add_ sub sub_ rsub mul mul_ div div_ neg pow sqrt rsqrt reciprocal exp log clamp clamp_ minimum maximum "
    "erf tanh sigmoid floor round eq ne lt le gt ge where logical_not linear addmm mm bmm matmul baddbmm conv1d "
    "conv2d conv3d convolution batch_norm _native_batch_norm_legit_no_training group_norm native_group_norm "
    "layer_norm native_layer_norm instance_norm rms_norm linalg_vector_norm max_pool2d max_pool2d_with_indices "
    "avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d mean sum amax amin var std relu relu_ relu6 relu6_ gelu silu "
    "silu_ mish elu elu_ selu celu glu leaky_relu leaky_relu_ hardswish hardswish_ hardsigmoid hardtanh hardtanh_ "
    "softplus prelu softmax _softmax log_softmax _log_softmax view reshape flatten unflatten permute transpose t "
    "squeeze unsqueeze cat stack chunk split split_with_sizes slice select narrow expand contiguous clone to _to_copy "
    "alias detach detach_ dropout dropout_ feature_dropout pad constant_pad_nd reflection_pad2d replication_pad2d "
    "upsample_nearest2d upsample_bilinear2d _upsample_bilinear2d_aa pixel_shuffle unbind movedim flip "
    "scaled_dot_product_attention full zeros ones scalar_tensor full_like zeros_like ones_like lift_fresh_copy "
    "_unsafe_view sym_size "
)
_ATEN: Final = frozenset(_ATEN_NAMES.split())
_ON_NUMBERS: Final[Mapping[str, Callable[..., Any]]] = {
    f"_operator.{name}": getattr(operator, name) for name in ("add", "sub", "mul", "floordiv", "eq", "ge", "le", "gt", "lt")
}
_GUARDS: Final = frozenset({"_assert_tensor_metadata", "_assert_scalar", "sym_constrain_range_for_size", "sym_constrain_range"})
_DTYPES: Final = dict(
    zip(
        (1, 2, 3, 4, 5, 6, 7, 8, 12, 13),
        (
            *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.float32, torch.float64),
            *(torch.bool, torch.bfloat16),
        ),
        strict=True,
    )
)
_FORMATS: Final = {1: torch.contiguous_format, 2: torch.channels_last, 3: torch.channels_last_3d, 4: torch.preserve_format}
_STRIDED = 7


class _Part(BaseModel):
    """A part of the archive. Keys that are not named here are never read: other versions of torch write other ones."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)


class TensorMeta(_Part):
    dtype: int
    sizes: list[dict[str, Any]] = Field(max_length=8)
    strides: list[dict[str, Any]] = Field(max_length=8)
    storage_offset: dict[str, Any]


class NamedArgument(_Part):
    name: str
    arg: dict[str, Any]
    kind: int | None = None


class Node(_Part):
    target: str
    inputs: list[NamedArgument] = Field(max_length=32)
    outputs: list[dict[str, Any]] = Field(max_length=64)


class Graph(_Part):
    inputs: list[dict[str, Any]] = Field(max_length=MOST_NODES)
    outputs: list[dict[str, Any]] = Field(min_length=1, max_length=1)
    nodes: list[Node] = Field(max_length=MOST_NODES)
    tensor_values: dict[str, TensorMeta] = Field(max_length=4 * MOST_NODES)


class Signature(_Part):
    input_specs: list[dict[str, Any]] = Field(max_length=MOST_NODES)
    output_specs: list[dict[str, Any]] = Field(min_length=1, max_length=1)


class GraphModule(_Part):
    graph: Graph
    signature: Signature


class Payload(_Part):
    """Where the bytes of one weight are, and how they are laid out."""

    path_name: str
    use_pickle: bool
    tensor_meta: TensorMeta


class Payloads(_Part):
    config: dict[str, Payload] = Field(max_length=MOST_NODES)


@dataclass(frozen=True)
class _Named:
    """Stands for a result of an earlier call."""

    name: str


class _HereType:
    """Stands for the device that the program runs on."""


_HERE = _HereType()


@dataclass(frozen=True)
class _Call:
    """One call: its results are bound to `bound`, each to a name, several where `listed`; `last_used` are dropped after."""

    call: Callable[..., Any]
    positional: tuple[Any, ...]
    keywords: Mapping[str, Any]
    bound: tuple[str, ...]
    listed: bool
    last_used: tuple[str, ...] = ()


@final
class Program:
    """Logits float32 (n, classes) of images uint8 (n, channels, side, side): the calls of a checked graph, one by one."""

    def __init__(self, module: GraphModule, tensors: Mapping[str, Tensor]) -> None:
        graph = module.graph
        self._given, self._images = _inputs(module.signature, tensors)
        self._output = _only_name(module.signature.output_specs[0]["user_output"]["arg"])
        self.shape = _image_shape(graph.tensor_values[self._images])
        self._calls = _with_last_uses([made for node in graph.nodes if (made := _call(node)) is not None], self._output)

    def __call__(self, images: Tensor) -> Tensor:
        if images.dtype != torch.uint8 or images.ndim != 4 or tuple(images.shape[1:]) != self.shape:
            wanted = " x ".join(map(str, self.shape))
            raise ValueError(f"images must be uint8 (n, {wanted}). Got {images.dtype} {tuple(images.shape)}.")
        return self._run(images, self._given)

    def rehearse(self) -> None:
        """Run without any values: raises an error where a call does not fit, or asks for memory beyond reason."""
        empty = {name: torch.empty_like(tensor, device="meta") for name, tensor in self._given.items()}
        self._run(torch.empty((1, *self.shape), dtype=torch.uint8, device="meta"), empty, check=_check_size)

    def _run(
        self, images: Tensor, given: Mapping[str, Tensor], check: Callable[[Mapping[str, Any]], None] = lambda _: None
    ) -> Tensor:
        known: dict[str, Any] = {**given, self._images: images}
        for call in self._calls:
            positional = [_filled(value, known, images.device) for value in call.positional]
            keywords = {name: _filled(value, known, images.device) for name, value in call.keywords.items()}
            found = call.call(*positional, **keywords)
            results = list(found) if call.listed else [found]
            known.update(zip(call.bound, results, strict=True))
            check({name: value for name, value in known.items() if name not in given})
            for name in call.last_used:
                known.pop(name, None)
        result = known[self._output]
        if not isinstance(result, Tensor) or result.ndim != 2:
            raise ValueError("a result that is no table of logits")
        return result


def stored_tensor(payload: bytearray, meta: TensorMeta) -> Tensor:
    """The tensor in `payload`, whose bytes others may share. Raises ValueError or RuntimeError where it needs more of them."""
    sizes, strides, offset = _ints(meta.sizes), _ints(meta.strides), _int(meta.storage_offset)
    dtype = _DTYPES[meta.dtype]
    if min([*sizes, *strides, offset]) < 0 or math.prod(sizes) * dtype.itemsize > len(payload):
        raise ValueError("a weight that is larger than its bytes")
    flat = torch.frombuffer(payload, dtype=dtype)
    return flat.as_strided(sizes, strides, offset)


def _ints(values: Sequence[Mapping[str, Any]]) -> list[int]:
    return [_int(value) for value in values]


def _int(value: Mapping[str, Any]) -> int:
    found = value["as_int"]
    if type(found) is not int or not 0 <= found < 2**40:
        raise ValueError("a size that is no whole number")
    return found


def _image_shape(meta: TensorMeta) -> tuple[int, int, int]:
    if len(meta.sizes) != 4 or _DTYPES[meta.dtype] != torch.uint8:
        raise ValueError("an input that is no batch of uint8 images")
    channels, height, width = _ints(meta.sizes[1:])
    if not 1 <= channels <= 1_024 or not 1 <= height <= 16_384 or not 1 <= width <= 16_384:
        raise ValueError(f"images of {channels} x {height} x {width}")
    return channels, height, width


def _inputs(signature: Signature, tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """Weights by the name they have in the graph, and the name of the images."""
    keys = {"parameter": "parameter_name", "buffer": "buffer_name", "tensor_constant": "tensor_constant_name"}
    given, images = {}, []
    for spec in signature.input_specs:
        (kind, found), *more = spec.items()
        if more or kind not in (*keys, "user_input"):
            raise ValueError(f"an input of kind {kind}")
        if kind == "user_input":
            images.append(_only_name(found["arg"]))
        else:
            given[str(found["arg"]["name"])] = tensors[found[keys[kind]]]
    if len(images) != 1:
        raise ValueError(f"{len(images)} inputs")
    return given, images[0]


def _only_name(argument: Mapping[str, Any]) -> str:
    return str(argument["as_tensor"]["name"])


def _call(node: Node) -> _Call | None:
    """The call of `node`; None for a guard, which `Program` checks itself. Raises ValueError for any other operator."""
    name, _, overload = node.target.removeprefix("torch.ops.aten.").partition(".")
    if node.target.startswith("torch.ops.aten.") and name in _GUARDS:
        return None
    bound, found = tuple(name for output in node.outputs for name in _bound(output)), _operator(node.target, name, overload)
    return _Call(
        found,
        tuple(_argument(given.arg) for given in node.inputs if given.kind != 2),
        {given.name: _argument(given.arg) for given in node.inputs if given.kind == 2} | _placed(found),
        bound,
        len(node.outputs) > 1 or "as_tensors" in node.outputs[0],
    )


def _placed(work: Callable[..., Any]) -> dict[str, Any]:
    """Where an operator that can choose the device must put its result: a rehearsal must not fill the memory."""
    arguments = getattr(getattr(work, "_schema", None), "arguments", ())
    return {"device": _HERE} if any(argument.name == "device" and argument.kwarg_only for argument in arguments) else {}


def is_known(target: str) -> bool:
    """Whether `target` names an operator that a program may call."""
    if target in _ON_NUMBERS:
        return True
    name, _, overload = target.removeprefix("torch.ops.aten.").partition(".")
    known = target.startswith("torch.ops.aten.") and name in _ATEN | _GUARDS
    return known and overload in getattr(torch.ops.aten, name).overloads()  # and not whatever else Python has by that name


def _operator(target: str, name: str, overload: str) -> Callable[..., Any]:
    if not is_known(target):
        raise ValueError(f"an operator that is not allowed: {target[:60]!r}")
    if target in _ON_NUMBERS:
        return _on_numbers(_ON_NUMBERS[target])
    found: Callable[..., Any] = getattr(getattr(torch.ops.aten, name), overload)
    return _in_few_parts(found) if name in _CUT else found


def _in_few_parts(work: Any) -> Callable[..., Any]:
    """`work`, which cuts a tensor, where it makes few parts of it: every part is an object."""

    def checked(*values: Any, **named: Any) -> Any:
        given = dict(zip((argument.name for argument in work._schema.arguments), values, strict=False)) | named
        parts = _parts(given.pop("self").shape[given.pop("dim", 0)], *given.items())
        if parts > _MOST_PARTS:
            raise ValueError(f"a tensor that is cut into {parts:,} parts")
        return work(*values, **named)

    return checked


def _parts(side: int, how: tuple[str, Any] = ("split_size", 1)) -> int:
    """How many parts a side is cut into: by the number of parts, by their size, or by a list of their sizes."""
    if isinstance(how[1], list):
        return len(how[1])
    return min(side, int(how[1])) if how[0] == "chunks" else -(-side // max(int(how[1]), 1))


def _on_numbers(work: Callable[..., Any]) -> Callable[..., Any]:
    def checked(*values: Any) -> Any:
        if not all(type(value) in (int, float, bool) and abs(value) < 2**40 for value in values):
            raise ValueError("arithmetic on what are no sizes")
        return work(*values)

    return checked


def _bound(output: Mapping[str, Any]) -> Iterator[str]:
    (kind, value), *more = output.items()
    if more or kind not in ("as_tensor", "as_tensors", "as_sym_int"):
        raise ValueError(f"a result of kind {kind}")
    if kind == "as_sym_int":
        yield str(value["as_name"])
    else:
        yield from (str(each["name"]) for each in (value if kind == "as_tensors" else [value]))


def _argument(argument: Mapping[str, Any]) -> Any:
    """The value of an argument; results of earlier calls as _Named."""
    (kind, value), *more = argument.items()
    if more or kind not in _ARGUMENTS:
        raise ValueError(f"an argument of kind {kind}")
    return _ARGUMENTS[kind](value)


def _plain(*kinds: type) -> Callable[[Any], Any]:
    def checked(value: Any) -> Any:
        if type(value) not in kinds:
            raise ValueError(f"an argument of type {type(value).__name__}")
        return value

    return checked


def _each(read: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    return lambda values: [read(value) for value in values]


def _named_or(kind: str) -> Callable[[Mapping[str, Any]], Any]:
    read = _plain({"as_int": int, "as_float": float, "as_bool": bool}[kind])
    return lambda value: _Named(str(value["as_name"])) if "as_name" in value else read(value[kind])


def _tensor(value: Mapping[str, Any]) -> _Named:
    return _Named(str(value["name"]))


def _maybe_tensor(value: Mapping[str, Any]) -> _Named | None:
    return None if "as_none" in value else _tensor(value["as_tensor"])


def _layout(value: Any) -> torch.layout:
    if value != _STRIDED:
        raise ValueError("a layout that is not dense")
    return torch.strided


_ARGUMENTS: Final[Mapping[str, Callable[[Any], Any]]] = {
    "as_none": lambda _: None,
    "as_tensor": _tensor,
    "as_tensors": _each(_tensor),
    "as_optional_tensor": _maybe_tensor,
    "as_optional_tensors": _each(_maybe_tensor),
    "as_int": _plain(int),
    "as_ints": _each(_plain(int)),
    "as_float": _plain(float, int),
    "as_floats": _each(_plain(float, int)),
    "as_bool": _plain(bool),
    "as_bools": _each(_plain(bool)),
    "as_string": _plain(str),
    "as_sym_int": _named_or("as_int"),
    "as_sym_ints": _each(_named_or("as_int")),
    "as_sym_float": _named_or("as_float"),
    "as_sym_bool": _named_or("as_bool"),
    "as_scalar_type": lambda value: _DTYPES[value],
    "as_memory_format": lambda value: _FORMATS[value],
    "as_layout": _layout,
    "as_device": lambda _: _HERE,
}


def _filled(value: Any, known: Mapping[str, Any], device: torch.device) -> Any:
    if isinstance(value, _Named):
        return known[value.name]
    if isinstance(value, list):
        return [_filled(each, known, device) for each in value]
    return device if value is _HERE else value


def _names_in(value: Any) -> Iterator[str]:
    if isinstance(value, _Named):
        yield value.name
    elif isinstance(value, list):
        for each in value:
            yield from _names_in(each)


def _with_last_uses(calls: Sequence[_Call], output: str) -> list[_Call]:
    """Every call with the names that nobody needs after it: a batch then holds few intermediate results at a time."""
    seen, marked = {output}, []
    for call in reversed(calls):
        used = {name for value in (*call.positional, *call.keywords.values()) for name in _names_in(value)} | set(call.bound)
        fields = {key: getattr(call, key) for key in ("call", "positional", "keywords", "bound", "listed")}
        marked.append(_Call(**fields, last_used=tuple(sorted(used - seen))))
        seen |= used
    return marked[::-1]


def _check_size(known: Mapping[str, Any]) -> None:
    """Raise ValueError where the tensors that are held at a time take more than they may."""
    held = sum(value.numel() * value.element_size() for value in known.values() if isinstance(value, Tensor))
    if held > _MOST_BYTES:
        raise ValueError(f"intermediate results of {held / 1e9:.0f} GB for one image")
