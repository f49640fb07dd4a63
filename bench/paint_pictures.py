"""Paints the pictures of the showcase hotels: `python -m bench.paint_pictures [FOLDER]`.

They go to bookings/operations/showcase unless you name another folder. The same code always paints
the same pictures. It takes about ten minutes on two processors.
"""

import sys
from collections.abc import Iterator
from multiprocessing import Pool
from pathlib import Path

from bench.pictures import altstadt, seaside
from bench.pictures.canvas import finish, jpeg
from bench.pictures.light import picture_of

SHOWCASE = Path(__file__).resolve().parents[1] / "bookings" / "operations" / "showcase"
HOTELS = {"seaside": seaside, "altstadt": altstadt}

# In finished sizes. Tracing light is slow, and its soft pictures bear to be enlarged.
LANDSCAPE_SCALE = 1.5
TRACED_SCALE = 0.5


def main(folder: Path = SHOWCASE) -> None:
    with Pool() as pool:
        for hotel, name, file in pool.imap_unordered(paint_picture, pictures()):
            path = folder / hotel / f"{name}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(file)
            print(path.relative_to(folder))  # noqa: T201


def pictures() -> Iterator[tuple[str, str]]:
    """Returns the hotel and the name of each picture."""
    for hotel, scenes in HOTELS.items():
        for name in [*scenes.LANDSCAPES, *scenes.TRACED]:
            yield hotel, name


def paint_picture(which: tuple[str, str]) -> tuple[str, str, bytes]:
    """Returns the hotel, the name and the JPEG file of a picture."""
    hotel, name = which
    scenes = HOTELS[hotel]
    if name in scenes.LANDSCAPES:
        picture = scenes.LANDSCAPES[name](LANDSCAPE_SCALE)
    else:
        picture = picture_of(scenes.TRACED[name](TRACED_SCALE), TRACED_SCALE)
    return hotel, name, jpeg(finish(picture, seed=len(name)))


if __name__ == "__main__":
    main(*(Path(argument) for argument in sys.argv[1:2]))
