import Events
import GRDBSQLite
import JSONText
import Ledger
import Music

/// Groups connector entities into tracks by the decisions on pairs of them (`Identity`), and sums what
/// Last.fm counted for each track.
///
/// What depends on groups is derived at the end of a batch, for what the batch touched, from the rows that
/// stand then: so it does not matter what came in which batch. A track has the id of its oldest node. While
/// nodes are together, their own facts stand in `members` and the rows of their tracks show those of the
/// group; when they part, each gets its own back.
final class Groups {
    let sql: Statements
    /// Whether the tables of the tracks are kept; else they stand as they are in the end.
    let isKept: Bool
    /// Nodes that Last.fm counted for.
    var counted: Set<Int64> = []
    private let keepsMappings: Bool
    private let isComplete: Bool
    private var reopened: Set<String> = []  // entities whose pairs got another decision

    init(_ database: OpaquePointer, models: Set<ReadModel>, fresh: Bool) {
        sql = Statements(database)
        isKept = models.contains(.tracks)
        keepsMappings = models.contains(.mappings)
        isComplete = fresh
    }

    // MARK: Decisions

    /// Takes in a decision on a pair of entities; one on entities that nothing else names waits for them.
    ///
    /// - Throws: `EventFault` for one that is not what its type says.
    func decided(_ kind: EventKind, _ data: JSONValue, _ line: EventLine) throws {
        let pair = data["uris"]?.elements.compactMap(\.text) ?? []
        guard pair.count == 2, pair[0].utf8.lexicographicallyPrecedes(pair[1].utf8) else {
            throw EventFault(field: "uris", reason: "must be two, the smaller one in bytes first")
        }
        guard line.streamName == "match:\(pair[0])|\(pair[1])" else {
            throw EventFault(field: "uris", reason: "must be the two that the stream names")
        }
        reopened.formUnion(pair)
        let confidence = data["confidence"]?.integer
        guard confidence ?? 1 <= 100 else {
            throw EventFault(field: "confidence", reason: "must be at most 100")
        }
        guard isKept else { return }
        switch kind {
        case .matchAsserted:
            try sql(
                """
                INSERT INTO matches(a_uri, b_uri, method, confidence, matcher, asserted_at, asserted_seq)
                VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET (method, confidence, matcher,
                    asserted_at, asserted_seq) = (excluded.method, excluded.confidence,
                    excluded.matcher, excluded.asserted_at, excluded.asserted_seq)
                """, pair[0], pair[1], data["method"], confidence,
                data["matcher"]?.integer, line.at, line.seq
            ).run()
        case .matchRetracted:
            let own =
                data["of"]?.isText("person") == true
                ? "word = NULL, word_at = NULL, word_seq = NULL"
                : "method = NULL, confidence = NULL, matcher = NULL, asserted_at = NULL, asserted_seq = NULL"
            try sql("UPDATE matches SET \(own) WHERE a_uri = ? AND b_uri = ?", pair[0], pair[1])
                .run()
            try sql("DELETE FROM matches WHERE word IS NULL AND method IS NULL").run()
        default:
            try sql(
                """
                INSERT INTO matches(a_uri, b_uri, word, word_at, word_seq) VALUES (?, ?, ?, ?, ?)
                ON CONFLICT DO UPDATE SET (word, word_at, word_seq) = (excluded.word,
                    excluded.word_at, excluded.word_seq)
                """, pair[0], pair[1], String(kind.rawValue.dropFirst("match.".count)), line.at,
                line.seq
            ).run()
        }
    }

    // MARK: Groups

    /// Derives what depends on groups; needs the indexes. Nothing is folded after it.
    ///
    /// - Parameter nodes: What happened to nodes in this batch.
    func settle(_ nodes: Nodes) throws {
        guard keepsMappings else { return }
        guard isKept else {
            // The groups were copied; only the mappings are made anew.
            var tracks: Set<Int64> = []
            try sql("SELECT DISTINCT track_id FROM nodes WHERE track_id <> id").each {
                tracks.insert($0.integer(0))
            }
            for track in tracks.sorted() { try map(try members(of: track), track) }
            return
        }
        var tracks = try regroup(nodes.created)
        for node in nodes.described {
            try sql(
                "SELECT track_id FROM nodes JOIN members ON node_id = id WHERE id = ?", node
            ).each { tracks.insert($0.integer(0)) }
        }
        for track in tracks.sorted() {
            let members = try members(of: track)
            if members.count > 1 { try show(members, track) }
            try map(members, track)
        }
        for node in counted {
            try sql("SELECT track_id FROM nodes WHERE id = ?", node).each {
                tracks.insert($0.integer(0))
            }
        }
        try sumCounts(tracks.sorted())
    }

