import ArgumentParser
import Events
import Foundation
import GRDB
import JSONText
import Ledger
import Music
import Projections

/// A row as events write it.
func itemJSON(_ uri: String?, addedAtMS: Milliseconds? = nil, names: [(String, JSON)] = []) -> JSON
{
    .object(
        [("uri", JSON(uri))] + names
            + (addedAtMS.map { [("added_at", .text(ISOTime.text($0)))] } ?? []))
}

struct PlaylistCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "playlist", abstract: "Edit playlists.",
        subcommands: [
            Create.self, Add.self, Remove.self, Move.self, Rename.self, Describe.self, Delete.self,
            Link.self,
            Unlink.self, Restore.self, Push.self, Pull.self,
        ])

    struct Create: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a playlist.",
            discussion:
                "Example: narada-cmd playlist create Morning spotify:track:2B8geqnq9YIym0ixYn83Pd")
        @OptionGroup var options: WriteOptions
        @Argument var name: String
        @Argument(help: "What it holds to begin with.") var uris: [String] = []
        @Option(help: "What it is for.") var description: String?

        func run() throws {
            let items = try uris.map { itemJSON(try trackURI($0)) }
            let session = try Session(writing: options, task: "playlist create")
            let uri = newPlaylistURI(session)
            var data: [(String, JSON)] = [("name", .text(name))]
            if let description { data.append(("description", .text(description))) }
            if !items.isEmpty { data.append(("items", .array(items))) }
            let event = NewEvent(.playlistCreated, on: try streamName(uri), .object(data))
            try session.decide { _ in [event] }
            try session.answer([("playlist", .text(uri))], text: "made '\(name)', \(uri)")
        }
    }

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add rows, at the end or at a position.",
            discussion:
                "Example: narada-cmd playlist add Morning spotify:track:3aJ2aJz5xL03hpaqdPS7Ah --at 1"
        )
        @OptionGroup var options: WriteOptions
        @Argument var playlist: String
        @Argument var uris: [String]
        @Option(help: "The position of the first new row.") var at: Int?

        func run() throws {
            let items = try uris.map { itemJSON(try trackURI($0)) }
            try edit(options, playlist, "add") { db, found in
                let count = try found.rows(db).count
                if let at { try inside(at, count + 1) }
                return .object(
                    [("op", "add"), ("items", .array(items))]
                        + (at.map { [("at", JSON($0))] } ?? []))
            }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove rows by their positions, or all rows of some tracks.",
            discussion: "Example: narada-cmd playlist remove Morning --at 2 5")
        @OptionGroup var options: WriteOptions
        @Argument var playlist: String
        @Argument var uris: [String] = []
        @Option(parsing: .upToNextOption, help: "Positions in the list as it is.") var at: [Int] =
            []

        func validate() throws {
            guard at.isEmpty != uris.isEmpty else {
                throw ValidationError("Name positions with --at, or tracks, one of the two.")
            }
        }

        func run() throws {
            let wanted = Set(try uris.map { try trackURI($0) })
            try edit(options, playlist, "remove") { db, found in
                let rows = try found.rows(db)
                for position in at { try inside(position, rows.count) }
                let positions =
                    at.isEmpty
                    ? rows.indices.filter { wanted.contains(rows[$0].uri ?? "") }.map { $0 + 1 }
                    : Set(at).sorted()
                guard !positions.isEmpty else {
                    throw NaradaError.notFound(
                        "'\(found.name)' has no row of \(uris.joined(separator: ", "))",
                        hint: "`narada playlist \(found.uri)` shows what it has.")
                }
                return [
                    "op": "remove", "positions": .array(positions.map { JSON($0) }),
                ]
            }
        }
    }

    struct Move: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Move rows to another position.",
            discussion: "Example: narada-cmd playlist move Morning --from 7 --count 2 --to 1")
        @OptionGroup var options: WriteOptions
        @Argument var playlist: String
        @Option(help: "The first row's position now.") var from: Int
        @Option(help: "How many rows.") var count = 1
        @Option(help: "The first row's position after the move.") var to: Int

        func run() throws {
            try edit(options, playlist, "move") { db, found in
                let rows = try found.rows(db)
                guard count >= 1 else {
                    throw NaradaError.usage(
                        "--count takes 1 or more", hint: "give a number from 1 on.")
                }
                try inside(from, rows.count)
                guard count <= rows.count - from + 1 else {
                    throw NaradaError.notFound(
                        "there are \(rows.count - from + 1) rows from position \(from) on, not \(count)",
                        hint: "give a smaller --count.")
                }
                try inside(to, rows.count - count + 1)
                guard from != to else { return nil }
                return ["op": "move", "from": JSON(from), "count": JSON(count), "to": JSON(to)]
            }
        }
    }

    struct Rename: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Give a playlist another name.")
        @OptionGroup var options: WriteOptions
        @Argument var playlist: String
        @Argument var name: String

        func run() throws {
            try edit(options, playlist, "rename", .playlistRenamed) { _, found in
                found.name == name ? nil : ["name": .text(name)]
            }
        }
    }

    struct Describe: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Say what a playlist is for.")
        @OptionGroup var options: WriteOptions
        @Argument var playlist: String
        @Argument(help: "Empty for none.") var text: String

        func run() throws {
            try edit(options, playlist, "describe", .playlistDescribed) { db, found in
                let old = try String.fetchOne(
                    db, sql: "SELECT ifnull(description, '') FROM playlists WHERE id = ?",
                    arguments: [found.id])
                return old == text ? nil : ["description": .text(text)]
            }
        }
    }

    struct Delete: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete a playlist; its past stays.")
        @OptionGroup var options: WriteOptions
        @Argument var playlist: String
        @Flag(help: "Say what would be done and do nothing.") var dryRun = false

        func run() throws {
            try edit(options, playlist, "delete", .playlistDeleted, dryRun: dryRun) { _, _ in [:] }
        }
    }

    struct Link: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let a playlist stand for one of a service.")
        @OptionGroup var options: WriteOptions
        @Argument var playlist: String
        @Argument(help: "Such as spotify:playlist:37i9dQZF1DXcBWIGoYBM5M, or its URL.")
        var connectorPlaylist: String

        func run() throws { try link(options, playlist, connectorPlaylist, .playlistLinked) }
    }

    struct Unlink: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "End a link.")
        @OptionGroup var options: WriteOptions
        @Argument var playlist: String

        func run() throws { try link(options, playlist, nil, .playlistUnlinked) }
    }

    struct Restore: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a playlist what it was at a moment, in order.",
            discussion: "Example: narada-cmd playlist restore Morning --as-of 2026-05-01")
        @OptionGroup var options: WriteOptions
        @Argument var playlist: String
        @Option(help: "RFC 3339, a date, a seq, or so long ago (3d, 2w, 6mo).") var asOf: When
        @Flag(help: "Push it to the service that it is linked to as well.") var push = false
        @Flag(help: "Say what would change and append nothing.") var dryRun = false

        func run() async throws {
            let session = try Session(writing: options, task: "playlist restore", creating: false)
            var name = ""
            var uri = ""
            var then: [PlaylistRow] = []
            var difference = ListDifference(from: [String?](), to: [String?]())
            try session.decide { db in
                let seq = try asOf.seq(in: session)
                let found = try FoundPlaylist.find(playlist, db, asOf: seq)
                if found.isDeleted {
                    throw NaradaError.notFound(
                        "the playlist '\(found.name)' was deleted",
                        hint:
                            "make a new one: `narada export playlist \(found.uri) --as-of WHEN`, then `narada-cmd import playlist`."
                    )
                }
                name = found.name
                uri = found.uri
                then = try PlaylistPast(playlist: found, ledger: session.ledger).state(at: seq).rows
                    .rows
                let now = try found.rows(db)
                difference = ListDifference(from: now.map(\.uri), to: then.map(\.uri))
                guard !dryRun, now.map(\.uri) != then.map(\.uri) else { return [] }
                let items = then.map { itemJSON($0.uri, addedAtMS: $0.addedAtMS) }
                return [
                    NewEvent(
                        .playlistRestored, on: try found.stream,
                        ["as_of": .integer(max(seq, 1)), "items": .array(items)])
                ]
            }
            var cannot: JSON = []
            if push {
                cannot = try await session.talking {
                    try await PlaylistPush(session, force: true, dryRun: dryRun).push(uri)
                        .cannotJSON
                }
            }
            let gone = then.enumerated().filter { $1.uri == nil }.map { JSON($0.offset + 1) }
            try session.answer(
                [
                    ("playlist", .text(uri)), ("count", JSON(then.count)),
                    ("unavailable", .array(gone)),
                    ("cannot", cannot),
                    ("added", JSON(difference.added.count)),
                    ("removed", JSON(difference.removed.count)),
                    ("moved", JSON(difference.moved.count)),
                ],
                text:
                    "'\(name)' \(dryRun ? "would be" : "is") as of \(asOf.text): \(then.count) rows; "
                    + "\(difference.added.count) added, \(difference.removed.count) removed, \(difference.moved.count) moved"
            )
        }
    }
}

