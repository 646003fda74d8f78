import Events
import GRDB
import JSONText
import Ledger
import Music
import Projections

/// A playlist that a person named.
struct FoundPlaylist {
    let id: Int64
    let uri: String
    let name: String
    let isDeleted: Bool
    var createdSeq: Seq { id >> 16 }
    var stream: StreamName { get throws { try streamName(uri) } }
}

func streamName(_ uri: String) throws -> StreamName {
    guard let name = StreamName(uri) else {
        throw NaradaError.usage(
            "'\(uri)' is no name for a stream", hint: "it takes printable ASCII without spaces.")
    }
    return name
}

extension FoundPlaylist {
    private init(row: Row) {
        id = row[0]
        uri = row[1]
        name = row[2]
        isDeleted = row[3]
    }

    private static let columns = "p.id, p.uri, p.name, p.is_deleted"

    /// Finds a playlist by its name, its URI, or the URI or URL of the connector playlist it is linked to.
    ///
    /// - Parameter seq: Where its name counts: the names at that event, then today's, then those of deleted
    ///   playlists, which have no name from their deletion on.
    ///   Nil for today's playlists only.
    static func find(_ reference: String, _ db: Database, asOf seq: Seq? = nil) throws
        -> FoundPlaylist
    {
        let uri = connectorURI(reference) ?? reference
        func fetch(_ condition: String, _ arguments: StatementArguments) throws -> [FoundPlaylist] {
            try Row.fetchAll(
                db, sql: "SELECT \(columns) FROM playlists p WHERE \(condition) ORDER BY p.id",
                arguments: arguments
            ).map(FoundPlaylist.init)
        }
        var found = try fetch("p.uri = ?", [uri])
        if found.isEmpty, uri.hasPrefix("spotify:playlist:") {
            found = try fetch(
                "p.id IN (SELECT playlist_id FROM playlist_mappings WHERE connector_name = 'spotify' AND connector_id = ?)",
                [String(uri.dropFirst("spotify:playlist:".count))])
        }
        if found.isEmpty, let seq {
            found = try fetch(
                """
                p.id IN (SELECT n.playlist_id FROM playlist_names n WHERE n.name = ?1 AND n.name <> '' AND n.seq <= ?2
                AND n.seq = (SELECT max(seq) FROM playlist_names WHERE playlist_id = n.playlist_id AND seq <= ?2))
                """, [reference, seq])
        }
        if found.isEmpty { found = try fetch("p.name = ? AND p.is_deleted = 0", [reference]) }
        if found.isEmpty { found = try fetch("p.name = ?", [reference]) }
        guard let first = found.first else { throw try unknown(reference, db) }
        guard found.count == 1 else {
            throw NaradaError.notFound(
                "\(found.count) playlists are called '\(reference)'",
                hint: "name one by its URI: \(found.map(\.uri).joined(separator: ", ")).")
        }
        if seq == nil, first.isDeleted {
            throw NaradaError.notFound(
                "the playlist '\(first.name)' was deleted",
                hint: "see it as it was with `narada playlist \(first.uri) --as-of WHEN`.")
        }
        return first
    }

    private static func unknown(_ reference: String, _ db: Database) throws -> NaradaError {
        let names = try String.fetchAll(db, sql: "SELECT name FROM playlists WHERE is_deleted = 0")
        return .notFound(
            "there is no playlist '\(reference)'",
            hint: didYouMean(reference, among: names) ?? "`narada playlists` lists them.")
    }

    /// Its rows as they are now.
    func rows(_ db: Database) throws -> [PlaylistRow] {
        try Row.fetchAll(
            db,
            sql: """
                SELECT t.id, n.uri, t.sort_key, t.added_at, t.created_at, t.updated_at FROM playlist_tracks t
                LEFT JOIN nodes n ON n.id = t.node_id WHERE t.playlist_id = ? ORDER BY t.sort_key
                """, arguments: [id]
        ).map {
            PlaylistRow(
                id: $0[0], uri: $0[1], sortKey: SortKey($0[2]), addedAtMS: $0[3],
                createdAtMS: $0[4],
                updatedAtMS: $0[5])
        }
    }
}

/// The URI that a URL of a service's own page stands for; nil for anything else.
func connectorURI(_ text: String) -> String? {
    guard let range = text.firstRange(of: "open.spotify.com/") else { return nil }
    let path = text[range.upperBound...].prefix { $0 != "?" && $0 != "#" }
    let parts = path.split(separator: "/").filter { !$0.hasPrefix("intl-") }
    return parts.count == 2 ? "spotify:\(parts[0]):\(parts[1])" : nil
}

