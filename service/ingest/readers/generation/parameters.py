"""The generation parameters of a picture, from whatever its generator wrote, in the record's names and types."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from service.ingest import clean
from service.ingest.facts import Facts
from service.ingest.limits import IngestLimits
from service.ingest.readers.generation import comfy, infotext, novelai, settings, workflow
from service.ingest.readers.generation.json_text import parsed, says_json

_WEIGHTS = re.compile(r"\.(safetensors|ckpt|pt|pth|gguf|sft|bin)$", re.IGNORECASE)
# ComfyUI and its save nodes write "prompt:{…}" and "workflow: {…}" into EXIF fields that have other names.
_LABEL = re.compile(r"\s*(?:prompt|workflow|parameters|generation_data)\s*:\s*(?=\{)", re.IGNORECASE)
_MAX_TEXTS = 16
_MAX_CHARS = 8 * 1024 * 1024
"""Characters of all the texts that are read of one picture; a graph and its workflow are far smaller."""

# The keyword of a text → its reader, where the text is not JSON.
_PLAIN: Mapping[str, Callable[[str], dict[str, Any]]] = {"parameters": infotext.read, "dream": settings.command}


def read(texts: Mapping[str, str], limits: IngestLimits, stem: str = "") -> Facts:
    """Return the parameters in a picture's texts (by their keywords, see :mod:`.carriers`); no facts if there are none.

    If several texts hold parameters, the one that says most is used. ``stem`` is the name of the file without its
    extension: a graph that saves several pictures names them.
    """
    found: dict[str, Any] = _fit(novelai.read(texts), limits) if novelai.wrote(texts) else {}
    left = _MAX_CHARS
    for keyword, text in list(texts.items())[:_MAX_TEXTS]:
        left -= len(text)
        if left < 0:
            break
        one = _fit(_parameters(keyword, text, limits, stem), limits)
        if len(one) > len(found):
            found = one
    return Facts(metadata=found)


def is_json(text: object) -> bool:
    """Return whether a text is JSON, whole or cut, with or without a label before it."""
    return isinstance(text, str) and says_json(_LABEL.sub("", text, count=1))


def is_parameters(text: object) -> bool:
    """Return whether a text is written for a program: JSON, or one with A1111's line of parameters."""
    return is_json(text) or (isinstance(text, str) and infotext.has_parameters(text))


def _parameters(keyword: str, text: str, limits: IngestLimits, stem: str) -> dict[str, Any]:
    labelled = _LABEL.match(text)
    body = text[labelled.end() :] if labelled else text
    data = parsed(body)
    if isinstance(data, dict):
        return from_json(data, limits, stem)
    if says_json(body):
        return {}
    plain = _PLAIN.get(keyword.lower())
    if plain is not None:
        return plain(text)
    return infotext.read(text) if infotext.has_parameters(text) else {}


def from_json(data: Mapping[str, Any], limits: IngestLimits, stem: str = "") -> dict[str, Any]:
    """Return the parameters in a JSON object, recognised by its shape: a graph, a workflow, or named settings."""
    graphs: list[Mapping[str, Any]] = [data]
    for name in ("prompt", "workflow"):  # some programs put both into one object, as objects or as texts
        inner = parsed(data[name]) if isinstance(data.get(name), str) else data.get(name)
        if isinstance(inner, dict):
            graphs.append(inner)
    found: dict[str, Any] = settings.read(data)
    for graph in graphs:
        if any(found.values()):
            break
        if workflow.is_workflow(graph):
            found = comfy.read(workflow.as_prompt(graph), limits.text_chars, stem)
        else:
            found = comfy.read(graph, limits.text_chars, stem)
    return found


def _fit(found: Mapping[str, Any], limits: IngestLimits) -> dict[str, Any]:
    """Convert the values to the record's types; values of the wrong type are dropped."""
    steps = clean.integer(found.get("steps"))
    model = clean.text(found.get("model"), limits.title_chars)
    prompt, negative = (clean.text(found.get(name), limits.text_chars) for name in ("prompt", "negative_prompt"))
    fit: dict[str, Any] = {
        "prompt": prompt,
        # guidance away from the prompt itself does nothing: the two are one input that the sampler demands twice
        "negative_prompt": negative if negative != prompt else None,
        "steps": steps if steps is not None and 0 <= steps < 2**31 else None,
        "sampler": clean.text(found.get("sampler"), limits.title_chars),
        "guidance_scale": clean.number(found.get("guidance_scale")),
        "seed": _seed(found.get("seed")),
        "model": _WEIGHTS.sub("", model.replace("\\", "/").rpartition("/")[2]) or None if model else None,
    }
    return {name: value for name, value in fit.items() if value is not None}


def _seed(value: Any) -> int | None:
    """Return a seed as an integer: seeds are unsigned 64-bit numbers, and a float would lose their last digits."""
    if isinstance(value, str) and re.fullmatch(r"\s*\d{1,20}\s*", value, re.ASCII):
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64 else None
