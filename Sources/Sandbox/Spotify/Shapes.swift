import JSONText
import Ledger

/// Which of Spotify's three worlds a client id lives in (`mode`).
enum Mode: String { case dev2026, full2026, legacy }

/// Spotify's objects as JSON.
struct Shapes {
    let mode: Mode
    let api: String
    let catalogue: Catalogue

    init(_ world: World, _ call: Call) {
        mode = world.mode
        api = call.origin + spotifyAPI.base
        catalogue = world.catalogue
    }

    /// The keys under which a playlist's rows, and a row's track, are given.
    var listKeys: [String] { keys(old: "tracks", new: "items") }
    private var rowKeys: [String] { keys(old: "track", new: "item") }

    private func keys(old: String, new: String) -> [String] {
        switch mode {
        case .dev2026: [new]
        case .full2026: [old, new]
        case .legacy: [old]
        }
    }

    private func old(_ value: JSON) -> JSON? { mode == .dev2026 ? Optional.none : value }

    /// What nearly every object has.
    private func object(_ type: String, _ id: String?, _ more: [(String, JSON?)]) -> JSON {
        let web: JSON =
            id.map { ["spotify": .text("https://open.spotify.com/\(type)/\($0)")] } ?? [:]
        return .sparse(
            more + [
                ("external_urls", web), ("href", JSON(id.map { "\(api)/\(type)s/\($0)" })),
                ("id", JSON(id)),
                ("type", .text(type)), ("uri", JSON(id.map { "spotify:\(type):\($0)" })),
            ])
    }

    func user(_ id: String, full: Bool = false) -> JSON {
        let more: [(String, JSON?)] =
            full
            ? [
                ("account_id", .text("account-" + id)), ("images", []),
                ("followers", old(["href": nil, "total": 3])), ("country", old("DE")),
                ("product", old("premium")), ("email", old("sandbox@example.org")),
                ("explicit_content", old(["filter_enabled": false, "filter_locked": false])),
            ] : []
        return object("user", id, [("display_name", .text(id.capitalizedFirst))] + more)
    }

    private func artist(_ name: String, isLocal: Bool = false) -> JSON {
        object("artist", isLocal ? nil : identifier(of: "artist " + name), [("name", .text(name))])
    }

    private var images: JSON {
        .array(
            [640, 300, 64].map { (size: Int) -> JSON in
                [
                    "height": JSON(size), "url": .text("https://i.scdn.co/image/sandbox\(size)"),
                    "width": JSON(size),
                ]
            })
    }

    /// A track, an episode or a local file; null if it does not exist.
    ///
    /// - Parameter inRow: Rows of playlists carry two keys more.
    func item(_ uri: String?, inRow: Bool = false) -> JSON {
        let parts = (uri ?? "").split(separator: ":", omittingEmptySubsequences: false).map(
            String.init)
        guard parts.count > 2 else { return nil }
        switch parts[1] {
        case "local": return local(parts)
        case "episode": return episode(parts[2])
        default: return catalogue[parts[2]].map { track($0, inRow: inRow) } ?? .null
        }
    }

    func track(_ track: Track, inRow: Bool = false) -> JSON {
        let albumArtist = track.album.hasPrefix("Hits ") ? "Various Artists" : track.artists[0]
        let album = object(
            "album", identifier(of: "album \(albumArtist) \(track.album)"),
            [
                ("album_type", albumArtist == track.artists[0] ? "album" : "compilation"),
                ("artists", [artist(albumArtist)]), ("available_markets", old(["DE", "GB", "US"])),
                ("images", images), ("name", .text(track.album)),
                ("release_date", .text(track.released)),
                ("release_date_precision", track.released.count == 4 ? "year" : "day"),
                ("total_tracks", 12),
            ])
        return object(
            "track", track.id,
            [
                ("album", album), ("artists", .array(track.artists.map { artist($0) })),
                ("available_markets", old(["DE", "GB", "US"])), ("disc_number", 1),
                ("duration_ms", JSON(track.durationMS)), ("episode", inRow ? false : nil),
                ("explicit", false),
                ("external_ids", .sparse([("isrc", track.isrc.map { .text($0) })])),
                ("is_local", false),
                ("name", .text(track.name)), ("popularity", old(50)), ("preview_url", .null),
                ("track", inRow ? true : nil), ("track_number", JSON(track.number)),
            ])
    }

    private func local(_ parts: [String]) -> JSON {
        func part(_ index: Int) -> String { index < parts.count ? decoded(parts[index]) : "" }
        let album = object(
            "album", nil,
            [
                ("album_type", .null), ("artists", []), ("available_markets", old([])),
                ("images", []),
                ("name", .text(part(3))), ("release_date", .null),
                ("release_date_precision", .null),
            ])
        let track = object(
            "track", nil,
            [
                ("album", album), ("artists", [artist(part(2), isLocal: true)]),
                ("available_markets", old([])),
                ("disc_number", 0), ("duration_ms", JSON((Int(part(5)) ?? 0) * 1000)),
                ("explicit", false),
                ("external_ids", [:]), ("is_local", true), ("name", .text(part(4))),
                ("popularity", old(0)),
                ("preview_url", .null), ("track_number", 0),
            ])
        let uri = JSON.text(parts.joined(separator: ":"))
        return .object(track.members.map { $0.0 == "uri" ? ("uri", uri) : $0 })
    }

