"""The table of the fields of `metadata`: each can be used by its short name too (`metadata.width` and `width`)."""

from __future__ import annotations

from mappings.field import FacetKind, Field, FieldType, Unit

_K, _T, _I, _F = FieldType.KEYWORD, FieldType.TEXT, FieldType.INTEGER, FieldType.FLOAT
_TERMS = FacetKind.TERMS


def _keyword(leaf: str, doc: str, example: str, *aliases: str, cased: bool = True) -> Field:
    """Return a keyword field that can be counted and sorted."""
    return Field(
        f"metadata.{leaf}", _K, doc, example, aliases=(leaf, *aliases), facet=_TERMS, sortable=True, cased=cased
    )


def _number(
    leaf: str, kind: FieldType, doc: str, example: str, *aliases: str, unit: Unit = Unit.NONE, facet: bool = True
) -> Field:
    """Return a number field that can be sorted, and counted unless its values rarely repeat."""
    counted = _TERMS if facet else FacetKind.NONE
    return Field(
        f"metadata.{leaf}", kind, doc, example, aliases=(leaf, *aliases), facet=counted, sortable=True, unit=unit
    )


DIMENSIONS = (
    _number("width", _I, "Width.", "width:[800 TO 2048]", "w", unit=Unit.PIXELS),
    _number("height", _I, "Height.", "height:>1000", "h", unit=Unit.PIXELS),
    _keyword("format", "File format.", "format:jpg", cased=False),
    _number("file_size", _I, "File size.", "file_size:>5mb", "size", "filesize", "bytes", unit=Unit.BYTES),
    _number("duration", _F, "Duration of an audio or video file.", "duration:[30 TO 120]", "length", unit=Unit.SECONDS),
    _number("frame_rate", _F, "Frames per second.", "frame_rate:>=24", "fps"),
    _number("ppi", _F, "Resolution in pixels per inch.", "ppi:300", "dpi"),
    _number("page_count", _I, "Number of pages.", "page_count:>10", "pages"),
    _number("word_count", _I, "Number of words.", "word_count:>500", "words"),
    _keyword(
        "aspect", "Shape: square, portrait, landscape or panorama.", "aspect:landscape", "aspect_ratio", cased=False
    ),
    _keyword("orientation", "Orientation stored in the file.", "orientation:1", cased=False),
)

GENERATION = (
    Field(
        "metadata.model",
        _K,
        "Model that generated it.",
        "model:stable-diffusion*",
        aliases=("model",),
        gathered=True,
        facet=_TERMS,
        sortable=True,
    ),
    Field("metadata.prompt", _T, "Prompt from which it was generated.", "prompt:lake", aliases=("prompt",), boost=1.0),
    Field(
        "metadata.negative_prompt",
        _T,
        "Negative prompt.",
        "negative_prompt:blurry",
        aliases=("negative_prompt",),
    ),
    Field(
        "metadata.seed",
        _I,
        "Seed of the generator, up to 2^64-1.",
        "seed:123456789",
        aliases=("seed",),
        sortable=True,
        unsigned=True,
        path="fold.metadata.seed",
    ),
    _number("steps", _I, "Sampling steps.", "steps:20"),
    _number("guidance_scale", _F, "Guidance scale.", "guidance_scale:7.5", "cfg", "cfg_scale"),
    _keyword("sampler", "Sampler.", "sampler:euler*"),
)

CAMERA = (
    Field(
        "metadata.camera",
        _T,
        "Make and model of the camera.",
        'camera:"canon eos"',
        aliases=("camera",),
        gathered=True,
        facet=_TERMS,
        sortable=True,
    ),
    _keyword("camera_make", "Make of the camera.", "camera_make:canon", "make"),
    _keyword("camera_model", "Model of the camera.", 'camera_model:"Canon EOS 5D"'),
    _keyword("lens", "Lens.", 'lens:"EF50mm f/1.8 STM"'),
    _number("iso", _I, "Sensitivity.", "iso:<=400"),
    _number("f_number", _F, "Aperture.", "f_number:<2.8", "aperture", "fnumber"),
    _number("exposure_time", _F, "Exposure.", "exposure_time:<0.01", "exposure", "shutter_speed", unit=Unit.SECONDS),
    _number("focal_length", _F, "Focal length in millimetres.", "focal_length:[35 TO 85]"),
    _keyword("software", "Program that wrote the file.", "software:gimp*"),
)

SOUND = (
    _number("sample_rate", _I, "Samples per second.", "sample_rate:44100"),
    _number("channels", _I, "Channels.", "channels:2"),
    _number("bit_rate", _I, "Bits per second.", "bit_rate:>128000", "bitrate"),
    _keyword("artist", "Artist of a recording.", 'metadata.artist:"Nina Simone"'),
    _keyword("album", "Album of a recording.", 'metadata.album:"Kind of Blue"'),
    _keyword("language", "Language of the content.", "language:en", "lang"),
)

OPEN = (
    Field("metadata.exif", FieldType.FLAT, "All EXIF tags: `exif.<tag>`.", "exif.FNumber:2.0", aliases=("exif",)),
    Field("metadata.iptc", FieldType.FLAT, "All IPTC tags: `iptc.<tag>`.", "iptc.city:amsterdam", aliases=("iptc",)),
    Field("metadata.xmp", FieldType.FLAT, "All XMP properties: `xmp.<tag>`.", "xmp.rating:5", aliases=("xmp",)),
    Field("extra", FieldType.FLAT, "Any other metadata: `extra.<name>`.", "extra.codec:h264"),
)

METADATA: tuple[Field, ...] = DIMENSIONS + GENERATION + CAMERA + SOUND + OPEN
