"""The folder that `kirei serve` works on: several processes, full disks, and age."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests
from serving import serving
from test_serve_command import command, first_line

from adapters.server import local_worker
from adapters.storage.folder import PARTS, PRIVATE, FolderBucket
from adapters.storage.objects import OWNER
from pipeline import (
    ObjectNotFound,
    OutOfDescriptors,
    StoreUnavailable,
)

ROOT = Path(__file__).parents[2]
WRITER = """
import sys
from pathlib import Path
from adapters.storage.folder import FolderBucket
store, own = FolderBucket(Path(sys.argv[1])), sys.argv[2]
for number in range(200):
    key = f"stylised/x{number % 5}.jpg"
    store.put(key, own.encode() * 20_000, "image/jpeg", {"by": own})
    store.put_owned(f"stylised/y{number}", own.encode(), "text/plain", {"kirei-source": own})
"""


@pytest.fixture
def store(tmp_path: Path) -> Any:
    return FolderBucket(tmp_path)


def read(store: FolderBucket, key: str) -> tuple[bytes, str]:
    with store.open(key) as found:
        return found.read(found.size_bytes), found.state.metadata.get("by", "")


def test_two_processes_write_the_same_names_and_nothing_is_mixed(
    store: Any, tmp_path: Path
) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), own], cwd=ROOT)
        for own in ("a", "b")
    ]
    while any(writer.poll() is None for writer in writers):
        for number in range(5):
            try:
                content, _ = read(store, f"stylised/x{number}.jpg")
            except ObjectNotFound:
                continue
            assert content in (b"a" * 20_000, b"b" * 20_000)
    assert [writer.returncode for writer in writers] == [0, 0]
    for number in range(5):
        content, by = read(store, f"stylised/x{number}.jpg")
        assert content == by.encode() * 20_000
    for number in range(200):  # whoever was first has it, with both its parts
        key = f"stylised/y{number}"
        with store.open(key) as found:
            assert found.read(10).decode() == found.state.metadata[OWNER]
    assert list((tmp_path / PRIVATE / PARTS).iterdir()) == []


def test_two_processes_that_begin_at_once_have_one_secret(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from adapters.storage.folder import FolderBucket; "
    )
    code += "print(FolderBucket(Path(sys.argv[1])).links._secret.hex())"
    made = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE
        )
        for _ in range(4)
    ]
    assert len({process.communicate()[0] for process in made}) == 1


def test_an_object_is_claimed_once(store: Any, tmp_path: Path) -> None:
    store.put("uploads/http/a", b"x", "image/jpeg", {})
    other = FolderBucket(tmp_path)
    with store.claim("uploads/http/a") as is_ours:
        assert is_ours
        with other.claim("uploads/http/a") as is_theirs:
            assert not is_theirs
    with other.claim("uploads/http/a") as is_theirs:
        assert is_theirs
    with pytest.raises(ObjectNotFound), store.claim("uploads/http/none"):
        pass


def test_what_another_server_works_on_is_left_to_it_and_found_when_that_ends(
    pipeline: Any, tmp_path: Path, photo: bytes
) -> None:
    with serving(pipeline, tmp_path) as server:
        offered = server.offer(max_side_px=64)
        key = f"uploads/http/{offered['upload_id']}"
        with ThreadPoolExecutor(1) as other:
            server.worker.folder.on_created = None
            server.send(offered, photo)
            server.worker.folder.on_created = server.worker._on_created
            with FolderBucket(tmp_path).claim(key):
                server.worker.sweep()
                while server.worker.waiting:
                    time.sleep(0.01)
                assert server.get(offered["result_url"]).json()["status"] == "waiting"
            other.submit(server.worker.sweep).result()
        assert server.wait(offered["result_url"]).status_code == 200


def test_the_second_server_of_a_folder_says_so(tmp_path: Path) -> None:
    first = command("--port", "0", "--folder", str(tmp_path))
    first_line(first)
    second = command("--port", "0", "--folder", str(tmp_path))
    first_line(second)
    second.terminate()
    _, said = second.communicate(timeout=60)
    assert "another kirei serve uses" in said
    first.terminate()
    _, said = first.communicate(timeout=60)
    assert "another" not in said


@pytest.mark.parametrize("moment", ["write_bytes", "write_text", "replace"])
def test_a_full_disk_leaves_nothing_half_written(
    store: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: Any
) -> None:
    store.put("stylised/a.jpg", b"old", "image/jpeg", {"by": "old"})

    def full(*arguments: object, **named: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(Path, moment, full)
        with pytest.raises(StoreUnavailable, match="No space left"):
            store.put("stylised/a.jpg", b"new", "image/jpeg", {"by": "new"})
    assert read(store, "stylised/a.jpg") == (b"old", "old")
    assert list((tmp_path / PRIVATE / PARTS).iterdir()) == []


def test_after_a_full_disk_all_goes_on_by_itself(
    pipeline: Any, tmp_path: Path, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_worker, "SWEEP_S", 0.2)
    with serving(pipeline, tmp_path) as server:
        offered = server.offer(max_side_px=64)
        with monkeypatch.context() as broken:

            def full(*arguments: object, **named: object) -> None:
                raise StoreUnavailable("No space left on device")

            broken.setattr(server.worker.folder, "put_owned", full)
            server.send(offered, photo)
            answer = server.wait(offered["result_url"])
            assert answer.status_code == 503
            assert answer.json()["error"]["code"] == "store_unavailable"
            assert int(answer.headers["retry-after"]) > 0
        deadline = time.monotonic() + 60
        while server.get(offered["result_url"]).status_code != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_what_is_no_fault_of_the_disk_is_not_tried_again_for_ever(
    pipeline: Any, tmp_path: Path, photo: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_worker, "SWEEP_S", 0.05)
    tries = []
    with serving(pipeline, tmp_path) as server:
        offered = server.offer()

        def broken(*_: Any, **__: Any) -> Any:
            tries.append(1)
            raise KeyError("none")

        monkeypatch.setattr(pipeline, "run", broken)
        server.send(offered, photo)
        assert server.wait(offered["result_url"]).status_code == 500
        time.sleep(0.5)
        assert len(tries) == 1


def test_too_few_descriptors_are_said_as_what_they_are(
    store: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_few(*arguments: object, **named: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    store.put("stylised/a.jpg", b"x", "image/jpeg", {})
    monkeypatch.setattr(Path, "open", too_few)
    with (
        pytest.raises(OutOfDescriptors, match="Too many open files"),
        store.open("stylised/a.jpg"),
    ):
        pass


def aged(path: Path, age_s: float) -> None:
    then = time.time() - age_s
    os.utime(path, (then, then))


def test_objects_expire_and_other_files_stay(store: Any, tmp_path: Path) -> None:
    for key in ("uploads/http/old", "uploads/http/kept", "uploads/http/new"):
        store.put(key, b"x", "image/jpeg", {})
        if key != "uploads/http/new":
            aged(tmp_path / key, 100)
            aged(tmp_path / PRIVATE / f"{key}.json", 100)
    for theirs in (tmp_path / "mine.jpg", tmp_path / "stylised" / "theirs.jpg"):
        theirs.parent.mkdir(exist_ok=True)
        theirs.write_bytes(b"x")
        aged(theirs, 1e6)
    for part, age_s in (("left", 1e6), ("young", 1)):
        (tmp_path / PRIVATE / PARTS / part).touch()
        aged(tmp_path / PRIVATE / PARTS / part, age_s)
    aged(tmp_path / PRIVATE / "secret", 1e6)
    assert store.expire(50, keep=lambda key: key.endswith("kept")) == 1
    assert store.keys("uploads/http/") == ["uploads/http/kept", "uploads/http/new"]
    assert not (tmp_path / PRIVATE / "uploads" / "http" / "old.json").exists()
    assert (tmp_path / "mine.jpg").exists() and (tmp_path / "stylised" / "theirs.jpg").exists()
    assert [path.name for path in (tmp_path / PRIVATE / PARTS).iterdir()] == ["young"]
    assert (tmp_path / PRIVATE / "secret").exists()


def test_a_server_deletes_what_is_older_than_a_day(pipeline: Any, tmp_path: Path) -> None:
    store = FolderBucket(tmp_path)
    for key, age_s in (("stylised/old.jpg", 90_000), ("stylised/new.jpg", 80_000)):
        store.put(key, b"x", "image/jpeg", {})
        aged(tmp_path / key, age_s)
        aged(tmp_path / PRIVATE / f"{key}.json", age_s)
    for flags, left in (((), ["stylised/new.jpg"]), (("--keep-hours", "1"), [])):
        process = command("--port", "0", "--folder", str(tmp_path), *flags)
        url = first_line(process).split()[3]
        assert requests.get(f"{url}v1/health", timeout=60).status_code == 200
        process.terminate()
        process.communicate(timeout=60)
        assert store.keys("stylised/") == left


def test_files_of_others_are_nobodys_to_overwrite(store: Any, tmp_path: Path) -> None:
    (tmp_path / "stylised").mkdir()
    (tmp_path / "stylised" / "a.jpg").write_bytes(b"theirs")
    mark = {OWNER: "ours"}
    assert not store.put_owned("stylised/a.jpg", b"ours", "image/jpeg", mark)
    store.delete_owned("stylised/a.jpg", "ours")
    assert (tmp_path / "stylised" / "a.jpg").read_bytes() == b"theirs"


@pytest.mark.parametrize(
    "text", ["", "[", "[]", "{}", '{"metadata": 3}', "[" * 100_000, "9" * 5000]
)
def test_damaged_metadata_is_named(store: Any, tmp_path: Path, text: str) -> None:
    store.put("stylised/a.jpg", b"x", "image/jpeg", {})
    (tmp_path / PRIVATE / "stylised" / "a.jpg.json").write_text(text)
    with pytest.raises(ObjectNotFound, match="damaged"), store.open("stylised/a.jpg"):
        pass


def test_the_link_of_an_upload_is_no_link_to_read_it(
    pipeline: Any, tmp_path: Path, photo: bytes
) -> None:
    with serving(pipeline, tmp_path) as server:
        offered = server.offer()
        server.send(offered, photo)
        query = offered["url"].partition("?")[2]
        key = f"uploads/http/{offered['upload_id']}"
        assert server.get(f"/v1/files/{key}?{query}").status_code == 403
        document = json.loads(server.wait(offered["result_url"]).content)
        assert document["status"] == "done"
