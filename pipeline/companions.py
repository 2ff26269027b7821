"""Files that telephones, cameras and computers put beside photos."""

from __future__ import annotations

from collections.abc import Collection

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
    ".pp3": "edits of RawTherapee",
    ".thm": "a camera's preview of a film",
    ".xmp": "a description of a photo",
}
# of a photo, as Google Takeout writes it; by its content alone, for the name says little
DESCRIPTION = (".json", "a JSON document")
FILMS = (".mov", ".mp4")  # of Live Photos and their kin: of the photo's own name
STILLS = (".heic", ".heif", ".jpg", ".jpeg")
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


def live_photo_of(key: str, siblings: Collection[str]) -> str | None:
    """The photo whose moving part a film is: IMG_1.MOV beside IMG_1.HEIC.

    Args:
        key: The film's name, with or without folders.
        siblings: Names in the same folder, in the same form; others may be among them.

    Returns:
        The photo's name; None for what is a film of its own.
    """
    stem, dot, ending = key.rpartition(".")
    if f"{dot}{ending}".lower() not in FILMS:
        return None
    return next(
        (
            name
            for name in siblings
            if name[: len(stem)] == stem and name[len(stem) :].lower() in STILLS
        ),
        None,
    )
