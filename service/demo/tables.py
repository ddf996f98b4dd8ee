"""The content of the sample library: subjects, places, cameras, models and people. Data only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Subject:
    """A subject: the scene that draws it, the words for its title, and its keywords."""

    scene: str
    nouns: tuple[str, ...]
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a photograph was taken: its name, degrees north and east, and metres above sea level."""

    name: str
    lat: float
    lon: float
    altitude: int


@dataclass(frozen=True, slots=True)
class Camera:
    """A camera as named in EXIF, with a lens and its shortest and longest focal length in millimetres."""

    make: str
    model: str
    lens: str
    near: int
    far: int


LANDSCAPES = (
    Subject(
        "mountain",
        ("mountain range", "mountain landscape", "summit", "alpine ridge"),
        ("mountain", "landscape", "nature", "outdoor"),
    ),
    Subject(
        "lake",
        ("mountain lake", "still lake", "lake at the river mouth"),
        ("lake", "mountain", "landscape", "nature", "water"),
    ),
    Subject(
        "forest", ("pine forest", "misty forest", "forest edge"), ("forest", "trees", "landscape", "nature", "outdoor")
    ),
    Subject(
        "sunset",
        ("sunset over the hills", "evening sky", "golden sunset"),
        ("sunset", "sky", "hill", "landscape", "nature"),
    ),
    Subject("desert", ("desert dunes", "sand sea", "dune ridge"), ("desert", "dunes", "landscape", "travel")),
    Subject("ocean", ("ocean swell", "quiet bay", "sea horizon"), ("ocean", "sea", "water", "nature", "travel")),
    Subject("night", ("starry night", "milky way", "moonlit hills"), ("night", "stars", "sky", "hill", "nature")),
    Subject("city", ("city skyline", "harbour skyline", "city at dusk"), ("city", "architecture", "skyline", "travel")),
)
PORTRAITS = (
    Subject(
        "portrait",
        ("portrait of a baker", "portrait of a musician", "portrait of a sailor", "portrait of a teacher"),
        ("portrait", "people", "studio"),
    ),
)
BRANDS = (
    Subject("brand", ("spring campaign poster", "brand pattern", "product launch banner", "newsletter header"),
            ("marketing", "brand", "campaign", "design")),
)  # fmt: skip
LESSONS = (
    Subject(
        "bars",
        ("rainfall chart", "population diagram", "energy chart"),
        ("educational", "diagram", "chart", "statistics"),
    ),
    Subject("atom", ("model of an atom", "electron shells diagram"), ("educational", "diagram", "physics", "science")),
    Subject(
        "cycle", ("water cycle diagram", "carbon cycle diagram"), ("educational", "diagram", "biology", "tutorial")
    ),
    Subject("flow", ("publishing workflow", "review flowchart"), ("diagram", "flowchart", "process", "tutorial")),
)

MOODS: dict[str, tuple[str, ...]] = {
    "dawn": ("Misty", "Early", "Pale"),
    "noon": ("Bright", "Clear", "Summer"),
    "dusk": ("Golden", "Late", "Stunning"),
    "night": ("Silent", "Dark", "Blue"),
}

PLACES = (
    Place("Zermatt, Switzerland", 45.9763, 7.6586, 1608),
    Place("Lake Bled, Slovenia", 46.3636, 14.0938, 475),
    Place("Amsterdam, Netherlands", 52.3730, 4.8924, -2),
    Place("Aarhus, Denmark", 56.1560, 10.2082, 12),
    Place("Yosemite Valley, United States", 37.7456, -119.5936, 1216),
    Place("Torres del Paine, Chile", -50.9423, -73.4068, 230),
    Place("Merzouga, Morocco", 31.0802, -4.0133, 725),
    Place("Hallstatt, Austria", 47.5622, 13.6493, 511),
    Place("Queenstown, New Zealand", -45.0312, 168.6626, 310),
    Place("Kyoto, Japan", 35.0116, 135.7681, 56),
    Place("Lofoten, Norway", 68.2075, 13.5600, 8),
    Place("Cape Town, South Africa", -33.9249, 18.4241, 25),
)

CAMERAS = (
    Camera("Canon", "Canon EOS R5", "RF24-70mm F2.8 L IS USM", 24, 70),
    Camera("Canon", "Canon EOS 5D Mark IV", "EF50mm f/1.8 STM", 50, 50),
    Camera("NIKON CORPORATION", "NIKON Z 6_2", "NIKKOR Z 24-120mm f/4 S", 24, 120),
    Camera("SONY", "ILCE-7M4", "FE 16-35mm F2.8 GM", 16, 35),
    Camera("FUJIFILM", "X-T5", "XF35mmF1.4 R", 35, 35),
    Camera("Apple", "iPhone 15 Pro", "iPhone 15 Pro back triple camera 6.86mm f/1.78", 7, 7),
)

MODELS = ("stable-diffusion-xl", "stable-diffusion-1.5", "dalle-3", "midjourney")
SAMPLERS = ("Euler a", "DPM++ 2M Karras", "DDIM", "UniPC")
STYLES = ("oil painting", "watercolour", "photorealistic", "isometric illustration", "ink drawing", "low poly")
NEGATIVES = ("blurry, low quality", "blurry, watermark, text", "low quality, deformed", "oversaturated, noise")

CREATORS = (
    "Ada Lindqvist",
    "Ben Okafor",
    "Chiara Romano",
    "Diego Fuentes",
    "Emiko Tanaka",
    "Farid Haddad",
    "Grace Mbeki",
    "Hanna Novák",
)
LICENSES = (
    "https://creativecommons.org/licenses/by/4.0/",
    "https://creativecommons.org/licenses/by-sa/4.0/",
    "https://creativecommons.org/publicdomain/zero/1.0/",
)
GENRES = ("Ambient", "Field recording", "Jingle", "Podcast")
SOUNDS = (
    "Rain on the roof",
    "Evening bells",
    "Brand jingle",
    "Lesson intro",
    "Harbour horn",
    "Forest birds",
    "Countdown tones",
)

TOPICS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("Marketing plan", ("marketing", "brand", "strategy")),
    ("Brand guidelines", ("brand", "design", "guidelines")),
    ("Lake travel guide", ("travel", "lake", "guide")),
    ("Mountain safety handbook", ("mountain", "safety", "educational")),
    ("Introduction to photography", ("photography", "tutorial", "educational")),
    ("Forest field notes", ("forest", "nature", "research")),
    ("Quarterly campaign report", ("marketing", "report", "campaign")),
    ("Lesson on the water cycle", ("educational", "biology", "tutorial")),
)
SENTENCES = (
    "The light over the lake changes every few minutes, so plan for an early start.",
    "A brand is recognised by its colours long before its name is read.",
    "Write down the aperture and the exposure time of each picture that you keep.",
    "Water rises as vapour, cools, falls as rain and returns to the sea.",
    "Mark the path back through the forest before the fog comes in.",
    "The campaign reached twice as many readers as the one in spring.",
    "Each diagram in this lesson can be drawn again with a ruler and a pencil.",
    "Keep the horizon straight and leave room for the sky.",
    "Budgets follow the plan and not the other way round.",
    "Below the tree line the snow melts first on the southern slopes.",
    "Ask three people what they see before you explain the poster.",
    "The measurements of the last year are in the table at the end.",
)
