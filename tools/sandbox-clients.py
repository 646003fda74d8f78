#!/usr/bin/env python3
"""What tools/sandbox-clients runs: spotipy, pylast, musicbrainzngs and liblistenbrainz against narada-sandbox.

Usage: sandbox-clients.py PROGRAM
"""
import http.client, json, logging, subprocess, sys, time, urllib.parse, urllib.request, uuid, warnings

import httpx2 as httpx
import liblistenbrainz
import musicbrainzngs
import pylast
import requests.adapters
import spotipy
from spotipy.cache_handler import MemoryCacheHandler
from spotipy.oauth2 import SpotifyPKCE

SCOPE = ("playlist-read-private playlist-read-collaborative playlist-modify-public playlist-modify-private "
         "user-library-read user-library-modify user-read-recently-played user-top-read")


def check(name, got, wanted=True):
    """Prints a line; ends the program if the two differ."""
    print(f"{'ok  ' if got == wanted else 'FAIL'} {name}", flush=True)
    if got != wanted:
        sys.exit(f"     got    {got!r}\n     wanted {wanted!r}")


logging.disable()  # spotipy logs what is refused; here refusals are wanted


class Sandbox:
    """The program on a free port, with its control API."""

    def __init__(self, *options):
        self.process = subprocess.Popen([sys.argv[1], "--port", "0", *options], stdout=subprocess.PIPE)
        self.urls = json.loads(self.process.stdout.readline())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        check("the sandbox ends when it is asked to", self.process.wait(10), 0)

    def control(self, method, path="", body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.urls["control"] + path, data=data, method=method,
                                         headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as answer:
            text = answer.read()
        return json.loads(text) if text else None


def redirected(url):
    """Where a page sends the browser, without going there."""
    parts = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc)
    connection.request("GET", f"{parts.path}?{parts.query}")
    return connection.getresponse().headers["Location"]


def logged_in(sandbox):
    # Both addresses are constants of spotipy's class; the prefix is an attribute of its client.
    class PKCE(SpotifyPKCE):
        OAUTH_AUTHORIZE_URL = sandbox.urls["spotify_accounts"] + "/authorize"
        OAUTH_TOKEN_URL = sandbox.urls["spotify_accounts"] + "/api/token"

    auth = PKCE(client_id="1234567890abcdef1234567890abcdef", redirect_uri="http://127.0.0.1:9/callback",
                scope=SCOPE, open_browser=False, cache_handler=MemoryCacheHandler())
    back = redirected(auth.get_authorize_url())
    auth.get_access_token(code=auth.parse_response_code(back), check_cache=False)
    client = spotipy.Spotify(auth_manager=auth, retries=2, status_retries=2)
    client.prefix = sandbox.urls["spotify_api"] + "/"
    return client


def uris(client, playlist):
    """All rows, page by page."""
    page = client.playlist_items(playlist, limit=10)
    rows = []
    while page:
        rows += [row.get("item") or row.get("track") for row in page["items"]]
        page = client.next(page)
    return [row and row["uri"] for row in rows]


def refused(status, call, *arguments, **more):
    try:
        call(*arguments, **more)
    except spotipy.SpotifyException as error:
        return error.http_status == status
    return False


