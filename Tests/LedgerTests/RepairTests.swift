import Foundation
import Ledger
import TestSupport
import Testing

@Suite("A repair on a person's word")
struct RepairTests {
    private let folder: TemporaryFolder
    private let ledger: Ledger

    init() throws {
        folder = try TemporaryFolder()
        _ = try Ledger.create(folder.file("ledger"), id: "test")
        ledger = try Ledger(folder.file("ledger"))
    }

    private func writer() throws -> LedgerWriter {
        try LedgerWriter(
            ledger, run: "01JD9V5T8Q6Z3M1K7R2W4X0YBN", clock: Clock(fixedAt: 1_800_000_000_000))
    }

    /// Commits of three events each, sealed after the given ones.
    private func fill(_ commits: Int, sealingAfter sealed: Int = 0) throws {
        let writer = try writer()
        for index in 1...commits {
            try writer.append(
                (0..<3).map { step in
                    NewEvent(
                        type: "test.noted", stream: StreamName(fixed: "test"),
                        data: Array("{\"text\":\"commit \(index), step \(step)\"}".utf8))
                })
            if index == sealed { _ = try writer.seal(all: true) }
        }
        try writer.close()
    }

    private func lines() throws -> [String] {
        let cursor = try LedgerCursor(ledger)
        var lines: [String] = []
        while let batch = try cursor.next() {
            for index in 0..<batch.count {
                lines.append(String(decoding: batch[index], as: UTF8.self))
            }
        }
        return lines
    }

    @Test(
        "What stands before the cut stays, a commit goes whole, and the bytes are in quarantine",
        arguments: [
            (seq: 1, kept: 0), (seq: 4, kept: 3), (seq: 6, kept: 3), (seq: 13, kept: 12),
            (seq: 16, kept: 15),
        ],
        [0, 3])
    func cut(_ row: (seq: Int, kept: Int), sealed: Int) throws {
        try fill(6, sealingAfter: sealed)
        let before = try lines()

        let dry = try writer().discard(from: Seq(row.seq), dryRun: true)
        #expect(try lines() == before)
        let done = try writer().discard(from: Seq(row.seq), dryRun: false)

        // In a sealed segment the borders of commits are gone: its one frame goes whole.
        let kept = sealed == 3 && row.seq <= 9 ? 0 : row.kept
        #expect(dry.from == Seq(kept + 1) && done.from == dry.from && dry.bytes == done.bytes)
        #expect(try lines() == Array(before.prefix(kept)))
        let quarantine = try FileManager.default.contentsOfDirectory(
            atPath: ledger.directory + "/quarantine")
        #expect(quarantine.sorted() == done.quarantined.sorted() && !quarantine.isEmpty)
        try fill(1)
        #expect(try lines().count == kept + 3)
        #expect(try ledger.verify().end.seq == Seq(kept + 3))
    }

    @Test(
        "A log that a flipped bit makes unreadable is whole again behind the cut that the error names"
    )
    func afterDamage() throws {
        try fill(6)
        let path = ledger.directory + "/000000000001.lz4"
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        bytes[bytes.count - 20] ^= 1  // In the last literals: most of the commit can still be read.
        try bytes.write(to: URL(fileURLWithPath: path))
        let error = #expect(throws: LedgerError.self) { try writer().refresh() }
        let seq = try #require(
            error?.remedy.split(separator: " ").last.flatMap { Seq($0.filter(\.isNumber)) })

        _ = try writer().discard(from: seq, dryRun: false)

        #expect(try writer().refresh().seq == seq - 1)
        #expect(try ledger.verify().end.seq == seq - 1)
        #expect(error?.message.contains("on test") == true, "\(error?.message ?? "")")
    }

    @Test("A writer that was under way writes nothing behind a cut that it has not seen")
    func cutUnderAWriter() throws {
        let event = NewEvent(
            type: "test.noted", stream: StreamName(fixed: "test"), data: Array("{}".utf8))
        for sealed in [0, 3] {
            try fill(6, sealingAfter: sealed)
            let old = try writer()
            try old.append([event])

            let seq = try writer().refresh().seq - 4
            _ = try writer().discard(from: seq, dryRun: false)

            #expect(throws: LedgerError.self) { try old.append([event]) }
            let end = try ledger.verify().end.seq
            try writer().append([event])
            #expect(try ledger.verify().end.seq == end + 1)
        }
    }
}
