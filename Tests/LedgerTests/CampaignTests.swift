import Foundation
import Ledger
import TestSupport
import Testing
import Torture

/// The layers of `tools/torture` that need no processes, with few cases.
@Suite("The fault campaign in small")
struct CampaignTests {
    @Test(
        "Nothing acknowledged is lost, nothing damaged is accepted",
        arguments: [("bit-flips", 1), ("lost-sectors", 1), ("simulated-disk", 100)])
    func layer(name: String, cases: Int) throws {
        let layer = try #require(layers[name])
        let tally = try layer(Plan(seed: 7, cases: cases))

        #expect(tally.total == 0, "\(tally.failures)")
        #expect(tally.faults > 1000)
    }

    @Test(
        "A broken writer or reader is caught",
        arguments: [
            ("bit-flips", Breakage.skipChain), ("bit-flips", .sealUnread),
            ("lost-sectors", .zeroIsEnd), ("simulated-disk", .noSync),
            ("simulated-disk", .noDirectorySync), ("simulated-disk", .acknowledgeEarly),
            ("simulated-disk", .headFirst), ("simulated-disk", .retryAfterEIO),
        ])
    func control(name: String, broken: Breakage) throws {
        let plan = Plan(seed: 7, cases: name == "simulated-disk" ? 60 : 1, broken: broken)
        let layer = try #require(layers[name])
        let tally = try layer(plan)

        #expect(tally.total > 0)
    }

    @Test("The same seed finds the same")
    func seeded() throws {
        let layer = try #require(layers["simulated-disk"])
        let plan = Plan(seed: 11, cases: 10)
        let (one, other) = (try layer(plan), try layer(plan))

        #expect(one.figures == other.figures && one.figures["crashes"] ?? 0 > 100)
    }
}

/// What the campaign found, each as small as it could be made.
@Suite("Found by the fault campaign")
struct CampaignFindsTests {
    private static let path = "/ledger/000000000001.lz4"

