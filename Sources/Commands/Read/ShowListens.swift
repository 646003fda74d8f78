import ArgumentParser
import GRDB
import JSONText
import Ledger
import Music
import Projector

struct TracksCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tracks", abstract: "List tracks, the most played first.",
        discussion: "Example: narada tracks \"red liberation\"")
    @OptionGroup var globals: GlobalOptions
    @Argument(help: "Part of a title, an artist or an album.") var query: String?
    @Option(help: "How many at most.") var limit = 50

    func run() throws {
        let rows = try Session(reading: globals).read { try TrackRow.search(query, limit: limit, $0) }
        guard !globals.json else { return Output.json(.array(rows.map(\.json))) }
        Output.table(
            ["PLAYS", "TITLE", "ARTISTS", "ALBUM", "URI"],
            rows.map { [String($0.plays), $0.title ?? "", $0.artists.joined(separator: ", "), $0.album ?? "", $0.uri] },
            right: [0])
    }
}

/// A track with its plays.
struct TrackRow {
    let id: Int64
    let uri: String
    let title: String?
    let artists: [String]
    let album: String?
    let durationMS: Int64?
    let releaseDate: String?
    let isrc: String?
    let plays: Int
    let firstPlayed: Milliseconds?
    let lastPlayed: Milliseconds?

    private init(_ row: Row) {
        id = row[0]
        uri = row[1]
        title = row[2]
        artists = artistNames(row[3])
        album = row[4]
        durationMS = row[5]
        releaseDate = row[6]
        isrc = row[7]
        plays = row[8] ?? 0
        firstPlayed = row[9]
        lastPlayed = row[10]
    }

    private static let query = """
        SELECT t.id, n.uri, t.title, t.artists, t.album, t.duration_ms, t.release_date, t.isrc,
            c.plays, c.first_played, c.last_played
        FROM tracks t JOIN nodes n ON n.id = t.id LEFT JOIN listen_counts c ON c.track_id = t.id
        """

    static func search(_ text: String?, limit: Int, _ db: Database) throws -> [TrackRow] {
        let escaped = (text ?? "").replacing("\\", with: "\\\\").replacing("%", with: "\\%").replacing("_", with: "\\_")
        return try Row.fetchAll(
            db,
            sql: query + """
                 WHERE t.is_deleted = 0 AND (t.title LIKE ?1 ESCAPE '\\' OR t.artists LIKE ?1 ESCAPE '\\'
                    OR t.album LIKE ?1 ESCAPE '\\' OR n.uri = ?2 OR (?2 = '' AND t.title IS NULL))
                ORDER BY c.plays DESC, t.id LIMIT ?3
                """, arguments: ["%\(escaped)%", text ?? "", limit]
        ).map(TrackRow.init)
    }

    /// Finds the one track that a URI, a URL, an id or a title names.
    static func find(_ reference: String, _ db: Database) throws -> TrackRow {
        let uri = connectorURI(reference) ?? reference
        var found = try Row.fetchAll(
            db, sql: query + " WHERE t.id IN (SELECT track_id FROM nodes WHERE uri = ?1) OR t.id = ?2",
            arguments: [uri, Int64(reference)]
        ).map(TrackRow.init)
        if found.isEmpty {
            found = try Row.fetchAll(
                db, sql: query + " WHERE t.title = ? COLLATE NOCASE ORDER BY c.plays DESC", arguments: [reference]
            ).map(TrackRow.init)
        }
        guard let first = found.first else {
            let titles = try String.fetchAll(db, sql: "SELECT DISTINCT title FROM tracks WHERE title IS NOT NULL LIMIT 20000")
            let near = nearest(reference, among: titles)
            throw NaradaError.notFound(
                "there is no track '\(reference)'",
                hint: near.isEmpty
                    ? "`narada tracks QUERY` looks for one." : "did you mean \(near.map { "'\($0)'" }.joined(separator: " or "))?")
        }
        guard found.count == 1 else {
            throw NaradaError.notFound(
                "\(found.count) tracks are called '\(reference)'",
                hint: "name one by its URI: \(found.prefix(5).map(\.uri).joined(separator: ", ")).")
        }
        return first
    }

    var json: JSON {
        [
            "id": .integer(id), "uri": .text(uri), "title": JSON(title), "artists": .array(artists.map { .text($0) }),
            "album": JSON(album), "duration_ms": JSON(durationMS), "release_date": JSON(releaseDate),
            "isrc": JSON(isrc), "plays": JSON(plays), "first_played": JSON(firstPlayed.map { ISOTime.text($0) }),
            "last_played": JSON(lastPlayed.map { ISOTime.text($0) }),
        ]
    }
}

struct TrackCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "track", abstract: "Show one track: names, plays, the playlists it is in.")
    @OptionGroup var globals: GlobalOptions
    @Argument(help: "A URI, a URL, an id or a title.") var track: String

    func run() throws {
        let (row, playlists) = try Session(reading: globals).read { db in
            let row = try TrackRow.find(track, db)
            let playlists = try Row.fetchAll(
                db,
                sql: """
                    SELECT p.uri, p.name, 1 + (SELECT count(*) FROM playlist_tracks b
                        WHERE b.playlist_id = t.playlist_id AND b.sort_key < t.sort_key)
                    FROM playlist_tracks t JOIN playlists p ON p.id = t.playlist_id
                    WHERE t.track_id = ? AND p.is_deleted = 0 ORDER BY p.name, p.id, t.sort_key
                    """, arguments: [row.id])
            return (row, playlists)
        }
        guard !globals.json else {
            guard case .object(let members) = row.json else { return }
            let rows = playlists.map { row -> JSON in
                ["playlist": .text(row[0]), "name": .text(row[1]), "position": JSON(row[2] as Int)]
            }
            return Output.json(.object(members + [("playlists", .array(rows))]))
        }
        var lines = [
            ["title", row.title ?? ""], ["artists", row.artists.joined(separator: ", ")], ["album", row.album ?? ""],
            ["uri", row.uri], ["plays", String(row.plays)],
        ]
        if let duration = row.durationMS { lines.append(["duration", Output.duration(duration)]) }
        if let date = row.releaseDate { lines.append(["released", date]) }
        if let isrc = row.isrc { lines.append(["isrc", isrc]) }
        if let first = row.firstPlayed, let last = row.lastPlayed {
            lines.append(["played", "\(ISOTime.text(first, fraction: false)) to \(ISOTime.text(last, fraction: false))"])
        }
        lines += playlists.map { ["in", "\($0[1] as String), position \($0[2] as Int)"] }
        Output.table(["", ""], lines)
    }
}

