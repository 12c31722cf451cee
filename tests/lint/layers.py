"""
layers — who may include whom

The folders stand in one line; a folder may include itself and those before it. A third-party
header may be included by its folder only, so that a library can be replaced in one place.
"""
import re

ORDER = ["gateway/base", "gateway/conf", "gateway/mail", "gateway/smtp", "gateway/io",
         "gateway/dns", "gateway/geo", "gateway/spool", "policies", "reputation", "probes",
         "gateway/queue",
         "gateway/report", "gateway/ingress", "gateway/delivery", "gateway/admin", "gateway/daemon"]
PURE = {"gateway/mail", "gateway/smtp", "policies"}
SHELL = {"gateway/io", "gateway/dns", "gateway/spool"}
# These are pure but for the parts that carry out what they decide.
MOSTLY_PURE = {"probes": ("probes/run.",), "reputation": ("reputation/run_",)}

LIBRARIES = {
    r"yaml\.h": {"gateway/conf"},
    r"idn2\.h": {"gateway/mail"},
    r"(event2?/.*|event\.h|evhttp\.h)": {"gateway/io"},
    r"openssl/.*": {"gateway/io"},
    r"curl/.*": {"gateway/io"},
    r"ares.*\.h": {"gateway/dns"},
    r"maxminddb\.h": {"gateway/geo"},
    r"rocksdb/.*": {"gateway/spool"},
    r"sqlite3\.h": {"gateway/report"},
    r"jansson\.h": {"reputation", "gateway/report", "gateway/admin", "gateway/daemon"},
    r"crypt\.h": {"gateway/ingress"},
    r"(seccomp\.h|cap-ng\.h|linux/(landlock|seccomp)\.h)": {"gateway/daemon"},
    r"uthash\.h": {"gateway/base"},
    r"cmocka\.h": set(),                    # tests only
}
SYSTEM = re.compile(r"(sys|linux|arpa|net|netinet|asm|sanitizer)/|("
                    r"assert|ctype|dirent|dlfcn|errno|fcntl|float|fnmatch|getopt|grp|inttypes|"
                    r"limits|locale|malloc|math|nmmintrin|poll|pthread|pwd|sched|setjmp|signal|"
                    r"stdalign|stdarg|stdatomic|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|"
                    r"string|strings|spawn|syslog|time|ucontext|unistd|wchar|netdb|ifaddrs|glob|"
                    r"immintrin|termios|pty|utmp|byteswap|endian)\.h$")
# Headers that mean I/O or a clock: a pure folder is given time and bytes, it never fetches them.
IMPURE = re.compile(r"(sys/(socket|epoll|stat|mman|random|time|uio|eventfd)|time|fcntl|poll|dirent|"
                    r"pthread|netdb|signal)\.h$")
INCLUDE = re.compile(r'^\s*#\s*include\s+(?:"([^"]+)"|<([^>]+)>)')


def folder_of(path):
    """The folder in ORDER that a file or include belongs to, or None (tests)."""
    return next((f for f in ORDER if path.startswith(f + "/")), None)


def check(path, lines):
    """Yields (line number, message)."""
    here = folder_of(path)
    for number, line in enumerate(lines, 1):
        m = INCLUDE.match(line)
        if m and m[1]:
            message = own(path, here, m[1])
        elif m:
            message = foreign(here, is_pure(path, here), m[2])
        else:
            continue
        if message:
            yield number, message


def own(path, here, target):
    there = folder_of(target)
    if here in MOSTLY_PURE and is_pure(path, here) and there in SHELL:
        return f"{path} may not include {there}: only {MOSTLY_PURE[here][0]}* does I/O in {here}"
    if target.startswith("tests/"):
        return f"{target} is for tests" if here else None
    if not there:
        return f'"{target}" is not a rooted include of a known folder'
    if here and ORDER.index(there) > ORDER.index(here):
        return f"{here} may not include {there}: it comes later"
    return None


def is_pure(path, here):
    return here in PURE or (here in MOSTLY_PURE and not path.startswith(MOSTLY_PURE[here]))


def foreign(here, pure, target):
    for pattern, owners in LIBRARIES.items():
        if re.fullmatch(pattern, target):
            if not here or here in owners:
                return None
            return f"<{target}> belongs to {' and '.join(sorted(owners)) or 'tests'}, not to {here}"
    if not SYSTEM.match(target):
        return f"<{target}> is not a known library: add it to tests/lint/layers.py with its folder"
    if pure and IMPURE.match(target):
        return f"<{target}> in {here}: pure folders do no I/O and read no clock"
    return None