def spotify(sandbox, mode):
    print(f"spotipy, mode {mode}")
    client = logged_in(sandbox)
    check("me", client.me()["id"], "sandbox")
    lists = client.current_user_playlists(limit=2)
    names = [row["name"] for row in lists["items"]]
    while lists["next"]:
        lists = client.next(lists)
        names += [row["name"] for row in lists["items"]]
    known = sandbox.control("GET")["playlists"]
    check("all playlists over three pages", names, [row["name"] for row in known])
    truth = sandbox.control("GET", f"/spotify/playlists/{known[1]['id']}")
    check("rows with a local file, an episode and a null row", uris(client, known[1]["id"]),
          [row["uri"] for row in truth["items"]])
    check("a snapshot id alone", client.playlist(known[0]["id"], fields="snapshot_id"),
          {"snapshot_id": sandbox.control("GET", f"/spotify/playlists/{known[0]['id']}")["snapshot_id"]})

    found = client.search(q="artist:ränta", type="track", limit=5)["tracks"]
    check("search by artist", all("Ólöf Ränta" in [a["name"] for a in row["artists"]] for row in found["items"])
          and len(found["items"]) > 0)
    tracks = [row["uri"] for row in client.search(q="e", type="track", limit=10)["tracks"]["items"]]
    track = client.track(tracks[0])
    check("a track", track["uri"], tracks[0])
    by_isrc = client.search(q="isrc:" + track["external_ids"]["isrc"], type="track", limit=5)
    check("search by ISRC", tracks[0] in [row["uri"] for row in by_isrc["tracks"]["items"]])

    made = client.current_user_playlist_create("Made by spotipy", public=False, description="d")
    check("a new playlist", (made["name"], made["public"]), ("Made by spotipy", False))
    client.playlist_add_items(made["id"], tracks[:4])
    client.playlist_add_items(made["id"], tracks[4:6], position=1)
    check("added rows", uris(client, made["id"]), tracks[:1] + tracks[4:6] + tracks[1:4])
    client.playlist_reorder_items(made["id"], range_start=1, insert_before=6, range_length=2)
    check("moved rows", uris(client, made["id"]), tracks[:6])
    client.playlist_remove_all_occurrences_of_items(made["id"], tracks[1:3])
    check("removed rows", uris(client, made["id"]), tracks[:1] + tracks[3:6])
    client.playlist_replace_items(made["id"], tracks[::-1])
    check("replaced rows", uris(client, made["id"]), tracks[::-1])
    client.playlist_change_details(made["id"], name="Renamed by spotipy")
    check("a new name", client.playlist(made["id"])["name"], "Renamed by spotipy")

    liked = client.current_user_saved_tracks(limit=50)
    check("liked tracks", liked["total"], sandbox.control("GET")["likes"])
    new = [uri for uri in tracks if uri not in [row["track"]["uri"] for row in liked["items"]]][:2]
    recent = client.current_user_recently_played(limit=10)
    check("recently played, newest first", [row["played_at"] for row in recent["items"]],
          sorted((row["played_at"] for row in recent["items"]), reverse=True))
    check("the page of plays before", len(client.current_user_recently_played(
        limit=10, before=recent["cursors"]["before"])["items"]), 10)
    check("top tracks", len(client.current_user_top_tracks(limit=5, time_range="long_term")["items"]), 5)
    if mode == "legacy":
        return
    client.current_user_saved_tracks_add(new)
    check("saved tracks", client.current_user_saved_tracks_contains(new), [True, True])
    client.current_user_saved_tracks_delete(new)
    check("removed tracks", client.current_user_saved_tracks_contains(new), [False, False])
    several = lambda: [row["uri"] for row in client.tracks(tracks[:3])["tracks"]]
    if mode == "dev2026":
        check("several tracks at once are refused", refused(403, several))
        check("a search for more than ten is refused", refused(400, client.search, q="e", limit=11))
        check("somebody else's rows are refused", refused(403, client.playlist_items, known[3]["id"]))
    else:
        check("several tracks at once", several(), tracks[:3])
        check("a search for twenty", len(client.search(q="e", limit=20)["tracks"]["items"]) > 10)
        check("somebody else's rows", len(uris(client, known[3]["id"])), known[3]["items"])
        client.current_user_unfollow_playlist(made["id"])
        check("an unfollowed playlist is not listed", made["id"] in
              [row["id"] for row in client.current_user_playlists()["items"]], False)
    sandbox.control("PUT", "/settings", {"expire_tokens": True})
    client.auth_manager.cache_handler.token_info["expires_at"] = 0
    check("a refreshed token", client.me()["id"], "sandbox")


class ToSandbox(httpx.HTTPTransport):
    """pylast always speaks HTTPS to a host's name: this sends it to the sandbox instead."""

    def __init__(self, base):
        super().__init__()
        self.base = httpx.URL(base)

    def handle_request(self, request):
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=self.base.port)
        request.headers["Host"] = f"127.0.0.1:{self.base.port}"
        return super().handle_request(request)


