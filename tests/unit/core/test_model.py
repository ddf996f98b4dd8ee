from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from service.model import MAX_KEY, AssetPatch

LONGEST = "k" * MAX_KEY


@pytest.mark.parametrize("wrap", [lambda leaf: leaf, lambda leaf: {"own": leaf}, lambda leaf: {"exif": leaf}])
def test_a_name_in_free_json_is_no_longer_than_engines_read(wrap: Any) -> None:
    AssetPatch.model_validate({"metadata": wrap({LONGEST: 1})})
    with pytest.raises(ValidationError, match="1,000 characters"):
        AssetPatch.model_validate({"metadata": wrap({LONGEST + "k": 1})})
