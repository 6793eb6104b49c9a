"""Device, cores, memory and allocator of this process."""

import contextlib
import ctypes
import sys
import warnings
from collections.abc import Callable
from typing import Any

import joblib
import psutil
import torch

from upcycle._parallel import processes, processes_here
from upcycle.errors import ConfigError

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # glibc's malloc.h


def physical_cores() -> int:
    """Physical cores that affinity and containers allow this process. Hyper-threads only slow convolutions down."""
    with warnings.catch_warnings():  # joblib warns where the system does not list its cores, and then counts threads
        warnings.simplefilter("ignore")
        return int(joblib.cpu_count(only_physical_cores=True))


def available_memory() -> int:
    """Bytes that this process may still take: what the machine has free, within the process's own limit."""
    limits = [psutil.virtual_memory().available]
    with contextlib.suppress(ImportError, OSError):  # no such module on Windows
        import resource

        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        limits += [soft] if soft != resource.RLIM_INFINITY else []
    return int(min(limits))


def choose_device(name: str) -> torch.device:
    """The torch device for `name`; "auto" takes an accelerator if there is one. Raises ConfigError for a missing one."""
    if processes() > 1 and name not in ("auto", "cpu"):
        raise ConfigError(
            f"device must be cpu where several processes of torchrun work. Got {name!r}. Leave --device out, or torchrun."
        )
    if processes() > 1:
        return torch.device("cpu")
    if name == "auto":
        found = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
        return torch.device("cpu") if found is None else found
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise ConfigError(f"device must be one of this machine's. Got {name!r}. Use --device auto or cpu.") from error
    return torch.device(name)


def learning_dtype(precision: str, device: torch.device) -> torch.dtype:
    """What convolutions compute in while networks learn: "float32", "bfloat16", or for "auto" bfloat16 where `device` has
    instructions for it (AVX-512 BF16 or AMX of x86, tensor cores since Ampere) and float32 elsewhere."""
    if precision == "auto":
        return torch.bfloat16 if _native_bfloat16(device) else torch.float32
    return torch.bfloat16 if precision == "bfloat16" else torch.float32


def _native_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    known: Callable[[], dict[str, Any]] = getattr(torch.cpu, "get_capabilities", dict)  # not in older torch
    found = known() if device.type == "cpu" else {}
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


def tune_process(threads: int = 0) -> int:
    """Set the threads (0 = physical cores, divided by the processes of torchrun) and keep freed memory in the process; returns
    the number of threads.

    By default glibc hands every buffer above some MB back to the kernel, so each training step pays for zeroed pages
    again: a 28x28 convolution with its backward pass ran at 303 instead of 527 GFLOP/s (docs/log.md).
    """
    count = threads or max(1, physical_cores() // processes_here())
    torch.set_num_threads(count)
    torch.set_flush_denormal(True)
    if sys.platform == "linux":
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # absent from musl
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, 1 << 30)
            mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
    return count