    @Test("A segment whose name never became durable is not written to before it is")
    func undurableName() throws {
        let memory = MemoryDisk()
        var syncs = 0
        let failing = FaultDisk(memory) { call in
            syncs += call == .syncDirectory ? 1 : 0
            // The first is FORMAT's, the second the segment's.
            return call == .syncDirectory && syncs == 2 ? .fails(EIO) : nil
        }
        #expect(ledgerFailure { _ = try TestLedger(on: failing).writer().refresh() } == .io)
        #expect(memory[Self.path] != nil)

        let disk = FaultDisk(memory)
        try TestLedger(on: disk).writer().append([event(1)])

        let synced = try #require(disk.calls.firstIndex(of: .syncDirectory))
        let written = try #require(
            disk.calls.firstIndex {
                if case .write("000000000001.lz4", _, _) = $0 { true } else { false }
            })
        #expect(synced < written)
    }

    @Test(
        "A writer whose log was cut by another ends without talk of damage, however long it is now",
        arguments: [0, 20, 500])
    func cutWhileWriting(size: Int) throws {
        let memory = MemoryDisk()
        let test = try TestLedger(on: memory)
        let old = try test.writer()
        try old.append([event(1)])
        try old.append([event(2)])
        let other = try test.writer()
        _ = try other.discard(from: 2, dryRun: false)
        try other.append([event(3, size: size)])
        let files = memory.files

        #expect(ledgerFailure { try old.append([event(4)]) } == .conflict)

        #expect(memory.files.filter { $0.key == Self.path } == files.filter { $0.key == Self.path })
        try test.append([1])
        #expect(try test.ledger().verify().end.seq == 3)
    }

    @Test("A writer does not go on in a file that sealing and a repair took the name from")
    func lostName() throws {
        let memory = MemoryDisk()
        let test = try TestLedger(on: memory)
        let old = try test.writer()
        try old.append([event(1)])
        try old.append([event(2)])
        let other = try test.writer()
        _ = try other.seal(all: true)
        _ = try other.discard(from: 2, dryRun: false)

        #expect(ledgerFailure { try old.append([event(3)]) } == .conflict)

        try test.append([1])
        _ = try test.ledger().verify()
    }

    @Test("Where a failed sync cannot be written down, nobody builds on what it left")
    func syncAndNoteFail() throws {
        let memory = MemoryDisk()
        let disk = FaultDisk(memory)
        let test = try TestLedger(on: disk)
        try test.append([1])
        let before = memory[Self.path]
        disk.plan { call in
            switch call {
            case .sync("000000000001.lz4"), .open("SUSPECT.tmp"): .fails(EIO)
            default: nil
            }
        }
        #expect(ledgerFailure { try test.append([2]) } == .io)

        #expect(memory[Self.path] == before)
    }

    @Test("What was cut and not synced does not come back in the middle of the log")
    func cutUnsynced() throws {
        let memory = MemoryDisk()
        try TestLedger(on: memory).append([1])
        let end = try #require(memory[Self.path]).count
        memory[Self.path]? += [UInt8](repeating: 7, count: 700)
        var images: [MemoryDisk] = []
        for seed in 0..<20 as Range<UInt64> {
            let disk = CrashDisk(seed: seed, files: memory.files) { images.append($0) }
            // Somebody cut it and died before the sync.
            let file = try #require(try disk.open(Self.path, writing: true, creating: false))
            try file.truncate(to: end)
            _ = try TestLedger(on: disk).writer().seal(all: true)
        }
        let begun = images.filter { $0["/ledger/000000000002.lz4"] != nil }
        #expect(begun.count > 20)
        for left in begun {
            #expect(throws: Never.self) { try read(TestLedger(on: left).ledger()) }
        }
    }

    @Test("Nothing is written over what was cut and not synced before that is durable")
    func writtenOverCut() throws {
        let memory = MemoryDisk()
        let test = try TestLedger(on: memory)
        try test.append([1])
        let end = try #require(memory[Self.path]).count
        try test.append([1, 1, 1])
        memory["/ledger/HEAD"] = nil
        for seed in 0..<20 as Range<UInt64> {
            var refusals: [String] = []
            let disk = CrashDisk(seed: seed, files: memory.files) { left in
                do { _ = try TestLedger(on: left).writer().refresh() } catch {
                    refusals.append("\(error)")
                }
            }
            let file = try #require(try disk.open(Self.path, writing: true, creating: false))
            try file.truncate(to: end)
            try TestLedger(on: disk).append([1], size: 2000)

            #expect(!refusals.contains { $0.contains("(R1)") }, "seed \(seed)")
        }
    }

    @Test("A repair that finds nothing left to cut makes durable what was cut before")
    func repairedTwice() throws {
        let memory = MemoryDisk()
        let test = try TestLedger(on: memory)
        try test.append([1])
        let end = try #require(memory[Self.path]).count
        try test.append([1, 1])
        for seed in 0..<20 as Range<UInt64> {
            let disk = CrashDisk(seed: seed, files: memory.files) { _ in }
            let file = try #require(try disk.open(Self.path, writing: true, creating: false))
            try file.truncate(to: end)
            _ = try TestLedger(on: disk).writer().discard(from: 2, dryRun: false)

            let left = try TestLedger(on: disk.crash()).ledger()

            #expect(try read(left).lines.count == 1, "seed \(seed)")
        }
    }

    @Test("What stands behind the last commit of a finished segment is given up as the error says")
    func remainsOfFinished() throws {
        let memory = MemoryDisk()
        let test = try TestLedger(on: memory)
        try test.append([1])
        try test.beginSegment()
        try test.append([1])
        memory[Self.path]? += [UInt8](repeating: 7, count: 700)
        #expect(ledgerFailure { _ = try read(test.ledger()) } == .damaged)

        _ = try test.writer().discard(from: 2, dryRun: false)

        #expect(try read(test.ledger()).lines.count == 1)
        try test.append([1])
        #expect(try test.ledger().verify().end.seq == 2)
    }
}
