"""The folder of weights: the manifest, and files that are hashed before they are opened."""

from __future__ import annotations

import hashlib
import json
import re
import typing
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from pipeline.domain import WeightFile, WeightSpec
from pipeline.errors import (
    InvalidOption,
    OutOfDescriptors,
    UnknownStyle,
    WeightsInvalid,
)

MANIFEST_VERSION = 1
# A style's name becomes part of keys, and a file lies in the folder itself.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
SHA256 = re.compile(r"[0-9a-f]{64}")
MAX_NUMBER = 10**9  # bytes, pixels


class WeightStore:
    """A folder with manifest.json and the files that it lists.

    Reading the manifest is lazy; every problem is a WeightsInvalid that names the file.

    Args:
        weights_dir: The folder.
        checkpoints_dir: Float weights, which only the torch engine reads.
    """

    def __init__(self, weights_dir: Path, checkpoints_dir: Path) -> None:
        self.weights_dir = weights_dir
        self.checkpoints_dir = checkpoints_dir

    @cached_property
    def _manifest(self) -> bytes:
        return self._read(self.weights_dir / "manifest.json")

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the manifest: it changes when any file does."""
        return hashlib.sha256(self._manifest).hexdigest()

    @cached_property
    def specs(self) -> dict[str, WeightSpec]:
        """All networks by name."""
        try:
            document = json.loads(self._manifest)
            if document["manifest_version"] != MANIFEST_VERSION:
                raise ValueError(f"manifest_version {document['manifest_version']}")
            specs = [_spec(entry) for entry in document["weights"]]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise WeightsInvalid(f"manifest.json cannot be read: {error!r}") from error
        by_name = {spec.name: spec for spec in specs}
        if len(by_name) < len(specs):
            raise WeightsInvalid("manifest.json cannot be read: it has a name twice")
        for spec in specs:
            around = by_name.get(spec.around)
            if spec.around and (around is None or around.kind != "style" or around.around):
                raise WeightsInvalid(
                    f"manifest.json cannot be read: {spec.name} needs the style {spec.around!r}"
                )
        return by_name

    def style(self, name: str) -> WeightSpec:
        """The style of that name, in any case. Raises UnknownStyle with the names there are."""
        styles = {spec.name: spec for spec in self.specs.values() if spec.kind == "style"}
        if name not in styles:
            alike = [style for style in styles if style.lower() == name.lower()]
            name = alike[0] if len(alike) == 1 else name
        if name not in styles:
            known = ", ".join(sorted(styles))
            raise UnknownStyle(f"no style {name!r}; there is {known}", measured=name, limit=known)
        return styles[name]

    @property
    def has_face_models(self) -> bool:
        """Whether faces can be found and parsed."""
        return bool(self.find("detector") and self.find("parser"))

    def require(self, kind: str, option: str | None = None) -> WeightSpec:
        """The first network of that kind, by name.

        Args:
            kind: See WeightSpec.
            option: What the caller asked for (``enhance=auto``, say), if that needs the network.

        Raises:
            InvalidOption: There is none, and an option asked for it; retrying cannot help.
            WeightsInvalid: There is none.
        """
        spec = self.find(kind)
        if spec is None and option is not None:
            raise InvalidOption(f"{option}: the folder of weights has no {kind}", measured=option)
        if spec is None:
            raise WeightsInvalid(f"the folder of weights has no network of the kind {kind}")
        return spec

    def find(self, kind: str) -> WeightSpec | None:
        """The first network of that kind, by name; None when there is none."""
        specs = sorted(self.specs.values(), key=lambda spec: spec.name)
        return next((spec for spec in specs if spec.kind == kind), None)

    def read(self, spec: WeightSpec, role: str) -> bytes:
        """The bytes of one file, checked against size and SHA-256; the check cannot be skipped."""
        if role not in spec.files:
            raise WeightsInvalid(f"{spec.name} has no {role} file in the manifest")
        listed = spec.files[role]
        folder = self.checkpoints_dir if role == "float" else self.weights_dir
        content = self._read(folder / listed.file)
        if len(content) != listed.bytes:
            raise WeightsInvalid(
                f"{listed.file} has another size than the manifest lists",
                measured=len(content),
                limit=listed.bytes,
            )
        digest = hashlib.sha256(content).hexdigest()
        if digest != listed.sha256:
            raise WeightsInvalid(
                f"{listed.file} is not the file that the manifest lists",
                measured=digest,
                limit=listed.sha256,
            )
        return content

    def verify(self) -> list[tuple[WeightSpec, str, WeightFile]]:
        """Reads and hashes every served file. Raises WeightsInvalid for the first bad one."""
        checked = []
        for spec in self.specs.values():
            for role, file in spec.files.items():
                if role != "float":
                    self.read(spec, role)
                    checked.append((spec, role, file))
        return checked

    def _read(self, path: Path) -> bytes:
        try:
            return path.read_bytes()
        except OSError as error:
            if error.errno in OutOfDescriptors.errnos:
                raise OutOfDescriptors(f"{path}: {error.strerror}") from error
            raise WeightsInvalid(f"{path} cannot be read: {error.strerror}") from error


def _spec(entry: dict[str, Any]) -> WeightSpec:
    """One network of the manifest.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: The entry is not one.
    """
    files = {role: _file(WeightFile(**file)) for role, file in entry["files"].items()}
    low, high = entry["input_range"]
    spec = WeightSpec(**entry | {"files": files, "input_range": (float(low), float(high))})
    for name, kind in _kinds(WeightSpec).items():
        _check(name, getattr(spec, name), kind)
    if not NAME.fullmatch(spec.name):
        raise ValueError(f"{spec.name!r} is not a valid name")
    if min(spec.scale, spec.multiple_of_px) < 1 or (spec.kind == "style" and not spec.working_px):
        raise ValueError("scale, multiple_of_px and a style's working_px are at least 1")
    if min(spec.scene_px, spec.face_px, spec.largest_px) < 1:
        raise ValueError(f"{spec.name}: scene_px, face_px and largest_px are 1 or more")
    if spec.faces_default not in ("on", "off"):
        raise ValueError(f"{spec.name}: faces_default is {spec.faces_default!r}; on or off")
    for number in (*spec.input_range, *spec.thresholds.values()):
        _check("input_range or a threshold", number, float)
    return spec


def _file(file: WeightFile) -> WeightFile:
    for name, kind in _kinds(WeightFile).items():
        _check(name, getattr(file, name), kind)
    if not FILE_NAME.fullmatch(file.file) or not SHA256.fullmatch(file.sha256):
        raise ValueError(f"{file.file!r} is not a file name in this folder, or has no SHA-256")
    return file


@cache
def _kinds(of: type) -> dict[str, Any]:
    """The class of each field, that of a generic without its parameters."""
    hints = typing.get_type_hints(of)
    return {name: typing.get_origin(hint) or hint for name, hint in hints.items()}


def _check(name: str, value: Any, kind: Any) -> None:
    """Checks a value's type and range.

    Raises:
        TypeError: It is not of that type.
        ValueError: It is no number that a network could have.
    """
    if not isinstance(value, int | float if kind is float else kind):
        raise TypeError(f"{name} is not of the type {kind.__name__}")
    if kind in (int, float) and (isinstance(value, bool) or not abs(value) <= MAX_NUMBER):
        raise ValueError(f"{name} is out of range")
    if kind is int and value < 0:
        raise ValueError(f"{name} is negative")
