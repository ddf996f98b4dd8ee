from __future__ import annotations

import json
from typing import Any

import pytest

from service.ingest.limits import DEFAULT
from service.ingest.readers.generation import comfy, parameters

Graph = dict[str, dict[str, Any]]


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def link(key: str, output: int = 0) -> list[Any]:
    return [key, output]


BASE: Graph = {
    "3": node(
        "KSampler",
        seed=1,
        steps=20,
        cfg=8,
        sampler_name="euler",
        scheduler="normal",
        model=link("4"),
        positive=link("6"),
        negative=link("7"),
        latent_image=link("5"),
    ),
    "4": node("CheckpointLoaderSimple", ckpt_name="xl/base.safetensors"),
    "5": node("EmptyLatentImage", width=64, height=64, batch_size=1),
    "6": node("CLIPTextEncode", text="bottle", clip=link("4", 1)),
    "7": node("CLIPTextEncode", text="watermark", clip=link("4", 1)),
    "8": node("VAEDecode", samples=link("3"), vae=link("4", 2)),
    "9": node("SaveImage", filename_prefix="ComfyUI", images=link("8")),
}
OF_BASE = {
    "prompt": "bottle",
    "negative_prompt": "watermark",
    "steps": 20,
    "sampler": "euler",
    "guidance_scale": 8,
    "seed": 1,
    "model": "base",
}


def base(**changed: dict[str, Any]) -> Graph:
    return {**BASE, **{key.removeprefix("n"): value for key, value in changed.items()}}


def sampled(**inputs: Any) -> dict[str, Any]:
    """The sampler of the base graph with other inputs; None takes one away."""
    joined = {**BASE["3"]["inputs"], **inputs}
    return node("KSampler", **{name: value for name, value in joined.items() if value is not None})


def read(graph: Any, stem: str = "") -> dict[str, Any]:
    return parameters.read({"prompt": json.dumps(graph)}, DEFAULT, stem).metadata


FLUX: Graph = {
    "6": node("CLIPTextEncode", text="tram", clip=link("11")),
    "12": node("UNETLoader", unet_name="flux1-dev.safetensors", weight_dtype="default"),
    "13": node(
        "SamplerCustomAdvanced",
        noise=link("25"),
        guider=link("22"),
        sampler=link("16"),
        sigmas=link("17"),
        latent_image=link("27"),
    ),
    "16": node("KSamplerSelect", sampler_name="dpmpp_2m"),
    "17": node("BasicScheduler", scheduler="simple", steps=24, denoise=1, model=link("30")),
    "22": node("BasicGuider", model=link("30"), conditioning=link("26")),
    "25": node("RandomNoise", noise_seed=777),
    "26": node("FluxGuidance", guidance=3.5, conditioning=link("6")),
    "27": node("EmptySD3LatentImage", width=64, height=64),
    "30": node("ModelSamplingFlux", max_shift=1.15, model=link("12")),
}
OF_FLUX = {
    "prompt": "tram",
    "steps": 24,
    "sampler": "dpmpp_2m",
    "guidance_scale": 3.5,
    "seed": 777,
    "model": "flux1-dev",
}
EFFICIENT: Graph = {
    "1": node("Efficient Loader", ckpt_name="eff.safetensors", positive="hill", negative="fog", lora_name="None"),
    "2": node(
        "KSampler (Efficient)",
        seed=4,
        steps=12,
        cfg=6.5,
        sampler_name="lcm",
        model=link("1"),
        positive=link("1", 1),
        negative=link("1", 2),
    ),
    "3": node("SaveImage", filename_prefix="x", images=link("2", 5)),
}
OF_EFFICIENT = {
    "prompt": "hill",
    "negative_prompt": "fog",
    "steps": 12,
    "sampler": "lcm",
    "guidance_scale": 6.5,
    "seed": 4,
    "model": "eff",
}
TUPLE: Graph = {
    "1": node("Eff. Loader SDXL", base_ckpt_name="sdxl.safetensors", positive="hill", negative="fog"),
    "2": node("KSampler SDXL (Eff.)", noise_seed=4, steps=12, cfg=6.5, sampler_name="lcm", sdxl_tuple=link("1")),
}
PIPE: Graph = {
    "1": node("easy fullLoader", ckpt_name="eff.safetensors", positive="hill", negative="fog"),
    "2": node("easy preSampling", steps=12, cfg=6.5, sampler_name="lcm", seed=4, pipe=link("1")),
    "3": node("easy kSampler", pipe=link("2"), image_output="Preview"),
}
CUSTOM: Graph = {
    **BASE,
    "3": node(
        "SamplerCustom",
        add_noise=True,
        noise_seed=2**63 + 5,
        cfg=4.5,
        model=link("4"),
        positive=link("6"),
        negative=link("7"),
        sampler=link("20"),
        sigmas=link("22"),
        latent_image=link("5"),
    ),
    "20": node("SamplerDPMPP_2M_SDE", solver_type="midpoint", eta=1.0),
    "21": node("KarrasScheduler", steps=30, sigma_max=14.6),
    "22": node("SplitSigmas", step=20, sigmas=link("21")),
}
GUIDED: Graph = {
    **FLUX,
    "22": node("CFGGuider", model=link("12"), positive=link("6"), negative=link("7"), cfg=5.5),
    "7": node("CLIPTextEncode", text="rain", clip=link("11")),
}
WAN: Graph = {
    "1": node("WanVideoModelLoader", model="wan2.1.safetensors", base_precision="bf16"),
    "2": node("WanVideoTextEncode", positive_prompt="waves", negative_prompt="static", t5=link("9")),
    "3": node("WanVideoSampler", model=link("1"), text_embeds=link("2"), steps=6, cfg=1.0, seed=8, scheduler="unipc"),
    "9": node("LoadWanVideoT5TextEncoder", model_name="umt5.safetensors"),
}


