r"""Text analyzers, built from parts that both plain OpenSearch and the embedded engine have.

Accents, case and width are folded. Regular expressions use only what Java and RE2 share (no look-around or `\u`).
"""

from __future__ import annotations

from typing import Any

_FOLDS = ["cjk_width", "lowercase", "asciifolding"]

ANALYSIS: dict[str, Any] = {
    "char_filter": {
        # ASCII folding handles only composed letters; file names from macOS are decomposed.
        "marks": {"type": "pattern_replace", "pattern": "[\u0300-\u036f]+", "replacement": ""},
        "separators": {"type": "pattern_replace", "pattern": "[_.+/-]+", "replacement": " "},
        "camel": {"type": "pattern_replace", "pattern": r"(\p{Ll})(\p{Lu})", "replacement": "$1 $2"},
        "letter_number": {"type": "pattern_replace", "pattern": r"(\p{L})(\p{N})", "replacement": "$1 $2"},
        "number_letter": {"type": "pattern_replace", "pattern": r"(\p{N})(\p{L})", "replacement": "$1 $2"},
    },
    "analyzer": {
        "words": {"type": "custom", "char_filter": ["marks"], "tokenizer": "standard", "filter": _FOLDS},
        # `ai_generated_image_123456.jpg` is found by `generated`, `IMG20240101.JPG` by `img`.
        "filename": {
            "type": "custom",
            "char_filter": ["marks", "separators", "camel", "letter_number", "number_letter"],
            "tokenizer": "standard",
            "filter": _FOLDS,
        },
    },
}
