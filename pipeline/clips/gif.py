"""GIF: one palette for all frames, and a dither that stays where it is.

The frames are kept, compressed, until the last has come; then the palette is made from the colours
of all of them. Where a colour lies between two of the palette, a pixel takes one or the other by a
pattern that is fixed in space: what stands still in the clip stands still in the GIF.

Sources: weighted k-means (Lloyd, 1982); mixing two colours of a palette (Yliluoma, "Arbitrary-
palette positional dithering", 2011); interleaved gradient noise (Jimenez, SIGGRAPH 2014).
"""

from __future__ import annotations

import os
import struct
from fractions import Fraction

import cv2
import numpy as np
from av import VideoFrame
from numpy.typing import NDArray
from PIL import Image

from pipeline.clips.container import open_output
from pipeline.clips.domain import WriterSettings
from pipeline.domain import GrayImage, Photo, RgbImage
from pipeline.errors import TooManyBytes

COLOURS = 255  # and one that is transparent
CLOCK = 100  # ticks a second
BITS = 6  # of a channel, in the histogram and in the table
SIDE = 1 << BITS
# A channel's value to the nearest step: black and white stay what they are.
ROUNDED = np.rint(np.arange(256) * ((SIDE - 1) / 255)).astype(np.int32)
ROUNDS = 12  # of k-means
RARE = 0.6  # exponent of a colour's count: an eye's colour is worth more than its share
CANDIDATES = 6  # nearest colours of the palette that are tried as pairs
SPREAD_COST = 0.08  # of a pair's distance, against its error: a coarse pattern is seen
CHUNK = 16_384  # of cells whose distances are computed at once
MAX_SPOOL_BYTES = 2_000_000_000
TIMES = struct.Struct("<qqI")


class GifSink:
    """A GIF that frames are written to, one after another.

    Args:
        descriptor: The open file, empty.
        spool: Another open file, where frames wait.
        size: Width and height of the frames.
        settings: How.
    """

    sound = "none"

    def __init__(
        self, descriptor: int, spool: int, size: tuple[int, int], settings: WriterSettings
    ) -> None:
        self._descriptor, self._spool = descriptor, spool
        self._size, self._settings = size, settings
        self._counts = np.zeros(SIDE**3, np.int64)
        self._last = -1
        self._spooled = 0

    def write(self, photo: Photo, time_s: float, duration_s: float) -> None:
        """Keeps one frame. Raises TooManyBytes when the frames fill the spool."""
        time = max(self._last + 1, round(time_s * CLOCK)) if self._last >= 0 else 0
        self._last = time
        ends = max(time + 1, round((time_s + duration_s) * CLOCK))
        pixels = photo.pixels
        if photo.alpha is None:
            self._counts += np.bincount(_cells(pixels).ravel(), minlength=SIDE**3)
            planes = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
        else:
            seen = _cells(pixels)[photo.alpha >= 128]
            self._counts += np.bincount(seen.ravel(), minlength=SIDE**3)
            planes = np.dstack((cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR), photo.alpha))
        _, png = cv2.imencode(".png", planes, [cv2.IMWRITE_PNG_COMPRESSION, 1])
        self._keep(TIMES.pack(time, ends, len(png)) + png.tobytes())

    def close(self) -> None:
        """Makes the palette and writes the file."""
        palette = palette_of(self._counts)
        dither = Dither(palette, np.flatnonzero(self._counts))
        entries = np.zeros((256, 4), np.uint8)  # alpha, red, green, blue
        entries[:COLOURS, 0], entries[:COLOURS, 1:] = 255, palette
        loops = self._settings.loops
        # it states repetitions, and -1 for none
        repeats = 0 if loops == 0 else loops - 1 or -1
        output = open_output(self._descriptor, "gif", {"loop": str(repeats)})
        options = {"gifflags": "+offsetting+transdiff", "global_palette": "1"}
        stream = output.add_stream("gif", rate=Fraction(CLOCK), options=options)
        stream.width, stream.height = self._size
        stream.pix_fmt = "pal8"
        stream.time_base = stream.codec_context.time_base = Fraction(1, CLOCK)
        at = 0
        while at < self._spooled:
            time, ends, length = TIMES.unpack(os.pread(self._spool, TIMES.size, at))
            png = os.pread(self._spool, length, at + TIMES.size)
            at += TIMES.size + length
            stored = np.asarray(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_UNCHANGED))
            alpha = stored[..., 3] if stored.shape[2] == 4 else None
            indices = dither(np.ascontiguousarray(stored[..., 2::-1]), alpha)
            frame = VideoFrame.from_ndarray((indices, entries), format="pal8")  # type: ignore[arg-type]
            frame.pts, frame.time_base = time, Fraction(1, CLOCK)
            frame.duration = ends - time
            for packet in stream.encode(frame):
                packet.duration = ends - time
                output.mux_one(packet)
        for packet in stream.encode(None):
            output.mux_one(packet)
        output.close()

    def _keep(self, data: bytes) -> None:
        if self._spooled + len(data) > MAX_SPOOL_BYTES:
            raise TooManyBytes(
                "the clip is too large for a GIF: ask for MP4, or for a smaller picture",
                stage="encode",
                limit=MAX_SPOOL_BYTES,
            )
        os.pwrite(self._spool, data, self._spooled)
        self._spooled += len(data)


