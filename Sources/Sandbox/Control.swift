import JSONText
import Ledger

/// The way for a test to see and change the world; only for programs on this machine.
let control = Service(
    name: "control", base: "/_sandbox",
    render: { refusal, _ in .json(["error": .text("\(refusal)")], refusal.status) },
    routes: [
        on("GET /") { world, _ in world.summary },
        on("GET /settings") { world, _ in world.settingsJSON },
        on("PUT /settings") { world, call in
            try world.set(call.body.members)
            return world.settingsJSON
        },
        on("GET /faults") { world, _ in world.faultsJSON },
        on("PUT /faults") { world, call in
            world.faults = try rows(call).map { try Fault($0.string ?? "") }
            return world.faultsJSON
        },
        on("GET /journal") { world, call in
            let from = Int(call.query["from"] ?? "") ?? 0
            return JSON.array(world.journal.filter { $0["n"].integer ?? 0 >= from })
        },
        on("DELETE /journal") { world, _ in world.journal = [] },
        on("PUT /world") { world, call in
            let sizes = call.body.members.map { ($0.0, $0.1.integer) }
            world.invent(Dictionary(sizes) { $1 }.compactMapValues(\.self))
            return world.summary
        },
        on("GET /spotify/playlists/{id}") { listJSON($0.spotify.playlists[try $0.list($1)]) },
        on("PUT /spotify/playlists/{id}", putPlaylist),
        on("DELETE /spotify/playlists/{id}") { world, call in
            world.spotify.playlists[try world.list(call)].isFollowed = false
        },
        on("PUT /spotify/likes") { $0.spotify.likes = try dated(&$0, $1, "added_at") },
        on("PUT /spotify/recent") { world, call in
            let plays = try dated(&world, call, "played_at")
            world.spotify.recent = plays.sorted { $0.addedAt > $1.addedAt }
        },
        on("PUT /spotify/tracks/{id}", putTrack),
        on("PUT /lastfm/listens") { $0.lastfm.listens = try listens(&$0, $1) },
        on("POST /lastfm/listens") { world, call in
            world.lastfm.listens += try listens(&world, call)
            world.lastfm.listens.sort { $0.uts < $1.uts }
        },
        on("PUT /lastfm/loves") { $0.lastfm.loves = try listens(&$0, $1) },
        on("PUT /lastfm/tracks", putSongs),
        on("PUT /musicbrainz/recordings", putRecordings),
        on("GET /musicbrainz/tracks") { world, _ in
            let all = world.musicbrainz.ofTrack.sorted { $0.key < $1.key }
            return JSON.object(all.map { ($0.key, .text($0.value)) })
        },
        on("PUT /listenbrainz/listens") { world, call in
            world.listenbrainz = ListenBrainzState()
            world.listenbrainz.add(try heard(world, call))
        },
        on("POST /listenbrainz/listens") { $0.listenbrainz.add(try heard($0, $1)) },
    ])

/// A route that answers with the JSON that its body gives, or with nothing but its success.
func on<Answer: Sendable>(
    _ pattern: String, _ body: @escaping @Sendable (inout World, Call) throws -> Answer
) -> Service.Route {
    (pattern, { (try body(&$0, $1) as? JSON).map { .json($0) } ?? Reply() })
}

/// The elements of a body that must be an array.
private func rows(_ call: Call) throws -> [JSON] {
    try need(call.body.isArray, 400, "The body must be a JSON array.")
    return call.body.elements
}

extension World {
    fileprivate var faultsJSON: JSON { .array(faults.map(\.json)) }

    fileprivate var summary: JSON {
        let lists = spotify.playlists.map { list -> JSON in
            [
                "id": .text(list.id), "name": .text(list.newest.name), "owner": .text(list.owner),
                "items": JSON(list.newest.rows.count), "listed": .bool(list.isFollowed),
            ]
        }
        return [
            "user": .text(World.user), "now": .text(ISOTime.text(now)), "settings": settingsJSON,
            "lastfm_api_key": .text(LastfmApplication.key),
            "lastfm_api_secret": .text(LastfmApplication.secret), "requests": JSON(answered),
            "faults": faultsJSON, "tracks": JSON(tracks.count),
            "listens": JSON(lastfm.listens.count), "loves": JSON(lastfm.loves.count),
            "likes": JSON(spotify.likes.count), "recordings": JSON(musicbrainz.recordings.count),
            "listenbrainz_token": .text(ListenBrainzAccount.token),
            "listenbrainz_listens": JSON(listenbrainz.listens.count), "playlists": .array(lists),
        ]
    }
}

private func listJSON(_ list: Playlist) -> JSON {
    let history = list.versions.map { version -> JSON in
        let items = JSON.array(version.rows.map { JSON($0.uri) })
        return [
            "snapshot_id": .text(version.snapshot), "name": .text(version.name), "items": items,
        ]
    }
    let items = list.newest.rows.map { row -> JSON in
        ["uri": JSON(row.uri), "added_at": .text(ISOTime.text(row.addedAt, fraction: false))]
    }
    return [
        "id": .text(list.id), "name": .text(list.newest.name),
        "description": JSON(list.newest.description),
        "snapshot_id": .text(list.newest.snapshot), "items": .array(items),
        "history": .array(history),
    ]
}

