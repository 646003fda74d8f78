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
    private let models: Set<ReadModel>
    private var matched: Set<String> = []  // those that follow, by URI
    private var counted: Set<Int64> = []
    private(set) var described: Set<Int64> = []

    private struct Member {
        let id, trackID: Int64
        let uri: String
        /// Of the match that leads to the head; 0 for the head itself.
        let confidence, assertedAt: Milliseconds
    }

    init(_ database: OpaquePointer, models: Set<ReadModel>) {
        sql = Statements(database)
        isKept = models.contains(.tracks)
        self.models = models
    }

    /// Notes that Last.fm counted for an entity.
    func touch(counts node: Int64) { counted.insert(node) }

    /// Notes that an entity that was known before has other facts.
    func touch(facts node: Int64) { described.insert(node) }

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
            pair[1], data["method"]?.text, confidence, data["matcher"]?.integer, line.at
        ).run()
    }

    /// Derives what depends on groups; needs the indexes. Nothing is folded after it.
    func settle() throws {
        guard models.contains(.mappings) else { return }
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
        var members: [Member] = []
        try sql(
            """
            SELECT n.id, n.track_id, n.uri, m.confidence, m.asserted_at FROM nodes n
            JOIN nodes s ON s.id = ?1 LEFT JOIN matches m
                ON m.a_uri = min(n.uri, s.uri) AND m.b_uri = max(n.uri, s.uri)
            WHERE n.id = ?1 OR n.anchor = ?1 ORDER BY n.id
            """, head
        ).each { row in
            members.append(
                Member(
                    id: row.integer(0), trackID: row.integer(1), uri: row.text(2) ?? "",
                    confidence: row.integer(3), assertedAt: row.integer(4)))
        }
        // An entity of Last.fm that nothing was matched with stays what it is.
        guard let first = members.first, members.count > 1 || first.uri.hasPrefix("spotify:") else {
            return false
        }
        let page = members.filter { $0.uri.hasPrefix("lastfm:") }.min {
            ($1.confidence, $0.uri) < ($0.confidence, $1.uri)
        }
        let url = page.flatMap { TextURI.lastfmURL(of: $0.uri) }
        var isRegrouped = false
        for member in members {
            // The head goes into an older entity's track by the match with that one.
            let decidedAt = member.id == head ? first.assertedAt : member.assertedAt
            let deletedAt: Milliseconds? = member.id == first.id ? nil : decidedAt
            if member.id != head { try describe(member, by: head) }
            try sql(
                """
                UPDATE tracks SET lastfm_url = ?1, is_deleted = ?2 IS NOT NULL, deleted_at = ?2
                WHERE id = ?3
                """, url, deletedAt, member.id
            ).run()
            guard member.trackID != first.id else { continue }
            isRegrouped = true
            try sql(
                "UPDATE listens SET track_id = ? WHERE track_id = ? AND node_id = ?", first.id,
                member.trackID, member.id
            ).run()
            for table in ["nodes", "track_mappings"] {
                try sql("UPDATE \(table) SET track_id = ? WHERE id = ?", first.id, member.id).run()
            }
        }
        return isRegrouped
    }

    /// Shows the head's facts in the row of one that follows it.
    private func describe(_ member: Member, by head: Int64) throws {
        try sql(
            """
            UPDATE tracks SET (title, artists, album, duration_ms, release_date, isrc, spotify_id,
                updated_at) = (SELECT title, artists, album, duration_ms, release_date, isrc, spotify_id,
                max(updated_at, ?3) FROM tracks WHERE id = ?2) WHERE id = ?1
            """, member.id, head, member.assertedAt
        ).run()
    }
}
