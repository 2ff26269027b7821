"""Photos as other programs write them, for ``benchmarks.formats``: what is run, and what is right.

The programs are Debian's: imagemagick, graphicsmagick, libvips-tools, libtiff-tools, ffmpeg,
libavif-bin, libheif-examples, libjxl-tools, libimage-exiftool-perl.
"""

from __future__ import annotations

from dataclasses import dataclass

# mean differences to the true picture, in levels
SDR, LOSSY, HDR = 2.0, 3.0, 8.0


@dataclass(frozen=True)
class Recipe:
    """One file: ``command`` makes ``name`` out of files that ``benchmarks.formats`` writes.

    ``true``: which of these the result is held against; ``most``: by how many levels in the mean it
    may differ; ``code``: the error that is right instead; ``warns``: a word of the warning that
    has to be there, ``turned``: EXIF's orientation that has to be applied.
    """

    name: str
    command: str
    true: str = "true.png"
    most: float = SDR
    code: str | None = None
    warns: str = ""
    turned: int = 1


def _magick(name: str, options: str, source: str = "true.png", **right: object) -> Recipe:
    return Recipe(name, f"convert {source} {options} {name}", **right)  # type: ignore[arg-type]


def _vips(name: str, operation: str, options: str = "", **right: object) -> Recipe:
    return Recipe(name, f"vips {operation} true.png {name} {options}", **right)  # type: ignore[arg-type]


def _tiffcp(name: str, options: str, source: str, **right: object) -> Recipe:
    return Recipe(name, f"tiffcp {options} {source} {name}", **right)  # type: ignore[arg-type]


def _ffmpeg(name: str, options: str, source: str = "true.png", **right: object) -> Recipe:
    command = f"ffmpeg -v error -y -i {source} {options} {name}"
    return Recipe(name, command, **right)  # type: ignore[arg-type]


def _avif(name: str, options: str, source: str = "true.png", **right: object) -> Recipe:
    command = f"avifenc --min 0 --max 8 -s 8 {options} {source} {name}"
    return Recipe(name, command, **{"most": LOSSY, **right})  # type: ignore[arg-type]


def _heif(name: str, options: str, source: str = "true.png", **right: object) -> Recipe:
    command = f"heif-enc -q 92 {options} {source} -o {name}"
    return Recipe(name, command, **{"most": LOSSY, **right})  # type: ignore[arg-type]


def _gm(name: str, options: str, source: str = "true.png", **right: object) -> Recipe:
    return Recipe(name, f"gm convert {source} {options} {name}", **right)  # type: ignore[arg-type]


GREY = {"true": "grey.png", "source": "grey.png"}
P3 = "--cicp 12/13/6"
FLOAT = "-define quantum:format=floating-point"
# ImageMagick changes the tag alone
POLARITY = "-negate -define quantum:polarity=min-is-white"