@pytest.mark.parametrize(
    ("graph", "expected"),
    [
        (BASE, OF_BASE),
        (FLUX, OF_FLUX),
        (EFFICIENT, OF_EFFICIENT),
        (TUPLE, OF_EFFICIENT | {"model": "sdxl"}),
        (PIPE, OF_EFFICIENT),
        (CUSTOM, OF_BASE | {"seed": 2**63 + 5, "guidance_scale": 4.5, "steps": 30, "sampler": "dpmpp_2m_sde"}),
        (GUIDED, OF_FLUX | {"guidance_scale": 5.5, "negative_prompt": "rain"}),
        (
            WAN,
            {
                "prompt": "waves",
                "negative_prompt": "static",
                "steps": 6,
                "guidance_scale": 1,
                "seed": 8,
                "model": "wan2.1",
            },
        ),
    ],
)
def test_samplers(graph: Graph, expected: dict[str, Any]) -> None:
    assert read(graph) == expected


@pytest.mark.parametrize(
    ("nodes", "prompt"),
    [
        (
            {"6": node("CLIPTextEncode", text=link("10")), "10": node("PrimitiveStringMultiline", value="kettle")},
            "kettle",
        ),
        ({"6": node("CLIPTextEncode", text=link("10")), "10": node("String Literal", string="kettle")}, "kettle"),
        ({"6": node("CLIPTextEncode", text=link("10")), "10": node("easy positive", positive="kettle")}, "kettle"),
        (
            {
                "6": node("CLIPTextEncode", text=link("10")),
                "10": node("Reroute", **{"": link("11")}),
                "11": node("Text Multiline", text="kettle"),
            },
            "kettle",
        ),
        (
            {
                "6": node("CLIPTextEncode", text=link("10")),
                "10": node("ShowText|pysssss", text=link("11"), text_0="shown"),
                "11": node("CR Text", text="kettle"),
            },
            "kettle",
        ),
        (
            {
                "6": node("CLIPTextEncode", text=link("10")),
                "10": node("StringConcatenate", string_a="a red", string_b=link("11"), delimiter=" "),
                "11": node("PrimitiveString", value="kettle"),
            },
            "a red kettle",
        ),
        (
            {
                "6": node("CLIPTextEncode", text=link("10")),
                "10": node(
                    "Text Concatenate", delimiter="\\n", clean_whitespace="true", text_a="a red", text_b=link("11")
                ),
                "11": node("Text Multiline", text="kettle"),
            },
            "a red\nkettle",
        ),
        (
            {"6": node("CLIPTextEncode", text=link("10")), "10": node("JWStringConcat", a="a red ", b="kettle")},
            "a red , kettle",
        ),
        (
            {
                "6": node("CLIPTextEncode", text=link("10")),
                "10": node(
                    "StringFunction|pysssss", action="replace", text_a="a red pot", text_b="pot", text_c="kettle"
                ),
            },
            "a red kettle",
        ),
        (
            {
                "6": node("CLIPTextEncode", text=link("10")),
                "10": node("StringReplace", string="a pot", find="pot", replace="kettle"),
            },
            "a kettle",
        ),
        (
            {
                "6": node("CLIPTextEncode", text=link("10")),
                "10": node("Any Switch (rgthree)", any_01=link("99"), any_02=link("11")),
                "11": node("PrimitiveString", value="kettle"),
            },
            "kettle",
        ),
        (
            {
                "6": node("CLIPTextEncode", text=link("10")),
                "10": node("ImpactSwitch", select=2, input1=link("7"), input2=link("11")),
                "11": node("PrimitiveString", value="kettle"),
            },
            "kettle",
        ),
        ({"6": node("ImpactWildcardEncode", wildcard_text="{pot|kettle}", populated_text="kettle")}, "kettle"),
        ({"6": node("CLIPTextEncodeSDXL", text_g="kettle", text_l="kettle", width=1024)}, "kettle"),
        (
            {"6": node("CLIPTextEncodeFlux", clip_l="metal", t5xxl="a kettle of metal", guidance=3.5)},
            "a kettle of metal\nmetal",
        ),
        ({"6": node("TextEncodeQwenImageEdit", prompt="kettle", clip=link("4"), image=link("5"))}, "kettle"),
        (
            {
                "6": node("ConditioningCombine", conditioning_1=link("10"), conditioning_2=link("11")),
                "10": node("CLIPTextEncode", text="pot"),
                "11": node("CLIPTextEncode", text="kettle"),
            },
            "pot\nkettle",
        ),
        (
            {
                "6": node("ConditioningConcat", conditioning_to=link("10"), conditioning_from=link("11")),
                "10": node("CLIPTextEncode", text="pot"),
                "11": node("CLIPTextEncode", text="kettle"),
            },
            "pot\nkettle",
        ),
        (
            {
                "6": node(
                    "ControlNetApplyAdvanced",
                    positive=link("10"),
                    negative=link("7"),
                    control_net=link("12"),
                    image=link("13"),
                ),
                "10": node("CLIPTextEncode", text="kettle"),
            },
            "kettle",
        ),
        (
            {
                "6": node("FluxGuidance", guidance=3.5, conditioning=link("10")),
                "10": node("CLIPTextEncode", text="kettle"),
            },
            "kettle",
        ),
        (
            {
                "6": node("Context Big (rgthree)", base_ctx=link("10")),
                "10": node("Context (rgthree)", positive=link("11"), negative=link("7")),
                "11": node("CLIPTextEncode", text="kettle"),
            },
            "kettle",
        ),
        ({"6": node("CLIPTextEncode", text={"__value__": ["x"]})}, None),
        ({"6": node("CLIPTextEncode", text="")}, None),
        ({"6": node("CLIPTextEncode", text=["6", 0])}, None),
        ({"6": node("CLIPTextEncode", text=link("404"))}, None),
    ],
)
def test_prompts_through_other_nodes(nodes: Graph, prompt: str | None) -> None:
    assert read({**BASE, **nodes}).get("prompt") == prompt


