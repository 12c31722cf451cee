#!/usr/bin/python3
"""
weigh — learns reputation/data/weights.rules from the labelled replies

    tests/corpus/weigh.py build/release/tests/reply-seen tests/corpus/replies*.tsv \\
        > reputation/data/weights.rules

A multinomial logistic regression over what a rule's conditions can ask: a word (its first six
letters), a word of the first clause, two words side by side, a sense of data/senses.rules (alone,
with the kind of the code, in the first clause), the codes, facts of the text. The best LINES of
them are trained again and written as whole tenths. Composed replies count less than real ones;
those that must be known and that the weights miss count more in the end. Each is there a second
time with something AROUND it, which must change nothing, and with no names known. The sets of
LEFT_OUT measure: theirs is not learned from. Needs Debian's python3-scipy.
"""
import re
import subprocess
import sys
from collections import Counter

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

CLASSES = ['ip-blocked', 'ip-throttled', 'domain-blocked', 'content', 'mailbox', 'greylist',
           'auth', 'tls', 'temp']
LINES = 2400
STEM = 6
STRENGTH = 0.3  # the inverse of what keeps weights small
IMPORTANCE = {'grammar': 0.3, 'composed': 0.3, 'recalled': 0.6}
MUST_BE_KNOWN = ('replies.tsv', 'grammar', 'composed')
ROUNDS = 2
LEFT_OUT = {'twelfth': 'measure', 'thirteenth': None, 'fourteenth': 'measure',
            'fifteenth': 'measure', 'sixteenth': None, 'seventeenth': None}
AROUND = ('* [203.0.113.42]', '* (client 203.0.113.42)', '* IP: 203.0.113.42',
          '* see http://blocked.example.net/ip?ip=203.0.113.42', 'mx.example.net (203.0.113.42) *',
          '[203.0.113.42] *', '*. If your server is not a spam source, write to us')
AROUND_IMPORTANCE = 0.3
FACTS = {1: 'us', 2: 'ip', 4: 'list', 8: 'list=ip', 16: 'list=domain', 32: 'network', 64: 'mail',
         128: 'names=ehlo', 256: 'names=sender', 512: 'names=recipient'}
NAMES = 128 | 256 | 512
RULES = ('reputation/data/replies.rules', 'reputation/data/senses.rules')
# They stand in any reply.
EMPTY = set('a an the to of in is this that and or for with be by at on it as has have was were '
            'are see please visit details more information http error help'.split())

HEAD = """\
# What is weighed beside the rules: of the lines that hold the tenths are added up, class by class.
# Learned by tests/corpus/weigh.py, read behind senses.rules; not to be edited.

[weighed]

# The step, by hand: the labelled replies do not have it. Before MAIL and RCPT nobody knows of a
# sender, a message or a recipient.
at=greeting,ehlo ip-blocked=+20 ip-throttled=+20 domain-blocked=-90 content=-90 mailbox=-90 \
greylist=-40 auth=-40
at=greeting,ehlo code=4xx temp=+20
at=mail domain-blocked=+10 mailbox=-90 content=-60
at=rcpt mailbox=+20
at=data,final content=+10

# Whose name it is, by hand besides what is learned below: a domain alone that is blacklisted, of
# poor reputation or not welcome is the sender's or our host's.
names=sender !names=ehlo !mail !us !ip !list=ip domain-blocked=+5 ip-blocked=-15 ip-throttled=-15
names=ehlo !names=sender !names=recipient !mail code=5xx ip-blocked=+12
"""


# ---- what a reply has ----

def stem(word):
    return '%s*' % word[:STEM] if len(word) >= STEM else word


def words_of(text):
    return [w for w in re.findall(r"[^\W_]+(?:'[^\W\d_]+)?", text) if not w[0].isdigit()]


def pattern(words):
    """As the product finds them: whole words, a star opens an end."""
    letter, parts = 'a-z0-9\u0080-\uffff', []
    for word in sorted(set(words), key=len, reverse=True):
        bare = word.strip('*')
        before = '' if word[0] == '*' or not re.match('[%s]' % letter, bare) else '(?<![%s])'
        behind = '' if word[-1] == '*' or not re.search('[%s]$' % letter, bare) else '(?![%s])'
        parts.append((before and before % letter) + re.escape(bare) + (behind and behind % letter))
    return re.compile('|'.join(parts))


def senses():
    words = {}
    for path in RULES:
        with open(path, encoding='utf8') as f:
            for line in f:
                m = re.match(r'words\s+(\S+)\s+"(.*)"\s*$', line)
                if m:
                    words.setdefault(m[1], []).extend(m[2].split('|'))
    return {name: pattern(w) for name, w in words.items()}


SENSES = senses()


def without_names(text):
    """URLs, mail addresses and advice are not looked into."""
    text = re.sub(r'[a-z0-9.+-]*://[^ <>()\[\]"]*|www\.[^ <>()\[\]"]*|[^\s@<>"]+@[^\s@<>"]+', '|',
                  text)
    end = r'(\. |; | but | since | because | about |$)'
    text = re.sub('contact .*?' + end, r'|\1', text)
    return re.sub('(?<=[.;] )if .*?' + end, r'|\1', text)


def clauses(text):
    return re.split(r'[.,;] | but ', text)


