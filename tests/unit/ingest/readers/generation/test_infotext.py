from __future__ import annotations

from typing import Any

import pytest

from service.ingest.readers.generation import infotext

LINE = "Steps: 20, Sampler: Euler a, CFG scale: 7, Seed: 125, Size: 64x48"
OF_LINE = {"steps": "20", "sampler": "Euler a", "guidance_scale": "7", "seed": "125"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"a fox\nNegative prompt: blurry\n{LINE}", {"prompt": "a fox", "negative_prompt": "blurry", **OF_LINE}),
        (f"a fox\r\nNegative prompt: blurry\r\n{LINE}", {"prompt": "a fox", "negative_prompt": "blurry", **OF_LINE}),
        (f"a fox\n{LINE}", {"prompt": "a fox", **OF_LINE}),
        (LINE, {"prompt": "", **OF_LINE}),
        (f"Negative prompt: blurry\n{LINE}", {"prompt": "", "negative_prompt": "blurry", **OF_LINE}),
        # lines after the parameters
        (
            f"a fox\nNegative prompt: blurry\n{LINE}\nTemplate: a {{red|blue}} fox\nNegative Template: blurry",
            {"prompt": "a fox", "negative_prompt": "blurry", **OF_LINE},
        ),
        (f"a fox\n{LINE}\n\n", {"prompt": "a fox", **OF_LINE}),
        # all in one line
        (f"a fox. Negative prompt: dog. {LINE}", {"prompt": "a fox", "negative_prompt": "dog", **OF_LINE}),
        (f"a fox Negative prompt: dog, cat. {LINE}", {"prompt": "a fox", "negative_prompt": "dog, cat.", **OF_LINE}),
        (f"a fox, {LINE}", {"prompt": "a fox,", **OF_LINE}),
        # prompts that speak of steps
        ("a staircase\nSteps: old stone, moss", {"prompt": "a staircase\nSteps: old stone, moss"}),
        ("a staircase\nSteps: 3", {"prompt": "a staircase\nSteps: 3"}),
        ("stairs\nSteps: 3, Seed: of an oak", {"prompt": "stairs\nSteps: 3, Seed: of an oak"}),
        (f"stairs\nSteps: old stone\n{LINE}", {"prompt": "stairs\nSteps: old stone", **OF_LINE}),
        (
            f"stairs, Steps: 12, worn\nNegative prompt: Steps: 5, new\n{LINE}",
            {"prompt": "stairs, Steps: 12, worn", "negative_prompt": "Steps: 5, new", **OF_LINE},
        ),
        (f"the words Negative prompt: stay\n{LINE}", {"prompt": "the words Negative prompt: stay", **OF_LINE}),
        # long negative prompts
        (
            f"a fox\nNegative prompt: one,\ntwo,\nthree\n{LINE}",
            {"prompt": "a fox", "negative_prompt": "one,\ntwo,\nthree", **OF_LINE},
        ),
        # extensions
        (
            (
                f'a fox\n{LINE}, Model: base, Lora hashes: "add: 1, Seed: 2", TI hashes: "Model: 3", '
                'ADetailer model: face_yolov8n.pt, ADetailer prompt: "a face, Steps: 3", ADetailer version: 24.1.2, '
                "Hires upscale: 2, Hires steps: 10, Hires upscaler: Latent, Version: v1.9.4"
            ),
            {"prompt": "a fox", **OF_LINE, "model": "base"},
        ),
        (
            (
                f'a blue fox\n{LINE}, Wildcard prompt: "a __colour__ fox, \\"big\\"\\nSteps: 1, Seed: 1, Model: x", '
                "Version: v1.9.4"
            ),
            {"prompt": "a blue fox", **OF_LINE},
        ),
        # others that write it
        (
            (
                "p\nSteps: 4, Sampler: Euler, Schedule type: Simple, CFG scale: 1, Distilled CFG Scale: 3.5, Seed: 1, "
                "Model: flux1-dev, Version: f2.0.1"
            ),
            {
                "prompt": "p",
                "steps": "4",
                "sampler": "Euler",
                "guidance_scale": "3.5",
                "seed": "1",
                "model": "flux1-dev",
            },
        ),
        (
            "p\nSteps: 4, Sampler: UniPC, Guidance Scale: 5.5, Seed: 1, Model: x.ckpt",
            {"prompt": "p", "steps": "4", "sampler": "UniPC", "guidance_scale": "5.5", "seed": "1", "model": "x.ckpt"},
        ),
        (
            "p\nSteps: many, Seed: -1, CFG scale: 7",
            {"prompt": "p", "steps": "many", "seed": "-1", "guidance_scale": "7"},
        ),
        ("p\nSteps: 4, Seed: 9", {"prompt": "p", "steps": "4", "seed": "9"}),
        ("only a prompt", {"prompt": "only a prompt"}),
        ("a fox\nNegative prompt: dog", {"prompt": "a fox", "negative_prompt": "dog"}),
    ],
)
def test_texts(text: str, expected: dict[str, Any]) -> None:
    found = {name: value.strip() if isinstance(value, str) else value for name, value in infotext.read(text).items()}
    assert {name: value for name, value in found.items() if value is not None} == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [(LINE, True), (f"a. {LINE}", True), ("Steps: one, two", False), ("a photograph of Seed: 5", False), ("", False)],
)
def test_whether_a_text_has_parameters(text: str, expected: bool) -> None:
    assert infotext.has_parameters(text) is expected


@pytest.mark.parametrize("text", ["Steps: 1, " * 100_000, 'a: "' * 100_000 + "Steps: 1", "Steps:\n" * 200_000])
def test_a_hostile_text_is_searched_in_its_last_lines_only(text: str) -> None:
    assert infotext.read(text).keys() >= {"prompt"}
