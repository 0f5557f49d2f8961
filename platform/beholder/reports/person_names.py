"""Names of people: ids that nobody can read or say aloud -> two words, the same ones in every report."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable

# Hashes, UUIDs, and the capitals and digits that crowdsourcing platforms give.
_OPAQUE = re.compile(r"[0-9a-f]{12,}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(?=.*\d)(?=.*[A-Z])[0-9A-Z]{12,}|\d{12,}")
_FIRST = re.findall(
    r"\w+",
    "amber auburn azure beige blue bronze brown cobalt copper coral cream crimson cyan denim ebony emerald fawn ginger "
    "golden green hazel honey indigo ivory jade lilac lime mauve mint navy ochre olive opal orange pearl pink plum "
    "purple red rose ruby russet rust sage sand scarlet silver slate teal topaz umber violet white yellow ",
)
_SECOND = re.findall(
    r"\w+",
    "acacia alder apple ash aspen banyan bay beech birch box cedar cherry chestnut cypress date dogwood elder elm fig "
    "fir heather hemlock holly ivy juniper larch laurel lemon linden magnolia mango maple mulberry myrtle nutmeg oak "
    "palm pear pine plane poplar quince redwood rowan rubber sequoia spruce sumac tamarind teak thuja walnut willow yew ",
)


def person_names(user_ids: Iterable[object]) -> dict[str, str]:
    """Return a name for each id, none twice.

    An id that people gave is its own name. A hash, a UUID or a platform's code becomes two words that follow from it alone (a
    colour and a tree); where two ids have the same words, both get the beginnings of their ids as well.
    """
    ids = list(dict.fromkeys(str(each) for each in user_ids))
    names = {each: _words(each) if _OPAQUE.fullmatch(each) else each for each in ids}
    count = Counter(names.values())
    return {each: f"{name} {each[:6]}" if count[name] > 1 and name != each else name for each, name in names.items()}


def _words(user_id: str) -> str:
    number = int.from_bytes(hashlib.sha256(user_id.encode("utf-8", "replace")).digest()[:8], "big")
    return f"{_FIRST[number % len(_FIRST)]} {_SECOND[number // len(_FIRST) % len(_SECOND)]}"
