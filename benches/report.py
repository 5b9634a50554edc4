#!/usr/bin/env python3
"""Turns the CSV that ci/bench measured into a table and plots. Standard library only.

    report.py [--instructions] CSV DIRECTORY

Prints the Markdown that it writes to DIRECTORY/bench.md, and draws DIRECTORY/bench-*.svg.
"""

import csv
import math
import os
import platform
import subprocess
import sys

# Colours of medium brightness, which are readable on white and on black.
COLOUR = {"ours": "#2f81f7", "peer": "#e0701f", "glibc": "#8b6fd6"}
NAME = {"ours": "nss_wrapper_rs", "peer": "nss_wrapper (C)", "glibc": "glibc files"}
TEXT = "#7d8590"
GRID = "#7d859040"
FONT = "font-family='system-ui,-apple-system,Segoe UI,Helvetica,Arial,sans-serif'"

LOOKUPS = [
    "getpwuid_r", "getpwnam_r", "getgrgid_r", "getgrnam_r", "getpwuid", "getpwnam",
    "miss:getpwuid_r", "miss:getpwnam_r", "getgrouplist", "initgroups", "getspnam",
    "gethostbyname_r", "getaddrinfo",
]  # fmt: skip
SYSTEM = {
    "fstat": "fstat(2), a descriptor each",
    "fstat:shared": "fstat(2), one descriptor",
    "stat": "stat(2)",
}
THREADED = ["getpwuid_r", "getpwnam_r", "getgrgid_r"]
FIRST = ["getpwuid_r", "getpwnam_r", "getgrgid_r", "getgrnam_r", "getgrouplist", "initgroups"]
PROCESSES = {"true": "`true`", "whoami": "`whoami`", "id": "`id USER`", "ls -l": "`ls -l`, 1,000 files"}
DIGITS = ["4 digits", "9 digits", "10 digits"]
# The instructions of commit 850afe7, before the modules of the library were rearranged, to compare with.
BASE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "instructions-base.csv")


class Measured:
    """The rows of the CSV: a number, or a word for what went wrong, or None."""

    def __init__(self, path):
        self.rows = {}
        with open(path, newline="") as file:
            for row in csv.DictReader(file):
                key = (row["kind"], row["name"], int(row["size"]), int(row["threads"]), row["library"])
                if row["median"] is None:
                    continue  # The run was stopped while it wrote this line.
                try:
                    self.rows[key] = float(row["median"])
                except ValueError:
                    self.rows[key] = row["median"]
        self.sizes = sorted({key[2] for key in self.rows})

    def get(self, kind, name, size, library, threads=1):
        return self.rows.get((kind, name, size, threads, library))

    def number(self, *key, **more):
        value = self.get(*key, **more)
        return value if isinstance(value, float) else None


def divided(a, b):
    """a / b, if both are numbers and b is greater than 0."""
    return a / b if isinstance(a, float) and isinstance(b, float) and b > 0 else None


def ratio(a, b):
    """a / b as text, or what went wrong with one of them."""
    for value in (a, b):
        if isinstance(value, str):
            return value
    part = divided(a, b)
    if part is None:
        return "–"
    if part < 0.0095:
        return f"1/{round(1 / part):,}"
    return f"{part:.3f}" if part < 0.0995 else f"{part:.2f}"


def duration(ns):
    if not isinstance(ns, float):
        return ns or "–"
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= size:
            return f"{ns / size:.3g} {unit}" if ns / size < 999.5 else f"{ns / size:.0f} {unit}"
    return f"{ns:.0f} ns"


def count(n):
    return f"{n:,}"


def short(n):
    for unit, size in (("M", 10**6), ("k", 10**3)):
        if n >= size:
            return f"{n // size}{unit}"
    return str(n)


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "| --- |" + " ---: |" * (len(head) - 1)]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def shown(name):
    return f"{name[5:]}, unknown" if name.startswith("miss:") else name


def lookup_table(m, other):
    head = ["of " + NAME[other]] + [count(size) for size in m.sizes]
    rows = []
    for name in LOOKUPS:
        if not any(m.number("lookup", name, size, "ours") for size in m.sizes):
            continue
        cells = [
            ratio(m.get("lookup", name, size, "ours"), m.get("lookup", name, size, other))
            for size in m.sizes
        ]
        rows.append([shown(name), *cells])
    return table(head, rows)


