"""As much C++ as the checks need: code without comments, includes, and where functions begin and end."""

import re
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<comment> //[^\n]* | /\*.*?\*/ )
  | (?P<raw> R"(?P<tag>[^\s()\\]{0,16})\( .*? \)(?P=tag)" )
  | (?P<string> "(?:\\.|[^"\\\n])*" )
  | (?P<char> (?<![0-9A-Fa-f])'(?:\\.|[^'\\\n])+' )
    """,
    re.VERBOSE | re.DOTALL,
)
_INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"\n]+)[>"]', re.MULTILINE)
_DIRECTIVE = re.compile(r"^[ \t]*#(?:[^\n\\]|\\\n|\\.)*", re.MULTILINE)
_TEMPLATE_HEAD = re.compile(r"\btemplate\s*<[^{};]*?>\s*(?=[\w\[:~])")
_SCOPE_HEAD = re.compile(r"^\s*(?:inline\s+)?(?:namespace\b|extern\s*$|(?:typedef\s+)?(?:class|struct|union|enum)\b[^()]*$"
                         r"|(?:class|struct|union)\b.*[)\]]\s*\w+[^()]*$)", re.DOTALL)
_NAME = re.compile(r"((?:~?\w+(?:<[^<>()]*>)?\s*::\s*)*(?:~?\w+|operator\s*[^\s\w(]+|operator\s*\(\s*\)|operator[\w\s:*&]+))\s*\(")


def code(text: str) -> str:
    """The text with comments and the insides of strings blanked out; line numbers stay."""

    def blank(match: re.Match) -> str:
        found = match.group(0)
        if match.group("comment"):
            return re.sub(r"[^\n]", " ", found)
        return found[0] + re.sub(r"[^\n]", " ", found[1:-1]) + found[-1]

    return _TOKEN.sub(blank, text)


def line_of(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def includes(text: str) -> list[tuple[int, str, bool]]:
    """(line, header, in angle brackets) of each include."""
    without_comments = re.sub(r"//[^\n]*", "", text)
    return [(line_of(without_comments, m.start()), m.group(2), m.group(1) == "<")
            for m in _INCLUDE.finditer(without_comments)]


@dataclass(frozen=True)
class Function:
    name: str
    line: int
    lines: int


def functions(text: str) -> list[Function]:
    """The functions that are defined outside other functions, with their lengths, signature included."""
    source = _DIRECTIVE.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), code(text))
    found = []
    head_start = 0
    position = 0
    while (brace := re.compile(r"[{};]").search(source, position)) is not None:
        position = brace.end()
        if brace.group(0) != "{":
            head_start = position
            continue
        head = _TEMPLATE_HEAD.sub("", source[head_start:brace.start()])
        if _SCOPE_HEAD.match(_without_attributes(head)):
            head_start = position  # go on inside it
            continue
        position = _matching_brace(source, brace.start())
        if _is_initializer(head):
            continue  # the head goes on behind it
        if "(" in head and not re.search(r"=\s*$", head):
            start = head_start + re.match(r"(?:\s|(?:public|private|protected)\s*:)*", source[head_start:]).end()
            first = line_of(source, start)
            found.append(Function(_function_name(head), first, line_of(source, position) - first + 1))
        head_start = position
    return found


def _without_attributes(head: str) -> str:
    head = re.sub(r"\[\[.*?\]\]|\balignas\s*\([^()]*\)", " ", head, flags=re.DOTALL)
    return re.sub(r"^\s*(?:(?:public|private|protected)\s*:\s*)+", "", head)


def _is_initializer(head: str) -> bool:
    """Whether the brace after this head initializes a member in a constructor's list: `Foo(int a) : a_{a}, b_{1} {`."""
    list_start = re.search(r"\)\s*(?:noexcept\s*)?:(?!:)", head)
    return list_start is not None and re.search(r"[\w>]\s*$", head[list_start.end():]) is not None


def _matching_brace(source: str, open_brace: int) -> int:
    """The position behind the brace that closes this one."""
    depth = 0
    for match in re.compile(r"[{}]").finditer(source, open_brace):
        depth += 1 if match.group(0) == "{" else -1
        if depth == 0:
            return match.end()
    return len(source)


def _function_name(head: str) -> str:
    test = re.search(r"\b(?:TEST(?:_[FP])?|TYPED_TEST)\s*\(\s*(\w+)\s*,\s*(\w+)", head)
    if test:
        return f"{test.group(1)}.{test.group(2)}"
    name = _NAME.search(head)
    return re.sub(r"\s+", "", name.group(1)) if name else "(unnamed)"
