import Events
import GRDB
import JSONText
import Ledger
import Music
import Projections

/// A playlist that a person named.
struct FoundPlaylist: Decodable, FetchableRecord {
    let id: Int64
    let uri: String
    let name: String
    let description: String?
    let isDeleted: Bool
    /// Whether it was edited here since it last agreed with the service.
    let isDiverged: Bool
    /// The connector playlist that it stands for.
    let linked: String?
    var createdSeq: Seq { id >> 16 }
    var stream: StreamName { get throws { try streamName(uri) } }
}

func streamName(_ uri: String) throws -> StreamName {
    try StreamName(uri)
        ?? fail(
            .usage(
                "'\(uri)' is no name for a stream", hint: "it takes printable ASCII without spaces."
            ))
}

extension FoundPlaylist {
    /// Asks for the linked ones that were edited here since they last agreed with their service.
    static let diverged = """
        SELECT p.uri FROM playlists p WHERE p.is_deleted = 0 AND p.synced_seq > 0
        AND p.edited_seq > p.synced_seq AND p.id IN (SELECT playlist_id FROM playlist_mappings)
        ORDER BY p.id
        """

    /// The playlists that a name, a URI, or the URI or URL of a connector playlist fits best.
    ///
    /// - Parameter seq: Where the name counts: the names at that event, then today's, then those of deleted
    ///   playlists, which have no name from their deletion on.
    static func matching(_ reference: String, _ db: Database, asOf seq: Seq? = nil) throws
        -> [FoundPlaylist]
    {
        try fetchAll(
            db,
            sql: """
                WITH linked AS (SELECT p.*, m.connector_name || ':playlist:' || m.connector_id AS linked
                    FROM playlists p LEFT JOIN playlist_mappings m ON m.playlist_id = p.id),
                ranked AS (SELECT *, CASE WHEN ?1 IN (uri, linked) THEN 1
                    WHEN ?2 = (SELECT n.name FROM playlist_names n WHERE n.playlist_id = p.id
                        AND n.seq <= ?3 ORDER BY n.seq DESC LIMIT 1) AND ?2 <> '' THEN 2
                    WHEN name = ?2 THEN 3 + is_deleted END AS rank FROM linked p)
                SELECT id, uri, name, description, is_deleted AS isDeleted,
                    edited_seq > synced_seq AS isDiverged, linked
                FROM ranked WHERE rank = (SELECT min(rank) FROM ranked) ORDER BY id
                """, arguments: [connectorURI(reference) ?? reference, reference, seq])
    }

    /// Finds the one playlist that a person named.
    ///
    /// - Parameter seq: Where its name counts; nil for today's playlists only.
    static func find(_ reference: String, _ db: Database, asOf seq: Seq? = nil) throws
        -> FoundPlaylist
    {
        let found = try matching(reference, db, asOf: seq)
        guard let first = found.first else {
            let names: [String] = try db.values("SELECT name FROM playlists WHERE is_deleted = 0")
            throw NaradaError.notFound(
                "there is no playlist '\(reference)'",
                hint: didYouMean(reference, among: names) ?? "`narada playlists` lists them.")
        }
        try require(
            found.count == 1,
            .notFound(
                "\(found.count) playlists are called '\(reference)'",
                hint: "name one by its URI: \(found.map(\.uri).joined(separator: ", "))."))
        try require(
            seq != nil || !first.isDeleted,
            .notFound(
                "the playlist '\(first.name)' was deleted",
                hint: "see it as it was with `narada playlist \(first.uri) --as-of WHEN`."))
        return first
    }

    /// Its rows as they are now.
    func rows(_ db: Database) throws -> [PlaylistRow] {
        try db.rows(
            """
            SELECT t.id, n.uri, t.sort_key, t.added_at, t.created_at, t.updated_at FROM playlist_tracks t
            LEFT JOIN nodes n ON n.id = t.node_id WHERE t.playlist_id = ? ORDER BY t.sort_key
            """, id
        ).map {
            PlaylistRow(
                id: $0[0], uri: $0[1], sortKey: SortKey($0[2]), addedAtMS: $0[3],
                createdAtMS: $0[4], updatedAtMS: $0[5])
        }
    }