@pytest.mark.parametrize(
    ("nodes", "negative"),
    [
        ({"3": sampled(negative=link("10")), "10": node("ConditioningZeroOut", conditioning=link("6"))}, None),
        ({"3": sampled(negative=link("6"))}, None),
        ({"3": sampled(negative=None)}, None),
        ({"7": node("easy negative", negative="blur")}, "blur"),
        ({"7": node("CLIPTextEncode", text=link("10")), "10": node("easy positive", positive="blur")}, "blur"),
        (
            {
                "3": sampled(negative=link("10", 1)),
                "10": node("ControlNetApplyAdvanced", positive=link("6"), negative=link("7")),
            },
            "watermark",
        ),
    ],
)
def test_negative_prompts(nodes: Graph, negative: str | None) -> None:
    assert read({**BASE, **nodes}).get("negative_prompt") == negative


@pytest.mark.parametrize(
    ("inputs", "nodes", "name", "value"),
    [
        ({"seed": link("10")}, {"10": node("Seed (rgthree)", seed=44)}, "seed", 44),
        ({"seed": link("10")}, {"10": node("PrimitiveInt", value=44)}, "seed", 44),
        ({"seed": link("10")}, {"10": node("Reroute", x=link("11")), "11": node("easy seed", seed=44)}, "seed", 44),
        ({"seed": link("10")}, {"10": node("Reroute", x=link("10"))}, "seed", None),
        ({"seed": "44"}, {}, "seed", 44),
        ({"seed": True}, {}, "seed", None),
        ({"steps": link("10")}, {"10": node("INTConstant", value=44)}, "steps", 44),
        ({"steps": -3}, {}, "steps", None),
        ({"cfg": link("10")}, {"10": node("FloatConstant", value=4.5)}, "guidance_scale", 4.5),
        (
            {"cfg": 1.0, "positive": link("10")},
            {"10": node("FluxGuidance", guidance=3.5, conditioning=link("6"))},
            "guidance_scale",
            3.5,
        ),
        ({"sampler_name": link("10")}, {"10": node("Sampler Selector", sampler_name="ddim")}, "sampler", "ddim"),
        (
            {"model": link("10")},
            {"10": node("LoraLoader", lora_name="l.safetensors", model=link("4"))},
            "model",
            "base",
        ),
        (
            {"model": link("10")},
            {
                "10": node("ModelMergeSimple", model1=link("4"), model2=link("11")),
                "11": node("CheckpointLoaderSimple", ckpt_name="other.ckpt"),
            },
            "model",
            "base",
        ),
        ({"model": link("10")}, {"10": node("UnetLoaderGGUF", unet_name="flux-Q8_0.gguf")}, "model", "flux-Q8_0"),
        (
            {"model": link("10")},
            {"10": node("CheckpointLoader|pysssss", ckpt_name={"content": "SD\\a.ckpt", "image": None})},
            "model",
            "a",
        ),
        (
            {"model": link("10")},
            {"10": node("CheckpointLoaderSimple", ckpt_name=link("11")), "11": node("PrimitiveString", value="b.ckpt")},
            "model",
            "b",
        ),
    ],
)
def test_settings_through_other_nodes(inputs: dict[str, Any], nodes: Graph, name: str, value: Any) -> None:
    assert read({**BASE, **nodes, "3": sampled(**inputs)}).get(name) == value


