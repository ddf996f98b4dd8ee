"""The examples of `docs/ref-query-syntax.md`: every one is compiled by a test."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Example:
    """A query and what it finds."""

    query: str
    doc: str


@dataclass(frozen=True, slots=True)
class Section:
    """Examples of one part of the language, with a text that says the rule."""

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
        "Blanks mean AND: every word must be found, in whichever field. Accents, case and width do not matter. Words "
        "that stand in the order of the query weigh more. Typographic quotes are quotes.",
        ("mountain landscape", "both words, anywhere"),
        ('"exact phrase search"', "these words in this order"),
        ('"mountain lake"~3', "these words, up to 3 moves apart"),
        ("fair-trade 12:30 10.5281/zenodo.1 C++", "signs inside of words are no operators"),
        ("https://example.com/a?b=1", "an address is one word"),
    ),
    _section(
        "Fields",
        "`name:value`, by the name or an alias, in any case. Keywords are compared whole, whatever their case, texts "
        "by their words. Put a value with blanks in quotes; write `\\:` for a colon that is none.",
        ("title:mountain", "a word of the title"),
        ("description:landscape", "a word of the description"),
        ("tags:nature", "a whole tag"),
        ("module:image_studio", "a keyword"),
        ('creator:"Jane Doe"', "a keyword with a blank"),
        ("width:1024", "a number, by the alias of metadata.width"),
        ("exif.FNumber:2.0", "a leaf of an open object"),
        ("custom.colour:red", "a field of your organization"),
    ),
    _section(
        "Operators",
        "Tightest first: field, then NOT and + and -, then AND, then OR, then blanks: `a b OR c` is a AND (b OR c). "
        "`&&`, `||` and `!` work too. Operators are written in capitals.",
        ("mountain AND landscape", "both"),
        ("mountain OR forest", "either"),
        ("(mountain OR hill) AND (lake OR river)", "brackets group"),
        ("NOT blurry", "everything else"),
        ("mountain -blurry", "one and not the other"),
        ("+mountain +lake", "both, as blanks say already"),
        ("mountain && !(fog || rain)", "the signs for AND, NOT and OR"),
    ),
    _section(
        "Groups of a field",
        "The values of a list of one field count as one condition, up to 1,024 of them.",
        ("tags:(educational OR tutorial)", "either tag"),
        ("tags:(mountain lake -fog)", "both tags and not a third"),
        ("NOT type:(video OR audio)", "neither"),
    ),
    _section(
        "Wildcards",
        "`*` is any number of signs and `?` one, in keywords and in the words of texts; the first two signs must be "
        "literal, except in fields that allow otherwise (filename). Regular expressions are switched off.",
        ("mount*", "words that begin so"),
        ("land*ape", "in the middle"),
        ("model:stable-diffusion*", "keywords that begin so"),
        ("filename:*.jpg", "file names that end so"),
        ("title:who\\?", "an escaped one stands for itself"),
    ),
    _section(
        "Fuzzy words",
        "`~` allows as many typing errors as the length of the word does, `~1` and `~2` as many as they say. `~0.8` is "
        "Lucene's older form: min(2, (1-0.8) times the length).",
        ("mountian~", "with a slip"),
        ("mount~0.8", "one edit in five letters"),
        ("tags:natre~1", "in a keyword"),
    ),
    _section(
        "Ranges and comparisons",
        "`[` and `]` include the bound, `{` and `}` do not, `*` is open. Sizes take b, kb, mb, gb, tb (1,000) and kib, "
        "mib, gib, tib (1,024); lengths take ms, s, m, h, d or a clock (`1:30`).",
        ("width:[800 TO 2048]", "from 800 to 2048"),
        ("width:{800 TO 2048]", "more than 800"),
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
        "A date of lower precision means its whole span. Without a zone it is in the zone of the request, else in UTC. "
        "`now`, `today` and `yesterday` work, and so does date math: `+1d`, `-2M`, `/w` (y M w d h m s).",
        ("created_at:[2024-01-01 TO 2024-01-31]", "the last day whole"),
        ("created_at:2024-05", "a month"),
        ("created_at:>2023", "after the year"),
        ("updated_at:>=now-7d/d", "the last seven days"),
        ("captured_at:2024-05-31T12:30:00Z", "a second"),
        ("created_at:[2024-01-31||-1M TO today]", "date math on a date"),
        ("created_at:2024-Q2", "a quarter"),
        ("created_at:2024-W22", "a week of ISO 8601"),
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
        "Assets in the trash are only found by queries that speak of it.",
        ("is:favorite", "marked by you"),
        ("is:public", "visible to anyone"),
        ("is:deleted", "in the trash"),
        ("is_deleted:false", "not in the trash"),
        ("in:landscapes", "in a collection"),
        ("by:me", "added by you"),
        ("by:user_789", "added by someone"),
    ),
    _section(
        "Lists of objects",
        "The conditions of one group hold for one object.",
        ("people:(name:jane AND role:model)", "one person of this name and role"),
        ("people.name:jane", "a person of this name"),
        ("suggested_tags:(tag:water AND confidence:>80)", "proposed with this confidence"),
    ),
    _section(
        "Paths",
        "Values of taxonomy and storage_folder are paths with `/`: each finds all below it.",
        ("taxonomy:nature", "nature, nature/animals, nature/animals/cats"),
        ("storage_folder:campaigns/2024", "a folder and all in it"),
        ("storage_folder:campaigns/20*", "folders that begin so"),
    ),
    _section(
        "Places",
        "Degrees; the distance in m, km, mi, nmi or ft.",
        ('near:"52.37,4.89 10km"', "at most so far away"),
        ('bounds:"53.6,7.2,50.7,3.3"', "north, east, south, west"),
    ),
    _section(
        "Weights",
        "`^n` multiplies the score, 0 < n <= 100. Words score; conditions on other fields do not, unless they have a "
        "weight.",
        ("mountain^2 landscape", "one word counts twice"),
        ('"mountain lake"^3 forest', "a phrase"),
        ("(hill OR mountain)^1.5 lake", "a group"),
        ("landscape OR tags:featured^5", "a condition that lifts"),
    ),
    _section(
        "Together",
        "",
        (_IMAGES, "images of two tags, a size, a month and a family of models"),
        (
            "type:video AND module:video_studio AND duration:[30 TO 120] AND tags:(educational OR tutorial)",
            "videos of a length",
        ),
        (_MODULES, "what two modules made"),
        ("cost.amount:[0.01 TO 0.10] AND usage_stats.downloads:>5", "what cost little and is used"),
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
    Example('{"is_favorite": true}', "marked by you"),
    Example('{"sort_by": "created_at", "sort_order": "desc"}', "no condition but an order"),
)
FACETS: tuple[Example, ...] = (
    Example("type,tags,created_at", "each value with its count, dates by month"),
    Example('[{"field": "tags", "size": 10, "order": "value"}]', "ten tags from a to z"),
    Example('[{"field": "tags", "prefix": "na", "order": "-count"}]', "tags that begin so, the rarest first"),
    Example('["type", {"field": "module", "missing": true}]', "and how many have none, as `(missing)`"),
    Example(
        '[{"field": "width", "ranges": [{"to": 1024}, {"key": "large", "from": 1024}]}]',
        "by range: from is in it, to is not; the first is called `*-1024`",
    ),
    Example('[{"field": "created_at", "ranges": [{"key": "this week", "from": "now/w"}]}]', "dates as in a query"),
    Example(
        '[{"field": "created_at", "interval": "day", "zone": "Europe/Amsterdam"}]',
        "by year, quarter, month, week, day or hour of a zone",
    ),
    Example('[{"field": "taxonomy", "hierarchy": true}]', "the first level of paths"),
    Example('[{"field": "taxonomy", "hierarchy": true, "prefix": "nature"}]', "the level below `nature`"),
    Example(
        '["created_at", {"field": "created_at", "interval": "year", "name": "years"}]',
        "a field counted twice, under two names",
    ),
)
SORTS: tuple[Example, ...] = (
    Example("relevance", "the best match first"),
    Example("-created_at,title", "the newest first, then by title"),
    Example("downloads:desc,title:asc", "the same with words"),
)
