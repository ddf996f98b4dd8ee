"""The assets that the examples of seed 000 are tried on, each named by one word."""

from __future__ import annotations

from typing import Any


def _asset(type_: str, module: str, title: str, created: str, tags: list[str], **more: Any) -> dict[str, Any]:
    return {"type": type_, "module": module, "title": title, "created_at": created, "tags": tags, **more}


def _image(title: str, created: str, tags: list[str], width: int, model: str, **more: Any) -> dict[str, Any]:
    metadata = {"width": width, "height": 1024, "model": model, **more.pop("metadata", {})}
    return _asset("image", "image_studio", title, created, tags, metadata=metadata, **more)


def _video(title: str, module: str, tags: list[str], duration: float, created: str = "2024-03-01") -> dict[str, Any]:
    return _asset("video", module, title, created, tags, metadata={"duration": duration})


CORPUS: dict[str, dict[str, Any]] = {
    "peak": _image(
        "Stunning mountain landscape",
        "2024-01-15T10:30:00Z",
        ["mountain", "landscape", "nature", "outdoor"],
        1024,
        "stable-diffusion-xl",
        submodule="create_studio",
        filename="ai_generated_image_123456.jpg",
        description="A beautiful mountain landscape generated with Stable Diffusion",
        cost={"credits_used": 5, "currency": "USD", "amount": 0.05},
        usage_stats={"downloads": 12, "views": 45, "shares": 3, "favorites": 8},
        metadata={
            "format": "jpg",
            "file_size": 245760,
            "prompt": "majestic mountain landscape with lake and forest",
            "negative_prompt": "blurry, low quality",
            "seed": 123456789,
            "steps": 20,
            "guidance_scale": 7.5,
        },
    ),
    "hill": _image(
        "Green hill",
        "2024-01-31T23:30:00Z",
        ["landscape", "nature"],
        2048,
        "stable-diffusion-1.5",
        description="A hill by the river",
        cost={"amount": 0.10},
        usage_stats={"downloads": 6},
        metadata={"file_size": 500_000},
    ),
    "small": _image(
        "Small mountain",
        "2024-01-10",
        ["mountain"],
        800,
        "stable-diffusion-xl",
        cost={"amount": 0.01},
        usage_stats={"downloads": 5},
        metadata={"file_size": 100_000},
    ),
    "late": _image(
        "Late mountain",
        "2024-02-01T00:00:00Z",
        ["mountain", "brand"],
        1200,
        "stable-diffusion-xl",
        cost={"amount": 0.11},
        usage_stats={"downloads": 100},
        metadata={"file_size": 500_001},
    ),
    "dalle": _image(
        "Forest by the mountains",
        "2024-01-20",
        ["mountain", "forest"],
        1500,
        "dalle-3",
        description="Trees at a lake below a mountain",
        metadata={"file_size": 99_999},
    ),
    "brand": _image("Logo sheet", "2024-01-31T12:00:00Z", ["brand"], 600, "midjourney"),
    "blurry": _image("Blurry portrait", "2023-12-31", ["portrait"], 512, "midjourney"),
    "lesson": _video("How volcanoes work", "video_studio", ["educational"], 30),
    "knots": _video("Tying knots", "video_studio", ["tutorial", "educational"], 120),
    "long": _video("A long lecture", "video_studio", ["tutorial"], 121),
    "advert": _video("Spring campaign", "video_studio", ["marketing"], 60, "2024-01-15"),
    "story": _video("Educational story", "story_writer", ["educational"], 60),
    "text": _asset(
        "text", "story_writer", "The landward road", "2024-01-20", ["brand"], description="A landscape in words"
    ),
    "song": _asset("audio", "audio_studio", "Mount song", "2024-05-01", [], metadata={"duration": 200.5}),
}
"""By name: the body that creates it. Dates without a time are midnight UTC."""