TWO_PASSES: Graph = {
    **BASE,
    "20": node("LatentUpscale", samples=link("3"), width=128),
    "21": sampled(seed=2, steps=9, latent_image=link("20")),
    "8": node("VAEDecode", samples=link("21"), vae=link("4", 2)),
}
REFINED: Graph = {
    **BASE,
    "3": node("KSamplerAdvanced", **{**BASE["3"]["inputs"], "noise_seed": 77, "seed": None, "add_noise": "enable"}),
    "21": node(
        "KSamplerAdvanced",
        **{**BASE["3"]["inputs"], "noise_seed": 0, "seed": None, "add_noise": "disable", "latent_image": link("3")},
    ),
    "8": node("VAEDecode", samples=link("21"), vae=link("4", 2)),
}
TWO_PICTURES: Graph = {
    **BASE,
    "21": sampled(seed=2),
    "22": node("VAEDecode", samples=link("21"), vae=link("4", 2)),
    "23": node("SaveImage", filename_prefix="drafts/draft", images=link("22")),
}


@pytest.mark.parametrize(
    ("graph", "stem", "seed"),
    [
        (TWO_PASSES, "", 2),
        ({key: value for key, value in TWO_PASSES.items() if key not in {"8", "9"}}, "", 2),
        (REFINED, "", 77),
        (TWO_PICTURES, "ComfyUI_00001_", 1),
        (TWO_PICTURES, "draft_00001_", 2),
        (TWO_PICTURES, "renamed", 1),
        # a look at the first pass is no picture that was saved
        (
            {"0": node("PreviewImage", images=link("00")), "00": node("VAEDecode", samples=link("3")), **TWO_PASSES},
            "",
            2,
        ),
        # what a detailer adds is no new picture
        (
            {
                **BASE,
                "9": node("SaveImage", images=link("30")),
                "30": node("FaceDetailer", image=link("8"), seed=6, steps=5, positive=link("6")),
            },
            "",
            1,
        ),
        # unless nothing else samples
        (
            {
                **BASE,
                "3": node(
                    "UltimateSDUpscale", image=link("5"), seed=6, steps=5, positive=link("6"), negative=link("7")
                ),
            },
            "",
            6,
        ),
        # the sampler behind a picture that guides is further away
        (
            {
                "40": sampled(seed=9),
                "41": node("VAEDecode", samples=link("40")),
                **BASE,
                "5": node("VAEEncode", pixels=link("42")),
                "42": node("ImageBlend", image1=link("41")),
            },
            "",
            1,
        ),
    ],
)
def test_the_sampler_is_the_one_that_feeds_the_saved_picture(graph: Graph, stem: str, seed: int) -> None:
    assert read(graph, stem)["seed"] == seed


