"""The notes of a release, from CHANGELOG.md; refuses a tag that is not the version.

python -m supply.release v0.2.0 > notes.md
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

CHANGELOG = Path(__file__).resolve().parent.parent / "CHANGELOG.md"
SOURCE = Path(__file__).resolve().parent.parent / "pipeline" / "__init__.py"


def version() -> str:
    """Reads the version from the source, without importing what it needs.

    Returns:
        The version, such as ``0.2.0``.
    """
    match = re.search(r'^VERSION = "([^"]+)"$', SOURCE.read_text(), re.MULTILINE)
    if match is None:
        raise SystemExit(f"{SOURCE} states no VERSION")
    return match.group(1)


def notes(release: str, changelog: str) -> str:
    """Cuts the section of one version out of a changelog.

    Args:
        release: A version, such as ``0.2.0``.
        changelog: The text of a file in the form of Keep a Changelog.

    Returns:
        What stands under the version's heading.

    Raises:
        LookupError: There is no such heading, or nothing under it.
    """
    sections = re.split(r"^## \[([^\]]+)\].*$", changelog, flags=re.MULTILINE)
    texts = dict(zip(sections[1::2], sections[2::2], strict=True))
    text = re.sub(r"^\[[^\]]+\]: .*$", "", texts.get(release, ""), flags=re.MULTILINE).strip()
    if not text:
        raise LookupError(f"CHANGELOG.md has no notes of {release}")
    return text + "\n"


def main() -> None:
    """Writes the notes to standard output; exits with 1 where tag, version and notes differ."""
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    release = sys.argv[1].removeprefix("v")
    if release != version():
        raise SystemExit(f"the tag says {release}, pipeline.VERSION says {version()}")
    try:
        sys.stdout.write(notes(release, CHANGELOG.read_text()))
    except LookupError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
