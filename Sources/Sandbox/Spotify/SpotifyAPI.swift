import JSONText
import Ledger

let spotifyAPI = Service(
    name: "spotify_api", base: "/spotify/v1",
    render: { refusal, _ in
        let number = refusal.code.flatMap { Int($0) }
        let usual = table("spotify_errors")[String(refusal.status)].string
        let message = JSON.text(refusal.message ?? usual ?? "Error")
        var values = ["status": JSON(number ?? refusal.status), "message": message]
        if let reason = refusal.code, number == nil { values["reason"] = .text(reason) }
        return .json(shape("spotify_error", values), refusal.status)
    },
    routes: table("spotify_calls").members.map { pattern, rule in
        // The name of what answers, when the call exists, and the scope it needs.
        let words = rule.elements.compactMap(\.string)
        let handler: Service.Handler = { world, call in
            try world.require("", call)
            try need(words[1] != "new" || world["mode"].string != "legacy", 404)
            try need(words[1] != "old" || !world.isNarrow, 403)
            try world.require(words[2], call)
            let answer = try calls[words[0]].or(500)(&world, call)
            guard !answer.isNull else { return Reply() }
            return .json(answer, call.method == "POST" ? 201 : 200)
        }
        return (pattern, handler)
    })

/// What answers the calls in `shapes.json`; null is an answer without a body.
private let calls: [String: @Sendable (inout World, Call) throws -> JSON] = [
    "me": { $0.made("user", $1, ["id": .text(World.user)], ["me"]) },
    "user": { $0.made("user", $1, ["id": .text($1.id)]) },
    "playlists": playlists, "create": create, "playlist": playlist, "describe": describe,
    "items": items, "add": addItems, "write": replaceOrReorder, "remove": removeItems,
    "likes": likes, "keep": keep, "contains": contains, "search": search, "recent": recent,
    "top": top,
    "track": { world, call in
        try need(isID(call.id), 400, "Invalid base62 id")
        let track = world.itemJSON("spotify:track:" + call.id, call)
        try need(!track.isNull, 404, "Non existing id: 'spotify:track:\(call.id)'")
        return track
    },
    "tracks": { world, call in
        ["tracks": .array(try uris(call).map { world.itemJSON($0, call) })]
    },
]

extension World {
    /// The place of the playlist that a path names.
    func list(_ call: Call) throws -> Int {
        try spotify.playlists.firstIndex { $0.id == call.id }.or(404, "Resource not found")
    }

    /// Spotify as a client id of 2026 in development mode sees it.
    fileprivate var isNarrow: Bool { self["mode"].string == "dev2026" }

    /// Refuses a call without a token, or without these scopes.
    fileprivate func require(_ scopes: String, _ call: Call) throws {
        let header = try call.headers["authorization"].or(401, "No token provided")
        try need(header.hasPrefix("Bearer "), 401, "Only valid bearer authentication supported")
        let grant = try spotify.grants[String(header.dropFirst(7))].or(401, "Invalid access token")
        try need(now < grant.expires, 401, "The access token expired")
        let given = grant.scope.split(separator: " ")
        guard !scopes.split(separator: " ").allSatisfy(given.contains) else { return }
        var refusal = Refusal(403, "Insufficient client scope")
        refusal.headers["WWW-Authenticate"] =
            "Bearer realm=\"spotify\", error=\"insufficient_scope\", scope=\"\(scopes)\""
        throw refusal
    }

    // MARK: Objects

    /// An object as the mode and the call want it.
    fileprivate func made(
        _ name: String, _ call: Call, _ values: [String: JSON], _ more: Set<String> = []
    ) -> JSON {
        let keys =
            ["dev2026": ["new"], "legacy": ["old"]][self["mode"].string ?? ""] ?? ["old", "new"]
        let marks = more.union(call.query["market"] == nil ? keys : keys + ["market"])
        let api = ["api": JSON.text(call.origin + spotifyAPI.base)]
        return shape(name, values.merging(api) { $1 }, marks)
    }

