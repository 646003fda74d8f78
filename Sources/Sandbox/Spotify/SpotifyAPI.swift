import JSONText
import Ledger

let spotifyAPI = Service(
    name: "spotify_api", base: "/spotify/v1",
    render: { refusal, _ in
        let usual = table("spotify_errors")[String(refusal.status)].string
        var error: [(String, JSON)] = [
            ("status", JSON(refusal.code.flatMap { Int($0) } ?? refusal.status)),
            ("message", .text(refusal.message ?? usual ?? "Error")),
        ]
        if let reason = refusal.reason { error.append(("reason", .text(reason))) }
        var reply = Reply.json(["error": .object(error)], refusal.status)
        reply.headers.merge(refusal.headers) { $1 }
        return reply
    },
    routes: [
        route("GET /me") { .json($0.userJSON(World.user, $1, ["me", "named"])) },
        route("GET /users/{id}", .old) { .json($0.userJSON($1.arguments[0], $1)) },
        route("GET /me/playlists", .always, "playlist-read-private", playlists),
        route("GET /users/{id}/playlists", .old, "playlist-read-private", playlists),
        route("POST /me/playlists", .new, "", create),
        route("POST /users/{id}/playlists", .old, "", create),
        route("GET /playlists/{id}", .always, "", playlist),
        route("PUT /playlists/{id}", .always, "", describe),
        route("GET /playlists/{id}/items", .new, "", items),
        route("GET /playlists/{id}/tracks", .old, "", items),
        route("POST /playlists/{id}/items", .new, "", addItems),
        route("POST /playlists/{id}/tracks", .old, "", addItems),
        route("PUT /playlists/{id}/items", .new, "", replaceOrReorder),
        route("PUT /playlists/{id}/tracks", .old, "", replaceOrReorder),
        route("DELETE /playlists/{id}/items", .new, "", removeItems),
        route("DELETE /playlists/{id}/tracks", .old, "", removeItems),
        route("GET /me/tracks", .always, "user-library-read", likes),
        route("PUT /me/library", .new) { try keep(&$0, $1, try uris($1, 40), true) },
        route("DELETE /me/library", .new) { try keep(&$0, $1, try uris($1, 40), false) },
        route("GET /me/library/contains", .new) { try contains($0, $1, try uris($1, 40)) },
        route("PUT /me/tracks", .old) { try keep(&$0, $1, try uris($1, 50, ids: true), true) },
        route("DELETE /me/tracks", .old) { try keep(&$0, $1, try uris($1, 50, ids: true), false) },
        route("GET /me/tracks/contains", .old) {
            try contains($0, $1, try uris($1, 50, ids: true))
        },
        route("PUT /playlists/{id}/followers", .old) { try keep(&$0, $1, [listURI($1)], true) },
        route("DELETE /playlists/{id}/followers", .old) { try keep(&$0, $1, [listURI($1)], false) },
        route("GET /tracks/{id}") { world, call in
            let id = call.arguments[0]
            try need(isID(id), 400, "Invalid base62 id")
            try need(world.catalogue[id] != nil, 404, "Non existing id: 'spotify:track:\(id)'")
            return .json(world.itemJSON("spotify:track:" + id, call))
        },
        route("GET /tracks", .old) { world, call in
            let found = try uris(call, 50, ids: true).map { world.itemJSON($0, call) }
            return .json(["tracks": .array(found)])
        },
        route("GET /search", .always, "", search),
        route("GET /me/player/recently-played", .always, "user-read-recently-played", recent),
        route("GET /me/top/tracks", .always, "user-top-read", top),
    ])

/// When a call exists: always, since 2026, or only in the world before.
private enum Age { case always, new, old }

private func route(
    _ pattern: String, _ age: Age = .always, _ scope: String = "",
    _ handler: @escaping Service.Handler
) -> Service.Route {
    (
        pattern,
        { world, call in
            try world.require("", call)
            try need(age != .new || world["mode"].string != "legacy", 404)
            try need(age != .old || !world.isNarrow, 403)
            try world.require(scope, call)
            return try handler(&world, call)
        }
    )
}

