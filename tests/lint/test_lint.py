"""
test_lint — every rule of the gate finds its bad example and leaves the good one alone
"""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(__file__))
import docs                                                     # noqa: E402
import run                                                      # noqa: E402

PAGE = "/*\n * queue/x — one line\n *\n *   What it promises.\n */\n"
GUARD = "#ifndef WAYPOST_QUEUE_X_H\n#define WAYPOST_QUEUE_X_H\n"

BAD = [
    ("gateway/queue/x.c", '#include "gateway/delivery/pool.h"\n', "comes later"),
    ("gateway/queue/x.c", '#include "pool.h"\n', "not a rooted include"),
    ("gateway/queue/x.c", '#include "tests/support/y.h"\n', "is for tests"),
    ("gateway/queue/x.c", "#include <openssl/evp.h>\n", "belongs to gateway/io"),
    ("gateway/queue/x.c", "#include <cmocka.h>\n", "belongs to tests"),
    ("gateway/queue/x.c", "#include <curl/curl.h>\n", "belongs to gateway/io"),
    ("gateway/queue/x.c", "#include <xxhash.h>\n", "not a known library"),
    ("policies/x.c", "#include <time.h>\n", "pure folders"),
    ("probes/x.c", "#include <time.h>\n", "pure folders"),
    ("probes/x.c", '#include "gateway/io/loop.h"\n', "does I/O"),
    ("reputation/x.c", "#include <time.h>\n", "pure folders"),
    ("reputation/x.c", '#include "gateway/dns/channel.h"\n', "does I/O"),
    ("gateway/queue/x.c", "int x;\n" * 400, "lines > 400"),
    ("gateway/queue/x.c", "int f(void)\n{\n" + "    g();\n" * 61 + "}\n", "function of 61"),
    ("gateway/queue/x.c", "int f(void)\n{\n    return atoi(s);\n}\n", "atoi() is banned"),
    ("gateway/queue/x.c", "int f(void)\n{\n    strcpy (a, b);\n}\n", "strcpy() is banned"),
    ("gateway/queue/x.c", "int f(void)\n{\n    return time(NULL);\n}\n", "time() is banned"),
    ("gateway/queue/x.c", "typedef struct foo foo;\n", "no typedef"),
    ("gateway/queue/x.c", "/* TO" "DO: later */\n", "finish it"),
    ("gateway/queue/x.c", "int x; \n", "blanks at the end"),
    ("gateway/queue/x.c", "\tint x;\n", "a tab"),
    ("gateway/queue/x.c", "int " + "x" * 100 + ";\n", "columns > 100"),
    ("gateway/queue/x.c", "int x;", "no newline"),
    ("gateway/queue/x.h", GUARD.replace("QUEUE_X", "X") + "#endif\n", "include guard"),
    ("gateway/queue/x.c", "/* see docs/NOWHERE.md */\n", "docs/NOWHERE.md does not exist"),
    ("tests/x.py", '"""x"""\ndef f():\n' + "    g()\n" * 61, "f: 61 lines"),
    ("tests/x.py", "import os\n", "open with its page"),
    ("tests/x.sh", "echo hi\n", "open with #!"),
    ("docs/X.md", "see [there](nowhere.md)\n", "leads nowhere"),
]

GOOD = [
    ("gateway/queue/x.c", '#include "gateway/queue/x.h"\n#include "gateway/base/buf.h"\n'),
    ("gateway/queue/x.c", "#include <stdint.h>\n#include <sys/socket.h>\n"),
    ("reputation/run_x.c", '#include "gateway/dns/channel.h"\n'),
    ("gateway/io/x.c", "#include <openssl/ssl.h>\n#include <event2/event.h>\n"),
    ("tests/unit/test_x.c", "#include <cmocka.h>\n#include <openssl/ssl.h>\n"),
    ("gateway/base/x.c", "long f(void)\n{\n    return time(NULL);\n}\n"),
    ("gateway/queue/x.c", "int f(void)\n{\n    x->time(1); my_atoi(s); /* not atoi( */\n}\n"),
    ("gateway/queue/x.c", 'const char *s = "strcpy(";\n'),
    ("gateway/queue/x.c", "int f(void)\n{\n" + "    g();\n" * 60 + "}\n"),
    ("gateway/queue/x.h", GUARD + "\n/* Does it. */\nint x_do(int a);\n#endif\n"),
]


def offences(path, text):
    text = text if path.endswith((".py", ".sh", ".md")) else PAGE + text
    return [message for _, message in run.check_text(path, text)]


@pytest.mark.parametrize("path,text,expected", BAD, ids=[row[2] for row in BAD])
def test_finds(path, text, expected):
    assert any(expected in m for m in offences(path, text)), offences(path, text)


@pytest.mark.parametrize("path,text", GOOD)
def test_leaves_alone(path, text):
    assert offences(path, text) == []


@pytest.mark.parametrize("path,text,expected", [
    ("gateway/queue/x.c", "int x;\n", "open with its page"),
    ("gateway/queue/x.h", "/*\n * queue/x — one line\n */\n" + GUARD + "#endif\n", "its contract"),
])
def test_page_is_asked_for(path, text, expected):
    assert any(expected in m for _, m in run.check_text(path, text))


def test_format_is_asked_for(tmp_path):
    bad = tmp_path / "x.c"
    bad.write_text("int  x ;\n")
    assert run.check_format([str(bad)])


def test_stray_top_level_file(capsys):
    assert run.main(["--no-format", os.path.join(run.ROOT, "stray/x.txt")]) == 1
    assert "top level" in capsys.readouterr().out


def test_links_of_the_readme_are_read():
    assert list(docs.links(run.ROOT, "README.md", ["[x](tests/lint/run.py) [y](no/where)"]))
