"""The pipeline: it orders the stages, times them, and keeps them within their budget."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from threading import Thread

from pipeline import VERSION
from pipeline.budget import Budget, Costs
from pipeline.clips.join import join_segments
from pipeline.clips.result import ClipResult, Segment
from pipeline.clips.run import ClipRequest, draw_clip
from pipeline.clips.split import clip_length_s, split_clip
from pipeline.colour_report import assemble_colour_sidecar
from pipeline.colouring import ColourJob, ColourRequest, run_colour_stages
from pipeline.decoder import Decoder
from pipeline.domain import WeightFile, WeightSpec
from pipeline.errors import KireiError
from pipeline.job import Job, Request, Services
from pipeline.lineart.palette import NAMED
from pipeline.lineart.result import ColourResult
from pipeline.origin import Origin
from pipeline.planning import plan_drawing, plan_work
from pipeline.provenance import specs_by_default, terms_of
from pipeline.registry import ModelRegistry
from pipeline.report import assemble_sidecar
from pipeline.result import Result, Terms
from pipeline.settings import ColourOptions, Options, Settings
from pipeline.stages import STAGES
from pipeline.timings import Timings, timed
from pipeline.weights import WeightStore

NO_ORIGIN = Origin()


class Pipeline:
    """Draws photos, one at a time or several in threads.

    What outlives a photo are opened models, the faces of the last photos, decoding processes and
    what stages have cost. A model is read, hashed and opened when a photo first needs it, and
    once.

    Args:
        settings: Limits, thresholds, engine and folders.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._store = WeightStore(settings.weights_dir, settings.checkpoints_dir)
        self.registry = ModelRegistry(self._store, settings)
        self._services = Services(settings, self.registry, Decoder(settings))
        self._costs = Costs()

    @property
    def version(self) -> str:
        """The package's version, and eight digits for all else that changes a picture.

        That is the weights and some settings. Equal versions give equal pictures.
        """
        settings = self.settings
        # tile_px: the limit of a style that is drawn whole
        chosen = (
            f"{self._store.digest} {settings.engine} {settings.blur_variance_min} "
            f"{settings.tile_px}"
        )
        return f"{VERSION}+{hashlib.sha256(chosen.encode()).hexdigest()[:8]}"

    def styles(self) -> tuple[WeightSpec, ...]:
        """The styles in the folder of weights, by name."""
        specs = sorted(self._store.specs.values(), key=lambda spec: spec.name)
        return tuple(spec for spec in specs if spec.kind == "style")

    def palettes(self) -> dict[str, tuple[str, ...]]:
        """The colours, "#rrggbb", of each palette for line drawings, in the order of its shares."""
        return {name: tuple(colours) for name, colours in NAMED.items()}

    def style(self, name: str) -> WeightSpec:
        """The style of that name. Raises UnknownStyle with the names there are."""
        return self._store.style(name)

    def terms(self, name: str) -> tuple[Terms, ...]:
        """The terms that a picture of a style may carry, all other options left as they are.

        Those of the style, then of the other networks. Raises UnknownStyle.
        """
        return terms_of(specs_by_default(self._store, self._store.style(name)))

    def resolved(self, options: Options) -> Options:
        """The same options, with the style's own name. Raises UnknownStyle."""
        return replace(options, style=self.style(options.style).name)

    def check(self, options: Options | ColourOptions) -> None:
        """Opens, before any file comes, what every file with these options needs.

        Raises:
            UnknownStyle, InvalidOption: The folder of weights cannot do what the options ask.
            WeightsInvalid: A network that restores photos is missing or damaged.
        """
        self._services.decoder.warm()
        if isinstance(options, ColourOptions):
            self.registry.colouriser()
            return
        self.registry.open_style(self.registry.style(options.style))
        restoration = self.registry.restoration(options)
        if restoration.mode == "auto" and restoration.restorer:
            restoration.restorer.open()
        if restoration.quality:
            restoration.quality.model.open()
        self.registry.faces(options)

    def preload(self, options: Options) -> Thread:
        """Opens, in the background, the models that a photo with these options may need.

        That saves time while its bytes are still on their way. What cannot be opened is left for
        ``run`` to raise.
        """
        self._services.decoder.warm()

        def open_all() -> None:
            with suppress(KireiError):
                for model in self.registry.needed(options):
                    model.open()

        thread = Thread(target=open_all, name="preload")
        thread.start()
        return thread

    def verify(self) -> list[tuple[WeightSpec, str, WeightFile]]:
        """Hashes every served file. Raises WeightsInvalid for the first that differs."""
        return self._store.verify()

    def run(
        self,
        data: bytes,
        options: Options,
        origin: Origin = NO_ORIGIN,
        *,
        on_stage: Callable[[str], object] | None = None,
        time_left_s: float | None = None,
    ) -> Result:
        """Draws a photo.

        Where time or memory is too little for all that is asked for, less is done, and the
        sidecar says so.

        Args:
            data: The photo's file.
            options: What the caller asks for.
            origin: Where the file came from; it becomes part of the sidecar and its fingerprint.
            on_stage: Called with the name of each stage as it begins.
            time_left_s: Limit for the whole run; None for none.

        Returns:
            The encoded picture and its sidecar.

        Raises:
            PermanentError: The photo or the options are at fault.
            TransientError: The weights are at fault, or there is not even time for less.
        """
        budget = Budget.start(self.settings.memory_mb, time_left_s)
        digest = hashlib.sha256(data).hexdigest()
        request = Request(data, digest, self.resolved(options), origin, budget)
        job, timings = Job(request, self._services), Timings(on_stage)
        for stage in STAGES:
            if stage.name == "enhance":
                job.planned = plan_work(job, self._costs)
            if stage.name == "open_weights":
                job.scale, job.planned = plan_drawing(job, self._costs)
            with timed(timings, stage.name):
                setattr(job, stage.adds, stage.run(job))
        self._costs.learn_all(job.planned.plan, timings)
        sidecar = assemble_sidecar(job, self.version, timings)
        return Result(job.encoded.image, job.encoded.extension, sidecar)

    def run_clip(  # noqa: PLR0913  # what a photo is given, and two files
        self,
        source: Path,
        output: Path,
        options: Options,
        origin: Origin = NO_ORIGIN,
        *,
        on_frame: Callable[[int, int], object] | None = None,
        time_left_s: float | None = None,
        segment: Segment | None = None,
    ) -> ClipResult:
        """Draws a clip, frame after frame.

        Memory does not grow with its length. Where time is too little for all that is asked for,
        fewer or smaller frames are drawn, and the sidecar says so.

        Args:
            source: The clip's file.
            output: Where the drawn clip is written; what is there is replaced.
            options: What the caller asks for.
            origin: Where the file came from; it becomes part of the sidecar and its fingerprint.
            on_frame: Called after each drawn frame with how many were drawn and how many there
                will be, about.
            time_left_s: Limit for the whole run; None for none.
            segment: Draws only this part of the clip, without sound; None for all of it.

        Returns:
            Where the clip is, and its sidecar.

        Raises:
            PermanentError: The clip or the options are at fault.
            TransientError: The weights are at fault, or there is not even time for less.
        """
        request = ClipRequest(
            source=source,
            output=output,
            options=self.resolved(options),
            origin=origin,
            budget=Budget.start(self.settings.memory_mb, time_left_s),
            segment=segment,
        )
        return draw_clip(request, self._services, self.version, on_frame)

    def colour(  # noqa: PLR0913 - two companions of the drawing beside what run takes
        self,
        data: bytes,
        options: ColourOptions,
        origin: Origin = NO_ORIGIN,
        *,
        hint_layer: bytes | None = None,
        reference: bytes | None = None,
        on_stage: Callable[[str], object] | None = None,
        time_left_s: float | None = None,
    ) -> ColourResult:
        """Colours a line drawing, in its own lines.

        Args:
            data: The drawing's file: a scan, a photograph of a sheet, or a picture of lines.
            options: What the caller asks for.
            origin: Where the file came from; it becomes part of the sidecar and its fingerprint.
            hint_layer: A picture of the upright drawing's aspect, transparent but for strokes of
                colour.
            reference: A picture whose colours are drawn from.
            on_stage: Called with the name of each stage as it begins.
            time_left_s: Limit for the whole run; None for none.

        Returns:
            The encoded picture and its sidecar.

        Raises:
            PermanentError: The drawing or the options are at fault; NotALineDrawing where there is
                nothing to colour, InvalidOption where the folder of weights has no colouriser.
            TransientError: The weights are at fault, or there is not enough time.
        """
        budget = Budget.start(self.settings.memory_mb, time_left_s)
        digest = hashlib.sha256(data).hexdigest()
        request = ColourRequest(data, digest, options, origin, budget, hint_layer, reference)
        job = ColourJob(request, self._services, self.registry.colouriser())
        timings = Timings(on_stage)
        run_colour_stages(job, timings)
        sidecar = assemble_colour_sidecar(job, self.version, timings)
        return ColourResult(job.encoded.image, job.encoded.extension, sidecar)

    def clip_length_s(self, source: Path) -> float | None:
        """How long a video lasts, by its header; None for an animated picture.

        Raises:
            PermanentError: It cannot be read, by name.
        """
        return clip_length_s(self.settings, source)

    def split_clip(self, source: Path, options: Options, longest_s: float) -> tuple[Segment, ...]:
        """Cuts a clip into segments that several functions may draw; see ``split_clip``.

        Raises:
            PermanentError: It cannot be read, by name.
        """
        return split_clip(self.settings, source, options, longest_s)

    def join_clip(
        self,
        segments: Sequence[tuple[Path, float]],
        output: Path,
        format: str,
        source: Path,
        timeout_s: float | None = None,
    ) -> tuple[str, ...]:
        """Joins drawn segments and the sound of their source; see ``join_segments``.

        Returns:
            What was left out, in words.
        """
        return join_segments(segments, output, format, source, timeout_s)[1]