extension World {
    /// The place of the playlist that a path names.
    func list(_ call: Call) throws -> Int {
        try spotify.playlists.firstIndex { $0.id == call.arguments[0] }.or(
            404, "Resource not found")
    }

    /// Spotify as a client id of 2026 in development mode sees it.
    fileprivate var isNarrow: Bool { self["mode"].string == "dev2026" }

    /// Refuses a call without a token, or without these scopes.
    fileprivate func require(_ scopes: String, _ call: Call) throws {
        let header = try call.headers["authorization"].or(401, "No token provided")
        try need(header.hasPrefix("Bearer "), 401, "Only valid bearer authentication supported")
        let grant = try spotify.grants[String(header.dropFirst(7))].or(401, "Invalid access token")
        try need(now < grant.expires, 401, "The access token expired")
        guard !Set(grant.scope.split(separator: " ")).isSuperset(of: scopes.split(separator: " "))
        else {
            return
        }
        var refusal = Refusal(403, "Insufficient client scope")
        refusal.headers["WWW-Authenticate"] =
            "Bearer realm=\"spotify\", error=\"insufficient_scope\", scope=\"\(scopes)\""
        throw refusal
    }

    // MARK: Objects

    private func made(
        _ name: String, _ call: Call, _ values: [String: JSON], _ more: Set<String> = []
    ) -> JSON {
        let worlds: Set =
            isNarrow ? ["new"] : self["mode"].string == "legacy" ? ["old"] : ["old", "new"]
        let api = ["api": JSON.text(call.origin + spotifyAPI.base)]
        return shape(name, values.merging(api) { $1 }, worlds.union(more))
    }

    fileprivate func userJSON(_ id: String, _ call: Call, _ marks: Set<String> = ["named"]) -> JSON
    {
        made(
            "user", call, ["id": .text(id)],
            isNarrow ? marks : marks.union(marks.map { "old" + $0 }))
    }

    /// A track, an episode or a local file; null if it does not exist.
    fileprivate func itemJSON(_ uri: String?, _ call: Call, _ marks: Set<String> = []) -> JSON {
        let parts = (uri ?? "").split(separator: ":", omittingEmptySubsequences: false)
        func local(_ index: Int) -> JSON { .text(index < parts.count ? decoded(parts[index]) : "") }
        guard parts.count > 2 else { return nil }
        if parts[1] == "local" {
            let ms = (Int(local(5).string ?? "") ?? 0) * 1000
            return made(
                "local", call,
                [
                    "uri": JSON(uri), "artist": local(2), "album": local(3), "name": local(4),
                    "duration_ms": JSON(ms),
                ])
        }
        if parts[1] == "episode" { return made("episode", call, ["id": local(2)]) }
        guard let track = catalogue[String(parts[2])] else { return nil }
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
        return made(
            "track", call, values, call.query["market"] == nil ? marks : marks.union(["market"]))
    }

    /// A row of a playlist; episodes are shown only to those who ask for them.
    private func rowJSON(_ row: Playlist.Row, _ call: Call) -> JSON {
        let isHidden =
            row.uri?.hasPrefix("spotify:episode:") ?? true
            && call.query["additional_types"]?.contains("episode") != true
        return made(
            "row", call,
            [
                "added_at": .text(ISOTime.text(row.addedAt, fraction: false)),
                "added_by": userJSON(row.addedBy, call, []),
                "is_local": .bool(row.uri?.hasPrefix("spotify:local:") ?? false),
                "item": isHidden ? nil : itemJSON(row.uri, call, ["row"]),
            ])
    }

    /// A playlist as it stood in a version; alone, or as a row of a list.
    fileprivate func playlistJSON(
        _ list: Playlist, _ version: Playlist.Version, _ call: Call, alone: Bool
    ) throws -> JSON {
        var values: [String: JSON] = [
            "id": .text(list.id), "name": .text(version.name),
            "snapshot_id": .text(version.snapshot),
            "description": .text(version.description ?? ""), "owner": userJSON(list.owner, call),
            "public": .bool(list.isPublic), "collaborative": .bool(list.isCollaborative),
            "images": version.order.isEmpty ? [] : table("covers"),
        ]
        for key in ["items", "tracks"] where !alone || list.isMine || !isNarrow {
            let path = "\(spotifyAPI.base)/playlists/\(list.id)/\(key)"
            let total = JSON(version.order.count)
            values[key] =
                alone
                ? try itemsJSON(list, version, call, at: path)
                : ["href": .text(call.origin + path), "total": total]
        }
        return made("playlist", call, values, alone ? ["full"] : [])
    }

