import Events
import GRDBSQLite
import JSONText
import Ledger

/// Groups connector entities into tracks, and sums what Last.fm counted for them (`design.md` §6, rule 2).
///
/// Each entity of Last.fm and each text follows its best match to an entity of Spotify, its `anchor`; a
/// group is an anchor, its head, with all that follow it. What depends on groups is derived at the end of
/// a batch, for what the batch touched, from the rows that stand then: so it does not matter what came in
/// which batch. The facts of an entity stand in the track with its own id; those that follow a head show
/// the head's.
final class Groups {
    let sql: Statements
    /// Whether the tables of the tracks are kept; else they stand as they are in the end.
    let isKept: Bool
    /// Nodes that Last.fm counted for.
    var counted: Set<Int64> = []
    private let keepsMappings: Bool
    private var matched: Set<String> = []  // those that follow, by URI

    init(_ database: OpaquePointer, models: Set<ReadModel>) {
        sql = Statements(database)
        isKept = models.contains(.tracks)
        keepsMappings = models.contains(.mappings)
    }

    /// Takes in a match.
    ///
    /// - Throws: `EventFault` for one that is not what its type says.
    func asserted(_ pair: [String], _ data: JSONValue, _ line: EventLine) throws {
        guard pair.count == 2, pair[0].utf8.lexicographicallyPrecedes(pair[1].utf8) else {
            throw EventFault(field: "uris", reason: "must be two, the smaller one in bytes first")
        }
        guard line.streamName == "match:\(pair[0])|\(pair[1])" else {
            throw EventFault(field: "uris", reason: "must be the two that the stream names")
        }
        guard let confidence = data["confidence"]?.integer, (60...75).contains(confidence) else {
            throw EventFault(field: "confidence", reason: "must be 60 to 75 for names alone")
        }
        for (uri, other) in [(pair[0], pair[1]), (pair[1], pair[0])]
        where other.hasPrefix("spotify:") && (uri.hasPrefix("lastfm:") || uri.hasPrefix("text:")) {
            matched.insert(uri)
        }
        guard isKept else { return }
        try sql(
            "INSERT OR REPLACE INTO matches VALUES (?, ?, ?, ?, ?, ?, ?)", line.seq << 16, pair[0],
            pair[1], data["method"], confidence, data["matcher"]?.integer, line.at
        ).run()
    }

    /// Derives what depends on groups; needs the indexes. Nothing is folded after it.
    ///
    /// - Parameter described: Nodes that were known before and got other facts.
    func settle(described: Set<Int64>) throws {
        guard keepsMappings else { return }
        var heads: Set<Int64> = []
        for uri in matched.sorted() { heads.formUnion(try follow(uri)) }
        guard isKept else { return }
        for node in counted {
            try sql("SELECT ifnull(anchor, id) FROM nodes WHERE id = ?", node).each {
                heads.insert($0.integer(0))
            }
        }
        for node in described {
            try sql(
                """
                SELECT anchor FROM nodes WHERE anchor = ?1 OR (id = ?1 AND anchor IS NOT NULL)
                """, node
            ).each { heads.insert($0.integer(0)) }
        }
        let order = heads.sorted()
        var isRegrouped = false
        for head in order { isRegrouped = try group(head) || isRegrouped }
        if isRegrouped {
            for table in ["likes", "playlist_tracks"] {
                try sql(
                    """
                    UPDATE \(table) SET track_id = n.track_id FROM nodes n
                    WHERE n.id = \(table).node_id AND n.track_id <> \(table).track_id
                    """
                ).run()
            }
        }
        try sumCounts(order)
    }

    /// Leads an entity to the head that its best match names.
    ///
    /// - Returns: The heads of the groups that it leaves and joins.
    private func follow(_ uri: String) throws -> [Int64] {
        var found: [Int64] = []
        try sql(
            """
            SELECT w.id, ifnull(w.anchor, w.id), s.id, m.confidence, m.asserted_at
            FROM (SELECT *, iif(a_uri = ?1, b_uri, a_uri) AS other FROM matches
                WHERE a_uri = ?1 OR b_uri = ?1) m
            JOIN nodes s ON s.uri = m.other JOIN nodes w ON w.uri = ?1
            WHERE substr(m.other, 1, 8) = 'spotify:'
            ORDER BY m.confidence DESC, m.a_uri, m.b_uri LIMIT 1
            """, uri
        ).each { row in found = (0..<5).map { row.integer($0) } }
        guard found.count == 5 else { return [] }
        try sql(
            """
            UPDATE track_mappings SET match_method = 'artist_title', confidence = ?, last_verified = ?
            WHERE id = ?
            """, found[3], found[4], found[0]
        ).run()
        guard isKept else { return [] }
        try sql("UPDATE nodes SET anchor = ? WHERE id = ?", found[2], found[0]).run()
        return [found[1], found[2]].filter { $0 != found[0] }
    }

    /// Makes one track of a head and those that follow it.
    ///
    /// - Returns: Whether an entity went to another track.
    private func group(_ head: Int64) throws -> Bool {
        let members = """
            FROM nodes n JOIN nodes s ON s.id = ?1 LEFT JOIN matches m
                ON m.a_uri = min(n.uri, s.uri) AND m.b_uri = max(n.uri, s.uri)
            WHERE (n.id = ?1 OR n.anchor = ?1)
            """
        // An entity of Last.fm that nothing was matched with stays what it is.
        let oldest = try sql(
            """
            SELECT n.id, m.asserted_at \(members) AND (s.uri GLOB 'spotify:*'
                OR EXISTS (SELECT 1 FROM nodes WHERE anchor = ?1)) ORDER BY n.id LIMIT 1
            """, head
        ).first { (id: $0.integer(0), assertedAt: $0.integer(1)) }
        guard let oldest else { return false }
        let page = try sql(
            """
            SELECT n.uri \(members) AND n.uri GLOB 'lastfm:*'
            ORDER BY m.confidence DESC, n.uri LIMIT 1
            """, head
        ).first { $0.text(0) }
        // Those that follow show the head's facts. The head goes into an older entity's track by the
        // match with that one.
        try sql(
            """
            UPDATE tracks SET (title, artists, album, duration_ms, release_date, isrc, spotify_id,
                updated_at, lastfm_url, is_deleted, deleted_at) = (h.title, h.artists, h.album,
                h.duration_ms, h.release_date, h.isrc, h.spotify_id,
                max(h.updated_at, ifnull(f.asserted_at, 0)), ?2, f.id <> ?3,
                iif(f.id = ?3, NULL, ifnull(f.asserted_at, ?4)))
            FROM tracks h, (SELECT n.id, m.asserted_at \(members)) f
            WHERE h.id = ?1 AND tracks.id = f.id
            """, head, (page ?? nil).flatMap { TextURI.lastfmURL(of: $0) }, oldest.id,
            oldest.assertedAt
        ).run()
        try sql(
            """
            UPDATE listens SET track_id = ?2 WHERE id IN (SELECT l.id FROM nodes n CROSS JOIN listens l
                ON l.track_id = n.track_id AND l.node_id = n.id
                WHERE (n.id = ?1 OR n.anchor = ?1) AND n.track_id <> ?2)
            """, head, oldest.id
        ).run()
        let move = """
            SET track_id = ?2 WHERE track_id <> ?2
                AND id IN (SELECT id FROM nodes WHERE id = ?1 OR anchor = ?1)
            """
        try sql("UPDATE track_mappings \(move)", head, oldest.id).run()
        return try sql("UPDATE nodes \(move) RETURNING id", head, oldest.id).first { _ in true }
            != nil
    }
}
