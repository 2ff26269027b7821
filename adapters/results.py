"""The output bucket: pictures, their sidecars, and records of refused photos.

Nothing is computed twice and nobody's result is overwritten by another photo's: a key belongs to
the photo whose owner digest its metadata holds. The picture is written first and the sidecar last,
so that a sidecar always stands for a whole result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from adapters.jobs import StylisedPhoto
from adapters.storage.objects import FINGERPRINT, MARK, OWNER, Bucket
from adapters.storage.records import read_sidecar
from pipeline import Origin

JSON = "application/json"


class Results:
    """What was computed, and what is written.

    Args:
        bucket: The output bucket.
        pipeline_version: Marks all that is written.
    """

    def __init__(self, bucket: Bucket, pipeline_version: str) -> None:
        self.bucket = bucket
        self._version = pipeline_version

    def is_whole(self, sidecar: dict[str, Any], fingerprint: str) -> bool:
        """Tells whether a result is complete and of this fingerprint.

        Args:
            sidecar: A stored sidecar.
            fingerprint: What both the sidecar and the picture that it names must have.
        """
        if sidecar["fingerprint"] != fingerprint:
            return False
        state = self.bucket.head(sidecar["output"]["key"])
        return state is not None and state.metadata.get(FINGERPRINT) == fingerprint

    def available_names(
        self, names: Sequence[str], origin: Origin
    ) -> tuple[Sequence[str], dict[str, Any] | None]:
        """Returns the names that a photo's result may have.

        Args:
            names: Names without extension, in order of preference.
            origin: The photo.

        Returns:
            The names from the first that is free or already this photo's own, and the sidecar that
            lies there, if any. The last name is this photo's in any case.
        """
        for index, name in enumerate(names):
            sidecar = read_sidecar(self.bucket, f"{name}.json")
            if sidecar is None:
                return names[index:], None
            source = sidecar["source"]
            if (source["bucket"], source["key"]) == (origin.bucket, origin.key):
                return names[index:], sidecar
        return names[-1:], None

    def write(self, picture: StylisedPhoto, name: str, owner: str) -> dict[str, Any] | None:
        """Writes a picture and then its sidecar.

        Args:
            picture: What was drawn.
            name: Key of both, without extension.
            owner: Digest of the photo that they belong to.

        Returns:
            The sidecar with the picture's location; None if the name belongs to another photo.

        Raises:
            StoreUnavailable: The bucket could not be written.
        """
        from pipeline import to_json

        key = f"{name}.{picture.extension}"
        location = {"bucket": self.bucket.name, "key": key}
        sidecar = picture.sidecar | {"output": picture.sidecar["output"] | location}
        mark = {MARK: self._version, OWNER: owner}
        picture_mark = mark | {FINGERPRINT: picture.fingerprint}
        is_written = self.bucket.put_owned(
            key, picture.image, picture.content_type, picture_mark
        ) and self.bucket.put_owned(f"{name}.json", to_json(sidecar), JSON, mark)
        return sidecar if is_written else None

    def write_failure(
        self, record: Mapping[str, Any], keys: Sequence[str], owner: str
    ) -> str | None:
        """Writes the record of a refused photo to the first key that no other photo has.

        Returns:
            That key, or None if other photos have all of them.

        Raises:
            StoreUnavailable: The bucket could not be written.
        """
        from pipeline import to_json

        content, mark = to_json(record), {MARK: self._version, OWNER: owner}
        for key in keys:
            if self.bucket.put_owned(key, content, JSON, mark):
                return key
        return None

    def delete(self, keys: Sequence[str], owner: str) -> None:
        """Deletes the objects that belong to the owner."""
        for key in keys:
            self.bucket.delete_owned(key, owner)

    def with_url(self, sidecar: dict[str, Any], lifetime_s: int) -> dict[str, Any]:
        """Returns a sidecar with a link to its picture, which a stored sidecar never holds.

        A link expires, and lets in whoever reads it.
        """
        output = sidecar["output"]
        url = self.bucket.presigned_url(output["key"], lifetime_s)
        return sidecar | {"output": output | {"url": url}}
