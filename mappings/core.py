"""The table of the record's own fields: everything except `metadata`."""

from __future__ import annotations

from mappings.analysis import FILENAME
from mappings.field import FacetKind, Field, FieldType, Visibility

_K, _T, _I, _F = FieldType.KEYWORD, FieldType.TEXT, FieldType.INTEGER, FieldType.FLOAT
_D, _B = FieldType.DATE, FieldType.BOOLEAN
_TERMS, _DATE = FacetKind.TERMS, FacetKind.DATE
_ADMIN, _INTERNAL = Visibility.ADMIN, Visibility.INTERNAL

ASSET_TYPES = (
    "image", "video", "audio", "text", "pdf", "document", "link", "external_video", "git", "collection", "other",
)  # fmt: skip
STATUSES = ("draft", "pending", "processing", "completed", "failed", "archived")
STATES = ("pending", "uploaded", "processing", "processed", "processing_error")

IDENTITY = (
    Field("id", _K, "Public id: `asset_` followed by the number.", "id:asset_12", aliases=("asset_id",)),
    Field("number", _I, "Number of the asset, never reused.", "number:>1000", sortable=True),
    Field("guid", _K, "UUID of the asset.", "guid:550e8400-e29b-41d4-a716-446655440000", aliases=("uuid",)),
    Field("sid", _K, "Short id of 12 letters and digits.", "sid:BAhrYglpKW5u"),
    Field("slug", _K, "Name used in URLs, derived from the title.", "slug:product-guide-2024", sortable=True),
)

DESCRIPTION = (
    Field(
        "type",
        _K,
        "Kind of content: image, video, audio, text, pdf, document, link, external_video, git, collection or other.",
        "type:image",
        aliases=("asset_type", "kind"),
        values=ASSET_TYPES,
        facet=_TERMS,
        sortable=True,
        cased=False,
    ),
    Field("module", _K, "Application module that created it.", "module:image_studio", facet=_TERMS, sortable=True),
    Field("submodule", _K, "Submodule that created it.", "submodule:create_studio", facet=_TERMS, sortable=True),
    Field(
        "filename",
        _T,
        "File name; a wildcard matches the whole name or one of its words.",
        "filename:*.jpg",
        aliases=("name", "file_name", "file"),
        boost=2.0,
        sortable=True,
        leading_wildcard=True,
        analysis=FILENAME,
    ),
    Field(
        "ext",
        _K,
        "File name extension, without the dot.",
        "ext:jpg",
        aliases=("extension",),
        facet=_TERMS,
        sortable=True,
        cased=False,
    ),
    Field(
        "mime_type",
        _K,
        "Media type of the content.",
        "mime_type:image/jpeg",
        aliases=("mime", "content_type", "media_type"),
        facet=_TERMS,
        sortable=True,
        cased=False,
    ),
    Field("title", _T, "Title.", "title:mountain", aliases=("image_title", "headline"), boost=4.0, sortable=True),
    Field("description", _T, "Description.", "description:landscape", aliases=("caption", "desc"), boost=1.0),
    Field(
        "alt_text",
        _T,
        "Alternative text for people who cannot see the picture.",
        'alt_text:"snowy peak"',
        aliases=("alt",),
        boost=1.0,
    ),
    Field("credit", _T, "Credit line.", "credit:reuters", aliases=("credit_line",), gathered=True),
    Field(
        "creator",
        _K,
        "Creator.",
        'creator:"Jane Doe"',
        aliases=("author", "creators", "photographer", "byline"),
        gathered=True,
        facet=_TERMS,
        sortable=True,
        multi=True,
    ),
    Field("source_info", _T, "Source.", "source_info:archive", aliases=("source",), gathered=True),
    Field("license", _K, "Licence.", "license:cc-by-4.0", aliases=("licence",), facet=_TERMS, sortable=True),
    Field(
        "rights_code",
        _K,
        "Code of the rights package.",
        "rights_code:rm",
        aliases=("rights",),
        facet=_TERMS,
        sortable=True,
    ),
    Field(
        "tags",
        _K,
        "Tags; a value is one whole tag.",
        "tags:nature",
        aliases=("tag", "keyword", "keywords"),
        boost=3.0,
        facet=_TERMS,
        multi=True,
    ),
    Field(
        "admin_tags",
        _K,
        "Tags for administrators.",
        "admin_tags:review",
        aliases=("admin_tag",),
        facet=_TERMS,
        visibility=_ADMIN,
        multi=True,
    ),
    Field(
        "colours",
        _K,
        "Dominant colours, by name or as #rrggbb.",
        "colours:teal",
        aliases=("colors", "colour", "color"),
        facet=_TERMS,
        multi=True,
    ),
    Field("rating", _I, "Rating from 0 to 5.", "rating:>=4", aliases=("stars",), facet=_TERMS, sortable=True),
    Field(
        "captured_at",
        _D,
        "When the picture was taken or the recording made.",
        "captured_at:2024-05",
        aliases=("taken", "taken_at", "date_taken", "captured", "shot"),
        facet=_DATE,
        sortable=True,
    ),
    Field(
        "gps",
        FieldType.GEO,
        "Where it was taken; searched with `lat,lon` and a distance.",
        'near:"52.37,4.89 10km"',
        aliases=("location", "geo", "coordinates"),
    ),
)

