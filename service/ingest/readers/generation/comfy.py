"""ComfyUI's graph of nodes: the sampler that made the saved picture, and what its inputs lead to.

The graph is the API's form of a prompt, ``{id: {"class_type": …, "inputs": {name: value | [id, output]}}}``, as
``execution.py`` of ComfyUI runs it. Anybody may add nodes, so this follows the names of inputs, which authors share
(``positive``, ``conditioning``, ``seed``), and knows single classes only where their names mislead.

Work is bounded: each question visits a node once, all of them together follow ``_MAX_LINKS`` inputs, and a text is at
most ``chars`` long at every node that joins texts.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

Node = Mapping[str, Any]

_MAX_NODES = 20_000
_MAX_INPUTS = 200  # of one node
_MAX_LINKS = 500_000  # looked at for one picture
_MAX_DEPTH = 100  # nodes one behind the other between a sampler and a text
_MAX_SAMPLERS = 20  # of a chain, one for each pass over a picture

# Links that bring a picture or its latent form from an earlier node never have these names.
_NOT_PICTURES = re.compile(
    r"(base_)?model|unet|clip|vae|.*positive.*|.*negative.*|cond.*|.*guid.*|sigmas|noise|sampler|.*control_net.*|mask.*|"
    r".*_model|clip_vision.*|text.*|string.*|.*prompt.*|.*seed.*|steps|cfg|lora.*|width|height|delimiter|filename.*",
    re.IGNORECASE,
)
_PIPES = ("pipe", "basic_pipe", "sdxl_tuple", "context", "base_ctx", "ctx", "bus", "settings", "detailer_pipe")
_EMBEDS = ("text_embeds", "hyvid_embeds", "embeds")
_CONDITIONING = re.compile(r"cond(itioning)?(_?(\d{1,2}|to|from|[a-d]|in))?$|params?$", re.IGNORECASE)
_POSITIVE = ("positive", "positive_prompt", "text_positive", "prompt_positive", "base_positive", "pos")
_NEGATIVE = ("negative", "negative_prompt", "text_negative", "prompt_negative", "base_negative", "neg")
# What a text encoder or a node of strings calls its text. The encoders of one model get one text each, often the same.
_TEXTS = (
    ("populated_text",), ("text",), ("text_g", "text_l"), ("t5xxl", "clip_l", "clip_g", "llama"), ("prompt",),
    ("string",), ("value",), ("wildcard_text",), ("string_field",), ("caption",), ("inStr",),
)  # fmt: skip
_PART = re.compile(r"(text|string|str|prompt|input|any)?_?([a-h]|\d{1,2})$", re.IGNORECASE)
_JOINS = re.compile(r"concat|join|append|combine|function|merge", re.IGNORECASE)
_SWITCHES = re.compile(r"switch|select|if.?else", re.IGNORECASE)
_SEPARATORS = ("delimiter", "separator", "sep", "seperator")
_NO_CONDITIONING = re.compile(r"zero.?out|empty.?cond", re.IGNORECASE)
_MODELS = ("ckpt_name", "base_ckpt_name", "unet_name", "model_name", "model_path", "gguf_name", "model", "base_model")
_MODEL_LINKS = ("model", "base_model", "unet", "model1", "model_1", "model_a", "model_positive", "guider", "sigmas")
_WEIGHTS = re.compile(r".+\.(safetensors|ckpt|pt|pth|gguf|sft|bin)\s*\Z", re.IGNORECASE)

# A setting → the names of its input, and of the links that lead to the node that has it.
_SETTINGS: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "seed": (("seed", "noise_seed"), ("noise",)),
    "steps": (("steps",), ("sigmas",)),
    "guidance_scale": (("cfg", "cfg_conds", "cfg_scale", "embedded_guidance_scale"), ("guider",)),
    "sampler": (("sampler_name",), ("sampler",)),
}
_PLAIN_NAMES = ("value", "int", "float", "number", "integer", "string", "text", "Number", "Value", "selected")

# Nodes that are a sampling method, whose name is nowhere else (comfy_extras/nodes_custom_sampler.py).
_METHODS: Mapping[str, str] = {
    "SamplerEulerAncestral": "euler_ancestral", "SamplerEulerAncestralCFGPP": "euler_ancestral_cfg_pp",
    "SamplerEulerCFGpp": "euler_cfg_pp", "SamplerLMS": "lms", "SamplerDPMPP_2M_SDE": "dpmpp_2m_sde",
    "SamplerDPMPP_3M_SDE": "dpmpp_3m_sde", "SamplerDPMPP_SDE": "dpmpp_sde", "SamplerDPMAdaptative": "dpm_adaptive",
    "SamplerDPMPP_2S_Ancestral": "dpmpp_2s_ancestral", "SamplerLCMUpscale": "lcm", "SamplerER_SDE": "er_sde",
    "SamplerSASolver": "sa_solver", "SamplerSEEDS2": "seeds_2",
}  # fmt: skip


def read(graph: Mapping[str, Any], chars: int, stem: str = "") -> dict[str, Any]:
    """Return the parameters of the sampler that made the picture, empty if the graph has none.

    ``chars`` is the most characters of a text; ``stem`` the file's name without its extension, which begins with the
    prefix of the node that saved it.
    """
    nodes = {
        str(key): node
        for key, node in list(graph.items())[:_MAX_NODES]
        if isinstance(node, dict) and isinstance(node.get("inputs"), dict)
    }
    return _Graph(nodes, chars).read(stem) if nodes else {}


def _kind(node: Node) -> str:
    kind = node.get("class_type")
    return kind if isinstance(kind, str) else ""


def _inputs(node: Node) -> Mapping[str, Any]:
    inputs: Mapping[str, Any] = node["inputs"]
    return inputs


class _Graph:
    def __init__(self, nodes: Mapping[str, Node], chars: int) -> None:
        self._nodes = nodes
        self._chars = chars
        self._links_left = _MAX_LINKS
        self._texts: dict[tuple[str, bool], str | None] = {}

    def read(self, stem: str) -> dict[str, Any]:
        sampler = self._sampler(stem)
        if sampler is None:
            return {}
        found = {name: self._setting(sampler, *where) for name, where in _SETTINGS.items()}
        found["seed"] = self._seed(sampler)
        found["sampler"] = found["sampler"] or self._method(sampler)
        found["model"] = self._model(sampler)
        found["prompt"] = self._conditioning(sampler, True)
        found["negative_prompt"] = self._conditioning(sampler, False)
        if found["guidance_scale"] in {None, 1, "1"}:  # 1 means none; distilled models take theirs with the prompt
            found["guidance_scale"] = self._distilled(sampler) or found["guidance_scale"]
        return found

    # Nodes and links

    def _target(self, value: Any) -> str | None:
        """Return the id of the node that a link (``[id, output]``) comes from."""
        if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], str | int):
            return None
        return key if (key := str(value[0])) in self._nodes else None

    def _links(self, key: str, wanted: Callable[[str], bool]) -> Iterator[str]:
        inputs = list(_inputs(self._nodes[key]).items())[:_MAX_INPUTS]
        self._links_left -= len(inputs)
        for name, value in inputs if self._links_left > 0 else ():
            if wanted(name) and (target := self._target(value)) is not None:
                yield target

    def _walk(self, key: str, wanted: Callable[[str], bool]) -> Iterator[str]:
        """Yield the node and those behind its links, the nearest first, each once."""
        queue, seen = deque([key]), {key}
        while queue:
            at = queue.popleft()
            yield at
            for target in self._links(at, wanted):
                if target not in seen:
                    seen.add(target)
                    queue.append(target)

    # The sampler

    def _sampler(self, stem: str) -> str | None:
        samplers = [key for key in self._nodes if self._is_sampler(key)]
        samplers = samplers or [key for key in self._nodes if self._is_like_a_sampler(key)]
        if not samplers:
            return None
        known = frozenset(samplers)
        for output in self._outputs(stem):
            nearest = self._nearest(output, known)
            if nearest is not None:
                return nearest
        # Nothing saves: the last pass is the one that no other sampler takes further.
        earlier = {self._nearest(target, known) for key in samplers[:_MAX_SAMPLERS] for target in self._pictures(key)}
        return next((key for key in samplers if key not in earlier), samplers[-1])

    def _is_sampler(self, key: str) -> bool:
        node = self._nodes[key]
        if "sampler" not in _kind(node).lower():
            return False
        names = _inputs(node).keys()
        return bool(names & {"positive", "guider", "conditioning", *_EMBEDS, *_PIPES}) or {"model", "steps"} <= names

    def _is_like_a_sampler(self, key: str) -> bool:
        """Return whether a node makes pictures itself: a detailer, an upscaler, a service that is called."""
        names = _inputs(self._nodes[key]).keys()
        return bool(names & {"seed", "noise_seed"}) and ("prompt" in names or {"steps", "positive"} <= names)

    def _outputs(self, stem: str) -> list[str]:
        """Return the nodes that save or show pictures: first the one whose prefix the file's name has."""

        def rank(key: str) -> tuple[int, int]:
            prefix = _inputs(self._nodes[key]).get("filename_prefix")
            name = prefix.replace("\\", "/").rpartition("/")[2] if isinstance(prefix, str) else ""
            own = len(name) if name and stem.startswith(name) else 0
            return -own, 0 if "save" in _kind(self._nodes[key]).lower() else 1

        found = [key for key, node in self._nodes.items() if re.search(r"save|preview|combine", _kind(node), re.I)]
        return sorted((key for key in found if any(self._pictures(key))), key=rank)[:_MAX_SAMPLERS]

    def _pictures(self, key: str) -> Iterator[str]:
        return self._links(key, lambda name: _NOT_PICTURES.fullmatch(name) is None)

    def _nearest(self, key: str, samplers: frozenset[str]) -> str | None:
        """Return the nearest sampler along the links of pictures, or else along any."""
        for wanted in (lambda name: _NOT_PICTURES.fullmatch(name) is None, lambda name: True):
            found = next((at for at in self._walk(key, wanted) if at in samplers), None)
            if found is not None:
                return found
        return None

    # Settings

    def _setting(self, key: str, names: tuple[str, ...], links: tuple[str, ...]) -> Any:
        for at in self._walk(key, lambda name: name in links or name in _PIPES):
            inputs = _inputs(self._nodes[at])
            for name in names:
                value = self._plain(inputs.get(name), names)
                if value is not None:
                    return value
        return None

    def _plain(self, value: Any, names: tuple[str, ...]) -> Any:
        """Follow a link until a node has the setting, or a value without a name of its own."""
        seen: set[str] = set()
        while isinstance(value, list):
            target = self._target(value)
            if target is None or target in seen:
                return None
            seen.add(target)
            inputs = _inputs(self._nodes[target])
            value = next((inputs[name] for name in (*names, *_PLAIN_NAMES) if name in inputs), None)
            if value is None:
                value = next((each for each in list(inputs.values())[:_MAX_INPUTS] if self._target(each)), None)
        return value if isinstance(value, str | int | float) and not isinstance(value, bool) else None

    def _seed(self, sampler: str) -> Any:
        """Return the seed of the sampler, or of the pass before it that made the noise."""
        key: str | None = sampler
        if _inputs(self._nodes[sampler]).get("add_noise") in {"disable", False}:
            samplers = frozenset(each for each in self._nodes if self._is_sampler(each))
        for _ in range(_MAX_SAMPLERS):
            if key is None or _inputs(self._nodes[key]).get("add_noise") not in {"disable", False}:
                break
            before = (self._nearest(target, samplers) for target in self._pictures(key))
            key = next((each for each in before if each not in {None, key}), None)
        return self._setting(key or sampler, *_SETTINGS["seed"])

    def _method(self, sampler: str) -> str | None:
        kinds = (_kind(self._nodes[key]) for key in self._walk(sampler, lambda name: name == "sampler"))
        return next((_METHODS[kind] for kind in kinds if kind in _METHODS), None)

    def _model(self, sampler: str) -> str | None:
        """Return the file of the model's weights, past everything that changes a model on its way."""
        wanted = frozenset((*_MODEL_LINKS, *_PIPES))
        for key in self._walk(sampler, lambda name: name in wanted or name.startswith("any_")):
            inputs = _inputs(self._nodes[key])
            for name in _MODELS:
                value = inputs.get(name)
                if isinstance(value, dict):  # a picture of the model beside its name
                    value = value.get("content")
                if isinstance(value, list) and not name.endswith("model"):
                    value = self._plain(value, _MODELS)
                if isinstance(value, str) and (not name.endswith("model") or _WEIGHTS.match(value)):
                    return value
        return None

    def _distilled(self, sampler: str) -> Any:
        def wanted(name: str) -> bool:
            return name in {"guider", "positive", *_PIPES, *_EMBEDS} or _CONDITIONING.match(name) is not None

        for key in self._walk(sampler, wanted):
            value = self._plain(_inputs(self._nodes[key]).get("guidance"), ("guidance",))
            if value is not None:
                return value
        return None

    # Texts

    def _conditioning(self, key: str, positive: bool) -> str | None:
        """Return the text behind a sampler's or a guider's conditioning."""
        own = _POSITIVE if positive else _NEGATIVE
        for at in self._walk(key, lambda name: name in {"guider", *_EMBEDS, *_PIPES}):
            inputs = _inputs(self._nodes[at])
            names = (*own, *(name for name in inputs if _CONDITIONING.match(name)), "prompt") if positive else own
            for name in names:
                if name in inputs:
                    text = self._text(inputs[name], positive, 0)
                    if text:
                        return text
        return None

    def _text(self, value: Any, positive: bool, depth: int) -> str | None:
        if isinstance(value, str):
            return value[: self._chars] if value.strip() else None
        key = self._target(value)
        if key is None or depth > _MAX_DEPTH:
            return None
        if (key, positive) not in self._texts:
            self._texts[key, positive] = None  # what a cycle finds
            self._texts[key, positive] = self._text_of(self._nodes[key], positive, depth + 1)
        return self._texts[key, positive]

    def _text_of(self, node: Node, positive: bool, depth: int) -> str | None:
        inputs = dict(list(_inputs(node).items())[:_MAX_INPUTS])
        kind = _kind(node)
        if _NO_CONDITIONING.search(kind):
            return None

        def texts(names: Iterable[str]) -> list[str]:
            found = (self._text(inputs[name], positive, depth) for name in names if name in inputs)
            return [text for text in found if text]

        own, other = (_POSITIVE, _NEGATIVE) if positive else (_NEGATIVE, _POSITIVE)
        has_own, has_other = (any(name in inputs for name in names) for names in (own, other))
        if has_own:
            return next(iter(texts(own)), None)
        if has_other and not any(isinstance(inputs.get(name), str) for name in other):
            return None
        if _SWITCHES.search(kind):
            return self._chosen(inputs, positive, depth)
        parts = [name for name in inputs if _PART.fullmatch(name) and name not in {"text_g", "text_l"}]
        if len(parts) > 1 or (parts and _JOINS.search(kind)):
            return self._joined(inputs, texts(parts))
        for names in (*_TEXTS, other):
            found = list(dict.fromkeys(texts(names)))
            if found:
                return self._changed(inputs, "\n".join(found)[: self._chars])
        conditionings = list(dict.fromkeys(texts(name for name in inputs if _CONDITIONING.match(name))))
        if conditionings:
            return "\n".join(conditionings)[: self._chars]
        rest = (name for name in inputs if name in _PIPES or _NOT_PICTURES.fullmatch(name) is None)
        return next((text for name in rest if self._target(inputs[name]) for text in texts([name])), None)

    def _chosen(self, inputs: Mapping[str, Any], positive: bool, depth: int) -> str | None:
        """Return the text that a switch lets through: by its number, by true or false, or the first that is there."""
        number = self._plain(next((inputs[name] for name in ("select", "index", "input") if name in inputs), None), ())
        flag = next(
            (inputs[name] for name in ("boolean", "boolean_value", "condition", "switch") if name in inputs), None
        )
        side = {True: "true", False: "false"}.get(flag) if isinstance(flag, bool) else None
        links = [name for name, value in inputs.items() if isinstance(value, list)]
        first = [
            name
            for name in links
            if (number is not None and re.search(rf"(?<!\d)0?{re.escape(str(number))}$", name))
            or (side is not None and side in name.lower())
        ]
        found = (self._text(inputs[name], positive, depth) for name in [*first, *links])
        return next((text for text in found if text), None)

    def _joined(self, inputs: Mapping[str, Any], texts: list[str]) -> str | None:
        if inputs.get("action") == "replace" and len(texts) > 1:
            return texts[0].replace(texts[1], texts[2] if len(texts) > 2 else "")[: self._chars]
        mark = next((inputs[name] for name in _SEPARATORS if isinstance(inputs.get(name), str)), ", ")
        joined = ""
        for text in texts:
            joined += mark.replace("\\n", "\n")[:100] + text if joined else text
            if len(joined) >= self._chars:
                break
        return joined[: self._chars] or None

    def _changed(self, inputs: Mapping[str, Any], text: str) -> str:
        """Do what a node of strings does where it is plain: replace one text by another."""
        find, replace = inputs.get("find"), inputs.get("replace")
        if isinstance(find, str) and isinstance(replace, str) and find:
            return text.replace(find, replace)[: self._chars]
        return text