/// A new playlist's own URI.
func newPlaylistURI(_ session: Session) -> String {
    var generator = SystemRandomNumberGenerator()
    return "narada:playlist:\(ULID(at: session.clock.now, using: &generator))"
}

/// Appends one event on a playlist, decided on the list as it is.
///
/// - Parameter data: The event's data; nil if nothing would change.
private func edit(
    _ options: WriteOptions, _ playlist: String, _ verb: String,
    _ kind: EventKind = .playlistEdited,
    dryRun: Bool = false, _ data: (Database, FoundPlaylist) throws -> JSON?
) throws {
    let session = try Session(writing: options, task: "playlist \(verb)", creating: false)
    var found: FoundPlaylist?
    var wouldChange = false
    try session.decide { db in
        let this = try FoundPlaylist.find(playlist, db)
        found = this
        guard let data = try data(db, this) else { return [] }
        wouldChange = true
        return dryRun ? [] : [NewEvent(kind, on: try this.stream, data)]
    }
    let name = found?.name ?? playlist
    let done = [
        "add": "added to", "remove": "removed from", "move": "moved rows of", "rename": "renamed",
        "describe": "described", "delete": "deleted", "link": "linked", "unlink": "unlinked",
    ]
    try session.answer(
        [("playlist", JSON(found?.uri))],
        text: dryRun
            ? "would \(verb) '\(name)'"
            : wouldChange ? "\(done[verb] ?? verb) '\(name)'" : "'\(name)' is like that already")
}

