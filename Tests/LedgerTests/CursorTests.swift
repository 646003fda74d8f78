import JSONText
import Ledger
import TestSupport
import Testing

@Suite("Reading from any position")
struct CursorTests {
    /// A ledger of two or three segments, of commits small and large.
    private func prepared(sealed: Bool) throws -> (
        test: TestLedger, all: Reading, chains: [Checkpoint]
    ) {
        let test = try TestLedger().append([2, 1, 3])
        try test.beginSegment()
        try test.append([1, 4])
        try test.append([2], size: 300_000)
        try test.append([1, 2], size: 200_000)
        if sealed { _ = try test.writer().seal(all: true) }
        let all = try read(test.ledger())
        return (test, all, chains(of: all.lines))
    }

    @Test("Every position gives the lines behind it", arguments: [false, true])
    func everyPosition(sealed: Bool) throws {
        let (test, all, chains) = try prepared(sealed: sealed)
        let ledger = try test.ledger()
        #expect(all.end == chains.last)

        for seq in 0...all.lines.count {
            let rest = Array(all.lines[seq...])
            for chained in [true, false] {
                #expect(
                    try read(ledger, after: Seq(seq), chained: chained).lines == rest,
                    "after \(seq)")
            }
            let reading = try read(ledger, start: chains[seq])
            #expect(reading.lines == rest, "start \(seq)")
            #expect(reading.end == all.end)
        }
    }

    @Test("Every range ends where it should, with the chain there", arguments: [false, true])
    func through(sealed: Bool) throws {
        let (test, all, chains) = try prepared(sealed: sealed)
        let ledger = try test.ledger()

        for from in 0...all.lines.count {
            for last in 0...all.lines.count + 1 {
                let wanted = from < last ? Array(all.lines[from..<min(last, all.lines.count)]) : []
                let reading = try read(ledger, start: chains[from], through: Seq(last))
                #expect(reading.lines == wanted, "\(from) to \(last)")
                #expect(reading.end == chains[wanted.isEmpty ? from : min(last, all.lines.count)])
                let unchained = try read(
                    ledger, start: chains[from], through: Seq(last), chained: false)
                #expect(unchained == reading, "\(from) to \(last)")
            }
        }
    }

    @Test("Hints, right, wrong and from before sealing, change nothing", arguments: [false, true])
    func hints(sealed: Bool) throws {
        let (plain, all, chains) = try prepared(sealed: false)
        var hints: [Int] = [0, 1, firstCommit, firstCommit + 1, 1 << 20, -5]
        for seq in 0...all.lines.count {
            hints += try read(plain.ledger(), start: chains[seq], through: Seq(seq + 1)).batches
                .map(\.offset)
            hints += try read(plain.ledger(), start: chains[seq]).batches.map(\.offset)
        }
        if sealed { _ = try plain.writer().seal(all: true) }
        let ledger = try plain.ledger()

        for seq in 0...all.lines.count {
            for hint in Set(hints) {
                let reading = try read(ledger, start: chains[seq], hint: hint)
                #expect(reading.lines == Array(all.lines[seq...]), "start \(seq), hint \(hint)")
                #expect(reading.end == all.end)
            }
        }
    }

    @Test("A hint that a batch gave leads straight to its place")
    func hintIsTaken() throws {
        let memory = MemoryDisk()
        let test = try TestLedger(on: memory).append(Array(repeating: 10, count: 600), size: 600)
        let middle = try #require(try read(test.ledger()).batches.first)
        let disk = FaultDisk(memory)
        let ledger = try Ledger("/ledger", disk: disk)

        func reads(_ hint: Int?) throws -> Int {
            let before = disk.calls.count
            let cursor = try LedgerCursor(ledger, start: try read(test.ledger()).end, hint: hint)
            #expect(try cursor.next() == nil)
            return disk.calls[before...].filter { $0 == .read("000000000001.lz4") }.count
        }
        let end = try #require(try read(test.ledger(), start: middle.checkpoint).batches.last)

        #expect(try reads(end.offset) < (try reads(nil)))
    }

    @Test("A wrong chain is found at every position, whatever the hint", arguments: [false, true])
    func wrongChain(sealed: Bool) throws {
        let (test, all, chains) = try prepared(sealed: sealed)
        let ledger = try test.ledger()
        for seq in 0...all.lines.count {
            let wrong = Checkpoint(seq: Seq(seq), chain: SHA256.digest([7]))
            var hints: [Int?] = [nil, firstCommit]
            if seq > 0 {
                hints += try read(ledger, start: chains[seq - 1], through: Seq(seq)).batches.map(
                    \.offset)
                hints += try read(ledger, through: Seq(seq)).batches.map(\.offset)
            }
            for hint in hints {
                for chained in [true, false] {
                    #expect(
                        ledgerFailure {
                            _ = try read(ledger, start: wrong, hint: hint, chained: chained)
                        }
                            == .otherHistory,
                        "start \(seq), hint \(hint ?? -1)")
                }
            }
        }
    }

    @Test("A start behind the end is lost data, a start in an empty ledger too")
    func startBehindEnd() throws {
        let (test, all, _) = try prepared(sealed: false)
        let ahead = Checkpoint(seq: Seq(all.lines.count + 1), chain: all.end.chain)
        #expect(ledgerFailure { _ = try read(test.ledger(), start: ahead) } == .dataLost)
        #expect(ledgerFailure { _ = try read(TestLedger().ledger(), start: ahead) } == .dataLost)
        #expect(try read(TestLedger().ledger()).lines.isEmpty)
    }

    @Test("A reader stops at the last whole commit while a writer lives, and takes the rest later")
    func whileWriting() throws {
        let disk = MemoryDisk()
        let test = try TestLedger(on: disk).append([1, 1])
        let path = "/ledger/000000000001.lz4"
        let whole = try #require(disk[path])
        let lock = try #require(try disk.open("/ledger/LOCK", writing: false, creating: false))
        #expect(try lock.lock(exclusive: true))

        disk[path] = Array(whole.dropLast(3))
        let reading = try read(test.ledger())
        #expect(reading.lines.count == 1)
        #expect(reading.notice == nil, "not yet, and not torn")

        lock.unlock()
        #expect(try read(test.ledger()).notice != nil)
        disk[path] = whole
        #expect(try read(test.ledger()).lines.count == 2)
    }

    @Test("The parts of a line are what was appended")
    func lineParts() throws {
        let test = try TestLedger()
        let new = NewEvent(
            type: "listen.imported", version: 3, stream: StreamName(fixed: "a:b"), cause: 12,
            data: Array(#"{"x":[1,"}\""]}"#.utf8))
        try test.writer().append([new])
        let batch = try #require(try LedgerCursor(test.ledger()).next())
        let line = try #require(EventLine(batch[0]))

        #expect(line.seq == 1 && line.at == TestLedger.now && line.version == 3 && line.cause == 12)
        #expect(
            line.typeName == "listen.imported" && line.streamName == "a:b"
                && line.runName == TestLedger.run)
        #expect(Array(line.data.bytes) == new.data)
        #expect(Array(batch[0]) == new.line(seq: 1, at: TestLedger.now, run: TestLedger.run))
    }

    @Test("A line cut anywhere, or with any other beginning, is no line")
    func brokenLines() {
        let line = event(1).line(seq: 1, at: TestLedger.now, run: "r")
        for cut in 0..<line.count {
            let part = Array(line.prefix(cut))
            #expect(part.withUnsafeBufferPointer { EventLine($0) == nil }, "cut \(cut)")
        }
        for seed in 0..<5000 as Range<UInt64> {
            var generator = SplitMix64(seed: seed)
            var altered = line
            altered[Int.random(in: 0..<line.count, using: &generator)] = UInt8.random(
                in: 0...255, using: &generator)
            altered.removeLast(Int.random(in: 0..<line.count, using: &generator))
            _ = altered.withUnsafeBufferPointer { EventLine($0)?.data.bytes.count }
        }
    }
}
