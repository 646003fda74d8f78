import Connectors
import Events
import GRDB
import JSONText
import Ledger
import Music
import Projections
import Projector

/// Takes in what ListenBrainz tells about one user.
final class ListenBrainzFetch {
    // What programs send late is some days old; older imports show in the count of all.
    private static let lateSeconds: Int64 = 14 * 86_400

    let session: Session
    let client: ListenBrainzClient
    private let user: String
    private let stream: StreamName

    init(_ session: Session) throws {
        self.session = session
        client = try session.listenbrainz(limits: try session.limits())
        user =
            try session.credentials.read("listenbrainz")?["user"]
            ?? session.settings.require("LISTENBRAINZ_USER")
        stream = try streamName("listenbrainz:listens:\(TextURI.encoded(user))")
    }

    /// A walk through the listens of a span of time, newest first; `before` is where it goes on.
    private struct Walk {
        var from: Int64 = 0
        let to: Int64
        let before: Int64
        var isResumed = false
        /// How many listens ListenBrainz counted the last time.
        var known: Int64 = 0
    }

    /// Fetches the listens that are not known yet, page by page, each recorded as it comes.
    ///
    /// - Returns: How many are new.
    func listens() async throws -> Int {
        var new = 0
        while true {
            let walk = try walk()
            let (fresh, counted) = try await finish(walk)
            new += fresh
            if walk.isResumed { continue }
            // More than the last time and these: somebody has sent what is older.
            if walk.from > 0, counted > max(walk.known + Int64(fresh), try recorded()) {
                new += try await finish(Walk(to: walk.to, before: walk.before)).new
            }
            return new
        }
    }

    /// Where to go on: in a walk that was not finished, else in a new one since the last.
    private func walk() throws -> Walk {
        try session.catchUp()
        let now = session.clock.now / 1000
        let row = try session.projector.read {
            try $0.row(
                """
                SELECT from_s, to_s, page_count, last_page, through_s, (SELECT item_count FROM fetches
                    WHERE stream = ?1 ORDER BY id DESC LIMIT 1) FROM walks WHERE stream = ?1
                """, stream.description)
        }
        guard let row else { return Walk(to: now, before: now + 1) }
        if row[2] as Int64 > 0 {
            return Walk(from: row[0], to: row[1], before: row[3], isResumed: true)
        }
        return Walk(
            from: max(0, (row[4] ?? 0) - Self.lateSeconds), to: now, before: now + 1,
            known: row[5] ?? 0)
    }

    private func recorded() throws -> Int64 {
        try session.catchUp()
        return try session.projector.read {
            try $0.value(
                "SELECT count(*) FROM listens WHERE channel = ?", Channel.listenbrainz.rawValue)
                ?? 0
        }
    }

    /// Walks to the end of a span and closes the walk.
    private func finish(_ walk: Walk) async throws -> (new: Int, count: Int64) {
        var (new, read, before): (Int, Int, Int64?) = (0, 0, walk.before)
        var seen: Set<String> = []
        while let start = before {
            let body = try await client.listens(of: user, before: start)
            before = try body.read { response in
                let all = ListenBrainzRow.rows(of: response).filter { $0.timeMS != nil }
                let rows = all.filter { seen.insert($0.key).inserted }
                let fresh = try fresh(rows)
                (new, read) = (new + fresh, read + rows.count)
                if fresh > 0 {
                    var payload: [UInt8] = []
                    appendCompact(response, to: &payload)
                    let data: JSON = [
                        "from": .integer(walk.from), "to": .integer(walk.to),
                        "before": .integer(start), "payload": .raw(payload),
                    ]
                    try session.append([NewEvent(.listenbrainzListensPage, on: stream, data)])
                }
                let oldest = response["payload"]?["oldest_listen_ts"]?.number ?? 0
                guard let last = rows.compactMap(\.timeMS).min().map({ $0 / 1000 }),
                    last > max(walk.from, oldest)
                else { return nil }
                // Some of its last second may stand on the next page.
                seen = Set(rows.filter { $0.timeMS == last * 1000 }.map(\.key))
                return min(last + 1, start - 1)
            }
            session.progress.show("reading listens", read, of: nil)
        }
        session.progress.finish()
        let count = try await client.listenCount(of: user)
        let data: JSON = [
            "from": .integer(walk.from), "to": .integer(walk.to), "count": .integer(count),
        ]
        try session.append([NewEvent(.listenbrainzListensFetched, on: stream, data)])
        return (new, count)
    }

    /// How many rows are no listens yet.
    private func fresh(_ rows: [ListenBrainzRow]) throws -> Int {
        let times = rows.compactMap(\.timeMS)
        let known = try session.projector.read {
            try $0.rows(
                """
                SELECT l.listened_at || ifnull(n.uri, '') FROM listens l
                LEFT JOIN nodes n ON n.id = l.node_id
                WHERE l.listened_at BETWEEN ? AND ? AND l.channel = ?
                """, times.min() ?? 0, times.max() ?? 0, Channel.listenbrainz.rawValue)
        }
        let keys = Set(known.map { $0[0] as String })
        return rows.count { !keys.contains("\($0.timeMS ?? 0)\($0.uri ?? "")") }
    }
}
