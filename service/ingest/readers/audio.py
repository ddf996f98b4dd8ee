"""Audio files, and the video containers that Mutagen reads: duration, rates and tags, with Mutagen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mutagen
from mutagen.aac import AAC
from mutagen.ac3 import AC3
from mutagen.aiff import AIFF
from mutagen.asf import ASF
from mutagen.dsf import DSF
from mutagen.flac import FLAC
from mutagen.monkeysaudio import MonkeysAudio
from mutagen.mp3 import MP3
from mutagen.mp4 import MP4
from mutagen.musepack import Musepack
from mutagen.oggflac import OggFLAC
from mutagen.oggopus import OggOpus
from mutagen.oggspeex import OggSpeex
from mutagen.oggtheora import OggTheora
from mutagen.oggvorbis import OggVorbis
from mutagen.smf import SMF
from mutagen.trueaudio import TrueAudio
from mutagen.wave import WAVE
from mutagen.wavpack import WavPack

from service.errors import IngestError
from service.ingest import clean
from service.ingest.facts import Facts, Sniffed
from service.ingest.limits import IngestLimits
from service.ingest.readers import ratings, tagging

_OGG = (OggVorbis, OggOpus, OggFLAC, OggSpeex, OggTheora)
# Detected format → candidate Mutagen classes; otherwise Mutagen would go by the file name.
READERS: dict[str, tuple[type[Any], ...]] = {
    "mp3": (MP3,), "wav": (WAVE,), "flac": (FLAC,), "aiff": (AIFF,), "aac": (AAC,), "mid": (SMF,), "wmv": (ASF,),
    "wma": (ASF,), "mp2": (MP3,), "m4a": (MP4,), "mp4": (MP4,), "mov": (MP4,), "3gp": (MP4,), "ogg": _OGG,
    "opus": _OGG, "ogv": _OGG, "ape": (MonkeysAudio,), "wv": (WavPack,), "mpc": (Musepack,), "ac3": (AC3,),
    "dsf": (DSF,), "tta": (TrueAudio,),
}  # fmt: skip

# Fact → its names in ID3v2 (id3.org), Vorbis comments, MP4 (iTunes) and ASF
_NAMES: dict[str, tuple[str, ...]] = {
    "title": ("TIT2", "title", "\xa9nam", "Title"),
    "artist": ("TPE1", "artist", "\xa9ART", "Author"),
    "album": ("TALB", "album", "\xa9alb", "WM/AlbumTitle"),
    "genre": ("TCON", "genre", "\xa9gen", "WM/Genre"),
    "keywords": ("TXXX:keywords", "keywords", "keyw", "WM/Keywords"),
    "date": ("TDRC", "TDOR", "date", "\xa9day", "WM/Year"),
    "comment": ("COMM", "TXXX:comment", "TXXX:description", "description", "comment", "desc", "\xa9cmt", "Description"),
    "license": ("WCOP", "license", "License"),
    "copyright": ("TCOP", "copyright", "cprt", "Copyright"),
    "language": ("TLAN", "language", "WM/Language"),
    "software": ("TSSE", "encoder", "\xa9too", "WM/EncodingSettings"),
    "rating": ("rating", "WM/SharedUserRating"),
}


def tags(path: Path, sniffed: Sniffed, filename: str, limits: IngestLimits) -> Facts:
    """Return the facts that Mutagen reads in a recording.

    ``duration`` is in seconds, ``sample_rate`` in hertz, ``bit_rate`` in bits per second. Raises IngestError
    (``malformed``; ``unsupported`` where Mutagen says so).
    """
    readers = READERS.get(sniffed.format)
    if readers is None:
        return Facts(warnings=(f"No tags were read: the format {sniffed.format} is not supported.",))
    try:
        with path.open("rb") as source:
            found = mutagen.File(source, options=list(readers))
    except (mutagen.MutagenError, ValueError, OverflowError) as error:
        if "support" in str(error).lower():
            raise IngestError(
                f"The {sniffed.format} file is of a variant that is not supported.",
                reason="unsupported",
                filename=filename,
            ) from error
        raise _damaged(sniffed, filename) from error
    if found is None:
        raise _damaged(sniffed, filename)
    said = {fact: _all(found.tags, names, limits) for fact, names in _NAMES.items()}
    facts = tagging.facts(said, limits)
    metadata = {**_stream(found.info), **facts.metadata}
    return replace(facts, metadata=metadata, rating=_rating(found.tags) or facts.rating)


def _damaged(sniffed: Sniffed, filename: str) -> IngestError:
    return IngestError(
        f"The {sniffed.format} file is damaged: its stream cannot be read.", reason="malformed", filename=filename
    )


def _stream(info: Any) -> dict[str, Any]:
    duration = clean.number(getattr(info, "length", None))
    found: dict[str, Any] = {
        "duration": round(duration, 3) if duration is not None and duration > 0 else None,
        "sample_rate": clean.integer(getattr(info, "sample_rate", None)),
        "channels": clean.integer(getattr(info, "channels", None)),
        "bit_rate": clean.integer(getattr(info, "bitrate", None)),
    }
    return {name: value for name, value in found.items() if value is not None and value > 0}


def _all(tags: Any, names: Iterable[str], limits: IngestLimits) -> list[str]:
    """Return all values of the first of these names that the file has."""
    for name in names:
        if tags is None:
            break
        values = tags.getall(name) if hasattr(tags, "getall") else _listed(tags, name)
        texts = [clean.text(part, limits.text_chars) for value in values for part in _parts(value)]
        fit = [text for text in texts if text]
        if fit:
            return fit
    return []


def _listed(tags: Any, name: str) -> list[Any]:
    try:
        value = tags.get(name, [])
    except ValueError:  # Vorbis comments reject names that are not ASCII
        return []
    return value if isinstance(value, list) else [value]


def _parts(value: Any) -> list[str]:
    texts = getattr(value, "text", None)  # an ID3 text frame contains a list of texts or timestamps
    if isinstance(texts, list):
        return [str(text) for text in texts]
    return [str(getattr(value, "url", value))]


def _rating(tags: Any) -> int | None:
    """Return the stars of ID3's popularimeters; every program keeps its own, named by an address."""
    frames = tags.getall("POPM") if hasattr(tags, "getall") else []
    return next((stars for frame in frames if (stars := ratings.popularimeter(frame.rating))), None)
