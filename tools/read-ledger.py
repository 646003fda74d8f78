#!/usr/bin/env python3
"""A second reader of a ledger, written from docs/ledger-format.md alone; needs Python 3.9 and `lz4`.

    tools/read-ledger.py LEDGER [--lines | --chains]

Checks headers, sums, seqs, times and the chain of every segment, and what HEAD says. Prints `SEQ:HASH` of
the last event; with --lines every event, with --chains `SEQ HASH` of each. Where the log does not go on as
the page says it stops: 0 only if everything was read, 1 at a tail of the last segment that is no whole commit,
74 for anything else that is not as the page says.
"""

import hashlib
import json
import struct
import subprocess
import sys
from pathlib import Path

EMPTY_FRAME = bytes.fromhex("04224d186440a700000000055dcc02")
HEADER = struct.Struct("<II4sIqIIIQq32sI")  # and 8 bytes of SHA-256 over these 88
MEBI = 1 << 20


class Damage(Exception):
    """The log is not as the page says."""


def sum8(data):
    """The first 8 bytes of SHA-256."""
    return hashlib.sha256(data).digest()[:8]


class Header:
    """A segment's or a commit's header; `None` from `at` where none stands."""

    def __init__(self, data):
        (self.magic, self.size, self.kind, version, self.first, self.events, self.raw, self.frame, frame_sum,
         self.time, self.chain, zero) = HEADER.unpack(data[:88])
        self.sealed, self.version = version >> 31 == 1, version & ~(1 << 31)
        self.frame_sum = struct.pack("<Q", frame_sum)
        self.valid = (self.magic == 0x184D2A5E and self.size == 88 and self.version == 1 and zero == 0
                      and data[88:96] == sum8(data[:88]))

    @classmethod
    def at(cls, data, offset, kind):
        header = cls(data[offset:offset + 96]) if len(data) >= offset + 96 else None
        return header if header and header.valid and header.kind == kind else None


class Reading:
    """All events of a ledger: lines, the chain behind each, commits' first seqs, a torn tail's length.

    Without `chained` a chain that differs is passed over: the negative control of the fault campaign.
    """

    def __init__(self, folder, chained=True):
        self.chained = chained
        folder = Path(folder)
        fmt = (folder / "FORMAT").read_bytes()
        self.meta = json.loads(fmt)
        if self.meta["format"] != "narada-ledger" or self.meta["min_reader"] > 1:
            raise Damage("FORMAT is of another reader")
        self.chain = self.origin = hashlib.sha256(fmt).digest()
        self.lines, self.chains, self.commits, self.tail, self.time = [], [], [], 0, 0
        segments = sorted(p for p in folder.iterdir() if len(p.name) == 16 and p.name[12:] == ".lz4")
        for number, path in enumerate(segments):
            self._segment(path, number == len(segments) - 1)
        head = folder / "HEAD"
        self.head = json.loads(head.read_bytes()) if head.exists() else None
        if self.head and chained:
            seq = self.head["seq"]
            if seq > len(self.lines):
                raise Damage(f"HEAD knows event {seq}, the log ends at {len(self.lines)}")
            if self.head["chain"] != self.chain_at(seq):
                raise Damage(f"HEAD knows another chain at event {seq}")

    def chain_at(self, seq):
        """The chain behind an event, in hexadecimal."""
        return (self.chains[seq - 1] if seq else self.origin).hex()

    def _segment(self, path, is_last):
        data = path.read_bytes()
        header = Header.at(data, 15, b"NRS1")
        if data[:15] != EMPTY_FRAME or header is None:
            raise Damage(f"{path.name}: no segment header")
        if header.first != len(self.lines) + 1 or int(path.name[:12]) != header.first:
            raise Damage(f"{path.name}: its first seq is not {len(self.lines) + 1}")
        if header.chain != self.chain or header.events or header.raw or header.frame or any(header.frame_sum):
            raise Damage(f"{path.name}: its header does not follow")
        at, commits = 111, []
        while at < len(data):
            commit = Header.at(data, at, b"NRC1")
            first = commits[-1].first + commits[-1].events if commits else header.first
            if (commit is None or commit.first != first or not commit.events or not 0 < commit.raw <= 64 * MEBI
                    or commit.sealed != header.sealed or len(data) < at + 96 + commit.frame
                    or sum8(data[at + 96:at + 96 + commit.frame]) != commit.frame_sum):
                if not is_last:
                    raise Damage(f"{path.name}: no whole commit at byte {at}")
                self.tail = len(data) - at
                break
            commits.append(commit)
            at += 96 + commit.frame
        # One call for the file: plain tools pass over headers, and lz4 checks sums and sizes of the content.
        unpacked = subprocess.run(["lz4", "-dc"], input=data[:at], capture_output=True, check=False)
        if unpacked.returncode or len(unpacked.stdout) != sum(c.raw for c in commits):
            raise Damage(f"{path.name}: it does not decompress to what its headers say")
        begin = 0
        for commit in commits:
            self._commit(path, commit, unpacked.stdout[begin:begin + commit.raw])
            begin += commit.raw

    def _commit(self, path, commit, raw):
        self.commits.append(commit.first)
        lines = raw.split(b"\n")
        if lines.pop() != b"" or len(lines) != commit.events:
            raise Damage(f"{path.name}: the commit at event {commit.first} does not hold {commit.events} lines")
        for line in lines:
            self.chain = hashlib.sha256(self.chain + line + b"\n").digest()
            self.lines.append(line)
            self.chains.append(self.chain)
            event = json.loads(line)
            if event["seq"] != len(self.lines) or list(event) != [
                    "seq", "at", "type", "v", "stream", "run", "cause", "data"]:
                raise Damage(f"{path.name}: event {len(self.lines)} is not a line of this format")
        if self.chained and self.chain != commit.chain or commit.time < self.time:
            raise Damage(f"{path.name}: the chain or the time of the commit at event {commit.first} is another")
        self.time = commit.time


def main(arguments):
    if not arguments or not set(arguments[1:]) <= {"--lines", "--chains"}:
        print(__doc__, file=sys.stderr)
        return 64
    try:
        reading = Reading(arguments[0])
    except (Damage, OSError, ValueError, KeyError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 74
    out = sys.stdout.buffer
    if "--lines" in arguments:
        out.writelines(line + b"\n" for line in reading.lines)
    elif "--chains" in arguments:
        out.writelines(f"{seq} {chain.hex()}\n".encode() for seq, chain in enumerate(reading.chains, 1))
    else:
        out.write(f"{len(reading.lines)}:{reading.chain.hex()}\n".encode())
    if reading.tail:
        print(f"note: {reading.tail} bytes at the end are no whole commit", file=sys.stderr)
    return 1 if reading.tail else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