    /// Folds its past from the log to a moment; the read model knows which events to read.
    ///
    /// - Parameter visit: Sees each event that concerns it, what that changed, and the state behind it.
    /// - Throws: Exit 66, with the first seq that knows it, for a moment before it was made.
    func state(
        at last: Seq?, in ledger: Ledger, _ db: Database,
        _ visit: (EventLine, RowChanges, PlaylistState) -> Void = { _, _, _ in }
    ) throws -> PlaylistState {
        let unknown = NaradaError.notFound(
            "at event \(last ?? 0) the ledger did not know the playlist '\(name)'",
            hint: "the first event that does is \(createdSeq).")
        try require(last ?? .max >= createdSeq, unknown)
        var state: PlaylistState?
        var pages: [Seq: [PlaylistItem]] = [:]
        let own = Array(uri.utf8)
        func take(_ line: EventLine) throws {
            let isOwn = line.stream.elementsEqual(own)
            guard isOwn || state?.links.contains(line.streamName) != false else { return }
            try Catalogue.read(line) { kind, data in
                var changes: RowChanges?
                if isOwn {
                    if state == nil, kind == .playlistCreated {
                        state = PlaylistState(uri: uri, createdSeq: line.seq)
                    }
                    changes = try state?.apply(kind, data, seq: line.seq, at: line.at)
                } else if kind == .spotifyPlaylistPage {
                    pages[line.seq] = listedItems(ofPage: data)
                } else if kind == .spotifyPlaylistFetched {
                    let items = (data["pages"]?.elements ?? []).compactMap(\.integer).flatMap {
                        pages[$0] ?? []
                    }
                    pages = [:]
                    changes = try state?.follow(items, data, seq: line.seq, at: line.at)
                }
                if let changes, let state { visit(line, changes, state) }
            }
        }
        let known = try db.rows(
            "SELECT seq, line FROM playlist_events WHERE playlist_id = ? AND seq <= ? ORDER BY seq",
            id, last ?? .max)
        var rest = known[...]
        /// Takes the short ones up to an event from the table.
        func takeShort(before seq: Seq) throws {
            while let row = rest.first, row[0] < seq {
                rest.removeFirst()
                guard var line = row[1] as String? else { continue }
                try line.withUTF8 { if let event = EventLine($0) { try take(event) } }
            }
        }
        try ledger.visit(known.filter { $0[1] as String? == nil }.map { $0[0] }) { line in
            try takeShort(before: line.seq)
            try take(line)
        }
        try takeShort(before: .max)
        // A home that cannot be written may stand behind the log.
        let reached = try db.seq
        if last ?? .max > reached { try ledger.visit(after: reached, through: last, take) }
        return try state ?? fail(unknown)
    }
}

/// The URI that a URL of a service's own page stands for; nil for anything else.
func connectorURI(_ text: String) -> String? {
    guard let range = text.firstRange(of: "open.spotify.com/") else { return nil }
    let path = text[range.upperBound...].prefix { $0 != "?" && $0 != "#" }
    let parts = path.split(separator: "/").filter { !$0.hasPrefix("intl-") }
    return parts.count == 2 ? "spotify:\(parts[0]):\(parts[1])" : nil
}

/// Whether a text is made of ASCII letters and digits alone.
func isID(_ text: some StringProtocol) -> Bool {
    text.utf8.allSatisfy {
        (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
    }
}

/// Reads what a person named as a track: a URI of a connector or a URL of its page.
func trackURI(_ text: String) throws -> String {
    let uri = connectorURI(text) ?? text
    let prefixes = [
        "spotify:track:", "spotify:episode:", "spotify:local:", "lastfm:track:", "text:track:",
        "mb:recording:", "isrc:",
    ]
    let isNamed = prefixes.contains { uri.hasPrefix($0) && uri.count > $0.count }
    let isWhole = !uri.hasPrefix("spotify:track:") || isID(uri.dropFirst(14)) && uri.count == 36
    try require(
        isNamed && isWhole && StreamName(uri) != nil,
        .usage(
            "'\(text)' is not a track's URI",
            hint:
                "it takes spotify:track:<22 letters and digits> or its URL, spotify:local:…, lastfm:track:<artist>/<title>, text:track:<artist>/<title>, mb:recording:<MBID> or isrc:<code>."
        ))
    return uri
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