def own_table(m):
    head = ["nss_wrapper_rs"] + [count(size) for size in m.sizes]
    system = ["fstat", "stat", "setgroups"]
    names = system + [n for n in LOOKUPS if m.number("lookup", n, m.sizes[0], "ours")]
    rows = []
    for name in names:
        cells = [duration(m.get("lookup", name, size, "ours")) for size in m.sizes]
        rows.append([f"{name}(2)" if name in system else shown(name), *cells])
    return table(head, rows)


def thread_table(m):
    head = ["lookup", "entries"]
    head += [f"{t} threads: lookups, of one thread's" for t in (2, 4)]
    head += [f"{t} threads: time, of {NAME[o]}" for t in (2, 4) for o in ("peer", "glibc")]
    rows = []
    for name in [*THREADED, *SYSTEM]:
        for size in m.sizes:
            one = m.number("threads", name, size, "ours")
            if one is None:
                continue
            cells = []
            for t in (2, 4):
                more = divided(one, m.number("threads", name, size, "ours", threads=t))
                cells.append(f"{more:.2f}" if more else "–")
            for t in (2, 4):
                own = m.get("threads", name, size, "ours", threads=t)
                for other in ("peer", "glibc"):
                    part = ratio(own, m.get("threads", name, size, other, threads=t))
                    cells.append("" if name in SYSTEM else part)
            rows.append([SYSTEM.get(name, name), "" if name in SYSTEM else count(size), *cells])
    return table(head, rows)


def added(m, size, library):
    """What preloading adds to the start of `true`."""
    own, plain = (m.number("process", "true", size, who) for who in (library, "glibc"))
    return own - plain if own is not None and plain is not None else None


def process_table(m):
    head = ["", "entries", *NAME.values(), "of the peer", "of glibc"]
    rows = []

    def row(title, size, values):
        own, peer, glibc = values
        parts = [ratio(own, peer), ratio(own, glibc)]
        rows.append([title, count(size), *(duration(v) for v in values), *parts])

    for name in FIRST:
        for size in m.sizes:
            values = [m.get("first", name, size, who) for who in NAME]
            if any(values):
                row(f"first {name} of a process", size, values)
    for name, title in PROCESSES.items():
        for size in m.sizes:
            values = [m.get("process", name, size, who) for who in NAME]
            if any(values):
                row(title, size, values)
            if name == "true" and any(values):
                row("`true`, added by preloading", size, [added(m, size, "ours"), added(m, size, "peer"), None])
                row("`true`, added by an empty library", size, [added(m, size, "empty"), added(m, size, "peer"), None])
    return table(head, rows)


def fault_table(m):
    ten, rows = m.sizes[0], []
    for kind, names in (("first", FIRST), ("process", PROCESSES)):
        for name in names:
            values = [m.get("faults", f"{kind} {name}", ten, who) for who in NAME]
            if values[0] is not None:
                title = f"first {name}" if kind == "first" else PROCESSES[name]
                rows.append([title, *(f"{v:.1f}" if isinstance(v, float) else "–" for v in values)])
    return table(["page faults, 10 entries", *NAME.values()], rows)


def other_table(m):
    """The library compared with itself: the synthetic user, long ids, files that change or are missing."""
    rows = []
    ten = m.sizes[0]
    for kind, title in (("first", "first lookup"), ("lookup", "later ones")):
        values = [m.get(kind, "self", ten, who) for who in ("synthetic", "file")]
        if any(values):
            rows.append([f"the synthetic user, {title}", *map(duration, values), ratio(*values)])
    for kind, title in (("first", "first lookup, a search among 1,000"), ("lookup", "a hit among 1,000")):
        for name in ("getpwuid_r", "getgrgid_r"):
            for who in DIGITS[1:]:
                values = [m.get(kind, name, 1000, which) for which in (who, DIGITS[0])]
                if any(values):
                    rows.append([f"{name}, ids of {who}: {title}", *map(duration, values), ratio(*values)])
    for title, name, who, threads in (
        ("a missing file, two threads and one", "miss:getpwnam_r", "missing", (2, 1)),
        ("a file that changes 1,000 times a second, 20 threads and two", "getpwnam_r", "changing", (20, 2)),
    ):
        values = [m.get("waiting", name, ten, who, threads=n) for n in threads]
        if any(values):
            rows.append([title, *map(duration, values), ratio(*values)])
    return table(["", "time of one", "beside", "ratio"], rows)


