"""What exiftool and ffprobe say of a file, Assetry says too: made by exiftool and ffmpeg, value by value.

Each row of the tables is a file, a fact, the value that is right, and where the other program says it. The value is
written down here and compared with both, so that neither can be wrong unnoticed.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from PIL import Image

from service.ingest.extract import extract
from service.ingest.facts import Extracted

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.timeout(300),
    pytest.mark.xdist_group("exiftool_ffprobe"),
    pytest.mark.skipif(shutil.which("exiftool") is None, reason="needs: apt-get install libimage-exiftool-perl"),
    pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="needs: apt-get install ffmpeg"),
]

CATALOGUED = (
    "-XMP-dc:Title=Ein Bild",
    "-XMP-dc:Description=Straße am See",
    "-XMP-dc:Creator=Jürgen Ł",
    "-XMP-dc:Subject=lake",
    "-XMP-dc:Subject=boat",
    "-XMP-xmp:Rating=4",
    "-XMP-iptcExt:PersonInImage=Ada Test",
    "-XMP-exif:DateTimeOriginal=2010:07:11 13:53:00+02:00",
    "-XMP-tiff:Make=Acme",
    "-XMP-exif:GPSLatitude=52.375",
    "-XMP-exif:GPSLongitude=-4.8916667",
)
PORTRAIT = "-IFD0:Orientation#=6"
REGIONS = (
    "-RegionInfo={AppliedToDimensions={W=64,H=48,Unit=pixel},RegionList=["
    "{Area={X=0.5,Y=0.5,W=0.1,H=0.1,Unit=normalized},Name=Ada,Type=Face},"
    "{Area={X=0.2,Y=0.2,W=0.1,H=0.1,Unit=normalized},Name=Rex,Type=Pet},"
    "{Area={X=0.7,Y=0.5,W=0.1,H=0.1,Unit=normalized},Name=Ben Okafor,Type=Face}]}"
)
MICROSOFT = "-RegionInfoMP={Regions=[{PersonDisplayName=Cleo,Rectangle=0.1 0.1 0.2 0.2}]}"

# File → what exiftool writes into it. The suffix is the picture's, or a film's that ffmpeg made before.
PICTURES: dict[str, Sequence[str]] = {
    **{f"xmp.{suffix}": CATALOGUED for suffix in ("jpg", "png", "tif", "gif", "jp2", "webp", "psd", "avif")},
    "words.jpg": ("-EXIF:ImageDescription=Straße ÄÖÜ", "-EXIF:Artist=Jürgen Ł", "-EXIF:Copyright=© Test"),
    "words.png": ("-EXIF:ImageDescription=Straße ÄÖÜ", "-EXIF:Artist=Jürgen Ł", "-EXIF:Copyright=© Test"),
    "words.tif": ("-EXIF:ImageDescription=Straße ÄÖÜ", "-EXIF:Artist=Jürgen Ł", "-EXIF:Copyright=© Test"),
    "words.webp": ("-EXIF:ImageDescription=Straße ÄÖÜ", "-EXIF:Artist=Jürgen Ł", "-EXIF:Copyright=© Test"),
    "comment.jpg": ("-EXIF:UserComment=Grüße aus 東京",),
    "windows.jpg": ("-EXIF:XPTitle=Ein Titel", "-EXIF:XPKeywords=eins;zwei", "-EXIF:XPAuthor=Ödön"),
    "changed.jpg": ("-IFD0:ModifyDate=2020:01:01 00:00:00",),
    "original.jpg": ("-IFD0:ModifyDate=2020:01:01 00:00:00", "-EXIF:DateTimeOriginal=2010:07:11 13:53:00"),
    "offset.jpg": ("-EXIF:DateTimeOriginal=2010:07:11 13:53:00", "-EXIF:OffsetTimeOriginal=-05:30"),
    "scan.jpg": ("-EXIF:CreateDate=2015:01:02 03:04:05", "-XMP-photoshop:DateCreated=1969:07:20"),
    "xmp-date.jpg": ("-IFD0:ModifyDate=2020:01:01 00:00:00", "-XMP-exif:DateTimeOriginal=2010:07:11 13:53:00+02:00"),
    "iptc-date.jpg": (
        "-IFD0:ModifyDate=2020:01:01 00:00:00", "-IPTC:DateCreated=2010:07:11", "-IPTC:TimeCreated=13:53:00+02:00",
    ),
    "photoshop-date.png": ("-XMP-photoshop:DateCreated=2010:07:11 13:53:00Z", "-XMP-xmp:CreateDate=2019:01:01"),
    "second60.jpg": ("-EXIF:DateTimeOriginal#=2010:07:11 13:53:60",),
    "blank.jpg": ("-EXIF:DateTimeOriginal#=2010:07:11   :  :  ",),
    "caption.jpg": (
        "-IPTC:CodedCharacterSet=UTF8", "-IPTC:ObjectName=Café", "-IPTC:Caption-Abstract=Größe", "-IPTC:By-line=Ada",
        "-IPTC:Keywords=eins", "-IPTC:Keywords=zwei", "-IPTC:City=Łódź", "-IPTC:Credit=Agentur",
    ),
    "caption.tif": ("-IPTC:ObjectName=Cafe", "-IPTC:Keywords=eins", "-IPTC:City=Bled"),
    "caption.psd": ("-IPTC:ObjectName=Cafe", "-IPTC:Keywords=eins", "-IPTC:City=Bled"),
    "turned.jpg": (PORTRAIT,), "turned.tif": (PORTRAIT,), "turned.png": (PORTRAIT,), "turned.webp": (PORTRAIT,),
    "rated.jpg": ("-IFD0:Rating=4",), "percent.jpg": ("-XMP-microsoft:RatingPercent=75",),
    "percent99.jpg": ("-IFD0:RatingPercent=99",), "rejected.jpg": ("-XMP-xmp:Rating=-1",),
    "hierarchy.jpg": ("-XMP-lr:HierarchicalSubject=Nature|Animals|Cat", "-XMP-lr:HierarchicalSubject=Nature|Trees"),
    "digikam.jpg": ("-XMP-digiKam:TagsList=Nature/Dog",),
    "faces.jpg": (REGIONS,), "microsoft.jpg": (MICROSOFT,), "person.tif": ("-XMP-iptcExt:PersonInImage=Ada Test",),
    "camera.jpg": (
        "-IFD0:Make=Canon", "-IFD0:Model=Canon EOS 5D", "-EXIF:FNumber=2.8", "-EXIF:ExposureTime=1/250",
        "-EXIF:ISO=400", "-EXIF:FocalLength=50", "-EXIF:LensModel=EF50mm f/1.8 STM", "-IFD0:Software=Firmware 1.1",
    ),
    "camera.png": ("-IFD0:Make=Canon", "-IFD0:Model=Canon EOS 5D", "-EXIF:FNumber=2.8", "-EXIF:ISO=400"),
    "camera-xmp.jpg": (
        "-XMP-tiff:Make=Acme", "-XMP-tiff:Model=Z1", "-XMP-exif:FNumber=2.8", "-XMP-exif:ExposureTime=1/250",
        "-XMP-exif:ISO=200", "-XMP-exif:FocalLength=35", "-XMP-aux:Lens=35mm F2", "-XMP-tiff:Orientation#=8",
    ),
    "place.jpg": (
        "-GPSLatitude=50.51", "-GPSLatitudeRef=S", "-GPSLongitude=73", "-GPSLongitudeRef=W", "-GPSAltitude=230",
    ),
    "place.png": ("-GPSLatitude=50.51", "-GPSLatitudeRef=N", "-GPSLongitude=73", "-GPSLongitudeRef=E"),
    "equator.jpg": ("-GPSLatitude=0", "-GPSLatitudeRef=N", "-GPSLongitude=9.45", "-GPSLongitudeRef=E"),
    "greenwich.jpg": ("-GPSLatitude=51.4778", "-GPSLatitudeRef=N", "-GPSLongitude=0", "-GPSLongitudeRef=E"),
    "near-null.jpg": ("-GPSLatitude=0.001", "-GPSLatitudeRef=N", "-GPSLongitude=0.001", "-GPSLongitudeRef=W"),
    "keys.mov": (
        "-Keys:CreationDate=2022:07:08 21:30:00+02:00", "-Keys:GPSCoordinates=41.4, -8.5, 10", "-Keys:Make=Acme",
        "-Keys:Model=Phone", "-Keys:Title=Ferien", "-Keys:Software=16.1",
    ),
    "user-data.mov": ("-UserData:Title=Altes", "-UserData:Make=Acme", "-UserData:DateTimeOriginal=2001:02:03 04:05:06"),
    "xmp.mp4": CATALOGUED, "xmp.mov": CATALOGUED,
    "clock.mp4": ("-QuickTime:CreateDate=2019:03:04 05:06:07",),
}  # fmt: skip

XMP_ROWS: tuple[tuple[str, Any, str], ...] = (
    ("title", "Ein Bild", "XMP-dc:Title"),
    ("description", "Straße am See", "XMP-dc:Description"),
    ("creator", ["Jürgen Ł"], "XMP-dc:Creator"),
    ("tags", ["lake", "boat"], "XMP-dc:Subject"),
    ("rating", 4, "XMP-xmp:Rating"),
    ("people", ["Ada Test"], "XMP-iptcExt:PersonInImage"),
    ("captured_at", "2010-07-11T13:53:00+02:00", "XMP-exif:DateTimeOriginal"),
    ("camera_make", "Acme", "XMP-tiff:Make"),
    ("lat", 52.375, "XMP-exif:GPSLatitude"),
    ("lon", -4.8916667, "XMP-exif:GPSLongitude"),
)


class Row(NamedTuple):
    """A fact of a file: its name, its value, and the tag of exiftool (with its group) or ffprobe (with its part)."""

    file: str
    fact: str
    value: Any
    tag: str


def rows(file: str, *facts: tuple[str, Any, str]) -> list[Row]:
    return [Row(file, *fact) for fact in facts]


WORDS = (
    ("description", "Straße ÄÖÜ", "IFD0:ImageDescription"),
    ("creator", ["Jürgen Ł"], "IFD0:Artist"),
    ("credit", "© Test", "IFD0:Copyright"),
)
STORED = (("width", 64, "*:ImageWidth"), ("height", 48, "*:ImageHeight"), ("orientation", 6, "IFD0:Orientation"))

EXIFTOOL: list[Row] = [
    *(Row(file, *row) for file in PICTURES if file.startswith("xmp.") for row in XMP_ROWS),
    *(Row(f"words.{suffix}", *row) for suffix in ("jpg", "png", "tif", "webp") for row in WORDS),
    *(Row(f"turned.{suffix}", *row) for suffix in ("jpg", "tif", "png", "webp") for row in STORED),
    *rows("comment.jpg", ("description", "Grüße aus 東京", "ExifIFD:UserComment")),
    *rows(
        "windows.jpg",
        ("title", "Ein Titel", "IFD0:XPTitle"),
        ("tags", ["eins", "zwei"], "IFD0:XPKeywords"),
        ("creator", ["Ödön"], "IFD0:XPAuthor"),
    ),
    *rows("changed.jpg", ("captured_at", "2020-01-01T00:00:00Z", "IFD0:ModifyDate")),
    *rows("original.jpg", ("captured_at", "2010-07-11T13:53:00Z", "ExifIFD:DateTimeOriginal")),
    *rows("offset.jpg", ("captured_at", "2010-07-11T13:53:00-05:30", "Composite:SubSecDateTimeOriginal")),
    *rows("scan.jpg", ("captured_at", "1969-07-20T00:00:00Z", "XMP-photoshop:DateCreated")),
    *rows("xmp-date.jpg", ("captured_at", "2010-07-11T13:53:00+02:00", "XMP-exif:DateTimeOriginal")),
    *rows("iptc-date.jpg", ("captured_at", "2010-07-11T13:53:00+02:00", "Composite:DateTimeCreated")),
    *rows("photoshop-date.png", ("captured_at", "2010-07-11T13:53:00Z", "XMP-photoshop:DateCreated")),
    *rows("second60.jpg", ("captured_at", "2010-07-11T13:53:59Z", "ExifIFD:DateTimeOriginal")),
    *rows("blank.jpg", ("captured_at", "2010-07-11T00:00:00Z", "ExifIFD:DateTimeOriginal")),
    *rows(
        "caption.jpg",
        ("title", "Café", "IPTC:ObjectName"),
        ("description", "Größe", "IPTC:Caption-Abstract"),
        ("creator", ["Ada"], "IPTC:By-line"),
        ("tags", ["eins", "zwei"], "IPTC:Keywords"),
        ("iptc.city", "Łódź", "IPTC:City"),
        ("credit", "Agentur", "IPTC:Credit"),
    ),
    *(
        Row(f"caption.{suffix}", *row)
        for suffix in ("tif", "psd")
        for row in (
            ("title", "Cafe", "IPTC:ObjectName"),
            ("tags", ["eins"], "IPTC:Keywords"),
            ("iptc.city", "Bled", "IPTC:City"),
        )
    ),
    *rows("rated.jpg", ("rating", 4, "IFD0:Rating")),
    *rows("percent.jpg", ("rating", 4, "XMP-microsoft:RatingPercent")),
    *rows("percent99.jpg", ("rating", 5, "IFD0:RatingPercent")),
    *rows("rejected.jpg", ("rating", None, "XMP-xmp:Rating"), ("xmp.rating", "-1", "XMP-xmp:Rating")),
    *rows(
        "hierarchy.jpg",
        ("taxonomy", ["Nature/Animals/Cat", "Nature/Trees"], "XMP-lr:HierarchicalSubject"),
        ("tags", ["Nature", "Animals", "Cat", "Trees"], ""),
    ),
    *rows("digikam.jpg", ("taxonomy", ["Nature/Dog"], "XMP-digiKam:TagsList"), ("tags", ["Nature", "Dog"], "")),
    *rows("faces.jpg", ("people", ["Ada", "Ben Okafor"], ""), ("xmp.regions.regionList.0.name", "Ada", "")),
    *rows("microsoft.jpg", ("people", ["Cleo"], "XMP-MP:RegionPersonDisplayName")),
    *rows("person.tif", ("people", ["Ada Test"], "XMP-iptcExt:PersonInImage")),
    *rows(
        "camera.jpg",
        ("camera_make", "Canon", "IFD0:Make"),
        ("camera_model", "Canon EOS 5D", "IFD0:Model"),
        ("f_number", 2.8, "ExifIFD:FNumber"),
        ("exposure_time", 0.004, "ExifIFD:ExposureTime"),
        ("iso", 400, "ExifIFD:ISO"),
        ("focal_length", 50, "ExifIFD:FocalLength"),
        ("lens", "EF50mm f/1.8 STM", "ExifIFD:LensModel"),
        ("software", "Firmware 1.1", "IFD0:Software"),
    ),
    *rows(
        "camera.png",
        ("camera_make", "Canon", "IFD0:Make"),
        ("f_number", 2.8, "ExifIFD:FNumber"),
        ("iso", 400, "ExifIFD:ISO"),
    ),
    *rows(
        "camera-xmp.jpg",
        ("camera_model", "Z1", "XMP-tiff:Model"),
        ("f_number", 2.8, "XMP-exif:FNumber"),
        ("exposure_time", 0.004, "XMP-exif:ExposureTime"),
        ("iso", 200, "XMP-exif:ISO"),
        ("focal_length", 35, "XMP-exif:FocalLength"),
        ("lens", "35mm F2", "XMP-aux:Lens"),
        ("orientation", 8, "XMP-tiff:Orientation"),
    ),
    *rows(
        "place.jpg",
        ("lat", -50.51, "Composite:GPSLatitude"),
        ("lon", -73, "Composite:GPSLongitude"),
        ("gps_altitude", 230, "GPS:GPSAltitude"),
    ),
    *rows("place.png", ("lat", 50.51, "Composite:GPSLatitude"), ("lon", 73, "Composite:GPSLongitude")),
    *rows("equator.jpg", ("lat", 0, "Composite:GPSLatitude"), ("lon", 9.45, "Composite:GPSLongitude")),
    *rows("greenwich.jpg", ("lat", 51.4778, "Composite:GPSLatitude"), ("lon", 0, "Composite:GPSLongitude")),
    *rows("near-null.jpg", ("lat", 0.001, "Composite:GPSLatitude"), ("lon", -0.001, "Composite:GPSLongitude")),
    *rows(
        "keys.mov",
        ("captured_at", "2022-07-08T21:30:00+02:00", "Keys:CreationDate"),
        ("lat", 41.4, "Composite:GPSLatitude"),
        ("lon", -8.5, "Composite:GPSLongitude"),
        ("gps_altitude", 10, "Composite:GPSAltitude"),
        ("camera_make", "Acme", "Keys:Make"),
        ("camera_model", "Phone", "Keys:Model"),
        ("title", "Ferien", "Keys:Title"),
        ("software", "16.1", "Keys:Software"),
        ("width", 160, "Track1:ImageWidth"),
    ),
    *rows("user-data.mov", ("title", "Altes", "UserData:Title"), ("camera_make", "Acme", "UserData:Make")),
    *rows("clock.mp4", ("captured_at", "2019-03-04T05:06:07Z", "QuickTime:CreateDate")),
]

_SOURCE = ("-f", "lavfi", "-i", "testsrc=s=160x90:d=1:r=25")
_TONE = ("-f", "lavfi", "-i", "sine=d=1")
_TAGS = ("-metadata", "title=Ein Film", "-metadata", "artist=Jürgen Ł", "-metadata", "comment=Straße")
_COPY = ("-i", "{plain.mp4}", "-metadata:s:v")
# File → what ffmpeg is told; "{name}" is a file that was made before
FILMS: dict[str, Sequence[str]] = {
    "plain.mp4": (*_SOURCE, "-pix_fmt", "yuv420p"),
    "plain.mov": (*_SOURCE, "-pix_fmt", "yuv420p"),
    **{f"turned{angle}.mp4": (*_COPY, f"rotate={angle}", "-c", "copy") for angle in (90, 180, 270)},
    "place.mp4": (
        *_SOURCE, "-pix_fmt", "yuv420p", "-metadata", "creation_time=2021-05-06T07:08:09Z",
        "-metadata", "location=+48.8577+002.2950/", *_TAGS,
    ),
    "fragments.mp4": (
        "-f", "lavfi", "-i", "testsrc=s=160x94:d=3:r=30", "-pix_fmt", "yuv420p", "-c:v", "libx264",
        "-movflags", "frag_keyframe+empty_moov+default_base_moof", "-g", "15",
    ),
    "both.mp4": (
        *_SOURCE, *_TONE, "-pix_fmt", "yuv420p", "-c:a", "aac", "-movflags", "frag_keyframe+empty_moov", "-g", "5",
    ),
    "sound.mp4": (*_TONE, "-c:a", "aac", *_TAGS),
    "a.mkv": (*_SOURCE, *_TAGS, "-metadata", "creation_time=2021-05-06T07:08:09Z"),
    "b.webm": (*_SOURCE, "-c:v", "libvpx", *_TAGS),
    "sound.mka": (*_TONE, "-c:a", "flac", *_TAGS),
    "c.avi": (*_SOURCE, *_TAGS),
    "d.wav": (*_TONE, *_TAGS),
    "e.wmv": (*_SOURCE, "-c:v", "wmv2", *_TAGS),
    "f.wma": (*_TONE, "-c:a", "wmav2", *_TAGS),
    "g.flv": (*_SOURCE, *_TAGS),
    "h.ts": (*_SOURCE, "-c:v", "mpeg2video"),
    "i.m2ts": (*_SOURCE, "-c:v", "libx264", "-pix_fmt", "yuv420p", "-f", "mpegts", "-mpegts_m2ts_mode", "1"),
    "j.mpg": (*_SOURCE, "-c:v", "mpeg2video", "-f", "dvd"),
    "k.mp3": (*_TONE, "-c:a", "libmp3lame", *_TAGS),
    "l.flac": (*_TONE, *_TAGS),
    "m.ogg": (*_TONE, "-c:a", "libvorbis", *_TAGS),
    "n.opus": (*_TONE, "-c:a", "libopus", *_TAGS),
    "o.aiff": (*_TONE, "-metadata", "title=Ein Film", "-metadata", "author=Jürgen Ł"),
    "q.ogv": (*_SOURCE, "-c:v", "libtheora", *_TAGS),
    "r.ts": (*_SOURCE, "-pix_fmt", "yuv420p", "-c:v", "libx265", "-x265-params", "log-level=none"),
    "s.ts": (*_SOURCE, "-pix_fmt", "yuv420p", "-c:v", "libx264", "-f", "mpegts"),
    "p.3gp": ("-f", "lavfi", "-i", "testsrc=s=176x144:d=1:r=25", "-c:v", "h263"),
}  # fmt: skip

SIZE = (("width", 160, "video.width"), ("height", 90, "video.height"))
TAGS = (("title", "Ein Film", "tags.title"), ("creator", ["Jürgen Ł"], "tags.artist"))
LENGTH = ("duration", 1.0, "format.duration")
RATE = ("frame_rate", 25, "video.r_frame_rate")
SOUND = ("sample_rate", 44100, "audio.sample_rate")

FFPROBE: list[Row] = [
    *rows("plain.mp4", *SIZE, LENGTH, RATE, ("type", "video", "")),
    *rows("plain.mov", *SIZE, LENGTH, RATE, ("mime_type", "video/quicktime", "")),
    *(
        row
        for angle, turn in ((90, 8), (180, 3), (270, 6))
        for row in rows(f"turned{angle}.mp4", *SIZE, ("orientation", turn, "video.turn"))
    ),
    *rows(
        "place.mp4",
        *TAGS,
        ("captured_at", "2021-05-06T07:08:09Z", "tags.creation_time"),
        ("lat", 48.8577, ""),
        ("lon", 2.295, ""),
    ),
    *rows("fragments.mp4", ("duration", 3.0, "format.duration"), ("frame_rate", 30, "video.r_frame_rate")),
    *rows("both.mp4", ("width", 160, "video.width"), ("frame_rate", 25, "video.r_frame_rate"), SOUND),
    *rows("sound.mp4", *TAGS, SOUND, ("type", "audio", "")),
    *rows("a.mkv", *SIZE, *TAGS, LENGTH, RATE, ("captured_at", "2021-05-06T07:08:09Z", "tags.creation_time")),
    *rows("b.webm", *SIZE, *TAGS, LENGTH, RATE),
    *rows("sound.mka", *TAGS, SOUND, ("type", "audio", "")),
    *rows("c.avi", *SIZE, *TAGS, LENGTH, RATE),
    *rows("d.wav", *TAGS, LENGTH, SOUND),
    *rows("e.wmv", *SIZE, *TAGS, ("type", "video", ""), ("sample_rate", None, ""), ("captured_at", None, "")),
    *rows("f.wma", *TAGS, SOUND, ("type", "audio", ""), ("mime_type", "audio/x-ms-wma", "")),
    *rows("g.flv", *SIZE, *TAGS, LENGTH, RATE),
    *rows("h.ts", *SIZE, LENGTH, RATE, ("mime_type", "video/mp2t", "")),
    *rows("i.m2ts", *SIZE, LENGTH, ("mime_type", "video/mp2t", "")),
    *rows("j.mpg", *SIZE, LENGTH, RATE, ("mime_type", "video/mpeg", "")),
    *rows("k.mp3", *TAGS, SOUND, ("description", "Straße", "tags.comment")),
    *rows("l.flac", *TAGS, SOUND, LENGTH),
    *rows("m.ogg", *TAGS, SOUND),
    *rows("n.opus", *TAGS),
    *rows("o.aiff", SOUND, LENGTH, ("title", "Ein Film", "tags.title"), ("creator", ["Jürgen Ł"], "tags.author")),
    *rows("q.ogv", *SIZE, RATE, ("title", "Ein Film", "tags.title")),
    *rows("r.ts", *SIZE, LENGTH, RATE),
    *rows("s.ts", *SIZE, LENGTH, RATE),
    *rows("p.3gp", ("width", 176, "video.width"), ("mime_type", "video/3gpp", "")),
]


class Made:
    """The files, made once, and what each program says of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, told in FILMS.items():
            words = [re.sub(r"\{(.+)\}", lambda match: str(folder / match[1]), word) for word in told]
            self._run("ffmpeg", "-v", "error", "-y", *words, str(folder / name))
        for name in PICTURES:
            self._picture(folder / name)
        orders = folder / "orders"
        lines = [
            line
            for name, told in PICTURES.items()
            for line in (
                *told,
                "-overwrite_original", "-m", "-q", "-q", str(folder / name), "-execute",
            )
        ]  # fmt: skip
        orders.write_text("\n".join(lines), encoding="utf-8")
        self._run("exiftool", "-@", str(orders))
        paths = [str(folder / name) for name in PICTURES]
        told = self._run("exiftool", "-json", "-n", "-G1", *paths)
        self._exiftool = {Path(each["SourceFile"]).name: each for each in json.loads(told)}

    @staticmethod
    def _run(*command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (command[:3], done.stderr)
        return done.stdout

    def _picture(self, path: Path) -> None:
        suffix = path.suffix.lstrip(".")
        if suffix in {"mp4", "mov"}:
            shutil.copy(self.folder / f"plain.{suffix}", path)
        elif suffix == "psd":
            path.write_bytes(empty_psd(64, 48))
        else:
            Image.new("RGB", (64, 48), (7, 8, len(path.name))).save(path)

    @cache  # noqa: B019 - one instance a run
    def read(self, name: str) -> Extracted:
        return extract(self.folder / name, name)

    def exiftool(self, name: str, tag: str) -> Any:
        said = self._exiftool[name]
        if tag.startswith("*:"):
            return next(value for key, value in said.items() if key.endswith(tag[1:]))
        assert tag in said, sorted(said)
        return said[tag]

    @cache  # noqa: B019 - one instance a run
    def _ffprobe(self, name: str) -> Any:
        command = ("ffprobe", "-v", "error", "-show_format", "-show_streams", "-of", "json", str(self.folder / name))
        return json.loads(self._run(*command))

    def ffprobe(self, name: str, tag: str) -> Any:
        said, (part, key) = self._ffprobe(name), tag.split(".")
        if part == "format":
            return said["format"][key]
        if part == "tags":
            texts = said["format"].get("tags", {}) | said["streams"][0].get("tags", {})
            return next(value for name, value in texts.items() if name.lower() == key)
        stream = next(each for each in said["streams"] if each["codec_type"] == part)
        if key == "turn":
            return next(each["rotation"] for each in stream["side_data_list"] if "rotation" in each)
        return stream[key]


def empty_psd(width: int, height: int) -> bytes:
    """A Photoshop file without layers: a header, three empty blocks, and a picture of zeros."""
    sizes = b"".join(number.to_bytes(4, "big") for number in (height, width))
    header = b"8BPS\x00\x01" + bytes(6) + b"\x00\x03" + sizes + b"\x00\x08\x00\x03"
    return header + bytes(12) + b"\x00\x00" + bytes(width * height * 3)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return Made(tmp_path_factory.mktemp("made"))


def ours(found: Extracted, fact: str) -> Any:
    if fact in {"lat", "lon"}:
        return (found.gps or {}).get(fact)
    value: Any = getattr(found, fact) if hasattr(found, fact) else found.metadata
    if value is found.metadata:
        for step in fact.split("."):
            value = value[int(step)] if isinstance(value, list) else value.get(step)
    return list(value) if isinstance(value, tuple) else value


def _moment(said: str) -> datetime:
    """Read a date of either program: blanks and a second of 60 as Assetry means them."""
    day, clock = said[:10].replace(":", "-"), said[10:].strip().replace(":60", ":59")
    fits = re.fullmatch(r"T?\d\d:\d\d:\d\d.*", clock)
    return datetime.fromisoformat(f"{day}T{clock.lstrip('T').replace('Z', '+00:00') if fits else '00:00:00'}")


def _same(fact: str, value: Any, said: Any) -> bool:
    """Return whether a program's words are this value, in Assetry's terms."""
    if fact == "captured_at":
        right, moment = datetime.fromisoformat(value), _moment(str(said))
        is_same = right.replace(tzinfo=None) == moment.replace(tzinfo=None)
        return is_same and moment.utcoffset() in {None, right.utcoffset()}
    if fact == "rating":
        number = float(said)
        stars = None if number < 0 else number if number <= 5 else {25: 2, 50: 3, 75: 4, 99: 5}[round(number)]
        return bool(value == stars)
    if fact == "orientation" and not isinstance(said, str) and abs(said) >= 90:
        turns: dict[int, int] = {90: 8, -90: 6, 180: 3, -180: 3}
        return bool(turns[round(said)] == value)
    if isinstance(value, int | float):
        above, _, below = str(said).partition("/")
        return bool(float(above) / float(below or 1) == pytest.approx(value, abs=0.03 if fact == "duration" else 1e-5))
    if isinstance(value, list):
        told = said if isinstance(said, list) else str(said).split(";")
        return bool([str(each).replace("|", "/") for each in told] == value)
    return bool(str(said) == value)


def _id(row: Row) -> str:
    return f"{row.file}-{row.fact}"


def test_there_are_enough_cases() -> None:
    assert len(EXIFTOOL) + len(FFPROBE) >= 240
    assert len({_id(row) for row in (*EXIFTOOL, *FFPROBE)}) == len(EXIFTOOL) + len(FFPROBE)


@pytest.mark.parametrize("row", EXIFTOOL, ids=_id)
def test_as_exiftool_says(made: Made, row: Row) -> None:
    found = ours(made.read(row.file), row.fact)
    assert found == (pytest.approx(row.value, abs=1e-6) if isinstance(row.value, float) else row.value)
    if row.tag:
        assert _same(row.fact, row.value, made.exiftool(row.file, row.tag)), made.exiftool(row.file, row.tag)


@pytest.mark.parametrize("row", FFPROBE, ids=_id)
def test_as_ffprobe_says(made: Made, row: Row) -> None:
    found = ours(made.read(row.file), row.fact)
    assert found == (pytest.approx(row.value, abs=0.03) if isinstance(row.value, float) else row.value)
    if row.tag:
        assert _same(row.fact, row.value, made.ffprobe(row.file, row.tag)), made.ffprobe(row.file, row.tag)
