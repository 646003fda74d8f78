"""The fault campaign: runs every layer and its negative controls, prints the table; `tools/torture` starts it.

Layers without processes run in `narada-torture`; those on real programs are here. Each layer gives cases, faults
and what it found: `lost` (acknowledged and gone), `accepted` (damaged and read as sound) and `wrong` (anything
else). A layer is judged by the same code with its controls, writers and readers that are broken on purpose and
live in `narada-torture` alone: each must be caught.
"""

import argparse
import base64
import collections
import hashlib
import importlib.util
import itertools
import json
import os
import random
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
_spec = importlib.util.spec_from_file_location("read_ledger", ROOT / "tools/read-ledger.py")
second = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(second)

# Each opened segment takes a megabyte to read ahead into: glibc is to keep it between cases.
os.environ.update(MALLOC_MMAP_THRESHOLD_="33554432", MALLOC_TRIM_THRESHOLD_="1073741824",
                  SWIFT_BACKTRACE="enable=no", NO_COLOR="1")
for name in [name for name in os.environ if name.startswith(("NARADA_", "SPOTIFY_", "LASTFM_"))]:
    del os.environ[name]


class NotRun(Exception):
    """This machine cannot run a layer; the text says why."""


class Tally:
    """What a layer found; added up over threads and processes."""

    def __init__(self):
        self.cases = self.faults = 0
        self.found, self.figures, self.failures = collections.Counter(), collections.Counter(), []
        self._lock = threading.Lock()

    def case(self, faults=1):
        """One more case with so many faults."""
        with self._lock:
            self.cases += 1
            self.faults += faults

    def fail(self, kind, text):
        """Something that must not be: lost, accepted or wrong."""
        with self._lock:
            self.found[kind] += 1
            if len(self.failures) < 8:
                self.failures.append(f"{kind}: {text}")

    def count(self, figure, number=1):
        """A further figure."""
        with self._lock:
            self.figures[figure] += number

    def add(self, report):
        """Takes in a line that `narada-torture` printed."""
        with self._lock:
            self.cases += report["cases"]
            self.faults += report["faults"]
            self.found.update({kind: report[kind] for kind in ("lost", "accepted", "wrong")})
            self.figures.update(report["figures"])
            self.failures += report["failures"][:max(0, 8 - len(self.failures))]


class Plan:
    """How much is to be done, from which seed, with what broken."""

    def __init__(self, options, broken=None, cases=None):
        self.seed, self.full, self.broken = options.seed, options.full, broken
        self.cases = cases or options.cases
        self.programs = Path(options.programs)
        self.grow = options.grow

    def pick(self, quick, full):
        """The number of cases: as asked for, or by the kind of run; a control takes few."""
        return self.cases or (full if self.full else quick)

    def program(self, name):
        """The path of one of Narada's programs."""
        return str(self.programs / name)


JOBS = os.cpu_count() or 2


