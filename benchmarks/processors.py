"""ONNX Runtime on this processor and on lesser ones, by hiding what CPUID would tell it.

Kernels are chosen by CPUID, which Linux can make a process ask the kernel for (arch_prctl,
ARCH_SET_CPUID); many virtual machines do not have that. So ONNX Runtime itself is copied, each of
its CPUID instructions replaced by an invalid one, and a library loaded before it (cpuid.c) answers
in their place. That needs a C compiler and objdump, on Linux on x86-64; where it cannot be had,
``Unavailable`` says what is missing.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import onnxruntime

from benchmarks.machine import ROOT

CPUID, INVALID = b"\x0f\xa2", b"\x0f\x04"
AS_IT_IS, WITHOUT_AMX, AVX2 = "as it is", "without AMX", "AVX2 alone"
TOOLS = ("cc", "objdump")
ROUNDS = 3  # of all processors in turn
SHARE = 0.75  # of the best convolution's rate, that a network is asked for
# the features in /proc/cpuinfo that a mask takes away: without them there is nothing to hide
FEATURES = {WITHOUT_AMX: ("amx",), AVX2: ("amx", "avx512", "avx_vnni")}

EAX, EBX, ECX, EDX = range(4)
Hidden = Mapping[tuple[int, int, int], tuple[int, ...]]  # (leaf, subleaf, register): the bits

# Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2A, CPUID
_AMX: Hidden = {(7, 0, EDX): (22, 24, 25), (7, 1, EAX): (21,)}
_BEYOND_AVX2: Hidden = {
    (7, 0, EBX): (16, 17, 21, 26, 27, 28, 30, 31),
    (7, 0, ECX): (1, 6, 11, 12, 14),
    (7, 0, EDX): (2, 3, 8, 22, 23, 24, 25),
    (7, 1, EAX): (4, 5, 21, 23),
    (7, 1, EDX): (4, 5, 10, 19),
}
PROCESSORS: Mapping[str, Hidden] = {AS_IT_IS: {}, WITHOUT_AMX: _AMX, AVX2: _BEYOND_AVX2}
# OpenCV and numpy choose by CPUID, too, and have switches for it
BESIDES = {
    AVX2: {
        "OPENCV_CPU_DISABLE": "AVX512-SKX",
        "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    }
}


class Unavailable(Exception):
    """Another processor cannot be had here; the words say why."""


@dataclass(frozen=True)
class Masking:
    """A copy of ONNX Runtime that asks the library for CPUID.

    Attributes:
        packages: The folder that has the copy, for PYTHONPATH.
        library: What answers.
    """

    packages: Path
    library: Path

    @property
    def asked(self) -> Path:
        """The file that has a byte for each question that the library answered."""
        return self.library.with_name("asked")

    def environment(self, processor: str) -> dict[str, str]:
        """The environment of a process in which ONNX Runtime sees one of PROCESSORS."""
        hidden = ";".join(
            f"{leaf:x},{subleaf:x},{register},{sum(1 << bit for bit in bits):x}"
            for (leaf, subleaf, register), bits in PROCESSORS[processor].items()
        )
        return os.environ | {
            "CPUID_HIDDEN": hidden,
            "CPUID_ASKED": str(self.asked),
            "LD_PRELOAD": str(self.library),
            "PYTHONPATH": os.pathsep.join([str(self.packages), str(ROOT)]),
            **BESIDES.get(processor, {}),
        }


def mask_runtime(folder: Path) -> Masking:
    """Copies ONNX Runtime into a folder and replaces its CPUID instructions.

    Args:
        folder: An empty folder, for as long as processes run with the copy.

    Returns:
        What such a process needs.

    Raises:
        Unavailable: Here that cannot be done.
    """
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        raise Unavailable("CPUID is hidden on Linux on x86-64 alone")
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        raise Unavailable(f"CPUID cannot be hidden without {' and '.join(missing)}")
    library = folder / "cpuid.so"
    source = Path(__file__).with_name("cpuid.c")
    _run("cc", "-O2", "-shared", "-fPIC", "-o", str(library), str(source))
    package = Path(str(onnxruntime.__file__)).parent
    copied = folder / "packages" / "onnxruntime"
    shutil.copytree(
        package, copied, ignore=shutil.ignore_patterns("__pycache__", "libonnxruntime.so*")
    )
    extensions = [*copied.glob("capi/onnxruntime_pybind11_state*.so")]
    if not extensions:
        raise Unavailable(f"{package} has no extension module")
    if not sum(_replace_cpuid(extension) for extension in extensions):
        raise Unavailable("ONNX Runtime has no CPUID instruction of its own")
    return Masking(folder / "packages", library)


def _replace_cpuid(path: Path) -> int:
    """Returns the number of instructions replaced."""
    header = _run("objdump", "-h", "-j", ".text", str(path))
    found = re.search(r"\.text\s+\w+\s+(\w+)\s+\w+\s+(\w+)", header)
    if found is None:
        raise Unavailable(f"{path.name} has no code")
    address, offset = (int(number, 16) for number in found.groups())
    content = bytearray(path.read_bytes())
    instructions = _cpuid_instructions(path)
    for instruction in instructions:
        at = instruction - address + offset
        if content[at : at + 2] != CPUID:
            raise Unavailable(f"{path.name} is not laid out as objdump says")
        content[at : at + 2] = INVALID
    path.write_bytes(content)
    return len(instructions)


def _cpuid_instructions(path: Path) -> list[int]:
    """Returns their addresses. The listing has hundreds of megabytes, and is read by lines."""
    command = ["objdump", "-d", "--no-show-raw-insn", "-j", ".text", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as listing:
        return [
            int(line.partition(":")[0], 16)
            for line in listing.stdout or ()
            if line.endswith("\tcpuid\n")
        ]


def _run(*command: str, env: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, env=env, cwd=ROOT)
    if done.returncode:
        raise Unavailable(f"{command[0]} failed: {done.stderr.strip()[-300:]}")
    return done.stdout


def measure() -> dict[str, Any]:
    """Measures each network on each processor, on one thread, the processors by turns.

    Returns:
        ``processors``: by name what benchmarks/layers.py gives, the least of ROUNDS rounds.
        ``left out``: by name why a processor was not measured.
    """
    found: dict[str, dict[str, Any]] = {}
    left_out: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as folder:
        environments = {AS_IT_IS: os.environ | {"PYTHONPATH": str(ROOT)}}
        masking = None
        try:
            masking = mask_runtime(Path(folder))
        except Unavailable as error:
            left_out = dict.fromkeys((WITHOUT_AMX, AVX2), str(error))
        if masking:
            flags = _flags()
            for name, beginnings in FEATURES.items():
                if any(flag.startswith(beginnings) for flag in flags):
                    environments[name] = masking.environment(name)
                else:
                    left_out[name] = "this machine has nothing that would be hidden"
        for _ in range(ROUNDS):
            for name, environment in environments.items():
                if masking:
                    masking.asked.unlink(missing_ok=True)
                seen = json.loads(_run(sys.executable, "-m", "benchmarks.layers", env=environment))
                if masking and name != AS_IT_IS and not masking.asked.exists():
                    raise RuntimeError(
                        "ONNX Runtime asked for no CPUID: nothing was hidden from it"
                    )
                found[name] = _quicker(found[name], seen) if name in found else seen
    return {"processors": found, "left out": left_out}


def _flags() -> list[str]:
    information = Path("/proc/cpuinfo").read_text()
    flags = re.search(r"^flags\s*:(.*)$", information, re.MULTILINE)
    return flags[1].split() if flags else []


def _quicker(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The higher rates and the lesser times of two rounds."""
    networks = {}
    for name, row in one["networks"].items():
        again = other["networks"][name]
        layers = [
            {**layer, "seconds": min(layer["seconds"], twin["seconds"])}
            for layer, twin in zip(row["layers"], again["layers"], strict=True)
        ]
        seconds = min(row["seconds"], again["seconds"])
        networks[name] = {**row, "seconds": seconds, "layers": layers}
    rates = {key: max(rate, other["rates"][key]) for key, rate in one["rates"].items()}
    return {"rates": rates, "networks": networks}