    /// A page of a playlist's rows; the first one if it is part of the playlist itself.
    fileprivate func itemsJSON(
        _ list: Playlist, _ version: Playlist.Version, _ call: Call, at path: String? = nil
    ) throws -> JSON {
        let isNew = path == nil && call.path.hasSuffix("/items")
        return try page(
            call, version.order.count, most: isNew ? 50 : 100, usual: isNew ? 20 : 100, path: path
        ) { rowJSON(list.row($0, version), call) }
    }
}

/// A page of a list, with links of the caller's own base; the first one if it has another path.
private func page(
    _ call: Call, _ total: Int, most: Int = 50, usual: Int = 20, least: Int = 1,
    path: String? = nil,
    row: (Int) throws -> JSON
) throws -> JSON {
    func number(_ name: String, _ usual: Int, _ range: ClosedRange<Int>) throws -> Int {
        guard path == nil, let text = call.query[name] else { return usual }
        let value = try Int(text).or(400, "Invalid \(name)")
        try need(range.contains(value), 400, "Invalid \(name)")
        return value
    }
    let limit = try number("limit", usual, least...most)
    let offset = try number("offset", 0, 0...100_000)
    func link(_ offset: Int) -> JSON {
        guard let path else {
            return .text(call.link(["offset": "\(offset)", "limit": "\(limit)"]))
        }
        return .text("\(call.origin)\(path)?offset=\(offset)&limit=\(limit)")
    }
    let end = min(total, offset + limit)
    return [
        "href": link(offset), "items": .array(offset < end ? try (offset..<end).map(row) : []),
        "limit": JSON(limit), "next": end < total && limit > 0 ? link(offset + limit) : nil,
        "offset": JSON(offset), "previous": offset > 0 ? link(max(0, offset - limit)) : nil,
        "total": JSON(total),
    ]
}

private func isID(_ id: some StringProtocol) -> Bool {
    id.utf8.count == 22 && id.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) }
}

private func listURI(_ call: Call) -> String { "spotify:playlist:" + call.arguments[0] }

/// The URIs a call names: new ones in the query alone, old ones as ids in the query or the body.
private func uris(_ call: Call, _ most: Int, ids: Bool = false) throws -> [String] {
    let name = ids ? "ids" : "uris"
    let stamped = call.body["timestamped_ids"].elements.map { $0["id"] }
    let body = (call.body.isArray ? call.body : call.body["ids"]).elements + stamped
    let inBody = ids ? body.compactMap(\.string) : []
    let given = call.query[name]?.split(separator: ",").map(String.init) ?? inBody
    try need(!given.isEmpty, 400, "Missing required field: \(name)")
    try need(given.count <= most, 400, "Too many \(name) requested, the maximum is \(most)")
    return ids ? given.map { "spotify:track:" + $0 } : given
}

// MARK: Playlists

private func playlists(_ world: inout World, _ call: Call) throws -> Reply {
    let sees = (try? world.require("playlist-read-collaborative", call)) != nil
    let listed = world.spotify.playlists.indices.filter {
        let list = world.spotify.playlists[$0]
        return list.isFollowed && (sees || !list.isCollaborative)
    }
    return .json(
        try page(call, listed.count) { index in
            let version = world.spotify.playlists[listed[index]].read()
            let list = world.spotify.playlists[listed[index]]
            return try world.playlistJSON(list, version, call, alone: false)
        })
}

private func requireWrite(_ list: Playlist, _ world: World, _ call: Call) throws {
    try world.require("playlist-modify-" + (list.isPublic ? "public" : "private"), call)
}

