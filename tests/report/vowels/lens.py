"""What the entry point of a lens from elsewhere names."""

from __future__ import annotations

from typing import ClassVar

from dftspark.lenses.lens import Lens


class VowelsLens(Lens):
    name: ClassVar[str] = "vowels"
