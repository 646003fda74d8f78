import ArgumentParser
import GRDB
import JSONText
import Ledger
import Music
import Projector

/// A track's URI: Spotify's where it knows it, else that of the entity it began with.
let trackURIColumn = "ifnull('spotify:track:' || t.spotify_id, n.uri)"

/// The columns of a track, and the query that gives them.
private enum TrackListing {
    static let query = """
        SELECT t.id, ifnull(c.plays, 0), t.title, t.artists, t.album, \(trackURIColumn), t.duration_ms, t.release_date, t.isrc,
            c.first_played, c.last_played
        FROM tracks t JOIN nodes n ON n.id = t.id LEFT JOIN listen_counts c ON c.track_id = t.id
        """

    /// - Parameter all: Whether a person sees all of them, one track at a time.
    static func columns(all: Bool) -> [Listing.Column] {
        [
            .init("id", nil, .number), .init("plays", "PLAYS", .number), .init("title", "TITLE"),
            .init("artists", "ARTISTS", .names), .init("album", "ALBUM"), .init("uri", "URI"),
            .init("duration_ms", all ? "LENGTH" : nil, .duration),
            .init("release_date", all ? "RELEASED" : nil), .init("isrc", all ? "ISRC" : nil),
            .init("first_played", all ? "FIRST PLAYED" : nil, .time),
            .init("last_played", all ? "LAST PLAYED" : nil, .time),
        ]
    }
}

struct TracksCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tracks", abstract: "List tracks, the most played first.",
        discussion: "Example: narada tracks \"red liberation\"")
    @OptionGroup var globals: GlobalOptions
    @Argument(help: "Part of a title, an artist or an album.") var query: String?
    @Option(help: "How many at most.") var limit = 50

    func run() throws {
        let text = query ?? ""
        let escaped = text.replacing(#/[\\%_]/#) { "\\" + $0.output }
        let condition = """
             WHERE t.is_deleted = 0 AND (t.title LIKE ?1 ESCAPE '\\' OR t.artists LIKE ?1 ESCAPE '\\'
                OR t.album LIKE ?1 ESCAPE '\\' OR t.id = (SELECT track_id FROM nodes WHERE uri = ?2) OR (?2 = '' AND t.title IS NULL))
            ORDER BY c.plays DESC, t.id LIMIT ?3
            """
        try Session(reading: globals).read { db in
            Listing(
                columns: TrackListing.columns(all: false),
                rows: try db.rows(TrackListing.query + condition, "%\(escaped)%", text, limit))
        }.print(globals)
    }
}

/// Finds the id of the one track that a URI, a URL, an id or a title names.
func trackID(_ reference: String, _ db: Database) throws -> Int64 {
    var found: [Int64] = try db.values(
        "SELECT track_id FROM nodes WHERE uri = ? UNION SELECT track_id FROM nodes WHERE id = ?",
        connectorURI(reference) ?? reference, Int64(reference))
    if found.isEmpty {
        found = try db.values(
            "SELECT id FROM tracks WHERE title = ? COLLATE NOCASE AND is_deleted = 0 ORDER BY id",
            reference)
    }
    guard let first = found.first else {
        let titles: [String] = try db.values(
            "SELECT DISTINCT title FROM tracks WHERE title IS NOT NULL LIMIT 20000")
        throw NaradaError.notFound(
            "there is no track '\(reference)'",
            hint: didYouMean(reference, among: titles) ?? "`narada tracks QUERY` looks for one.")
    }
    if found.count > 1 {
        let uris: [String] = try found.prefix(5).compactMap {
            try db.value("SELECT uri FROM nodes WHERE id = ?", $0)
        }
        throw NaradaError.notFound(
            "\(found.count) tracks are called '\(reference)'",
            hint: "name one by its URI: \(uris.joined(separator: ", ")).")
    }
    return first
}

struct TrackCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "track", abstract: "Show one track: names, plays, the playlists it is in.")
    @OptionGroup var globals: GlobalOptions
    @Argument(help: "A URI, a URL, an id or a title.") var track: String

    func run() throws {
        let (row, playlists) = try Session(reading: globals).read { db in
            let id = try trackID(track, db)
            let places = try db.rows(
                """
                SELECT p.uri, p.name, 1 + (SELECT count(*) FROM playlist_tracks b
                    WHERE b.playlist_id = t.playlist_id AND b.sort_key < t.sort_key)
                FROM playlist_tracks t JOIN playlists p ON p.id = t.playlist_id
                WHERE t.track_id = ? AND p.is_deleted = 0 ORDER BY p.name, p.id, t.sort_key
                """, id)
            let rows = try db.rows(TrackListing.query + " WHERE t.id = ?", id)
            return (
                Listing(columns: TrackListing.columns(all: true), rows: rows),
                Listing(
                    columns: [.init("playlist"), .init("name"), .init("position", nil, .number)],
                    rows: places)
            )
        }
        row.printFirst(
            globals, more: [("playlists", playlists.json)],
            lines: playlists.rows.map {
                ["IN", "\(playlists.cell($0, 1)), position \(playlists.cell($0, 2))"]
            })
    }
}

