"""Parameters as named settings: the JSON objects of SwarmUI, Fooocus, NovelAI, InvokeAI, Draw Things and Civitai.

Sources: SwarmUI's ``docs/Image Metadata Format.md``; ``modules/meta_parser.py`` of Fooocus; InvokeAI's
``invokeai_metadata``, its older ``sd-metadata`` and the command line under ``Dream`` before that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from service.ingest.readers.generation.json_text import parsed

# The record's name → the programs' names, in lower case without blanks, hyphens and underscores, in this order.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "prompt": ("positiveprompt", "prompt", "c"),
    "negative_prompt": ("negativeprompt", "uc"),
    "steps": ("steps", "numinferencesteps"),
    "sampler": ("sampler", "samplername", "scheduler"),
    "guidance_scale": ("cfgscale", "guidancescale", "cfg", "scale", "guidance"),
    "seed": ("seed",),
    "model": ("basemodel", "model", "modelweights", "basemodelname", "usestablediffusionmodel"),
}
# Objects that hold the settings inside.
_WRAPPERS = ("sui_image_params", "image", "extraMetadata", "parameters")
_OPTION = re.compile(r"\s-(\w)\s*([^\s\"-]\S{0,60})")
_OPTIONS = {"s": "steps", "S": "seed", "C": "guidance_scale", "A": "sampler"}
_BRACKETS = re.compile(r"\[([^\[\]]{0,10000})\]")


def read(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters of an object of settings; empty if it does not look like one."""
    inner = next((wrapped for name in _WRAPPERS if (wrapped := _object(data.get(name)))), None)
    said = {_plain(name): value for name, value in (inner or data).items()}
    if inner is not None:  # InvokeAI 2 has the model beside "image"
        said = {**{_plain(name): value for name, value in data.items() if _plain(name).startswith("model")}, **said}
    found = {
        name: next((value for each in names if (value := _value(said.get(each))) is not None), None)
        for name, names in _NAMES.items()
    }
    # A setting or two can be in any JSON; a prompt beside one of them is a generator's.
    # A prompt that is an object is a graph in one text.
    if (
        not isinstance(found["prompt"], str)
        or isinstance(parsed(found["prompt"]), dict)
        or len([value for value in found.values() if value is not None]) < 2
    ):
        return {}
    if found["guidance_scale"] == 1:  # 1 means none; distilled models have a guidance of their own
        found["guidance_scale"] = _value(said.get("fluxguidancescale", said.get("guidance"))) or 1
    if "v4prompt" in said:
        found["prompt"] = _with_characters(found["prompt"], said["v4prompt"])
        found["negative_prompt"] = _with_characters(found["negative_prompt"], said.get("v4negativeprompt"))
    if "modelweights" in said or "invokeai" in said:
        found |= split_negatives(found["prompt"])
    return found


def command(text: str) -> dict[str, Any]:
    """Return the parameters of InvokeAI 1's command: ``"a fox [blurry]" -s 50 -S 7 -C 7.5 -A k_lms``."""
    said, quote, options = text.strip().removeprefix('"').rpartition('"')
    if not quote:
        said, options = text, ""
    given = {_OPTIONS[name]: value for name, value in _OPTION.findall(options) if name in _OPTIONS}
    return {**split_negatives(said), **given}


def split_negatives(prompt: str) -> dict[str, Any]:
    """Part the negative prompts, which InvokeAI 1 and 2 kept in brackets inside the prompt."""
    negatives = [found.strip() for found in _BRACKETS.findall(prompt) if found.strip()]
    kept = " ".join(_BRACKETS.sub(" ", prompt).split()) if negatives else prompt
    return {"prompt": kept.strip(" ,") if negatives else kept, "negative_prompt": ", ".join(negatives) or None}


def _plain(name: object) -> str:
    return re.sub(r"[\s_\-]", "", str(name)[:100]).lower()


def _object(value: Any) -> dict[str, Any] | None:
    found = parsed(value) if isinstance(value, str) else value
    return found if isinstance(found, dict) and found else None


def _value(value: Any) -> Any:
    """Return a plain value: of a model its name, of weighted prompts their texts; None for other objects."""
    if isinstance(value, dict):
        return next((value[name] for name in ("name", "model_name") if isinstance(value.get(name), str)), None)
    if isinstance(value, list):
        texts = [part.get("prompt") if isinstance(part, dict) else part for part in value[:100]]
        return ", ".join(text for text in texts if isinstance(text, str)) or None
    return value if isinstance(value, str | int | float) and value != "" else None


def _with_characters(prompt: Any, structured: Any) -> Any:
    """Add the prompts of single characters, which NovelAI 4 keeps apart, as its editor shows them."""
    caption = structured.get("caption") if isinstance(structured, dict) else None
    characters = caption.get("char_captions") if isinstance(caption, dict) else None
    texts = (
        [one.get("char_caption") for one in characters[:20] if isinstance(one, dict)]
        if isinstance(characters, list)
        else []
    )
    added = [text for text in texts if isinstance(text, str) and text.strip() and text not in str(prompt or "")]
    return " | ".join([*([prompt] if prompt else []), *added]) if added else prompt
