"""
source — rules about one source file: sizes, banned calls, contracts, layout

Each rule takes (path, lines) and yields (line number, message). C is read without its comments and
strings where that matters; a function is what clang-format makes of it: its braces in column 0.
"""
import ast
import os
import re

FILE_LINES, FUNCTION_LINES, COLUMNS = 400, 60, 100

BANNED = ("sprintf vsprintf strcpy strcat strncat strncpy gets atoi atol atoll atof strtok sscanf "
          "system popen rand srand alloca").split()
BANNED_OUTSIDE_BASE = "time localtime gmtime clock_gettime gettimeofday getrandom".split()
# Test tools live without base/ and may read a clock.
CALL = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(BANNED))
CALL_OUTSIDE_BASE = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(BANNED_OUTSIDE_BASE))
NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|X" r"XX)\b")


def bare(lines):
    """C lines without comments and the insides of strings; line numbers stay."""
    def blank(m):
        return re.sub(r"[^\n]", " ", m[0]) if m[0][0] == "/" else '""'
    return NOISE.sub(blank, "\n".join(lines)).split("\n")


def size(path, lines):
    if len(lines) > FILE_LINES:
        yield len(lines), f"{len(lines)} lines > {FILE_LINES}: split it by concept"


def columns(path, lines):
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS and "http" not in line:
            yield number, f"{len(line)} columns > {COLUMNS}"
        if line != line.rstrip():
            yield number, "blanks at the end of the line"
        if "\t" in line:
            yield number, "a tab"


def unfinished(path, lines):
    for number, line in enumerate(lines, 1):
        m = UNFINISHED.search(line)
        if m:
            yield number, f"{m[1]}: finish it or leave it out"


def c_functions(path, lines):
    start = None
    for number, line in enumerate(bare(lines), 1):
        if line.startswith("{"):
            start = number
        elif line.startswith("}") and start:
            if number - start - 1 > FUNCTION_LINES:
                yield start, f"a function of {number - start - 1} lines > {FUNCTION_LINES}"
            start = None


def python_functions(path, lines):
    for node in ast.walk(ast.parse("\n".join(lines))):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            length = node.end_lineno - node.lineno
            if length > FUNCTION_LINES:
                yield node.lineno, f"{node.name}: {length} lines > {FUNCTION_LINES}"


def banned(path, lines):
    base = path.startswith(("gateway/base/", "tests/"))
    for number, line in enumerate(bare(lines), 1):
        for m in [*CALL.finditer(line), *([] if base else CALL_OUTSIDE_BASE.finditer(line))]:
            yield number, f"{m[1]}() is banned: see style.md, base/ has what to call instead"


def typedefs(path, lines):
    for number, line in enumerate(bare(lines), 1):
        if re.match(r"\s*typedef\s+(struct|union|enum)\b", line):
            yield number, "types keep their struct, union or enum: no typedef"


def page(path, lines):
    """A file opens with its page; a .c may leave it to the header beside it."""
    opening = lines[:2] + ["", ""]
    ok = opening[0] == "/*" and re.match(r" \* [\w./{},*-]+ — \S", opening[1])
    if not ok and not (path.endswith(".c") and os.path.exists(path[:-2] + ".h")):
        yield 1, "the file does not open with its page: /* module — one line, then its contract"


def guard(path, lines):
    name = re.sub(r"\W", "_", "WAYPOST_" + re.sub("^gateway/", "", path)).upper()
    if f"#ifndef {name}" not in lines or f"#define {name}" not in lines:
        yield 1, f"the include guard is not {name}"


def contract(path, lines):
    """A header's page says more than the name: guarantees, ownership, errors."""
    end = next((n for n, line in enumerate(lines) if line.endswith("*/")), 0)
    if end < 3:
        yield 1, "the page of the header says nothing about its contract"


def python_page(path, lines):
    text = "\n".join(lines)
    if text.strip() and not ast.get_docstring(ast.parse(text)):
        yield 1, "the module does not open with its page (a docstring)"


def shell_page(path, lines):
    if not (len(lines) > 1 and lines[0].startswith("#!") and lines[1].startswith("# ")):
        yield 1, "the script does not open with #! and a comment that says what it does"


ALL = [size, columns, unfinished]
RULES = {
    ".c": [*ALL, c_functions, banned, typedefs, page],
    ".h": [*ALL, c_functions, banned, typedefs, page, guard, contract],
    ".py": [*ALL, python_functions, python_page],
    ".sh": [*ALL, shell_page],
}
