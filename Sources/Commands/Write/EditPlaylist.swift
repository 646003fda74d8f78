import ArgumentParser
import Events
import Foundation
import GRDB
import JSONText
import Ledger
import Music
import Projections

/// A row as events write it.
func itemJSON(_ uri: String?, addedAtMS: Milliseconds? = nil) -> JSON {
    .known(["uri": JSON(uri), "added_at": addedAtMS.map { .text(ISOTime.text($0)) }])
}

/// The event that makes a playlist.
func created(
    _ uri: String, name: String, description: String?, items: [JSON]?, source: JSON? = nil
) throws -> NewEvent {
    NewEvent(
        .playlistCreated, on: try streamName(uri),
        .known([
            "name": .text(name), "description": description.map { .text($0) },
            "items": items.map { .array($0) }, "source": source,
        ]))
}

/// A new playlist's own URI.
func newPlaylistURI(_ session: Session) -> String {
    var generator = SystemRandomNumberGenerator()
    return "narada:playlist:\(ULID(at: session.clock.now, using: &generator))"
}

struct PlaylistCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "playlist", abstract: "Edit playlists.",
        subcommands: [
            Create.self, Add.self, Remove.self, Move.self, Rename.self, Describe.self, Delete.self,
            Link.self, Unlink.self, Restore.self, Push.self, Pull.self,
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
            let event = try created(
                uri, name: name, description: description, items: items.isEmpty ? nil : items)
            try session.decide { _ in [event] }
            try session.answer([("playlist", .text(uri))], text: "made '\(name)', \(uri)")
        }
    }

    /// The playlist that an edit is about.
    struct Target: ParsableArguments {
        @OptionGroup var options: WriteOptions
        @Argument var playlist: String

        /// Appends one event on the playlist, decided on it as it is.
        ///
        /// - Parameters:
        ///   - done: What was done, before the playlist's name.
        ///   - data: The event's data; nil if nothing would change.
        func edit(
            _ verb: String, _ done: String, _ kind: EventKind = .playlistEdited,
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
            try session.answer(
                [("playlist", JSON(found?.uri))],
                text: dryRun
                    ? "would \(verb) '\(name)'"
                    : wouldChange ? "\(done) '\(name)'" : "'\(name)' is like that already")
        }

        /// Appends an edit of the rows, tried before so that a wrong position is 66.
        func arrange(
            _ verb: String, _ done: String,
            _ data: ([PlaylistRow], FoundPlaylist) throws -> (PlaylistEdit, JSON)?
        ) throws {
            try edit(verb, done) { db, found in
                let rows = try found.rows(db)
                guard let (edit, data) = try data(rows, found) else { return nil }
                var trial = PlaylistRows(rows)
                do throws(PlaylistEditError) {
                    _ = try trial.apply(edit, seq: 1, atMS: 0)
                } catch {
                    let words = error.description.split(separator: "; ").map(String.init)
                    throw NaradaError.notFound(
                        words[0],
                        hint: rows.isEmpty ? "the playlist is empty." : "\(words.last ?? "").")
                }
                return data
            }
        }
    }

    struct Add: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Add rows, at the end or at a position.",
            discussion:
                "Example: narada-cmd playlist add Morning spotify:track:3aJ2aJz5xL03hpaqdPS7Ah --at 1"
        )
        @OptionGroup var target: Target
        @Argument var uris: [String]
        @Option(help: "The position of the first new row.") var at: Int?

        func run() throws {
            let uris = try uris.map { try trackURI($0) }
            let data = JSON.known([
                "op": "add", "items": .array(uris.map { itemJSON($0) }), "at": at.map { JSON($0) },
            ])
            try target.arrange("add", "added to") { _, _ in
                (.add(uris.map { PlaylistItem(uri: $0) }, at: at), data)
            }
        }
    }

    struct Remove: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Remove rows by their positions, or all rows of some tracks.",
            discussion: "Example: narada-cmd playlist remove Morning --at 2 5")
        @OptionGroup var target: Target
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
            try target.arrange("remove", "removed from") { rows, found in
                let positions =
                    at.isEmpty
                    ? rows.indices.filter { wanted.contains(rows[$0].uri ?? "") }.map { $0 + 1 }
                    : Set(at).sorted()
                try require(
                    !positions.isEmpty,
                    .notFound(
                        "'\(found.name)' has no row of \(uris.joined(separator: ", "))",
                        hint: "`narada playlist \(found.uri)` shows what it has."))
                return (.remove(positions), ["op": "remove", "positions": .numbers(positions)])
            }
        }
    }

    struct Move: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Move rows to another position.",
            discussion: "Example: narada-cmd playlist move Morning --from 7 --count 2 --to 1")
        @OptionGroup var target: Target
        @Option(help: "The first row's position now.") var from: Int
        @Option(help: "How many rows.") var count = 1
        @Option(help: "The first row's position after the move.") var to: Int

        func validate() throws {
            guard count >= 1 else { throw ValidationError("--count takes 1 or more.") }
        }

        func run() throws {
            let data: JSON = [
                "op": "move", "from": JSON(from), "count": JSON(count), "to": JSON(to),
            ]
            try target.arrange("move", "moved rows of") { rows, _ in
                let isThere = from == to && from >= 1 && from <= rows.count - count + 1
                return isThere ? nil : (.move(from: from, count: count, to: to), data)
            }
        }
    }

    struct Rename: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Give a playlist another name.")
        @OptionGroup var target: Target
        @Argument var name: String

        func run() throws {
            try target.edit("rename", "renamed", .playlistRenamed) { _, found in
                found.name == name ? nil : ["name": .text(name)]
            }
        }
    }

    struct Describe: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Say what a playlist is for.")
        @OptionGroup var target: Target
        @Argument(help: "Empty for none.") var text: String

        func run() throws {
            try target.edit("describe", "described", .playlistDescribed) { _, found in
                found.description ?? "" == text ? nil : ["description": .text(text)]
            }
        }
    }

    struct Delete: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Delete a playlist; its past stays.")
        @OptionGroup var target: Target
        @Flag(help: "Say what would be done and do nothing.") var dryRun = false

        func run() throws {
            try target.edit("delete", "deleted", .playlistDeleted, dryRun: dryRun) { _, _ in [:] }
        }
    }

    struct Link: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Let a playlist stand for one of a service.")
        @OptionGroup var target: Target
        @Argument(help: "Such as spotify:playlist:37i9dQZF1DXcBWIGoYBM5M, or its URL.")
        var connectorPlaylist: String

        func run() throws {
            let uri = connectorURI(connectorPlaylist) ?? connectorPlaylist
            try target.edit("link", "linked", .playlistLinked) { db, found in
                if found.linked == uri { return nil }
                try require(
                    uri.hasPrefix("spotify:playlist:") && uri.count > 17 && StreamName(uri) != nil,
                    .usage(
                        "'\(connectorPlaylist)' is not a playlist of a service",
                        hint: "it takes spotify:playlist:<id> or its URL."))
                let owner = try FoundPlaylist.matching(uri, db).first { $0.linked == uri }
                let words =
                    found.linked.map { "'\(found.name)' is linked to \($0)" }
                    ?? owner.map { "\(uri) is linked to '\($0.name)'" }
                try require(
                    words == nil,
                    .badInput(
                        words ?? "", hint: "end that with `narada-cmd playlist unlink` first."))
                return ["uri": .text(uri)]
            }
        }
    }

    struct Unlink: ParsableCommand {
        static let configuration = CommandConfiguration(abstract: "End a link.")
        @OptionGroup var target: Target

        func run() throws {
            try target.edit("unlink", "unlinked", .playlistUnlinked) { _, found in
                let uri =
                    try found.linked
                    ?? fail(
                        .notFound("'\(found.name)' is not linked", hint: "there is nothing to end.")
                    )
                return ["uri": .text(uri)]
            }
        }
    }

    struct Restore: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a playlist what it was at a moment, in order.",
            discussion: "Example: narada-cmd playlist restore Morning --as-of 2026-05-01")
        @OptionGroup var target: Target
        @Option(help: "RFC 3339, a date, a seq, or so long ago (3d, 2w, 6mo).") var asOf: When
        @Flag(help: "Push it to the service that it is linked to as well.") var push = false
        @Flag(help: "Say what would change and append nothing.") var dryRun = false

        func run() async throws {
            let session = try Session(
                writing: target.options, task: "playlist restore", creating: false)
            var (name, uri) = ("", "")
            var then: [PlaylistRow] = []
            var difference = ListDifference(from: [String?](), to: [String?]())
            try session.decide { db in
                let seq = try asOf.seq(in: session)
                let found = try FoundPlaylist.find(target.playlist, db, asOf: seq)
                try require(
                    !found.isDeleted,
                    .notFound(
                        "the playlist '\(found.name)' was deleted",
                        hint:
                            "make a new one: `narada export playlist \(found.uri) --as-of WHEN`, then `narada-cmd import playlist`."
                    ))
                (name, uri) = (found.name, found.uri)
                then = try found.state(at: seq, in: session.ledger, db).rows.rows
                let now = try found.rows(db).map(\.uri)
                difference = ListDifference(from: now, to: then.map(\.uri))
                guard !dryRun, now != then.map(\.uri) else { return [] }
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
            let (added, removed) = (difference.added.count, difference.removed.count)
            let moved = difference.moved.count
            let gone = then.indices.filter { then[$0].uri == nil }.map { $0 + 1 }
            try session.answer(
                [
                    ("playlist", .text(uri)), ("count", JSON(then.count)),
                    ("unavailable", .numbers(gone)), ("cannot", cannot),
                    ("added", JSON(added)), ("removed", JSON(removed)), ("moved", JSON(moved)),
                ],
                text:
                    "'\(name)' \(dryRun ? "would be" : "is") as of \(asOf.text): \(then.count) rows; "
                    + "\(added) added, \(removed) removed, \(moved) moved")
        }
    }
}