    private func episode(_ id: String) -> JSON {
        let about = JSON.text("Talk about nothing & everything")
        let show = object(
            "show", identifier(of: "show " + id),
            [
                ("copyrights", []), ("description", about), ("explicit", false),
                ("html_description", about),
                ("images", images), ("is_externally_hosted", false), ("languages", ["en"]),
                ("media_type", "audio"), ("name", "The Sandbox Show"), ("publisher", old("Nobody")),
                ("total_episodes", 7), ("available_markets", old([])),
            ])
        return object(
            "episode", id,
            [
                ("audio_preview_url", .null), ("description", about), ("duration_ms", 1_800_000),
                ("explicit", false), ("html_description", about), ("images", images),
                ("is_externally_hosted", false), ("is_playable", true), ("language", "en"),
                ("languages", ["en"]),
                ("name", .text("Episode \(id.prefix(4))")), ("release_date", "2024-05-06"),
                ("release_date_precision", "day"), ("show", show), ("episode", true),
                ("track", false),
            ])
    }

    /// A row of a playlist; episodes are shown only to those who ask for them.
    func row(_ row: Playlist.Row, episodes: Bool) -> JSON {
        let isEpisode = row.uri?.hasPrefix("spotify:episode:") ?? false
        let item = isEpisode && !episodes ? nil : self.item(row.uri, inRow: true)
        return .object(
            [
                ("added_at", .text(ISOTime.text(row.addedAt, fraction: false))),
                ("added_by", user(row.addedBy)),
                ("is_local", .bool(row.uri?.hasPrefix("spotify:local:") ?? false)),
                ("primary_color", .null),
            ] + rowKeys.map { ($0, item) } + [("video_thumbnail", ["url": nil])])
    }

    /// A playlist as it stood in a version.
    ///
    /// - Parameter items: The page of its rows, given what the key is called; nothing if it may not be seen.
    func playlist(
        _ list: Playlist, _ version: Playlist.Version, full: Bool = false, items: (String) -> JSON?
    ) -> JSON {
        object(
            "playlist", list.id,
            [
                ("collaborative", .bool(list.isCollaborative)),
                ("description", .text(version.description ?? "")),
                ("followers", full ? ["href": nil, "total": 0] : nil),
                ("images", version.order.isEmpty ? [] : images), ("name", .text(version.name)),
                ("owner", user(list.owner)), ("primary_color", .null),
                ("public", .bool(list.isPublic)),
                ("snapshot_id", .text(version.snapshot)),
            ] + listKeys.map { ($0, items($0)) })
    }
}

extension String {
    var capitalizedFirst: String { prefix(1).uppercased() + dropFirst() }
}

/// What the parameter `fields` leaves of an answer: `total,items(added_at,item(name)),owner.id,a(!b)`.
func selected(_ value: JSON, _ fields: String) -> JSON {
    var rest = fields[...]
    return keep(value, FieldTree(&rest))
}

private struct FieldTree {
    var kept: [(name: String, tree: FieldTree?)] = []
    var dropped: Set<String> = []

    init(_ text: inout Substring) {
        while !text.isEmpty, text.first != ")" {
            let (name, tree) = FieldTree.field(&text)
            if name.hasPrefix("!") {
                dropped.insert(String(name.dropFirst()))
            } else if !name.isEmpty {
                kept.append((name, tree))
            }
            if text.first == "," { text.removeFirst() }
        }
    }

    private init(_ name: String, _ tree: FieldTree?) { kept = [(name, tree)] }

    private static func field(_ text: inout Substring) -> (String, FieldTree?) {
        let name = String(text.prefix { !",().".contains($0) })
        text.removeFirst(name.count)
        switch text.first {
        case ".":
            text.removeFirst()
            let (inner, tree) = field(&text)
            return (name, FieldTree(inner, tree))
        case "(":
            text.removeFirst()
            let tree = FieldTree(&text)
            if text.first == ")" { text.removeFirst() }
            return (name, tree)
        default: return (name, nil)
        }
    }
}

private func keep(_ value: JSON, _ tree: FieldTree) -> JSON {
    switch value {
    case .array(let elements): return .array(elements.map { keep($0, tree) })
    case .object(let members):
        return .object(
            members.compactMap { name, member in
                guard tree.dropped.isEmpty else {
                    return tree.dropped.contains(name) ? nil : (name, member)
                }
                guard let field = tree.kept.first(where: { $0.name == name }) else { return nil }
                return (name, field.tree.map { keep(member, $0) } ?? member)
            })
    default: return value
    }
}
