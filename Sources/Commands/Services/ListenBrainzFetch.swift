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

    private let session: Session
    private let client: ListenBrainzClient
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

    /// Fetches the listens that are not known yet: in a walk that was not finished, else in a new one since
    /// the last; in one through all where ListenBrainz counts more than that brings.
    ///
    /// - Returns: How many are new.
    func listens() async throws -> Int {
        let now = session.clock.now / 1000
        let (row, recorded) = try session.read { db in
            (
                try db.row(
                    """
                    SELECT from_s, to_s, page_count, last_page, through_s, (SELECT item_count FROM fetches
                        WHERE stream = ?1 ORDER BY id DESC LIMIT 1) FROM walks WHERE stream = ?1
                    """, stream.description),
                try db.value(
                    "SELECT count(*) FROM listens WHERE channel = ?", Channel.listenbrainz.rawValue)
                    as Int64?
            )
        }
        if let row, row[2] as Int64 > 0 {
            return try await walk(from: row[0], to: row[1], before: row[3]).new
        }
        let from = max(0, ((row?[4] as Int64?) ?? 0) - Self.lateSeconds)
        let (new, count) = try await walk(from: from, to: now, before: now + 1)
        let known = max(recorded ?? 0, (row?[5] as Int64?) ?? 0) + Int64(new)
        guard from > 0, count > known else { return new }
        try session.catchUp()
        return try await new + walk(from: 0, to: now, before: now + 1).new
    }

    /// Walks down to the beginning of a span, each page recorded as it comes, and closes the walk.
    private func walk(
        from: Int64, to: Int64, before start: Int64
    ) async throws -> (new: Int, count: Int64) {
        var (new, next, seen): (Int, Int64?, Set<String>) = (0, start, [])
        while let before = next {
            let body = try await client.get(
                "user/\(percentEncoded(user))/listens",
                [("max_ts", "\(before)"), ("count", "\(ListenBrainzClient.rowsPerPage)")])
            next = try body.read { response in
                let rows = ListenBrainzRow.rows(of: response).filter { !seen.contains($0.key) }
                let fresh = try fresh(rows)
                new += fresh
                if fresh > 0 {
                    let data: JSON = [
                        "from": .integer(from), "to": .integer(to), "before": .integer(before),
                        "payload": .raw(response.compact),
                    ]
                    try session.append([NewEvent(.listenbrainzListensPage, on: stream, data)])
                }
                let oldest = response["payload"]?["oldest_listen_ts"]?.number ?? 0
                guard let last = rows.map(\.timeMS).min(), last / 1000 > max(from, oldest) else {
                    return nil
                }
                // Some of its last second may stand on the next page.
                seen = Set(rows.filter { $0.timeMS == last }.map(\.key))
                return min(last / 1000 + 1, before - 1)
            }
            session.progress.show("reading listens", new, of: nil)
        }
        session.progress.finish()
        let count = try await client.get("user/\(percentEncoded(user))/listen-count").read {
            $0["payload"]?["count"]?.integer ?? 0
        }
        let data: JSON = ["from": .integer(from), "to": .integer(to), "count": .integer(count)]
        try session.append([NewEvent(.listenbrainzListensFetched, on: stream, data)])
        return (new, count)
    }

    /// How many rows are no listens yet.
    private func fresh(_ rows: [ListenBrainzRow]) throws -> Int {
        let times = rows.map(\.timeMS)
        let known = try session.projector.read {
            try $0.rows(
                """
                SELECT l.listened_at || ifnull(n.uri, '') FROM listens l
                LEFT JOIN nodes n ON n.id = l.node_id
                WHERE l.listened_at BETWEEN ? AND ? AND l.channel = ?
                """, times.min() ?? 0, times.max() ?? 0, Channel.listenbrainz.rawValue)
        }
        let keys = Set(known.map { $0[0] as String })
        return rows.count { !keys.contains("\($0.timeMS)\($0.uri ?? "")") }
    }
}
