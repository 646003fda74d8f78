import JSONText
import Ledger

let spotifyAPI = Service(
    name: "spotify_api", base: "/spotify/v1",
    render: { refusal, _ in
        let messages = [
            401: "The access token expired", 403: "Forbidden", 404: "Service not found",
            429: "API rate limit exceeded", 500: "Server error", 503: "Service unavailable",
        ]
        let error: [(String, JSON?)] = [
            ("status", JSON(refusal.code.flatMap(Int.init) ?? refusal.status)),
            ("message", .text(refusal.message ?? messages[refusal.status] ?? "Error")),
            ("reason", refusal.reason.map { .text($0) }),
        ]
        var reply = Reply.json(["error": .sparse(error)], status: refusal.status)
        reply.headers.merge(refusal.headers) { $1 }
        return reply
    },
    routes: profileRoutes + playlistRoutes + libraryRoutes + trackRoutes)

extension World {
    var mode: Mode { self["mode"].string.flatMap(Mode.init) ?? .dev2026 }

    fileprivate func grant(_ call: Call) throws -> Grant {
        guard let header = call.headers["authorization"] else {
            throw Refusal(401, "No token provided")
        }
        guard header.hasPrefix("Bearer ") else {
            throw Refusal(401, "Only valid bearer authentication supported")
        }
        guard let grant = spotify.grants[String(header.dropFirst(7))] else {
            throw Refusal(401, "Invalid access token")
        }
        guard now < grant.expires else { throw Refusal(401, "The access token expired") }
        return grant
    }

    /// Refuses a token that has none of these scopes; those in one text are needed together.
    fileprivate func require(_ scopes: [String], _ call: Call) throws {
        let granted = Set(try grant(call).scope.split(separator: " "))
        guard
            scopes.isEmpty
                || scopes.contains(where: { granted.isSuperset(of: $0.split(separator: " ")) })
        else {
            var refusal = Refusal(403, "Insufficient client scope")
            refusal.headers["WWW-Authenticate"] =
                "Bearer realm=\"spotify\", error=\"insufficient_scope\", scope=\"\(scopes[0])\""
            throw refusal
        }
    }
}

/// When a call existed: always, since 2026, or only before (and for old client ids).
private enum Age { case always, new, old }

private func route(
    _ pattern: String, _ age: Age = .always, _ scopes: [String] = [],
    do handler: @escaping Service.Handler
) -> Service.Route {
    (
        pattern,
        { world, call in
            try world.require([], call)
            if age == .new, world.mode == .legacy { throw Refusal(404) }
            if age == .old, world.mode == .dev2026 { throw Refusal(403) }
            try world.require(scopes, call)
            return try handler(&world, call)
        }
    )
}

// MARK: Pages

/// A page of a list, with links of the caller's own base.
private func page(
    _ call: Call, total: Int, most: Int = 50, usual: Int = 20, least: Int = 1, path: String? = nil,
    row: (Int) -> JSON
) throws -> JSON {
    func number(_ name: String, _ usual: Int, _ range: ClosedRange<Int>) throws -> Int {
        guard let text = call.query(name), path == nil else { return usual }
        guard let value = Int(text), range.contains(value) else {
            throw Refusal(400, "Invalid \(name)")
        }
        return value
    }
    let limit = try number("limit", usual, least...most)
    let offset = try number("offset", 0, 0...100_000)
    let others = call.query.filter { !["offset", "limit"].contains($0.name) }
        .map { "&\($0.name)=\(encoded($0.value))" }.joined()
    func link(_ offset: Int) -> JSON {
        .text(
            "\(call.origin)\(path ?? call.path)?offset=\(offset)&limit=\(limit)\(path == nil ? others : "")"
        )
    }
    let end = min(total, offset + limit)
    return [
        "href": link(offset), "items": .array(offset < end ? (offset..<end).map(row) : []),
        "limit": JSON(limit), "next": end < total && limit > 0 ? link(offset + limit) : nil,
        "offset": JSON(offset), "previous": offset > 0 ? link(max(0, offset - limit)) : nil,
        "total": JSON(total),
    ]
}

private func uris(_ call: Call, most: Int) throws -> [String] {
    guard let text = call.query("uris"), !text.isEmpty else {
        throw Refusal(400, "Missing required field: uris")
    }
    let uris = text.split(separator: ",").map(String.init)
    guard uris.count <= most else {
        throw Refusal(400, "Too many uris requested, the maximum is \(most)")
    }
    return uris
}

private func isID(_ id: some StringProtocol) -> Bool {
    id.utf8.count == 22 && id.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber) }
}

// MARK: The user and the lists

private let profileRoutes: [Service.Route] = [
    route("GET /me") { world, call in .json(Shapes(world, call).user(World.user, full: true)) },
    route("GET /users/{id}", .old) { world, call in
        .json(Shapes(world, call).user(call.arguments[0]))
    },
    route("GET /me/playlists", .always, ["playlist-read-private"], do: library),
    route("GET /users/{id}/playlists", .old, do: library),
    route("POST /me/playlists", .new, do: create),
    route("POST /users/{id}/playlists", .old, do: create),
]

