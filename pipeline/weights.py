"""The layer of weights: the manifest, and files that are hashed before they are opened."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from pathlib import Path
from typing import Any

from pipeline.domain import WeightFile, WeightSpec
from pipeline.errors import InvalidOption, UnknownStyle, WeightsInvalid

MANIFEST_VERSION = 1


class Layer:
    """A folder with manifest.json and the files it lists.

    ``checkpoints_dir`` holds the float students, which only the torch engine reads. Reading
    the manifest is lazy; every problem is a WeightsInvalid that names the file.
    """

    def __init__(self, weights_dir: Path, checkpoints_dir: Path) -> None:
        self.weights_dir = weights_dir
        self.checkpoints_dir = checkpoints_dir

    @cached_property
    def _manifest(self) -> bytes:
        return self._read(self.weights_dir / "manifest.json")

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the manifest: it changes when any file of the layer does."""
        return hashlib.sha256(self._manifest).hexdigest()

    @cached_property
    def specs(self) -> dict[str, WeightSpec]:
        """All networks of the layer by name."""
        try:
            document = json.loads(self._manifest)
            if document["manifest_version"] != MANIFEST_VERSION:
                raise ValueError(f"manifest_version {document['manifest_version']}")
            return {entry["name"]: _spec(entry) for entry in document["weights"]}
        except (ValueError, KeyError, TypeError) as error:
            raise WeightsInvalid(f"manifest.json cannot be read: {error!r}") from error

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
    def upsampler(self) -> WeightSpec:
        """The network that enlarges drawings. Raises WeightsInvalid when there is none."""
        return self.the("upsampler")

    def the(self, kind: str, option: str | None = None) -> WeightSpec:
        """The first network of that kind, by name. When there is none, raises InvalidOption if an
        option (``enhance=auto``, say) asked for it, for asking again would find no other layer;
        else WeightsInvalid.
        """
        spec = self.find(kind)
        if spec is None and option is not None:
            raise InvalidOption(f"{option}: the layer has no {kind} for it", measured=option)
        if spec is None:
            raise WeightsInvalid(f"the layer has no network of the kind {kind}")
        return spec

    def find(self, kind: str) -> WeightSpec | None:
        """The first network of that kind, by name; None when there is none."""
        specs = sorted(self.specs.values(), key=lambda spec: spec.name)
        return next((spec for spec in specs if spec.kind == kind), None)

    def read(self, spec: WeightSpec, role: str) -> bytes:
        """The bytes of one file, checked against size and SHA-256; there is no way around it."""
        if role not in spec.files:
            raise WeightsInvalid(f"{spec.name} has no {role} file in the manifest")
        listed = spec.files[role]
        folder = self.checkpoints_dir if role == "float" else self.weights_dir
        content = self._read(folder / listed.file)
        found = hashlib.sha256(content).hexdigest()
        if found != listed.sha256:
            raise WeightsInvalid(
                f"{listed.file} is not the file that the manifest lists",
                measured=found,
                limit=listed.sha256,
            )
        return content

    def verify(self) -> list[tuple[WeightSpec, str, WeightFile]]:
        """Reads and hashes every served file. Raises WeightsInvalid at the first bad one."""
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
            raise WeightsInvalid(f"{path} cannot be read: {error.strerror}") from error


def _spec(entry: dict[str, Any]) -> WeightSpec:
    files = {role: WeightFile(**file) for role, file in entry["files"].items()}
    low, high = entry["input_range"]
    return WeightSpec(**entry | {"files": files, "input_range": (float(low), float(high))})
