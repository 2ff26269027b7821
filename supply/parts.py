"""The packages and weights that the image holds, as the lock files and the manifest list them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, files, metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
IMAGE = ROOT / "requirements" / "image.txt"
IMAGE_TORCH = ROOT / "requirements" / "image-torch.txt"
MANIFEST = ROOT / "layers" / "weights" / "manifest.json"

# SPDX names for the words that metadata uses; words that name no single licence are kept.
SPDX = {
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD": "BSD-3-Clause",
    "BSD License": "BSD-3-Clause",
    "BSD-3-Clause License": "BSD-3-Clause",
    "3-Clause BSD License": "BSD-3-Clause",
    "Dual License": "Apache-2.0 OR BSD-3-Clause",
    "MIT License": "MIT",
}
# Packages whose metadata name no licence.
NOT_NAMED = {"torch": "BSD-3-Clause"}
# Libraries inside wheels with terms that matter to whoever distributes the image. The rest is under
# MIT, BSD, zlib and the like, and is listed in the wheels' own licence files.
COPYLEFT = {
    "libasound": "LGPL-2.1-or-later",
    "libavcodec": "LGPL-2.1-or-later",
    "libavdevice": "LGPL-2.1-or-later",
    "libavfilter": "LGPL-2.1-or-later",
    "libavformat": "LGPL-2.1-or-later",
    "libavutil": "LGPL-2.1-or-later",
    "libde265": "LGPL-3.0-or-later",
    "libgmp": "LGPL-3.0-or-later OR GPL-2.0-or-later",
    "libgnutls": "LGPL-2.1-or-later",
    "libgfortran": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libheif": "LGPL-3.0-or-later",
    "libhogweed": "LGPL-3.0-or-later OR GPL-2.0-or-later",
    "libmp3lame": "LGPL-2.0-or-later",
    "libnettle": "LGPL-3.0-or-later OR GPL-2.0-or-later",
    "libquadmath": "LGPL-2.1-or-later",
    "libswresample": "LGPL-2.1-or-later",
    "libswscale": "LGPL-2.1-or-later",
    "libunistring": "LGPL-3.0-or-later OR GPL-2.0-or-later",
    "libx264": "GPL-2.0-or-later",
    "libx265": "GPL-2.0-or-later",
}


@dataclass(frozen=True)
class Package:
    """A locked package; ``hashes`` are the SHA-256 of every file of this version, in hex."""

    name: str
    version: str
    hashes: tuple[str, ...]


def packages(lock: Path) -> list[Package]:
    """Returns the packages of a lock file, in its order."""
    text = lock.read_text().replace("\\\n", " ")
    locked = []
    for line in text.splitlines():
        pin = re.match(r"([a-z0-9._-]+)==([^\s;]+)", line)
        if pin:
            hashes = tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", line))
            locked.append(Package(pin[1], pin[2], hashes))
    return locked


def weights() -> list[dict[str, Any]]:
    """Returns the entries of the weights' manifest."""
    entries: list[dict[str, Any]] = json.loads(MANIFEST.read_text())["weights"]
    return entries


def licence(name: str) -> str:
    """Reads a package's licence from its metadata as installed here.

    Args:
        name: The package's name.

    Returns:
        An SPDX expression if possible, else the metadata's own words.

    Raises:
        LookupError: The package is not installed or names no licence.
    """
    try:
        about = metadata(name)
    except PackageNotFoundError as error:
        raise LookupError(f"{name} is not installed: make setup") from error
    if name in NOT_NAMED:
        return NOT_NAMED[name]
    named = [about[field] for field in ("License-Expression", "License") if field in about]
    text = str(named[0]) if named else ""
    if not text or "\n" in text or len(text) > 60:  # some packages put the whole licence there
        classified = about.get_all("Classifier") or []
        names = [line.rpartition(" :: ")[2] for line in classified if line.startswith("License ::")]
        text = " AND ".join(SPDX.get(name, name) for name in names)
    if not text:
        raise LookupError(f"{name} names no licence")
    return SPDX.get(text, text)


def bundled(name: str) -> list[str]:
    """Returns the shared libraries in a package's wheel for Linux, without their versions."""
    installed = files(name) or []
    names = {re.sub(r"[-.].*", "", file.name) for file in installed if ".libs/" in str(file)}
    return sorted(names)
