"""The text that AUTOMATIC1111's web UI writes, and after it Forge, SD.Next, Fooocus and many save nodes of ComfyUI.

The prompt, ``Negative prompt:`` and what follows it, then one line of ``Name: value`` pairs that begins with
``Steps:`` (``modules/infotext_utils.py`` of stable-diffusion-webui). Not every writer keeps to that: extensions add
lines after the pairs, and some services join everything into one line.
"""

from __future__ import annotations

import json
import re
from typing import Any

_STEPS = re.compile(r"\bSteps:[ \t]*")
_COUNT = re.compile(r"\d+[ \t]*(?:,|\n|\Z)")
_PAIR = re.compile(r'\s*(\w[\w \-/]{0,60}?):\s*("(?>\\.|[^\\"])*"(?=\s*(?:,|$))|[^,]*)(?:,|$)')
_NEGATIVE_LINE = re.compile(r"^[ \t]*Negative prompt:", re.IGNORECASE | re.MULTILINE)
_NEGATIVE = re.compile(r"\bNegative prompt:", re.IGNORECASE)
_MAX_LINE = 64 * 1024
_MAX_LINES = 64

# The names that make a line the parameters' and not a sentence of the prompt, and what some of them look like.
_KNOWN = frozenset({
    "sampler", "cfg scale", "seed", "size", "model", "model hash", "schedule type", "version", "clip skip",
    "denoising strength", "vae", "vae hash", "distilled cfg scale", "guidance scale", "scheduler", "hires upscale",
    "hires upscaler", "lora hashes", "rng", "app", "backend", "pipeline", "ensd", "face restoration", "parser",
})  # fmt: skip


_SHAPES = {
    "seed": re.compile(r"-?\d+"),
    "cfg scale": re.compile(r"\d+(\.\d+)?"),
    "size": re.compile(r"\d+x\d+"),
    "clip skip": re.compile(r"\d+"),
}


def has_parameters(text: str) -> bool:
    """Return whether a text has the line of pairs."""
    return _line(text) is not None


def read(text: str) -> dict[str, Any]:
    """Return the parameters of a text; one without the line of pairs is a prompt, as the web UI reads it."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").strip("\x00")
    line = _line(text)
    if line is None:
        return _prompts(text, _NEGATIVE_LINE)
    start, pairs = line
    before = text[:start]
    joined = before.rpartition("\n")[2].strip() != ""
    prompts = _prompts(before, _NEGATIVE if joined else _NEGATIVE_LINE)
    if joined and all((said or ".").rstrip().endswith(".") for said in prompts.values()):
        # every part ends with the same mark: it is where the lines were joined
        prompts = {name: said.rstrip().removesuffix(".") for name, said in prompts.items()}
    scale, distilled = pairs.get("cfg scale", pairs.get("guidance scale")), pairs.get("distilled cfg scale")
    return {
        **prompts,
        "steps": pairs.get("steps"),
        "sampler": pairs.get("sampler"),
        # Forge: a model with distilled guidance is sampled with a scale of 1, which means none
        "guidance_scale": distilled if distilled and scale in {None, "1", "1.0"} else scale,
        "seed": pairs.get("seed"),
        "model": pairs.get("model"),
    }


def _prompts(text: str, mark: re.Pattern[str]) -> dict[str, Any]:
    found = mark.search(text)
    if found is None:
        return {"prompt": text}
    return {"prompt": text[: found.start()], "negative_prompt": text[found.end() :]}


def _line(text: str) -> tuple[int, dict[str, str]] | None:
    """Return where the last line of pairs begins and its pairs; what follows it (templates) does not matter.

    It is told from a prompt that says "Steps:" by its other names: one at least where it begins a line with a number
    of steps, two otherwise. Within a line it is looked for only if no line begins with it.
    """
    offset = max(0, len(text) - 4 * _MAX_LINE)
    starts = [(offset + found.start(), offset + found.end()) for found in _STEPS.finditer(text[offset:])][-_MAX_LINES:]
    inside: tuple[int, dict[str, str]] | None = None
    for at, value in reversed(starts):
        end = text.find("\n", at)
        line = text[at : end if end >= 0 else len(text)][:_MAX_LINE]
        begins = not text[text.rfind("\n", 0, at) + 1 : at].strip()
        if not begins and inside is not None:
            continue
        pairs = {name.lower(): _unquoted(said) for name, said in reversed(_PAIR.findall(line))}
        known = sum(_is_known(name, value) for name, value in pairs.items())
        counted = _COUNT.match(text, value, value + 20) is not None
        if begins and known >= (1 if counted else 2):
            return at, pairs
        if counted and known >= 2:
            inside = at, pairs
    return inside


def _is_known(name: str, value: str) -> bool:
    shape = _SHAPES.get(name)
    return name in _KNOWN and (shape is None or shape.fullmatch(value) is not None)


def _unquoted(value: str) -> str:
    value = value.strip()
    if value[:1] != '"' or value[-1:] != '"' or len(value) < 2:
        return value
    try:
        return str(json.loads(value))
    except ValueError:
        return value[1:-1]