struct ListensCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "listens", abstract: "List listens, the latest first.",
        discussion: "Example: narada listens --since 2w\n\nWith --reason the rows that do not count: \(reasons).")
    private static let reasons = Play.Reason.allCases.map(\.rawValue).joined(separator: ", ")

    @OptionGroup var globals: GlobalOptions
    @Option(help: "How many at most.") var limit = 50
    @Option(help: "From this moment on.") var since: When?
    @Option(help: "Up to this moment.") var until: When?
    @Option(help: "Rows that do not count, for this reason; any for all of them.") var reason: String?

    func validate() throws {
        guard let reason, reason != "any", Play.Reason(rawValue: reason) == nil else { return }
        throw ValidationError("--reason takes any, \(Self.reasons), not '\(reason)'.")
    }

    func run() throws {
        let session = try Session(reading: globals)
        let condition = reason.map { $0 == "any" ? "l.reason IS NOT NULL" : "l.reason = '\($0)'" } ?? "l.reason IS NULL"
        let rows = try session.read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT l.listened_at, t.title, t.artists, n.uri, l.ms_played, l.channel, l.reason, l.id >> 16
                    FROM listens l LEFT JOIN tracks t ON t.id = l.track_id LEFT JOIN nodes n ON n.id = l.node_id
                    WHERE \(condition) AND (?1 IS NULL OR l.listened_at >= ?1) AND (?2 IS NULL OR l.listened_at <= ?2)
                    ORDER BY l.listened_at DESC, l.id DESC LIMIT ?3
                    """,
                arguments: [
                    try since?.time(in: session, end: false), try until?.time(in: session, end: true),
                    limit,
                ])
        }
        guard !globals.json else {
            return Output.json(
                .array(
                    rows.map { row in
                        [
                            "listened_at": JSON((row[0] as Milliseconds?).map { ISOTime.text($0) }),
                            "title": JSON(row[1] as String?),
                            "artists": .array(artistNames(row[2]).map { .text($0) }), "uri": JSON(row[3] as String?),
                            "ms_played": JSON(row[4] as Int), "channels": [JSON(Channel(rawValue: row[5])?.name)],
                            "reason": JSON(row[6] as String?), "seq": .integer(row[7]),
                        ]
                    }))
        }
        let cells = rows.map { row -> [String] in
            let start = (row[0] as Milliseconds?).map { ISOTime.text($0, fraction: false) } ?? "–"
            let artists = artistNames(row[2]).joined(separator: ", ")
            let title: String = row[1] ?? ""
            let why: String = row[6] ?? ""
            return [start, Output.duration(row[4]), title, artists, String(row[7] as Int64), why]
        }
        Output.table(
            ["STARTED", "PLAYED", "TITLE", "ARTISTS", "SEQ", reason == nil ? "" : "REASON"], cells, right: [1, 4])
    }
}

struct TopCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "top", abstract: "The most played tracks, ever or in a span of time.",
        discussion: "Example: narada top --since 1y --limit 20")
    @OptionGroup var globals: GlobalOptions
    @Option(help: "How many at most.") var limit = 20
    @Option(help: "From this moment on.") var since: When?
    @Option(help: "Up to this moment.") var until: When?

    func run() throws {
        let session = try Session(reading: globals)
        let rows = try session.read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT c.plays, t.title, t.artists, n.uri, c.first_played, c.last_played FROM
                        (SELECT track_id, count(*) AS plays, min(listened_at) AS first_played,
                            max(listened_at) AS last_played FROM listens
                         WHERE reason IS NULL AND (?1 IS NULL OR listened_at >= ?1)
                            AND (?2 IS NULL OR listened_at <= ?2)
                         GROUP BY track_id ORDER BY plays DESC, track_id LIMIT ?3) c
                    JOIN tracks t ON t.id = c.track_id JOIN nodes n ON n.id = t.id ORDER BY c.plays DESC, c.track_id
                    """,
                arguments: [
                    try since?.time(in: session, end: false), try until?.time(in: session, end: true),
                    limit,
                ])
        }
        guard !globals.json else {
            return Output.json(
                .array(
                    rows.map { row in
                        [
                            "plays": JSON(row[0] as Int), "title": JSON(row[1] as String?),
                            "artists": .array(artistNames(row[2]).map { .text($0) }), "uri": .text(row[3]),
                            "first_played": .text(ISOTime.text(row[4])), "last_played": .text(ISOTime.text(row[5])),
                        ]
                    }))
        }
        Output.table(
            ["PLAYS", "TITLE", "ARTISTS", "URI"],
            rows.map { [String($0[0] as Int), $0[1] ?? "", artistNames($0[2]).joined(separator: ", "), $0[3]] },
            right: [0])
    }
}
