"""Generation parameters that Automatic1111, ComfyUI and InvokeAI write into an image.

Sources: ``modules/infotext_utils.py`` of stable-diffusion-webui (the text after the prompt), ComfyUI's API prompt (a
graph of nodes under the PNG key ``prompt``), InvokeAI's ``invokeai_metadata`` and its older ``sd-metadata``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from service.ingest import clean
from service.ingest.facts import Facts
from service.ingest.limits import IngestLimits

_PAIR = re.compile(r'\s*([\w][\w \-/]{0,60}?):\s*("(?:\\.|[^\\"]){0,4000}"|[^,]*)(?:,|$)')
_NEGATIVE = "Negative prompt:"
_WEIGHTS = re.compile(r"\.(safetensors|ckpt|pt|pth|gguf|bin)$", re.IGNORECASE)
_MAX_HOPS = 20
_MAX_JSON = 8 * 1024 * 1024


def read(texts: Mapping[str, str], comment: str | None, limits: IngestLimits) -> Facts:
    """Return the parameters found in an image's text chunks or in EXIF UserComment (as in JPEG and WebP)."""
    for key, parse in _READERS.items():
        source = texts.get(key)
        found = _fit(parse(source), limits) if source else {}
        if found:
            return Facts(metadata=found)
    if comment and "Steps: " in comment:
        return Facts(metadata=_fit(webui(comment), limits))
    return Facts()


def webui(source: str) -> dict[str, Any]:
    """Parse Automatic1111's text: the prompt, ``Negative prompt:`` and a last line of ``Name: value`` pairs."""
    *body, last = source.strip().split("\n")
    pairs = {key.strip(): _unquoted(value) for key, value in _PAIR.findall(last)} if "Steps:" in last else {}
    if not pairs:
        body.append(last)
    prompt, mark, negative = "\n".join(body).partition(_NEGATIVE)
    return {
        "prompt": prompt,
        "negative_prompt": negative if mark else None,
        "steps": pairs.get("Steps"),
        "sampler": pairs.get("Sampler"),
        "guidance_scale": pairs.get("CFG scale"),
        "seed": pairs.get("Seed"),
        "model": pairs.get("Model"),
    }


def invoke(source: str) -> dict[str, Any]:
    """Parse InvokeAI 3 and later: one flat JSON object."""
    data = _object(source)
    model = data.get("model")
    return {
        "prompt": data.get("positive_prompt"),
        "negative_prompt": data.get("negative_prompt"),
        "steps": data.get("steps"),
        "sampler": data.get("scheduler"),
        "guidance_scale": data.get("cfg_scale"),
        "seed": data.get("seed"),
        "model": (model.get("name") or model.get("model_name")) if isinstance(model, dict) else model,
    }


def invoke_legacy(source: str) -> dict[str, Any]:
    """Parse InvokeAI 2: ``image`` contains the parameters, ``prompt`` may be a list of weighted prompts."""
    data = _object(source)
    image = data.get("image")
    image = image if isinstance(image, dict) else {}
    prompt = image.get("prompt")
    if isinstance(prompt, list):
        prompt = next((part.get("prompt") for part in prompt if isinstance(part, dict)), None)
    return {
        "prompt": prompt,
        "steps": image.get("steps"),
        "sampler": image.get("sampler"),
        "guidance_scale": image.get("cfg_scale"),
        "seed": image.get("seed"),
        "model": data.get("model_weights"),
    }


def comfy(source: str) -> dict[str, Any]:
    """Parse ComfyUI's graph: the first sampler, and the prompts and the model checkpoint connected to it."""
    nodes = {key: node for key, node in _object(source).items() if isinstance(node, dict)}
    sampler = next((node for node in nodes.values() if _is_sampler(node)), None)
    if sampler is None:
        return {}
    inputs = _inputs(sampler)
    return {
        "prompt": _followed(nodes, inputs.get("positive"), ("text", "text_g", "t5xxl")),
        "negative_prompt": _followed(nodes, inputs.get("negative"), ("text", "text_g", "t5xxl")),
        "steps": inputs.get("steps"),
        "sampler": inputs.get("sampler_name"),
        "guidance_scale": inputs.get("cfg"),
        "seed": _followed(nodes, inputs.get("seed", inputs.get("noise_seed")), ("seed", "noise_seed", "value")),
        "model": _followed(nodes, inputs.get("model"), ("ckpt_name", "unet_name")),
    }


_READERS: dict[str, Callable[[str], dict[str, Any]]] = {
    "parameters": webui,
    "invokeai_metadata": invoke,
    "sd-metadata": invoke_legacy,
    "prompt": comfy,
}


def _fit(found: Mapping[str, Any], limits: IngestLimits) -> dict[str, Any]:
    """Convert the values to the record's types; values of the wrong type are dropped."""
    steps = clean.integer(found.get("steps"))
    model = clean.text(found.get("model"), limits.title_chars)
    fit: dict[str, Any] = {
        "prompt": clean.text(found.get("prompt"), limits.text_chars),
        "negative_prompt": clean.text(found.get("negative_prompt"), limits.text_chars),
        "steps": steps if steps is not None and steps >= 0 else None,
        "sampler": clean.text(found.get("sampler"), limits.title_chars),
        "guidance_scale": clean.number(found.get("guidance_scale")),
        "seed": _seed(found.get("seed")),
        "model": _WEIGHTS.sub("", model.replace("\\", "/").rpartition("/")[2]) if model else None,
    }
    return {name: value for name, value in fit.items() if value is not None}


def _seed(value: Any) -> int | None:
    """Return a seed as an integer: seeds are unsigned 64-bit numbers, and a float would lose their last digits."""
    if isinstance(value, str) and re.fullmatch(r"\d{1,20}", value.strip()):
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**64 else None


def _unquoted(value: str) -> str:
    value = value.strip()
    if value[:1] != '"' or value[-1:] != '"' or len(value) < 2:
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value[1:-1]


def _object(source: str) -> dict[str, Any]:
    if len(source) > _MAX_JSON:
        return {}
    try:
        found = json.loads(source, parse_constant=lambda _: None)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _is_sampler(node: Mapping[str, Any]) -> bool:
    return "Sampler" in str(node.get("class_type")) and {"positive", "steps"} <= _inputs(node).keys()


def _inputs(node: Mapping[str, Any]) -> dict[str, Any]:
    inputs = node.get("inputs")
    return inputs if isinstance(inputs, dict) else {}


def _followed(nodes: Mapping[str, Any], value: Any, names: tuple[str, ...]) -> Any:
    """Follow links (``[node, output]``) until a node has one of the named inputs as a plain value."""
    for _ in range(_MAX_HOPS):
        if not isinstance(value, list):
            return value
        inputs = _inputs(nodes.get(str(value[0]), {})) if value else {}
        plain = next((inputs[name] for name in names if name in inputs), None)
        if plain is None:
            plain = next((each for each in inputs.values() if isinstance(each, list)), None)
        value = plain
    return None
