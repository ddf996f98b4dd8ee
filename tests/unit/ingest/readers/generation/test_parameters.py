from __future__ import annotations

import gzip
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
from service.ingest.facts import Extracted
from service.ingest.limits import DEFAULT
from service.ingest.readers import tagging
from service.ingest.readers.generation import parameters
from tests.support import media_files as builders

MADE = {"prompt", "negative_prompt", "steps", "sampler", "guidance_scale", "seed", "model"}
WEBUI = (
    "a lake, (misty:1.2), golden hour\nsecond line of the prompt\nNegative prompt: blurry, text\n"
    "Steps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7.5, Seed: 123456789, Size: 512x768, Model hash: 31e35c80fc, "
    'Model: sd_xl_base_1.0, Lora hashes: "add: 1, detail: 2", Version: v1.7.0'
)
GRAPH = {
    "3": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 5, "steps": 25, "cfg": 8.0, "sampler_name": "euler",
            "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0],
        },
    },
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "base.safetensors"}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "green bottle"}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": "watermark"}},
}  # fmt: skip
OF_GRAPH = {
    "prompt": "green bottle", "negative_prompt": "watermark", "steps": 25, "sampler": "euler", "guidance_scale": 8,
    "seed": 5, "model": "base",
}  # fmt: skip
INVOKE = {
    "positive_prompt": "a castle", "negative_prompt": "", "steps": 30, "cfg_scale": 6, "scheduler": "dpmpp_2m",
    "seed": 42, "model": {"name": "Juggernaut XL", "hash": "x"},
}  # fmt: skip
SWARM = {
    "sui_image_params": {
        "prompt": "a tram", "negativeprompt": "rain", "model": "Flux/flux1-dev", "seed": 7, "steps": 25,
        "cfgscale": 1.0, "fluxguidancescale": 3.5, "sampler": "euler", "scheduler": "normal", "swarm_version": "0.9",
    },
    "sui_extra_data": {"date": "2024-08-07", "original_prompt": "a <wildcard:vehicle>"},
    "sui_models": [{"name": "Flux/flux1-dev", "param": "model", "hash": "0x1"}],
}  # fmt: skip
FOOOCUS = {
    "prompt": "a mill", "negative_prompt": "people", "base_model": "juggernautXL_v8.safetensors", "steps": 30,
    "guidance_scale": 4.0, "sampler": "dpmpp_2m_sde_gpu", "scheduler": "karras", "seed": "99", "styles": "[]",
    "full_prompt": ["a mill", "sharp"], "metadata_scheme": "fooocus", "version": "Fooocus v2.5.5",
}  # fmt: skip
NOVELAI = {
    "prompt": "one girl", "steps": 28, "scale": 5.0, "seed": 11, "sampler": "k_euler", "uc": "lowres",
    "v4_prompt": {"caption": {"base_caption": "one girl", "char_captions": [{"char_caption": "red hair"}]}},
}  # fmt: skip
NOVELAI_TEXTS = {
    "Title": "NovelAI generated image", "Description": "one girl", "Software": "NovelAI",
    "Source": "NovelAI Diffusion V4 37442FCA", "Comment": json.dumps(NOVELAI),
}  # fmt: skip
OF_NOVELAI = {
    "prompt": "one girl | red hair", "negative_prompt": "lowres", "steps": 28, "sampler": "k_euler",
    "guidance_scale": 5, "seed": 11, "model": "NovelAI Diffusion V4",
}  # fmt: skip


def of_png(folder: Path, texts: dict[str, str]) -> Extracted:
    info = PngInfo()
    for key, text in texts.items():
        info.add_itxt(key, text)
    return extract(builders.picture(folder / "a.png", pnginfo=info), "a.png")


def of_exif(folder: Path, suffix: str, tags: dict[int, Any], comment: bytes | None = None) -> Extracted:
    block = Image.Exif()
    for tag, value in tags.items():
        block[tag] = value
    if comment is not None:
        block.get_ifd(0x8769)[0x9286] = comment
    return extract(builders.picture(folder / f"a{suffix}", exif=block), f"a{suffix}")


