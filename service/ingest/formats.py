"""Formats recognised by their first bytes, and their file extensions: data, no code."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Format:
    """A format: its short name, its asset type, its media type (RFC 6838) and its other extensions.

    ``shared`` are extensions that other formats have too (``.ts`` is TypeScript as well): they claim nothing.
    """

    name: str
    type: str
    mime_type: str
    spellings: tuple[str, ...] = ()
    shared: tuple[str, ...] = ()


FORMATS: dict[str, Format] = {
    row.name: row
    for row in (
        Format("jpg", "image", "image/jpeg", ("jpeg", "jpe", "jfif")),
        Format("png", "image", "image/png", ("apng",)),
        Format("gif", "image", "image/gif"),
        Format("webp", "image", "image/webp"),
        Format("tiff", "image", "image/tiff", ("tif", "dng", "nef", "arw", "cr2", "pef", "srw", "3fr", "nrw")),
        Format("bmp", "image", "image/bmp"),
        Format("dib", "image", "image/bmp"),
        Format("ras", "image", "image/x-sun-raster", ("sun",)),
        Format("blp", "image", "image/x-blp"),
        Format("dcx", "image", "image/x-dcx"),
        Format("msp", "image", "image/x-msp", shared=("msp",)),
        Format("pcd", "image", "image/x-photo-cd", shared=("pcd",)),
        Format("cur", "image", "image/vnd.microsoft.icon"),
        Format("icns", "image", "image/icns"),
        Format("pbm", "image", "image/x-portable-bitmap", shared=("pnm",)),
        Format("pgm", "image", "image/x-portable-graymap", shared=("pnm",)),
        Format("ppm", "image", "image/x-portable-pixmap", shared=("pnm",)),
        Format("pam", "image", "image/x-portable-arbitrarymap"),
        Format("pfm", "image", "image/x-portable-floatmap", shared=("pfm",)),
        Format("pcx", "image", "image/vnd.zbrush.pcx"),
        Format("tga", "image", "image/x-tga", shared=("tga", "icb", "vda")),
        Format("sgi", "image", "image/x-sgi", shared=("sgi", "rgb", "rgba", "bw")),
        Format("dds", "image", "image/vnd.ms-dds"),
        Format("qoi", "image", "image/x-qoi"),
        Format("xbm", "image", "image/x-xbitmap", shared=("xbm",)),
        Format("xpm", "image", "image/x-xpixmap", shared=("xpm",)),
        Format("hdr", "image", "image/vnd.radiance", shared=("hdr",)),
        Format("exr", "image", "image/x-exr"),
        Format("fits", "image", "image/fits", shared=("fits", "fit", "fts")),
        Format("djvu", "image", "image/vnd.djvu", ("djv",)),
        Format("jxr", "image", "image/jxr", ("wdp", "hdp")),
        Format("emf", "image", "image/emf", shared=("emf",)),
        Format("wmf", "image", "image/wmf", shared=("wmf",)),
        Format("xcf", "image", "image/x-xcf"),
        Format("fpx", "image", "image/vnd.fpx", shared=("mix",)),
        Format("cr3", "image", "image/x-canon-cr3"),
        Format("raf", "image", "image/x-fuji-raf"),
        Format("orf", "image", "image/x-olympus-orf"),
        Format("rw2", "image", "image/x-panasonic-rw2", ("rwl",)),
        Format("crw", "image", "image/x-canon-crw"),
        Format("mrw", "image", "image/x-minolta-mrw"),
        Format("x3f", "image", "image/x-sigma-x3f"),
        Format("ico", "image", "image/vnd.microsoft.icon"),
        Format("avif", "image", "image/avif"),
        Format("heic", "image", "image/heic", ("heif", "hif")),
        Format("jp2", "image", "image/jp2", ("j2k", "jpx", "jpf", "j2c", "jpc")),
        Format("jxl", "image", "image/jxl"),
        Format("psd", "image", "image/vnd.adobe.photoshop", ("psb",)),
        Format("svg", "image", "image/svg+xml", ("svgz",)),
        Format("mp4", "video", "video/mp4", ("m4v", "f4v")),
        Format("mov", "video", "video/quicktime", ("qt",)),
        Format("webm", "video", "video/webm"),
        Format("mkv", "video", "video/x-matroska"),
        Format("avi", "video", "video/x-msvideo"),
        Format("3gp", "video", "video/3gpp", ("3g2", "3gpp")),
        Format("wmv", "video", "video/x-ms-wmv", ("asf",)),
        Format("wma", "audio", "audio/x-ms-wma"),
        Format("flv", "video", "video/x-flv"),
        Format("mpg", "video", "video/mpeg", ("mpeg", "mpe", "vob", "m1v", "m2v")),
        Format("mpegts", "video", "video/mp2t", ("m2ts", "m2t"), shared=("ts", "mts")),
        Format("fli", "video", "video/x-fli", shared=("fli", "flc")),
        Format("mxf", "video", "application/mxf"),
        Format("dv", "video", "video/x-dv", shared=("dv", "dif")),
        Format("rm", "video", "application/vnd.rn-realmedia", ("rmvb",), ("rm",)),
        Format("mka", "audio", "audio/x-matroska"),
        Format("weba", "audio", "audio/webm"),
        Format("ra", "audio", "audio/x-realaudio", shared=("ra",)),
        Format("amr", "audio", "audio/amr"),
        Format("au", "audio", "audio/basic", shared=("au", "snd")),
        Format("w64", "audio", "audio/x-w64"),
        Format("caf", "audio", "audio/x-caf", shared=("caf",)),
        Format("ape", "audio", "audio/x-ape"),
        Format("wv", "audio", "audio/x-wavpack"),
        Format("mpc", "audio", "audio/x-musepack", shared=("mpc",)),
        Format("tta", "audio", "audio/x-tta"),
        Format("ac3", "audio", "audio/ac3"),
        Format("dsf", "audio", "audio/x-dsf"),
        Format("mp2", "audio", "audio/mpeg", ("mpa", "m2a")),
        Format("ogv", "video", "video/ogg"),
        Format("mp3", "audio", "audio/mpeg"),
        Format("m4a", "audio", "audio/mp4", ("m4b", "m4p", "f4a")),
        Format("wav", "audio", "audio/wav", ("wave", "bwf", "rf64")),
        Format("flac", "audio", "audio/flac"),
        Format("ogg", "audio", "audio/ogg", ("oga",)),
        Format("opus", "audio", "audio/ogg"),
        Format("aiff", "audio", "audio/aiff", ("aif", "aifc")),
        Format("aac", "audio", "audio/aac"),
        Format("rmi", "audio", "audio/x-rmid"),
        Format("mid", "audio", "audio/midi", ("midi",)),
        Format("pdf", "pdf", "application/pdf"),
        Format(
            "docx",
            "document",
            "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
            ("docm", "dotx", "dotm"),
        ),
        Format(
            "xlsx",
            "document",
            "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
            ("xlsm", "xlsb", "xltx", "xltm"),
        ),
        Format(
            "pptx",
            "document",
            "application/vnd.openxmlformats-officedocument.presentationml.presentation",
            ("pptm", "ppsx", "ppsm", "potx", "potm"),
        ),
        Format("vsdx", "document", "application/vnd.ms-visio.drawing.main+xml", ("vsdm", "vssx", "vstx")),
        Format("xps", "document", "application/vnd.ms-xpsdocument", ("oxps",)),
        Format("odt", "document", "application/vnd.oasis.opendocument.text"),
        Format("ods", "document", "application/vnd.oasis.opendocument.spreadsheet"),
        Format("odp", "document", "application/vnd.oasis.opendocument.presentation"),
        Format("odg", "document", "application/vnd.oasis.opendocument.graphics"),
        Format("odf", "document", "application/vnd.oasis.opendocument.formula"),
        Format("ott", "document", "application/vnd.oasis.opendocument.text-template"),
        Format("ots", "document", "application/vnd.oasis.opendocument.spreadsheet-template"),
        Format("otp", "document", "application/vnd.oasis.opendocument.presentation-template"),
        Format("otg", "document", "application/vnd.oasis.opendocument.graphics-template"),
        Format("sxw", "document", "application/vnd.sun.xml.writer"),
        Format("sxc", "document", "application/vnd.sun.xml.calc"),
        Format("sxi", "document", "application/vnd.sun.xml.impress"),
        Format("sxd", "document", "application/vnd.sun.xml.draw"),
        Format("epub", "document", "application/epub+zip"),
        Format("ibooks", "document", "application/x-ibooks+zip"),
        Format("doc", "document", "application/msword", ("dot",)),
        Format("xls", "document", "application/vnd.ms-excel", ("xlt",)),
        Format("ppt", "document", "application/vnd.ms-powerpoint", ("pps",)),
        Format("rtf", "document", "application/rtf"),
        Format("ps", "document", "application/postscript", ("eps", "epsf")),
        Format("msg", "document", "application/vnd.ms-outlook"),
        Format("vsd", "document", "application/vnd.visio", ("vss", "vst")),
        Format("pub", "document", "application/vnd.ms-publisher"),
        Format("mpp", "document", "application/vnd.ms-project"),
        Format("hwp", "document", "application/x-hwp"),
        Format("ole", "other", "application/x-ole-storage"),
        Format("msi", "other", "application/x-msi"),
        Format("zip", "other", "application/zip"),
        Format("tsd", "other", "application/timestamped-data"),
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

SHARED: dict[str, frozenset[str]] = {row.name: frozenset(row.shared) for row in FORMATS.values()}
"""By format: the extensions that it shares with others."""

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
    (0, b"\x00\x00\x02\x00", "cur"),
    (0, b"icns", "icns"),
    (0, b"\x59\xa6\x6a\x95", "ras"),
    (0, b"BLP1", "blp"),
    (0, b"BLP2", "blp"),
    (0, b"\xb1\x68\xde\x3a", "dcx"),
    (0, b"DanM", "msp"),
    (0, b"LinS", "msp"),
    (2048, b"PCD_", "pcd"),
    (4, b"\x11\xaf", "fli"),
    (4, b"\x12\xaf", "fli"),
    (0, b"II\xbc\x01", "jxr"),
    (0, b"IIU\x00", "rw2"),
    (0, b"IIRO", "orf"),
    (0, b"IIRS", "orf"),
    (0, b"MMOR", "orf"),
    (0, b"FUJIFILMCCD-RAW", "raf"),
    (6, b"HEAPCCDR", "crw"),
    (0, b"\x00MRM", "mrw"),
    (0, b"FOVb", "x3f"),
    (0, b"8BPS\x00\x01", "psd"),
    (0, b"8BPS\x00\x02", "psd"),
    (0, b"DDS |\x00\x00\x00", "dds"),
    (0, b"qoif", "qoi"),
    (0, b"#?RADIANCE", "hdr"),
    (0, b"#?RGBE", "hdr"),
    (0, b"\x76\x2f\x31\x01", "exr"),
    (0, b"SIMPLE  =", "fits"),
    (0, b"AT&TFORM", "djvu"),
    (40, b" EMF", "emf"),
    (0, b"\xd7\xcd\xc6\x9a", "wmf"),
    (0, b"gimp xcf ", "xcf"),
    (0, b"/* XPM */", "xpm"),
    (0, b"\x01\xda\x00", "sgi"),
    (0, b"\x01\xda\x01", "sgi"),
    (0, b"\x00\x00\x00\x0cjP  \r\n\x87\n", "jp2"),
    (0, b"\xff\x4f\xff\x51", "jp2"),
    (0, b"\xff\x0a", "jxl"),
    (0, b"\x00\x00\x00\x0cJXL \r\n\x87\n", "jxl"),
    (0, b"%!PS", "ps"),
    # RFC 5544: a file in the wrapping of its time stamp; the file itself, a PDF for example, begins soon after
    (0, b"\x30\x80\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x1f", "tsd"),
    (4, b"\x06\x0b\x2a\x86\x48\x86\xf7\x0d\x01\x09\x10\x01\x1f", "tsd"),
    (0, b"\xc5\xd0\xd3\xc6", "ps"),
    (0, b"{\\rtf", "rtf"),
    (0, b"fLaC", "flac"),
    (0, b"ID3", "mp3"),
    (0, b"FORM", "aiff"),
    (0, b"#!AMR", "amr"),
    (0, b".snd\x00\x00\x00", "au"),
    (0, b"caff\x00\x01", "caf"),
    (0, b"riff\x2e\x91\xcf\x11", "w64"),
    (0, b"MAC \x00", "ape"),
    (0, b"MAC \xc4", "ape"),
    (0, b"MAC \x96", "ape"),
    (0, b"wvpk", "wv"),
    (0, b"MPCK", "mpc"),
    (0, b"MP+", "mpc"),
    (0, b"TTA1", "tta"),
    (0, b"DSD \x1c", "dsf"),
    (0, b"\x0b\x77", "ac3"),
    (0, b".RMF\x00", "rm"),
    (0, b".ra\xfd", "ra"),
    (0, b"\x06\x0e\x2b\x34\x02\x05\x01\x01", "mxf"),
    (0, b"\x1f\x07\x00", "dv"),
    (0, b"MThd\x00\x00\x00\x06", "mid"),
    (0, b"FLV\x01", "flv"),
    (0, b"\x00\x00\x01\xba", "mpg"),
    (0, b"\x00\x00\x01\xb3", "mpg"),
    (0, b"\xff\xf1", "aac"),
    (0, b"\xff\xf9", "aac"),
    (0, b"\xff\xf0", "aac"),
    (0, b"\xff\xf8", "aac"),
    (0, b"\xff\xfb", "mp3"),
    (0, b"\xff\xf3", "mp3"),
    (0, b"\xff\xf2", "mp3"),
    (0, b"\xff\xfa", "mp3"),
    (0, b"\xff\xe3", "mp3"),
    (0, b"\xff\xfd", "mp2"),
    (0, b"\xff\xfc", "mp2"),
)

# RIFF's form type (bytes 8 to 12) → format
RIFF: dict[bytes, str] = {b"WEBP": "webp", b"WAVE": "wav", b"AVI ": "avi", b"RMID": "rmi"}

# Portable anymap (netpbm): the magic number → format
ANYMAPS: dict[bytes, str] = {
    b"P1": "pbm", b"P4": "pbm", b"P2": "pgm", b"P5": "pgm", b"P3": "ppm", b"P6": "ppm", b"P7": "pam", b"PF": "pfm",
    b"Pf": "pfm",
}  # fmt: skip

# ISO base media file format: the major brand (bytes 8 to 12); any other brand is an MP4.
BRANDS: dict[bytes, str] = {
    b"qt  ": "mov", b"M4A ": "m4a", b"M4B ": "m4a", b"M4P ": "m4a", b"avif": "avif", b"avis": "avif",
    b"heic": "heic", b"heix": "heic", b"hevc": "heic", b"hevx": "heic", b"heim": "heic", b"heis": "heic",
    b"mif1": "heic", b"msf1": "heic", b"mif2": "heic", b"miaf": "heic", b"crx ": "cr3", b"3gp4": "3gp", b"3gp5": "3gp",
    b"3gp6": "3gp", b"3g2a": "3gp", b"3g2b": "3gp", b"3g2c": "3gp",
}  # fmt: skip

# Content of an Ogg stream's first packets → format; a video stream takes precedence over an audio stream.
OGG: tuple[tuple[bytes, str], ...] = (
    (b"\x80theora", "ogv"), (b"OpusHead", "opus"), (b"\x01vorbis", "ogg"), (b"\x7fFLAC", "ogg"), (b"Speex   ", "ogg"),
)  # fmt: skip

# A member of a zip archive → the document type it indicates.
ZIP_MEMBERS: tuple[tuple[str, str], ...] = (
    ("word/", "docx"), ("xl/", "xlsx"), ("ppt/", "pptx"), ("visio/", "vsdx"), ("fixeddoc", "xps"),
)  # fmt: skip

# Documents that are zip archives.
ZIPPED = frozenset({
    "docx", "xlsx", "pptx", "vsdx", "xps", "odt", "ods", "odp", "odg", "odf", "ott", "ots", "otp", "otg", "sxw", "sxc",
    "sxi", "sxd", "epub", "ibooks",
})  # fmt: skip

# A stream or storage in the root of an OLE compound file → document; the first match wins.
OLE_STREAMS: tuple[tuple[str, str], ...] = (
    ("WordDocument", "doc"),
    ("Workbook", "xls"),
    ("Book", "xls"),
    ("PowerPoint Document", "ppt"),
    ("PP97_DUALSTORAGE", "ppt"),
    ("VisioDocument", "vsd"),
    ("__properties_version1.0", "msg"),
    ("__nameid_version1.0", "msg"),
    ("Quill", "pub"),
    ("HwpSummaryInformation", "hwp"),
    ("FileHeader", "hwp"),
    ("Data Object 000001", "fpx"),
    ("Data Object Store 000001", "fpx"),
    ("Image Contents", "fpx"),
    ("   114", "mpp"),
    ("   112", "mpp"),
)

# The root's class identifier → format, where no stream tells
OLE_CLASSES: dict[str, str] = {
    "00020906-0000-0000-c000-000000000046": "doc",
    "00020900-0000-0000-c000-000000000046": "doc",
    "00020820-0000-0000-c000-000000000046": "xls",
    "00020810-0000-0000-c000-000000000046": "xls",
    "64818d10-4f9b-11cf-86ea-00aa00b929e8": "ppt",
    "00021a14-0000-0000-c000-000000000046": "vsd",
    "00021201-0000-0000-00c0-000000000046": "pub",
    "74b78f3a-c8c8-11d1-be11-00c04fb6faf1": "mpp",
    "000c1084-0000-0000-c000-000000000046": "msi",
    "56616700-c154-11ce-8553-00aa00a1f95b": "fpx",
}
