import JSONText
import Ledger

/// The way for a test to see and change the world; only for programs on this machine.
let control = Service(
    name: "control", base: "/_sandbox",
    render: {
        .json(["error": .text($0.message ?? "Not found"), "path": .text($1.path)], $0.status)
    },
    routes: [
        on("GET ") { world, _ in world.summary },
        on("GET /settings") { world, _ in world.settingsJSON },
        on("PUT /settings") { world, call in
            try world.set(call.body.members)
            return world.settingsJSON
        },
        on("GET /faults") { world, _ in .array(world.faults.map(\.json)) },
        on("PUT /faults") { world, call in
            world.faults = try rows(call).map { try Fault($0.string ?? "") }
            return .array(world.faults.map(\.json))
        },
        on("GET /journal") { world, call in
            let from = call.query["from"].flatMap { Int($0) } ?? 0
            return .array(world.journal.filter { $0["n"].integer ?? 0 >= from })
        },
        order("DELETE /journal") { world, _ in world.emptyJournal() },
        on("PUT /world") { world, call in
            let sizes = call.body.members.compactMap { name, value in
                value.integer.map { (name, $0) }
            }
            world.invent(Dictionary(sizes) { $1 })
            return world.summary
        },
        on("GET /spotify/playlists/{id}") { listJSON($0.spotify.playlists[try $0.list($1)]) },
        on("PUT /spotify/playlists/{id}", putPlaylist),
        order("DELETE /spotify/playlists/{id}") { world, call in
            world.spotify.playlists[try world.list(call)].isFollowed = false
        },
        order("PUT /spotify/likes") { $0.spotify.likes = try dated(&$0, $1, "added_at") },
        order("PUT /spotify/recent") { world, call in
            let plays = try dated(&world, call, "played_at")
            world.spotify.recent = plays.sorted { $0.addedAt > $1.addedAt }
        },
        order("PUT /spotify/tracks/{id}", putTrack),
        order("PUT /lastfm/listens") { $0.lastfm.listens = try listens(&$0, $1) },
        order("POST /lastfm/listens") { world, call in
            let all = world.lastfm.listens + (try listens(&world, call))
            world.lastfm.listens = all.sorted { $0.uts < $1.uts }
        },
        order("PUT /lastfm/loves") { $0.lastfm.loves = try listens(&$0, $1) },
        order("PUT /lastfm/tracks", putSongs),
    ])

private func on(
    _ pattern: String, _ body: @escaping @Sendable (inout World, Call) throws -> JSON
) -> Service.Route { (pattern, { .json(try body(&$0, $1)) }) }

/// A route that answers with nothing but its success.
private func order(
    _ pattern: String, _ body: @escaping @Sendable (inout World, Call) throws -> Void
) -> Service.Route {
    (
        pattern,
        {
            try body(&$0, $1)
            return Reply()
        }
    )
}

/// The elements of a body that must be an array.
private func rows(_ call: Call) throws -> [JSON] {
    try need(call.body.isArray, 400, "The body must be a JSON array.")
    return call.body.elements
}

extension World {
    fileprivate var summary: JSON {
        let lists = spotify.playlists.map { list -> JSON in
            [
                "id": .text(list.id), "name": .text(list.newest.name), "owner": .text(list.owner),
                "items": JSON(list.newest.order.count), "listed": .bool(list.isFollowed),
            ]
        }
        return [
            "user": .text(World.user), "now": .text(ISOTime.text(now)), "settings": settingsJSON,
            "lastfm_api_key": .text(LastfmApplication.key),
            "lastfm_api_secret": .text(LastfmApplication.secret), "requests": JSON(answered),
            "faults": .array(faults.map(\.json)), "tracks": JSON(catalogue.tracks.count),
            "listens": JSON(lastfm.listens.count), "loves": JSON(lastfm.loves.count),
            "likes": JSON(spotify.likes.count), "playlists": .array(lists),
        ]
    }
}

private func listJSON(_ list: Playlist) -> JSON {
    let newest = list.newest
    let items = newest.order.map { list.rows[Int($0)] }
    let history = list.versions.map { version -> JSON in
        let uris = version.order.map { JSON(list.rows[Int($0)].uri) }
        return [
            "snapshot_id": .text(version.snapshot), "name": .text(version.name),
            "items": .array(uris),
        ]
    }
    return [
        "id": .text(list.id), "name": .text(newest.name), "description": JSON(newest.description),
        "snapshot_id": .text(newest.snapshot),
        "items": .array(
            items.map {
                ["uri": JSON($0.uri), "added_at": .text(ISOTime.text($0.addedAt, fraction: false))]
            }),
        "history": .array(history),
    ]
}

/// What the user does to a playlist in another app.
private func putPlaylist(_ world: inout World, _ call: Call) throws -> JSON {
    let (id, body, now) = (call.arguments[0], call.body, world.now)
    let items: [(uri: String?, addedAt: Milliseconds?)] = body["items"].elements.map {
        ($0.string ?? $0["uri"].string, $0["added_at"].string.flatMap { ISOTime.parse($0) })
    }
    for item in items { world.catalogue.ensure(item.uri) }
    if (try? world.list(call)) == nil {
        let name = body["name"].string ?? "Playlist \(id.prefix(6))"
        let new = Playlist(id: id, owner: World.user, name: name, description: nil)
        world.spotify.playlists.insert(new, at: 0)
    }
    let place = try world.list(call)
    var list = world.spotify.playlists[place]
    (list.isFollowed, list.staleReads) = (true, world["stale_reads"].integer ?? 0)
    list.owner = body["owner"].string ?? list.owner
    let old = list.newest
    let (name, text) = (
        body["name"].string ?? old.name, body["description"].string ?? old.description
    )
    if body["items"].isArray { list.setItems(items, by: list.owner, now) }
    if name != old.name || text != old.description {
        list.change { ($0.name, $0.description) = (name, text) }
    }
    world.spotify.playlists[place] = list
    return listJSON(list)
}

private func putTrack(_ world: inout World, _ call: Call) throws {
    let (id, body) = (call.arguments[0], call.body)
    world.catalogue.ensure("spotify:track:" + id)
    var track = try world.catalogue[id].or(404)
    let artists = body["artists"].elements.compactMap(\.string)
    track.artists = artists.isEmpty ? track.artists : artists
    track.name = body["name"].string ?? track.name
    track.album = body["album"].string ?? track.album
    track.isrc = body["isrc"].string ?? track.isrc
    track.durationMS = body["duration_ms"].integer ?? track.durationMS
    world.catalogue[id] = track
}

/// URIs with their times; one without is a second older than the one before.
private func dated(_ world: inout World, _ call: Call, _ key: String) throws -> [Like] {
    try rows(call).enumerated().map { index, row in
        let uri = try (row.string ?? row["uri"].string).or(400, "A row has no uri.")
        world.catalogue.ensure(uri)
        let at = row[key].string.flatMap { ISOTime.parse($0) } ?? world.now - Int64(index) * 1000
        return Like(uri: uri, addedAt: at)
    }
}

private func song(_ world: inout World, _ row: JSON) throws -> Int32 {
    let artist = try row["artist"].string.or(400, "A row has no artist.")
    let track = try row["track"].string.or(400, "A row has no track.")
    return world.lastfm.songs.add(Song(artist: artist, track: track, album: row["album"].string))
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
        if !row["redirect"].isNull { changed.redirect = try song(&world, row["redirect"]) }
        world.lastfm.songs[place] = changed
    }
}
