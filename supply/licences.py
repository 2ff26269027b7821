"""docs/licences.md: what the image is made of, and under which terms.

python -m supply.licences > docs/licences.md
"""

from __future__ import annotations

import sys

from supply.parts import COPYLEFT, IMAGE, IMAGE_TORCH, Package, bundled, licence, packages, weights

HEAD = """# Licences

Made by `make licences` from the lock files, the metadata of the installed packages and the
manifest of the weights. Kirei's own code is under Apache-2.0.

## Weights

A picture is under the terms of all weights that had a part in it; its sidecar lists them. See
[MODEL_CARD.md](../layers/weights/MODEL_CARD.md).

| weights | licence |
|---|---|
"""

PACKAGES = """
## Packages of the image

| package | version | licence |
|---|---|---|
"""

TORCH = """
With `Engine=torch`, also:

| package | version | licence |
|---|---|---|
"""

BUNDLED = """
## Libraries inside of the wheels

As in the wheels for Linux on x86_64; those under LGPL or GPL are named with their terms.

**x265 is under the GPL.** The wheels of pillow-heif, which reads HEIC, hold libx265
(GPL-2.0-or-later), an encoder that Kirei never calls but libheif is linked with, beside libheif and
libde265 (LGPL-3.0-or-later). What follows:

* Running the function, in your account and for whomever you like, gives the image to nobody and
  asks for nothing.
* Whoever gives the image on (a public registry, a customer's account, a device) gives x265 on. The
  image as a whole then goes under the GPL's terms, with the source of what is under GPL and LGPL,
  and without further restrictions: whether weights for non-commercial use may lie beside it is a
  matter for your lawyer. HEVC is patented, too, in some countries.
* `docker build --build-arg HEIC=off` leaves pillow-heif out, and all three libraries with it. HEIC
  is then refused as `not_an_image`; all other formats, AVIF among them, are as before. What is left
  under the LGPL, or the GPL with GCC's exception, asks for its source and that it can be replaced.

| package | libraries |
|---|---|
"""


def page() -> str:
    """The whole of docs/licences.md. Raises LookupError where a package is not installed."""
    image = packages(IMAGE)
    names = {package.name for package in image}
    torch = [package for package in packages(IMAGE_TORCH) if package.name not in names]
    text = HEAD
    for entry in weights():
        text += f"| `{entry['name']}` | {entry['licence']} |\n"
    text += PACKAGES + "".join(map(_row, image)) + TORCH + "".join(map(_row, torch)) + BUNDLED
    for package in image:
        libraries = bundled(package.name)
        if libraries:
            said = (
                f"{name} ({COPYLEFT[name]})" if name in COPYLEFT else name for name in libraries
            )
            text += f"| {package.name} | {', '.join(said)} |\n"
    return text


def _row(package: Package) -> str:
    return f"| {package.name} | {package.version} | {licence(package.name)} |\n"


if __name__ == "__main__":
    sys.stdout.write(page())
