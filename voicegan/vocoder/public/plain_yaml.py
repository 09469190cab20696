"""The part of YAML that settings of public vocoders are written in; what lies beyond it is an error.

Nested mappings and lists by indentation, lists in brackets, and plain or quoted scalars. Tags, anchors and blocks of
text are refused, so nothing that is read here can name a class to be made.
"""

from __future__ import annotations

import re
from collections import deque
from pathlib import Path
from typing import Any

from ...errors import VoiceganError

_KEY = re.compile(r"""("[^"]*"|'[^']*'|[^\s\-?:,\[\]{}#&*!|>'"%@`][^:#{}\[\],]*?)\s*:(?:\s+(.*))?$""")
_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_DEEPEST = 80  # columns of indentation, and brackets in brackets
_Lines = deque[tuple[int, int, str]]  # number in the file, indentation, text


def read_yaml(text: str, path: Path | str) -> dict[str, Any]:
    """The mapping that `text` holds; several documents count as one.

    path: what the text is called in messages. Raises VoiceganError, with the line, for what is not understood.
    """
    lines: _Lines = deque()
    for number, line in enumerate(text.splitlines(), 1):
        bare = _without_comment(line).rstrip()
        if bare in ("", "---", "..."):
            continue
        indent = len(bare) - len(bare.lstrip(" "))
        if bare[indent] == "\t":
            raise _refused(path, number, "it is indented by tabs")
        lines.append((number, indent, bare[indent:]))
    if not lines:
        return {}
    first = lines[0]
    value = _block(lines, first[1], path)
    if lines:
        raise _refused(path, lines[0][0], "its indentation fits nothing above it")
    if not isinstance(value, dict):
        raise _refused(path, first[0], "settings begin with a name and a colon")
    return value


def _without_comment(line: str) -> str:
    quote = ""
    for i, letter in enumerate(line):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'" and line[:i].rstrip()[-1:] in ("", ":", "-", ",", "["):
            quote = letter
        elif letter == "#" and (i == 0 or line[i - 1].isspace()):
            return line[:i]
    return line


def _block(lines: _Lines, indent: int, path: Path | str) -> Any:
    """Take the mapping or list off `lines` whose lines begin at `indent`."""
    if indent > _DEEPEST:
        raise _refused(path, lines[0][0], "it is nested too deeply")
    if _is_item(lines[0][2]):
        return _list(lines, indent, path)
    mapping: dict[str, Any] = {}
    while lines and lines[0][1] == indent and not _is_item(lines[0][2]):
        number, _, text = lines.popleft()
        match = _KEY.match(text)
        if not match:
            raise _refused(path, number, "it is neither a name with a colon nor an item of a list")
        key = str(_scalar(match[1], path, number))
        if key in mapping:
            raise _refused(path, number, f"{key} is given twice")
        if match[2]:
            mapping[key] = _value(match[2], path, number)
        elif lines and (lines[0][1] > indent or (lines[0][1] == indent and _is_item(lines[0][2]))):
            mapping[key] = _block(lines, lines[0][1], path)
        else:
            mapping[key] = None
    return mapping


def _list(lines: _Lines, indent: int, path: Path | str) -> list[Any]:
    items: list[Any] = []
    while lines and lines[0][1] == indent and _is_item(lines[0][2]):
        number, _, text = lines.popleft()
        inner = text[1:].lstrip()
        if not inner and lines and lines[0][1] > indent:
            items.append(_block(lines, lines[0][1], path))
        elif _is_item(inner) or _KEY.match(inner):
            deeper = indent + len(text) - len(inner)
            lines.appendleft((number, deeper, inner))
            items.append(_block(lines, deeper, path))
        else:
            items.append(_value(inner, path, number))
    return items


def _is_item(text: str) -> bool:
    return text == "-" or text.startswith("- ")


def _value(text: str, path: Path | str, number: int) -> Any:
    """A scalar, or a list in brackets."""
    text = text.strip()
    if not text.startswith("["):
        return _scalar(text, path, number)
    if not text.endswith("]"):
        raise _refused(path, number, "a list in brackets ends on its line")
    if text.startswith("[" * _DEEPEST):
        raise _refused(path, number, "it is nested too deeply")
    items, depth, start, inside = [], 0, 0, text[1:-1]
    for i, letter in enumerate(inside + ","):
        depth += (letter == "[") - (letter == "]")
        if letter == "," and depth == 0:
            items.append(inside[start:i].strip())
            start = i + 1
    if depth:
        raise _refused(path, number, "its brackets do not match")
    if items and not items[-1]:  # a comma after the last item, or no item at all
        items.pop()
    return [_value(item, path, number) for item in items]


def _scalar(text: str, path: Path | str, number: int) -> Any:
    if len(text) >= 2 and text[0] in "\"'" and text[0] == text[-1]:
        return text[1:-1]
    if text[:1] in tuple("&*!|>{}[]%@`\"'"):
        raise _refused(path, number, "tags, references, blocks of text and braces are not understood")
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if re.fullmatch(r"[-+]?\d{1,18}", text):
        return int(text)
    if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d{1,3})?", text):
        return float(text)
    return text


def _refused(path: Path | str, number: int, why: str) -> VoiceganError:
    return VoiceganError(
        f"{path}, line {number}, cannot be read as settings: {why}",
        "Write them as plain names and values.",
    )
