"""What rapidfuzz makes of the cases of tools/bench-matching, and what a comparison costs it.

Usage: bench-matching.py CASES OUTCOMES

CASES has a JSON array a line: the subject, then the candidates, each [title, artists]. OUTCOMES gets a number a
line: the index of the candidate whose title and artists both have token_sort_ratio >= 90 and whose sum is the
highest, -1 for none, -2 for several that are alike.
"""
import json, sys, time

from rapidfuzz import __version__, fuzz, utils

ratio, plain = fuzz.token_sort_ratio, utils.default_process
cases = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
cases = [[[plain(text) for text in facts] for facts in case] for case in cases]
with open(sys.argv[2], "w") as out:
    for (title, artist), *candidates in cases:
        scores = [(ratio(title, t), ratio(artist, a)) for t, a in candidates]
        sums = [t + a if t >= 90 and a >= 90 else 0 for t, a in scores]
        best = max(sums, default=0)
        print(-1 if best == 0 else -2 if sums.count(best) > 1 else sums.index(best), file=out)

pairs = [(title, artist, t, a) for (title, artist), *rest in cases for t, a in rest]
best = None
for _ in range(5):
    start = time.perf_counter_ns()
    for title, artist, t, a in pairs:
        ratio(title, t)
        ratio(artist, a)
    took = (time.perf_counter_ns() - start) / len(pairs)
    best = took if best is None else min(best, took)
print(f"rapidfuzz {__version__}, one pair (title and artist, texts processed before, a loop in Python): "
      f"{best:.0f} ns ({len(pairs)} pairs)")
# The same in C++ alone: cdist compares lists, so lists of the same lengths are laid against each other.
from rapidfuzz import process
titles, artists = [p[0] for p in pairs[:1000]], [p[1] for p in pairs[:1000]]
other, others = [p[2] for p in pairs[:1000]], [p[3] for p in pairs[:1000]]
start = time.perf_counter_ns()
process.cdist(titles, other, scorer=ratio, workers=1)
process.cdist(artists, others, scorer=ratio, workers=1)
print(f"rapidfuzz cdist, one pair of a million (title and artist, C++ alone): "
      f"{(time.perf_counter_ns() - start) / (len(titles) * len(other)):.0f} ns")
