"""Photos become pictures: in a process of their own, once, and without what they carried."""

from __future__ import annotations

import io
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bson import ObjectId
from PIL import Image, ImageCms

from bookings import points, tasks
from bookings.content.photos import changes, conversion, files
from bookings.content.photos.facts import read_photos, recent_photos
from bookings.content.photos.rows import DELETING, FAILED, READY, WAITING
from bookings.infrastructure import clock
from bookings.infrastructure.connections import collection
from tests.content.photos.pictures import BLUE, RED, draw, is_near, photo, save

pytestmark = [pytest.mark.mongo, pytest.mark.usefixtures("photo_folder")]

SECRET = b"a secret place"


class Killed(BaseException):
    """Ends the work as a kill would: nothing of the site handles it."""


def add(content: bytes | None = None, **of: Any) -> ObjectId:
    photo_id = ObjectId()
    wish = {"hotel_id": "demo", "category_id": "demo_double", "content": content or photo(), **of}
    assert changes.add_photo(photo_id=photo_id, **wish)
    return photo_id


def row(photo_id: ObjectId) -> dict[str, Any]:
    found = collection("photos").find_one({"_id": photo_id})
    assert found is not None
    return found


def in_folder(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


def pictures_of(photo_id: ObjectId) -> dict[str, Image.Image]:
    made = {}
    for name in files.pictures(row(photo_id)):
        content = files.read(name)
        assert content is not None
        made[name.partition("/")[2]] = Image.open(io.BytesIO(content))
    return made


def kill_at(point: str) -> None:
    def die(name: str) -> None:
        if name == point:
            raise Killed

    points.install(die)


@pytest.fixture(autouse=True)
def _no_points() -> Any:
    yield
    points.install(None)


def let_leases_run_out() -> None:
    collection("photos").update_many(
        {"lease_until": {"$ne": None}}, {"$set": {"lease_until": clock.now() - timedelta(hours=1)}}
    )


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_makes_every_width_and_format(kind: str, photo_folder: Path) -> None:
    photo_id = add(photo(1700, 900, kind))

    assert tasks.convert_photos() == 1

    made = pictures_of(photo_id)
    assert {name: (each.format, each.size) for name, each in made.items()} == {
        f"{width}.{extension}": (name, (width, high))
        for width, high in ((480, 254), (960, 508), (1600, 847))
        for extension, name in (("avif", "AVIF"), ("webp", "WEBP"), ("jpg", "JPEG"))
    }
    assert made["480.jpg"].info.get("progressive")
    for each in made.values():
        pixels = each.convert("RGB")
        assert is_near(pixels.getpixel((10, 10)), BLUE)
        assert is_near(pixels.getpixel((each.width - 10, 10)), RED)
    found = row(photo_id)
    assert (found["state"], found["is_due"], found["width"], found["height"]) == (
        *(READY, False),
        *(1700, 900),
    )
    # The original is gone.
    assert in_folder(photo_folder) == set(made)


def test_makes_no_picture_wider_than_the_photo() -> None:
    photo_id = add(photo(300, 200))

    tasks.convert_photos()

    assert row(photo_id)["widths"] == [300]


def test_turns_a_photo_as_its_camera_was_held() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned to the left
    photo_id = add(photo(1200, 800, exif=exif))

    tasks.convert_photos()

    found, shown = row(photo_id), pictures_of(photo_id)["480.jpg"].convert("RGB")
    assert (found["width"], found["height"], shown.size) == (800, 1200, (480, 720))
    assert is_near(shown.getpixel((240, 20)), BLUE)
    assert is_near(shown.getpixel((240, 700)), RED)


def test_keeps_nothing_that_a_photo_carried(photo_folder: Path) -> None:
    exif = Image.Exif()
    exif[0x010E] = SECRET.decode()
    exif.get_ifd(0x8825)[1] = "N"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    carried = {"exif": exif, "xmp": SECRET, "icc_profile": profile}
    for content in (
        photo(kind="JPEG", comment=SECRET, **carried) + SECRET + b"<script>",
        photo(kind="WEBP", **carried),
        photo(kind="AVIF", **carried),
        photo(kind="PNG", exif=exif, icc_profile=profile),
    ):
        assert SECRET in content
        photo_id = add(content)
        tasks.convert_photos()
        for shown in pictures_of(photo_id).values():
            shown.load()
            assert not dict(shown.getexif())
            assert not {"exif", "xmp", "icc_profile", "comment"} & set(shown.info)

    kept = [path.read_bytes() for path in photo_folder.rglob("*") if path.is_file()]
    assert kept
    assert not any(SECRET in each or b"<script>" in each for each in kept)


def test_shows_the_colours_that_a_profile_means() -> None:
    """In this profile red and green are exchanged, as a wide gamut exchanges them a little."""
    usual = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    odd = usual.replace(b"rXYZ", b"....").replace(b"gXYZ", b"rXYZ").replace(b"....", b"gXYZ")

    shown = {
        profile: Image.open(io.BytesIO(conversion.convert(content).pictures[480, "jpg"]))
        for profile, content in (
            ("usual", photo(icc_profile=usual)),
            ("odd", photo(icc_profile=odd)),
            ("damaged", photo(icc_profile=b"no profile")),
            ("of another kind", save(draw().convert("L"), icc_profile=usual)),
        )
    }

    assert is_near(shown["usual"].getpixel((470, 10)), RED)
    red, green, _ = shown["odd"].getpixel((470, 10))  # type: ignore[misc]
    assert green > 2 * red
    assert is_near(shown["damaged"].getpixel((470, 10)), RED)
    assert shown["of another kind"].mode == "RGB"


def test_reads_the_colours_of_print() -> None:
    cmyk = conversion.convert(save(draw().convert("CMYK"))).pictures[480, "jpg"]

    assert is_near(Image.open(io.BytesIO(cmyk)).getpixel((10, 10)), BLUE, by=20)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "I;16"])
