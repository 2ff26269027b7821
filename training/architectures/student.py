"""A student whole: the two networks that are served apart."""

from __future__ import annotations

from torch import Tensor, nn

from pipeline.architectures.student import StudentGenerator, StudentShape, ThumbnailEncoder


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
