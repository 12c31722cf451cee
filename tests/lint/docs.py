"""
docs — what the documents say must exist

Local links in Markdown files, files of docs/ that comments send the reader to, and the verbs and
options in the tables: a document that names something must name something that is there.
"""
import os
import re

LINK = re.compile(r"\[[^\]]*\]\((?!\w+:|#)([^)#\s]+)")
SEE = re.compile(r"\b(docs/[\w.-]+\.md)\b")


def links(root, path, lines):
    """Yields (line number, message) for links of a Markdown file that lead nowhere."""
    for number, line in enumerate(lines, 1):
        for target in LINK.findall(line):
            if not os.path.exists(os.path.join(root, os.path.dirname(path), target)):
                yield number, f"the link to {target} leads nowhere"


def mentions(root, path, lines):
    """Yields (line number, message) for documents named that do not exist."""
    for number, line in enumerate(lines, 1):
        for target in SEE.findall(line):
            if not os.path.exists(os.path.join(root, target)):
                yield number, f"{target} does not exist"