private func library(_ world: inout World, _ call: Call) throws -> Reply {
    let sees = try world.grant(call).scope.contains("playlist-read-collaborative")
    let listed = world.spotify.playlists.indices.filter {
        let list = world.spotify.playlists[$0]
        return list.isFollowed && (sees || !list.isCollaborative)
    }
    let shapes = Shapes(world, call)
    return .json(
        try page(call, total: listed.count) { index in
            let list = world.spotify.playlists[listed[index]]
            let version = world.spotify.playlists[listed[index]].read()
            return shapes.playlist(list, version) { key in
                [
                    "href": .text("\(shapes.api)/playlists/\(list.id)/\(key)"),
                    "total": JSON(version.order.count),
                ]
            }
        })
}

private func create(_ world: inout World, _ call: Call) throws -> Reply {
    let body = call.json
    guard let name = body["name"].string else { throw Refusal(400, "Missing required field: name") }
    var list = Playlist(
        id: identifier(of: randomToken()), owner: World.user, name: name,
        description: body["description"].string)
    list.isPublic = body["public"].bool ?? true
    list.isCollaborative = body["collaborative"].bool ?? false
    guard !(list.isPublic && list.isCollaborative) else {
        throw Refusal(400, "Collaborative playlists can't be public")
    }
    try requireWrite(list, world, call)
    world.spotify.playlists.insert(list, at: 0)
    return .json(try whole(list, list.newest, Shapes(world, call), call), status: 201)
}

// MARK: One playlist

private let playlistRoutes: [Service.Route] =
    [
        route("GET /playlists/{id}") { world, call in
            let place = try find(world, call)
            let shapes = Shapes(world, call)
            let version = world.spotify.playlists[place].read()
            let list = world.spotify.playlists[place]
            let answer = try whole(list, version, shapes, call)
            return .json(call.query("fields").map { selected(answer, $0) } ?? answer)
        },
        route("PUT /playlists/{id}") { world, call in
            try change(&world, call, items: false) { list in
                let body = call.json
                list.isPublic = body["public"].bool ?? list.isPublic
                list.isCollaborative = body["collaborative"].bool ?? list.isCollaborative
                list.change {
                    $0.name = body["name"].string ?? $0.name
                    // An empty description is ignored: reported of the service.
                    let text = body["description"].string ?? ""
                    $0.description = text.isEmpty ? $0.description : text
                }
            }
            return Reply()
        },
        route("PUT /playlists/{id}/followers", .old) { world, call in follow(&world, call, true) },
        route("DELETE /playlists/{id}/followers", .old) { world, call in follow(&world, call, false)
        },
    ]
    + [("items", Age.new), ("tracks", Age.old)].flatMap { path, age in
        [
            route("GET /playlists/{id}/\(path)", age, do: items),
            route("POST /playlists/{id}/\(path)", age, do: addItems),
            route("PUT /playlists/{id}/\(path)", age, do: replaceOrReorder),
            route("DELETE /playlists/{id}/\(path)", age, do: removeItems),
        ]
    }

private func find(_ world: World, _ call: Call) throws -> Int {
    let place = world.spotify.playlists.firstIndex { $0.id == call.arguments[0] }
    guard let place else { throw Refusal(404, "Resource not found") }
    let list = world.spotify.playlists[place]
    if !list.isPublic {
        try world.require(["playlist-read-private", "playlist-modify-private"], call)
    }
    return place
}

private func isMine(_ list: Playlist) -> Bool { list.owner == World.user || list.isCollaborative }

private func whole(
    _ list: Playlist, _ version: Playlist.Version, _ shapes: Shapes, _ call: Call
) throws -> JSON {
    let episodes = call.query("additional_types")?.contains("episode") ?? false
    var pages: [String: JSON] = [:]
    for key in shapes.listKeys where isMine(list) || shapes.mode != .dev2026 {
        let path = "\(spotifyAPI.base)/playlists/\(list.id)/\(key)"
        pages[key] = try page(call, total: version.order.count, usual: 100, path: path) {
            shapes.row(list.rows[Int(version.order[$0])], episodes: episodes)
        }
    }
    return shapes.playlist(list, version, full: true) { pages[$0] }
}

private func items(_ world: inout World, _ call: Call) throws -> Reply {
    let place = try find(world, call)
    let shapes = Shapes(world, call)
    guard isMine(world.spotify.playlists[place]) || shapes.mode != .dev2026 else {
        throw Refusal(403)
    }
    let version = world.spotify.playlists[place].read()
    let rows = world.spotify.playlists[place].rows
    let isNew = call.path.hasSuffix("/items")
    let episodes = call.query("additional_types")?.contains("episode") ?? false
    let answer = try page(
        call, total: version.order.count, most: isNew ? 50 : 100, usual: isNew ? 20 : 100
    ) { shapes.row(rows[Int(version.order[$0])], episodes: episodes) }
    return .json(call.query("fields").map { selected(answer, $0) } ?? answer)
}