def lastfm(sandbox):
    print("pylast")
    about = sandbox.control("GET")
    network = pylast.LastFMNetwork(api_key=about["lastfm_api_key"], api_secret=about["lastfm_api_secret"])
    network.proxy = {"https://": ToSandbox(sandbox.urls["lastfm"])}
    network.ws_server = ("ws.audioscrobbler.com", urllib.parse.urlsplit(sandbox.urls["lastfm"]).path)
    log_in = pylast.SessionKeyGenerator(network)
    url = log_in.get_web_auth_url()
    try:
        log_in.get_web_auth_session_key(url)
        check("no session before the user agrees", False)
    except pylast.WSError as error:
        check("no session before the user agrees", int(error.status), pylast.STATUS_TOKEN_UNAUTHORIZED)
    page = sandbox.urls["lastfm_auth"] + "?" + urllib.parse.urlsplit(url).query
    urllib.request.urlopen(page).read()
    network.session_key, name = log_in.get_web_auth_session_key_username(url)
    check("a session", name, "sandbox")

    user = network.get_user("sandbox")
    plays = user.get_recent_tracks(limit=7)
    check("recent tracks", (len(plays), plays == sorted(plays, key=lambda p: -int(p.timestamp))), (7, True))
    check("recent tracks between two moments", len(user.get_recent_tracks(
        limit=None, time_from=int(plays[6].timestamp), time_to=int(plays[2].timestamp))), 5)
    check("all listens", user.get_playcount(), about["listens"])
    track = network.get_track(plays[0].track.artist.name, plays[0].track.title)
    track.username = "sandbox"
    before = track.get_userplaycount()
    top = user.get_top_tracks(limit=3)
    check("top tracks", [int(row.weight) for row in top], sorted((int(r.weight) for r in top), reverse=True))

    now = int(time.time())
    network.scrobble(artist=track.artist.name, title=track.title, timestamp=now - 300)
    check("a scrobble counts", track.get_userplaycount(), before + 1)
    network.scrobble(artist=track.artist.name, title=track.title, timestamp=now - 300)
    check("the same scrobble again does not", track.get_userplaycount(), before + 1)
    many = [{"artist": f"Björk & {n}", "title": "Jóga <live>", "timestamp": now - 1000 - n} for n in range(60)]
    network.scrobble_many(many)
    check("sixty scrobbles in two batches", user.get_playcount(), about["listens"] + 61)
    check("now playing", network.update_now_playing("Björk", "Jóga"), None)

    loved = len(user.get_loved_tracks(limit=None))
    check("loved tracks", loved, about["loves"])
    song = network.get_track("Nobody ☃", "Unheard of")
    song.love()
    check("a loved track", user.get_loved_tracks(limit=1)[0].track.title, "Unheard of")
    song.unlove()
    check("an unloved track", len(user.get_loved_tracks(limit=None)), loved)
    try:
        network.get_track("No", "such track").get_playcount()
        check("an unknown track", False)
    except pylast.WSError as error:
        check("an unknown track", int(error.status), pylast.STATUS_INVALID_PARAMS)


def musicbrainz(sandbox):
    print("musicbrainzngs")
    warnings.simplefilter("ignore")  # It calls JSON, which the sandbox speaks, unofficial.
    mb = musicbrainzngs
    mb.set_format("json")
    # Its path begins with /ws/2; what stands before that goes with the host's name.
    mb.set_hostname(sandbox.urls["musicbrainz"].removeprefix("http://").removesuffix("/ws/2"), use_https=False)
    mb.set_rate_limit(False)
    mb.set_useragent("Narada's tests", "1", "narada@example.org")
    title = "Teardrop (Part II): a/b"
    known, live = str(uuid.UUID(int=1)), str(uuid.UUID(int=2))
    rows = [{"id": known, "title": title, "artists": ["Björk", "M"], "isrcs": ["GBAAA9800001", "GBAAA9800002"],
             "length": 330000, "album": "Mezzanine", "merged": [str(uuid.UUID(int=3))]},
            {"id": live, "title": title, "artists": ["Björk"], "isrcs": ["GBAAA9800001"], "disambiguation": "live"},
            {"id": str(uuid.UUID(int=4)), "title": "New", "artists": ["N"], "isrcs": ["GBAAA9800009"], "indexed": False}]
    sandbox.control("PUT", "/musicbrainz/recordings", rows)
    includes = ["artist-credits", "isrcs", "releases", "media"]
    one = mb.get_recording_by_id(known, includes)
    check("a recording", (one["id"], one["title"], one["length"], one["isrcs"]),
          (known, title, 330000, ["GBAAA9800001", "GBAAA9800002"]))
    check("its credit", "".join(c["name"] + c["joinphrase"] for c in one["artist-credit"]), "Björk & M")
    check("its release's track", one["releases"][0]["media"][0]["tracks"][0]["title"], title)
    check("a merged MBID is answered under the new one", mb.get_recording_by_id(str(uuid.UUID(int=3)))["id"], known)

    def refused(status, call, *arguments, **more):
        try:
            call(*arguments, **more)
        except musicbrainzngs.ResponseError as error:
            return error.cause.code == status
        return False

    check("an unknown MBID", refused(404, mb.get_recording_by_id, str(uuid.UUID(int=9))))
    check("no MBID", refused(400, mb.get_recording_by_id, "nonsense"))
    both = mb.get_recordings_by_isrc("GBAAA9800001", ["artists"])
    check("an ISRC of two recordings", {r["id"] for r in both["recordings"]}, {known, live})
    check("an unknown ISRC", refused(404, mb.get_recordings_by_isrc, "ZZZZZ0000000"))
    check("an ISRC in small letters", refused(400, mb.get_recordings_by_isrc, "gbaaa9800001"))

    ids = lambda found: {r["id"] for r in found["recordings"]}
    check("a search for several ISRCs", ids(mb.search_recordings("isrc:(GBAAA9800002 OR ZZZZZ0000000)")), {known})
    check("the same, written out", ids(mb.search_recordings("isrc:GBAAA9800001 OR isrc:GBAAA9800009")), {known, live})
    check("what the index lacks a look-up finds", len(mb.get_recordings_by_isrc("GBAAA9800009")["recordings"]), 1)
    check("a search by names, strict", ids(mb.search_recordings(recording=title, artist="Bjork M", strict=True)), {known})
    ranked = mb.search_recordings(recording=title, artist="Björk M")
    check("the same, loose: the best is first", (ranked["recordings"][0]["id"], ranked["recordings"][0]["score"]),
          (known, 100))
    check("a limit", len(mb.search_recordings("isrc:GBAAA9800001", limit=1, offset=1)["recordings"]), 1)
    check("nothing found", mb.search_recordings("isrc:ZZZZZ0000000")["count"], 0)
    sandbox.control("PUT", "/settings", {"rate": {"requests": 1, "seconds": 2, "service": "musicbrainz"}})
    begun = time.time()
    for _ in range(2):
        mb.get_recording_by_id(known)  # It waits two seconds after a 503.
    check("one request in two seconds", time.time() - begun > 1.9)
    sandbox.control("PUT", "/settings", {"rate": None})