def word_lines(text):
    found = set()
    for i, clause in enumerate(clauses(text)):
        for part in re.split(r"[^\w\s']|\s\||_", clause):
            words = words_of(part)
            for first, second in zip(words, words[1:]):
                if first not in EMPTY or second not in EMPTY:
                    found.add('"%s %s"' % (first, stem(second)))
            for word in words:
                if len(word.encode()) > 1 and word not in EMPTY:
                    found.add('"%s"' % stem(word))
                    if i == 0:
                        found.add('^"%s"' % stem(word))
    return found


def features(code, status, said, bare, facts):
    """The lines that hold for a reply, as their conditions are written."""
    found = {'code=%sxx' % code[0], 'code=%s' % code}
    if status != '-':
        found.add('status=x.%s' % status.split('.', 1)[1])
    for bit, name in FACTS.items():
        if facts & bit:
            found |= {name, '%s code=%sxx' % (name, code[0])}
    said, bare = without_names(said), without_names(bare)
    found |= word_lines(said)
    for name, words in SENSES.items():
        if words.search(said) or words.search(bare):
            found |= {'@%s' % name, '@%s code=%sxx' % (name, code[0])}
            if words.search(clauses(said)[0]) or words.search(clauses(bare)[0]):
                found.add('^@%s' % name)
    return found


# ---- learning ----

def matrix(rows, names):
    index = {f: i for i, f in enumerate(names)}
    at, ends = [], [0]
    for found in rows:
        at += sorted(index[f] for f in found if f in index)
        ends.append(len(at))
    return csr_matrix((np.ones(len(at)), at, ends), shape=(len(rows), len(names)))


def train(x, y, importance):
    """Weights by line and class."""
    wanted = np.zeros((len(y), len(CLASSES)))
    wanted[np.arange(len(y)), y] = 1.0
    shape = (x.shape[1], len(CLASSES))

    def loss(flat):
        w = flat.reshape(shape)
        scores = x @ w
        scores -= scores.max(axis=1, keepdims=True)
        sums = np.log(np.exp(scores).sum(axis=1))
        cost = (importance * (sums - scores[np.arange(len(y)), y])).sum()
        p = np.exp(scores - sums[:, None])
        slope = x.T @ ((p - wanted) * importance[:, None])
        return cost + (w * w).sum() / (2 * STRENGTH), (slope + w / STRENGTH).ravel()

    done = minimize(loss, np.zeros(shape).ravel(), jac=True, method='L-BFGS-B',
                    options={'maxiter': 120})
    return done.x.reshape(shape)


def learn(rows):
    """rows: (features, class, importance, whether it must be known). Tenths by line and class."""
    count = Counter(f for found, _, _, _ in rows for f in found)
    names = sorted(f for f, n in count.items() if n >= 3)
    y = np.array([CLASSES.index(r[1]) for r in rows])
    importance = np.array([r[2] for r in rows])
    must = np.array([r[3] for r in rows])
    w = train(matrix([r[0] for r in rows], names), y, importance)
    much = np.abs(w).max(axis=1) * np.sqrt([min(count[f], 60) for f in names])
    names = sorted(names[i] for i in np.argsort(-much, kind='stable')[:LINES])
    x = matrix([r[0] for r in rows], names)
    for _ in range(ROUNDS):
        w = train(x, y, importance)
        missed = must & ((x @ w).argmax(axis=1) != y)
        importance[missed] = np.minimum(4 * importance[missed], 8.0)
    tenths = np.rint(10 * train(x, y, importance)).astype(int)
    print('missed of those that must be known: %d, of all: %d of %d' %
          ((must & ((x @ tenths).argmax(axis=1) != y)).sum(),
           ((x @ tenths).argmax(axis=1) != y).sum(), len(y)), file=sys.stderr)
    return {f: {c: t for c, t in zip(CLASSES, tenths[i]) if t} for i, f in enumerate(names)}


def corpus(path):
    with open(path, encoding='utf8') as f:
        for line in f.read().split('\n')[1:]:
            column = line.split('\t')
            if len(column) > 4:
                yield column


def around(column, i):
    return column[:2] + [AROUND[i % len(AROUND)].replace('*', column[2])] + column[3:]


def rows_of(path):
    out = next((half for name, half in LEFT_OUT.items() if name in path), '')
    rows = [c for c in corpus(path) if out == '' or (out and c[6] != out)]
    weight = next((w for name, w in IMPORTANCE.items() if name in path), 1.0)
    must = any(name in path for name in MUST_BE_KNOWN)
    again = [(around(c, i), weight * AROUND_IMPORTANCE, False, ~NAMES) for i, c in enumerate(rows)]
    return [(c, weight, must, ~0) for c in rows] + again


def main():
    rows = [row for path in sys.argv[2:] for row in rows_of(path)]
    asked = ''.join('%s\t%s\t%s\n' % tuple(c[:3]) for c, _, _, _ in rows)
    seen = subprocess.run([sys.argv[1]], input=asked.encode(), stdout=subprocess.PIPE, check=True)
    seen = [line.split('\t') for line in seen.stdout.decode(errors='replace').split('\n')]
    weights = learn([(features(c[0], c[1], s[0], s[1], int(s[2]) & known), c[3], weight, must)
                     for (c, weight, must, known), s in zip(rows, seen)])
    print(HEAD)
    for line in sorted(weights, key=lambda f: (f.lstrip('^')[0] in '"@', f.lstrip('^'), f)):
        if weights[line]:
            print('%s %s' % (line, ' '.join('%s=%+d' % (c, t) for c, t in weights[line].items())))


if __name__ == '__main__':
    main()