    /// A track, an episode or a local file; null if it does not exist.
    fileprivate func itemJSON(_ uri: String?, _ call: Call, _ marks: Set<String> = []) -> JSON {
        let parts = (uri ?? "").split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count > 2 else { return nil }
        if parts[1] == "episode" { return made("episode", call, ["id": .text("\(parts[2])")]) }
        if parts[1] == "local" {
            let keys = ["artist", "album", "name", "seconds"]
            let texts = zip(keys, parts[2...]).map { ($0, JSON.text(decoded($1))) }
            var values = Dictionary(texts) { $1 }
            values["duration_ms"] = JSON((Int(values["seconds"]?.string ?? "") ?? 0) * 1000)
            return made("local", call, values.merging(["uri": JSON(uri)]) { $1 })
        }
        guard let track = tracks[String(parts[2])] else { return nil }
        func artist(_ name: String) -> JSON {
            made("artist", call, ["id": .text(identifier("artist " + name)), "name": .text(name)])
        }
        let isHits = track.album.hasPrefix("Hits ")
        let albumArtist = isHits ? "Various Artists" : track.artists[0]
        var values: [String: JSON] = [
            "id": .text(track.id), "name": .text(track.name), "album": .text(track.album),
            "album_id": .text(identifier("album \(albumArtist) \(track.album)")),
            "album_artists": [artist(albumArtist)], "album_type": isHits ? "compilation" : "album",
            "released": .text(track.released), "duration_ms": JSON(track.durationMS),
            "artists": .array(track.artists.map(artist)), "number": JSON(track.number),
        ]
        values["isrc"] = track.isrc.map { .text($0) }
        return made("track", call, values, marks)
    }

    /// A playlist as a read sees it; alone, or as a row of a list.
    fileprivate func playlistJSON(_ list: Playlist, _ call: Call, alone: Bool) throws -> JSON {
        let (version, rows) = (list.shown, list.shown.rows)
        var values: [String: JSON] = [
            "id": .text(list.id), "name": .text(version.name),
            "snapshot_id": .text(version.snapshot), "public": .bool(list.isPublic),
            "description": .text(version.description ?? ""),
            "owner": made("user", call, ["id": .text(list.owner)]),
            "collaborative": .bool(list.isCollaborative),
            "images": rows.isEmpty ? [] : table("covers"),
        ]
        for key in ["items", "tracks"] where !alone || list.isMine || !isNarrow {
            var first = call
            first.path = "\(spotifyAPI.base)/playlists/\(list.id)/\(key)"
            for name in ["limit", "offset", "fields"] { first.query[name] = nil }
            values[key] =
                alone
                ? try itemsJSON(rows, first, 100, 100)
                : ["href": .text(call.origin + first.path), "total": JSON(rows.count)]
        }
        return made("playlist", call, values, alone ? ["full"] : [])
    }

    /// A page of a playlist's rows; episodes are shown only to those who ask for them.
    fileprivate func itemsJSON(
        _ rows: [Playlist.Row], _ call: Call, _ most: Int, _ usual: Int
    ) throws -> JSON {
        let hidden = call.query["additional_types"]?.contains("episode") == true ? "-" : "episode"
        return try page(call, rows.count, most: most, usual: usual) { index in
            let (row, uri) = (rows[index], rows[index].uri ?? "")
            let isHidden = uri.hasPrefix("spotify:\(hidden):")
            let values: [String: JSON] = [
                "added_at": .text(ISOTime.text(row.addedAt, fraction: false)),
                "added_by": made("adder", call, ["id": .text(row.addedBy)]),
                "is_local": .bool(uri.hasPrefix("spotify:local:")),
                "item": isHidden ? nil : itemJSON(uri, call, ["row"]),
            ]
            return made("row", call, values)
        }
    }

    /// A playlist as a read sees it; the read is counted.
    fileprivate mutating func read(_ place: Int) -> Playlist {
        let list = spotify.playlists[place]
        spotify.playlists[place].staleReads = max(0, list.staleReads - 1)
        return list
    }
}

/// A page of a list, with links of the caller's own base.
private func page(
    _ call: Call, _ total: Int, most: Int = 50, usual: Int = 20, least: Int = 1,
    last: Int = .max, row: (Int) throws -> JSON
) throws -> JSON {
    func number(_ name: String, _ usual: Int, _ range: ClosedRange<Int>) throws -> Int {
        let value = try Int(call.query[name] ?? "\(usual)").or(400, "Invalid \(name)")
        try need(range.contains(value), 400, "Invalid \(name)")
        return value
    }
    let limit = try number("limit", usual, least...most)
    let offset = try number("offset", 0, 0...min(100_000, last - limit))
    func link(_ at: Int) -> JSON { .text(call.link(["offset": "\(at)", "limit": "\(limit)"])) }
    let end = min(total, offset + limit)
    return [
        "href": link(offset), "items": .array(offset < end ? try (offset..<end).map(row) : []),
        "limit": JSON(limit), "next": end < total && limit > 0 ? link(offset + limit) : nil,
        "offset": JSON(offset), "previous": offset > 0 ? link(max(0, offset - limit)) : nil,
        "total": JSON(total),
    ]
}

