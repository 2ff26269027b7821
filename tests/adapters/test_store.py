"""The client of S3: what it signs."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from adapters.storage.s3 import S3


def test_a_link_names_its_regions_host_and_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    """The global host redirects to the region's, and a redirect breaks the signature."""
    for name in ("AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    url = urlsplit(S3().bucket("pictures").presigned_url("stylised/a b.jpg", 60))
    assert url.netloc == "pictures.s3.eu-central-1.amazonaws.com"
    assert url.path == "/stylised/a%20b.jpg"
    query = parse_qs(url.query)
    assert query["X-Amz-Expires"] == ["60"]
    assert "/eu-central-1/s3/" in query["X-Amz-Credential"][0]