def memory(m, size, library):
    """Resident bytes that a library adds, after lookups in both files."""
    own, plain = (m.number("memory", "resident", size, who) for who in (library, "glibc"))
    return max(0.0, (own - plain) * 1024) if own is not None and plain is not None else None


def memory_table(m):
    head = ["entries", "passwd + group", "nss_wrapper_rs adds", "the peer adds", "of the files", "of the peer"]
    rows = []
    for size in m.sizes:
        files = m.number("files", "bytes", size, "none")
        own, peer = (memory(m, size, who) for who in ("ours", "peer"))
        if own is None:
            continue
        mib = [f"{v / 2**20:.2f} MiB" if v is not None else "–" for v in (files, own, peer)]
        # For small files there is no ratio: the memory of a process varies by more than their size.
        parts = [ratio(own, files), ratio(own, peer)] if size >= 10000 else ["", ""]
        rows.append([count(size), *mib, *parts])
    return table(head, rows)


def goals(m):
    """The limits that issues 2, 5 and 14 set, and what was measured."""
    rows = []

    def goal(text, limit, worst, most=True, form="{:.2f}"):
        if worst is None:
            rows.append([text, limit, "not measured", ""])
            return
        bound = eval_limit(limit)
        met = worst <= bound if most else worst >= bound
        show = ratio(worst, 1.0) if form == "ratio" else form.format(worst)
        rows.append([text, limit, show, "yes" if met else "**no**"])

    def eval_limit(limit):
        number = limit.split()[-1]
        if "/" in number:
            top, bottom = number.split("/")
            return float(top) / float(bottom.replace(",", ""))
        return float(number)

    def all_of(values, choose=max):
        values = list(values)
        return choose(values) if values and None not in values else None

    four = LOOKUPS[:4]
    ten, most = m.sizes[0], m.sizes[-1]
    own = lambda name, size: m.number("lookup", name, size, "ours")
    peer = lambda name, size: m.number("lookup", name, size, "peer")
    of_peer = lambda kind, name, size: divided(*(m.number(kind, name, size, who) for who in ("ours", "peer")))
    of_file = lambda kind: divided(*(m.number(kind, "self", ten, who) for who in ("synthetic", "file")))
    for name in four:
        goal(f"first {name} of a process, 10 entries, of the peer", "≤ 0.60", of_peer("first", name, ten))
    for name in ("id", "whoami"):
        goal(f"{PROCESSES[name]}, 10 entries, of the peer", "≤ 0.97", of_peer("process", name, ten))
    goal("`true`, added by preloading, of the peer", "≤ 0.60",
         all_of((divided(added(m, s, "ours"), added(m, s, "peer"))
                 for s in m.sizes if m.number("process", "true", s, "ours")), min))  # fmt: skip
    for size, limit in ((1000, "≤ 1/50"), (100000, "≤ 1/2,000")):
        for name in ("getgrouplist", "initgroups"):
            if size in m.sizes:
                goal(f"{name}, {count(size)} groups, of the peer", limit, of_peer("lookup", name, size), form="ratio")
    goal("the synthetic user's first lookup, of a file's", "≤ 1.2", of_file("first"))
    goal("the synthetic user's later lookups, of a file's", "≤ 2", of_file("lookup"))
    for kind, title in (("lookup", "hit"), ("first", "search")):
        goal(f"ids of nine and ten digits, of four, {title}", "≤ 1.05",
             all_of(divided(m.number(kind, name, 1000, who), m.number(kind, name, 1000, DIGITS[0]))
                    for name in ("getpwuid_r", "getgrgid_r") for who in DIGITS[1:]))  # fmt: skip
    for who, limit in (("glibc", "≤ 0.35"), ("peer", "≤ 2.5")):
        goal(f"getaddrinfo, 10 hosts, of {'the peer' if who == 'peer' else 'glibc'}", limit,
             divided(own("getaddrinfo", ten), m.number("lookup", "getaddrinfo", ten, who)))  # fmt: skip
    waiting = lambda name, who, threads: m.number("waiting", name, ten, who, threads=threads)
    goal("20 threads on a file that changes 1,000 times a second, lookups of two threads'", "≥ 0.9",
         divided(waiting("getpwnam_r", "changing", 2), waiting("getpwnam_r", "changing", 20)), most=False)  # fmt: skip
    goal("two threads on a missing file, lookups of one thread's", "≥ 1.8",
         divided(*(waiting("miss:getpwnam_r", "missing", n) for n in (1, 2))), most=False)  # fmt: skip
    for name in four:
        goal(f"{name}, 10 entries, of the peer", "≤ 0.70", of_peer("lookup", name, ten))
    fstat = m.number("lookup", "fstat", ten, "ours")
    goal("slowest of the four, 10 entries, of one fstat(2)", "≤ 1.3",
         all_of(divided(own(name, ten), fstat) for name in four))  # fmt: skip
    for end, limit in ((100000, "≤ 1.20"), (1000000, "≤ 1.50")):
        if end in m.sizes:
            goal(f"slowest of the four, 10 to {count(end)} entries, of 10 entries", limit,
                 all_of(divided(own(name, size), own(name, ten)) for name in four for size in m.sizes if size <= end))  # fmt: skip
    if 100000 in m.sizes:
        goal("slowest of the four, 100,000 entries, of the peer", "≤ 1/1,000",
             all_of(of_peer("lookup", name, 100000) for name in four), form="ratio")  # fmt: skip
    two = [divided(m.number("threads", n, s, "ours"), m.number("threads", n, s, "ours", threads=2))
           for n in THREADED for s in m.sizes if m.number("threads", n, s, "ours")]  # fmt: skip
    goal("2 threads, least lookups of one thread's", "≥ 1.9", all_of(two, min), most=False)
    if 100000 in m.sizes:
        goal("slowest first lookup, 100,000 entries, of the peer", "≤ 1/8",
             all_of(of_peer("first", n, 100000) for n in THREADED))  # fmt: skip
        goal("`id USER`, 100,000 entries, of the peer", "≤ 1/8", of_peer("process", "id", 100000))
    goal(f"memory, {count(most)} entries, of the files", "≤ 2",
         divided(memory(m, most, "ours"), m.number("files", "bytes", most, "none")))  # fmt: skip
    return table(["goal", "limit", "measured", "met"], rows)


