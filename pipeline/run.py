"""The pipeline: the stages in order, their timings, and the engines they share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, replace
from threading import Thread

from pipeline import VERSION
from pipeline.budget import Budget, Costs, Plan, affordable, expected_s
from pipeline.decode import fit
from pipeline.decoder import Decoder
from pipeline.domain import (
    Decision,
    Drawing,
    Origin,
    Output,
    Photo,
    Picture,
    QualityReport,
    Result,
    Sidecar,
    Terms,
    WeightFile,
    WeightSpec,
)
from pipeline.encode import encode
from pipeline.enhance import Tools, enhance, planned
from pipeline.enlarge import enlarge
from pipeline.errors import KireiError
from pipeline.faces import (
    Brush,
    FaceTools,
    find_faces,
    largest_face_px,
    looked_at_again,
    redraw_faces,
    refine_faces,
)
from pipeline.lending import Networks
from pipeline.measure import measure
from pipeline.parts import drawing, files_used, parts_by_default, repairing, terms_of
from pipeline.quality import assess
from pipeline.repair import repair
from pipeline.scale import choose_scale, largest_scale
from pipeline.settings import Options, Settings
from pipeline.sidecar import SCHEMA_VERSION, fingerprint
from pipeline.stylise import part_by_part, stylise
from pipeline.timings import Timings, timed
from pipeline.visible import content_of, extend, fill_transparent, with_bars
from pipeline.weights import Layer


class Pipeline:
    """The stages with their settings. What outlives a photo is only opened engines, and where
    the faces of the last photos were.

    Opening is lazy: a network is read, hashed and opened when a photo first needs it, and once.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._layer = Layer(settings.weights_dir, settings.checkpoints_dir)
        self._networks = Networks(self._layer, settings)
        self._decoder = Decoder(settings)
        self._costs = Costs()

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

    def terms(self, name: str) -> tuple[Terms, ...]:
        """The terms that a picture of that style may carry, where all other options are left as
        they are: those of the style, then of the other networks. Raises UnknownStyle.
        """
        return terms_of(parts_by_default(self._layer, self._layer.style(name)))

    def resolved(self, options: Options) -> Options:
        """The same options, with the style's own name. Raises UnknownStyle."""
        return replace(options, style=self.style(options.style).name)

    def check(self, options: Options) -> None:
        """Before any photo: raises UnknownStyle and InvalidOption for what the layer cannot do, and
        WeightsInvalid when a network that repairs photos is not in the layer or not as listed.
        """
        self._networks.style_engines(self._layer.style(options.style))
        self._decoder.warm()  # photos are about to come
        tools = self.tools(options)
        if tools.mode == "auto":
            tools.open_restorer("picture")
        if tools.needs_estimate:
            self._networks.engine(self._layer.the("quality"), "report")
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
                    self._networks.engine(self._layer.the("quality"), "report")
                for role in style.files:
                    if role != "float":
                        self._networks.engine(style, role)
                if tools.mode == "auto":
                    tools.open_restorer("picture")
                self._networks.engine(self._layer.upsampler, "picture")
                if self.face_tools(options, ""):
                    self._networks.engine(self._layer.the("detector"), "faces")
                    self._networks.engine(self._layer.the("parser"), "regions")

        thread = Thread(target=open_all, name="open_ahead")
        thread.start()
        return thread

    def verify(self) -> list[tuple[WeightSpec, str, WeightFile]]:
        """Hashes every served file. Raises WeightsInvalid for the first that differs."""
        return self._layer.verify()

    def tools(self, options: Options) -> Tools:
        """What the repair takes that the options ask for. Raises as ``Networks.tools``."""
        return self._networks.tools(options)

    def face_tools(self, options: Options, digest: str) -> FaceTools | None:
        """What finds faces in the photo of that digest. Raises as ``Networks.face_tools``."""
        return self._networks.face_tools(options, digest)

    def assess(self, photo: Photo, tools: Tools) -> QualityReport:
        """What the gate measures on the content of a photo, with the quality model's estimate if
        it is asked.
        """
        pixels = tools.content.of(photo.pixels)
        report = assess(Photo(pixels), self.settings)
        if tools.needs_estimate:
            report = replace(report, estimate=tools.estimate(pixels))
        return report

    def run(
        self,
        data: bytes,
        options: Options,
        origin: Origin | None = None,
        *,
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
        options = self.resolved(options)
        style = self._layer.style(options.style)
        budget = Budget.start(self.settings.memory_mb, time_left_s)
        digest = hashlib.sha256(data).hexdigest()

        with timed(timings, "decode"):
            decoded = self._decoder.decode(data, options.max_side_px, budget.left_s)
            photo, source = fill_transparent(decoded.photo), decoded.source
            content = content_of(photo.pixels)
        with timed(timings, "quality"):
            tools = replace(self.tools(options), content=content)
            quality = self.assess(photo, tools)
        plan, budgeted, less = self._plan(photo, quality, options, tools, style, budget)
        warnings = [*decoded.warnings, *less]
        with timed(timings, "enhance"):
            asked, options = options, plan.limited(options)
            photo = fit(photo, plan.side_px)
            enhanced, decisions = enhance(photo, quality, options, tools)
        with timed(timings, "faces"):
            face_tools = self.face_tools(options, f"{digest} {decoded.reduced_by}")
            why_not = self._networks.why_no_faces(options)
            found, looked = find_faces(enhanced, options, face_tools, why_not)
            refined, found = refine_faces(enhanced, found, options)
        size = content.size(enhanced.width_px, enhanced.height_px)
        scale = choose_scale(
            size,
            style,
            options,
            self.settings.tile_px,
            face_px=largest_face_px(found),
            looked_for_faces=face_tools is not None,
        )
        working = scale.size(*size)
        plan = replace(plan, working_mp=lambda *_: working[0] * working[1] / 1e6)
        budget.check(expected_s(plan, self._costs, "stylise"))
        with timed(timings, "open_weights"):
            engines = self._networks.style_engines(style)
        given = (content.of(refined.pixels), working, style, *engines, self.settings.tile_px)
        with timed(timings, "stylise"):
            drawn, tiles = stylise(*given)
        with timed(timings, "enlarge"):
            drawn, enlarged = self._enlarge(drawn, content.of(refined.pixels))
            full = extend(drawn, content, (enhanced.width_px, enhanced.height_px))
        with timed(timings, "redraw"):

            def take_brush() -> Brush:
                return Brush(
                    part_by_part(*given),
                    lambda drawn, part: self._enlarge(drawn, part)[0],
                    scale.scale,
                )

            patches, found, redrawn = redraw_faces(
                enhanced, full, found, options, face_tools, take_brush
            )
        with timed(timings, "repair"):
            repaired, repairs = repair(full, enhanced.pixels, patches, options)
            finished = with_bars(repaired, enhanced.pixels, content)
        with timed(timings, "measure"):
            faces, face_shift = looked_at_again(finished, found, face_tools)
            apart = measure(photo.pixels, finished, self.settings.threads)
            metrics = replace(apart, face_shift=face_shift)
        with timed(timings, "encode"):
            result = Photo(finished, enhanced.alpha)
            image, content_type, extension = encode(result, options.format, options.quality)
        self._costs.learn_all(plan, timings)

        networks = [*repairing(self._layer, tools, decisions), *drawing(style)]
        if enlarged.ran:
            networks.append((self._layer.upsampler, "picture"))
        if face_tools:
            networks.append((self._layer.the("detector"), "faces"))
        if any(one.parsed for one in found):
            networks.append((self._layer.the("parser"), "regions"))
        if scale.warning:
            warnings.append(scale.warning)
        if photo.alpha is not None and extension == "jpg":
            warnings.append("JPEG has no alpha: the picture was flattened on white")
        origin = origin or Origin()
        if not (origin.version_id or origin.etag):
            origin = replace(origin, etag=digest)
        source = replace(source, **asdict(origin))
        sidecar = Sidecar(
            schema_version=SCHEMA_VERSION,
            pipeline_version=self.version,
            fingerprint=fingerprint(self.version, asked, origin),
            source=source,
            quality=quality,
            decisions=(*budgeted, *decisions, looked, enlarged, redrawn, *repairs),
            faces=faces,
            style=style.name,
            strength=options.strength,
            detail=options.detail,
            engine=self.settings.engine,
            weights=files_used(networks, self.settings.engine),
            terms=terms_of(spec for spec, _ in networks),
            drawing=Drawing(*working, tiles, scale.chosen_by, scale.why, scale.face_px),
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
        """What is done to a decoded photo: all that is wanted, or what the budget allows. It is
        drawn no larger than this expects: with a face in it mostly smaller.
        """
        faces = self.face_tools(options, "") is not None

        def working_mp(width_px: int, height_px: int) -> float:
            size, tile_px = tools.content.size(width_px, height_px), self.settings.tile_px
            wide, high = largest_scale(size, style, options, tile_px, faces).size(*size)
            return wide * high / 1e6

        steps = planned(photo, quality, options, tools)
        plan = Plan(
            width_px=photo.width_px,
            height_px=photo.height_px,
            mode=tools.mode,
            steps=tuple(decision.step for decision in steps if decision.ran),
            faces=faces,
            style=style.name,
            working_mp=working_mp,
            tile_px=self.settings.tile_px,
        )
        opened = self._networks.is_open(style)
        return affordable(plan, budget, self._costs, opened)

    def _enlarge(self, drawn: Picture, photo: Picture) -> tuple[Picture, Decision]:
        upsampler = self._layer.upsampler
        return enlarge(
            drawn,
            photo,
            upsampler,
            lambda: self._networks.engine(upsampler, "picture"),
            self.settings.tile_px,
        )