def chain(length: int) -> Graph:
    nodes = {str(at): node("Reroute", text=link(str(at + 1))) for at in range(100, 100 + length)}
    return {**BASE, "6": node("CLIPTextEncode", text=link("100")), **nodes, str(100 + length): node("X", text="far")}


def doubling(levels: int) -> Graph:
    nodes = {
        str(at): node("Text Concatenate", text_a=link(str(at + 1)), text_b=link(str(at + 1)))
        for at in range(100, 100 + levels)
    }
    return {**BASE, "6": node("CLIPTextEncode", text=link("100")), **nodes, str(100 + levels): node("X", text="ab")}


def ring(size: int) -> Graph:
    return {
        str(at): node("KSampler", steps=1, positive=link(str((at + 1) % size)), latent_image=link(str((at + 1) % size)))
        for at in range(size)
    }


def dense(size: int) -> Graph:
    every = {f"in{at}": link(str(at)) for at in range(size)}
    return {str(at): node("KSampler", steps=1, positive=link("0"), **every) for at in range(size)}


@pytest.mark.parametrize("graph", [chain(5000), doubling(60), ring(3000), dense(300)])
def test_a_hostile_graph_is_bounded(graph: Graph) -> None:
    assert len(str(read(graph).get("prompt"))) <= DEFAULT.text_chars


def test_a_chain_of_ordinary_length_is_followed() -> None:
    assert read(chain(40))["prompt"] == "far"


def test_no_more_links_are_looked_at_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comfy, "_MAX_LINKS", 3)
    assert read(BASE).get("model") is None


@pytest.mark.parametrize(
    "graph",
    [
        {"3": {"class_type": 5, "inputs": {"steps": 1}}},
        {"3": {"class_type": "KSampler", "inputs": [1, 2]}},
        {"3": {"class_type": "KSampler"}},
        {"3": node("KSampler", steps={}, seed=[[]], positive=[{}, 0], negative=[None, None], model=[["4"], 0])},
        {"3": "text", "4": None, "5": [1]},
    ],
)
def test_wrong_types_give_nothing(graph: Any) -> None:
    assert read(graph) == {}