def test_reads_every_kind_of_png(mode: str) -> None:
    image = (
        Image.new("I;16", (600, 400), 0x8000) if mode == "I;16" else draw(600, 400).convert(mode)
    )

    shown = Image.open(io.BytesIO(conversion.convert(save(image, "PNG")).pictures[480, "jpg"]))

    assert shown.mode == "RGB"
    if mode == "I;16":
        assert is_near(shown.getpixel((10, 10)), (128, 128, 128))


def test_puts_what_is_transparent_on_white() -> None:
    clear = Image.new("RGBA", (600, 400), (0, 0, 0, 0))

    shown = Image.open(io.BytesIO(conversion.convert(save(clear, "PNG")).pictures[480, "jpg"]))

    assert is_near(shown.getpixel((10, 10)), (255, 255, 255))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_tells_staff_of_a_photo_that_is_cut_short(kind: str, photo_folder: Path) -> None:
    whole = photo(1200, 800, kind)
    photo_id = add(whole)
    name = files.original(row(photo_id))
    files.write(name, whole[: len(whole) // 2])

    assert tasks.convert_photos() == 0

    found = row(photo_id)
    assert (found["state"], found["is_due"]) == (FAILED, False)
    assert found["error"].startswith("This photo could not be read, because it is damaged")
    assert in_folder(photo_folder) == set()
    assert collection("failed_work").count_documents({}) == 0


def test_gives_up_a_photo_that_takes_too_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conversion, "CONVERT_TIMEOUT_S", 0.01)
    photo_id = add()

    for _ in range(conversion.MAX_TRIES):
        assert row(photo_id)["state"] == WAITING
        tasks.convert_photos()
        let_leases_run_out()

    assert (row(photo_id)["state"], row(photo_id)["error"]) == (FAILED, conversion.TOO_HARD)


def test_gives_up_a_photo_whose_workers_die() -> None:
    photo_id = add()
    kill_at("photo_file_written")
    for _ in range(conversion.MAX_TRIES):
        with pytest.raises(Killed):
            tasks.convert_photos()
        let_leases_run_out()

    tasks.convert_photos()

    assert row(photo_id)["state"] == FAILED
    (line,) = collection("failed_work").find()
    assert (line["queue"], line["error"]) == ("photos", "NeverFinished")


@pytest.mark.parametrize("point", ["photo_file_written", "photo_ready"])
def test_goes_on_after_a_worker_that_was_killed(point: str, photo_folder: Path) -> None:
    photo_id = add()
    kill_at(point)
    with pytest.raises(Killed):
        tasks.convert_photos()
    points.install(None)
    assert tasks.convert_photos() == 0, "the lease still belongs to the dead"
    let_leases_run_out()

    tasks.convert_photos()

    assert (row(photo_id)["state"], row(photo_id)["is_due"]) == (READY, False)
    assert in_folder(photo_folder) == {
        f"{width}.{extension}" for width in (480, 960) for extension in files.FORMATS
    }


def test_says_ready_only_once_all_files_are_there() -> None:
    add()
    seen = []

    def look(point: str) -> None:
        if point == "photo_file_written":
            seen.append(read_photos("demo").first_of("demo_double"))

    points.install(look)
    tasks.convert_photos()

    assert seen == [None] * 6
    assert recent_photos("demo").first_of("demo_double") is not None


def test_is_converted_by_one_worker_at_a_time() -> None:
    for _ in range(4):
        add(photo(500, 300))
    started = threading.Barrier(3)
    done: list[int] = []

    def work() -> None:
        started.wait(10)
        # The rule for one process, taken away: these are three processes.
        done.append(conversion.work_on_photos.__wrapped__())  # type: ignore[attr-defined]

    threads = [threading.Thread(target=work) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)

    assert sum(done) == 4
    assert [each["tries"] for each in collection("photos").find()] == [0] * 4


def test_writes_nothing_late_of_a_photo_that_is_deleted(photo_folder: Path) -> None:
    photo_id = add()
    written = []

    def delete_meanwhile(point: str) -> None:
        if point == "photo_file_written":
            written.append(point)
            if len(written) == 2:
                assert changes.delete_photo("demo", "demo_double", photo_id)
                let_leases_run_out()
                points.install(None)
                conversion.work_on_photos.__wrapped__()  # type: ignore[attr-defined]
                points.install(delete_meanwhile)
                # As if this worker had been about to write when its lease ran out.
                files.write(f"{name}/960.avif", b"late")

    name = files.folder_of(row(photo_id))
    points.install(delete_meanwhile)

    tasks.convert_photos()

    assert len(written) == 2
    assert collection("photos").count_documents({}) == 0
    assert in_folder(photo_folder) == set()


def test_leaves_a_photo_to_the_worker_that_took_it_over() -> None:
    photo_id = add()

    def lose(point: str) -> None:
        if point == "photo_file_written":
            points.install(None)
            let_leases_run_out()
            assert conversion.work_on_photos.__wrapped__() == 1  # type: ignore[attr-defined]

    points.install(lose)
    assert tasks.convert_photos() == 0

    assert row(photo_id)["state"] == READY
    assert len(pictures_of(photo_id)) == 6


def test_waits_while_the_storage_is_away(photo_folder: Path, monkeypatch: Any) -> None:
    photo_id = add()
    hidden = photo_folder.rename(photo_folder.with_name("hidden"))
    photo_folder.write_text("no folder")
    for _ in range(conversion.MAX_TRIES + 2):
        monkeypatch.setattr(files, "_silent_until_s", 0.0)
        assert tasks.convert_photos() == 0
        let_leases_run_out()
    assert row(photo_id)["state"] == WAITING
    photo_folder.unlink()
    hidden.rename(photo_folder)
    monkeypatch.setattr(files, "_silent_until_s", 0.0)

    assert tasks.convert_photos() == 1


@pytest.mark.parametrize("point", [None, "photo_files_removed"])
def test_removes_the_files_of_a_deleted_photo(point: str | None, photo_folder: Path) -> None:
    photo_id = add()
    tasks.convert_photos()
    assert in_folder(photo_folder)
    assert changes.delete_photo("demo", "demo_double", photo_id)
    assert recent_photos("demo").first_of("demo_double") is None
    assert row(photo_id)["state"] == DELETING
    if point:
        kill_at(point)
        with pytest.raises(Killed):
            tasks.convert_photos()
        points.install(None)
        let_leases_run_out()

    tasks.convert_photos()

    assert collection("photos").count_documents({}) == 0
    assert list(photo_folder.iterdir()) == []


@pytest.mark.parametrize("point", ["photo_row_written", "photo_original_written"])
def test_removes_what_an_upload_left_that_died(point: str, photo_folder: Path) -> None:
    kill_at(point)
    with pytest.raises(Killed):
        add()
    points.install(None)
    assert tasks.convert_photos() == 0
    assert collection("photos").count_documents({}) == 1, "the upload may still be under way"
    let_leases_run_out()

    tasks.convert_photos()

    assert collection("photos").count_documents({}) == 0
    assert in_folder(photo_folder) == set()


def test_runs_without_the_passwords_of_the_site() -> None:
    seen = []
    run = conversion.subprocess.run

    def look(*args: Any, **options: Any) -> Any:
        seen.append(options["env"])
        return run(*args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(conversion.subprocess, "run", look)
        conversion.convert(photo())

    assert seen == [{}]


def test_forgets_no_file_of_a_worker_with_other_widths(
    photo_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo_id = add()
    monkeypatch.setattr(files, "WIDTHS", (300, 700))
    kill_at("photo_file_written")
    with pytest.raises(Killed):
        tasks.convert_photos()
    points.install(None)
    monkeypatch.undo()
    let_leases_run_out()
    tasks.convert_photos()

    collection("photos").update_one(
        {"_id": photo_id}, {"$set": {"state": "deleting", "is_due": True, "lease_until": None}}
    )
    tasks.convert_photos()

    assert in_folder(photo_folder) == set()


def test_touches_no_photo_while_the_folder_is_another_one(
    photo_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An empty folder stands where the volume with the photos was not mounted."""
    add()
    tasks.convert_photos()
    waiting, deleted = add(), add()
    assert changes.delete_photo("demo", "demo_double", deleted)
    volume = photo_folder.rename(photo_folder.with_name("volume"))
    photo_folder.mkdir()

    assert tasks.convert_photos() == 0

    assert (row(waiting)["state"], row(deleted)["state"]) == (WAITING, DELETING)
    assert "photo_storage_is_another" in [record.message for record in caplog.records]
    photo_folder.rmdir()
    volume.rename(photo_folder)
    let_leases_run_out()
    assert tasks.convert_photos() == 1
    assert (row(waiting)["state"], collection("photos").find_one({"_id": deleted})) == (READY, None)


def test_goes_on_when_the_photos_that_lost_their_files_are_deleted(photo_folder: Path) -> None:
    lost = add()
    tasks.convert_photos()
    photo_folder.rename(photo_folder.with_name("lost"))
    waiting = add()
    assert tasks.convert_photos() == 0

    assert changes.delete_photo("demo", "demo_double", lost)
    let_leases_run_out()

    assert tasks.convert_photos() == 1
    assert row(waiting)["state"] == READY