def made(found: Extracted) -> dict[str, Any]:
    return {name: value for name, value in found.metadata.items() if name in MADE}


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (
            {"parameters": WEBUI},
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
        ({"parameters": "only a prompt"}, {"prompt": "only a prompt"}),
        ({"parameters": "{red|blue} fox, [cat:dog:0.5]"}, {"prompt": "{red|blue} fox, [cat:dog:0.5]"}),
        ({"prompt": json.dumps(GRAPH)}, OF_GRAPH),
        ({"prompt": json.dumps(GRAPH), "workflow": '{"nodes": [], "links": []}'}, OF_GRAPH),
        ({"prompt": json.dumps(GRAPH), "parameters": "green bottle"}, OF_GRAPH),
        ({"prompt": json.dumps({"1": {"class_type": "LoadImage", "inputs": {}}})}, {}),
        ({"prompt": "not json"}, {}),
        (
            {"invokeai_metadata": json.dumps(INVOKE)},
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
            {
                "sd-metadata": json.dumps(
                    {
                        "model_weights": "stable-diffusion-1.5",
                        "image": {
                            "prompt": [{"prompt": "a boat [fog]", "weight": 1}],
                            "steps": 50,
                            "seed": 7,
                            "cfg_scale": 7.5,
                            "sampler": "k_lms",
                        },
                    }
                )
            },
            {
                "prompt": "a boat",
                "negative_prompt": "fog",
                "steps": 50,
                "sampler": "k_lms",
                "guidance_scale": 7.5,
                "seed": 7,
                "model": "stable-diffusion-1.5",
            },
        ),
        (
            {"Dream": '"a "big" fox [ugly]" -s 50 -S 123 -W512 -H512 -C 7.5 -A k_lms'},
            {
                "prompt": 'a "big" fox',
                "negative_prompt": "ugly",
                "steps": 50,
                "seed": 123,
                "guidance_scale": 7.5,
                "sampler": "k_lms",
            },
        ),
        (
            {"parameters": json.dumps(SWARM)},
            {
                "prompt": "a tram",
                "negative_prompt": "rain",
                "steps": 25,
                "sampler": "euler",
                "guidance_scale": 3.5,
                "seed": 7,
                "model": "flux1-dev",
            },
        ),
        (
            {"parameters": json.dumps(FOOOCUS), "fooocus_scheme": "fooocus"},
            {
                "prompt": "a mill",
                "negative_prompt": "people",
                "steps": 30,
                "sampler": "dpmpp_2m_sde_gpu",
                "guidance_scale": 4,
                "seed": 99,
                "model": "juggernautXL_v8",
            },
        ),
        (
            {
                "parameters": "a mill\nNegative prompt: people\nSteps: 30, Sampler: DPM++ 2M SDE Karras, Seed: 99, "
                'Size: 896x1152, CFG scale: 4, Sharpness: 2, ADM Guidance: "(1.5, 0.8, 0.3)", Model: juggernautXL_v8, '
                "Performance: Speed, Version: Fooocus v2.5.5",
                "fooocus_scheme": "a1111",
            },
            {
                "prompt": "a mill",
                "negative_prompt": "people",
                "steps": 30,
                "sampler": "DPM++ 2M SDE Karras",
                "guidance_scale": 4,
                "seed": 99,
                "model": "juggernautXL_v8",
            },
        ),
        (NOVELAI_TEXTS, OF_NOVELAI),
        (
            {
                "Software": "NovelAI",
                "Description": "old prompt",
                "Source": "Stable Diffusion 1D44365E",
                "Comment": '{"steps": 28, "sampler": "k_euler", "seed": 3, "scale": 11.0, "uc": "bad"}',
            },
            {
                "prompt": "old prompt",
                "negative_prompt": "bad",
                "steps": 28,
                "sampler": "k_euler",
                "guidance_scale": 11,
                "seed": 3,
                "model": "Stable Diffusion",
            },
        ),
    ],
)
def test_writers(tmp_path: Path, texts: dict[str, str], expected: dict[str, Any]) -> None:
    assert made(of_png(tmp_path, texts)) == expected


@pytest.mark.parametrize(
    "text",
    [
        '{"sui_image_params": {"prompt": "cut',
        '{"unknown": {"deep": [1, 2]}}',
        '{\n  "prompt": {"1": {"inputs": ',
        '[{"prompt": "a list"}]',
        '{"a":' * 100_000,
        '{"prompt": "alone"}',
        '{"prompt": 5, "seed": "x", "steps": [1], "model": {"name": 7}}',
    ],
)
@pytest.mark.parametrize("keyword", ["parameters", "prompt", "workflow", "Comment", "Description", "Title", "Dream"])
def test_json_is_never_a_prompt_a_title_or_a_description(tmp_path: Path, keyword: str, text: str) -> None:
    found = of_png(tmp_path, {keyword: text})
    assert (made(found), found.title, found.description) == ({}, None, None)


