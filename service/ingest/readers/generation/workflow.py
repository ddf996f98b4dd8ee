"""ComfyUI's workflow, the form that its editor keeps, turned into the form that it runs (see :mod:`.comfy`).

A workflow has its nodes in a list, its links in another, and the values of a node's widgets without their names.
Editors since 2025 name the widgets among the inputs; for older ones the order is known for ComfyUI's own nodes. A node
may stand for a whole graph ("subgraph"), which is put in its place, as ComfyUI does before it runs one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_MAX_NODES = 20_000
_MAX_LINKS = 100_000
_MUTED, _BYPASSED = 2, 4
_MAX_STEPS = 500_000  # to find what is behind the inputs of all nodes
_MAX_HOPS = 100  # from an input to the node behind it: past bypassed nodes, into subgraphs and out of them
_MAX_SIZE = 50_000  # nodes and links of all subgraphs where they are used
_MAX_DEPTH = 8  # subgraphs in subgraphs
_INPUTS, _OUTPUTS = "-10", "-20"  # the nodes inside a subgraph that stand for its own inputs and outputs

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
    definitions = data.get("definitions")
    listed = definitions.get("subgraphs") if isinstance(definitions, dict) else None
    known = {
        str(each["id"]): each
        for each in (listed if isinstance(listed, list) else [])
        if isinstance(each, dict) and isinstance(each.get("id"), str) and is_workflow(each)
    }
    return {
        key: {"class_type": scope.nodes[name].get("type"), "inputs": scope.inputs(name)}
        for key, scope, name in _Scope.of(data, known).walk(_MAX_NODES)
    }


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where a link comes from, and where it goes to: ids of nodes as texts, numbers of their outputs and inputs."""

    node: str
    output: int
    target: str
    input: int


@dataclass(slots=True)
class _Left:
    """What may still be done for one workflow, in all its scopes."""

    size: int = _MAX_SIZE
    """Nodes and links that are put in place of nodes."""
    steps: int = _MAX_STEPS
    """Inputs that are looked at on the ways from inputs to the nodes behind them."""