# ---- plots ----


def escaped(text):
    return text.replace("&", "&amp;").replace("<", "&lt;")


def text_at(x, y, text, size=13, colour=TEXT, anchor="start", weight="normal"):
    return (
        f"<text x='{x:.1f}' y='{y:.1f}' font-size='{size}' fill='{colour}' text-anchor='{anchor}' "
        f"font-weight='{weight}'>{escaped(text)}</text>"
    )


def svg(width, height, parts, title):
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' width='{width}' "
        f"height='{height}' role='img' {FONT}>\n<title>{escaped(title)}</title>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def axis_label(ns):
    return duration(float(ns))


class Panel:
    """A log-log plot of time against entries, in a rectangle of the picture."""

    def __init__(self, left, top, width, height, sizes, low, high):
        self.left, self.top, self.width, self.height = left, top, width, height
        self.x0, self.x1 = math.log10(sizes[0]), math.log10(sizes[-1])
        self.y0, self.y1 = math.floor(math.log10(low)), math.ceil(math.log10(high))
        self.sizes = sizes
        self.parts = []

    def x(self, size):
        return self.left + self.width * (math.log10(size) - self.x0) / (self.x1 - self.x0)

    def y(self, ns):
        return self.top + self.height * (1 - (math.log10(ns) - self.y0) / (self.y1 - self.y0))

    def frame(self, font):
        for power in range(self.y0, self.y1 + 1):
            y = self.y(10.0**power)
            self.parts.append(
                f"<path d='M{self.left} {y:.1f}h{self.width}' stroke='{GRID}' stroke-width='1'/>"
            )
            if (power - self.y0) % (2 if self.y1 - self.y0 > 5 and font < 13 else 1) == 0:
                self.parts.append(text_at(self.left - 7, y + 4, axis_label(10**power), font, anchor="end"))
        for size in self.sizes:
            label = count(size) if font > 12 else short(size)
            self.parts.append(text_at(self.x(size), self.top + self.height + font + 6, label, font, anchor="middle"))

    def line(self, points, colour, width=2.5):
        path = "M" + "L".join(f"{self.x(s):.1f} {self.y(v):.1f}" for s, v in points)
        self.parts.append(
            f"<path d='{path}' fill='none' stroke='{colour}' stroke-width='{width}' stroke-linejoin='round'/>"
        )
        for s, v in points:
            self.parts.append(f"<circle cx='{self.x(s):.1f}' cy='{self.y(v):.1f}' r='{width + 1}' fill='{colour}'/>")

    def level(self, ns, label, font):
        y = self.y(ns)
        self.parts.append(
            f"<path d='M{self.left} {y:.1f}h{self.width}' stroke='{TEXT}' stroke-width='1.5' stroke-dasharray='5 4'/>"
        )
        # At a place below which the axis has no number.
        self.parts.append(text_at(self.left + self.width * 0.65, y + font + 4, label, font, anchor="middle"))