    /// Divides anew what decisions reach from the entities that are new or that they are about.
    ///
    /// - Parameter created: Entities that are new; all if the tables are new.
    /// - Returns: The tracks, old and new, whose entities or decisions may have changed.
    private func regroup(_ created: [String]) throws -> Set<Int64> {
        var decisions: [Identity.Decision] = []
        var seen: Set<String> = []
        func read(_ row: Statement) {
            let pair = [row.text(0) ?? "", row.text(1) ?? ""]
            guard seen.insert("|" + pair[0] + "|" + pair[1]).inserted else { return }
            let verdict: Identity.Verdict =
                switch row.text(2) {
                case "confirmed": .confirmed
                case "rejected": .rejected
                default: .asserted(Int(row.integer(3)))
                }
            decisions.append(Identity.Decision(pair, verdict))
        }
        let columns = "SELECT a_uri, b_uri, word, confidence FROM matches"
        if isComplete {
            try sql(columns).each(read)
        } else {
            var waiting = Array(reopened) + created
            while let uri = waiting.popLast() {
                guard seen.insert(uri).inserted else { continue }
                let known = decisions.count
                try sql("\(columns) WHERE a_uri = ?", uri).each(read)
                try sql("\(columns) WHERE b_uri = ?", uri).each(read)
                waiting += decisions[known...].flatMap(\.pair)
            }
        }
        var members: [(uri: String, id: Int64, track: Int64)] = []
        for uri in reopened.union(decisions.flatMap(\.pair)).sorted() {
            try sql("SELECT id, track_id FROM nodes WHERE uri = ?", uri).each {
                members.append((uri, $0.integer(0), $0.integer(1)))
            }
        }
        let groups = Identity.groups(of: members.map(\.uri), by: decisions)
        let together = Dictionary(grouping: members.indices) { groups[$0] }.values
        var tracks: Set<Int64> = []
        var isMoved = false
        for group in together {
            let track = group.map { members[$0].id }.min() ?? 0
            tracks.insert(track)
            for place in group {
                let (_, node, old) = members[place]
                tracks.insert(old)
                if group.count > 1 {
                    try sql(
                        """
                        INSERT OR IGNORE INTO members SELECT id, title, artists, album, duration_ms,
                            release_date, isrc, spotify_id, lastfm_url, created_at, updated_at
                        FROM tracks WHERE id = ?
                        """, node
                    ).run()
                } else {
                    try part(node)
                }
                guard track != old else { continue }
                isMoved = true
                for table in ["listens", "track_mappings"] {
                    let column = table == "listens" ? "node_id" : "id"
                    try sql(
                        "UPDATE \(table) SET track_id = ?1 WHERE track_id = ?2 AND \(column) = ?3",
                        track, old, node
                    ).run()
                }
                try sql("UPDATE nodes SET track_id = ? WHERE id = ?", track, node).run()
            }
        }
        for table in isMoved ? ["likes", "playlist_tracks"] : [] {
            try sql(
                """
                UPDATE \(table) SET track_id = n.track_id FROM nodes n
                WHERE n.id = \(table).node_id AND n.track_id <> \(table).track_id
                """
            ).run()
        }
        return tracks
    }

    /// Gives a node that is alone its own facts back.
    private func part(_ node: Int64) throws {
        try sql(
            """
            UPDATE tracks SET (title, artists, album, duration_ms, release_date, isrc, spotify_id,
                lastfm_url, created_at, updated_at, is_deleted, deleted_at) = (m.title, m.artists,
                m.album, m.duration_ms, m.release_date, m.isrc, m.spotify_id, m.lastfm_url,
                m.created_at, m.updated_at, 0, NULL)
            FROM members m WHERE m.node_id = ?1 AND tracks.id = ?1
            """, node
        ).run()
        try sql("DELETE FROM members WHERE node_id = ?", node).run()
    }