private func create(_ world: inout World, _ call: Call) throws -> Reply {
    let name = try call.body["name"].string.or(400, "Missing required field: name")
    var list = Playlist(
        id: identifier(randomToken()), owner: World.user, name: name,
        description: call.body["description"].string)
    list.isPublic = call.body["public"].bool ?? true
    list.isCollaborative = call.body["collaborative"].bool ?? false
    try need(
        !list.isPublic || !list.isCollaborative, 400, "Collaborative playlists can't be public")
    try requireWrite(list, world, call)
    world.spotify.playlists.insert(list, at: 0)
    return .json(try world.playlistJSON(list, list.newest, call, alone: true), 201)
}

private func find(_ world: World, _ call: Call) throws -> Int {
    let place = try world.list(call)
    let isOpen = world.spotify.playlists[place].isPublic || call.method != "GET"
    if !isOpen { try world.require("playlist-read-private", call) }
    return place
}

private func playlist(_ world: inout World, _ call: Call) throws -> Reply {
    let place = try find(world, call)
    let version = world.spotify.playlists[place].read()
    let answer = try world.playlistJSON(world.spotify.playlists[place], version, call, alone: true)
    return .json(call.query["fields"].map { FieldTree($0).part(of: answer) } ?? answer)
}

private func items(_ world: inout World, _ call: Call) throws -> Reply {
    let place = try find(world, call)
    try need(world.spotify.playlists[place].isMine || !world.isNarrow, 403)
    let version = world.spotify.playlists[place].read()
    let answer = try world.itemsJSON(world.spotify.playlists[place], version, call)
    return .json(call.query["fields"].map { FieldTree($0).part(of: answer) } ?? answer)
}

/// Lets a body change a playlist that the user may write.
private func change(
    _ world: inout World, _ call: Call, items: Bool = true, _ body: (inout Playlist) throws -> Void
) throws -> JSON {
    let place = try find(world, call)
    let list = world.spotify.playlists[place]
    try requireWrite(list, world, call)
    try need(items ? list.isMine : list.owner == World.user, 403)
    try body(&world.spotify.playlists[place])
    world.spotify.playlists[place].staleReads = world["stale_reads"].integer ?? 0
    return ["snapshot_id": .text(world.spotify.playlists[place].newest.snapshot)]
}

private func describe(_ world: inout World, _ call: Call) throws -> Reply {
    _ = try change(&world, call, items: false) { list in
        list.isPublic = call.body["public"].bool ?? list.isPublic
        list.isCollaborative = call.body["collaborative"].bool ?? list.isCollaborative
        list.change {
            $0.name = call.body["name"].string ?? $0.name
            // An empty description is reported to be ignored.
            let text = call.body["description"].string ?? ""
            $0.description = text.isEmpty ? $0.description : text
        }
    }
    return Reply()
}

/// The URIs to be written, checked as a whole.
private func written(_ world: inout World, _ call: Call) throws -> [String] {
    let body = (call.body.isArray ? call.body : call.body["uris"]).elements
    let uris =
        call.query["uris"]?.split(separator: ",").map(String.init)
        ?? body.map { $0.string ?? $0.text }
    try need(uris.count <= 100, 400, "You can add a maximum of 100 tracks per request.")
    for uri in uris {
        let parts = uri.split(separator: ":")
        let isGood =
            parts.count == 3
            && ["spotify:track:", "spotify:episode:"].contains { uri.hasPrefix($0) }
        try need(isGood && isID(parts[2]), 400, "Invalid track uri: \(uri)")
    }
    for uri in uris { world.catalogue.ensure(uri) }
    return uris
}

private func addItems(_ world: inout World, _ call: Call) throws -> Reply {
    let uris = try written(&world, call)
    let position = call.query["position"].flatMap { Int($0) } ?? call.body["position"].integer
    try need(!uris.isEmpty, 400, "Missing required field: uris")
    let now = world.now
    let answer = try change(&world, call) {
        try need((0...$0.newest.order.count).contains(position ?? 0), 400, "Index out of bounds")
        $0.add(uris, at: position, by: World.user, now)
    }
    return .json(answer, 201)
}

