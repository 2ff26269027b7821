"""Files that telephones, cameras and computers put beside photos."""

from __future__ import annotations

BY_NAME = {
    ".ds_store": "macOS' view of a folder",
    "thumbs.db": "Windows' thumbnails",
    "ehthumbs.db": "Windows' thumbnails",
    "desktop.ini": "Windows' view of a folder",
    ".picasa.ini": "Picasa's edits",
    ".nomedia": "a mark of Android's",
}
BY_ENDING = {
    "_$folder$": "the mark of a folder",
    ".aae": "edits of Apple's Photos",
    ".lrv": "a camera's preview of a film",
    ".mov": "a film, or the moving part of a Live Photo",
    ".mp4": "a film, or the moving part of a photo",
    ".pp3": "edits of RawTherapee",
    ".thm": "a camera's preview of a film",
    ".xmp": "a description of a photo",
}
# of a photo, as Google Takeout writes it; by its content alone, for the name says little
DESCRIPTION = (".json", "a JSON document")
APPLE_DOUBLE = "._"  # before the name of the file whose resource fork it holds


def companion(key: str, content: object = None) -> str | None:
    """Whether a file is one of those that lie beside photos.

    Args:
        key: Its name, with or without folders.
        content: What it turned out to be (``measured`` of NotAnImage), where that is known.

    Returns:
        What the file is; None for what may be a photo.
    """
    folder, _, name = key.rpartition("/")
    name = name.lower()
    if name.startswith(APPLE_DOUBLE) or "__MACOSX" in folder.split("/"):
        return "macOS' companion of a file"
    if name.endswith(DESCRIPTION[0]) and content == DESCRIPTION[1]:
        return "a description of a photo"
    if name in BY_NAME:
        return BY_NAME[name]
    return next((what for ending, what in BY_ENDING.items() if name.endswith(ending)), None)
