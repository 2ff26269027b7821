"""The bill of materials of the image, as CycloneDX 1.6: packages, weights, their hashes and terms.

python -m supply.bom > build/kirei.cdx.json

Equal inputs give equal bytes: it holds no time, and its serial number is derived from the rest.
"""

from __future__ import annotations

import json
import sys
import uuid
from typing import Any

from pipeline import VERSION
from supply.parts import IMAGE, Package, licence, packages, weights


def bill() -> dict[str, Any]:
    """Returns the document. Raises LookupError if a package is not installed."""
    components = [_package(package) for package in packages(IMAGE)]
    for entry in weights():
        for role, file in sorted(entry["files"].items()):
            components.append(_weights(entry, role, file))
    own = {
        "type": "application",
        "bom-ref": "kirei",
        "name": "kirei",
        "version": VERSION,
        "licenses": [{"license": {"id": "Apache-2.0"}}],
    }
    document: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": own},
        "components": components,
        "dependencies": [
            {"ref": "kirei", "dependsOn": sorted(part["bom-ref"] for part in components)}
        ],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document, sort_keys=True))
    return {**document, "serialNumber": f"urn:uuid:{serial}"}


def _package(package: Package) -> dict[str, Any]:
    address = f"pkg:pypi/{package.name}@{package.version}"
    # the machine decides which of these files is installed
    files = [{"alg": "SHA-256", "content": content} for content in package.hashes]
    return {
        "type": "library",
        "bom-ref": address,
        "name": package.name,
        "version": package.version,
        "purl": address,
        "licenses": [{"expression": licence(package.name)}],
        "externalReferences": [
            {
                "type": "distribution",
                "url": address,
                "hashes": files,
            }
        ],
    }


def _weights(entry: dict[str, Any], role: str, file: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "machine-learning-model",
        "bom-ref": f"weights/{file['file']}",
        "name": file["file"],
        "description": f"{role} of {entry['name']}: {entry['title']}",
        "hashes": [{"alg": "SHA-256", "content": file["sha256"]}],
        "licenses": [{"license": {"name": entry["licence"]}}],
    }


if __name__ == "__main__":
    json.dump(bill(), sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")