private func replaceOrReorder(_ world: inout World, _ call: Call) throws -> Reply {
    let (body, now) = (call.body, world.now)
    guard let start = body["range_start"].integer, let before = body["insert_before"].integer else {
        let hasURIs = body.isArray || body["uris"].isArray || call.query["uris"] != nil
        try need(hasURIs, 400, "Missing required field: uris")
        let uris = try written(&world, call).map { ($0 as String?, nil as Milliseconds?) }
        return .json(
            try change(&world, call) { $0.setItems(uris, by: World.user, now, keeping: false) })
    }
    try need(body["uris"].isNull, 400, "Replacing and reordering exclude each other")
    let length = body["range_length"].isNull ? 1 : body["range_length"].integer ?? 0
    return .json(
        try change(&world, call) { list in
            let version = try list.version(body["snapshot_id"].string)
            let count = version.order.count
            let fits = start >= 0 && length > 0 && length <= count && start <= count - length
            try need(fits && (0...count).contains(before), 400, "Index out of bounds")
            list.move(start..<start + length, before: before, in: version)
        })
}

private func removeItems(_ world: inout World, _ call: Call) throws -> Reply {
    let isOld = call.path.hasSuffix("/tracks")
    let key = isOld ? "tracks" : "items"
    let gone = call.body[key].elements
    try need(!gone.isEmpty, 400, "Missing required field: \(key)")
    try need(gone.count <= 100, 400, "You can remove a maximum of 100 tracks per request.")
    return .json(
        try change(&world, call) { list in
            let version = try list.version(call.body["snapshot_id"].string)
            list.remove(in: version) { index, uri in
                gone.contains {
                    // Positions belong to the old call; the new one removes all occurrences.
                    let places = isOld && $0["positions"].isArray ? $0["positions"].elements : nil
                    let isHere = places?.contains { $0.integer == index } ?? true
                    return uri != nil && $0["uri"].string == uri && isHere
                }
            }
        })
}

// MARK: The library

private func rowsJSON(_ world: World, _ call: Call, _ likes: [Like], _ time: String) -> [JSON] {
    likes.map { like in
        let at = ISOTime.text(like.addedAt, fraction: time == "played_at")
        var row: [(String, JSON)] = [(time, .text(at)), ("track", world.itemJSON(like.uri, call))]
        if time == "played_at" { row.append(("context", nil)) }
        return .object(row)
    }
}

private func likes(_ world: inout World, _ call: Call) throws -> Reply {
    let likes = world.spotify.likes
    return .json(try page(call, likes.count) { rowsJSON(world, call, [likes[$0]], "added_at")[0] })
}

/// Saves or removes tracks, follows or unfollows playlists.
private func keep(_ world: inout World, _ call: Call, _ uris: [String], _ keeps: Bool) throws
    -> Reply
{
    for uri in uris {
        let isList = uri.hasPrefix("spotify:playlist:")
        try world.require(isList ? "playlist-modify-public" : "user-library-modify", call)
        try need(isID(uri.split(separator: ":").last ?? ""), 400, "Invalid uri: \(uri)")
    }
    for uri in uris {
        for index in world.spotify.playlists.indices
        where "spotify:playlist:" + world.spotify.playlists[index].id == uri {
            world.spotify.playlists[index].isFollowed = keeps
        }
        let isLiked = world.spotify.likes.contains { $0.uri == uri }
        guard uri.hasPrefix("spotify:track:"), isLiked != keeps else { continue }
        world.spotify.likes.removeAll { $0.uri == uri }
        world.catalogue.ensure(uri)
        let stamps = call.body["timestamped_ids"].elements
        let stamp = stamps.first { uri.hasSuffix($0["id"].string ?? "?") }?["added_at"].string
        let at = stamp.flatMap { ISOTime.parse($0) } ?? world.now
        if keeps { world.spotify.likes.insert(Like(uri: uri, addedAt: at), at: 0) }
    }
    // Past dates go where they belong; equal ones stay as they are.
    world.spotify.likes.sort { $0.addedAt > $1.addedAt }
    return Reply()
}

