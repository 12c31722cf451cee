#!/usr/bin/python3
"""
weigh — learns reputation/data/weights.rules from the labelled replies

    tests/corpus/weigh.py tests/corpus/replies*.tsv > reputation/data/weights.rules

A multinomial logistic regression over what a rule's conditions can ask: a word (its first six
letters), a word of the first clause, two words side by side, the reply code, the enhanced code,
our address, a mail address. The best LINES of them are trained again and written as whole tenths.
Composed replies count less than real ones. The measure half of the twelfth set and all of the
thirteenth are left out; of older sets both halves are learned from.
"""
import math
import random
import re
import sys
from collections import Counter

CLASSES = ['ip-blocked', 'ip-throttled', 'domain-blocked', 'content', 'mailbox', 'greylist',
           'auth', 'tls', 'temp']
LINES = 800
STEM = 6
US = '203.0.113.42'
MEASURES = ('twelfth',)
MEASURES_ALL = ('thirteenth',)
# They stand in any reply.
EMPTY = set('a an the to of in is this that and or for with be by at on it as has have was were '
            'are see please visit details more information http error help'.split())

HEAD = """\
# What is weighed where the rules have little to go by: of the lines that hold the tenths are added
# up, class by class. Learned by tests/corpus/weigh.py, read behind replies.rules; not to be edited.

[weighed]

# The step, by hand: the labelled replies do not have it.
at=mail domain-blocked=+20 mailbox=-90 content=-90
at=rcpt mailbox=+20
at=data,final content=+20
"""


def stem(word):
    return '%s*' % word[:STEM] if len(word) >= STEM else word


def words_of(clause):
    return [w for w in re.findall(r"[^\W_]+(?:'[^\W\d_]+)?", clause) if not w[0].isdigit()]


def features(code, status, text):
    """The lines that hold for a reply, as their conditions are written."""
    text = text.lower()
    found = {'code=%sxx' % code[0], 'code=%s' % code}
    if status != '-':
        found.add('status=x.%s' % status.split('.', 1)[1])
    if US in text or '.'.join(reversed(US.split('.'))) in text:
        found.add('us code=%sxx' % code[0])
    if '@' in text:
        found.add('mail')
    bare = re.sub(r'https?://\S*|\S+@\S+|\S*(?:[\w-]+\.)+[\w-]{2,}\S*', '|', text)
    for i, clause in enumerate(re.split(r'[.,;] | but ', bare)):
        for part in re.split(r'[^\w\s\']|\s\||_', clause):
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


def score(weights, found):
    return {c: sum(weights[c].get(f, 0.0) for f in found) for c in CLASSES}


def chances(scores):
    top = max(scores.values())
    e = {c: math.exp(s - top) for c, s in scores.items()}
    total = sum(e.values())
    return {c: v / total for c, v in e.items()}


def train(rows, epochs=14, rate=0.35, decay=1e-3):
    """Stochastic descent with a rate per weight (AdaGrad); rows: (features, class, importance)."""
    weights = {c: {} for c in CLASSES}
    seen = {c: {} for c in CLASSES}
    order = list(range(len(rows)))
    chance = random.Random(1)
    for _ in range(epochs):
        chance.shuffle(order)
        for i in order:
            found, wanted, importance = rows[i]
            p = chances(score(weights, found))
            for c in CLASSES:
                error = (p[c] - (wanted == c)) * importance
                if abs(error) < 1e-3:
                    continue
                w, s = weights[c], seen[c]
                for f in found:
                    g = error + decay * w.get(f, 0.0)
                    s[f] = s.get(f, 0.1) + g * g
                    w[f] = w.get(f, 0.0) - rate * g / math.sqrt(s[f])
    return weights


def is_missed(weights, found, wanted):
    scores = score(weights, found)
    return max(scores, key=scores.get) != wanted


def learn(rows, lines=LINES):
    """rows: (code, status, text, class, importance). Whole tenths by line and class."""
    rows = [(features(*r[:3]), r[3], r[4]) for r in rows]
    count = Counter(f for found, _, _ in rows for f in found)
    rows = [([f for f in sorted(found) if count[f] >= 3], c, w) for found, c, w in rows]
    all_weights = train(rows, epochs=8)
    best = {}
    for c in CLASSES:
        for f, w in all_weights[c].items():
            best[f] = max(best.get(f, 0.0), abs(w) * math.sqrt(min(count[f], 60)))
    keep = set(sorted(best, key=best.get, reverse=True)[:lines])
    rows = [([f for f in found if f in keep], c, w) for found, c, w in rows]
    weights = train(rows, epochs=8)
    rows = [(found, c, 1.0 if is_missed(weights, found, c) else w) for found, c, w in rows]
    weights = train(rows)
    return {c: {f: round(10 * w) for f, w in weights[c].items() if round(10 * w)} for c in CLASSES}


def corpus(path):
    with open(path, encoding='utf8') as f:
        for line in f.read().split('\n')[1:]:
            column = line.split('\t')
            if len(column) > 4:
                yield column


def main():
    rows = []
    for path in sys.argv[1:]:
        made = 'grammar' in path or 'composed' in path
        if any(name in path for name in MEASURES_ALL):
            continue
        rows += [(c[0], c[1], c[2], c[3], 0.3 if made else 1.0) for c in corpus(path)
                 if not any(name in path for name in MEASURES) or c[6] == 'rules']
    print(HEAD)
    weights = learn(rows)
    lines = sorted(set().union(*(weights[c] for c in CLASSES)),
                   key=lambda f: (f[0] in '"^', f.lstrip('^'), f))
    for f in lines:
        print('%s %s' % (f, ' '.join('%s=%+d' % (c, weights[c][f]) for c in CLASSES
                                     if f in weights[c])))


if __name__ == '__main__':
    main()
