"""The networks of a layer, opened when they are first needed, and what the stages are lent of
them.
"""

from __future__ import annotations

from threading import Lock

from pipeline.domain import Engine, Picture, QualityEstimate, WeightSpec
from pipeline.engines import open_engine
from pipeline.enhance import Tools
from pipeline.errors import InvalidOption, WeightsInvalid
from pipeline.faces import FaceTools, Landmarks, photo_key
from pipeline.faces.detect import HINT_SCORE, LEAST_SCORE, detect
from pipeline.faces.parse import parse
from pipeline.faces.tools import Detect
from pipeline.quality import estimate
from pipeline.settings import Options, Settings
from pipeline.weights import Layer


class Networks:
    """The networks of ``layer``: each is read, hashed and opened when it is first needed, and
    once. Where the faces of the last photos were is remembered, too.
    """

    def __init__(self, layer: Layer, settings: Settings) -> None:
        self.layer = layer
        self._settings = settings
        self._engines: dict[tuple[str, str], Engine] = {}
        self._opening = Lock()
        self._landmarks = Landmarks()

    def engine(self, spec: WeightSpec, role: str) -> Engine:
        """The opened file of that role. Raises WeightsInvalid, EngineUnavailable."""
        name = (spec.name, role)
        if name not in self._engines:
            with self._opening:
                if name not in self._engines:
                    self._engines[name] = open_engine(self.layer, spec, role, self._settings)
        return self._engines[name]

    def is_open(self, style: WeightSpec) -> bool:
        """Whether a style has drawn already."""
        return (style.name, "picture") in self._engines

    def style_engines(self, style: WeightSpec) -> tuple[Engine, Engine | None]:
        """What draws in a style: its picture network, and that of its code where it has one.

        Raises InvalidOption for a style that is not whole in the folder of weights: the caller
        may ask for another, and no other is ever drawn in its place.
        """
        try:
            picture = self.engine(style, "picture")
            return picture, self.engine(style, "code") if style.thumbnail_px else None
        except WeightsInvalid as error:
            raise InvalidOption(
                f"style {style.name} is not whole in the folder of weights: {error.message}",
                stage=error.stage,
                measured=error.measured or style.name,
                limit=error.limit,
            ) from error

    def tools(self, options: Options) -> Tools:
        """What the repair takes that the options ask for. By default the restorer repairs where
        the layer has it, or the quality model; with one of them alone the layer is not whole.

        Raises InvalidOption when an option asks for a network that is not in the layer,
        WeightsInvalid when one is wanted by default.
        """
        layer = self.layer
        restorer, quality = layer.find("restorer"), layer.find("quality")
        mode, gate = options.enhance, options.gate
        if mode == "default":
            mode = "auto" if restorer or quality else "classic"
        if gate == "default":
            gate = "learned" if mode == "auto" else "laplacian"
        auto = "enhance=auto" if options.enhance == "auto" else None
        if mode == "auto":
            restorer = layer.the("restorer", auto)
        if mode == "auto" or gate == "learned":
            quality = layer.the("quality", auto or ("gate=learned" if mode != "auto" else None))
        return Tools(
            mode=mode,
            gate=gate,
            tile_px=self._settings.tile_px,
            thresholds=dict(quality.thresholds) if quality else {},
            restorer=restorer,
            open_restorer=lambda role: self.engine(layer.the("restorer"), role),
            esrgan=layer.find("esrgan"),
            open_esrgan=lambda: self.engine(layer.the("esrgan"), "picture"),
            estimate=self._estimate,
        )

    def face_tools(self, options: Options, digest: str) -> FaceTools | None:
        """What finds faces; None where that is switched off, or by default where the style leaves
        them alone or the layer has not both networks. Raises InvalidOption for one that is asked
        for and not there.
        """
        if self.why_no_faces(options):
            return None
        layer = self.layer
        detector, parser = (layer.the(kind, "faces=on") for kind in ("detector", "parser"))

        def detecting(least_score: float) -> Detect:
            return lambda pixels: detect(
                pixels, detector, self.engine(detector, "faces"), least_score=least_score
            )

        return FaceTools(
            search=detecting(HINT_SCORE),
            detect=detecting(LEAST_SCORE),
            parse=lambda crop: parse(crop, parser, self.engine(parser, "regions")),
            landmarks=self._landmarks,
            key=photo_key(digest, options),
            threads=self._settings.threads,
        )

    def why_no_faces(self, options: Options) -> str | None:
        """Why faces are not looked for; None where they are."""
        if options.faces == "off":
            return "switched off by the caller"
        if options.faces == "on":
            return None
        if self.layer.style(options.style).faces_default == "off":
            return "the style leaves faces as they are drawn, unless faces=on"
        if not self.layer.has_face_nets:
            return "the layer has no face detector and parser"
        return None

    def _estimate(self, pixels: Picture) -> QualityEstimate:
        spec = self.layer.the("quality")
        return estimate(pixels, spec, self.engine(spec, "report"))