NESTED = (
    Field(
        "people",
        FieldType.NESTED,
        "People shown or involved; the conditions of a group apply to one person.",
        "people:(name:jane AND role:model)",
        aliases=("person",),
        multi=True,
        children=(
            Field("people.name", _T, "Name of a person.", "people.name:jane", nested="fold.people"),
            Field("people.role", _K, "Role of a person.", "people.role:model", nested="fold.people"),
        ),
    ),
    Field(
        "suggested_tags",
        FieldType.NESTED,
        "Tags suggested by image recognition, with a confidence from 0 to 100.",
        "suggested_tags:(tag:water AND confidence:>80)",
        aliases=("suggested_tag",),
        multi=True,
        children=(
            Field(
                "suggested_tags.tag", _K, "A suggested tag.", "suggested_tags.tag:water", nested="fold.suggested_tags"
            ),
            Field(
                "suggested_tags.confidence",
                _F,
                "Confidence of a suggested tag.",
                "suggested_tags.confidence:>80",
                nested="fold.suggested_tags",
            ),
        ),
    ),
    Field(
        "custom",
        FieldType.CUSTOM,
        "Custom fields of the organization: `custom.<key>`, typed by their values.",
        "custom.weight:>5",
        aliases=("custom_meta", "site_specific_data"),
    ),
)

PLACE = (
    Field(
        "collections",
        _K,
        "Collections that contain it.",
        "collections:landscapes",
        aliases=("collection", "in", "albums"),
        gathered=True,
        facet=_TERMS,
        multi=True,
    ),
    Field(
        "lightboxes",
        _K,
        "Lightboxes that contain it.",
        "lightboxes:review",
        aliases=("lightbox",),
        facet=_TERMS,
        multi=True,
    ),
    Field(
        "storage_folder",
        _K,
        "Storage folder, a path separated by `/`; a folder finds everything below it.",
        "storage_folder:campaigns",
        aliases=("folder",),
        facet=_TERMS,
        sortable=True,
        multi=True,
        hierarchical=True,
    ),
    Field(
        "taxonomy",
        _K,
        "Taxonomy terms, paths separated by `/`; a term finds everything below it.",
        "taxonomy:nature/animals",
        aliases=("taxonomies", "category"),
        facet=_TERMS,
        multi=True,
        hierarchical=True,
    ),
    Field(
        "source_path",
        _K,
        "Path from which it was imported.",
        "source_path:photos*",
        aliases=("path", "file_path"),
        leading_wildcard=True,
    ),
    Field(
        "external_url",
        _K,
        "URL of a link or external video.",
        'external_url:"https://example.com/a"',
        aliases=("url", "link"),
    ),
    Field("video_embed", _K, "URL to embed an external video.", "has:video_embed"),
)

