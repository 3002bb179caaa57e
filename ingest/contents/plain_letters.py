"""Writes letters of other alphabets with those that names of datasets and axes may have."""

from __future__ import annotations

import unicodedata

# Latin letters that Unicode does not take apart.
_WHOLE = str.maketrans(
    {"ß": "ss", "æ": "ae", "Æ": "Ae", "œ": "oe", "Œ": "Oe", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L"}
)


def plain_letters(name: str) -> str:
    """The name without accents; letters of other alphabets stay.

    >>> plain_letters("Wälle"), plain_letters("Straße"), plain_letters("水 m²")
    ('Walle', 'Strasse', '水 m2')
    """
    letters = unicodedata.normalize("NFKD", name.translate(_WHOLE))
    return "".join(letter for letter in letters if not unicodedata.combining(letter))