private func isID(_ id: String) -> Bool { id.wholeMatch(of: /[0-9A-Za-z]{22}/) != nil }

/// The URIs a call names: a new one in its query, an old one as ids in its query or body or path.
private func uris(_ call: Call) throws -> [String] {
    if !call.id.isEmpty { return ["spotify:playlist:" + call.id] }
    let isNew = call.path.contains("/library")
    let (name, most) = isNew ? ("uris", 40) : ("ids", 50)
    let stamped = call.body["timestamped_ids"].elements.map { $0["id"] }
    let body = (call.body.isArray ? call.body : call.body["ids"]).elements + stamped
    let inBody = isNew ? [] : body.compactMap(\.string)
    let given = call.query[name]?.split(separator: ",").map(String.init) ?? inBody
    try need(!given.isEmpty, 400, "Missing required field: \(name)")
    try need(given.count <= most, 400, "Too many \(name) requested, the maximum is \(most)")
    return isNew ? given : given.map { "spotify:track:" + $0 }
}

// MARK: Playlists

private func playlists(_ world: inout World, _ call: Call) throws -> JSON {
    let sees = (try? world.require("playlist-read-collaborative", call)) != nil
    let listed = world.spotify.playlists.indices.filter {
        let list = world.spotify.playlists[$0]
        return list.isFollowed && (sees || !list.isCollaborative)
    }
    return try page(call, listed.count) {
        try world.playlistJSON(world.read(listed[$0]), call, alone: false)
    }
}

private func create(_ world: inout World, _ call: Call) throws -> JSON {
    let body = call.body
    let name = try body["name"].string.or(400, "Missing required field: name")
    var list = Playlist(
        id: identifier(randomToken()), owner: World.user, name: name,
        description: body["description"].string)
    list.isPublic = body["public"].bool ?? true
    list.isCollaborative = body["collaborative"].bool ?? false
    let isSound = !list.isPublic || !list.isCollaborative
    try need(isSound, 400, "Collaborative playlists can't be public")
    try world.require(list.scope, call)
    world.spotify.playlists.insert(list, at: 0)
    return try world.playlistJSON(list, call, alone: true)
}

/// The playlist that a path names.
private func read(_ world: inout World, _ call: Call) throws -> Playlist {
    let place = try world.list(call)
    if !world.spotify.playlists[place].isPublic { try world.require("playlist-read-private", call) }
    return world.read(place)
}

private func playlist(_ world: inout World, _ call: Call) throws -> JSON {
    let answer = try world.playlistJSON(read(&world, call), call, alone: true)
    return part(of: answer, call.query["fields", default: ""][...])
}

private func items(_ world: inout World, _ call: Call) throws -> JSON {
    let list = try read(&world, call)
    try need(list.isMine || !world.isNarrow, 403)
    let (most, usual) = call.path.hasSuffix("/items") ? (50, 20) : (100, 100)
    let answer = try world.itemsJSON(list.shown.rows, call, most, usual)
    return part(of: answer, call.query["fields", default: ""][...])
}

/// Lets a body change a playlist that the user may write.
private func change(
    _ world: inout World, _ call: Call, items: Bool = true, _ body: (inout Playlist) throws -> Void
) throws -> JSON {
    let place = try world.list(call)
    var list = world.spotify.playlists[place]
    try world.require(list.scope, call)
    try need(items ? list.isMine : list.owner == World.user, 403)
    try body(&list)
    list.staleReads = world["stale_reads"].integer ?? 0
    world.spotify.playlists[place] = list
    return ["snapshot_id": .text(list.newest.snapshot)]
}

private func describe(_ world: inout World, _ call: Call) throws -> JSON {
    let body = call.body
    _ = try change(&world, call, items: false) { list in
        list.isPublic = body["public"].bool ?? list.isPublic
        list.isCollaborative = body["collaborative"].bool ?? list.isCollaborative
        list.change {
            $0.name = body["name"].string ?? $0.name
            // An empty description is reported to be ignored.
            let text = body["description"].string ?? ""
            $0.description = text.isEmpty ? $0.description : text
        }
    }
    return nil
}