/// What the user does to a playlist in another app.
private func putPlaylist(_ world: inout World, _ call: Call) throws -> JSON {
    let body = call.body
    if (try? world.list(call)) == nil {
        let name = body["name"].string ?? "Playlist \(call.id.prefix(6))"
        let new = Playlist(id: call.id, owner: World.user, name: name, description: nil)
        world.spotify.playlists.insert(new, at: 0)
    }
    let place = try world.list(call)
    var list = world.spotify.playlists[place]
    (list.isFollowed, list.staleReads) = (true, world["stale_reads"].integer ?? 0)
    list.owner = body["owner"].string ?? list.owner
    let items = body["items"].elements.map { ($0.string ?? $0["uri"].string, $0["added_at"].time) }
    for (uri, _) in items { world.ensure(uri) }
    if body["items"].isArray { list.setItems(items, by: list.owner, world.now) }
    var version = list.newest
    version.name = body["name"].string ?? version.name
    version.description = body["description"].string ?? version.description
    if version != list.newest { list.change { $0 = version } }
    world.spotify.playlists[place] = list
    return listJSON(list)
}

private func putTrack(_ world: inout World, _ call: Call) throws {
    let body = call.body
    world.ensure("spotify:track:" + call.id)
    var track = try world.tracks[call.id].or(404)
    let artists = body["artists"].elements.compactMap(\.string)
    track.artists = artists.isEmpty ? track.artists : artists
    track.name = body["name"].string ?? track.name
    track.album = body["album"].string ?? track.album
    track.isrc = body["isrc"].string ?? track.isrc
    track.durationMS = body["duration_ms"].integer ?? track.durationMS
    world.tracks[call.id] = track
}

/// URIs with their times; one without is a second older than the one before.
private func dated(_ world: inout World, _ call: Call, _ key: String) throws -> [Like] {
    try rows(call).enumerated().map { index, row in
        let uri = try (row.string ?? row["uri"].string).or(400, "A row has no uri.")
        world.ensure(uri)
        return Like(uri: uri, addedAt: row[key].time ?? world.now - Int64(index) * 1000)
    }
}

private func song(_ world: inout World, _ row: JSON) throws -> Int {
    let artist = try row["artist"].string.or(400, "A row has no artist.")
    let track = try row["track"].string.or(400, "A row has no track.")
    return world.lastfm.add(Song(artist: artist, track: track, album: row["album"].string))
}

/// Listens or loves, oldest first.
private func listens(_ world: inout World, _ call: Call) throws -> [Listen] {
    let listens = try rows(call).map { row -> Listen in
        let uts = row["uts"].integer ?? Int(world.now / 1000)
        return Listen(song: try song(&world, row), uts: min(max(0, uts), 1 << 40))
    }
    return listens.sorted { $0.uts < $1.uts }
}

private func putSongs(_ world: inout World, _ call: Call) throws {
    for row in try rows(call) {
        let place = try song(&world, row)
        var changed = world.lastfm.songs[place]
        changed.userPlays = row["userplaycount"].integer ?? changed.userPlays
        changed.plays = row["playcount"].integer ?? changed.plays
        changed.listeners = row["listeners"].integer ?? changed.listeners
        changed.mbid = row["mbid"].string ?? changed.mbid
        if !row["redirect"].isNull { changed.redirect = try song(&world, row["redirect"]) }
        world.lastfm.songs[place] = changed
    }
}

private func putRecordings(_ world: inout World, _ call: Call) throws {
    for row in try rows(call) {
        func texts(_ key: String) -> [String] { row[key].elements.compactMap(\.string) }
        let title = try row["title"].string.or(400, "A row has no title.")
        let (id, album) = (row["id"].string ?? title, row["album"].string ?? title)
        let track = Track(id: id, name: title, artists: texts("artists"), album: album)
        try need(!track.artists.isEmpty, 400, "A row has no artists.")
        var recording = Recording(track)
        (recording.mbid, recording.title) = (isMBID(id) ? id : recording.mbid, title)
        (recording.isrcs, recording.formerMBIDs) = (texts("isrcs"), texts("merged"))
        recording.lengthMS = row["length"].integer
        recording.disambiguation = row["disambiguation"].string ?? ""
        recording.isIndexed = row["indexed"].bool ?? true
        world.musicbrainz.put(recording)
    }
}

/// Listens as a program sent them: names, the second, and what else it knew.
private func heard(_ world: World, _ call: Call) throws -> [JSON] {
    try rows(call).map { row in
        let names = ["artist": "artist_name", "track": "track_name", "album": "release_name"]
        let metadata = row.members.compactMap { key, value in names[key].map { ($0, value) } }
        let info = row["info"].isNull ? [:] : row["info"]
        return world.heard(
            .object(metadata + [("additional_info", info)]), at: row["uts"].integer ?? 0)
    }
}
