"""The int8 graphs of our own networks as they are served; see training/export/integer.py.

Each takes what training.export.onnx.quantise made of a module of pipeline/architectures, exported
by torch, and gives the same network on pixels: "picture" is uint8 (1, H, W, 3), and so is what
comes out.
"""

from __future__ import annotations

import numpy as np

from pipeline.architectures.restorer import LEVELS, RestorerShape
from pipeline.architectures.student import StudentShape
from pipeline.architectures.upsampler import UpsamplerShape, bilinear_kernel
from training.export.integer import (
    PIXELS,
    Convolution,
    Quantised,
    Scale,
    Shape,
    Writer,
    colours_last,
)

LEAST_GAIN = 1e-3  # a channel's gain is kept this far from zero, or its shift would be infinite
SIDES: Shape = [1, "height", "width", 3]
GUIDE: Shape = [1, "guide_height", "guide_width", 3]


def student_graph(quantised: bytes, shape: StudentShape) -> bytes:
    """A student generator: "picture" and "code", float32 (1, L, 1, 1), to uint8 (1, H, W, 4).

    The first three are the colours: rows of 12 channels would be slow, see pad_output_channels.
    """
    graph, writer = Quantised(quantised), Writer()
    half = shape.half_channels
    stem = graph.convolution("/stem/Conv").of_inputs(colours_last(2, 3)).of_pixels()
    down = graph.convolution("/down/Conv")
    edges = writer.convolve(writer.to_depth("picture", 2, 3), stem)
    y, scale = writer.convolve(edges, down), down.after
    parts = writer.split(writer.flat("code"), 2 * len(shape.modulated_blocks))
    for number in range(len(shape.dilations)):
        gain = shift = None
        if number in shape.modulated_blocks:
            place = 2 * shape.modulated_blocks.index(number)
            gain, shift = _away_from_zero(writer, parts[place]), parts[place + 1]
        y, scale = _block(graph, writer, number, (y, scale), gain, shift)
    up, merge = graph.convolution("/up/Conv"), graph.convolution("/merge/Conv")
    up = up.of_outputs(colours_last(2, half))
    fine = writer.to_space(writer.convolve(y, up), 2, half)
    both = writer.sum(fine, up.after, edges, stem.after, merge.before)
    with_fourth = np.pad(
        np.reshape(colours_last(2, 3), (4, 3)), ((0, 0), (0, 1)), constant_values=-1
    )
    head = graph.convolution("/head/Conv").of_outputs(with_fourth.ravel().tolist()).to_drawing()
    drawing = writer.to_space(writer.convolve(writer.convolve(both, merge), head), 2, 4)
    code: Shape = [1, shape.code_length, 1, 1]
    return writer.model({"picture": SIDES, "code": code}, drawing, 4)


def upsampler_graph(quantised: bytes, shape: UpsamplerShape) -> bytes:
    """An upsampler: "picture" and "guide", uint8 (1, 2H, 2W, 3), to uint8 (1, 2H, 2W, 3)."""
    graph, writer = Quantised(quantised), Writer()
    deep, guide = writer.to_depth("picture", 2, 3), writer.to_depth("guide", 4, 3)
    y = writer.add("Concat", deep, guide, axis=3)
    order = [*colours_last(2, 3), *(12 + channel for channel in colours_last(4, 3))]
    for number in range(shape.middle + 1):
        layer = graph.convolution(f"/body.{number}/Conv")
        if number == 0:
            layer = layer.of_inputs(order).of_pixels()
        y = writer.convolve(y, layer)
    head = graph.convolution("/head/Conv").of_outputs(colours_last(4, 3)).to_change()
    interpolated = writer.convolve(writer.bordered(deep, 1), interpolating(), padded=False)
    drawing = writer.sum(interpolated, PIXELS, writer.convolve(y, head), PIXELS, PIXELS)
    return writer.model({"picture": SIDES, "guide": GUIDE}, writer.to_space(drawing, 4, 3), 3)


def restorer_graph(quantised: bytes, shape: RestorerShape) -> bytes:
    """A restorer that keeps the size: "picture" and "level", float32 (1, 3, 1, 1).

    To uint8 (1, H, W, 3); the picture itself where the levels are zero.
    """
    graph, writer = Quantised(quantised), Writer()
    degrees = writer.add("Div", writer.flat("level"), writer.constant(graph.divisors(), np.float32))
    deep = writer.to_depth("picture", 4, 3)
    stem = graph.convolution("/stem/Conv").of_inputs(colours_last(4, 3)).of_pixels()
    y, scale = writer.convolve(deep, stem), stem.after
    for number in range(shape.blocks):
        shift = None
        if number % 2 == 0:
            shift = writer.multiply(graph.matrix(f"/blocks.{number}/shift/Conv"), degrees)
        y, scale = _block(graph, writer, number, (y, scale), None, shift)
    hidden = writer.add("Relu", writer.multiply(graph.matrix("/gate/first/Conv"), degrees))
    order = colours_last(4, 3)
    gate = writer.multiply(graph.matrix("/gate/second/Conv")[order], hidden)
    head = graph.convolution("/head/Conv").of_outputs(order).to_change()
    restored = writer.sum(deep, PIXELS, writer.convolve(y, head, gate), PIXELS, PIXELS)
    level: Shape = [1, LEVELS, 1, 1]
    return writer.model({"picture": SIDES, "level": level}, writer.to_space(restored, 4, 3), 3)


def _block(
    graph: Quantised,
    writer: Writer,
    number: int,
    before: tuple[str, Scale],
    gain: str | None,
    shift: str | None,
) -> tuple[str, Scale]:
    """A residual block: two convolutions, the first modulated, added to ``before``."""
    y, scale = before
    first, second = (
        graph.convolution(f"/blocks.{number}/{name}/Conv") for name in ("first", "second")
    )
    if shift:
        # what is added up has the scale that follows the rectifier: negative sums clip at zero
        modulated = graph.after(f"/blocks.{number}/{'Mul' if gain else 'first/Conv'}")
        inner = writer.convolve(y, first.changed(after=modulated), gain)
        inner = writer.shifted(inner, modulated, shift, second.before)
    else:
        inner = writer.convolve(y, first.changed(after=second.before))
    # where it is modulated, an addition comes before that of the block
    after = graph.after(f"/blocks.{number}/Add" + ("_1" if shift else ""))
    total = writer.sum(y, scale, writer.convolve(inner, second), second.after, after)
    return total, after


def interpolating() -> Convolution:
    """Pixels ``to_depth`` by 2 to the blocks of 4x4 of bilinear interpolation.

    The middle that PIXELS takes away comes back: the weights of an output sum to 1.
    """
    rows, columns = colours_last(4, 3), colours_last(2, 3)
    weights = bilinear_kernel().numpy().astype(np.int8)[rows][:, columns]
    count = len(weights)
    steps, biases = np.full(count, 1 / 16, np.float32), np.zeros(count, np.int32)
    return Convolution(weights, steps, biases, 1, 1, PIXELS, PIXELS)


def _away_from_zero(writer: Writer, gain: str) -> str:
    least = writer.constant(LEAST_GAIN, np.float32)
    return writer.add("Where", writer.add("Less", writer.add("Abs", gain), least), least, gain)
