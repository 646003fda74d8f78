import Events
import Foundation
import JSONText
import Ledger
import Music
import Projections
import TestSupport
import Testing

/// A ledger that was written once and is read for good; `NARADA_UPDATE_GOLDENS=1` writes it anew.
@Suite("The golden ledger of version 1")
struct GoldenLedgerTests {
    private static let folder =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Goldens/ledger-v1"
    private static let list = "narada:playlist:01JD9V5T8Q6Z3M1K7R2W4X0YBN"
    private static let files = ["FORMAT", "HEAD", "000000000001.lz4"]

    private static func event(_ type: String, _ version: Int, _ stream: String, _ data: String)
        throws -> NewEvent
    {
        NewEvent(
            type: type, version: version, stream: try #require(StreamName(stream)),
            data: Array(data.utf8))
    }

    /// What stands in it: `playlist.edited` of version 1, or its twin of version 2, between other events.
    private static func commits(edited version: Int) throws -> [[NewEvent]] {
        let rows = ["spotify:track:2B8geqnq9YIym0ixYn83Pd", "spotify:track:3aJ2aJz5xL03hpaqdPS7Ah"]
        func edit(_ op: String) throws -> NewEvent {
            let names =
                version == 1
                ? #""uris":["\#(rows[1])","\#(rows[0])"]"#
                : #""items":[{"uri":"\#(rows[1])"},{"uri":"\#(rows[0])"}]"#
            return try event("playlist.edited", version, list, "{\(op),\(names)}")
        }
        return [
            [
                try event(
                    "playlist.created", 1, list,
                    #"{"name":"Morning","items":[{"uri":"\#(rows[0])"},{"uri":null}]}"#),
                try event("playlist.described", 1, list, #"{"description":"Zażółć gęślą jaźń"}"#),
            ],
            [try edit(#""op":"add","at":2"#)],
            [
                try event("playlist.edited", 2, list, #"{"op":"move","from":1,"count":1,"to":4}"#),
                try event("playlist.renamed", 1, list, #"{"name":"Early \"morning\""}"#),
            ],
            [try edit(#""op":"set""#)],
            [
                try event(
                    "playlist.edited", 2, list,
                    #"{"op":"add","items":[{"uri":"\#(rows[0])","title":"Red Liberation"}]}"#)
            ],
        ]
    }

    /// Writes the ledger with a fixed clock, run and id.
    private static func write(_ folder: String, edited version: Int = 1) throws {
        _ = try Ledger.create(folder, id: "0b0e9c9e-0000-4000-8000-6e6172616461")
        for (index, commit) in try commits(edited: version).enumerated() {
            let moment = try #require(ISOTime.parse("2026-11-22T10:00:0\(index).123Z"))
            let writer = try LedgerWriter(
                try Ledger(folder), run: "01JD9V5T8Q0000000000000000", clock: Clock(fixedAt: moment)
            )
            try writer.append(commit)
            try writer.close()
        }
        try? FileManager.default.removeItem(atPath: folder + "/LOCK")
    }

    /// The rows that the playlist has after each event.
    private static func rows(in folder: String) throws -> [[String]] {
        let cursor = try LedgerCursor(try Ledger(folder))
        var state: PlaylistState?
        var lists: [[String]] = []
        while let batch = try cursor.next() {
            for index in 0..<batch.count {
                let line = try #require(EventLine(batch[index]))
                try Catalogue.read(line) { kind, data in
                    if state == nil {
                        state = PlaylistState(uri: list, createdSeq: line.seq)
                    }
                    _ = try state?.apply(kind, data, seq: line.seq, at: line.at)
                }
                let rows = try #require(state).rows.rows
                lists.append(
                    rows.map { "\($0.id) \($0.uri ?? "null") \($0.sortKey) \($0.addedAtMS)" })
            }
        }
        return lists
    }

    @Test("It gives the rows that its twin of version 2 gives, event by event")
    func sameRows() throws {
        if ProcessInfo.processInfo.environment["NARADA_UPDATE_GOLDENS"] == "1" {
            try? FileManager.default.removeItem(atPath: Self.folder)
            try FileManager.default.createDirectory(
                atPath: Self.folder, withIntermediateDirectories: true)
            try Self.write(Self.folder)
        }
        let temporary = try TemporaryFolder()
        let twin = temporary.file("twin")
        try Self.write(twin, edited: 2)

        let golden = try Self.rows(in: Self.folder)

        #expect(golden == (try Self.rows(in: twin)))
        #expect(golden.map(\.count) == [2, 2, 4, 4, 4, 2, 3])
        #expect(
            golden.last?.map { $0.split(separator: " ")[1] } == [
                "spotify:track:3aJ2aJz5xL03hpaqdPS7Ah", "spotify:track:2B8geqnq9YIym0ixYn83Pd",
                "spotify:track:2B8geqnq9YIym0ixYn83Pd",
            ])
    }

    @Test("The writer still writes these bytes")
    func sameBytes() throws {
        let temporary = try TemporaryFolder()
        let folder = temporary.file("ledger")

        try Self.write(folder)

        for file in Self.files {
            let golden = try #require(
                FileManager.default.contents(atPath: Self.folder + "/" + file), "\(file)")
            #expect(FileManager.default.contents(atPath: folder + "/" + file) == golden, "\(file)")
        }
        let names = try FileManager.default.contentsOfDirectory(atPath: folder)
        #expect(Set(names) == Set(Self.files))
    }

    @Test("It verifies against the head that was written down")
    func verifies() throws {
        let ledger = try Ledger(Self.folder)
        let head = try #require(try ledger.head())

        let found = try ledger.verify(witnesses: [head])

        #expect(found.end == head.checkpoint && found.end.seq == 7)
        #expect(
            found.end.chain.description
                == "70325fa03e6265365592ec72eac9a6e45244963d1d7a1c77fd30823c98afa482")
    }
}
