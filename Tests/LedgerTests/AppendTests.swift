import Foundation
import Ledger
import TestSupport
import Testing

@Suite("Appending beside others")
struct AppendTests {
    private let stream = StreamName(fixed: "test:stream")
    private let other = StreamName(fixed: "test:other")

    @Test("A stream that changed since it was read stops the append", arguments: [false, true])
    func conflict(inEarlierSegment: Bool) throws {
        let test = try TestLedger()
        let writer = try test.writer()
        try writer.append([event(1)])
        let seen = try writer.refresh().seq
        // Somebody else goes on, also in a stream of no concern, also into another segment.
        try test.append([1])
        if inEarlierSegment { try test.beginSegment() }
        try test.writer().append([event(3, stream: "test:other")])

        #expect(
            ledgerFailure { try writer.append([event(4)], expecting: [stream: seen]) } == .conflict)
        #expect(try writer.refresh().seq == 3, "nothing was appended")
        #expect(try writer.append([event(4)], expecting: [stream: 2]) == 4...4)
        #expect(
            ledgerFailure { try writer.append([event(5)], expecting: [stream: 4, other: 2]) }
                == .conflict
        )
        #expect(try writer.append([event(5)], expecting: [stream: 4, other: 3]) == 5...5)
    }

    @Test("The conflict names the event and the stream")
    func conflictMessage() throws {
        let test = try TestLedger().append([1, 1])
        do {
            try test.writer().append([event(3)], expecting: [stream: 1])
            Issue.record("a changed stream was not noticed")
        } catch let error as LedgerError {
            #expect(error.message == "event 2 changed test:stream since it was read at 1")
        }
    }

    @Test("Without an expectation the same append goes through: the negative control")
    func noExpectation() throws {
        let test = try TestLedger().append([1, 1])

        #expect(try test.writer().append([event(3)]) == 3...3)
        #expect(try test.writer().append([event(4)], expecting: [other: 0]) == 4...4)
    }

    @Test("Two writers take turns without loss, across segments that either of them begins")
    func twoWriters() throws {
        let test = try TestLedger()
        let writers = [try test.writer(), try test.writer()]
        var ranges: [ClosedRange<Seq>] = []
        for seed in 0..<60 as Range<UInt64> {
            var generator = SplitMix64(seed: seed)
            let count = Int.random(in: 1...3, using: &generator)
            let writer = writers[Int.random(in: 0...1, using: &generator)]
            ranges.append(try writer.append((1...count).map { event(Int(seed) * 10 + $0) }))
            if seed % 13 == 5 { try test.beginSegment() }
            if seed % 17 == 3 { _ = try writers[0].seal(all: true) }
            if seed % 7 == 2 { try writers[1].close() }
        }

        #expect(zip(ranges, ranges.dropFirst()).allSatisfy { $0.upperBound + 1 == $1.lowerBound })
        #expect(try test.ledger().verify().end.seq == ranges.last?.upperBound)
    }

    @Test("Two threads with a writer each lose nothing")
    func twoThreads() throws {
        let folder = try TemporaryFolder()
        let test = try TestLedger(on: SystemDisk(), in: folder.file("ledger"))
        let found = Mutexed<[ClosedRange<Seq>]>([])

        DispatchQueue.concurrentPerform(iterations: 2) { index in
            do {
                let writer = try test.writer(holder: "thread \(index)")
                for number in 0..<25 {
                    let range = try writer.append([event(number), event(number)])
                    found.change { $0.append(range) }
                }
                try writer.close()
            } catch { Issue.record(error) }
        }

        let seqs = found.value.flatMap { Array($0) }
        #expect(seqs.sorted() == Array(1...100))
        #expect(try test.ledger().verify().end.seq == 100)
        #expect(try test.ledger().head()?.checkpoint.seq == 100)
    }

    @Test("A segment that another writer begins anew is not written into under its old name")
    func replacedEmptySegment() throws {
        let test = try TestLedger()
        let writer = try test.writer()
        _ = try writer.refresh()
        // After a failed sync on the first commit, the empty segment is made anew under the same name.
        try test.beginSegment()

        try writer.append([event(1)])

        #expect(try read(test.ledger()).lines.count == 1)
    }

    @Test(
        "While another holds the lock an append waits no longer than it was told, and names the holder"
    )
    func busy() throws {
        let folder = try TemporaryFolder()
        let test = try TestLedger(on: SystemDisk(), in: folder.file("ledger"))
        try test.writer(holder: "import of a long history").append([event(1)])
        let lock = try #require(
            try SystemDisk().open(test.path("LOCK"), writing: false, creating: false))
        #expect(try lock.lock(exclusive: true))

        do {
            try test.writer(lockTimeoutMS: 30).append([event(2)])
            Issue.record("two had the lock")
        } catch let error as LedgerError {
            #expect(error.code == .busy)
            #expect(error.message.contains("pid \(getpid()): import of a long history"))
        }
        // Readers wait for nobody.
        #expect(try read(test.ledger()).lines.count == 1)

        lock.unlock()
        #expect(try test.writer(lockTimeoutMS: 30).append([event(2)]) == 2...2)
    }

    @Test("The holder that is named is the one that holds the lock now")
    func holderIsCurrent() throws {
        let memory = MemoryDisk()
        let disk = FaultDisk(memory)
        let first = try TestLedger(on: disk).writer(holder: "first")
        let test = try TestLedger(on: memory)
        try first.append([event(1)])
        try test.writer(holder: "second").append([event(2)])
        let message = Mutexed("")
        disk.plan { call in
            if call == .sync("000000000001.lz4") {
                do { try test.writer(lockTimeoutMS: 0).append([event(9)]) } catch {
                    message.change { $0 = "\(error)" }
                }
            }
            return nil
        }

        try first.append([event(3)])

        #expect(message.value.contains("first"))
    }

    @Test("What is too large is refused before anything is written")
    func limits() throws {
        let test = try TestLedger()
        let writer = try test.writer()
        try writer.append([event(1)])

        #expect(ledgerFailure { try writer.append([event(2, size: 16 << 20)]) } == .tooLarge)
        #expect(
            ledgerFailure {
                try writer.append(Array(repeating: event(2, size: 13 << 20), count: 5))
            }
                == .tooLarge)
        #expect(try writer.append([event(2, size: (16 << 20) - 300)]) == 2...2)
        #expect(try read(test.ledger()).lines.count == 2)
    }

    @Test("An event on two lines is a programmer's mistake")
    func twoLines() async {
        await #expect(processExitsWith: .failure) {
            let disk = MemoryDisk()
            _ = try Ledger.create("/ledger", id: "x", disk: disk)
            let writer = try LedgerWriter(Ledger("/ledger", disk: disk), run: "x")
            try writer.append([
                NewEvent(type: "t", stream: StreamName(fixed: "s"), data: Array("{\n}".utf8))
            ])
        }
    }

    @Test("HEAD is written on close and every 256 commits, and never behind another's")
    func headIsWritten() throws {
        let disk = MemoryDisk()
        let test = try TestLedger(on: disk)
        let writer = try test.writer()
        for number in 1...100 { try writer.append([event(number, size: 0)]) }
        #expect(try test.ledger().head() == nil)
        for number in 101...300 { try writer.append([event(number, size: 0)]) }
        let seen = try #require(try test.ledger().head()?.checkpoint.seq)
        #expect(seen == 256)

        try test.append([1], close: true)
        try writer.close()

        #expect(try test.ledger().head()?.checkpoint == read(test.ledger()).end)
    }

    @Test("A ledger that another makes at the same moment is not given a second identity")
    func createdByTwo() throws {
        let memory = MemoryDisk()
        let disk = FaultDisk(memory)
        let done = Mutexed(false)
        // The other comes in between the look for FORMAT and its writing, by whatever call is first.
        disk.plan { call in
            guard !done.value else { return nil }
            done.change { $0 = true }
            _ = try? TestLedger(on: memory).append([1])
            return nil
        }

        _ = try Ledger.create("/ledger", id: "another", disk: disk)

        #expect(ledgerFailure { _ = try Ledger("/ledger", disk: memory).verify() } == nil)
    }

    @Test(
        "Stream names stand in a line as they are",
        arguments: [
            ("spotify:playlist:37i9dQZF1DX", true), ("a", true), ("", false), ("a b", false),
            ("a\"b", false),
            ("a\\b", false), ("ä", false), ("a\n", false),
            (String(repeating: "x", count: 2048), true),
            (String(repeating: "x", count: 2049), false),
        ])
    func streamNames(text: String, fits: Bool) {
        #expect((StreamName(text) != nil) == fits)
    }
}