@dataclass(slots=True)
class _Scope:
    """The nodes and links of a workflow, or of a subgraph where it is used by a node of the scope ``above``."""

    nodes: dict[str, Mapping[str, Any]]
    links: dict[Any, _Origin]
    known: Mapping[str, Mapping[str, Any]]
    definition: Mapping[str, Any]
    above: _Scope | None = None
    user: str = ""
    prefix: str = ""
    below: dict[str, _Scope] = field(default_factory=dict)
    ends: dict[int | str, Any] = field(default_factory=dict)
    """The links that lead out, by the number of the output."""
    given: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Values that the user set, by inner node and widget; -1 is the subgraph itself."""
    left: _Left = field(default_factory=lambda: _Left())

    @classmethod
    def of(cls, data: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]]) -> _Scope:
        nodes: dict[str, Mapping[str, Any]] = {
            str(node["id"]): node
            for node in data["nodes"][:_MAX_NODES]
            if isinstance(node, dict) and isinstance(node.get("id"), int | str) and node.get("mode") != _MUTED
        }
        links = dict(_links(data.get("links") or []))
        ends = {origin.input: link for link, origin in links.items() if origin.target == _OUTPUTS}
        return cls(nodes, links, known, data, ends=ends)

    def walk(self, most: int) -> Iterator[tuple[str, _Scope, str]]:
        """Yield (key in the graph, scope, id) of at most so many nodes, subgraphs by what is in them."""
        for name, node in self.nodes.items():
            if node.get("mode") == _BYPASSED:
                continue
            inner = self.inside(name)
            for each in inner.walk(most) if inner is not None else [(self.prefix + name, self, name)]:
                most -= 1
                if most < 0:
                    return
                yield each

    def inside(self, name: str) -> _Scope | None:
        """Return the scope of the subgraph that a node stands for, None for an ordinary node."""
        definition = self.known.get(str(self.nodes[name].get("type")))
        if definition is None or name in self.below or self.left.size <= 0 or self._is_inside(definition):
            return self.below.get(name)
        scope = self.below[name] = _Scope.of(definition, self.known)
        scope.above, scope.user, scope.prefix = self, name, f"{self.prefix}{name}:"
        scope.left = self.left
        self.left.size -= 1 + len(scope.nodes) + len(scope.links)
        for at, widget, value in _proxies(self.nodes[name]):
            if value is not None:
                scope.given.setdefault(at, {}).setdefault(widget, value)
        return scope

    def _is_inside(self, definition: Mapping[str, Any]) -> bool:
        """Return whether this is within a use of a subgraph already, or too deep: a subgraph cannot be in itself."""
        scope: _Scope | None = self
        for _ in range(_MAX_DEPTH):
            if scope is None:
                return False
            if scope.definition is definition:
                return True
            scope = scope.above
        return True

    def inputs(self, name: str) -> dict[str, Any]:
        """Return the inputs of a node: plain values, and links ``[key, output]``."""
        found = self.values(name)
        for slot in _slots(self.nodes[name]):
            source = self.source(slot)
            if source is not None:
                found[slot["name"]] = source
        return found

    def values(self, name: str) -> dict[str, Any]:
        """Return the values of a node's widgets; a node that uses this subgraph may set them, too."""
        return _values(self.nodes[name]) | self.given.get(name, {})

    def source(self, slot: Mapping[str, Any]) -> Any:
        """Return what is behind an input: ``[key, output]``, a value that was given from outside, or None."""
        scope, link = self, slot.get("link")
        for _ in range(_MAX_HOPS):
            origin = scope.links.get(link) if isinstance(link, int | str) else None
            if origin is None or self.left.steps <= 0:
                return None
            self.left.steps -= 1
            if origin.node == _INPUTS and scope.above is not None:
                outer, given = _named(scope.definition.get("inputs"), origin.output), scope.given.get("-1", {})
                user, scope = scope.above.nodes[scope.user], scope.above
                self.left.steps -= len(_slots(user))
                slot = next((each for each in _slots(user) if each["name"] == outer), {})
                if slot.get("link") is None:
                    return given.get(outer, _values(user).get(outer))
                link = slot["link"]
                continue
            node = scope.nodes.get(origin.node)
            inner = scope.inside(origin.node) if node is not None else None
            if inner is not None and node is not None and node.get("mode") != _BYPASSED:
                ends = (
                    key for key, end in inner.links.items() if end.target == _OUTPUTS and end.input == origin.output
                )
                scope, link = inner, next(ends, None)
            elif node is not None and node.get("mode") == _BYPASSED:
                # it hands on its first input of the same type
                self.left.steps -= len(_slots(node))
                same = next((each for each in _slots(node) if each.get("type") == slot.get("type")), {})
                slot, link = same, same.get("link")
            else:
                return [scope.prefix + origin.node, origin.output] if node is not None else None
        return None


def _links(listed: list[Any]) -> Iterator[tuple[Any, _Origin]]:
    """Yield the links by id; one is ``[id, from, output, to, input, type]`` or an object with names."""
    for link in listed[:_MAX_LINKS]:
        if isinstance(link, dict):
            link = [link.get(name) for name in ("id", "origin_id", "origin_slot", "target_id", "target_slot")]
        if isinstance(link, list) and len(link) >= 5 and all(isinstance(part, int | str) for part in link[:5]):
            yield link[0], _Origin(str(link[1]), link[2], str(link[3]), link[4])


def _slots(node: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    slots = node.get("inputs")
    if not isinstance(slots, list):
        return []
    return [slot for slot in slots if isinstance(slot, dict) and isinstance(slot.get("name"), str)]


def _named(listed: Any, number: int) -> str:
    """Return the name of a subgraph's input."""
    slot = (
        listed[number] if isinstance(listed, list) and isinstance(number, int) and 0 <= number < len(listed) else None
    )
    return str(slot.get("name")) if isinstance(slot, dict) else ""


def _proxies(node: Mapping[str, Any]) -> list[tuple[str, str, Any]]:
    """Return (inner node or -1, widget, value) of a node that stands for a subgraph and shows widgets of it."""
    properties = node.get("properties")
    shown = properties.get("proxyWidgets") if isinstance(properties, dict) else None
    values = node.get("widgets_values")
    if not isinstance(shown, list) or not isinstance(values, list):
        return []
    return [
        (str(pair[0]), str(pair[1]), value)
        for pair, value in zip(shown, values, strict=False)
        if isinstance(pair, list) and len(pair) == 2 and not isinstance(value, list)
    ]


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
    found = dict(zip(known if len(known) >= len(names) else names, plain, strict=False))
    return {name: value for name, value in found.items() if not isinstance(value, list)}