def points_of(m, name, library):
    values = [(size, m.number("lookup", name, size, library)) for size in m.sizes]
    return [(size, value) for size, value in values if value]


def legend(x, y, font=14, step=None):
    parts = []
    for library, title in NAME.items():
        parts.append(f"<circle cx='{x + 5}' cy='{y - font * 0.35:.1f}' r='5' fill='{COLOUR[library]}'/>")
        parts.append(text_at(x + 16, y, title, font, COLOUR[library], weight="600"))
        x += step or 30 + len(title) * font * 0.6
    return parts


def one_plot(m, name):
    lines = {library: points_of(m, name, library) for library in NAME}
    values = [v for points in lines.values() for _, v in points]
    fstat = m.number("lookup", "fstat", m.sizes[0], "ours")
    if not lines["ours"]:
        return None
    width, height = 760, 420
    panel = Panel(78, 62, 640, 300, m.sizes, min([*values, fstat or values[0]]), max(values))
    panel.frame(14)
    if fstat:
        panel.level(fstat, "one fstat(2)", 13)
    for library in reversed(NAME):
        if lines[library]:
            panel.line(lines[library], COLOUR[library], 3)
    parts = [text_at(12, 24, f"{name}: time of one lookup, by entries of the file", 17, TEXT, weight="600")]
    parts += legend(78, 48) + panel.parts
    parts.append(text_at(398, height - 8, "entries, both scales logarithmic", 13, TEXT, anchor="middle"))
    return svg(width, height, parts, f"{name} by entries: nss_wrapper_rs, nss_wrapper, glibc")