    /// The nodes of a track, the one whose facts it shows first.
    private func members(of track: Int64) throws -> [(id: Int64, uri: String)] {
        var members: [(id: Int64, uri: String)] = []
        try sql(
            """
            SELECT id, uri FROM nodes WHERE id = ?1 AND track_id = ?1
            UNION ALL SELECT id, uri FROM nodes WHERE track_id = ?1 AND track_id <> id
            """, track
        ).each { members.append(($0.integer(0), $0.text(1) ?? "")) }
        let kinds = ["spotify:", "mb:", "lastfm:"]
        func order(_ uri: String) -> Int { kinds.firstIndex { uri.hasPrefix($0) } ?? kinds.count }
        return members.sorted { left, right in
            let (one, other) = (order(left.uri), order(right.uri))
            return one != other
                ? one < other : left.uri.utf8.lexicographicallyPrecedes(right.uri.utf8)
        }
    }

    /// Shows in the rows of all nodes of a track what they know together; all but the oldest are deleted.
    private func show(_ members: [(id: Int64, uri: String)], _ track: Int64) throws {
        let ordered = JSON.array(members.map { .integer($0.id) }).text
        func first(_ column: String) -> String {
            """
            (SELECT m.\(column) FROM json_each(?1) j JOIN members m ON m.node_id = j.value
             WHERE m.\(column) IS NOT NULL ORDER BY j.key LIMIT 1)
            """
        }
        let columns = [
            "title", "artists", "album", "duration_ms", "release_date", "isrc", "spotify_id",
            "lastfm_url",
        ]
        let decidedAt = """
            (SELECT max(ifnull(word_at, asserted_at)) FROM json_each(?1) j JOIN nodes a ON a.id = j.value
             JOIN matches d ON d.a_uri = a.uri JOIN nodes b ON b.uri = d.b_uri AND b.track_id = a.track_id
             WHERE \(Schema.isEdge))
            """
        try sql(
            """
            UPDATE tracks SET (\(columns.joined(separator: ", ")), created_at, updated_at, deleted_at) =
                (SELECT \(columns.map(first).joined(separator: ", ")), min(created_at),
                    max(max(updated_at), ifnull(\(decidedAt), 0)), \(decidedAt)
                 FROM members WHERE node_id IN (SELECT value FROM json_each(?1))), is_deleted = 1
            WHERE id IN (SELECT value FROM json_each(?1))
            """, ordered
        ).run()
        try sql("UPDATE tracks SET is_deleted = 0, deleted_at = NULL WHERE id = ?", track).run()
    }

    /// Says of each service's name for a track how it was found: the first member stands for itself, the
    /// others by the best decision that ties them to another member.
    private func map(_ members: [(id: Int64, uri: String)], _ track: Int64) throws {
        for (place, member) in members.enumerated() {
            guard place > 0 else {
                try sql(
                    """
                    UPDATE track_mappings SET match_method = 'direct', confidence = 100, last_verified =
                        ifnull((SELECT created_at FROM members WHERE node_id = ?1),
                            (SELECT created_at FROM tracks WHERE id = ?1)) WHERE id = ?1
                    """, member.id
                ).run()
                continue
            }
            try sql(
                """
                UPDATE track_mappings SET (match_method, confidence, last_verified) = (
                    SELECT iif(word IS NULL, method, 'manual'), iif(word IS NULL, confidence, 100),
                        ifnull(word_at, asserted_at)
                    FROM (SELECT *, b_uri AS other FROM matches WHERE a_uri = ?2
                        UNION ALL SELECT *, a_uri FROM matches WHERE b_uri = ?2) d
                    JOIN nodes o ON o.uri = d.other AND o.track_id = ?3
                    WHERE \(Schema.isEdge)
                    ORDER BY word IS NULL, confidence DESC, a_uri, b_uri LIMIT 1)
                WHERE id = ?1
                """, member.id, member.uri, track
            ).run()
        }
    }
}