def inside(layer, quick, full, chunk):
    """A layer that runs in `narada-torture`, cut into processes of so many cases."""
    def run(plan, tally):
        cases = plan.pick(quick, full)
        size = max(1, min(chunk, -(-cases // JOBS)))
        def part(first):
            command = [plan.program("narada-torture"), layer, "--seed", str(plan.seed + first),
                       "--cases", str(min(size, cases - first))]
            command += ["--full"] * plan.full + (["--broken", plan.broken] if plan.broken else [])
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                tally.fail("wrong", f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-300:]}")
            else:
                tally.add(json.loads(done.stdout))
        with ThreadPoolExecutor(JOBS) as pool:
            list(pool.map(part, range(0, cases, size)))
    return run


def fuzz(plan, tally):
    """Mutations in children with 256 MB; one that dies or hangs tells the seed it was at."""
    cases = plan.pick(4000, 200_000)
    size = max(1, min(1000, -(-cases // JOBS)))
    bound = 256 << 20

    def limits():
        resource.setrlimit(resource.RLIMIT_DATA, (bound, bound))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def part(first):
        with tempfile.TemporaryDirectory() as folder:
            note = Path(folder) / "note"
            end = first + min(size, cases - first)
            while first < end:
                command = [plan.program("narada-torture"), "fuzz", "--seed", str(plan.seed + first), "--cases",
                           str(end - first)] + (["--broken", plan.broken] if plan.broken else [])
                try:
                    done = subprocess.run(command, capture_output=True, text=True, check=False, preexec_fn=limits,
                                          timeout=(5 if plan.broken else 600),
                                          env={**os.environ, "TORTURE_NOTE": str(note)})
                    if done.returncode == 0:
                        return tally.add(json.loads(done.stdout))
                    what = f"ended with {done.returncode} {done.stderr.strip()[-100:]}"
                except subprocess.TimeoutExpired:
                    what = "hangs"
                at = int(note.read_text()) if note.exists() else plan.seed + first
                tally.fail("wrong", f"{what}, seed {at}")
                tally.case(at - plan.seed - first + 1)
                first = at - plan.seed + 1
                if plan.broken:
                    return None
        return None

    with ThreadPoolExecutor(JOBS) as pool:
        list(pool.map(part, range(0, cases, size)))


def guided(plan, tally):
    """libFuzzer, guided by coverage, on the parsers; a case is an input. For full runs: the build takes minutes."""
    if not plan.full:
        raise NotRun("only with --full")
    build = ["swift", "build", "-c", "release", "--scratch-path", ".build-fuzz", "--product", "narada-fuzz",
             "-Xswiftc", "-sanitize=fuzzer"]
    built = subprocess.run(build, cwd=ROOT, env={**os.environ, "NARADA_FUZZ": "1"}, capture_output=True, text=True,
                           check=False)
    if built.returncode:
        raise NotRun(f"it could not be built: {built.stdout[-300:]}")
    program = str(ROOT / ".build-fuzz/release/narada-fuzz")
    committed = ROOT / "Tests/Torture/corpus.txt"
    with scratch() as folder:
        first, found, least = (Path(folder) / name for name in ("first", "found", "least"))
        for path in (first, found, least):
            path.mkdir()
        subprocess.run([program, "--inputs", str(first)], check=True, capture_output=True)

        def part(number):
            seconds = 20 if plan.broken else plan.cases or 600
            command = [program, f"-seed={plan.seed + number}", f"-max_total_time={seconds}", "-rss_limit_mb=256",
                       "-timeout=5", "-max_len=65536", "-detect_leaks=0", "-reload=1",
                       "-print_final_stats=1", f"-artifact_prefix={folder}/{number}-", str(found), str(first)]
            done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False,
                                  env={**os.environ, "TORTURE_BROKEN": plan.broken or ""})
            stat = dict(re.findall(r"stat::(\w+):\s+(\d+)", done.stderr))
            ran = int(stat.get("number_of_executed_units", 0))
            tally.count("inputs run", ran)
            with tally._lock:
                tally.cases += ran
                tally.faults += ran
            covered = re.findall(r"cov: (\d+)", done.stderr)
            if covered:
                tally.count("places in the code reached, first run", int(covered[-1]) if number == 0 else 0)
            if done.returncode:
                crash = next(Path(folder).glob(f"{number}-*"), None)
                tally.fail("wrong", f"{done.stderr.strip()[-200:]} on the input "
                           + (base64.b64encode(crash.read_bytes()).decode()[:4000] if crash else "?"))

        with ThreadPoolExecutor(JOBS) as pool:
            list(pool.map(part, range(JOBS)))
        if plan.broken:
            return
        tally.count("inputs kept", len(list(found.iterdir())))
        # The least inputs that reach all of it; small ones alone, for they are kept with the project.
        subprocess.run([program, "-merge=1", "-max_len=2048", "-detect_leaks=0", str(least), str(found)], check=True,
                       capture_output=True)
        lines = sorted(base64.b64encode(path.read_bytes()).decode() for path in least.iterdir())
        if plan.grow:
            committed.write_text("\n".join(lines) + "\n")


def scratch():
    """A folder for homes, in memory where there is such a place: killing programs needs no disk."""
    place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    return tempfile.TemporaryDirectory(prefix="narada-torture-", dir=place)


ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def playlist_uri(number):
    """A playlist's URI from a number."""
    digits = "".join(ALPHABET[number >> 5 * place & 31] for place in range(9, -1, -1))
    return "narada:playlist:01JD9V5T8Q6Z3M1K" + digits


class Home:
    """A home and Narada's programs on it."""

    def __init__(self, plan, path):
        self.plan, self.path = plan, Path(path)
        self.ledger = self.path / "ledger"

    def run(self, name, *arguments, launcher=(), timeout=120):
        """Runs a program to its end."""
        return subprocess.run([*launcher, self.plan.program(name), *arguments, "--home", str(self.path)],
                              capture_output=True, text=True, check=False, timeout=timeout)

    def must(self, name, *arguments):
        """Runs a program that must succeed."""
        done = self.run(name, *arguments)
        if done.returncode:
            raise RuntimeError(f"{name} {arguments} ended with {done.returncode}: {done.stderr}")
        return done

    def append(self, number, **options):
        """Appends one event by hand."""
        return self.run("narada-cmd", "append", "--type", "playlist.created", "--stream", playlist_uri(number),
                        "--data", json.dumps({"name": f"List {number}"}), "--json", **options)

    def lines(self):
        """All events, as the second reader reads them; a tail that is torn is left out."""
        return second.Reading(self.ledger).lines

    @classmethod
    def template(cls, plan, folder):
        """A small life: history, playlists with edits, a sealed segment and an active one."""
        home = cls(plan, Path(folder) / "template")
        home.must("narada-cmd", "init")
        home.must("narada-cmd", "import", "spotify-history", str(export(folder, 0)))
        for number in range(3):
            home.append(number)
            home.must("narada-cmd", "playlist", "add", playlist_uri(number), f"spotify:track:{'0' * 21}{number}")
        home.must("narada-cmd", "seal")
        for number in range(3, 6):
            home.append(number)
        home.must("narada-project")
        return home

    def copy(self, folder):
        """Another home with the same files."""
        path = tempfile.mkdtemp(dir=folder)
        shutil.copytree(self.path, path, dirs_exist_ok=True)
        return Home(self.plan, path)


def export(folder, number, rows=30):
    """A file of an export, with rows of its own."""
    path = Path(folder) / f"Streaming_History_Audio_{number}.json"
    path.write_text(json.dumps([{
        "ts": f"2024-0{number % 9 + 1}-02T{hour // 60:02}:{hour % 60:02}:00Z", "platform": "ios", "ms_played": 200000 + number,
        "conn_country": "DE", "master_metadata_track_name": f"T{hour}", "master_metadata_album_artist_name": "A",
        "master_metadata_album_album_name": "B", "spotify_track_uri": f"spotify:track:{number:011}{hour:011}",
        "reason_start": "clickrow", "reason_end": "trackdone", "shuffle": False, "skipped": None,
        "incognito_mode": False} for hour in range(0, 3 * rows, 3)]))
    return path


def acknowledged(done):
    """The last seq that a program said was kept; 0 for none."""
    last = 0
    for line in done.stdout.splitlines():
        try:
            last = max(last, json.loads(line).get("last") or 0)
        except (ValueError, AttributeError):
            pass
    return last


def judge(home, before, done, tally, what, cut=None):
    """What must hold after a program ended in any way: all that was there and all that was acknowledged is there,
    the log verifies, an append works, the tables are those that a rebuild gives."""
    def fail(kind, text):
        tally.fail(kind, f"{text} ({what})")
    again = home.append(999_999)
    if again.returncode:
        return fail("lost", f"no append works any more: {again.stderr.strip()[-300:]}")
    verified = home.run("narada", "log", "verify")
    if verified.returncode:
        return fail("lost", f"verify: {verified.stderr.strip()[-300:]}")
    try:
        reading = second.Reading(home.ledger)
    except second.Damage as damage:
        return fail("accepted", f"the second reader: {damage}")
    if reading.tail or verified.stdout.split()[0] != f"{len(reading.lines)}:{reading.chain.hex()}":
        fail("accepted", "the two readers differ")
    lines = reading.lines
    if lines[:len(before)] != before and not (cut and lines[:cut - 1] == before[:cut - 1]):
        return fail("lost", "what was there before is not there")
    own = sum(b'"ledger.' in line for line in lines)
    if acknowledged(done) > len(lines) - 1 - own + sum(b'"ledger.' in line for line in before):
        return fail("lost", f"event {acknowledged(done)} was acknowledged")
    checked = home.run("narada-project", "--check")
    if checked.returncode:
        fail("lost", f"tables: {checked.stderr.strip()[-300:]}{checked.stdout.strip()[-200:]}")
    return None


CALLS = ["pwrite64", "fdatasync", "fsync", "rename", "openat", "ftruncate", "unlink"]


class Deed:
    """Something that real programs do to a home: a program and its arguments; what a repair leaves for sure."""

    def __init__(self, name, program, arguments, cut=None, prepare=None):
        self.name, self.program, self.arguments, self.cut = name, program, arguments, cut
        self.prepare = prepare or (lambda home: None)

    def traced(self, home, folder, calls, inject=None, timeout=120):
        """Runs it under strace; gives the result and the trace."""
        trace = Path(folder) / f"trace-{home.path.name}"
        launcher = ["strace", "-f", "-y", "-qq", "-o", str(trace), "-e", f"trace={','.join(calls)}"]
        if inject:
            launcher += ["-e", f"inject={inject}"]
        done = home.run(self.program, *self.arguments, launcher=launcher, timeout=timeout)
        text = trace.read_text(errors="replace") if trace.exists() else ""
        trace.unlink(missing_ok=True)
        return done, text


def deeds(plan, folder):
    """What is killed and failed, or what a control does in place of it."""
    control = ["--broken", plan.broken] if plan.broken else []
    if plan.broken == "checkpoint-apart":
        return [Deed("catch-up", "narada-torture", ["project-apart"], prepare=behind)]
    if plan.broken:
        return [Deed("append", "narada-torture", ["write", "--count", "3", *control])]
    return [
        Deed("append", "narada-cmd", ["append", "--type", "playlist.created", "--stream", playlist_uri(77), "--data",
                                      '{"name":"X"}', "--json"]),
        Deed("import", "narada-cmd", ["import", "spotify-history", str(export(folder, 1)), "--json"]),
        Deed("seal", "narada-cmd", ["seal", "--json"]),
        Deed("rebuild", "narada-project", ["--rebuild"]),
        Deed("catch-up", "narada-project", [], prepare=behind),
        Deed("repair", "narada-cmd", ["repair", "--discard-from", "38", "--json"], cut=38),
        Deed("first", "narada-cmd", ["init"], prepare=lambda home: shutil.rmtree(home.path)),
    ]


def behind(home):
    """Leaves the tables behind the log."""
    subprocess.run([home.plan.program("narada-torture"), "write", "--count", "3", "--home", str(home.path)],
                   check=True, capture_output=True)


def injected(plan, folder, tally, inject, calls, step, each):
    """Every deed with every call made to fail at n = 1, 2… until it runs through; `each` judges a case."""
    template = Home.template(plan, folder)
    probe = subprocess.run(["strace", "-qq", "-o", "/dev/null", "true"], capture_output=True, check=False)
    if probe.returncode:
        raise NotRun("strace may not trace here")

    def row(work):
        deed, call = work
        home = template.copy(folder)
        deed.prepare(home)
        done, trace = deed.traced(home, folder, CALLS)
        # What the loader opens before the home is looked at cannot hurt it.
        openings = [line for line in trace.splitlines() if " openat(" in line]
        first = next((index for index, line in enumerate(openings) if str(home.path) in line), 0)
        if done.returncode:
            tally.fail("wrong", f"{deed.name} by itself ended with {done.returncode}: {done.stderr[-300:]}")
        shutil.rmtree(home.path)
        if f" {call}(" not in trace:
            return
        number = first if call == "openat" else 1
        number = max(1, number)
        while True:
            home = template.copy(folder)
            deed.prepare(home)
            before = home.lines() if home.ledger.exists() else []
            done, trace = deed.traced(home, folder, calls(call), inject(call, number))
            is_injected = done.returncode in (-9, 137) or "INJECTED" in trace
            if is_injected:
                tally.case()
                each(home, before, done, trace, deed, call, number)
            shutil.rmtree(home.path, ignore_errors=True)
            if not is_injected or number > 400:
                return
            number += step if call in ("openat", "pwrite64") else 1

    work = [(deed, call) for deed in deeds(plan, folder) for call in CALLS]
    with ThreadPoolExecutor(JOBS + 1) as pool:
        list(pool.map(row, work))


def kills(plan, tally):
    """The real programs killed before every call that changes or opens something."""
    def each(home, before, done, _trace, deed, call, number):
        judge(home, before, done, tally, f"{deed.name} killed at {call} {number}", deed.cut)
    with scratch() as folder:
        injected(plan, folder, tally, lambda call, number: f"{call}:signal=KILL:when={number}", lambda call: [call],
                 1 if plan.full or plan.broken else 4, each)


def errors(plan, tally):
    """The same with errors of the system, and a disk that is really full."""
    codes = {"pwrite64": ["ENOSPC", "EDQUOT", "EIO", "EINTR"], "fdatasync": ["EIO", "ENOSPC"], "fsync": ["EIO"],
             "rename": ["EIO", "EROFS"], "openat": ["EROFS", "EIO"], "ftruncate": ["EIO"], "unlink": ["EROFS"]}

    def each(home, before, done, trace, deed, call, number):
        what = f"{deed.name} with an error at {call} {number}"
        if done.returncode not in (0, 64, 66, 69, 74, 75, 77, 78) and deed.program != "narada-torture":
            tally.fail("wrong", f"ended with {done.returncode}: {done.stderr.strip()[-200:]} ({what})")
        said = "error: " in done.stderr or '"error":' in done.stderr
        if done.returncode and not said and deed.program != "narada-torture":
            tally.fail("wrong", f"says nothing ({what})")
        after_errors(trace, tally, what)
        judge(home, before, done, tally, what, deed.cut)

    with scratch() as folder:
        rounds = max(map(len, codes.values())) if plan.full else 1
        for turn in range(1 if plan.broken else rounds):
            def inject(call, number, turn=turn):
                known = codes[call]
                # A quick run takes the errors in turn, a full one each at every place.
                code = known[(turn if plan.full else number - 1) % len(known)]
                return f"{call}:error={code}:when={number}"
            injected(plan, folder, tally, inject, lambda call: ["pwrite64", "fdatasync", "fsync", "ftruncate", call],
                     1 if plan.full or plan.broken else 5, each)
    if not plan.broken:
        full_disk(plan, tally)


def after_errors(trace, tally, what):
    """Rules 4 and 5 of the format, in the trace: after a failed write the segment is cut and synced; after a failed
    sync it is not synced again."""
    failed_sync, failed_write = set(), {}
    for line in trace.splitlines():
        found = re.search(r"(pwrite64|fdatasync|fsync|ftruncate)\(\d+<([^>]*\.lz4)>.*= (-?\d+)", line)
        if not found:
            continue
        call, path, result = found[1], found[2], int(found[3])
        if call in ("fdatasync", "fsync"):
            if path in failed_sync:
                tally.fail("wrong", f"{path} was synced again after a sync that failed ({what})")
            if result < 0:
                failed_sync.add(path)
            if failed_write.get(path) == "cut":
                del failed_write[path]
        elif call == "pwrite64" and result < 0 and "EINTR" not in line:
            failed_write[path] = "written"
        elif call == "ftruncate" and path in failed_write and result == 0:
            failed_write[path] = "cut"
    for path, state in failed_write.items():
        tally.fail("wrong", f"{path} was not cut back and synced after a failed write: {state} ({what})")


def full_disk(plan, tally):
    """A file system of 256 KB until nothing fits, then with room again."""
    with tempfile.TemporaryDirectory() as folder:
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", folder], capture_output=True,
                                 text=True, check=False)
        if mounted.returncode:
            raise NotRun(f"no small disk may be mounted: {mounted.stderr.strip()}")
        try:
            home = Home(plan, Path(folder) / "home")
            home.ledger.mkdir(parents=True)
            ballast = Path(folder) / "ballast"
            ballast.write_bytes(bytes(64 << 10))
            # The log alone: the tables of a home need more than such a disk has.
            rows = []
            write = [plan.program("narada-torture"), "write", "--home", str(home.path), "--count", "100000"]
            (home.ledger / "FORMAT").write_text(
                '{"format":"narada-ledger","version":1,"min_reader":1,"ledger_id":"x"}\n')
            for _ in range(3):
                done = subprocess.run(write, capture_output=True, text=True, check=False)
                tally.case()
                rows.append(acknowledged(done))
                if done.returncode == 0 or "No space" not in done.stderr:
                    tally.fail("wrong", f"a full disk: {done.returncode} {done.stderr[-200:]}")
                if len(home.lines()) < max(rows):
                    tally.fail("lost", f"{max(rows)} events were acknowledged on a full disk")
            ballast.unlink()
            done = subprocess.run(write[:-1] + ["2"], capture_output=True, text=True, check=False)
            if done.returncode or len(home.lines()) < max(rows) + 2:
                tally.fail("lost", f"with room again: {done.returncode} {done.stderr[-200:]}")
        finally:
            subprocess.run(["umount", folder], check=False)


def many(plan, tally):
    """One writer and four readers; writers that want to write at once; a holder of the lock that is killed."""
    seconds = 3 if plan.broken else 60 if plan.full else 6
    with tempfile.TemporaryDirectory(prefix="narada-torture-") as folder:
        home = Home.template(plan, folder)
        torture = plan.program("narada-torture")
        writers = 2 if plan.broken else 1
        write = [torture, "write", "--home", str(home.path), "--seconds", str(seconds)]
        write += ["--broken", plan.broken] if plan.broken else []
        # What writers say goes to files: a full pipe would stop them.
        said = [Path(folder) / f"said-{index}" for index in range(writers)]
        running = [subprocess.Popen(write, stdout=path.open("w"), stderr=subprocess.PIPE, text=True) for path in said]
        readers = [subprocess.Popen([torture, "read", "--home", str(home.path), "--seconds", str(seconds)],
                                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(4)]
        # Beside the long writer, commands that each want the lock for a moment.
        others, end, number = 0, time.monotonic() + seconds, 1000
        while time.monotonic() < end and not plan.broken:
            number += 1
            done = home.append(number)
            tally.case(0)
            if done.returncode:
                tally.fail("lost", f"a second writer: {done.stderr.strip()[-200:]}")
            others += 1
        for process in running + readers:
            out, err = process.communicate()
            tally.case()
            if process.returncode:
                tally.fail("accepted", f"{process.args[1]}: {err.strip()[-300:]}")
            elif process.args[1] == "read":
                tally.count("passes of readers", json.loads(out)["passes"])
        events = sum(path.read_text().count("\n") for path in said)
        tally.count("events beside readers", events)
        try:
            lines = len(home.lines())
            if not plan.broken and lines < others + events:
                tally.fail("lost", f"{others + events} acknowledged, {lines} there")
        except second.Damage as damage:
            tally.fail("accepted", str(damage))
        if plan.broken:
            return
        home = Home.template(plan, tempfile.mkdtemp(dir=folder))
        for turn in range(40 if plan.full else 5):
            path = Path(folder) / f"holder-{turn}"
            holder = subprocess.Popen([torture, "write", "--home", str(home.path), "--seconds", "60"],
                                      stdout=path.open("w"), stderr=subprocess.DEVNULL)
            while not path.stat().st_size:
                time.sleep(0.001)
            time.sleep(0.003 * turn)
            holder.send_signal(signal.SIGKILL)
            holder.wait()
            told = acknowledged(subprocess.CompletedProcess([], 0, path.read_text(), ""))
            start = time.monotonic()
            done = home.append(5000 + turn)
            tally.case()
            reading = second.Reading(home.ledger)
            if done.returncode or acknowledged(done) != len(reading.lines) or len(reading.lines) <= told:
                tally.fail("lost", f"after the holder was killed at {told}: {len(reading.lines)} events, "
                                   f"{done.returncode} {done.stdout[-200:]} {done.stderr.strip()[-200:]}")
            elif time.monotonic() - start > 5:
                tally.fail("wrong", f"the lock came after {time.monotonic() - start:.1f} s")


def interleaved(plan, tally):
    """Real programs in random interleavings, killed at random; a case is a home with some rounds of them."""
    cases = plan.pick(6, 300)

    def case(offset):
        seed = plan.seed + offset
        with scratch() as folder:
            try:
                life = Interleaving(plan, seed, folder, tally)
                for _ in range(6):
                    life.round()
            except RuntimeError as error:
                tally.fail("wrong", f"{error}, seed {seed}")

    with ThreadPoolExecutor(JOBS) as pool:
        list(pool.map(case, range(cases)))


class Interleaving:
    """One home and what was acknowledged on it."""

    def __init__(self, plan, seed, folder, tally):
        self.plan, self.seed, self.folder, self.tally = plan, seed, folder, tally
        self.random = random.Random(seed)
        self.home = Home.template(plan, folder)
        self.kept = self.home.lines()
        self.number = 100

    def start(self, name, *arguments):
        """Starts a program."""
        return subprocess.Popen([self.plan.program(name), *arguments, "--home", str(self.home.path)], text=True,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def writer(self):
        """A command that appends, or seals."""
        self.number += 1
        kind = self.random.randrange(4)
        if kind == 0:
            return self.start("narada-cmd", "seal", "--json")
        if kind == 1:
            return self.start("narada-cmd", "playlist", "add", playlist_uri(1),
                              f"spotify:track:{self.number:022}", "--json")
        if kind == 2:
            return self.start("narada-cmd", "import", "spotify-history", "--json",
                              str(export(self.folder, self.number, rows=5)))
        return self.start("narada-cmd", "append", "--type", "playlist.created", "--stream", playlist_uri(self.number),
                          "--data", json.dumps({"name": f"List {self.number}"}), "--json")

    def projector(self):
        """A projector: ours, or a broken one."""
        if self.plan.broken:
            return self.start("narada-torture", "project-apart")
        return self.start("narada-project", *([] if self.random.random() < 0.6 else ["--rebuild"]))

    def reader(self):
        """A reader of the tables or of the log."""
        return self.start("narada", *self.random.choice([["status"], ["log", "verify"], ["playlist", playlist_uri(1)]]))

    def round(self):
        """Some programs at once, some of them killed; then all that must hold."""
        cut, sure = None, len(self.kept)
        has_list = any(playlist_uri(1).encode() in line for line in self.kept)
        if self.random.random() < 0.2 and len(self.kept) > 8 and not self.plan.broken:
            cut = self.random.randint(len(self.kept) - 5, len(self.kept))
            # A commit goes whole.
            sure = max(first for first in second.Reading(self.home.ledger).commits if first <= cut) - 1
            has_list = any(playlist_uri(1).encode() in line for line in self.kept[:sure])
            programs = [self.start("narada-cmd", "repair", "--discard-from", str(cut), "--json")]
        else:
            programs = [self.writer() for _ in range(self.random.randint(1, 3))]
        programs += [self.projector() for _ in range(self.random.randint(1, 2))] + [self.reader()]
        killed = set()
        for program in self.random.sample(programs, self.random.randint(0, 2)):
            time.sleep(self.random.random() * 0.03)
            if program.poll() is None:
                program.send_signal(signal.SIGKILL)
                killed.add(program)
        last, what = 0, f"seed {self.seed}"
        for program in programs:
            out, err = program.communicate(timeout=120)
            if program in killed:
                continue
            if cut is None:
                last = max(last, acknowledged(subprocess.CompletedProcess([], 0, out, err)))
            # 75 is a lock that others hold for long; a reader of a log that is being repaired may refuse. Repairs of
            # earlier rounds may have given up the playlist that some commands name.
            fine = (0, 75) if cut is None else (0, 65, 74, 75)
            if not has_list and playlist_uri(1) in program.args:
                fine += (66,)
            if program.returncode not in fine and not self.plan.broken:
                self.tally.fail("wrong", f"{program.args[1:3]}: {program.returncode} {err.strip()[-200:]}, {what}")
        self.tally.case(len(killed))
        self.check(self.kept[:sure], last, what)

    def check(self, sure, last, what):
        """No edit lost, no checkpoint ahead of the log, no stale row."""
        try:
            lines = self.home.lines()
        except second.Damage as damage:
            return self.tally.fail("accepted", f"{damage}, {what}")
        if lines[:len(sure)] != sure or last > len(lines):
            self.tally.fail("lost", f"acknowledged events, {what}")
        database = self.home.path / "narada.db"
        if database.exists():
            connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
            try:
                seq, chain = connection.execute("SELECT seq, chain FROM checkpoint").fetchone()
                if seq > len(lines):
                    self.tally.fail("lost", f"the tables know event {seq}, the log {len(lines)}, {what}")
            except sqlite3.Error as error:
                self.tally.count(f"tables unreadable by others: {error}")
            finally:
                connection.close()
        checked = self.home.run("narada-project", "--check")
        if checked.returncode:
            self.tally.fail("lost", f"tables: {checked.stderr.strip()[-300:]} {checked.stdout.strip()[-200:]}, {what}")
        opened = self.home.append(10_000 + self.number)
        self.number += 1
        if opened.returncode:
            self.tally.fail("lost", f"no append: {opened.stderr.strip()[-200:]}, {what}")
        self.kept = self.home.lines()
        return None


def golden(plan, tally):
    """Ledgers of every format and event version, and a sample life, by both readers."""
    with tempfile.TemporaryDirectory() as folder:
        homes = sorted((ROOT / "Tests/EventsTests/Goldens").glob("ledger-*"))
        for place in homes + [Home.template(plan, folder).ledger]:
            home = Path(tempfile.mkdtemp(dir=folder))
            shutil.copytree(place, home / "ledger", dirs_exist_ok=True)
            if plan.broken == "skip-chain":
                forge(sorted((home / "ledger").glob("*.lz4"))[0])
            tally.case(0)
            try:
                reading = second.Reading(home / "ledger", chained=plan.broken != "skip-chain")
                mine = [reading.lines, f"{len(reading.lines)}:{reading.chain.hex()}"]
            except second.Damage as damage:
                tally.fail("accepted", f"{place.name}, the second reader: {damage}")
                continue
            shown = Home(plan, home)
            cat = shown.run("narada", "log", "cat")
            verified = shown.run("narada", "log", "verify")
            theirs = [cat.stdout.encode().splitlines(), verified.stdout.split("\n")[0].split(" ")[0]]
            if mine != theirs:
                tally.fail("wrong", f"{place.name}: the readers differ: {theirs[1]} {mine[1]} {verified.stderr[-200:]}")
            for seq in range(1, len(reading.lines) + 1):
                tally.case(0)
                expected = f"{seq}:{reading.chains[seq - 1].hex()}"
                if seq % 7 == 1 and shown.run("narada", "log", "verify", "--expect", expected).returncode:
                    tally.fail("wrong", f"{place.name}: the chain at {seq}")
            tally.count("events compared", len(reading.lines))


def forge(path):
    """Another letter in the last commit, and all sums anew: only the chain can tell."""
    data = bytearray(path.read_bytes())
    at = 111
    while True:
        header = second.Header(bytes(data[at:at + 96]))
        if at + 96 + header.frame >= len(data):
            break
        at += 96 + header.frame
    raw = subprocess.run(["lz4", "-dc"], input=bytes(data[at + 96:]), capture_output=True, check=True).stdout
    letter = raw.rindex(b'"') - 1
    raw = raw[:letter] + bytes([raw[letter] ^ 1]) + raw[letter + 1:]
    frame = bytes.fromhex("04224d18604082") + (len(raw) | 1 << 31).to_bytes(4, "little") + raw + bytes(4)
    head = bytearray(data[at:at + 88])
    head[28:32], head[32:36] = len(raw).to_bytes(4, "little"), len(frame).to_bytes(4, "little")
    head[36:44] = hashlib.sha256(frame).digest()[:8]
    data[at:] = head + hashlib.sha256(head).digest()[:8] + frame
    path.write_bytes(data)


class Layer:
    """A row of the table: its name, how it runs, the controls it must catch with so many cases each."""

    def __init__(self, name, run, controls, control_cases=1):
        self.name, self.run, self.controls, self.control_cases = name, run, controls, control_cases


LAYERS = [
    Layer("golden", golden, ["skip-chain"]),
    Layer("truncation", inside("truncation", 2, 40, 1), ["no-witness"]),
    Layer("bit-flips", inside("bit-flips", 4, 100, 2), ["skip-chain", "seal-without-read-back"]),
    Layer("lost-sectors", inside("lost-sectors", 2, 20, 1), ["zero-length-is-end"]),
    Layer("simulated-disk", inside("simulated-disk", 2000, 100_000, 500),
          ["no-fdatasync", "no-directory-sync", "retry-after-eio", "acknowledge-before-sync", "head-before-data"],
          100),
    Layer("kills", kills, ["acknowledge-before-sync", "checkpoint-apart"]),
    Layer("errors", errors, ["retry-after-eio"]),
    Layer("many-at-once", many, ["no-lock"]),
    Layer("fuzz", fuzz, ["careless-parser"], 200),
    Layer("fuzz-guided", guided, ["careless-parser"]),
    Layer("two-processes", interleaved, ["checkpoint-apart"], 8),
    Layer("model", inside("model", 60, 10_000, 50), ["wrong-restore"], 30),
    Layer("projections", inside("projections", 3, 200, 1), ["checkpoint-apart"]),
]


def run(layer, options):
    """Runs a layer and its controls; gives its row."""
    start = time.monotonic()
    tally, missed, why = Tally(), [], None
    try:
        layer.run(Plan(options), tally)
        for control in layer.controls:
            # Where real programs race, what is broken does not show in every round.
            caught = Tally()
            for turn in range(10):
                plan = Plan(options, control, layer.control_cases)
                plan.seed += 1000 * turn
                layer.run(plan, caught)
                if sum(caught.found.values()):
                    break
            else:
                missed.append(control)
    except NotRun as reason:
        why = str(reason)
    for failure in tally.failures:
        print(f"  {layer.name}: {failure}", file=sys.stderr)
        seed = re.search(r"seed (\d+)", failure)
        if seed:
            print(f"    again: tools/torture --only {layer.name} --seed {seed[1]} --cases 1", file=sys.stderr)
    return {"layer": layer.name, "cases": tally.cases, "faults": tally.faults, "lost": tally.found["lost"],
            "accepted": tally.found["accepted"], "wrong": tally.found["wrong"], "controls": layer.controls,
            "missed": missed, "figures": dict(tally.figures), "failures": tally.failures, "not_run": why,
            "seconds": round(time.monotonic() - start, 1)}


def is_green(row):
    """Whether a layer ran, found nothing and caught its controls."""
    return not (row["not_run"] or row["lost"] or row["accepted"] or row["wrong"] or row["missed"] or not row["cases"])


HEADINGS = ["layer", "cases", "faults injected", "lost", "accepted damage", "other", "control caught", "seconds"]


def cells(row):
    """A row as the table shows it."""
    if row["not_run"]:
        return [row["layer"], f"not run: {row['not_run']}", "", "", "", "", "", str(row["seconds"])]
    caught = "no: " + ", ".join(row["missed"]) if row["missed"] else f"yes ({len(row['controls'])})"
    return [row["layer"], f"{row['cases']:,}", f"{row['faults']:,}", str(row["lost"]), str(row["accepted"]),
            str(row["wrong"]), caught, str(row["seconds"])]


def main():
    """Runs what the command line asks for."""
    parser = argparse.ArgumentParser(prog="tools/torture", description="Tries to destroy ledgers, layer by layer.")
    parser.add_argument("--quick", action="store_true", help="a few minutes; the default")
    parser.add_argument("--full", action="store_true", help="hours")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--cases", type=int, help="how many cases in each layer")
    parser.add_argument("--only", action="append", choices=[layer.name for layer in LAYERS])
    parser.add_argument("--grow", action="store_true", help="fuzz-guided: keep the inputs that reach new code")
    parser.add_argument("--report", help="a Markdown table goes here, and JSON beside it")
    parser.add_argument("--programs", required=True, help=argparse.SUPPRESS)
    options = parser.parse_args()
    rows = []
    widths = [16, 12, 15, 4, 15, 5, 14, 7]
    def line(texts):
        print("  ".join(text.ljust(width) if index in (0, 6) else text.rjust(width)
                        for index, (text, width) in enumerate(zip(texts, widths))), flush=True)
    line(HEADINGS)
    for layer in LAYERS:
        if options.only and layer.name not in options.only or layer.run is guided and not options.full:
            continue
        rows.append(run(layer, options))
        line(cells(rows[-1]))
    notes = [f"{row['layer']}: " + ", ".join(f"{number:,} {name}" for name, number in sorted(row["figures"].items()))
             for row in rows if row["figures"]]
    print("\n".join(notes))
    if options.report:
        table = ["| " + " | ".join(HEADINGS) + " |", "|" + "---|" * len(HEADINGS)]
        table += ["| " + " | ".join(cells(row)) + " |" for row in rows]
        Path(options.report).write_text("\n".join(table + [""] + [f"- {note}" for note in notes]) + "\n")
        Path(options.report).with_suffix(".json").write_text(json.dumps(
            {"seed": options.seed, "full": options.full, "rows": rows}, indent=1) + "\n")
    return 0 if all(map(is_green, rows)) else 1


if __name__ == "__main__":
    sys.exit(main())