private func requireWrite(_ list: Playlist, _ world: World, _ call: Call) throws {
    try world.require([list.isPublic ? "playlist-modify-public" : "playlist-modify-private"], call)
}

/// Lets a body change a playlist that the user may write.
@discardableResult
private func change(
    _ world: inout World, _ call: Call, items: Bool = true, _ body: (inout Playlist) throws -> Void
) throws -> JSON {
    let place = try find(world, call)
    let list = world.spotify.playlists[place]
    try requireWrite(list, world, call)
    guard items ? isMine(list) : list.owner == World.user else { throw Refusal(403) }
    try body(&world.spotify.playlists[place])
    world.spotify.playlists[place].staleReads = world["stale_reads"].integer ?? 0
    return ["snapshot_id": .text(world.spotify.playlists[place].newest.snapshot)]
}

/// The URIs to be written, checked as a whole.
private func written(_ world: inout World, _ call: Call) throws -> [String] {
    let body = call.json
    let given = call.query("uris")?.split(separator: ",").map(String.init)
    let uris =
        try given
        ?? (body.isArray ? body : body["uris"]).elements.map {
            guard let uri = $0.string else { throw Refusal(400, "Invalid track uri: \($0.text)") }
            return uri
        }
    guard uris.count <= 100 else {
        throw Refusal(400, "You can add a maximum of 100 tracks per request.")
    }
    for uri in uris {
        let parts = uri.split(separator: ":")
        guard parts.count == 3, parts[0] == "spotify", ["track", "episode"].contains(parts[1]),
            isID(parts[2])
        else { throw Refusal(400, "Invalid track uri: \(uri)") }
        world.catalogue.ensure(uri)
    }
    return uris
}

private func addItems(_ world: inout World, _ call: Call) throws -> Reply {
    let uris = try written(&world, call)
    let position = call.query("position").flatMap(Int.init) ?? call.json["position"].integer
    guard !uris.isEmpty else { throw Refusal(400, "Missing required field: uris") }
    let now = world.now / 1000 * 1000
    return .json(
        try change(&world, call) { list in
            guard (0...list.newest.order.count).contains(position ?? 0) else {
                throw Refusal(400, "Index out of bounds")
            }
            list.add(uris, at: position, by: World.user, now)
        }, status: 201)
}

private func replaceOrReorder(_ world: inout World, _ call: Call) throws -> Reply {
    let body = call.json
    let now = world.now / 1000 * 1000
    if body.isArray || !body["uris"].isNull || call.query("uris") != nil {
        guard body["range_start"].isNull else {
            throw Refusal(400, "Cannot both replace and reorder")
        }
        let uris = try written(&world, call)
        return .json(
            try change(&world, call) {
                $0.setItems(uris.map { ($0, nil) }, by: World.user, now, keeping: false)
            })
    }
    guard let start = body["range_start"].integer, let before = body["insert_before"].integer else {
        throw Refusal(400, "Missing required field: uris")
    }
    let length = body["range_length"].isNull ? 1 : body["range_length"].integer ?? 0
    return .json(
        try change(&world, call) { list in
            let version = try named(list, body)
            guard start >= 0, length > 0, before >= 0, before <= version.order.count,
                length <= version.order.count, start <= version.order.count - length
            else { throw Refusal(400, "Index out of bounds") }
            list.move(start..<start + length, before: before, in: version)
        })
}

private func removeItems(_ world: inout World, _ call: Call) throws -> Reply {
    let body = call.json
    let isOld = call.path.hasSuffix("/tracks")
    let gone = body[isOld ? "tracks" : "items"].elements
    guard !gone.isEmpty, gone.allSatisfy({ $0["uri"].string != nil }) else {
        throw Refusal(400, "Missing required field: \(isOld ? "tracks" : "items")")
    }
    guard gone.count <= 100 else {
        throw Refusal(400, "You can remove a maximum of 100 tracks per request.")
    }
    return .json(
        try change(&world, call) { list in
            list.remove(in: try named(list, body)) { index, uri in
                gone.contains {
                    guard let wanted = $0["uri"].string, wanted == uri else { return false }
                    // Positions belong to the old call; the new one removes all occurrences.
                    guard isOld, $0["positions"].isArray else { return true }
                    return $0["positions"].elements.contains { $0.integer == index }
                }
            }
        })
}

private func named(_ list: Playlist, _ body: JSON) throws -> Playlist.Version {
    guard let version = list.version(body["snapshot_id"].string) else {
        throw Refusal(400, "Invalid snapshot id")
    }
    return version
}

private func follow(_ world: inout World, _ call: Call, _ follows: Bool) -> Reply {
    for index in world.spotify.playlists.indices
    where world.spotify.playlists[index].id == call.arguments[0] {
        world.spotify.playlists[index].isFollowed = follows
    }
    return Reply()
}

// MARK: The library

private let libraryRoutes: [Service.Route] = []
private let trackRoutes: [Service.Route] = []
