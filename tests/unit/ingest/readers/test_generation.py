from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from service.ingest.extract import extract
from service.ingest.limits import DEFAULT
from service.ingest.readers import generation
from tests.support import media_files as builders

A1111 = (
    "a lake, (misty:1.2), golden hour\nsecond line of the prompt\nNegative prompt: blurry, text\n"
    "Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7.5, Seed: 123456789, Size: 512x768, Model hash: 31e35c80fc, "
    'Model: sd_xl_base_1.0, Lora hashes: "add: 1, detail: 2", Version: v1.7.0'
)
COMFY = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 2**63 + 5,
            "steps": 25,
            "cfg": 8.0,
            "sampler_name": "euler",
            "positive": ["6", 0],
            "negative": ["7", 0],
            "model": ["10", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "xl/dreamshaper.safetensors"}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": ["12", 0], "clip": ["4", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "ugly", "clip": ["4", 1]}},
    "10": {"class_type": "LoraLoader", "inputs": {"model": ["4", 0], "strength": 1}},
    "12": {"class_type": "PrimitiveString", "inputs": {"text": "a fox"}},
}
INVOKE = {
    "positive_prompt": "a castle",
    "negative_prompt": "",
    "steps": 30,
    "cfg_scale": 6,
    "scheduler": "dpmpp_2m",
    "seed": 42,
    "model": {"name": "Juggernaut XL", "hash": "x"},
}
LEGACY = {
    "model_weights": "stable-diffusion-1.5",
    "image": {
        "prompt": [{"prompt": "a boat", "weight": 1}],
        "steps": 50,
        "seed": 7,
        "cfg_scale": 7.5,
        "sampler": "k_lms",
    },
}


@pytest.mark.parametrize(
    ("key", "source", "expected"),
    [
        (
            "parameters",
            A1111,
            {
                "prompt": "a lake, (misty:1.2), golden hour\nsecond line of the prompt",
                "negative_prompt": "blurry, text",
                "steps": 20,
                "sampler": "DPM++ 2M Karras",
                "guidance_scale": 7.5,
                "seed": 123456789,
                "model": "sd_xl_base_1.0",
            },
        ),
        ("parameters", "only a prompt", {"prompt": "only a prompt"}),
        ("parameters", "p\nSteps: many, Seed: -1, CFG scale: 7", {"prompt": "p", "guidance_scale": 7}),
        (
            "prompt",
            json.dumps(COMFY),
            {
                "prompt": "a fox",
                "negative_prompt": "ugly",
                "steps": 25,
                "sampler": "euler",
                "guidance_scale": 8,
                "seed": 2**63 + 5,
                "model": "dreamshaper",
            },
        ),
        ("prompt", json.dumps({"1": {"class_type": "LoadImage", "inputs": {}}}), {}),
        ("prompt", "not json", {}),
        ("prompt", '{"1": {"class_type": "KSampler", "inputs": {"steps": NaN, "positive": ["9", 0]}}}', {}),
        (
            "invokeai_metadata",
            json.dumps(INVOKE),
            {
                "prompt": "a castle",
                "steps": 30,
                "sampler": "dpmpp_2m",
                "guidance_scale": 6,
                "seed": 42,
                "model": "Juggernaut XL",
            },
        ),
        (
            "sd-metadata",
            json.dumps(LEGACY),
            {
                "prompt": "a boat",
                "steps": 50,
                "sampler": "k_lms",
                "guidance_scale": 7.5,
                "seed": 7,
                "model": "stable-diffusion-1.5",
            },
        ),
    ],
)
def test_writers(tmp_path: Path, key: str, source: str, expected: dict[str, Any]) -> None:
    info = PngInfo()
    info.add_text(key, source)
    found = extract(builders.picture(tmp_path / "a.png", pnginfo=info), "a.png").metadata
    made = {"prompt", "negative_prompt", "steps", "sampler", "guidance_scale", "seed", "model"}
    assert {name: value for name, value in found.items() if name in made} == expected


def test_a_loop_in_the_graph_ends() -> None:
    nodes = {
        "1": {"class_type": "KSampler", "inputs": {"steps": 1, "positive": ["2", 0]}},
        "2": {"inputs": {"text": ["2", 0]}},
    }
    assert generation.comfy(json.dumps(nodes))["prompt"] is None


@pytest.mark.parametrize("code", ["utf-16-le", "utf-16-be"])
def test_a_jpeg_keeps_them_in_its_user_comment(tmp_path: Path, code: str) -> None:
    long = A1111.replace("golden hour", "golden hour " * 300)
    block = Image.Exif()
    block.get_ifd(0x8769)[0x9286] = b"UNICODE\x00" + long.encode(code)
    found = extract(builders.picture(tmp_path / "a.jpg", exif=block), "a.jpg")
    assert (found.metadata["seed"], found.metadata["steps"]) == (123456789, 20)
    assert found.metadata["prompt"].startswith("a lake")


def test_hostile_pairs_take_no_time() -> None:
    assert generation.webui("p\nSteps: " + "a" * 50_000 + ' "' * 20_000)["prompt"] == "p"


NAMES = st.sampled_from(["1", "inputs", "image", "prompt", "model", "class_type"])


@given(
    st.sampled_from(["parameters", "prompt", "invokeai_metadata", "sd-metadata"]),
    st.text()
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5) | st.floats(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    ).map(json.dumps),
)
def test_any_chunk_gives_clean_values(key: str, source: str) -> None:
    found = generation.read({key: source}, None, DEFAULT).metadata
    assert all(isinstance(value, str | int | float) for value in found.values())
    assert not re.search("[\x00\ud800-\udfff]", "".join(str(value) for value in found.values()))
