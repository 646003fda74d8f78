import Connectors
import Events
import Foundation
import GRDB
import JSONText
import Ledger
import Music
import Projections
import Projector
import Workflows

/// What workflows read and write: the read models and the log of one session.
final class World: WorkflowWorld {
    private let session: Session
    /// The seq at which the run read a playlist first, or changed it itself since.
    private var lastSeen: [String: Seq] = [:]
    /// The seq at which the run began to look.
    private var firstSeq: Seq?

    init(_ session: Session) { self.session = session }

    var readSeq: Seq { get throws { try session.projector.read { try $0.seq } } }

    func refresh() throws -> Seq {
        let seq = try session.caughtUpSeq()
        firstSeq = firstSeq ?? seq
        return seq
    }

    func playlist(_ reference: String, asOf: String?) throws -> (
        name: String, seq: Seq, rows: [TrackRow]
    ) {
        let when = try asOf.map { text in
            let hint = "as_of takes RFC 3339, a date, a seq, or 3d."
            return try (When(argument: text) ?? fail(.usage("'\(text)' is no moment", hint: hint)))
                .seq(in: session)
        }
        return try session.projector.read { db in
            let found = try FoundPlaylist.find(reference, db, asOf: when)
            let then = try when.map { try found.state(at: $0, in: session.ledger, db).rows.rows }
            let rows = try then ?? found.rows(db)
            let names = try TrackNames.of(rows.map(\.uri), db)
            let list = rows.map { row in
                let known = row.uri.flatMap { names[$0] }
                return TrackRow(
                    uri: row.uri, title: known?.title, artists: known?.artists ?? [],
                    addedAtMS: row.addedAtMS)
            }
            let seq = try db.seq
            if when == nil, lastSeen[found.uri] == nil { lastSeen[found.uri] = seq }
            return (found.name, when ?? seq, list)
        }
    }

    func values(of metric: Metric, for rows: [TrackRow]) throws -> [MetricValue?] {
        let (column, table) = Self.source(of: metric)
        // Tracks are looked up each time: what was fetched since may have joined some.
        let key = ["tracks", "nodes"].contains(table) ? "id" : "track_id"
        let sql = """
            WITH wanted AS (SELECT uri, track_id AS track FROM nodes
                WHERE uri IN (SELECT value FROM json_each(?1))),
            edges AS (SELECT a_uri, b_uri FROM matches WHERE \(Schema.isEdge)),
            members AS (SELECT DISTINCT track, n.id, n.uri FROM wanted
                JOIN nodes n ON n.track_id = track),
            entities AS (SELECT track, id FROM members
                UNION SELECT track, n.id FROM members m JOIN edges ON a_uri = m.uri
                JOIN nodes n ON n.uri = b_uri
                UNION SELECT track, n.id FROM members m JOIN edges ON b_uri = m.uri
                JOIN nodes n ON n.uri = a_uri),
            counts AS (SELECT track AS track_id, c.* FROM entities e
                JOIN lastfm_counts c ON c.node_id = e.id
                WHERE user_id COLLATE NOCASE = ifnull(?2, (SELECT min(user_id) FROM lastfm_counts
                    HAVING count(DISTINCT user_id) = 1))),
            liked AS (SELECT * FROM likes WHERE is_deleted = 0)
            SELECT uri, value FROM wanted JOIN (SELECT \(key) AS id, \(column) AS value FROM \(table)
                WHERE \(key) IN (SELECT track FROM wanted) GROUP BY \(key)) ON id = track
            """
        let uris = JSON.array(rows.map { JSON($0.uri) }).text
        // Two ids of one song see the same entity, also where it is grouped with the other one only.
        let user =
            try session.credentials.read("lastfm")?["user"] ?? session.settings["LASTFM_USER"]
        return try session.projector.read { db in
            var values: [String: MetricValue] = [:]
            for row in try db.rows(sql, uris, user) {
                switch (row[1] as DatabaseValue).storage {
                case .int64(let number): values[row[0]] = .integer(number)
                case .string(let text): values[row[0]] = .text(text)
                default: break
                }
            }
            return rows.map { $0.uri.flatMap { values[$0] } }
        }
    }

    /// Where the read models hold a metric: an aggregate over a track's rows, and the table.
    private static func source(of metric: Metric) -> (column: String, table: String) {
        switch metric {
        case .plays: ("max(plays)", "listen_counts")
        case .firstPlayed: ("max(first_played)", "listen_counts")
        case .lastPlayed: ("max(last_played)", "listen_counts")
        case .lastfmUserPlays: ("sum(user_play_count)", "counts")
        case .lastfmGlobalPlays: ("sum(play_count)", "counts")
        case .likedAt: ("min(liked_at)", "liked")
        case .identity: ("max(uri)", "nodes")
        case .releaseDate: ("max(release_date)", "tracks")
        case .durationMS: ("max(duration_ms)", "tracks")
        case .title, .artist, .album, .addedAt: ("max(album)", "tracks")
        }
    }

    func createPlaylist(name: String, description: String?, rows: [TrackRow]) throws -> String {
        let uri = newPlaylistURI(session)
        lastSeen[uri] = try session.append([
            try created(uri, name: name, description: description, items: try items(rows))
        ])
        return uri
    }

    func setRows(of playlist: String, to rows: [TrackRow]) throws -> String {
        try session.catchUp()
        let (found, old) = try session.projector.read { db in
            let found = try FoundPlaylist.find(playlist, db)
            return (found, try found.rows(db))
        }
        guard old.map(\.uri) != rows.map(\.uri) else { return found.uri }
        let stream = try found.stream
        let edit: JSON = ["op": "set", "items": .array(try items(rows))]
        let seen = lastSeen[found.uri] ?? firstSeq ?? 0
        var expecting = [stream: seen]
        if let linked = found.linked { expecting[try streamName(linked)] = seen }
        do {
            lastSeen[found.uri] = try session.append(
                [NewEvent(.playlistEdited, on: stream, edit)], expecting: expecting)
        } catch let error as LedgerError where error.code == .conflict {
            throw NaradaError(
                .tryAgain, "stream-changed", "'\(found.name)' was changed while the workflow ran",
                hint: "run it again.")
        }
        return found.uri
    }

    private func items(_ rows: [TrackRow]) throws -> [JSON] {
        // What one event may bring in; a longer list could never be folded.
        try require(
            rows.count <= 65_536,
            .badInput(
                "a playlist holds at most 65,536 rows, not \(rows.count)",
                hint: "put a select.first before it."))
        return rows.map { itemJSON($0.uri) }
    }

    func append(_ events: [NewEvent]) throws { try session.append(events) }

    func words(for error: any Error) -> String { NaradaError(error).message }

    // MARK: Services

    func fetchLastfmCounts(for rows: [TrackRow], maxAge: String) async throws {
        let age = try maxAgeMS(maxAge)
        _ = try await LastfmFetch(session).counts(of: rows.compactMap(\.uri), maxAgeMS: age)
    }

    func push(_ playlist: String, to service: String) async throws {
        let report = try await PlaylistPush(session).push(playlist)
        lastSeen[report.playlist.uri] = session.appended.last?.upperBound
    }
}
