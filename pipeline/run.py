"""The pipeline: the stages in order, their timings, and the engines they share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from threading import Lock, Thread

from pipeline import VERSION
from pipeline.budget import Budget, Costs, Plan, affordable, expected_s
from pipeline.decode import fit
from pipeline.decoder import Decoder
from pipeline.domain import (
    Decision,
    Engine,
    Output,
    Photo,
    Picture,
    QualityEstimate,
    QualityReport,
    Result,
    Sidecar,
    WeightFile,
    WeightSpec,
    WeightUse,
)
from pipeline.encode import encode
from pipeline.engines import open_engine
from pipeline.enhance import Tools, enhance, planned
from pipeline.enlarge import enlarge
from pipeline.errors import KireiError
from pipeline.faces import (
    Brush,
    FaceTools,
    Landmarks,
    find_faces,
    looked_at_again,
    photo_key,
    redraw_faces,
    refine_faces,
)
from pipeline.faces.detect import HINT_SCORE, LEAST_SCORE, detect
from pipeline.faces.parse import parse
from pipeline.faces.tools import Detect
from pipeline.measure import measure
from pipeline.quality import assess, estimate
from pipeline.repair import repair
from pipeline.settings import Options, Settings
from pipeline.sidecar import SCHEMA_VERSION, fingerprint
from pipeline.stylise import part_by_part, stylise, working_size
from pipeline.timings import Timings, timed
from pipeline.weights import Layer


class Pipeline:
    """The stages with their settings. What outlives a photo is only opened engines, and where
    the faces of the last photos were.

    Opening is lazy: a network is read, hashed and opened when a photo first needs it, and once.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._layer = Layer(settings.weights_dir, settings.checkpoints_dir)
        self._engines: dict[tuple[str, str], Engine] = {}
        self._opening = Lock()
        self._decoder = Decoder(settings)
        self._costs = Costs()
        self._landmarks = Landmarks()

    @property
    def version(self) -> str:
        """The package's version, and eight digits that stand for the weights and the settings
        that change a picture. Equal versions give equal pictures.
        """
        settings = self.settings
        # tile_px: the limit of a style that is drawn whole
        chosen = (
            f"{self._layer.digest} {settings.engine} {settings.blur_variance_min} "
            f"{settings.tile_px}"
        )
        return f"{VERSION}+{hashlib.sha256(chosen.encode()).hexdigest()[:8]}"

    def styles(self) -> tuple[WeightSpec, ...]:
        """The styles that the layer holds, by name."""
        specs = sorted(self._layer.specs.values(), key=lambda spec: spec.name)
        return tuple(spec for spec in specs if spec.kind == "style")

    def style(self, name: str) -> WeightSpec:
        """The style of that name. Raises UnknownStyle with the names there are."""
        return self._layer.style(name)

    def check(self, options: Options) -> None:
        """Before any photo: raises UnknownStyle and InvalidOption for what the layer cannot do, and
        WeightsInvalid when a network that repairs photos is not in the layer or not as listed.
        """
        self._layer.style(options.style)
        self._decoder.warm()  # photos are about to come
        tools = self.tools(options)
        if tools.mode == "auto":
            tools.open_restorer("picture")
        if tools.needs_estimate:
            self._engine(self._layer.the("quality"), "report")
        self.face_tools(options, "")

    def open_ahead(self, options: Options) -> Thread:
        """Opens, in the background, the networks that a photo with these options may need, while
        its bytes are still on their way. What cannot be opened is left for ``run`` to raise.
        """
        self._decoder.warm()

        def open_all() -> None:
            with suppress(KireiError):
                style, tools = self._layer.style(options.style), self.tools(options)
                if tools.needs_estimate:
                    self._engine(self._layer.the("quality"), "report")
                for role in style.files:
                    if role != "float":
                        self._engine(style, role)
                if tools.mode == "auto":
                    tools.open_restorer("picture")
                self._engine(self._layer.upsampler, "picture")
                if self.face_tools(options, ""):
                    self._engine(self._layer.the("detector"), "faces")
                    self._engine(self._layer.the("parser"), "regions")

        thread = Thread(target=open_all, name="open_ahead")
        thread.start()
        return thread

    def verify(self) -> list[tuple[WeightSpec, str, WeightFile]]:
        """Hashes every served file. Raises WeightsInvalid for the first that differs."""
        return self._layer.verify()

    def tools(self, options: Options) -> Tools:
        """What the repair takes that the options ask for. By default the restorer repairs where
        the layer has it, or the quality model; with one of them alone the layer is not whole.

        Raises InvalidOption when an option asks for a network that is not in the layer,
        WeightsInvalid when one is wanted by default.
        """
        layer = self._layer
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
            tile_px=self.settings.tile_px,
            thresholds=dict(quality.thresholds) if quality else {},
            restorer=restorer,
            open_restorer=lambda role: self._engine(layer.the("restorer"), role),
            esrgan=layer.find("esrgan"),
            open_esrgan=lambda: self._engine(layer.the("esrgan"), "picture"),
            estimate=self._estimate,
        )

    def assess(self, photo: Photo, tools: Tools) -> QualityReport:
        """What the gate measures on a photo, with the quality model's estimate if it is asked."""
        report = assess(photo, self.settings)
        if tools.needs_estimate:
            report = replace(report, estimate=tools.estimate(photo.pixels))
        return report

    def run(
        self,
        data: bytes,
        options: Options,
        *,
        bucket: str | None = None,
        key: str | None = None,
        version_id: str | None = None,
        etag: str | None = None,
        on_stage: Callable[[str], object] | None = None,
        time_left_s: float | None = None,
    ) -> Result:
        """in: a file's bytes and where they came from, if anywhere; out: the picture and its
        sidecar. ``on_stage`` is told the name of each stage as it begins. Where ``time_left_s``
        or the memory is too little for all that is wanted, less is done, and the sidecar says so.

        Raises PermanentError for the photo or the options, TransientError for the layer or where
        the time does not even suffice for less.
        """
        timings = Timings(on_stage)
        style = self._layer.style(options.style)
        budget = Budget.start(self.settings.memory_mb, time_left_s)
        digest = hashlib.sha256(data).hexdigest()

        with timed(timings, "decode"):
            decoded = self._decoder.decode(data, options.max_side_px, budget.left_s)
            photo, source = decoded.photo, decoded.source
        with timed(timings, "quality"):
            tools = self.tools(options)
            quality = self.assess(photo, tools)
        plan, budgeted, less = self._plan(photo, quality, options, tools, style, budget)
        warnings = [*decoded.warnings, *less]
        with timed(timings, "enhance"):
            asked, options = options, plan.limited(options)
            photo = fit(photo, plan.side_px)
            enhanced, decisions = enhance(photo, quality, options, tools)
        with timed(timings, "faces"):
            face_tools = self.face_tools(options, f"{digest} {decoded.reduced_by}")
            found, looked = find_faces(enhanced, options, face_tools)
            refined, found = refine_faces(enhanced, found, options)
        budget.check(expected_s(plan, self._costs, "stylise"))
        with timed(timings, "open_weights"):
            picture_engine = self._engine(style, "picture")
            code_engine = self._engine(style, "code") if "code" in style.files else None
        with timed(timings, "stylise"):
            drawn, drawing = stylise(
                refined, style, picture_engine, code_engine, options, self.settings.tile_px
            )
        with timed(timings, "enlarge"):
            full, enlarged = self._enlarge(drawn, refined.pixels)
        with timed(timings, "redraw"):

            def take_brush() -> Brush:
                return Brush(
                    part_by_part(
                        refined, style, picture_engine, code_engine, options, self.settings.tile_px
                    ),
                    lambda drawn, part: self._enlarge(drawn, part)[0],
                    drawing.working_width_px / enhanced.width_px,
                )

            patches, found, redrawn = redraw_faces(
                enhanced, full, found, options, face_tools, take_brush
            )
        with timed(timings, "repair"):
            finished, repairs = repair(full, enhanced.pixels, patches, options)
        with timed(timings, "measure"):
            faces, face_shift = looked_at_again(finished, found, face_tools)
            apart = measure(photo.pixels, finished, self.settings.threads)
            metrics = replace(apart, face_shift=face_shift)
        with timed(timings, "encode"):
            result = Photo(finished, enhanced.alpha)
            image, content_type, extension = encode(result, options.format, options.quality)
        self._costs.learn_all(plan, timings)

        networks = [*self._repairing(tools, decisions)]
        networks += [(style, role) for role in style.files if role != "float"]
        if enlarged.ran:
            networks.append((self._layer.upsampler, "picture"))
        if face_tools:
            networks.append((self._layer.the("detector"), "faces"))
        if any(one.parsed for one in found):
            networks.append((self._layer.the("parser"), "regions"))
        size = (enhanced.width_px, enhanced.height_px)
        wanted = working_size(*size, style.working_px, options.detail)
        used = (drawing.working_width_px, drawing.working_height_px)
        if used != wanted:
            warnings.append(
                f"the style is drawn whole, so at {used[0]}x{used[1]} px instead of "
                f"{wanted[0]}x{wanted[1]} px: tile_px is {self.settings.tile_px}"
            )
        if photo.alpha is not None and extension == "jpg":
            warnings.append("JPEG has no alpha: the picture was flattened on white")
        if not (version_id or etag):
            etag = digest
        source = replace(source, bucket=bucket, key=key, version_id=version_id, etag=etag)
        sidecar = Sidecar(
            schema_version=SCHEMA_VERSION,
            pipeline_version=self.version,
            fingerprint=fingerprint(
                self.version, asked, bucket=bucket, key=key, version_id=version_id, etag=etag
            ),
            source=source,
            quality=quality,
            decisions=(*budgeted, *decisions, looked, enlarged, redrawn, *repairs),
            faces=faces,
            style=style.name,
            strength=options.strength,
            detail=options.detail,
            engine=self.settings.engine,
            weights=self._used(networks),
            drawing=drawing,
            output=Output(
                format={"jpg": "jpeg"}.get(extension, extension),
                content_type=content_type,
                width_px=result.width_px,
                height_px=result.height_px,
                bytes=len(image),
            ),
            metrics=metrics,
            timings_ms=timings | {"total": sum(timings.values())},
            warnings=tuple(warnings),
        )
        return Result(image, extension, sidecar)

    def _plan(
        self,
        photo: Photo,
        quality: QualityReport,
        options: Options,
        tools: Tools,
        style: WeightSpec,
        budget: Budget,
    ) -> tuple[Plan, tuple[Decision, ...], tuple[str, ...]]:
        """What is done to a decoded photo: all that is wanted, or what the budget allows."""

        def working_mp(width_px: int, height_px: int) -> float:
            wide, high = working_size(width_px, height_px, style.working_px, options.detail)
            return wide * high / 1e6

        steps = planned(photo, quality, options, tools)
        plan = Plan(
            width_px=photo.width_px,
            height_px=photo.height_px,
            mode=tools.mode,
            steps=tuple(decision.step for decision in steps if decision.ran),
            faces=self.face_tools(options, "") is not None,
            style=style.name,
            working_mp=working_mp,
        )
        opened = (style.name, "picture") in self._engines
        return affordable(plan, budget, self._costs, opened)

    def face_tools(self, options: Options, digest: str) -> FaceTools | None:
        """What finds faces; None where that is switched off, or by default where the layer has
        not both networks. Raises InvalidOption for one that is asked for and not there.
        """
        layer = self._layer
        there = layer.find("detector") and layer.find("parser")
        if options.faces == "off" or (options.faces == "auto" and not there):
            return None
        detector, parser = (layer.the(kind, "faces=on") for kind in ("detector", "parser"))

        def detecting(least_score: float) -> Detect:
            return lambda pixels: detect(
                pixels, detector, self._engine(detector, "faces"), least_score=least_score
            )

        return FaceTools(
            search=detecting(HINT_SCORE),
            detect=detecting(LEAST_SCORE),
            parse=lambda crop: parse(crop, parser, self._engine(parser, "regions")),
            landmarks=self._landmarks,
            key=photo_key(digest, options),
            threads=self.settings.threads,
        )

    def _enlarge(self, drawn: Picture, photo: Picture) -> tuple[Picture, Decision]:
        upsampler = self._layer.upsampler
        return enlarge(
            drawn,
            photo,
            upsampler,
            lambda: self._engine(upsampler, "picture"),
            self.settings.tile_px,
        )

    def _repairing(
        self, tools: Tools, decisions: Iterable[Decision]
    ) -> Iterator[tuple[WeightSpec, str]]:
        """The networks that looked at a photo and repaired it, each with its role."""
        ran = {decision.step for decision in decisions if decision.ran}
        if tools.needs_estimate:
            yield self._layer.the("quality"), "report"
        if tools.mode == "auto" and ran & {"upscale", "denoise", "sharpen"}:
            yield self._layer.the("restorer"), "double" if "upscale" in ran else "picture"
        if tools.mode != "auto" and tools.esrgan and "upscale" in ran:
            yield tools.esrgan, "picture"

    def _estimate(self, pixels: Picture) -> QualityEstimate:
        spec = self._layer.the("quality")
        return estimate(pixels, spec, self._engine(spec, "report"))

    def _engine(self, spec: WeightSpec, role: str) -> Engine:
        name = (spec.name, role)
        if name not in self._engines:
            with self._opening:
                if name not in self._engines:
                    self._engines[name] = open_engine(self._layer, spec, role, self.settings)
        return self._engines[name]

    def _used(self, networks: Iterable[tuple[WeightSpec, str]]) -> tuple[WeightUse, ...]:
        """The files of networks, each with its role, in the engine that ran them."""
        torch = self.settings.engine == "torch"
        files = [spec.files["float" if torch else role] for spec, role in networks]
        return tuple(dict.fromkeys(WeightUse(file.file, file.sha256) for file in files))