OLD_EDITOR: dict[str, Any] = {
    "nodes": [
        {
            "id": 3,
            "type": "KSampler",
            "mode": 0,
            "inputs": [
                {"name": "model", "type": "MODEL", "link": 1},
                {"name": "positive", "type": "CONDITIONING", "link": 4},
                {"name": "negative", "type": "CONDITIONING", "link": 6},
                {"name": "seed", "type": "INT", "link": 9, "widget": {"name": "seed"}},
            ],
            "widgets_values": [5, "randomize", 20, 8, "euler", "normal", 1],
        },
        {"id": 4, "type": "CheckpointLoaderSimple", "widgets_values": ["base.safetensors"]},
        {"id": 6, "type": "CLIPTextEncode", "widgets_values": ["bottle"], "inputs": [{"name": "clip", "link": None}]},
        {"id": 7, "type": "CLIPTextEncode", "widgets_values": ["watermark"]},
        {"id": 10, "type": "PrimitiveNode", "widgets_values": [1, "fixed"]},
        {"id": 11, "type": "KSampler", "mode": 2, "widgets_values": [9, "fixed", 9, 9, "ddim", "normal", 1]},
        {
            "id": 12,
            "type": "LoraLoader",
            "mode": 4,
            "inputs": [{"name": "model", "type": "MODEL", "link": 2}],
            "widgets_values": ["l.safetensors", 1, 1],
        },
    ],
    "links": [
        [1, 12, 0, 3, 0, "MODEL"],
        [2, 4, 0, 12, 0, "MODEL"],
        [4, 6, 0, 3, 1, "CONDITIONING"],
        [6, 7, 0, 3, 2, "CONDITIONING"],
        [9, 10, 0, 3, 3, "INT"],
    ],
}
NEW_EDITOR = {
    "nodes": [
        {
            "id": 1,
            "type": "SomebodysSampler",
            "inputs": [
                {"name": "model", "type": "MODEL", "link": 1},
                {"name": "positive", "type": "CONDITIONING", "link": 2},
                {"name": "steps", "type": "INT", "link": None, "widget": {"name": "steps"}},
                {"name": "seed", "type": "INT", "link": None, "widget": {"name": "seed"}},
                {"name": "cfg", "type": "FLOAT", "link": None, "widget": {"name": "cfg"}},
            ],
            "widgets_values": [20, 1, "increment", 8],
        },
        {"id": 2, "type": "SomebodysLoader", "widgets_values": {"ckpt_name": "base.safetensors", "videopreview": []}},
        {
            "id": 3,
            "type": "SomebodysText",
            "inputs": [{"name": "text", "type": "STRING", "link": None, "widget": {"name": "text"}}],
            "widgets_values": ["bottle"],
        },
    ],
    "links": [
        {"id": 1, "origin_id": 2, "origin_slot": 0, "target_id": 1, "target_slot": 0, "type": "MODEL"},
        {"id": 2, "origin_id": 3, "origin_slot": 0, "target_id": 1, "target_slot": 1, "type": "CONDITIONING"},
    ],
}