private func contains(_ world: World, _ call: Call, _ uris: [String]) throws -> Reply {
    let areLists = uris.contains { $0.hasPrefix("spotify:playlist:") }
    try world.require(areLists ? "playlist-read-private" : "user-library-read", call)
    let lists = world.spotify.playlists.filter(\.isFollowed).map { "spotify:playlist:" + $0.id }
    let kept = Set(world.spotify.likes.map(\.uri) + lists)
    return .json(.array(uris.map { .bool(kept.contains($0)) }))
}

// MARK: Search and plays

private func search(_ world: inout World, _ call: Call) throws -> Reply {
    let query = try call.query["q"].or(400, "No search query").lowercased()
    let types = try call.query["type"].or(400, "Missing parameter type").split(separator: ",")
    var wanted: [(field: String, text: String)] = []
    for match in query.matches(of: /(?:(track|artist|album|isrc|year):)?(?:"([^"]*)"|(\S+))/) {
        let text = String(match.2 ?? match.3 ?? "")
        wanted.append((String(match.1 ?? ""), text))
    }
    let found = world.catalogue.tracks.filter { track in
        wanted.allSatisfy { field, text in
            let artists = track.artists.joined(separator: " ")
            let years = text.split(separator: "-").compactMap { Int($0) }
            return switch field {
            case "track": track.name.lowercased().contains(text)
            case "artist": artists.lowercased().contains(text)
            case "album": track.album.lowercased().contains(text)
            case "isrc": track.isrc?.lowercased() == text
            case "year":
                ((years.first ?? 0)...max(years.first ?? 0, years.last ?? 0)).contains(
                    Int(track.released.prefix(4)) ?? 0)
            default: "\(track.name) \(artists) \(track.album)".lowercased().contains(text)
            }
        }
    }
    let (most, usual) = world.isNarrow ? (10, 5) : (50, 20)
    let offset = call.query["offset"].flatMap { Int($0) } ?? 0
    let limit = call.query["limit"].flatMap { Int($0) } ?? usual
    try need(offset <= 1000 && limit <= 1000 - max(0, offset), 400, "Invalid offset")
    let pages = try types.map { type in
        let tracks = type == "track" ? found : []
        let page = try page(call, tracks.count, most: most, usual: usual, least: 0) {
            world.itemJSON(tracks[$0].uri, call)
        }
        return ("\(type)s", page)
    }
    return .json(.object(pages))
}

private func recent(_ world: inout World, _ call: Call) throws -> Reply {
    let (after, before) = (call.query["after"], call.query["before"])
    try need(after == nil || before == nil, 400, "Only one of after and before may be given")
    let limit = try Int(call.query["limit"] ?? "20").or(400, "Invalid limit")
    try need((1...50).contains(limit), 400, "Invalid limit")
    let fitting = world.spotify.recent.prefix(50).filter {
        $0.addedAt > after.flatMap { Int64($0) } ?? 0
            && $0.addedAt < before.flatMap { Int64($0) } ?? .max
    }
    let rows = fitting.prefix(limit)
    let ends = (rows.first?.addedAt.description, rows.last?.addedAt.description)
    var next: JSON = nil
    if rows.count < fitting.count, let last = ends.1 { next = .text(call.link(["before": last])) }
    return .json([
        "items": .array(rowsJSON(world, call, Array(rows), "played_at")), "next": next,
        "cursors": rows.isEmpty ? nil : ["after": JSON(ends.0), "before": JSON(ends.1)],
        "limit": JSON(limit), "href": .text(call.link([:])),
    ])
}

private func top(_ world: inout World, _ call: Call) throws -> Reply {
    let range = call.query["time_range"] ?? "medium_term"
    try need(["short_term", "medium_term", "long_term"].contains(range), 400, "Invalid time range")
    let counts = world.lastfm.counts()
    let plays = world.catalogue.tracks.map { track in
        let song = world.lastfm.songs.place(track.artists[0], track.name)
        return (track.uri, song.map { counts[Int($0)] } ?? 0)
    }
    let played = plays.filter { $0.1 > 0 }.sorted { ($1.1, $0.0) < ($0.1, $1.0) }
    return .json(try page(call, played.count) { world.itemJSON(played[$0].0, call) })
}