/// The URIs to be written, checked as a whole; nil if there is no such field.
private func written(_ world: inout World, _ call: Call) throws -> [String] {
    let body = call.body.isArray ? call.body : call.body["uris"]
    let query = call.query["uris"]?.split(separator: ",").map(String.init)
    try need(query != nil || body.isArray, 400, "Missing required field: uris")
    let uris = query ?? body.elements.map { $0.string ?? $0.text }
    try need(uris.count <= 100, 400, "You can add a maximum of 100 tracks per request.")
    for uri in uris {
        let isGood = uri.wholeMatch(of: /spotify:(track|episode):[0-9A-Za-z]{22}/) != nil
        try need(isGood, 400, "Invalid track uri: \(uri)")
    }
    for uri in uris { world.ensure(uri) }
    return uris
}

private func addItems(_ world: inout World, _ call: Call) throws -> JSON {
    let uris = try written(&world, call)
    let position = call.query["position"].flatMap { Int($0) } ?? call.body["position"].integer
    try need(!uris.isEmpty, 400, "Missing required field: uris")
    let now = world.now
    return try change(&world, call) {
        try need((0...$0.newest.rows.count).contains(position ?? 0), 400, "Index out of bounds")
        $0.add(uris, at: position, by: World.user, now)
    }
}

private func replaceOrReorder(_ world: inout World, _ call: Call) throws -> JSON {
    let (body, now) = (call.body, world.now)
    guard let start = body["range_start"].integer, let before = body["insert_before"].integer else {
        let uris = try written(&world, call).map { ($0 as String?, nil as Milliseconds?) }
        return try change(&world, call) { $0.setItems(uris, by: World.user, now, keeping: false) }
    }
    try need(body["uris"].isNull, 400, "Replacing and reordering exclude each other")
    let length = body["range_length"].isNull ? 1 : body["range_length"].integer ?? 0
    return try change(&world, call) { list in
        let version = try list.version(body["snapshot_id"].string)
        let count = version.rows.count
        let fits = start >= 0 && length > 0 && length <= count && start <= count - length
        try need(fits && (0...count).contains(before), 400, "Index out of bounds")
        list.move(start..<start + length, before: before, in: version)
    }
}

private func removeItems(_ world: inout World, _ call: Call) throws -> JSON {
    let isOld = call.path.hasSuffix("/tracks")
    let key = isOld ? "tracks" : "items"
    let gone = call.body[key].elements
    try need(!gone.isEmpty, 400, "Missing required field: \(key)")
    try need(gone.count <= 100, 400, "You can remove a maximum of 100 tracks per request.")
    return try change(&world, call) { list in
        let version = try list.version(call.body["snapshot_id"].string)
        list.remove(in: version) { index, uri in
            gone.contains {
                // Positions belong to the old call; the new one removes all occurrences.
                let isAnywhere = !isOld || !$0["positions"].isArray
                let isHere = isAnywhere || $0["positions"].elements.contains { $0.integer == index }
                return uri != nil && $0["uri"].string == uri && isHere
            }
        }
    }
}

// MARK: The library

extension World {
    /// A saved track or one that was played, as `saved` and `played` in `shapes.json` have it.
    fileprivate func likeJSON(_ name: String, _ like: Like, _ call: Call) -> JSON {
        let time = JSON.text(ISOTime.text(like.addedAt, fraction: name == "played"))
        return shape(name, ["time": time, "item": itemJSON(like.uri, call)])
    }
}

private func likes(_ world: inout World, _ call: Call) throws -> JSON {
    let likes = world.spotify.likes
    return try page(call, likes.count) { world.likeJSON("saved", likes[$0], call) }
}

/// Saves or removes tracks, follows or unfollows playlists.
private func keep(_ world: inout World, _ call: Call) throws -> JSON {
    let (uris, keeps) = (try uris(call), call.method == "PUT")
    for uri in uris {
        let isList = uri.hasPrefix("spotify:playlist:")
        try world.require(isList ? "playlist-modify-public" : "user-library-modify", call)
        try need(uri.contains(/:[0-9A-Za-z]{22}$/), 400, "Invalid uri: \(uri)")
    }
    for uri in uris {
        let place = world.spotify.playlists.firstIndex { "spotify:playlist:" + $0.id == uri }
        if let place { world.spotify.playlists[place].isFollowed = keeps }
        let isLiked = world.spotify.likes.contains { $0.uri == uri }
        guard uri.hasPrefix("spotify:track:"), isLiked != keeps else { continue }
        world.spotify.likes.removeAll { $0.uri == uri }
        world.ensure(uri)
        let stamps = call.body["timestamped_ids"].elements
        let stamp = stamps.first { uri.hasSuffix($0["id"].string ?? "?") }
        let like = Like(uri: uri, addedAt: stamp?["added_at"].time ?? world.now)
        if keeps { world.spotify.likes.insert(like, at: 0) }
    }
    // Past dates go where they belong; equal ones stay as they are.
    world.spotify.likes.sort { $0.addedAt > $1.addedAt }
    return nil
}

