"""Formats recognised by their first bytes, and their file extensions: data, no code."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Format:
    """A format: its short name, its asset type, its media type (RFC 6838) and its other extensions."""

    name: str
    type: str
    mime_type: str
    spellings: tuple[str, ...] = ()


FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        Format("jpg", "image", "image/jpeg", ("jpeg", "jpe", "jfif")),
        Format("png", "image", "image/png", ("apng",)),
        Format("gif", "image", "image/gif"),
        Format("webp", "image", "image/webp"),
        Format("tiff", "image", "image/tiff", ("tif", "dng", "nef", "arw", "cr2")),
        Format("bmp", "image", "image/bmp", ("dib",)),
        Format("ico", "image", "image/vnd.microsoft.icon"),
        Format("avif", "image", "image/avif"),
        Format("heic", "image", "image/heic", ("heif",)),
        Format("jp2", "image", "image/jp2", ("j2k", "jpx")),
        Format("jxl", "image", "image/jxl"),
        Format("psd", "image", "image/vnd.adobe.photoshop"),
        Format("svg", "image", "image/svg+xml"),
        Format("mp4", "video", "video/mp4", ("m4v",)),
        Format("mov", "video", "video/quicktime", ("qt",)),
        Format("webm", "video", "video/webm"),
        Format("mkv", "video", "video/x-matroska"),
        Format("avi", "video", "video/x-msvideo"),
        Format("wmv", "video", "video/x-ms-wmv", ("asf", "wma")),
        Format("flv", "video", "video/x-flv"),
        Format("mpg", "video", "video/mpeg", ("mpeg",)),
        Format("ogv", "video", "video/ogg"),
        Format("mp3", "audio", "audio/mpeg"),
        Format("m4a", "audio", "audio/mp4", ("m4b",)),
        Format("wav", "audio", "audio/wav", ("wave",)),
        Format("flac", "audio", "audio/flac"),
        Format("ogg", "audio", "audio/ogg", ("oga",)),
        Format("opus", "audio", "audio/ogg"),
        Format("aiff", "audio", "audio/aiff", ("aif", "aifc")),
        Format("aac", "audio", "audio/aac"),
        Format("mid", "audio", "audio/midi", ("midi",)),
        Format("pdf", "pdf", "application/pdf"),
        Format("docx", "document", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
        Format("xlsx", "document", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
        Format("pptx", "document", "application/vnd.openxmlformats-officedocument.presentationml.presentation"),
        Format("odt", "document", "application/vnd.oasis.opendocument.text"),
        Format("ods", "document", "application/vnd.oasis.opendocument.spreadsheet"),
        Format("odp", "document", "application/vnd.oasis.opendocument.presentation"),
        Format("epub", "document", "application/epub+zip"),
        Format("doc", "document", "application/msword", ("dot",)),
        Format("xls", "document", "application/vnd.ms-excel", ("xlt",)),
        Format("ppt", "document", "application/vnd.ms-powerpoint", ("pps",)),
        Format("rtf", "document", "application/rtf"),
        Format("ps", "document", "application/postscript", ("eps", "epsf")),
        Format("ole", "other", "application/x-ole-storage"),
        Format("zip", "other", "application/zip"),
        Format("gz", "other", "application/gzip", ("tgz",)),
        Format("txt", "text", "text/plain", ("text", "log")),
        Format("md", "text", "text/markdown", ("markdown", "mkd")),
        Format("html", "text", "text/html", ("htm", "xhtml")),
        Format("csv", "text", "text/csv"),
        Format("tsv", "text", "text/tab-separated-values"),
        Format("json", "text", "application/json"),
        Format("ndjson", "text", "application/x-ndjson", ("jsonl",)),
        Format("xml", "text", "application/xml"),
        Format("yaml", "text", "application/yaml", ("yml",)),
        Format("css", "text", "text/css"),
        Format("js", "text", "text/javascript", ("mjs",)),
        Format("py", "text", "text/x-python"),
        Format("rst", "text", "text/x-rst"),
        Format("tex", "text", "application/x-tex"),
        Format("srt", "text", "application/x-subrip"),
        Format("vtt", "text", "text/vtt"),
        Format("url", "link", "application/x-url"),
        Format("bin", "other", "application/octet-stream"),
    )
}

EXTENSIONS: dict[str, Format] = {extension: row for row in FORMATS.values() for extension in (row.name, *row.spellings)}

# Types whose files are never plain text: a name that claims one of them for other content means a broken file.
MEDIA = frozenset({"image", "video", "audio", "pdf"})

# (offset, bytes, format). The first match wins, so longer signatures come before shorter ones.
SIGNATURES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\xff\xd8\xff", "jpg"),
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"GIF87a", "gif"),
    (0, b"GIF89a", "gif"),
    (0, b"II*\x00", "tiff"),
    (0, b"MM\x00*", "tiff"),
    (0, b"II+\x00\x08\x00\x00\x00", "tiff"),
    (0, b"MM\x00+\x00\x08\x00\x00", "tiff"),
    (0, b"\x00\x00\x01\x00", "ico"),
    (0, b"8BPS\x00\x01", "psd"),
    (0, b"\x00\x00\x00\x0cjP  \r\n\x87\n", "jp2"),
    (0, b"\xff\x4f\xff\x51", "jp2"),
    (0, b"\xff\x0a", "jxl"),
    (0, b"\x00\x00\x00\x0cJXL \r\n\x87\n", "jxl"),
    (0, b"%!PS", "ps"),
    (0, b"\xc5\xd0\xd3\xc6", "ps"),
    (0, b"{\\rtf", "rtf"),
    (0, b"fLaC", "flac"),
    (0, b"ID3", "mp3"),
    (0, b"FORM", "aiff"),
    (0, b"MThd\x00\x00\x00\x06", "mid"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "wmv"),
    (0, b"FLV\x01", "flv"),
    (0, b"\x00\x00\x01\xba", "mpg"),
    (0, b"\x00\x00\x01\xb3", "mpg"),
    (0, b"\xff\xf1", "aac"),
    (0, b"\xff\xf9", "aac"),
    (0, b"\xff\xfb", "mp3"),
    (0, b"\xff\xf3", "mp3"),
    (0, b"\xff\xf2", "mp3"),
    (0, b"\xff\xfa", "mp3"),
    (0, b"\x1f\x8b\x08", "gz"),
)

# RIFF's form type (bytes 8 to 12) → format
RIFF: dict[bytes, str] = {b"WEBP": "webp", b"WAVE": "wav", b"AVI ": "avi"}

# ISO base media file format: the major brand (bytes 8 to 12); any other brand is an MP4.
BRANDS: dict[bytes, str] = {
    b"qt  ": "mov", b"M4A ": "m4a", b"M4B ": "m4a", b"M4P ": "m4a", b"avif": "avif", b"avis": "avif",
    b"heic": "heic", b"heix": "heic", b"hevc": "heic", b"hevx": "heic", b"heim": "heic", b"heis": "heic",
    b"mif1": "heic", b"msf1": "heic",
}  # fmt: skip

# Content of an Ogg stream's first packets → format; a video stream takes precedence over an audio stream.
OGG: tuple[tuple[bytes, str], ...] = (
    (b"\x80theora", "ogv"), (b"OpusHead", "opus"), (b"\x01vorbis", "ogg"), (b"\x7fFLAC", "ogg"), (b"Speex   ", "ogg"),
)  # fmt: skip

# A member of a zip archive → the document type it indicates.
ZIP_MEMBERS: tuple[tuple[str, str], ...] = (("word/", "docx"), ("xl/", "xlsx"), ("ppt/", "pptx"))

# Names of streams in an OLE compound file, UTF-16LE → document.
OLE_STREAMS: tuple[tuple[str, str], ...] = (
    ("WordDocument", "doc"),
    ("Workbook", "xls"),
    ("PowerPoint Document", "ppt"),
)
