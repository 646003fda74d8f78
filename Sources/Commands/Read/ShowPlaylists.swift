import ArgumentParser
import GRDB
import JSONText
import Ledger
import Music
import Projections

struct PlaylistsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "playlists", abstract: "List the playlists.")
    @OptionGroup var globals: GlobalOptions

    func run() throws {
        try Session(reading: globals).read { db in
            Listing(
                columns: [
                    .init("name", "NAME"), .init("count", "ROWS", .number),
                    .init("updated_at", "CHANGED", .time), .init("playlist", "URI"),
                    .init("description"), .init("linked"),
                ],
                rows: try db.rows(
                    """
                    SELECT p.name, p.track_count, p.updated_at, p.uri, p.description,
                        (SELECT group_concat(connector_name || ':playlist:' || connector_id, ' ')
                         FROM playlist_mappings WHERE playlist_id = p.id)
                    FROM playlists p WHERE p.is_deleted = 0 ORDER BY p.name, p.id
                    """))
        }.print(globals)
    }
}

/// A track as the JSON of its row tells it.
private func members(_ uri: String?, _ names: [String: TrackNames]) -> [(String, JSON)] {
    let known = uri.flatMap { names[$0] }
    return [
        ("uri", JSON(uri)), ("title", JSON(known?.title)),
        ("artists", known.map { .texts($0.artists) } ?? nil),
    ]
}

/// A playlist now or at a moment, with today's names of its tracks.
struct PlaylistView {
    let found: FoundPlaylist
    let name: String
    let description: String?
    let rows: [PlaylistRow]
    let seq: Seq
    let at: Milliseconds
    let names: [String: TrackNames]

    /// Reads one.
    static func read(_ reference: String, asOf when: When?, _ session: Session) throws
        -> PlaylistView
    {
        let then = try when?.seq(in: session)
        return try session.read { db in
            let found = try FoundPlaylist.find(reference, db, asOf: then)
            let state = try then.map { try found.state(at: $0, in: session.ledger, db) }
            let rows = try state?.rows.rows ?? found.rows(db)
            let seq = try then ?? db.seq
            return PlaylistView(
                found: found, name: state?.name ?? found.name,
                description: state.map(\.description) ?? found.description, rows: rows, seq: seq,
                at: try session.ledger.time(of: seq), names: try TrackNames.of(rows.map(\.uri), db))
        }
    }

    /// Its rows with the names of their tracks, where these are known.
    var named: [(row: PlaylistRow, names: TrackNames?)] {
        rows.map { row in (row, row.uri.flatMap { names[$0] }) }
    }

    var json: JSON {
        let items = rows.enumerated().map { index, row -> JSON in
            .object(
                [("position", JSON(index + 1)), ("sort_key", .text(row.sortKey.description))]
                    + members(row.uri, names) + [("added_at", .text(ISOTime.text(row.addedAtMS)))])
        }
        return [
            "playlist": .text(found.uri),
            "as_of": ["seq": .integer(seq), "at": .text(ISOTime.text(at))],
            "count": JSON(rows.count), "name": .text(name), "description": JSON(description),
            "items": .array(items),
        ]
    }
}

struct ShowPlaylist: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "playlist", abstract: "Show a playlist, now or as it was.",
        discussion: "Example: narada playlist Morning --as-of 2026-05-01")
    @OptionGroup var globals: GlobalOptions
    @Argument(help: "A name, a URI or a URL.") var playlist: String
    @Option(help: "RFC 3339, a date, a seq, or so long ago (3d, 2w, 6mo).") var asOf: When?

    func run() throws {
        let view = try PlaylistView.read(playlist, asOf: asOf, Session(reading: globals))
        guard !globals.json else { return Output.json(view.json) }
        let moment = "as of event \(view.seq) (\(ISOTime.text(view.at)))"
        Output.line(Output.safe("\(view.name), \(view.rows.count) rows, \(moment)"))
        Output.table(
            ["#", "TITLE", "ARTISTS", "ADDED", "URI"],
            view.named.enumerated().map { index, item in
                [
                    String(index + 1),
                    item.names?.title ?? (item.row.uri == nil ? "(not available)" : ""),
                    item.names?.artists.joined(separator: ", ") ?? "",
                    String(ISOTime.text(item.row.addedAtMS).prefix(10)), item.row.uri ?? "",
                ]
            }, right: [0])
    }
}