struct MappingsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "mappings",
        abstract: "What the tracks are called by the services, and how sure that is.",
        discussion: "Example: narada mappings spotify:track:2B8geqnq9YIym0ixYn83Pd")
    @OptionGroup var globals: GlobalOptions
    @Argument(help: "Only this track: a URI, a URL, an id or a title.") var track: String?
    @Option(help: "How many at most.") var limit = 50

    func run() throws {
        try Session(reading: globals).read { db in
            Listing(
                columns: [
                    .init("title", "TITLE"), .init("artists", "ARTISTS", .names),
                    .init("connector", "SERVICE"), .init("id", "NAME THERE"),
                    .init("method", "METHOD"), .init("confidence", "SURE", .number),
                    .init("verified_at", nil, .time), .init("uri"),
                ],
                rows: try db.rows(
                    """
                    SELECT t.title, t.artists, m.connector_name, m.connector_id, m.match_method,
                        m.confidence, m.last_verified, \(trackURIColumn)
                    FROM track_mappings m JOIN tracks t ON t.id = m.track_id JOIN nodes n ON n.id = t.id
                    WHERE m.is_deleted = 0 AND ifnull(m.track_id = ?1, 1) ORDER BY m.track_id, m.id LIMIT ?2
                    """, try track.map { try trackID($0, db) }, limit))
        }.print(globals)
    }
}

/// A span of time that a person named.
struct Span: ParsableArguments {
    @Option(help: "From this moment on.") var since: When?
    @Option(help: "Up to this moment.") var until: When?

    /// Asks a query that holds ``condition`` and takes the limit as `?3`.
    func rows(_ session: Session, limit: Int, _ sql: String) throws -> [Row] {
        try session.read { db in
            try db.rows(
                sql, since?.time(in: session, end: false), until?.time(in: session, end: true),
                limit)
        }
    }

    static let condition =
        "(?1 IS NULL OR l.listened_at >= ?1) AND (?2 IS NULL OR l.listened_at <= ?2)"
}

struct ListensCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "listens", abstract: "List listens, the latest first.",
        discussion:
            "Example: narada listens --since 2w\n\nWith --reason the rows that do not count: \(reasons)."
    )
    private static let reasons = Play.Reason.allCases.map(\.rawValue).joined(separator: ", ")

    @OptionGroup var globals: GlobalOptions
    @OptionGroup var span: Span
    @Option(help: "How many at most.") var limit = 50
    @Option(help: "Rows that do not count, for this reason; any for all of them.") var reason:
        String?

    func validate() throws {
        guard let reason, reason != "any", Play.Reason(rawValue: reason) == nil else { return }
        throw ValidationError("--reason takes any, \(Self.reasons), not '\(reason)'.")
    }

    func run() throws {
        let condition =
            reason.map { $0 == "any" ? "l.reason IS NOT NULL" : "l.reason = '\($0)'" }
            ?? "l.reason IS NULL"
        let columns: [Listing.Column] = [
            .init("listened_at", "STARTED", .time), .init("ms_played", "PLAYED", .duration),
            .init("title", "TITLE"), .init("artists", "ARTISTS", .names), .init("uri"),
            .init("channels", nil, .channels), .init("seq", "SEQ", .number),
            .init("reason", reason == nil ? nil : "REASON"),
        ]
        // What tells of the same listen began at most so long before or after.
        let tolerance = HeardListen.toleranceMS
        let channels = """
            l.channel || ifnull((SELECT ',' || group_concat(j.channel) FROM listens j WHERE j.joined_id = l.id
                AND j.listened_at BETWEEN l.listened_at - \(tolerance) AND l.listened_at + \(tolerance)), '')
            """
        let rows = try span.rows(
            Session(reading: globals), limit: limit,
            """
            SELECT l.listened_at, l.ms_played, t.title, t.artists, n.uri, \(channels), l.id >> 16, l.reason
            FROM listens l LEFT JOIN tracks t ON t.id = l.track_id LEFT JOIN nodes n ON n.id = l.node_id
            WHERE \(condition) AND \(Span.condition) ORDER BY l.listened_at DESC, l.id DESC LIMIT ?3
            """)
        Listing(columns: columns, rows: rows).print(globals)
    }
}

struct TopCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top", abstract: "The most played tracks, ever or in a span of time.",
        discussion: "Example: narada top --since 1y --limit 20")
    @OptionGroup var globals: GlobalOptions
    @OptionGroup var span: Span
    @Option(help: "How many at most.") var limit = 20

    func run() throws {
        let columns: [Listing.Column] = [
            .init("plays", "PLAYS", .number), .init("title", "TITLE"),
            .init("artists", "ARTISTS", .names), .init("uri", "URI"),
            .init("first_played", nil, .time), .init("last_played", nil, .time),
        ]
        let rows = try span.rows(
            Session(reading: globals), limit: limit,
            """
            SELECT c.plays, t.title, t.artists, \(trackURIColumn), c.first_played, c.last_played FROM
                (SELECT track_id, count(*) AS plays, min(listened_at) AS first_played,
                    max(listened_at) AS last_played FROM listens l
                 WHERE reason IS NULL AND \(Span.condition)
                 GROUP BY track_id ORDER BY plays DESC, track_id LIMIT ?3) c
            JOIN tracks t ON t.id = c.track_id JOIN nodes n ON n.id = t.id ORDER BY c.plays DESC, c.track_id
            """)
        Listing(columns: columns, rows: rows).print(globals)
    }
}
