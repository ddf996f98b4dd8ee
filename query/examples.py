"""The examples in `docs/ref-query-syntax.md`; a test compiles every one of them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """A query and what it finds."""

    query: str
    doc: str


@dataclass(frozen=True, slots=True)
class Section:
    """Examples of one part of the language, with a text that explains the rule."""

    title: str
    rule: str
    examples: tuple[Example, ...]


def _section(title: str, rule: str, *examples: tuple[str, str]) -> Section:
    return Section(title, rule, tuple(Example(query, doc) for query, doc in examples))


_IMAGES = (
    "type:image AND (tags:mountain OR tags:landscape) AND width:[1024 TO 2048] "
    "AND created_at:[2024-01-01 TO 2024-01-31] AND model:stable-diffusion*"
)
_MODULES = (
    "(module:image_studio OR module:video_studio) AND (tags:marketing OR tags:brand) "
    "AND created_at:[2024-01-15 TO 2024-01-31]"
)

SECTIONS: tuple[Section, ...] = (
    _section(
        "Words and phrases",
        "A space means AND: every word must be found, in whichever field. Accents, case and width do not matter, in "
        "any script; emoji and signs such as ★ are words; a word of Thai, Chinese, Japanese or Korean is found inside "
        "longer text. Inflected forms are found too (in English, or the languages of `ASSETRY_SEARCH_LANGUAGES`), "
        "after the exact ones; quotation marks, wildcards and `~` look for words as written. Words in the same order "
        "as in the query weigh more. Typographic quotation marks count as quotation marks. A text of punctuation "
        "alone finds nothing.",
        ("mountain landscape", "both words, anywhere"),
        ("photographs", "photographs, then photograph"),
        ('"photographs"', "this form only"),
        ("Miller's my_holiday stable-diffusion-xl", "words inside names count: Miller, holiday, diffusion"),
        ("asset_193", "an asset by its id"),
        ('"exact phrase search"', "these words in this order"),
        ('"mountain lake"~3', "these words, up to 3 positions apart"),
        ("fair-trade 12:30 10.5281/zenodo.1 C++", "punctuation inside words is not an operator"),
        ("https://example.com/a?b=1", "a URL is one word"),
    ),
    _section(
        "Fields",
        "`name:value`, with the name of a field or an alias, in any case. Keywords are compared as a whole, regardless "
        "of case; texts by their words. Put values with spaces in quotation marks; write `\\:` for a literal colon.",
        ("title:mountain", "a word in the title"),
        ("description:landscape", "a word in the description"),
        ("tags:nature", "a whole tag"),
        ("module:image_studio", "a keyword"),
        ('creator:"Jane Doe"', "a keyword with a space"),
        ("width:1024", "a number, by the alias of metadata.width"),
        ("exif.FNumber:2.0", "a leaf of an open object"),
        ("custom.colour:red", "a custom field of your organization"),
    ),
    _section(
        "Operators",
        "Precedence, highest first: field; NOT, + and -; AND; OR; space. So `a b OR c` is a AND (b OR c). `&&`, `||` "
        "and `!` work too. Operators are written in capitals.",
        ("mountain AND landscape", "both"),
        ("mountain OR forest", "either"),
        ("(mountain OR hill) AND (lake OR river)", "brackets group"),
        ("NOT blurry", "everything without it"),
        ("mountain -blurry", "one and not the other"),
        ("+mountain +lake", "both, as spaces already mean"),
        ("mountain && !(fog || rain)", "the symbols for AND, NOT and OR"),
    ),
    _section(
        "Field groups",
        "A list of values for one field counts as one condition and can have up to 1,024 values.",
        ("tags:(educational OR tutorial)", "either tag"),
        ("tags:(mountain lake -fog)", "both tags but not a third"),
        ("NOT type:(video OR audio)", "neither"),
    ),
    _section(
        "Wildcards",
        "`*` stands for any number of characters and `?` for one, in keywords and in the words of texts. The first two "
        "characters must be literal, except in filename. Regular expressions are disabled.",
        ("mount*", "words that start with it"),
        ("land*ape", "a wildcard in the middle"),
        ("model:stable-diffusion*", "keywords that start with it"),
        ("filename:*.jpg", "file names that end with it"),
        ("title:who\\?", "an escaped wildcard is literal"),
    ),
    _section(
        "Fuzzy words",
        "`~` allows typos according to the length of the word; `~1` and `~2` allow one or two edits. `~0.8` is "
        "Lucene's older form: min(2, (1-0.8) times the length) edits.",
        ("mountian~", "with a typo"),
        ("mount~0.8", "one edit in five letters"),
        ("tags:natre~1", "in a keyword"),
    ),
    _section(
        "Ranges and comparisons",
        "`[` and `]` include the bound, `{` and `}` exclude it, `*` leaves it open. Sizes take b, kb, mb, gb, tb "
        "(1,000) or kib, mib, gib, tib (1,024); durations take ms, s, m, h, d or a clock format (`1:30`).",
        ("width:[800 TO 2048]", "from 800 to 2048"),
        ("width:{800 TO 2048]", "more than 800, up to 2048"),
        ("file_size:[100000 TO 500000]", "bytes"),
        ("file_size:>5mb", "with a unit"),
        ("duration:[30 TO 120]", "seconds"),
        ("duration:<2m", "minutes"),
        ("usage_stats.downloads:>5", "a comparison"),
        ("cost.amount:[0.01 TO 0.10]", "fractions"),
        ("f_number:<=2.8 iso:[* TO 400]", "open on one side"),
    ),
    _section(
        "Dates",
        "A date of lower precision means the whole period. A date without a zone is in the zone of the request, by "
        "default UTC. `now`, `today` and `yesterday` work, as does date math: `+1d`, `-2M`, `/w` (y M w d h m s).",
        ("created_at:[2024-01-01 TO 2024-01-31]", "including the whole last day"),
        ("created_at:2024-05", "a month"),
        ("created_at:>2023", "after the year"),
        ("updated_at:>=now-7d/d", "the last seven days"),
        ("captured_at:2024-05-31T12:30:00Z", "a second"),
        ("created_at:[2024-01-31||-1M TO today]", "date math on a date"),
        ("created_at:2024-Q2", "a quarter"),
        ("created_at:2024-W22", "an ISO 8601 week"),
    ),
    _section(
        "Presence",
        "",
        ("captured_at:*", "has a value"),
        ("has:gps", "has a value"),
        ("missing:description", "has none"),
        ("_exists_:title", "has a value"),
    ),
    _section(
        "Flags and scopes",
        "Assets in the trash are found only by queries that mention it.",
        ("is:favorite", "your favorites"),
        ("is:public", "visible to anyone"),
        ("is:deleted", "in the trash"),
        ("is_deleted:false", "not in the trash"),
        ("in:landscapes", "in a collection"),
        ("by:me", "added by you"),
        ("by:user_789", "added by someone"),
    ),
    _section(
        "Lists of objects",
        "All conditions of a group must hold for the same object.",
        ("people:(name:jane AND role:model)", "one person with this name and role"),
        ("people.name:jane", "a person with this name"),
        ("suggested_tags:(tag:water AND confidence:>80)", "suggested with this confidence"),
    ),
    _section(
        "Paths",
        "Values of taxonomy and storage_folder are paths separated by `/`; a path finds everything below it.",
        ("taxonomy:nature", "nature, nature/animals, nature/animals/cats"),
        ("storage_folder:campaigns/2024", "a folder and everything in it"),
        ("storage_folder:campaigns/20*", "folders that start with it"),
    ),
    _section(
        "Places",
        "Coordinates in degrees; distances in m, km, mi, nmi or ft.",
        ('near:"52.37,4.89 10km"', "at most this far away"),
        ('bounds:"53.6,7.2,50.7,3.3"', "north, east, south, west"),
    ),
    _section(
        "Boosts",
        "`^n` multiplies the score, 0 < n <= 100. Words score; conditions on other fields do not, unless they have a "
        "boost.",
        ("mountain^2 landscape", "one word counts double"),
        ('"mountain lake"^3 forest', "a phrase"),
        ("(hill OR mountain)^1.5 lake", "a group"),
        ("landscape OR tags:featured^5", "a condition that raises the score"),
    ),
    _section(
        "Combined examples",
        "",
        (_IMAGES, "images with either tag, of a size, from a month, made by a family of models"),
        (
            "type:video AND module:video_studio AND duration:[30 TO 120] AND tags:(educational OR tutorial)",
            "videos of a certain duration",
        ),
        (_MODULES, "assets made by either module"),
        ("cost.amount:[0.01 TO 0.10] AND usage_stats.downloads:>5", "cheap assets that are used"),
    ),
)

FILTERS: tuple[Example, ...] = (
    Example('{"type": "image"}', "this value"),
    Example('{"tags": ["nature", "landscape"]}', "any of these"),
    Example('{"tags": {"all": ["nature", "landscape"]}}', "every one of these"),
    Example('{"width": {"gte": 800, "lt": 2048}}', "a range; gt, gte, lt and lte are bounds"),
    Example('{"created_at": "2024-05", "file_size": {"gt": "5mb"}}', "values as in a query, both conditions"),
    Example('{"type": {"not": ["video", "audio"]}}', "none of these"),
    Example('{"gps": {"exists": false}}', "no value"),
    Example('{"is_favorite": true}', "your favorites"),
    Example('{"sort_by": "created_at", "sort_order": "desc"}', "no condition, only an order"),
)
FACETS: tuple[Example, ...] = (
    Example("type,tags,created_at", "each value with its count; dates by month"),
    Example('[{"field": "tags", "size": 10, "order": "value"}]', "ten tags from A to Z"),
    Example('[{"field": "tags", "prefix": "na", "order": "-count"}]', "tags that start with the prefix, rarest first"),
    Example('["type", {"field": "module", "missing": true}]', "also the number without a value, as `(missing)`"),
    Example(
        '[{"field": "width", "ranges": [{"to": 1024}, {"key": "large", "from": 1024}]}]',
        "by range; from is inclusive, to is exclusive; the first key is `*-1024`",
    ),
    Example('[{"field": "created_at", "ranges": [{"key": "this week", "from": "now/w"}]}]', "dates as in a query"),
    Example(
        '[{"field": "created_at", "interval": "day", "zone": "Europe/Amsterdam"}]',
        "by year, quarter, month, week, day or hour in a time zone",
    ),
    Example('[{"field": "taxonomy", "hierarchy": true}]', "the top level of the paths"),
    Example('[{"field": "taxonomy", "hierarchy": true, "prefix": "nature"}]', "the level below `nature`"),
    Example(
        '["created_at", {"field": "created_at", "interval": "year", "name": "years"}]',
        "a field counted twice, under two names",
    ),
)
SORTS: tuple[Example, ...] = (
    Example("relevance", "best match first"),
    Example("-created_at,title", "newest first, then by title"),
    Example("downloads:desc,title:asc", "most downloads first, then by title"),
)
