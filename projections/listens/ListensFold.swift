import GRDBSQLite
import JSONText
import Ledger
import Music

/// Keeps the listens: one row for every row of every channel, whether it counts or not.
final class ListensFold {
    /// A row of a channel that may tell it again; small, for there is one for every scrobble.
    private struct Heard: Hashable {
        let timeAndChannel: Int64
        let node: Int64
    }

    private let sql: Statements
    private let insert: Statement
    private let isComplete: Bool
    private var heard: Set<Heard> = []
    private var recent: Set<Int64> = []  // nodes with new rows of recent plays
    private let titleKeys = TitleKeys()

    // Audioscrobbler, Last.fm's beginning, is of 2002; earlier times come from broken clocks.
    private static let firstScrobbleMS: Milliseconds = 1_009_843_200_000

    init(_ database: OpaquePointer, fresh: Bool) throws {
        sql = Statements(database)
        isComplete = fresh
        insert = try Statement(
            database, "INSERT INTO listens VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL)")
    }

    func historyRow(_ row: HistoryRow, _ titleKey: Int64?, node: Node?, seq: Seq) throws {
        try add(
            seq << 16, .spotifyHistory, node, start: row.play.startedAtMS, end: row.play.endedAtMS,
            played: row.play.playedMS, row.play.reason, titleKey)
    }

    /// Takes in a listen that a service tells of, unless its page was fetched before.
    func scrobble(
        _ id: Int64, _ node: Node?, at time: Milliseconds, title: JSONValue?, _ channel: Channel
    ) throws {
        let known = "SELECT 1 FROM listens WHERE listened_at = ? AND channel = ? AND node_id IS ?"
        guard try isNew(channel, time, node, sql(known, time, channel.rawValue, node?.id))
        else { return }
        try add(
            id, channel, node, start: time, end: nil, played: nil,
            time < Self.firstScrobbleMS ? .badTime : node == nil ? .noTrack : nil,
            title?.withText { titleKeys.key($0) })
    }

    /// Takes in a play that Spotify showed as a recent one, unless it did before.
    ///
    /// When it began and what it is called stand in its track, and are settled when all of that is known.
    func recentPlay(_ id: Int64, _ node: Node?, endedAt time: Milliseconds?) throws {
        if let time {
            let known = """
                SELECT 1 FROM listens
                WHERE ended_at = ? AND channel = ? AND node_id IS ? AND track_id IS ?
                """
            guard
                try isNew(
                    .spotifyRecent, time, node,
                    sql(
                        known, time, Channel.spotifyRecent.rawValue, node?.id, node?.trackID))
            else { return }
        }
        if let node { recent.insert(node.id) }
        try add(
            id, .spotifyRecent, node, start: time, end: time, played: nil,
            time == nil ? .badTime : node == nil ? .noTrack : nil, nil)
    }

    /// Notes a page of a walk through listens; pages without news were not recorded.
    func walked(_ line: EventLine, from: JSONValue?, to: JSONValue?, page: Int64?) throws {
        try sql(
            """
            INSERT INTO walks VALUES (?1, ?2, ?3, 1, ?4, NULL) ON CONFLICT(stream) DO UPDATE SET
                page_count = CASE WHEN page_count > 0 AND from_s = ?2 AND to_s = ?3
                    THEN page_count + 1 ELSE 1 END,
                from_s = ?2, to_s = ?3, last_page = ?4
            """, line.streamName, from?.integer, to?.integer, page ?? 0
        ).run()
    }

    /// Notes that a walk is complete.
    func walked(_ line: EventLine, through: JSONValue?) throws {
        try sql(
            """
            INSERT INTO walks VALUES (?1, 0, 0, 0, 0, ?2) ON CONFLICT(stream) DO UPDATE SET
                page_count = 0, last_page = 0, through_s = ?2
            """, line.streamName, through?.integer
        ).run()
    }

    private func isNew(
        _ channel: Channel, _ time: Milliseconds, _ node: Node?,
        _ known: @autoclosure () throws -> Statement
    ) throws -> Bool {
        if isComplete {
            let row = Heard(timeAndChannel: time << 3 | channel.rawValue, node: node?.id ?? 0)
            return heard.insert(row).inserted
        }
        return try known().first { _ in true } == nil
    }

    private func add(
        _ id: Int64, _ channel: Channel, _ node: Node?, start: Milliseconds?, end: Milliseconds?,
        played: Int64?, _ reason: Play.Reason?, _ titleKey: Int64?
    ) throws {
        insert.bind(1, id)
        insert.bind(2, node?.trackID)
        insert.bind(3, node?.id)
        insert.bind(4, start)
        insert.bind(5, end)
        insert.bind(6, played)
        insert.bind(7, channel.rawValue)
        insert.bind(8, reason?.rawValue)
        insert.bind(9, titleKey)
        try insert.run()
    }