private func contains(_ world: inout World, _ call: Call) throws -> JSON {
    let uris = try uris(call)
    let areLists = uris.contains { $0.hasPrefix("spotify:playlist:") }
    try world.require(areLists ? "playlist-read-private" : "user-library-read", call)
    let lists = world.spotify.playlists.filter(\.isFollowed).map { "spotify:playlist:" + $0.id }
    let kept = Set(world.spotify.likes.map(\.uri) + lists)
    return .array(uris.map { .bool(kept.contains($0)) })
}

// MARK: Search and plays

private func search(_ world: inout World, _ call: Call) throws -> JSON {
    let query = try call.query["q"].or(400, "No search query").lowercased()
    let types = try call.query["type"].or(400, "Missing parameter type").split(separator: ",")
    let wanted = query.matches(of: /(?:(track|artist|album|isrc|year):)?(?:"([^"]*)"|(\S+))/)
    let found = world.tracks.values.filter { track in
        let artists = track.artists.joined(separator: " ")
        let texts = [
            "track": track.name, "artist": artists, "album": track.album, "isrc": track.isrc ?? "",
            "": "\(track.name) \(artists) \(track.album)",
        ].mapValues { $0.lowercased() }
        return wanted.allSatisfy { match in
            let (field, text) = (String(match.1 ?? ""), match.2 ?? match.3 ?? "")
            let years = text.split(separator: "-").map(String.init)
            guard field == "year" else { return texts[field]?.contains(text) ?? false }
            let year = String(track.released.prefix(4))
            return year >= years.first ?? "-" && year <= years.last ?? ""
        }
    }.sorted { $0.id < $1.id }
    let (most, usual) = world.isNarrow ? (10, 5) : (50, 20)
    let pages = try types.map { type in
        let tracks = type == "track" ? found : []
        let page = try page(call, tracks.count, most: most, usual: usual, least: 0, last: 1000) {
            world.itemJSON(tracks[$0].uri, call)
        }
        return ("\(type)s", page)
    }
    return .object(pages)
}

private func recent(_ world: inout World, _ call: Call) throws -> JSON {
    let (after, before) = (call.query["after"], call.query["before"])
    try need(after == nil || before == nil, 400, "Only one of after and before may be given")
    let limit = try Int(call.query["limit"] ?? "20").or(400, "Invalid limit")
    try need((1...50).contains(limit), 400, "Invalid limit")
    let (start, end) = (Int64(after ?? "") ?? 0, Int64(before ?? "") ?? .max)
    let fitting = world.spotify.recent.prefix(50).filter { $0.addedAt > start && $0.addedAt < end }
    let rows = fitting.prefix(limit)
    var (cursors, next): (JSON, JSON) = (nil, nil)
    if let first = rows.first?.addedAt, let last = rows.last?.addedAt {
        cursors = ["after": .text("\(first)"), "before": .text("\(last)")]
        if rows.count < fitting.count { next = .text(call.link(["before": "\(last)"])) }
    }
    return [
        "items": .array(rows.map { world.likeJSON("played", $0, call) }), "next": next,
        "cursors": cursors, "limit": JSON(limit), "href": .text(call.link([:])),
    ]
}

private func top(_ world: inout World, _ call: Call) throws -> JSON {
    let range = call.query["time_range"] ?? "medium_term"
    try need(["short_term", "medium_term", "long_term"].contains(range), 400, "Invalid time range")
    let counts = world.lastfm.counts()
    let plays = world.tracks.values.map { track in
        let song = world.lastfm.song(track.artists[0], track.name)
        return (track.uri, song.map { counts[$0] } ?? 0)
    }
    let played = plays.filter { $0.1 > 0 }.sorted { ($1.1, $0.0) < ($0.1, $1.0) }
    return try page(call, played.count) { world.itemJSON(played[$0].0, call) }
}
