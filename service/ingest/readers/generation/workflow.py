"""ComfyUI's workflow, the form that its editor keeps, turned into the form that it runs (see :mod:`.comfy`).

A workflow has its nodes in a list, its links in another, and the values of a node's widgets without their names.
Editors since 2025 name the widgets among the inputs; for older ones the order is known for ComfyUI's own nodes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MAX_NODES = 20_000
_MAX_LINKS = 100_000
_MUTED, _BYPASSED = 2, 4
_MAX_BYPASSED = 50  # one behind the other

# After a seed the editor keeps a value of its own: what happens to the seed after a run.
_CONTROLS = frozenset({"fixed", "increment", "decrement", "randomize"})

_WIDGETS: Mapping[str, tuple[str, ...]] = {
    "KSampler": ("seed", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": (
        "add_noise", "noise_seed", "steps", "cfg", "sampler_name", "scheduler", "start_at_step", "end_at_step",
    ),
    "KSampler (Efficient)": ("seed", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "SamplerCustom": ("add_noise", "noise_seed", "cfg"),
    "RandomNoise": ("noise_seed",),
    "KSamplerSelect": ("sampler_name",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "KarrasScheduler": ("steps",), "SDTurboScheduler": ("steps",),
    "CFGGuider": ("cfg",), "FluxGuidance": ("guidance",),
    "CLIPTextEncode": ("text",), "CLIPTextEncodeFlux": ("clip_l", "t5xxl", "guidance"),
    "CLIPTextEncodeSDXL": (
        "width", "height", "crop_w", "crop_h", "target_width", "target_height", "text_g", "text_l",
    ),
    "CLIPTextEncodeSDXLRefiner": ("ascore", "width", "height", "text"),
    "CLIPTextEncodeSD3": ("clip_l", "clip_g", "t5xxl"),
    "TextEncodeQwenImageEdit": ("prompt",),
    "CheckpointLoaderSimple": ("ckpt_name",), "UNETLoader": ("unet_name",), "UnetLoaderGGUF": ("unet_name",),
    "LoraLoader": ("lora_name",), "SaveImage": ("filename_prefix",), "PrimitiveNode": ("value",),
    "PrimitiveString": ("value",), "PrimitiveStringMultiline": ("value",), "PrimitiveInt": ("value",),
    "PrimitiveFloat": ("value",), "StringConcatenate": ("string_a", "string_b", "delimiter"),
    "Text Multiline": ("text",), "String Literal": ("string",), "CR Text": ("text",), "Seed (rgthree)": ("seed",),
    "Efficient Loader": (
        "ckpt_name", "vae_name", "clip_skip", "lora_name", "lora_model_strength", "lora_clip_strength",
        "positive", "negative",
    ),
}  # fmt: skip


def is_workflow(data: Mapping[str, Any]) -> bool:
    """Return whether an object is a workflow."""
    return isinstance(data.get("nodes"), list) and isinstance(data.get("links", []), list)


def as_prompt(data: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the graph that a workflow stands for, without muted nodes and past those that are bypassed."""
    links = dict(_links(data.get("links") or []))
    nodes = {
        str(node["id"]): node
        for node in data["nodes"][:_MAX_NODES]
        if isinstance(node, dict) and isinstance(node.get("id"), int | str) and node.get("mode") != _MUTED
    }
    return {
        key: {"class_type": node.get("type"), "inputs": {**_values(node), **_sources(node, nodes, links)}}
        for key, node in nodes.items()
        if node.get("mode") != _BYPASSED
    }


def _links(listed: list[Any]) -> list[tuple[Any, list[Any]]]:
    """Return (link, ``[node, output]``); a link is ``[id, from, output, to, input, type]`` or an object with names."""
    found: list[tuple[Any, list[Any]]] = []
    for link in listed[:_MAX_LINKS]:
        if isinstance(link, dict):
            link = [link.get("id"), link.get("origin_id"), link.get("origin_slot")]
        if isinstance(link, list) and len(link) >= 3 and all(isinstance(part, int | str) for part in link[:3]):
            found.append((link[0], [str(link[1]), link[2]]))
    return found


def _slots(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    slots = node.get("inputs")
    return (
        [slot for slot in slots if isinstance(slot, dict) and isinstance(slot.get("name"), str)]
        if isinstance(slots, list)
        else []
    )


def _values(node: Mapping[str, Any]) -> dict[str, Any]:
    values = node.get("widgets_values")
    if isinstance(values, dict):
        return {name: value for name, value in values.items() if not isinstance(value, list)}
    if not isinstance(values, list):
        return {}
    names = [slot["name"] for slot in _slots(node) if slot.get("widget")]
    known = _WIDGETS.get(str(node.get("type")), ())
    plain = [value for at, value in enumerate(values) if not (at and isinstance(value, str) and value in _CONTROLS)]
    # An input that was made from a widget keeps its value in the list; only newer editors name all of them.
    order = known if len(known) >= len(names) else names
    found = dict(zip(order, plain, strict=False))
    return {name: value for name, value in found.items() if not isinstance(value, list)}


def _sources(
    node: Mapping[str, Any], nodes: Mapping[str, Mapping[str, Any]], links: Mapping[Any, list[Any]]
) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for slot in _slots(node):
        source = _source(slot, nodes, links)
        if source is not None:
            found[slot["name"]] = source
    return found


def _source(
    slot: Mapping[str, Any], nodes: Mapping[str, Mapping[str, Any]], links: Mapping[Any, list[Any]]
) -> list[Any] | None:
    """Return ``[node, output]`` behind an input; a bypassed node hands on its first input of the same type."""
    for _ in range(_MAX_BYPASSED):
        link = slot.get("link")
        source = links.get(link) if isinstance(link, int | str) else None
        if source is None:
            return None
        node = nodes.get(source[0])
        if node is None or node.get("mode") != _BYPASSED:
            return source if node is not None else None
        same = next((each for each in _slots(node) if each.get("type") == slot.get("type")), None)
        if same is None:
            return None
        slot = same
    return None