/// Reads what a person named as a track: a URI of a connector or a URL of its page.
func trackURI(_ text: String) throws -> String {
    let uri = connectorURI(text) ?? text
    let prefixes = [
        "spotify:track:", "spotify:episode:", "spotify:local:", "lastfm:track:", "text:track:",
        "mb:recording:", "isrc:",
    ]
    let isID = uri.utf8.dropFirst(14).allSatisfy {
        (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
    }
    guard prefixes.contains(where: { uri.hasPrefix($0) && uri.count > $0.count }),
        StreamName(uri) != nil,
        !uri.hasPrefix("spotify:track:") || (isID && uri.utf8.count == 36)
    else {
        throw NaradaError.usage(
            "'\(text)' is not a track's URI",
            hint:
                "it takes spotify:track:<22 letters and digits>, spotify:local:…, text:track:<artist>/<title> or a Spotify URL."
        )
    }
    return uri
}

/// A playlist's past, folded from the log.
struct PlaylistPast {
    /// One event of it and what it changed.
    struct Step {
        let seq: Seq
        let at: Milliseconds
        let type: String
        let run: String
        let changes: RowChanges
        let rowCount: Int
        let name: String
    }

    let playlist: FoundPlaylist
    let ledger: Ledger

    /// Folds the playlist to a moment.
    ///
    /// - Parameter visit: Sees each event that concerns it.
    /// - Throws: Exit 66, with the first seq that knows it, for a moment before it was made.
    func state(at last: Seq?, _ visit: (Step) -> Void = { _ in }) throws -> PlaylistState {
        var state: PlaylistState?
        var pages: [Seq: [PlaylistItem]] = [:]
        let own = Array(playlist.uri.utf8)
        var links: [[UInt8]] = []
        if let last, last < playlist.createdSeq { throw unknownThen(last) }
        let cursor = try LedgerCursor(
            ledger, after: playlist.createdSeq - 1, through: last, chained: false)
        while let batch = try cursor.next() {
            for index in 0..<batch.count {
                guard let line = EventLine(batch[index]) else { continue }
                let isOwn = line.stream.elementsEqual(own)
                guard isOwn || links.contains(where: line.stream.elementsEqual) else { continue }
                try Catalogue.read(line) { kind, data in
                    var changes: RowChanges?
                    if isOwn, let fact = try PlaylistFact(kind, data) {
                        if state == nil {
                            state = PlaylistState(
                                uri: playlist.uri, fact, seq: line.seq, at: line.at)
                        }
                        changes = try state?.apply(fact, seq: line.seq, at: line.at)
                        links = (state?.links ?? []).map { Array($0.utf8) }
                    } else if kind == .spotifyPlaylistPage {
                        pages[line.seq] = listedItems(ofPage: data)
                    } else if kind == .spotifyPlaylistFetched {
                        let items = try (data["pages"]?.elements ?? []).flatMap {
                            try pages[$0.integer ?? 0] ?? page($0.integer ?? 0)
                        }
                        pages = [:]
                        changes = try state?.follow(items, data, seq: line.seq, at: line.at)
                    }
                    guard let changes, let state else { return }
                    visit(
                        Step(
                            seq: line.seq, at: line.at, type: kind.rawValue, run: line.runName,
                            changes: changes,
                            rowCount: state.rows.rows.count, name: state.name))
                }
            }
        }
        guard let state else { throw unknownThen(last ?? 0) }
        return state
    }

    /// A page that was recorded before the playlist was made or linked.
    private func page(_ seq: Seq) throws -> [PlaylistItem] {
        let cursor = try LedgerCursor(ledger, after: seq - 1, through: seq, chained: false)
        guard let batch = try cursor.next(), let line = EventLine(batch[0]) else { return [] }
        return try Catalogue.read(line) { _, data in listedItems(ofPage: data) }
    }

    private func unknownThen(_ seq: Seq) -> NaradaError {
        .notFound(
            "at event \(seq) the ledger did not know the playlist '\(playlist.name)'",
            hint: "the first event that does is \(playlist.createdSeq).")
    }
}

/// What today's read models call a track.
struct TrackNames {
    let title: String?
    let artists: [String]
    let durationMS: Int64?

    /// Looks up many URIs at once.
    static func of(_ uris: some Sequence<String?>, _ db: Database) throws -> [String: TrackNames] {
        var names: [String: TrackNames] = [:]
        let statement = try db.cachedStatement(
            sql:
                "SELECT t.title, t.artists, t.duration_ms FROM nodes n JOIN tracks t ON t.id = n.track_id WHERE n.uri = ?"
        )
        for case let uri? in uris where names[uri] == nil {
            guard let row = try Row.fetchOne(statement, arguments: [uri]) else { continue }
            names[uri] = TrackNames(title: row[0], artists: artistNames(row[1]), durationMS: row[2])
        }
        return names
    }

    var line: String {
        title.map { artists.isEmpty ? $0 : "\(artists.joined(separator: ", ")) – \($0)" } ?? ""
    }
}

/// The names in a JSON array of texts.
func artistNames(_ json: String?) -> [String] {
    guard var json else { return [] }
    return json.withUTF8 { JSONValue($0).elements.compactMap(\.text) }
}