def subgraph(**outer: Any) -> dict[str, Any]:
    """A workflow whose picture is made inside a subgraph; its prompt and its model's name come from outside."""
    inner = [
        *(node for node in OLD_EDITOR["nodes"] if node["id"] not in {4, 6, 10, 11, 12}),
        {"id": 6, "type": "CLIPTextEncode", "widgets_values": [""],
         "inputs": [{"name": "text", "type": "STRING", "widget": {"name": "text"}, "link": 20}]},
        {"id": 4, "type": "CheckpointLoaderSimple", "widgets_values": ["unset"],
         "inputs": [{"name": "ckpt_name", "type": "COMBO", "widget": {"name": "ckpt_name"}, "link": 21}]},
        {"id": 8, "type": "VAEDecode", "inputs": [{"name": "samples", "type": "LATENT", "link": 22}]},
    ]  # fmt: skip
    ends = [
        (1, 4, 0, 3, 0),
        (4, 6, 0, 3, 1),
        (6, 7, 0, 3, 2),
        (20, -10, 0, 6, 0),
        (21, -10, 1, 4, 0),
        (22, 3, 0, 8, 0),
        (23, 8, 0, -20, 0),
    ]
    names = ("id", "origin_id", "origin_slot", "target_id", "target_slot")
    definition = {
        "id": "d1", "nodes": inner, "links": [dict(zip(names, end, strict=True)) for end in ends],
        "inputs": [{"name": "text"}, {"name": "ckpt_name"}], "outputs": [{"name": "IMAGE"}],
    }  # fmt: skip
    user = {
        "id": 50, "type": "d1",
        "inputs": [{"name": "text", "type": "STRING", "widget": {"name": "text"}, "link": 30},
                   {"name": "ckpt_name", "type": "COMBO", "widget": {"name": "ckpt_name"}, "link": None}],
        "widgets_values": ["", "base.safetensors"], **outer,
    }  # fmt: skip
    return {
        "nodes": [user, {"id": 51, "type": "PrimitiveString", "widgets_values": ["bottle"]},
                  {"id": 52, "type": "SaveImage", "inputs": [{"name": "images", "type": "IMAGE", "link": 31}]}],
        "links": [[30, 51, 0, 50, 0, "STRING"], [31, 50, 0, 52, 0, "IMAGE"]],
        "definitions": {"subgraphs": [definition]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("outer", "changed"),
    [
        ({}, {"seed": 5}),
        (
            {
                "properties": {"proxyWidgets": [["-1", "text"], ["-1", "ckpt_name"], ["3", "seed"], ["3", "steps"]]},
                "widgets_values": ["", "other.ckpt", 9, None],
            },
            {"seed": 9, "model": "other"},
        ),
    ],
)
def test_subgraphs(outer: dict[str, Any], changed: dict[str, Any]) -> None:
    found = parameters.read({"workflow": json.dumps(subgraph(**outer))}, DEFAULT).metadata
    assert found == OF_BASE | changed


def test_a_subgraph_that_uses_itself_ends() -> None:
    data = subgraph()
    data["definitions"]["subgraphs"][0]["nodes"] += [{"id": at, "type": "d1"} for at in range(60, 90)]
    assert parameters.read({"workflow": json.dumps(data)}, DEFAULT).metadata["prompt"] == "bottle"


def test_subgraphs_of_nothing_but_subgraphs_end() -> None:
    def users(kind: str) -> list[dict[str, Any]]:
        return [{"id": at, "type": kind} for at in range(40)]

    chain = [{"id": f"d{level}", "nodes": users(f"d{level + 1}"), "links": []} for level in range(8)]
    data = {"nodes": users("d0"), "links": [], "definitions": {"subgraphs": chain}}
    assert parameters.read({"workflow": json.dumps(data)}, DEFAULT).metadata == {}


@pytest.mark.parametrize(
    ("workflow", "expected"),
    [
        (OLD_EDITOR, OF_BASE),
        (NEW_EDITOR, {"prompt": "bottle", "steps": 20, "guidance_scale": 8, "seed": 1, "model": "base"}),
        ({"nodes": [], "links": []}, {}),
        ({"nodes": [None, {"id": []}, {"id": 1, "type": "KSampler", "inputs": 5}], "links": [None, [1]]}, {}),
        (
            {
                "nodes": [{"id": 1, "type": "KSampler", "mode": 4, "inputs": [{"name": "x", "type": "T", "link": 1}]}],
                "links": [[1, 1, 0, 1, 0, "T"]],
            },
            {},
        ),
    ],
)
def test_workflows(workflow: dict[str, Any], expected: dict[str, Any]) -> None:
    assert parameters.read({"workflow": json.dumps(workflow)}, DEFAULT).metadata == expected
