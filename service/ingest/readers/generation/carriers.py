"""Where in a picture the texts of generators are: PNG keywords, EXIF fields, comments.

PNG has keywords for them. JPEG and WebP have EXIF only: A1111, SwarmUI and Fooocus use UserComment, ComfyUI's
animations put the prompt into Model and the workflow into Make, save nodes use ImageDescription, too.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from service.ingest import clean
from service.ingest.facts import Facts
from service.ingest.readers.generation import novelai
from service.ingest.readers.generation.parameters import is_json, is_parameters

# In this order they are tried; of texts that say as much the first is used.
_NAMES = (
    "parameters", "invokeai_metadata", "sd-metadata", "Dream", "dream", "Comment", "prompt", "workflow",
    "generation_data", "UserComment", "ImageDescription", "Model", "Make", "comment",
    "Software", "Description", "Source",  # NovelAI's, beside its Comment
)  # fmt: skip


def texts(found: Mapping[str, Any]) -> dict[str, str]:
    """Return the texts in which generators write, of all that were ``found`` by PNG keyword or name of EXIF field."""
    decoded = {name: _utf8(found[name]) for name in _NAMES if name in found}
    return {name: text for name, text in decoded.items() if isinstance(text, str) and text.strip()}


def hold_parameters(found: Mapping[str, str]) -> bool:
    """Return whether one of a picture's texts is a generator's, so that no hidden ones need to be looked for."""
    return any(name == "parameters" or is_parameters(text) for name, text in texts(found).items())


def without_parameters(facts: Facts, said: Mapping[str, str]) -> Facts:
    """Return the facts of a picture without what its generator wrote into fields for people.

    JSON is no description, no title and no camera; nor are NovelAI's same title and the prompt as a description.
    ``said`` are the picture's texts.
    """
    defaults = {clean.text(said.get(name), 10_000) for name in novelai.KEYWORDS} if novelai.wrote(said) else set()
    kept: dict[str, Any] = {}
    for name in ("title", "description", "credit", "license"):
        value = getattr(facts, name)
        if value is not None and (is_parameters(value) or value in defaults):
            kept[name] = None
    kept["creator"] = tuple(name for name in facts.creator if not is_json(name))
    metadata = dict(facts.metadata)
    written = [name for name in ("camera_make", "camera_model", "lens", "software") if is_json(metadata.get(name))]
    for name in written:
        del metadata[name]
    if {"camera_make", "camera_model"} & set(written):
        metadata.pop("camera", None)
        if model := metadata.get("camera_model", metadata.get("camera_make")):
            metadata["camera"] = model
    for name in ("exif", "iptc", "xmp"):
        if name in metadata:
            metadata[name] = {leaf: value for leaf, value in metadata[name].items() if not is_json(value)}
            if not metadata[name]:
                del metadata[name]
    return replace(facts, **kept, metadata=metadata)


def _utf8(text: Any) -> Any:
    """Decode what was read as Latin-1, as PNG and EXIF have it, although the program wrote UTF-8."""
    if isinstance(text, bytes):
        return clean.decode(text)
    with suppress(UnicodeError):
        return text.encode("latin-1").decode("utf-8") if isinstance(text, str) else text
    return text