def all_plots(m):
    names = [n for n in LOOKUPS if points_of(m, n, "ours")]
    values = [v for n in names for who in NAME for _, v in points_of(m, n, who)]
    columns, wide, tall = 3, 330, 230
    rows = math.ceil(len(names) / columns)
    parts = [text_at(12, 24, "Time of one lookup, by entries of the file", 17, TEXT, weight="600")]
    parts += legend(12, 50)
    for i, name in enumerate(names):
        left, top = 62 + (i % columns) * wide, 96 + (i // columns) * tall
        panel = Panel(left, top, wide - 86, tall - 80, m.sizes, min(values), max(values))
        panel.frame(11)
        for library in reversed(NAME):
            if points := points_of(m, name, library):
                panel.line(points, COLOUR[library], 2.2)
        parts.append(text_at(left, top - 12, shown(name), 14, TEXT, weight="600"))
        parts += panel.parts
    return svg(columns * wide + 10, 80 + rows * tall, parts, "all lookups by entries")


def dots_plot(m):
    """Whole processes and first lookups: one row each, a dot for each library, time to the right."""
    rows = []
    for kind, name, title in (
        *(("process", name, title.replace("`", "")) for name, title in PROCESSES.items()),
        *(("first", name, f"first {name}") for name in FIRST),
    ):
        for size in m.sizes:
            values = {who: m.number(kind, name, size, who) for who in NAME}
            rows.append((f"{title}, {count(size)} entries", values))
    rows = [(title, values) for title, values in rows if values["ours"]]
    everything = [v for _, values in rows for v in values.values() if v]
    if not everything:
        return None
    left, right, top, step = 260, 730, 84, 30
    low, high = math.floor(math.log10(min(everything))), math.ceil(math.log10(max(everything)))
    x = lambda ns: left + (right - left) * (math.log10(ns) - low) / (high - low)
    bottom = top + step * len(rows)
    parts = [text_at(12, 24, "Whole processes and first lookups", 17, TEXT, weight="600")]
    parts += legend(12, 50)
    for power in range(low, high + 1):
        at = x(10.0**power)
        parts.append(f"<path d='M{at:.1f} {top - 12}V{bottom - 6}' stroke='{GRID}'/>")
        parts.append(text_at(at, bottom + 14, axis_label(10**power), 13, anchor="middle"))
    for i, (title, values) in enumerate(rows):
        y = top + step * i
        parts.append(text_at(left - 16, y + 5, title, 14, anchor="end"))
        ends = [x(v) for v in values.values() if v]
        parts.append(f"<path d='M{min(ends):.1f} {y}H{max(ends):.1f}' stroke='{TEXT}' stroke-width='1.5'/>")
        for who in reversed(NAME):
            if values[who]:
                parts.append(f"<circle cx='{x(values[who]):.1f}' cy='{y}' r='6' fill='{COLOUR[who]}'/>")
    return svg(760, bottom + 30, parts, "whole processes and first lookups")


# ---- pages ----


def machine():
    def first(command):
        try:
            return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[0]
        except (OSError, subprocess.CalledProcessError, IndexError):
            return ""

    model = ""
    try:
        with open("/proc/cpuinfo") as file:
            model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "")
    except OSError:
        pass
    peer = first(["dpkg-query", "-W", "-f", "${Version}\n", "libnss-wrapper"])
    parts = [f"{os.cpu_count()} × {model or platform.machine()}", f"Linux {platform.release()}"]
    parts.append(" ".join(platform.libc_ver()))
    parts.append(f"libnss-wrapper {peer}" if peer else "")
    return ", ".join(part for part in parts if part)


def busy():
    """A warning if the machine was busy: then times are too long, and ratios of short times are uncertain."""
    load, processors = os.getloadavg()[1], os.cpu_count() or 1
    if load < 2 * processors:
        return ""
    return (f"\n**The machine did other work meanwhile** (a load of {load:.0f} on {processors} processors): times are too long, "
            "and ratios are uncertain for times of a few microseconds, and for several threads.\n")  # fmt: skip


def page(m, plots):
    pictures = "\n".join(f"![{title}]({file})\n" for file, title in plots)
    return f"""<!-- Made by ci/bench. Do not edit. -->

# Measurements

What is compared was measured in one run, in turn; each number is a median. "The peer" is Debian's `libnss-wrapper`. glibc's
files module reads the same files, mounted at `/etc/passwd` and so on. The entries that are asked for are chosen at random.
A ratio below 1 is in favour of nss_wrapper_rs. "late" means no answer within 10 s, "–" that one side does not have the
function. Measured on {machine()}.
{busy()}
{pictures}
## What users pay

{process_table(m)}
{fault_table(m)}
The library has another address in each process, and the kernel maps 64 KiB around a missing page. So the faults are means.

{other_table(m)}
## Goals

{goals(m)}
What limits them:

- A first lookup makes six system calls, and runs some 5,000 instructions of the library and as many of libc. Its code lies
  among what the loader has read already (ci/link-order), so that it has hardly a page fault of its own. The synthetic user's
  first lookup reads two files: `/etc/passwd`, and nsswitch.conf, which says whether libc has other services to ask. Without
  that it takes 1.16 to 1.19 of a file's first lookup, but then it would not see a user whom such a service names.
- initgroups is little more than setgroups(2), which it has to make, and which takes longer by itself than the limits allow
  (below, "Lookups, in time").
- `true` and `id` are the kernel's and the loader's work for the most part. A library with nothing in it adds most of what ours
  does to `true`: the loader finds and reads the file and maps its two segments. Ours has a third one, with data, two pages that
  are written to, and symbols of libc, each of which takes the loader some 600 instructions.
- Lines with longer ids are longer: a first lookup reads all of them.
- getaddrinfo of a wrapped host is glibc's own function, whose semantics are kept so. For a host of several addresses it
  asks the kernel at each call whether resolv.conf has changed, which takes longer than all that the peer does.
- Two threads share parts of their processors, as fstat(2) with a descriptor for each shows too; on a busy machine they lose
  more by that.
- A lookup makes one system call, fstat(2), which takes more than two thirds of its time among few entries. statx(2), and
  reading an inotify descriptor, cost as much or more. The alignment that the compiler happens to choose changes the rest by
  some 10 ns.
- Among a million entries the index is larger than the caches. The lookup has to wait for its slot, because the slot has the
  line's address: perf shows about 125 ns for that, and 30 for the page tables of the line. The line itself is fetched while
  the kernel works. The places of a million lines cannot be stored in less than 18 bits each. Copies of the lines in the order
  of their hashes would need no slots, but one copy for names and one for ids take more than twice the memory of the files.

## Lookups, of the peer's time

{lookup_table(m, "peer")}
## Lookups, of glibc's time

{lookup_table(m, "glibc")}
## Lookups, in time

{own_table(m)}
## Threads

{thread_table(m)}
## Memory

Resident memory of a process after lookups in both files, minus that of the same process with glibc alone.

{memory_table(m)}"""


