#!/usr/bin/env python3
"""The straight Python way to rebuild the read models: lz4 | orjson | sqlite3.executemany, no chain.

Usage: bench-peer.py HOME DB. Makes the same tables and indexes as Narada (its own SQL files) and the same
rows of nodes, tracks, mappings, listens and playlists; sort keys are dealt once at the end, and near
duplicates are not looked for, so it does somewhat less. Prints seconds and peak memory.
"""
import glob, json, os, resource, sqlite3, subprocess, sys, time
from datetime import datetime

try:
    import orjson
    loads = orjson.loads
except ImportError:
    sys.exit("bench-peer.py needs orjson: pip install orjson")

home, path = sys.argv[1:3]
sql = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "projections")
if os.path.exists(path):
    os.remove(path)
start = time.perf_counter()
db = sqlite3.connect(path, isolation_level=None)
db.execute("PRAGMA journal_mode = OFF")
db.execute("PRAGMA synchronous = OFF")
db.execute("PRAGMA cache_size = -32768")
db.executescript(open(f"{sql}/tables.sql").read())
db.execute("BEGIN")

SKIPS = {"fwdbtn", "backbtn", "endplay", "clickrow", "clickside", "playbtn"}
nodes, tracks, mappings, listens = {}, {}, [], []
playlists, names = {}, []


def ms(text):
    return int(datetime.fromisoformat(text[:19] + "+00:00").timestamp()) * 1000


brought = (0, 0)  # the event that brought in a node last, and how many so far


def node(uri, seq, at, rank, facts):
    global brought
    known = nodes.get(uri)
    if known is None:
        brought = (seq, brought[1] + 1 if brought[0] == seq else 0)
        known = nodes[uri] = [seq << 16 | brought[1], rank]
        tracks[known[0]] = [known[0], *facts, uri[14:] if uri.startswith("spotify:track:") else None, at, at]
        if uri.startswith("spotify:track:"):
            mappings.append((known[0], known[0], "spotify", uri[14:], "direct", 100, at))
    elif rank > known[1] or rank == known[1] == 3:
        known[1] = rank
        old = tracks[known[0]]
        tracks[known[0]] = [known[0], *facts, old[7], old[8], at]
    return known[0]


def flush():
    db.executemany("INSERT INTO listens VALUES (?,?,?,?,?,?,?,?,NULL,NULL)", listens)
    listens.clear()


cat = subprocess.Popen(["cat", *sorted(glob.glob(f"{home}/ledger/*.lz4"))], stdout=subprocess.PIPE)
lz4 = subprocess.Popen(["lz4", "-dc"], stdin=cat.stdout, stdout=subprocess.PIPE, bufsize=1 << 20)
seq, last_at, at = 0, None, 0
for line in lz4.stdout:
    event = loads(line)
    seq, kind, data = event["seq"], event["type"], event["data"]
    if event["at"] != last_at:
        last_at = event["at"]
        at = ms(last_at)
    if kind == "export.spotify_history.row":
        row = data["payload"]
        uri = row.get("spotify_track_uri")
        title, played, end = row.get("master_metadata_track_name"), row.get("ms_played") or 0, ms(row["ts"])
        ended = row.get("reason_end")
        counts = played >= 240000 or played >= 30000 and (
            ended == "trackdone" or not row.get("skipped") and ended not in SKIPS)
        reason = ("no_track" if not uri or not title else "incognito" if row.get("incognito_mode")
                  else None if counts else "short")
        track = None
        if uri:
            artist = row.get("master_metadata_album_artist_name")
            facts = (title, json.dumps([artist], ensure_ascii=False), row.get("master_metadata_album_album_name"),
                     None, None, None)
            track = node(uri, seq, at, 2, facts)
        listens.append((seq << 16, track, track, (end - played) // 1000 * 1000, end, played, 0, reason))
        if len(listens) == 10000:
            flush()
    elif kind == "spotify.track.observed":
        p = data["payload"]
        facts = (p["name"], json.dumps([a["name"] for a in p["artists"]], ensure_ascii=False), p["album"]["name"],
                 p["duration_ms"], p["album"]["release_date"], p["external_ids"]["isrc"])
        node(event["stream"], seq, at, 3, facts)
    elif kind == "playlist.created" or kind == "playlist.edited":
        rows = playlists.setdefault(event["stream"], [])
        if kind == "playlist.created":
            names.append((seq << 16, data["name"], None, at, at, event["stream"]))
        items = []
        for ordinal, item in enumerate(data.get("items", [])):
            node(item["uri"], seq, at, 0, (None,) * 6)
            items.append((seq << 16 | ordinal, item["uri"], at))
        op = data.get("op", "add")
        if op == "add":
            place = data.get("at", len(rows) + 1) - 1
            rows[place:place] = items
        elif op == "remove":
            for position in reversed(data["positions"]):
                del rows[position - 1]
        elif op == "move":
            block = rows[data["from"] - 1:data["from"] - 1 + data["count"]]
            del rows[data["from"] - 1:data["from"] - 1 + data["count"]]
            rows[data["to"] - 1:data["to"] - 1] = block
    elif kind == "spotify.playlist.page":
        for item in data["payload"]["items"]:
            node(item["item"]["uri"], seq, at, 0, (None,) * 6)
flush()
db.executemany("INSERT INTO nodes(id,uri,track_id,rank) VALUES (?,?,?,?)", ((n[0], uri, n[0], n[1]) for uri, n in nodes.items()))
db.executemany("INSERT INTO tracks(id,title,artists,album,duration_ms,release_date,isrc,spotify_id,created_at,"
               "updated_at) VALUES (?,?,?,?,?,?,?,?,?,?)", tracks.values())
db.executemany("INSERT INTO track_mappings(id,track_id,connector_name,connector_id,match_method,confidence,"
               "last_verified) VALUES (?,?,?,?,?,?,?)", mappings)
db.executemany("INSERT INTO playlists(id,name,description,track_count,created_at,updated_at,uri,edited_seq,"
               "synced_seq) VALUES (?,?,?,0,?,?,?,0,0)", names)
for (id, *_, stream) in names:
    db.executemany("INSERT INTO playlist_tracks VALUES (?,?,?,?,?,?,?,?)", (
        (row, id, nodes[uri][0], f"{place:08d}", when, when, nodes[uri][0], when)
        for place, (row, uri, when) in enumerate(playlists[stream])))
db.executescript(open(f"{sql}/indexes.sql").read())
db.execute("COMMIT") if db.in_transaction else None
seconds = time.perf_counter() - start
print(json.dumps({"events": seq, "seconds": round(seconds, 3),
                  "peak_kb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}))
