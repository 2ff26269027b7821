"""Clips that are damaged, lie, ask for too much, or name other files; made in memory."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
from clips_made import STBL, animation, changed_box, only_sound, picture, video, with_matrix

from pipeline.formats.boxes import boxes

FAST = {"preset": "ultrafast", "bf": "0"}
HOSTILE_URL = "http://127.0.0.1:{port}/stolen"


def bad_clips(port: int) -> Iterator[tuple[str, bytes]]:
    """Name and content of each; ``port`` is where files that name an address send one."""
    mp4 = video(frames=24, sound="aac", options=FAST)
    webm = video("libvpx-vp9", "webm", frames=8, sound="libopus", options={"cpu-used": "8"})
    yield from _cut_off(mp4, webm)
    yield from _without_picture()
    yield from _of_odd_times(webm)
    yield from _of_odd_sizes(mp4)
    yield from _encrypted(mp4)
    yield from _playlists(port)
    yield from _naming_others(mp4, port)
    yield from _bombs()
    yield from _scrambled(mp4, webm)


def _cut_off(mp4: bytes, webm: bytes) -> Iterator[tuple[str, bytes]]:
    fast = video(frames=24, options=FAST, container_options={"moov_size": "8000"})
    for share in (5, 40, 60, 80, 99):
        yield f"cut-{share}.mp4", fast[: len(fast) * share // 100]
    yield "cut-index-missing.mp4", mp4[: len(mp4) * 60 // 100]
    for share in (3, 50, 90):
        yield f"cut-{share}.webm", webm[: len(webm) * share // 100]
    for format, ending in (("GIF", "gif"), ("WEBP", "webp"), ("PNG", "png"), ("AVIF", "avif")):
        data = animation(format)
        for share in (50, 90):
            yield f"cut-{share}.{ending}", data[: len(data) * share // 100]


def _without_picture() -> Iterator[tuple[str, bytes]]:
    yield "sound-only.mp4", only_sound()
    yield "sound-only.webm", only_sound("libopus", "webm")
    yield "subtitles-only.mp4", _subtitles("mp4", "mov_text")
    yield "subtitles-only.mkv", _subtitles("matroska", "subrip")
    yield "subtitles.srt", b"1\n00:00:00,000 --> 00:00:01,000\nhello\n"
    yield "subtitles.vtt", b"WEBVTT\n\n00:00.000 --> 00:01.000\nhello\n"
    one = video(frames=1, options=FAST)
    yield "frames-1.mp4", one
    yield "frames-1.webm", video("libvpx-vp9", "webm", frames=1, options={"cpu-used": "8"})
    none = one
    for name in (b"stsz", b"stts", b"stsc", b"stco"):
        at = {b"stsz": 12}.get(name, 8)
        none = changed_box(
            none,
            (*STBL, name),
            lambda body, at=at: body[: at - 4] + bytes(4) + body[at:][:0],  # type: ignore[misc]
        )
    yield "frames-0.mp4", none
    webm = video("libvpx-vp9", "webm", frames=1, options={"cpu-used": "8"})
    yield "frames-0.webm", webm[: webm.index(b"\x1f\x43\xb6\x75")]


def _subtitles(container: str, codec: str) -> bytes:
    file = io.BytesIO()
    output = av.open(file, "w", format=container)
    stream: Any = output.add_mux_stream(codec)
    stream.time_base = Fraction(1, 1000)
    packet = av.Packet(b"\0\x05hello" if codec == "mov_text" else b"hello")
    packet.stream, packet.pts, packet.dts, packet.duration = stream, 0, 0, 1000
    output.mux(packet)
    output.close()
    return file.getvalue()


def _of_odd_times(webm: bytes) -> Iterator[tuple[str, bytes]]:
    yield "rate-10000.mp4", video(times=list(range(0, 9 * 40, 9)), options=FAST)
    mp4 = video(options=FAST)
    stated = (b"moov", b"trak", b"mdia", b"mdhd")
    for name, duration in (("hour", 3600 * 90_000), ("zero", 0), ("endless", 2**32 - 1)):
        yield (
            f"duration-{name}.mp4",
            changed_box(
                mp4,
                stated,
                lambda body, duration=duration: (  # type: ignore[misc]
                    body[:16] + struct.pack(">I", duration & 0xFFFFFFFF) + body[20:]
                ),
            ),
        )
    for name, ticks in (("all-at-once", 0), ("hours-apart", 2**31 - 1), ("backwards", 2**32 - 5)):
        yield (
            f"times-{name}.mp4",
            changed_box(
                mp4,
                (*STBL, b"stts"),
                lambda body, ticks=ticks: body[:8] + struct.pack(">II", 12, ticks),  # type: ignore[misc]
            ),
        )
    yield (
        "clock-zero.mp4",
        changed_box(mp4, stated, lambda body: body[:12] + bytes(4) + body[16:]),
    )
    at = webm.index(b"\x44\x89\x88") + 3
    yield "duration-wrong.webm", webm[:at] + struct.pack(">d", 1e12) + webm[at + 8 :]
    yield (
        "times-jump.webm",
        video(
            "libvpx-vp9", "webm", times=[0, 3000, 6000, 90_000 * 4000], options={"cpu-used": "8"}
        ),
    )


def _of_odd_sizes(mp4: bytes) -> Iterator[tuple[str, bytes]]:
    def sized(width: int, height: int) -> bytes:
        size = struct.pack(">HH", width, height)
        return changed_box(
            mp4, (*STBL, b"stsd", b"avc1"), lambda body: body[:24] + size + body[28:]
        )

    yield "side-16384.mp4", _large(16_384, 1024)
    yield "side-16384-stated.mp4", sized(16_384, 16_384)
    yield "side-0.mp4", sized(0, 0)
    yield "side-small.mp4", sized(16, 16)
    yield "long-16384.mp4", video(frames=2, size=(16_384, 16), options=FAST)
    yield "size-changes.webm", _changing((96, 64), (192, 128))
    yield "size-explodes.webm", _changing((96, 64), (2048, 1536))
    yield "slanted.mp4", with_matrix(mp4, 1, 0.3, -0.5, 1)
    yield "matrix-zero.mp4", with_matrix(mp4, 0, 0, 0, 0)


def _large(width: int, height: int) -> bytes:
    """One green frame."""
    file = io.BytesIO()
    output = av.open(file, "w", format="mp4")
    stream: Any = output.add_stream("libx264", rate=24, options=FAST)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    for frame in (av.VideoFrame(width, height, "yuv420p"), None):
        output.mux(stream.encode(frame))
    output.close()
    return file.getvalue()


def _changing(*sizes: tuple[int, int]) -> bytes:
    """A track of VP9 whose frames change their size."""
    file = io.BytesIO()
    output = av.open(file, "w", format="webm")
    target: Any = None
    for number, size in enumerate(sizes):
        data = video(
            "libvpx-vp9",
            "webm",
            frames=3,
            size=size,
            options={"cpu-used": "8", "lag-in-frames": "0"},
        )
        with av.open(io.BytesIO(data), "r") as source:
            stream = source.streams.video[0]
            target = target or output.add_stream_from_template(stream)
            for packet in source.demux(stream):
                if packet.size and packet.pts is not None and packet.dts is not None:
                    packet.pts += number * 200
                    packet.dts += number * 200
                    packet.stream = target
                    output.mux(packet)
    output.close()
    return file.getvalue()


def _encrypted(mp4: bytes) -> Iterator[tuple[str, bytes]]:
    yield (
        "encrypted.mp4",
        video(
            options=FAST,
            container_options={
                "encryption_scheme": "cenc-aes-ctr",
                "encryption_key": "0123456789abcdef" * 2,
                "encryption_kid": "fedcba9876543210" * 2,
            },
        ),
    )
    yield (
        "encrypted-without-key.mp4",
        changed_box(
            mp4,
            (*STBL, b"stsd"),
            lambda body: body.replace(b"avc1", b"encv", 1),
        ),
    )


def _playlists(port: int) -> Iterator[tuple[str, bytes]]:
    url = HOSTILE_URL.format(port=port)
    yield "playlist.m3u8", f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}.ts\n".encode()
    yield "master.m3u8", f"#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{url}.m3u8\n".encode()
    yield "list.pls", f"[playlist]\nFile1={url}.mp4\n".encode()
    yield "script.ffconcat", f"ffconcat version 1.0\nfile '{url}.mp4'\nfile /etc/passwd\n".encode()
    yield "session.sdp", b"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\n"
    yield "manifest.mpd", f'<?xml version="1.0"?><MPD><BaseURL>{url}</BaseURL></MPD>'.encode()
    yield (
        "reference.mov",
        _box(b"moov", _box(b"rmra", _box(b"rmda", _box(b"rdrf", bytes(4) + b"url " + _text(url))))),
    )


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", len(content) + 8, name) + content


def _text(value: str) -> bytes:
    return struct.pack(">I", len(value) + 1) + value.encode() + b"\0"


def _naming_others(mp4: bytes, port: int) -> Iterator[tuple[str, bytes]]:
    """Data references to other files: ISO/IEC 14496-12, 8.7.2; QuickTime's aliases."""
    place = (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref")
    url = HOSTILE_URL.format(port=port)
    alias = bytearray(160)
    alias[0:4], alias[8:10] = struct.pack(">I", 0), struct.pack(">H", 150)
    alias[60:72] = b"\x0b/etc/passwd"
    for name, entry in (
        ("url", _box(b"url ", bytes(4) + url.encode() + b"\0")),
        ("file", _box(b"url ", bytes(4) + b"file:///etc/passwd\0")),
        ("urn", _box(b"urn ", bytes(4) + b"name\0" + url.encode() + b"\0")),
        ("alias", _box(b"alis", bytes(4) + bytes(alias))),
    ):
        content = struct.pack(">II", 0, 1) + entry
        yield f"names-{name}.mp4", changed_box(mp4, place, lambda _, content=content: content)  # type: ignore[misc]


def _bombs() -> Iterator[tuple[str, bytes]]:
    mp4 = video(frames=2, options=FAST)
    yield (
        "samples-2-billion.mp4",
        changed_box(mp4, (*STBL, b"stsz"), lambda _: struct.pack(">III", 0, 1, 2**31 - 1)),
    )
    yield (
        "times-2-billion.mp4",
        changed_box(mp4, (*STBL, b"stts"), lambda _: struct.pack(">IIII", 0, 1, 2**31 - 1, 1)),
    )
    edits = struct.pack(">II", 0, 60_000) + struct.pack(">IiI", 40, 0, 65536) * 60_000
    yield (
        "edits-60000.mp4",
        changed_box(mp4, (b"moov", b"trak", b"edts", b"elst"), lambda _: edits),
    )
    track = next(
        mp4[begin - 8 : stop]
        for _, start, end in boxes(mp4, 0, len(mp4))
        if mp4[start - 4 : start] == b"moov"
        for name, begin, stop in boxes(mp4, start, end)
        if name == b"trak"
    )
    yield "tracks-3000.mp4", changed_box(mp4, (b"moov",), lambda body: body + track * 3000)
    nested = b""
    for _ in range(3000):
        nested = struct.pack(">I4s", len(nested) + 8, b"moov") + nested
    yield "nested.mp4", _box(b"ftyp", b"isom\0\0\0\0") + nested[:400_000]
    yield "nested.avif", _box(b"ftyp", b"avis\0\0\0\0avis") + nested[:400_000]
    gif = animation("GIF", frames=2)
    body = gif[gif.index(b"\x21\xf9") : -1]
    yield "frames-20000.gif", gif[: gif.index(b"\x21\xf9")] + body * 10_000 + b"\x3b"
    webp = bytearray(animation("WEBP", frames=2))
    webp[24:30] = b"\xff\x3f\x00\xff\x3f\x00"
    yield "canvas-16384.webp", bytes(webp)
    png = bytearray(animation("PNG", frames=2))
    png[16:24] = struct.pack(">II", 40_000, 40_000)
    png[29:33] = struct.pack(">I", zlib.crc32(png[12:29]))
    yield "canvas-40000.png", bytes(png)
    avif = animation("AVIF", frames=2)
    at = avif.index(b"stts") + 12
    yield (
        "times-4-billion.avif",
        avif[: at - 4] + struct.pack(">III", 1, 2**32 - 1, 1) + avif[at + 8 :],
    )
    yield (
        "void.mkv",
        b"\x1aE\xdf\xa3\x80\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff" + b"\xec\x80" * 50_000,
    )


def _scrambled(mp4: bytes, webm: bytes) -> Iterator[tuple[str, bytes]]:
    chance = random.Random(5)
    for name, data in (("mp4", mp4), ("webm", webm), ("gif", animation("GIF"))):
        for number in range(3):
            changed = bytearray(data)
            for _ in range(20):
                changed[chance.randrange(12, len(data))] = chance.randrange(256)
            yield f"scrambled-{number}.{name}", bytes(changed)
    yield "empty.mp4", b""
    yield "zeros.mp4", _box(b"ftyp", b"isom\0\0\0\0") + bytes(100_000)
    yield "picture.png", picture(0).tobytes()