def instructions_page(m):
    def value(n):
        return count(round(n)) if isinstance(n, float) else "–"

    parts = []
    if os.path.exists(BASE):
        parts.append(f"## Before and now\n\n{BASE_TEXT}\n{base_table(m)}")
    for kind, title, names in (
        ("lookup", "One lookup", LOOKUPS),
        ("first", "A first lookup", FIRST),
        ("process", "One process from start to end", ["true", "id"]),
    ):
        head = ["", "entries", *NAME.values(), "of the peer", "of glibc"]
        rows = []
        for name in names:
            for size in m.sizes:
                values = [m.get(kind, name, size, who) for who in NAME]
                if values[0] is not None:
                    cells = [ratio(values[0], values[1]), ratio(values[0], values[2])]
                    rows.append([shown(name), count(size), *map(value, values), *cells])
        parts.append(f"## {title}\n\n{table(head, rows)}")
    sections = "\n".join(parts)
    return f"""<!-- Made by ci/bench --instructions. Do not edit. -->

# Instructions

Counted by callgrind, which sees the instructions of the program, not those of the kernel. Unlike times they are almost the same
in every run. "–" was not counted, because it would take a quarter of an hour. Measured on {machine()}.

{sections}"""


BASE_TEXT = """"Before" is the library before it was rearranged (commit 850afe7), built and counted on the same machine. `true` is a whole
process, with its loader.
"""


def base_table(m):
    """Instructions among ten entries, then and now."""
    base, rows = Measured(BASE), []
    titles = {"lookup": "{}", "first": "first {}", "process": "`{}` preloaded"}
    for (kind, name, size, _, who), was in base.rows.items():
        now = m.number(kind, name, size, who)
        if who == "ours" and size == 10 and now is not None and isinstance(was, float):
            title = titles[kind].format(shown(name))
            rows.append([title, count(round(was)), count(round(now)), f"{now / was:.2f}"])
    return table(["10 entries", "before", "now", "ratio"], rows)


def main():
    arguments = [a for a in sys.argv[1:] if a != "--instructions"]
    if len(arguments) != 2:
        sys.exit(__doc__)
    m, directory = Measured(arguments[0]), arguments[1]

    def write(name, content):
        with open(os.path.join(directory, name), "w") as file:
            file.write(content)

    if "--instructions" in sys.argv:
        text = instructions_page(m)
        write("bench-instructions.md", text)
    else:
        plots = []
        for name, title, content in (
            ("bench-processes.svg", "Whole processes and first lookups", dots_plot(m)),
            ("bench-getpwuid_r.svg", "getpwuid_r by entries", one_plot(m, "getpwuid_r")),
            ("bench-lookups.svg", "All lookups by entries", all_plots(m)),
        ):
            if content:
                write(name, content)
                plots.append((name, title))
        text = page(m, plots)
        write("bench.md", text)
    print(text)


if __name__ == "__main__":
    main()
