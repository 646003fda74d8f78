import GRDBSQLite
import Ledger
import Music

/// Joins rows of different channels that tell of one listen.
///
/// What is joined is a function of the rows that count, so it does not matter when they came.
struct Joins {
    private struct Row {
        let heard: HeardListen
        let joinedID: Int64?
    }

    let sql: Statements
    private let columns = "SELECT id, channel, listened_at, joined_id, title_key FROM listens"
    private let counting =
        "(reason IS NULL OR reason = 'joined') AND title_key IS NOT NULL AND listened_at IS NOT NULL"

    /// Joins everything anew; for tables whose rows are all new.
    func joinAll() throws {
        var titles: [Int64: [Row]] = [:]
        try sql(
            """
            SELECT title_key FROM listens WHERE \(counting)
            GROUP BY title_key HAVING min(channel) < max(channel)
            """
        ).each { titles[$0.integer(0)] = [] }
        try sql("\(columns) WHERE \(counting)").each { row in
            // Most titles of a history stand in one channel.
            titles[row.integer(4)]?.append(read(row))
        }
        for rows in titles.values { try join(rows) }
    }

    /// Joins the rows around some places anew: between gaps that no play can bridge.
    func join(around places: [(titleKey: Int64, startMS: Int64)]) throws {
        var settled: Set<Int64> = []
        for place in places {
            var (rows, from, to): ([Row], Int64, Int64) = ([], place.startMS, place.startMS)
            while true {
                var found: [Row] = []
                try sql(
                    "\(columns) WHERE listened_at BETWEEN ? AND ? AND title_key = ? AND \(counting)",
                    from - HeardListen.toleranceMS, to + HeardListen.toleranceMS, place.titleKey
                ).each { found.append(read($0)) }
                let isWhole = found.count == rows.count
                rows = found
                from = min(from, rows.map(\.heard.startMS).min() ?? from)
                to = max(to, rows.map(\.heard.startMS).max() ?? to)
                if isWhole || rows.contains(where: { settled.contains($0.heard.id) }) { break }
            }
            // Places of one part lead to the same rows.
            guard !rows.contains(where: { settled.contains($0.heard.id) }) else { continue }
            settled.formUnion(rows.map(\.heard.id))
            try join(rows)
        }
    }

    private func read(_ row: Statement) -> Row {
        Row(
            heard: HeardListen(
                id: row.integer(0), channel: row.integer(1), startMS: row.integer(2)),
            joinedID: row.isNull(3) ? nil : row.integer(3))
    }

    private func join(_ rows: [Row]) throws {
        let joined = HeardListen.joined(rows.map(\.heard))
        for row in rows where joined[row.heard.id] != row.joinedID {
            let listen = joined[row.heard.id]
            try sql(
                "UPDATE listens SET reason = ?, joined_id = ? WHERE id = ?",
                listen.map { _ in Play.Reason.joined.rawValue }, listen, row.heard.id
            ).run()
        }
    }
}