    /// Brings in what depends on several rows; needs the indexes.
    ///
    /// - Parameters:
    ///   - seq: The first event that was folded.
    ///   - all: Whether every row is new.
    ///   - described: Nodes that got other facts.
    func settle(from seq: Seq, all: Bool, described: Set<Int64>) throws {
        try markNearDuplicates(from: seq, all: all)
        var places = try settleRecent(all ? nil : recent.union(described))
        let joins = Joins(sql: sql)
        guard !all else { return heard.isEmpty ? () : try joins.joinAll() }
        try sql(
            """
            SELECT title_key, listened_at FROM listens
            WHERE id >= ? AND reason IS NULL AND title_key IS NOT NULL AND listened_at IS NOT NULL
            """, seq << 16
        ).each { places.append(($0.integer(0), $0.integer(1))) }
        try joins.join(around: places)
    }

    /// Gives recent plays the title of their nodes, and a start a track's length before their end; what their
    /// tracks show with others may not touch it.
    ///
    /// - Parameter nodes: Whose; nil for all.
    /// - Returns: Where rows came from and went.
    private func settleRecent(_ nodes: Set<Int64>?) throws -> [(titleKey: Int64, startMS: Int64)] {
        guard !recent.isEmpty || nodes != nil else { return [] }
        var places: [(titleKey: Int64, startMS: Int64)] = []
        var moves: [(id: Int64, key: Int64?, start: Int64)] = []
        let which =
            nodes == nil
            ? "?1 = 0"
            : "l.node_id = ?1 AND l.track_id = (SELECT track_id FROM nodes WHERE id = ?1)"
        for node in nodes?.sorted() ?? [0] {
            try sql(
                """
                SELECT l.id, l.listened_at, l.ended_at - ifnull(own.duration_ms, 0), l.title_key, own.title
                FROM listens l JOIN (SELECT t.id, iif(m.node_id IS NULL, t.title, m.title) AS title,
                        iif(m.node_id IS NULL, t.duration_ms, m.duration_ms) AS duration_ms
                    FROM tracks t LEFT JOIN members m ON m.node_id = t.id) own ON own.id = l.node_id
                WHERE l.channel = 4 AND \(which)
                """, node
            ).each { row in
                var title = row.text(4)
                let key = title?.withUTF8 { titleKeys.key($0) }
                let oldKey = row.isNull(3) ? nil : row.integer(3)
                guard !row.isNull(2), key != oldKey || row.integer(1) != row.integer(2) else {
                    return
                }
                moves.append((row.integer(0), key, row.integer(2)))
                if let oldKey { places.append((oldKey, row.integer(1))) }
                if let key { places.append((key, row.integer(2))) }
            }
        }
        for move in moves {
            try sql("UPDATE listens SET title_key = ?, listened_at = ? WHERE id = ?").run(
                move.key, move.start, move.id)
        }
        return places
    }

    /// Marks near duplicates among the rows from an event on.
    ///
    /// A row that would count is one when an earlier recorded row that would count has the same URI and
    /// `ms_played` and ended at most 2 s apart (`design.md` §6). That is a property of the set of rows, so
    /// it does not matter how many of them come at once. Needs the indexes.
    ///
    /// - Parameter all: Whether every row is new: then the index is read once in order instead.
    private func markNearDuplicates(from seq: Seq, all: Bool) throws {
        var candidates: [Int64] = []
        if all {
            // Rows of one track that ended at most 2 s after the one before in time, and those ones.
            var last: (track: Int64, end: Int64, id: Int64) = (0, .min / 2, 0)
            try sql(
                """
                SELECT track_id, ended_at, id FROM listens INDEXED BY listens_track
                WHERE track_id IS NOT NULL AND ended_at IS NOT NULL ORDER BY track_id, ended_at
                """
            ).each { row in
                let this = (track: row.integer(0), end: row.integer(1), id: row.integer(2))
                if this.track == last.track, this.end - last.end <= 2000 {
                    candidates += [last.id, this.id]
                }
                last = this
            }
        } else {
            try sql("SELECT id FROM listens WHERE id >= ? AND reason IS NULL", seq << 16).each {
                candidates.append($0.integer(0))
            }
        }
        for id in candidates {
            try sql(
                """
                UPDATE listens AS new SET reason = 'near_duplicate'
                WHERE id = ? AND reason IS NULL AND channel = 0 AND EXISTS (SELECT 1 FROM listens old
                    WHERE old.track_id = new.track_id
                    AND old.ended_at BETWEEN new.ended_at - 2000 AND new.ended_at + 2000
                    AND old.node_id = new.node_id AND old.id < new.id
                    AND old.ms_played = new.ms_played AND old.channel = new.channel
                    AND (old.reason IS NULL OR old.reason = 'near_duplicate'))
                """, id
            ).run()
        }
    }
}
