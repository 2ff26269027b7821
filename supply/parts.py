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

# what metadata says in words, in the names of SPDX; words that name no one licence are left
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
# whose metadata name none
NOT_NAMED = {"torch": "BSD-3-Clause"}
# wheels hold libraries, too; these have terms of their own that a giver-on must know. The rest is
# under MIT, BSD, zlib and the like, and stands in the wheels' own lists of licences.
COPYLEFT = {
    "libavcodec": "LGPL-2.1-or-later",
    "libavformat": "LGPL-2.1-or-later",
    "libavutil": "LGPL-2.1-or-later",
    "libde265": "LGPL-3.0-or-later",
    "libgfortran": "GPL-3.0-or-later WITH GCC-exception-3.1",
    "libheif": "LGPL-3.0-or-later",
    "libquadmath": "LGPL-2.1-or-later",
    "libswresample": "LGPL-2.1-or-later",
    "libswscale": "LGPL-2.1-or-later",
    "libx265": "GPL-2.0-or-later",
}


@dataclass(frozen=True)
class Package:
    """``hashes``: SHA-256 of every file of this version that the index has, in hexadecimal."""

    name: str
    version: str
    hashes: tuple[str, ...]


def packages(lock: Path) -> list[Package]:
    """The packages of a lock file, in its order."""
    text = lock.read_text().replace("\\\n", " ")
    found = []
    for line in text.splitlines():
        pin = re.match(r"([a-z0-9._-]+)==([^\s;]+)", line)
        if pin:
            hashes = tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", line))
            found.append(Package(pin[1], pin[2], hashes))
    return found


def weights() -> list[dict[str, Any]]:
    """The entries of the manifest."""
    entries: list[dict[str, Any]] = json.loads(MANIFEST.read_text())["weights"]
    return entries


def licence(name: str) -> str:
    """Reads a package's licence from its metadata as installed here.

    Args:
        name: Of the package.

    Returns:
        An SPDX expression where that is possible, else the metadata's own words.

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
    said = str(named[0]) if named else ""
    if not said or "\n" in said or len(said) > 60:  # some put the whole text there
        classified = about.get_all("Classifier") or []
        names = [text.rpartition(" :: ")[2] for text in classified if text.startswith("License ::")]
        said = " AND ".join(SPDX.get(text, text) for text in names)
    if not said:
        raise LookupError(f"{name} names no licence")
    return SPDX.get(said, said)


def bundled(name: str) -> list[str]:
    """The shared libraries that a package's wheel for Linux brings with it, without versions."""
    found = files(name) or []
    names = {re.sub(r"[-.].*", "", file.name) for file in found if ".libs/" in str(file)}
    return sorted(names)
