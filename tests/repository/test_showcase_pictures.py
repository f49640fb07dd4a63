"""The showcase hotels' pictures suit a page: of one size, not heavy, nothing hidden in them."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from bench.paint_pictures import HOTELS, SHOWCASE, pictures
from bench.pictures import altstadt
from bench.pictures.canvas import finish, jpeg

FILES = sorted(SHOWCASE.glob("*/*.jpg"))
MAX_BYTES = 500_000


def named(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def test_has_every_picture_that_is_painted_and_no_other() -> None:
    painted = {f"{hotel}/{name}.jpg" for hotel, name in pictures()}

    assert {named(path) for path in FILES} == painted
    assert {path.parent.name for path in FILES} == set(HOTELS)


@pytest.mark.parametrize("path", FILES, ids=named)
def test_is_a_plain_jpeg_of_a_good_size(path: Path) -> None:
    with Image.open(path) as picture:
        picture.load()
        assert picture.format == "JPEG"
        assert picture.size == (2400, 1600)
        assert picture.mode == "RGB"
        # What the format itself says about a file, and nothing about who made it, where or when.
        assert set(picture.info) <= {
            "jfif",
            "jfif_version",
            "jfif_unit",
            "jfif_density",
            "progressive",
            "progression",
        }
        assert not picture.getexif()
    assert path.stat().st_size < MAX_BYTES


@pytest.mark.parametrize("path", FILES, ids=named)
def test_has_light_and_shade(path: Path) -> None:
    with Image.open(path) as picture:
        (dark, light) = picture.convert("L").resize((60, 40)).getextrema()

    assert isinstance(dark, int)
    assert isinstance(light, int)
    assert light - dark > 80


def test_shows_no_picture_twice() -> None:
    whole = {hashlib.sha256(path.read_bytes()).hexdigest() for path in FILES}
    small = set()
    for path in FILES:
        with Image.open(path) as picture:
            small.add(picture.convert("L").resize((16, 16)).tobytes())

    assert len(whole) == len(small) == len(FILES)


def test_paints_the_same_picture_again() -> None:
    first, again = (jpeg(finish(altstadt.roof_view(0.1), seed=1)) for _ in range(2))

    assert first == again


def test_keeps_what_the_program_paints() -> None:
    painted = np.clip(altstadt.roof_view(0.1), 0, 1)
    with Image.open(SHOWCASE / "altstadt" / "roofs.jpg") as picture:
        kept = np.asarray(picture.resize((240, 160)), dtype=np.float32) / 255

    # The corners of the finished picture are darker, and its edges finer.
    assert np.abs(painted - kept).mean() < 0.06
