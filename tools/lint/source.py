"""C++ sources as the checks read them."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_COMMENTS = re.compile(r"//[^\n]*|/\*.*?\*/", re.S)
_COMMENTS_AND_TEXTS = re.compile(
    r'R"(?P<mark>[^()\s]*)\(.*?\)(?P=mark)"|"(?:\\.|[^"\\\n])*"|' + r"(?<![0-9a-fA-F])'(?:\\.|[^'\\\n])+'|"
    + _COMMENTS.pattern, re.S)


def _blank(match):
    """The same number of lines, nothing on them; a string stays a string, so that `"http://"` opens no comment."""
    return ('""' if match[0][0] in "\"R'" else " ") + "\n" * match[0].count("\n")


def without_comments_and_texts(text):
    return _COMMENTS_AND_TEXTS.sub(_blank, text)


def without_comments(text):
    return _COMMENTS_AND_TEXTS.sub(lambda match: match[0] if match[0][0] in "\"R'" else _blank(match), text)


def files(root, *folders):
    """Every C++ file below the folders, relative to the root."""
    return sorted(
        path.relative_to(root)
        for folder in folders
        for path in (Path(root) / folder).rglob("*")
        if path.suffix in (".hpp", ".cpp", ".ipp", ".h") and path.is_file()
    )
