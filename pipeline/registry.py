"""The models of a folder of weights, and which of them a job needs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from threading import Lock

from pipeline.domain import WeightSpec
from pipeline.engines import open_engine
from pipeline.enhance import RestorationModels
from pipeline.errors import InvalidOption, WeightsInvalid
from pipeline.faces import FaceCache, FaceDetector, FaceModels, FaceParser, FaceRestorer
from pipeline.model import Model
from pipeline.quality_model import QualityEstimator
from pipeline.settings import Options, Settings
from pipeline.stylise import StyleModel
from pipeline.weights import WeightStore


class ModelRegistry:
    """Hands out models; each is one object, opened when first used.

    The faces of the last photos are remembered, too. Safe for threads.

    Args:
        store: The folder of weights.
        settings: The engine, its threads and the tiles.
    """

    def __init__(self, store: WeightStore, settings: Settings) -> None:
        self.store = store
        self._settings = settings
        self._models: dict[tuple[str, str], Model] = {}
        self._lock = Lock()
        self._face_cache = FaceCache()

    def model(self, spec: WeightSpec, role: str) -> Model:
        """The model of one file of a network."""
        with self._lock:
            key = (spec.name, role)
            if key not in self._models:
                opener = partial(open_engine, self.store, spec, role, self._settings)
                self._models[key] = Model(spec, role, opener, self._settings.tile_px)
            return self._models[key]

    def style(self, name: str) -> StyleModel:
        """The networks of a style. Raises UnknownStyle."""
        spec = self.store.style(name)
        if spec.around:
            return replace(self.style(spec.around), heads=self._networks(spec))
        return self._networks(spec)

    def _networks(self, spec: WeightSpec) -> StyleModel:
        encoder = self.model(spec, "code") if spec.thumbnail_px else None
        return StyleModel(self.model(spec, "picture"), encoder)

    def open_style(self, style: StyleModel) -> None:
        """Opens the networks of a style.

        Raises:
            InvalidOption: Its files are missing or damaged: the caller may ask for another style,
                and no other is ever drawn in its place.
            EngineUnavailable: What runs it is not installed.
        """
        try:
            for model in style.models:
                model.open()
        except WeightsInvalid as error:
            raise InvalidOption(
                f"style {style.name} is not whole in the folder of weights: {error.message}",
                stage=error.stage,
                measured=error.measured or style.name,
                limit=error.limit,
            ) from error

    def upsampler(self) -> Model:
        """Enlarges drawings. Raises WeightsInvalid where there is none."""
        return self.model(self.store.require("upsampler"), "picture")

    def colouriser(self) -> Model:
        """Colours line drawings. Raises InvalidOption where the folder of weights has none."""
        return self.model(self.store.require("colouriser", "colour"), "picture")

    def restoration(self, options: Options) -> RestorationModels:
        """What restores a photo as the options ask.

        By default that is the restorer, where the folder has it or the quality model: both must
        be there.

        Raises:
            InvalidOption: An option asks for a network that is not there.
            WeightsInvalid: A network that is needed by default is not there.
        """
        store = self.store
        restorer, quality = store.find("restorer"), store.find("quality")
        mode, gate = options.enhance, options.gate
        if mode == "default":
            mode = "auto" if restorer or quality else "classic"
        if gate == "default":
            gate = "learned" if mode == "auto" else "laplacian"
        auto = "enhance=auto" if options.enhance == "auto" else None
        if mode == "auto":
            restorer = store.require("restorer", auto)
        if mode == "auto" or gate == "learned":
            learned = "gate=learned" if mode != "auto" else None
            quality = store.require("quality", auto or learned)
        else:
            quality = None
        esrgan = store.find("esrgan")
        return RestorationModels(
            mode=mode,
            gate=gate,
            quality=QualityEstimator(self.model(quality, "report")) if quality else None,
            restorer=self.model(restorer, "picture") if restorer else None,
            doubler=self.model(restorer, "double") if restorer else None,
            esrgan=self.model(esrgan, "picture") if esrgan else None,
        )

    def faces(self, options: Options) -> FaceModels | None:
        """What finds and parses faces; None where ``why_no_faces`` says why.

        Raises:
            InvalidOption: faces=on asks for a network that is not there.
        """
        if self.why_no_faces(options):
            return None
        detector, parser = (self.store.require(kind, "faces=on") for kind in ("detector", "parser"))
        quality, restorer = self.store.find("quality"), self.store.find("face_restorer")
        may_restore = restorer is not None and options.restore_faces == "auto"
        return FaceModels(
            detector=FaceDetector(self.model(detector, "faces")),
            parser=FaceParser(self.model(parser, "regions")),
            quality=QualityEstimator(self.model(quality, "report")) if quality else None,
            restorer=FaceRestorer(self._networks(restorer)) if restorer and may_restore else None,
            cache=self._face_cache,
            threads=self._settings.threads,
        )

    def why_no_faces(self, options: Options) -> str | None:
        """Why faces are not looked for; None where they are."""
        if options.faces == "off":
            return "switched off by the caller"
        if options.faces == "on":
            return None
        if self.store.style(options.style).faces_default == "off":
            return "the style leaves faces as they are drawn, unless faces=on"
        if not self.store.has_face_models:
            return "the layer has no face detector and parser"
        return None

    def needed(self, options: Options) -> list[Model]:
        """The models that a job with these options may need, the likeliest first.

        Raises:
            UnknownStyle, InvalidOption, WeightsInvalid: As ``style``, ``restoration``, ``faces``.
        """
        models: list[Model] = []
        restoration = self.restoration(options)
        if restoration.quality:
            models.append(restoration.quality.model)
        models += self.style(options.style).models
        if restoration.mode == "auto" and restoration.restorer:
            models.append(restoration.restorer)
        models.append(self.upsampler())
        faces = self.faces(options)
        if faces:
            models += [faces.detector.model, faces.parser.model]
        return models