LABELLED = f"prompt:{json.dumps(GRAPH)}"
WORKFLOW = 'workflow:{"nodes": [], "links": []}'


@pytest.mark.parametrize("suffix", [".webp", ".jpg"])
@pytest.mark.parametrize(
    ("tags", "comment"),
    [
        ({0x0110: LABELLED, 0x010F: WORKFLOW}, None),  # ComfyUI's SaveAnimatedWEBP
        ({0x010F: f"Prompt: {json.dumps(GRAPH)}", 0x010E: f"Workflow: {WORKFLOW[9:]}"}, None),
        ({0x010E: json.dumps(GRAPH)}, None),
        ({}, b"ASCII\x00\x00\x00" + json.dumps({"prompt": GRAPH, "workflow": {"nodes": []}}).encode()),
        ({}, b"UNICODE\x00" + json.dumps({"prompt": json.dumps(GRAPH)}).encode("utf-16-be")),
    ],
)
def test_comfyui_in_exif(tmp_path: Path, suffix: str, tags: dict[int, str], comment: bytes | None) -> None:
    found = of_exif(tmp_path, suffix, tags, comment)
    assert made(found) == OF_GRAPH
    assert (found.title, found.description) == (None, None)
    assert not {"camera", "camera_make", "camera_model"} & found.metadata.keys()
    assert "class_type" not in json.dumps(found.metadata.get("exif", {}))


def test_json_is_no_creator_either(tmp_path: Path) -> None:
    found = of_exif(tmp_path, ".jpg", {0x013B: '{"workflow": 1}', 0x8298: '{"prompt": 1}', 0x0131: '{"a": 1}'})
    assert (found.creator, found.credit, found.metadata.get("software")) == ((), None, None)


def test_a_camera_beside_a_graph_stays(tmp_path: Path) -> None:
    found = of_exif(tmp_path, ".jpg", {0x010F: "Canon", 0x0110: LABELLED})
    assert (found.metadata["camera"], found.metadata["camera_make"]) == ("Canon", "Canon")
    assert "camera_model" not in found.metadata


@pytest.mark.parametrize("code", ["utf-16-le", "utf-16-be"])
def test_a_jpeg_keeps_them_in_its_user_comment(tmp_path: Path, code: str) -> None:
    long = WEBUI.replace("golden hour", "golden hour " * 300)
    found = of_exif(tmp_path, ".jpg", {}, b"UNICODE\x00" + long.encode(code))
    assert (found.metadata["seed"], found.metadata["steps"]) == (123456789, 20)
    assert found.metadata["prompt"].startswith("a lake")


def test_swarm_in_a_jpeg(tmp_path: Path) -> None:
    found = of_exif(tmp_path, ".jpg", {}, b"UNICODE\x00" + json.dumps(SWARM).encode("utf-16-le"))
    assert made(found)["prompt"] == "a tram"


def test_fooocus_in_a_webp(tmp_path: Path) -> None:
    tags = {0x0131: "Fooocus v2.5.5"}
    found = of_exif(tmp_path, ".webp", tags, b"ASCII\x00\x00\x00" + json.dumps(FOOOCUS).encode())
    assert (made(found)["seed"], found.metadata["software"]) == (99, "Fooocus v2.5.5")


def test_a_comment_that_people_write_is_no_prompt(tmp_path: Path) -> None:
    found = of_exif(tmp_path, ".jpg", {0x010E: "Steps: the old stairs, Seed: sown"}, b"ASCII\x00\x00\x00two steps")
    assert (made(found), found.description) == ({}, "Steps: the old stairs, Seed: sown")


