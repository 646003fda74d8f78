import GRDBSQLite
import JSONText
import Ledger
import Music

/// Keeps the listens: one row for every row of a history, whether it counts or not.
final class ListensFold {
    private let database: OpaquePointer
    private let insert: Statement

    init(_ database: OpaquePointer) throws {
        self.database = database
        insert = try Statement(database, "INSERT INTO listens VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
    }

    func historyRow(_ row: HistoryRow, node: Node?, seq: Seq) throws {
        insert.bind(1, seq << 16)
        insert.bind(2, node?.trackID)
        insert.bind(3, node?.id)
        insert.bind(4, row.play.startedAtMS)
        insert.bind(5, row.play.endedAtMS)
        insert.bind(6, row.play.playedMS)
        insert.bind(7, Channel.spotifyHistory.rawValue)
        insert.bind(8, row.play.reason?.rawValue)
        try insert.run()
    }

    /// Marks near duplicates among the rows from an event on.
    ///
    /// A row that would count is one when an earlier recorded row that would count has the same URI and
    /// `ms_played` and ended at most 2 s apart (`design.md` §6). That is a property of the set of rows, so
    /// it does not matter how many of them come at once. Needs the indexes.
    ///
    /// - Parameter all: Whether every row is new: then the index is read once in order instead.
    func markNearDuplicates(from seq: Seq, all: Bool) throws {
        let candidates = all ? try neighbours() : try rows(from: seq)
        let earlier = try Statement(
            database,
            """
            SELECT 1 FROM listens AS new JOIN listens AS old ON old.track_id = new.track_id
                AND old.ended_at BETWEEN new.ended_at - 2000 AND new.ended_at + 2000
            WHERE new.id = ? AND new.reason IS NULL AND old.node_id = new.node_id AND old.id < new.id
                AND old.ms_played = new.ms_played AND old.channel = new.channel
                AND (old.reason IS NULL OR old.reason = 'near_duplicate') LIMIT 1
            """)
        let mark = try Statement(
            database, "UPDATE listens SET reason = 'near_duplicate' WHERE id = ?")
        for id in candidates {
            earlier.bind(1, id)
            guard try earlier.first({ _ in true }) == true else { continue }
            mark.bind(1, id)
            try mark.run()
        }
    }

    /// Rows of one track that ended at most 2 s after the one before in time, and those ones.
    private func neighbours() throws -> [Int64] {
        var found: [Int64] = []
        var last: (track: Int64, end: Int64, id: Int64) = (0, .min / 2, 0)
        try Statement(
            database,
            """
            SELECT track_id, ended_at, id FROM listens INDEXED BY listens_track
            WHERE track_id IS NOT NULL AND ended_at IS NOT NULL ORDER BY track_id, ended_at
            """
        ).each { row in
            let this = (track: row.integer(0), end: row.integer(1), id: row.integer(2))
            if this.track == last.track, this.end - last.end <= 2000 {
                if found.last != last.id { found.append(last.id) }
                found.append(this.id)
            }
            last = this
        }
        return found
    }

    private func rows(from seq: Seq) throws -> [Int64] {
        var found: [Int64] = []
        let query = try Statement(
            database, "SELECT id FROM listens WHERE id >= ? AND reason IS NULL")
        query.bind(1, seq << 16)
        try query.each { found.append($0.integer(0)) }
        return found
    }
}