RECIPES = (
    # TIFF: depths, kinds of number, planes, strips, tiles, predictors, compressions
    _magick("magick-16-lzw.tif", "-depth 16 -compress lzw"),
    _magick("magick-16-zip.tif", "-depth 16 -compress zip"),
    _magick("magick-16-planar.tif", "-depth 16 -interlace plane -compress none"),
    _magick("magick-8-planar.tif", "-depth 8 -interlace plane -compress lzw"),
    _magick("magick-16-msb-tiled.tif", "-depth 16 -endian MSB -define tiff:tile-geometry=64x48"),
    _magick("magick-16-lsb2msb.tif", "-depth 16 -define tiff:fill-order=lsb -compress none"),
    _magick("magick-float16.tif", f"-depth 16 {FLOAT}"),
    _magick("magick-float32-zip.tif", f"-depth 32 {FLOAT} -compress zip"),
    _magick("magick-float64.tif", f"-depth 64 {FLOAT}"),
    _magick("magick-32.tif", "-depth 32"),
    _magick("magick-10.tif", "-depth 10 -compress none"),
    _magick("magick-12-zip.tif", "-depth 12 -compress zip"),
    _magick("magick-14.tif", "-depth 14 -compress none"),
    _magick("magick-grey-12.tif", "-depth 12", **GREY),
    _magick("magick-white-8.tif", f"{POLARITY} -depth 8", **GREY),
    _magick("magick-white-16-lzw.tif", f"{POLARITY} -depth 16 -compress lzw", **GREY),
    _magick("magick-white-12.tif", f"{POLARITY} -depth 12", **GREY),
    _magick("magick-white-4.tif", f"{POLARITY} -depth 4", most=9, **GREY),
    _magick("magick-white-float.tif", f"{POLARITY} -depth 32 {FLOAT}", **GREY),
    _magick("magick-grey-alpha-16.tif", "-alpha set -depth 16", **GREY),
    _magick("magick-rgba-16.tif", "-alpha set -depth 16 -compress zip"),
    _magick(
        "magick-associated-16.tif",
        "-depth 16 -define tiff:alpha=associated",
        source="cut.png",
        true="cut.png",
    ),
    _magick("magick-cmyk-16.tif", "-colorspace cmyk -depth 16"),
    _magick("magick-lab-8.tif", "-colorspace lab -depth 8", most=3),
    _magick("magick-lab-16.tif", "-colorspace lab -depth 16", most=3),
    _magick("magick-jpeg.tif", "-compress jpeg -quality 95", most=LOSSY),
    _magick("magick-ycbcr.tif", "-colorspace ycbcr -compress none", most=LOSSY),
    _magick("magick-zstd-16.tif", "-depth 16 -compress zstd"),
    _magick("magick-lzma-16.tif", "-depth 16 -compress lzma"),
    _magick("magick-webp.tif", "-compress webp -quality 95", code="unsupported_variant"),
    _magick("magick-pyramid.tif", "-depth 16 -define ptif:pyramid=1"),
    _magick("magick-palette.tif", "-type palette -colors 256", most=6),
    _magick("magick-group4.tif", "-monochrome -compress group4", true="bits.png"),
    _gm("gm-16.tif", "-depth 16 -compress zip"),
    _gm("gm-32.tif", "-depth 32"),
    _gm("gm-grey-white-16.tif", "-depth 16 -define tiff:min-is-white", **GREY),
    _magick(
        "magick-16-planar-tiled.tif",
        "-depth 16 -interlace plane -define tiff:tile-geometry=64x32 -compress lzw",
    ),
    _tiffcp("tiffcp-planar-8-tiles.tif", "-p separate -t -w 64 -l 32 -c lzw:2", "true8.tif"),
    _tiffcp("tiffcp-planar-8.tif", "-p separate -c none -r 13", "true8.tif"),
    _tiffcp("tiffcp-big-16-zip-2.tif", "-8 -c zip:2 -r 7", "true16.tif"),
    _tiffcp("tiffcp-packbits-big-endian.tif", "-B -c packbits", "true16.tif"),
    _tiffcp("tiffcp-lsb2msb-lzw.tif", "-f lsb2msb -c lzw", "true16.tif"),
    _tiffcp("tiffcp-float-3.tif", "-c zip:3", "magick-float32-zip.tif"),
    _tiffcp("tiffcp-float16-3.tif", "-c zip:3", "magick-float16.tif"),
    _tiffcp("tiffcp-thumbnail-first.tif", "", "reduced.tif,0 true16.tif"),
    _vips("vips-tiled-zstd.tif", "tiffsave", "--tile --compression zstd"),
    _vips("vips-pyramid-big.tif", "tiffsave", "--tile --pyramid --bigtiff --compression lzw"),
    _vips("vips-jp2k.tif", "tiffsave", "--tile --compression jp2k", code="unsupported_variant"),
    _vips("vips-short.tif[compression=lzw]", "cast", "short", warns="8 bits"),
    _vips("vips-ushort.tif", "cast", "ushort", warns="8 bits"),
    _vips("vips-uint.tif", "cast", "uint", warns="8 bits"),
    _vips("vips-float.tif", "cast", "float", warns="255"),
    _vips("vips-double.tif", "cast", "double", warns="255"),
    _ffmpeg("ffmpeg-rgb48.tif", "-pix_fmt rgb48le -compression_algo deflate"),
    _ffmpeg("ffmpeg-yuv420.tif", "-pix_fmt yuv420p -compression_algo lzw", most=LOSSY),
    _ffmpeg("ffmpeg-yuv422-raw.tif", "-pix_fmt yuv422p -compression_algo raw", most=LOSSY),
    _ffmpeg("ffmpeg-grey16.tif", "-pix_fmt gray16le", **GREY),
    # PNG and BMP: what their headers say of colours
    _magick("magick-linear-16.png", "-colorspace RGB -depth 16 -gamma 1.0 -set gamma 1.0"),
    _magick("magick-16.png", "-depth 16"),
    _magick("magick-grey-16.png", "-depth 16", **GREY),
    _gm("gm-palette.png", "-type palette -colors 256", most=6),
    _magick("magick-interlaced-16.png", "-depth 16 -interlace plane"),
    _ffmpeg("ffmpeg-rgb48.png", "-pix_fmt rgb48be"),
    _magick(
        "magick-chrm-p3.png",
        "-red-primary 0.68,0.32 -green-primary 0.265,0.69 -blue-primary 0.15,0.06",
        source="p3-gamma.png",
    ),
    _magick("magick.bmp", ""),
    _magick("magick-565.bmp", "-define bmp:subtype=RGB565", most=5),
    _magick("magick-rle.bmp", "-type palette -colors 256 -compress rle", most=6),
    _ffmpeg("ffmpeg-555.bmp", "-pix_fmt rgb555le", most=6),
    # ICC profiles that libvips has
    _vips("vips-p3.jpg[Q=95]", "icc_transform", "p3", most=LOSSY),
    _vips("vips-p3.png", "icc_transform", "p3"),
    _vips("vips-p3-16.png", "icc_transform", "p3 --depth 16"),
    _vips("vips-p3-16.tif", "icc_transform", "p3 --depth 16"),
    _vips("vips-p3.webp[Q=95]", "icc_transform", "p3", most=LOSSY),
    _vips("vips-cmyk.jpg[Q=95]", "icc_transform", "cmyk", most=8),
    _vips("vips-cmyk.tif", "icc_transform", "cmyk", most=8),
    # JPEG
    _magick("magick-cmyk.jpg", "-colorspace cmyk -quality 95", most=LOSSY),
    _magick("magick-grey.jpg", "-quality 95", most=LOSSY, **GREY),
    _magick("magick-progressive.jpg", "-interlace plane -quality 95", most=LOSSY),
    _magick("magick-411.jpg", "-sampling-factor 4x1 -quality 95", most=LOSSY),
    _magick("magick-rgb.jpg", "-colorspace sRGB -sampling-factor 1x1 -quality 95", most=LOSSY),
    _ffmpeg("ffmpeg-yuvj422.jpg", "-pix_fmt yuvj422p -q:v 1", most=LOSSY),
    Recipe(
        "exiftool-adobe.jpg",
        "exiftool -q -n -ColorSpace=65535 -InteropIndex=R03 adobe.jpg -o exiftool-adobe.jpg",
        most=LOSSY,
    ),
    Recipe(
        "exiftool-adobe-2.jpg",
        "exiftool -q -n -ColorSpace=2 adobe.jpg -o exiftool-adobe-2.jpg",
        most=LOSSY,
    ),
    Recipe(
        "exiftool-turned.jpg",
        "exiftool -q -n -Orientation=8 turned.jpg -o exiftool-turned.jpg",
        most=LOSSY,
        turned=8,
    ),
    Recipe(
        "exiftool-stale-xmp.jpg",
        "exiftool -q -n -XMP-tiff:Orientation=6 true.jpg -o exiftool-stale-xmp.jpg",
        most=LOSSY,
    ),
    Recipe(
        "exiftool-uncalibrated.jpg",
        "exiftool -q -n -ColorSpace=65535 true.jpg -o exiftool-uncalibrated.jpg",
        most=LOSSY,
        warns="uncalibrated",
    ),
    # AVIF and HEIC: code points, range, depths, boxes
    _avif("avifenc-8-420.avif", "-y 420"),
    _avif("avifenc-10-limited.avif", "-d 10 -y 444 -r limited"),
    _avif("avifenc-12.avif", "-d 12 -y 422"),
    _avif("avifenc-p3-8.avif", P3, source="p3.png"),
    _avif("avifenc-p3-10.avif", f"-d 10 {P3} -r limited", source="p3.png"),
    _avif("avifenc-2020-10.avif", "-d 10 --cicp 9/14/9", source="bt2020.png"),
    _avif("avifenc-pq-10.avif", "-d 10 --cicp 9/16/9", source="pq.png", most=HDR),
    _avif("avifenc-pq-12.avif", "-d 12 --cicp 9/16/9 -r limited", source="pq.png", most=HDR),
    _avif("avifenc-hlg-10.avif", "-d 10 --cicp 9/18/9", source="hlg.png", most=HDR),
    _avif("avifenc-709.avif", "--cicp 1/1/1 -r limited"),
    _avif("avifenc-linear-12.avif", "-d 12 --cicp 1/8/1", source="linear.png"),
    _avif("avifenc-grid.avif", "-g 2x1"),
    _avif("avifenc-irot.avif", "--irot 3", source="turned.png", turned=6),
    _avif("avifenc-premultiplied.avif", "-p", source="cut.png", true="cut.png"),
    _avif("avifenc-grey.avif", "-y 400", source="grey.png", true="grey.png"),
    _heif("heif-8.heic", ""),
    _heif("heif-10.heic", "-b 10", source="true16.png"),
    _heif("heif-icc-p3.heic", "", source="vips-p3.png"),
    _heif("heif-thumbnail.heic", "-t 128"),
    _heif("heif-alpha.heic", "", source="cut.png", true="cut.png"),
    _vips("vips.heic", "heifsave", "--Q 95", most=LOSSY),
    # animations, and what is refused by name
    _magick(
        "magick-faded.gif",
        "-dispose previous -loop 0",
        "empty.png true.png",
        most=6,
        warns="frame 2",
    ),
    _ffmpeg("ffmpeg.apng", "-f apng -plays 0"),
    Recipe("cjxl.jxl", "cjxl true.png cjxl.jxl --quiet", code="not_an_image"),
    _vips("vips.jp2", "jp2ksave", code="not_an_image"),
)