class BelowBase(requests.adapters.HTTPAdapter):
    """liblistenbrainz puts /1 behind the host: this puts it behind the base."""

    def __init__(self, base):
        super().__init__()
        self.base = base

    def send(self, request, **more):
        request.url = self.base + request.url[request.url.index("/1/"):]
        return super().send(request, **more)


def listenbrainz(sandbox):
    print("liblistenbrainz")
    about = sandbox.control("GET")
    base = sandbox.urls["listenbrainz"]
    liblistenbrainz.client.adapter = BelowBase(base)
    client = liblistenbrainz.ListenBrainz(base)
    try:
        client.set_auth_token("wrong")
        check("a wrong token", False)
    except liblistenbrainz.errors.InvalidAuthTokenException:
        check("a wrong token", True)
    client.set_auth_token(about["listenbrainz_token"])
    page = client.get_listens("sandbox", count=7)
    check("listens, newest first", (len(page), page == sorted(page, key=lambda l: -l.listened_at)), (7, True))
    older = client.get_listens("sandbox", max_ts=page[3].listened_at, count=3)
    check("listens before a second", [l.listened_at for l in older], [l.listened_at for l in page[4:]])
    newer = client.get_listens("sandbox", min_ts=page[3].listened_at, count=2)
    check("listens after a second, the next ones", [l.listened_at for l in newer], [l.listened_at for l in page[1:3]])
    count = lambda: sandbox.control("GET")["listenbrainz_listens"]
    begun, now = count(), int(time.time())
    listen = liblistenbrainz.Listen("Jóga", "Björk", listened_at=now - 300, isrc="GBAAA9700001")
    client.submit_single_listen(listen)
    check("a listen", (count(), client.get_listens("sandbox", count=1)[0].track_name), (begun + 1, "Jóga"))
    client.submit_multiple_listens([listen, listen])
    check("the same again is there once", count(), begun + 1)
    client.submit_multiple_listens([liblistenbrainz.Listen(f"T{n}", "A", listened_at=now - 900 - n) for n in range(900)])
    check("nine hundred at once", count(), begun + 901)

    def refused(status, call, *arguments):
        try:
            call(*arguments)
        except liblistenbrainz.errors.ListenBrainzAPIException as error:
            return error.status_code == status
        return False

    bad = liblistenbrainz.Listen("T", "A", listened_at=5)
    check("one bad listen refuses all", (refused(400, client.submit_multiple_listens, [listen, bad]), count()),
          (True, begun + 901))
    many = [liblistenbrainz.Listen("T", "A", listened_at=now - n) for n in range(1001)]
    check("more than a thousand are refused", refused(400, client.submit_multiple_listens, many))
    client.submit_playing_now(liblistenbrainz.Listen("T", "A"))
    check("nobody's listens", refused(404, client.get_listens, "nobody"))
    client.submit_user_feedback(1, str(uuid.UUID(int=1)))
    client.submit_user_feedback(-1, str(uuid.UUID(int=2)))
    client.submit_user_feedback(0, str(uuid.UUID(int=1)))
    shown = json.load(urllib.request.urlopen(base + "/1/feedback/user/sandbox/get-feedback"))
    check("feedback", [(f["recording_mbid"], f["score"]) for f in shown["feedback"]], [(str(uuid.UUID(int=2)), -1)])


for mode in ("dev2026", "full2026"):
    with Sandbox("--mode", mode, "--tracks", "200") as sandbox:
        spotify(sandbox, mode)
        if mode == "dev2026":
            lastfm(sandbox)
            musicbrainz(sandbox)
            listenbrainz(sandbox)
