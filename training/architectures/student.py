"""A student whole: the two networks that are served apart."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor, nn

from pipeline.architectures.student import StudentGenerator, StudentShape, ThumbnailEncoder

# Of the residual blocks; those beyond a style's six are for what is asked more of: a wider view.
DILATIONS = (*StudentShape().dilations, 4, 8, 2)


class Student(nn.Module):
    """The generator and its thumbnail encoder, trained and saved together."""

    def __init__(self, shape: StudentShape) -> None:
        super().__init__()
        self.generator = StudentGenerator(shape)
        self.encoder = ThumbnailEncoder(shape)

    def forward(self, picture: Tensor, thumbnail: Tensor) -> Tensor:
        """Drawings of pictures and the thumbnails of the photos that they are of."""
        drawing: Tensor = self.generator(picture, self.encoder(thumbnail))
        return drawing

    def begin_with(self, tensors: Mapping[str, Tensor]) -> None:
        """Takes over the tensors of a student with as many residual blocks, or fewer.

        The blocks that it has more change nothing at first (Net2DeeperNet: T. Chen et al.,
        "Net2Net", ICLR 2016, section 2.3).
        """
        had = {name: tensor.float() for name, tensor in tensors.items()}
        for number, block in enumerate(self.generator.blocks):
            if f"generator.blocks.{number}.second.weight" in had:
                continue
            for tensor in (block.second.weight, block.second.bias):
                nn.init.zeros_(tensor)
            had |= block.state_dict(prefix=f"generator.blocks.{number}.")
        self.load_state_dict(had)