private func link(
    _ options: WriteOptions, _ playlist: String, _ reference: String?, _ kind: EventKind
) throws {
    try edit(options, playlist, reference == nil ? "unlink" : "link", kind) { db, found in
        let linked = try Row.fetchOne(
            db,
            sql:
                "SELECT connector_name || ':playlist:' || connector_id FROM playlist_mappings WHERE playlist_id = ?",
            arguments: [found.id]
        ).map { $0[0] as String }
        guard let reference else {
            guard let linked else {
                throw NaradaError.notFound(
                    "'\(found.name)' is not linked", hint: "there is nothing to end.")
            }
            return ["uri": .text(linked)]
        }
        let uri = connectorURI(reference) ?? reference
        if linked == uri { return nil }
        guard uri.hasPrefix("spotify:playlist:"), uri.count > 17, StreamName(uri) != nil else {
            throw NaradaError.usage(
                "'\(reference)' is not a playlist of a service",
                hint: "it takes spotify:playlist:<id> or its URL.")
        }
        if let linked {
            throw NaradaError.badInput(
                "'\(found.name)' is linked to \(linked)",
                hint: "end that with `narada-cmd playlist unlink` first.")
        }
        let owner = try? FoundPlaylist.find(uri, db)
        if let owner {
            throw NaradaError.badInput(
                "\(uri) is linked to '\(owner.name)'",
                hint: "end that with `narada-cmd playlist unlink` first.")
        }
        return ["uri": .text(uri)]
    }
}

private func inside(_ position: Int, _ count: Int) throws {
    guard position >= 1, position <= count else {
        throw NaradaError.notFound(
            "there is no position \(position)",
            hint: count < 1 ? "the playlist is empty." : "it takes 1 to \(count).")
    }
}