def test_text_of_other_scripts_survives_the_carriers(tmp_path: Path) -> None:
    graph = {**GRAPH, "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "зелёная бутылка 🍾"}}}
    raw = json.dumps(graph, ensure_ascii=False)
    assert made(of_png(tmp_path, {"prompt": raw}))["prompt"] == "зелёная бутылка 🍾"
    assert made(of_exif(tmp_path, ".webp", {0x010E: raw.encode()}))["prompt"] == "зелёная бутылка 🍾"


def test_a_film_of_comfyui(tmp_path: Path) -> None:
    told = tagging.facts({"title": ["A film"], "comment": [json.dumps({"prompt": GRAPH, "workflow": {}})]}, DEFAULT)
    assert (told.metadata, told.title, told.description) == (OF_GRAPH, "A film", None)


def test_civitai_in_a_jpeg(tmp_path: Path) -> None:
    extra = {
        "prompt": "a mill",
        "negativePrompt": "people",
        "steps": 30,
        "cfgScale": 4,
        "sampler": "Euler a",
        "seed": 8,
    }
    text = json.dumps(
        {
            "resource-stack": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "urn:air:x"}},
            "extra": {"airs": []},
            "extraMetadata": json.dumps(extra),
        }
    )
    found = made(of_exif(tmp_path, ".jpg", {}, b"UNICODE\x00" + text.encode("utf-16-be")))
    assert found == {
        "prompt": "a mill", "negative_prompt": "people", "steps": 30, "guidance_scale": 4, "sampler": "Euler a",
        "seed": 8,
    }  # fmt: skip


def stealthy(folder: Path, text: str, signature: bytes = b"stealth_pngcomp", size: tuple[int, int] = (64, 128)) -> Path:
    body = gzip.compress(text.encode()) if signature.endswith(b"comp") else text.encode()
    hidden = signature + (len(body) * 8).to_bytes(4, "big") + body
    bits = [byte >> shift & 1 for byte in hidden for shift in range(7, -1, -1)]
    image = Image.new("RGBA", size, (10, 20, 30, 254))
    for at, bit in enumerate(bits[: size[0] * size[1]]):
        image.putpixel(divmod(at, size[1]), (10, 20, 30, 254 + bit))
    path = folder / "hidden.png"
    image.save(path)
    return path


@pytest.mark.parametrize(
    ("text", "signature", "expected"),
    [
        (json.dumps(NOVELAI_TEXTS), b"stealth_pngcomp", OF_NOVELAI),
        ("a fox\nSteps: 4, Seed: 9", b"stealth_pnginfo", {"prompt": "a fox", "steps": 4, "seed": 9}),
        ("a fox\nSteps: 4, Seed: 9", b"stealth_pngnone", {}),
        ('{"cut": ', b"stealth_pnginfo", {}),
    ],
)
def test_hidden_in_the_alpha_channel(tmp_path: Path, text: str, signature: bytes, expected: dict[str, Any]) -> None:
    assert made(extract(stealthy(tmp_path, text, signature), "a.png")) == expected


def test_hidden_text_that_is_cut_is_read_or_ignored(tmp_path: Path) -> None:
    assert made(extract(stealthy(tmp_path, "x" * 5000, b"stealth_pnginfo", (64, 64)), "a.png")).keys() <= {"prompt"}


def test_hostile_pairs_are_one_prompt() -> None:
    text = "p\nSteps: " + "a" * 50_000 + ' "' * 20_000
    assert parameters.read({"parameters": text}, DEFAULT).metadata["prompt"].startswith("p\nSteps: aaa")


def test_no_more_text_is_read_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {"parameters": "a" * 100, "prompt": json.dumps(GRAPH)}
    monkeypatch.setattr(parameters, "_MAX_CHARS", 100)
    assert parameters.read(texts, DEFAULT).metadata == {"prompt": "a" * 100}


NAMES = st.sampled_from(["1", "inputs", "image", "prompt", "model", "class_type", "nodes", "links", "sui_image_params"])


@given(
    st.sampled_from(["parameters", "prompt", "workflow", "invokeai_metadata", "sd-metadata", "Comment", "Make"]),
    st.text()
    | st.recursive(
        st.none() | st.integers() | st.text(max_size=5) | st.floats() | st.just("KSampler") | st.just(["1", 0]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4),
    ).map(json.dumps),
)
def test_any_text_gives_clean_values(key: str, source: str) -> None:
    found = parameters.read({key: source, "Software": "NovelAI"}, DEFAULT).metadata
    assert all(isinstance(value, str | int | float) for value in found.values())
    assert not re.search("[\x00\ud800-\udfff]", "".join(str(value) for value in found.values()))