CONTENT = (
    Field("phash", _K, "Perceptual hash.", "phash:c3d4e5f60718293a"),
    Field("sha256", _K, "SHA-256 of the content, hexadecimal.", "sha256:9f86d081*", aliases=("checksum",)),
    Field("md5", _K, "MD5 of the content, hexadecimal.", "md5:9e107d9d*"),
)

STATE = (
    Field(
        "status",
        _K,
        "Status of the asset: draft, pending, processing, completed, failed or archived.",
        "status:completed",
        values=STATUSES,
        facet=_TERMS,
        sortable=True,
        cased=False,
    ),
    Field(
        "state",
        _K,
        "Processing state: pending, uploaded, processing, processed or processing_error.",
        "state:processed",
        aliases=("aasm_state",),
        values=STATES,
        facet=_TERMS,
        sortable=True,
        cased=False,
    ),
    Field(
        "is_public",
        _B,
        "Whether it is visible to anyone.",
        "is_public:true",
        aliases=("public",),
        facet=_TERMS,
        sortable=True,
    ),
    Field(
        "deleted_at",
        _D,
        "When it was moved to the trash.",
        "deleted_at:>2024-01-01",
        aliases=("trashed_at",),
        facet=_DATE,
        sortable=True,
    ),
    Field(
        "expires_at",
        _D,
        "When it expires.",
        "expires_at:<2030",
        aliases=("expires", "expiry"),
        facet=_DATE,
        sortable=True,
    ),
    Field(
        "created_at",
        _D,
        "When it was added.",
        "created_at:[2024-01-01 TO 2024-01-31]",
        aliases=("created", "created_ts", "uploaded_at", "uploaded", "added", "date"),
        facet=_DATE,
        sortable=True,
    ),
    Field(
        "updated_at",
        _D,
        "When it was last changed.",
        "updated_at:>now-7d/d",
        aliases=("updated", "updated_ts", "modified"),
        facet=_DATE,
        sortable=True,
    ),
    Field(
        "user_id",
        _K,
        "User who added it.",
        "user_id:user_789",
        aliases=("user", "owner", "uploader"),
        facet=_TERMS,
        sortable=True,
    ),
    Field("version", _I, "Version of the content.", "version:>1", sortable=True),
    Field("favorited_by", _K, "Users who marked it as a favorite.", "is:favorite", visibility=_INTERNAL, multi=True),
)

COUNTS = (
    Field(
        "usage_stats.downloads",
        _I,
        "Number of downloads.",
        "downloads:>5",
        aliases=("downloads", "download_count", "downloads_count"),
        facet=_TERMS,
        sortable=True,
    ),
    Field(
        "usage_stats.views",
        _I,
        "Number of views.",
        "views:>100",
        aliases=("views", "view_count"),
        facet=_TERMS,
        sortable=True,
    ),
    Field("usage_stats.shares", _I, "Number of shares.", "shares:>0", aliases=("shares",), facet=_TERMS, sortable=True),
    Field(
        "usage_stats.favorites",
        _I,
        "Number of users who marked it as a favorite.",
        "favorites:>=8",
        aliases=("favorites", "favourites"),
        facet=_TERMS,
        sortable=True,
    ),
    Field(
        "cost.credits_used",
        _I,
        "Credits used to create it.",
        "credits_used:>=5",
        aliases=("credits_used", "credits"),
        facet=_TERMS,
        sortable=True,
    ),
    Field(
        "cost.currency",
        _K,
        "Currency of the amount.",
        "currency:usd",
        aliases=("currency",),
        facet=_TERMS,
        sortable=True,
    ),
    Field(
        "cost.amount",
        _F,
        "What it cost to create.",
        "cost.amount:[0.01 TO 0.10]",
        aliases=("amount", "price"),
        facet=_TERMS,
        sortable=True,
    ),
)

RECORD: tuple[Field, ...] = IDENTITY + DESCRIPTION + NESTED + PLACE + CONTENT + STATE + COUNTS
