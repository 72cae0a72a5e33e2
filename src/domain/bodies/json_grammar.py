"""How JSON is spelt (RFC 8259), as patterns over bytes.

Each pattern takes the white space behind its last token along. Repetitions
are possessive: nothing is tried twice, so matching takes linear time.
"""

import re

from attrs import frozen


def _repeated(group: bytes) -> bytes:
    # Where a repetition breaks off within its group, CPython before 3.11.5 goes on from there
    # (its issue 106052). It goes back before each choice, so the last one never matches.
    return rb"(?:" + group + rb"|(?!))*+"


_SPACE = rb"[ \t\n\r]*+"
_PLAIN = rb'[^"\\\x00-\x1f]*+'
_CODE_UNIT = rb"\\u[0-9A-Fa-f]{4}"
_ESCAPES = rb'(?:\\["\\/bfnrt]|' + _CODE_UNIT + _repeated(_CODE_UNIT) + rb")"
_CHARACTERS = _PLAIN + _repeated(_ESCAPES + _PLAIN)
_STRING = rb'"' + _CHARACTERS + rb'"'
_NUMBER = rb"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++|)(?:[eE][+-]?[0-9]++|)"
_COLON = _SPACE + rb":" + _SPACE
_COMMA = rb"," + _SPACE


def _list_of(item: bytes) -> bytes:
    return rb"(?:" + item + _repeated(_COMMA + item) + rb"|)"


_SCALAR = rb"(?:" + _STRING + rb"|" + _NUMBER + rb"|true|false|null)" + _SPACE
_FLAT_ARRAY = rb"\[" + _SPACE + _list_of(_SCALAR) + rb"\]" + _SPACE
_FLAT_OBJECT = rb"\{" + _SPACE + _list_of(_STRING + _COLON + _SCALAR) + rb"\}" + _SPACE
_FLAT = rb"(?:" + _SCALAR + rb"|" + _FLAT_ARRAY + rb"|" + _FLAT_OBJECT + rb")"
_FLAT_ELEMENTS = _repeated(_FLAT + _COMMA)
_FLAT_MEMBERS = _repeated(_STRING + _COLON + _FLAT + _COMMA)
_CAPTURED_KEY = rb"(" + _STRING + rb")" + _COLON

SPACE = re.compile(_SPACE)
CHARACTERS = re.compile(_CHARACTERS)
"""What stands between the quotes of a string, as far as it is well spelt."""
STRING = re.compile(rb"(" + _STRING + rb")" + _SPACE)
FLAT_VALUE = re.compile(_FLAT)
"""A value that holds no array or object with anything in it but scalars."""

ARRAY_OPENING = re.compile(rb"\[" + _SPACE + rb"(\])?" + _SPACE)
ARRAY_GOES_ON = re.compile(rb"(?:,|(\]))" + _SPACE)
"""The comma behind an element, or group 1: the end of the array."""
OBJECT_OPENING = re.compile(rb"\{" + _SPACE + rb"(?:" + _CAPTURED_KEY + rb"|\}" + _SPACE + rb")")
"""Group 1: the first key; None if the object is empty."""
OBJECT_GOES_ON = re.compile(rb"(?:" + _COMMA + _CAPTURED_KEY + rb"|\}" + _SPACE + rb")")
"""Group 1: the next key; None at the end of the object."""


@frozen
class Container:
    """How to pass an array or an object that is not flat.

    `opening` and `comma` take along all the flat members behind them that are
    not the last.
    """

    opening: re.Pattern[bytes]
    comma: re.Pattern[bytes]
    key: re.Pattern[bytes]
    closing: re.Pattern[bytes]


ARRAY = Container(
    opening=re.compile(rb"\[" + _SPACE + _FLAT_ELEMENTS),
    comma=re.compile(_COMMA + _FLAT_ELEMENTS),
    key=re.compile(rb""),
    closing=re.compile(rb"\]" + _SPACE),
)
OBJECT = Container(
    opening=re.compile(rb"\{" + _SPACE + _FLAT_MEMBERS),
    comma=re.compile(_COMMA + _FLAT_MEMBERS),
    key=re.compile(_STRING + _COLON),
    closing=re.compile(rb"\}" + _SPACE),
)
