import ArgumentParser
import Foundation
import GRDB
import JSONText
import Ledger
import Music
import Projections
import Projector

struct PlaylistsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "playlists", abstract: "List the playlists.")
    @OptionGroup var globals: GlobalOptions

    func run() throws {
        try Session(reading: globals).read { db in
            try Listing(
                [
                    .init("name", "NAME"), .init("count", "ROWS", .number),
                    .init("updated_at", "CHANGED", .time), .init("playlist", "URI"),
                    .init("description"), .init("linked"),
                ], db,
                """
                SELECT p.name, p.track_count, p.updated_at, p.uri, p.description,
                    (SELECT group_concat(connector_name || ':playlist:' || connector_id, ' ')
                     FROM playlist_mappings WHERE playlist_id = p.id)
                FROM playlists p WHERE p.is_deleted = 0 ORDER BY p.name, p.id
                """)
        }.print(globals)
    }
}

/// A track as the JSON of its row tells it.
private func members(_ uri: String?, _ names: [String: TrackNames]) -> [(String, JSON)] {
    let known = uri.flatMap { names[$0] }
    return [
        ("uri", JSON(uri)), ("title", JSON(known?.title)),
        ("artists", known.map { .array($0.artists.map { .text($0) }) } ?? nil),
    ]
}

extension PlaylistPast.Step {
    /// The event as the JSON of a step tells it.
    var members: [(String, JSON)] {
        [
            ("seq", .integer(seq)), ("at", .text(ISOTime.text(at))), ("type", .text(type)),
            ("run", .text(run)),
        ]
    }
}

/// Reads a playlist now or at a moment, with today's names of its tracks.
struct PlaylistView {
    let found: FoundPlaylist
    let name: String
    let description: String?
    let rows: [PlaylistRow]
    let seq: Seq
    let at: Milliseconds
    let names: [String: TrackNames]

    init(_ reference: String, asOf when: When?, _ session: Session) throws {
        let then = try when?.seq(in: session)
        (found, name, description, rows, seq, names) = try session.read { db in
            let found = try FoundPlaylist.find(reference, db, asOf: then)
            let state = try then.map {
                try PlaylistPast(playlist: found, ledger: session.ledger).state(at: $0)
            }
            let today = try String.fetchOne(
                db, sql: "SELECT description FROM playlists WHERE id = ?", arguments: [found.id])
            let reached = try Seq.fetchOne(db, sql: "SELECT seq FROM checkpoint") ?? 0
            let rows = try state?.rows.rows ?? found.rows(db)
            return try (
                found, state?.name ?? found.name, state.map(\.description) ?? today, rows,
                then ?? reached, TrackNames.of(rows.map(\.uri), db)
            )
        }
        at = try session.ledger.time(of: seq)
    }

    private func item(_ index: Int) -> JSON {
        let row = rows[index]
        return .object(
            [("position", JSON(index + 1)), ("sort_key", .text(row.sortKey.description))]
                + members(row.uri, names) + [("added_at", .text(ISOTime.text(row.addedAtMS)))])
    }

    var json: JSON {
        [
            "playlist": .text(found.uri),
            "as_of": ["seq": .integer(seq), "at": .text(ISOTime.text(at))],
            "count": JSON(rows.count), "name": .text(name), "description": JSON(description),
            "items": .array(rows.indices.map(item)),
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
        let view = try PlaylistView(playlist, asOf: asOf, Session(reading: globals))
        guard !globals.json else { return Output.json(view.json) }
        let moment = "as of event \(view.seq) (\(ISOTime.text(view.at)))"
        Output.line(Output.safe("\(view.name), \(view.rows.count) rows, \(moment)"))
        Output.table(
            ["#", "TITLE", "ARTISTS", "ADDED", "URI"],
            view.rows.enumerated().map { index, row in
                let known = row.uri.flatMap { view.names[$0] }
                return [
                    String(index + 1), known?.title ?? (row.uri == nil ? "(not available)" : ""),
                    known?.artists.joined(separator: ", ") ?? "",
                    String(ISOTime.text(row.addedAtMS).prefix(10)), row.uri ?? "",
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
        let found = try session.read { try FoundPlaylist.find(playlist, $0, asOf: .max) }
        var steps: [PlaylistPast.Step] = []
        _ = try PlaylistPast(playlist: found, ledger: session.ledger).state(at: nil) {
            steps.append($0)
        }
        guard !globals.json else {
            let rows = steps.map { step -> JSON in
                let changes: [(String, JSON)] = [
                    ("added", JSON(step.changes.inserted.count)),
                    ("removed", JSON(step.changes.removed.count)),
                    ("moved", JSON(step.changes.moved)), ("count", JSON(step.rowCount)),
                    ("name", .text(step.name)),
                ]
                return .object(step.members + changes)
            }
            return Output.json(.array(rows))
        }
        Output.table(
            ["SEQ", "AT", "EVENT", "+", "-", "MOVED", "ROWS", "NAME"],
            steps.map {
                [
                    String($0.seq), ISOTime.text($0.at, fraction: false), $0.type,
                    String($0.changes.inserted.count), String($0.changes.removed.count),
                    String($0.changes.moved), String($0.rowCount), $0.name,
                ]
            }, right: [0, 3, 4, 5, 6])
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
            let past = PlaylistPast(playlist: found, ledger: session.ledger)
            let old = try past.state(at: start).rows.rows.map(\.uri)
            let new = try past.state(at: end).rows.rows.map(\.uri)
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
        let view = try PlaylistView(playlist, asOf: asOf, Session(reading: globals))
        guard format == .m3u8 else { return Output.json(view.json) }
        // One line each; control characters have no place in a list that players and terminals show.
        func plain(_ text: String) -> String {
            String(
                String.UnicodeScalarView(
                    text.unicodeScalars.map {
                        $0.properties.generalCategory == .control
                            || $0.properties.isPatternWhitespace && $0.value > 0x2000 ? " " : $0
                    }))
        }
        var lines = ["#EXTM3U", "#PLAYLIST:" + plain(view.name)]
        for row in view.rows {
            let known = row.uri.flatMap { view.names[$0] }
            let seconds = known?.durationMS.map { $0 / 1000 } ?? -1
            let title = plain(known?.title ?? "")
            let artists = known.map { plain($0.artists.joined(separator: ", ")) } ?? ""
            lines.append("#EXTINF:\(seconds),\(artists.isEmpty ? "" : artists + " - ")\(title)")
            lines.append(plain(row.uri ?? M3U8.unavailable))
        }
        Output.line(lines.joined(separator: "\n"))
    }
}