struct HistoryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "history", abstract: "What happened to a playlist, event by event.")
    @OptionGroup var globals: GlobalOptions
    @Argument var playlist: String

    func run() throws {
        let session = try Session(reading: globals)
        var steps: [Row] = []
        try session.read { db in
            let found = try FoundPlaylist.find(playlist, db, asOf: .max)
            _ = try found.state(at: nil, in: session.ledger, db) { line, changes, state in
                steps.append([
                    "seq": line.seq, "at": line.at, "type": line.typeName, "run": line.runName,
                    "added": changes.inserted.count, "removed": changes.removed.count,
                    "moved": changes.moved, "count": state.rows.rows.count, "name": state.name,
                ])
            }
        }
        Listing(
            columns: [
                .init("seq", "SEQ", .number), .init("at", "AT", .time), .init("type", "EVENT"),
                .init("run"), .init("added", "+", .number), .init("removed", "-", .number),
                .init("moved", "MOVED", .number), .init("count", "ROWS", .number),
                .init("name", "NAME"),
            ], rows: steps
        ).print(globals)
    }
}

struct DiffCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "diff", abstract: "What changed in a playlist between two moments.",
        discussion: "Example: narada diff Morning 2w")
    @OptionGroup var globals: GlobalOptions
    @Argument var playlist: String
    @Argument(help: "A time, a date, a seq, or so long ago.") var from: When
    @Argument(help: "The later moment; now if there is none.") var to: When?

    func run() throws {
        let session = try Session(reading: globals)
        let start = try from.seq(in: session)
        let end = try to?.seq(in: session)
        let (old, new, names) = try session.read { db in
            let found = try FoundPlaylist.find(playlist, db, asOf: end ?? start)
            let old = try found.state(at: start, in: session.ledger, db).rows.rows.map(\.uri)
            let new = try found.state(at: end, in: session.ledger, db).rows.rows.map(\.uri)
            return (old, new, try TrackNames.of(old + new, db))
        }
        let difference = ListDifference(from: old, to: new)
        typealias Change = (mark: String, from: Int?, to: Int?, uri: String?)
        let removed = difference.removed.map { Change("-", $0 + 1, nil, old[$0]) }
        let added = difference.added.map { Change("+", nil, $0 + 1, new[$0]) }
        let moved = difference.moved.map {
            Change("~", (difference.origins[$0] ?? 0) + 1, $0 + 1, new[$0])
        }
        func json(_ changes: [Change], _ places: (Change) -> [(String, JSON)]) -> JSON {
            .array(changes.map { .object(places($0) + members($0.uri, names)) })
        }
        guard !globals.json else {
            return Output.json([
                "added": json(added) { [("position", JSON($0.to))] },
                "removed": json(removed) { [("position", JSON($0.from))] },
                "moved": json(moved) { [("from", JSON($0.from)), ("to", JSON($0.to))] },
            ])
        }
        let rows = (removed + added + moved).map { change in
            [
                change.mark, change.from.map(String.init) ?? "", change.to.map(String.init) ?? "",
                change.uri.map { names[$0]?.line ?? "" } ?? "(not available)", change.uri ?? "",
            ]
        }
        if rows.isEmpty { return Output.line("no difference") }
        Output.table(["", "FROM", "TO", "TRACK", "URI"], rows, right: [1, 2])
    }
}

struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export", abstract: "Write things in formats that others read.",
        subcommands: [ExportPlaylist.self])
}

enum ExportFormat: String, ExpressibleByArgument, CaseIterable { case json, m3u8 }

struct ExportPlaylist: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "playlist", abstract: "Write a playlist, now or as it was, to stdout.",
        discussion: "Example: narada export playlist Morning --format m3u8 > morning.m3u8")
    @OptionGroup var globals: GlobalOptions
    @Argument var playlist: String
    @Option(help: "json or m3u8.") var format: ExportFormat
    @Option(help: "RFC 3339, a date, a seq, or so long ago.") var asOf: When?

    func run() throws {
        let view = try PlaylistView.read(playlist, asOf: asOf, Session(reading: globals))
        guard format == .m3u8 else { return Output.json(view.json) }
        // One line each; control characters have no place in a list that players and terminals show.
        func plain(_ text: String) -> String {
            Output.replacing(in: text, with: " ") {
                $0.properties.generalCategory == .control
                    || $0.properties.isPatternWhitespace && $0.value > 0x2000
            }
        }
        var lines = ["#EXTM3U", "#PLAYLIST:" + plain(view.name)]
        for (row, names) in view.named {
            let seconds = names?.durationMS.map { $0 / 1000 } ?? -1
            let artists = plain(names?.artists.joined(separator: ", ") ?? "")
            let credit = artists.isEmpty ? "" : artists + " - "
            lines.append("#EXTINF:\(seconds),\(credit)\(plain(names?.title ?? ""))")
            lines.append(plain(row.uri ?? M3U8.unavailable))
        }
        Output.line(lines.joined(separator: "\n"))
    }
}