def shares(found: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """By processor and network, its operations a second over the best convolution's."""
    return {
        processor: {
            name: share(row, max(seen["rates"].values())) for name, row in seen["networks"].items()
        }
        for processor, seen in found["processors"].items()
    }


def share(row: Mapping[str, Any], best: float) -> float:
    """Of a network or a layer: its operations a second over those of the best convolution."""
    return float(2 * row["multiply_adds"] / row["seconds"] / best)


def lines(found: Mapping[str, Any]) -> list[str]:
    """The section of a report: the networks by processor."""
    processors = found["processors"]
    by_network = shares(found)
    made = [
        "| one thread | " + " | ".join(processors) + " |",
        "|---" * (1 + len(processors)) + "|",
        "| a 3x3 convolution of 64, 128, 256 channels, GOP/s | "
        + " | ".join(
            ", ".join(f"{rate / 1e9:.0f}" for rate in seen["rates"].values())
            for seen in processors.values()
        )
        + " |",
    ]
    for name, row in processors[AS_IT_IS]["networks"].items():
        others = row["of_this_shape"] - 1
        cells = [
            f"{1000 * seen['networks'][name]['seconds']:.1f} ms, {by_network[key][name]:.0%}"
            for key, seen in processors.items()
        ]
        title = name + (f" (and {others} of its shape)" if others else "")
        made.append(f"| {title} | " + " | ".join(cells) + " |")
    made += [
        "",
        "Milliseconds of processor, the least of many runs, and the share of the best of the three"
        " convolutions' operations a second. Each layer: [layers.md](layers.md).",
    ]
    for name, reason in found["left out"].items():
        made += ["", f"Not measured: the processor {name}; {reason}."]
    return made


def drop_layers(found: Mapping[str, Any]) -> None:
    """Takes the layers out of what was measured: ``lines`` does without."""
    for seen in found["processors"].values():
        for row in seen["networks"].values():
            row.pop("layers", None)


def layer_lines(found: Mapping[str, Any]) -> list[str]:
    """A page of all layers that take a hundredth of their network's time or more."""
    processors = found["processors"]
    best = {key: max(seen["rates"].values()) for key, seen in processors.items()}
    made = [
        "# Each layer beside ONNX Runtime's best convolution",
        "",
        "One thread; milliseconds, and a convolution's share of the operations a second of the best"
        " dense 3x3 convolution of u8 by s8 on the same processor. Operators under a hundredth of"
        " their network's time everywhere are one row. Made by `make bench`.",
    ]
    for name in processors[AS_IT_IS]["networks"]:
        rows = {key: seen["networks"][name]["layers"] for key, seen in processors.items()}
        totals = {key: sum(row["seconds"] for row in layers) for key, layers in rows.items()}
        made += ["", f"## {name}", "", "| layer | " + " | ".join(processors) + " |"]
        made.append("|---" * (1 + len(processors)) + "|")
        rest = dict.fromkeys(processors, 0.0)
        for layers in zip(*rows.values(), strict=True):
            told = dict(zip(processors, layers, strict=True))
            if all(row["seconds"] < totals[key] / 100 for key, row in told.items()):
                for key, row in told.items():
                    rest[key] += row["seconds"]
                continue
            first = layers[0]
            cells = [
                f"{1000 * row['seconds']:.2f}"
                + (f", {share(row, best[key]):.0%}" if "multiply_adds" in row else "")
                for key, row in told.items()
            ]
            title = " ".join(filter(None, (first["kind"], first.get("shape"))))
            made.append(f"| {title} | " + " | ".join(cells) + " |")
        made.append("| the rest | " + " | ".join(f"{1000 * s:.2f}" for s in rest.values()) + " |")
    return made