def palette_of(counts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """The palette of a histogram.

    Args:
        counts: (SIDE ** 3,) how often each cell of RGB occurs.

    Returns:
        uint8 (COLOURS, 3) RGB.
    """
    cells = np.flatnonzero(counts)
    if cells.size == 0:
        return np.zeros((COLOURS, 3), np.uint8)
    colours = _centres()[cells]
    weights = counts[cells].astype(np.float64) ** RARE
    lab = _lab(colours)
    if cells.size <= COLOURS:
        return _filled(colours)
    centres = lab[_median_cut(colours, weights)]
    for _ in range(ROUNDS):
        nearest = _distances(lab, centres).argmin(axis=1)
        sums = np.stack(
            [np.bincount(nearest, weights * lab[:, n], len(centres)) for n in range(3)], axis=1
        )
        shares = np.bincount(nearest, weights, len(centres))
        centres = np.where(shares[:, None] > 0, sums / np.maximum(shares, 1e-9)[:, None], centres)
    return _filled(_rgb(centres))


class Dither:
    """Pixels to indices of a palette.

    Args:
        palette: uint8 (COLOURS, 3) RGB.
        cells: Which cells of RGB occur.
    """

    def __init__(self, palette: NDArray[np.uint8], cells: NDArray[np.intp]) -> None:
        self._first = np.zeros(SIDE**3, np.uint8)
        self._second = np.zeros(SIDE**3, np.uint8)
        self._share = np.zeros(SIDE**3, np.float32)
        centres, own = _centres(), _lab(palette)
        for at in range(0, len(cells), CHUNK):
            chunk = cells[at : at + CHUNK]
            self._match(chunk, _lab(centres[chunk]), own)

    def _match(
        self, cells: NDArray[np.intp], lab: NDArray[np.float64], own: NDArray[np.float64]
    ) -> None:
        """For each cell the nearest colour, a second one, and the share of that."""
        distances = _distances(lab, own)
        near = np.argpartition(distances, CANDIDATES, axis=1)[:, :CANDIDATES]
        first = distances.argmin(axis=1)
        best = np.full(len(lab), np.inf)
        seconds, shares = first.copy(), np.zeros(len(lab))
        for other in near.T:
            span = own[other] - own[first]
            length = np.maximum((span**2).sum(axis=1), 1e-9)
            share = (((lab - own[first]) * span).sum(axis=1) / length).clip(0, 0.5)
            error = np.linalg.norm(lab - own[first] - share[:, None] * span, axis=1)
            error += SPREAD_COST * np.sqrt(length)
            better = error < best
            best = np.where(better, error, best)
            seconds = np.where(better, other, seconds)
            shares = np.where(better, share, shares)
        self._first[cells], self._second[cells] = first, seconds
        self._share[cells] = shares

    def __call__(self, pixels: RgbImage, alpha: GrayImage | None) -> GrayImage:
        """Indices uint8 (H, W); 255 where ``alpha`` is under a half."""
        cells = _cells(pixels)
        first = self._first[cells]
        second = self._second[cells]
        taken = self._share[cells] > noise(*pixels.shape[:2])
        indices = np.where(taken, second, first)
        if alpha is not None:
            indices = np.where(alpha >= 128, indices, np.uint8(255))
        return np.ascontiguousarray(indices, np.uint8)


def noise(height: int, width: int) -> NDArray[np.float32]:
    """A threshold from 0 to 1 for each pixel, the same in every frame."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    inner = np.modf(np.float32(0.06711056) * columns + np.float32(0.00583715) * rows)[0]
    return np.asarray(np.modf(np.float32(52.9829189) * inner)[0], np.float32)


def _cells(pixels: RgbImage) -> NDArray[np.int32]:
    parts = ROUNDED[pixels]
    return parts[..., 0] << 2 * BITS | parts[..., 1] << BITS | parts[..., 2]


def _centres() -> NDArray[np.uint8]:
    """The colour of each cell."""
    steps = np.rint(np.arange(SIDE) * 255 / (SIDE - 1)).astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), axis=-1)
    return grid.reshape(-1, 3)


def _median_cut(colours: NDArray[np.uint8], weights: NDArray[np.float64]) -> NDArray[np.intp]:
    """Numbers of the colours nearest to what median cut gives, to begin with."""
    repeats = np.ceil(weights / weights.sum() * 200_000).astype(int)
    line = Image.fromarray(np.repeat(colours, repeats, axis=0)[None])
    cut = line.quantize(COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    begun = np.asarray(cut.getpalette(), np.uint8).reshape(-1, 3)
    nearest = _distances(_lab(begun), _lab(colours)).argmin(axis=1)
    return np.flatnonzero(np.bincount(nearest, minlength=len(colours)))


def _distances(points: NDArray[np.floating], centres: NDArray[np.floating]) -> NDArray[np.floating]:
    """Squared, (points, centres)."""
    squares = (points**2).sum(axis=1)[:, None] + (centres**2).sum(axis=1)[None]
    return squares - 2 * points @ centres.T


def _lab(colours: NDArray[np.uint8]) -> NDArray[np.float64]:
    values = colours.astype(np.float32)[None] / 255
    return np.asarray(cv2.cvtColor(values, cv2.COLOR_RGB2Lab)[0], np.float64)


def _rgb(lab: NDArray[np.float64]) -> NDArray[np.uint8]:
    values = cv2.cvtColor(lab.astype(np.float32)[None], cv2.COLOR_Lab2RGB)[0]
    return np.rint(values * 255).clip(0, 255).astype(np.uint8)


def _filled(colours: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """COLOURS rows, the last of the given ones repeated."""
    missing = COLOURS - len(colours)
    return np.pad(colours[:COLOURS], ((0, max(0, missing)), (0, 0)), mode="edge")
