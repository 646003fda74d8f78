import Foundation
import Ledger
import TestSupport
import Testing

@Suite("A reader beside a writer")
struct InterleavingTests {
    private static let path = "/ledger/000000000001.lz4"

    /// What another program does while a reader is at work.
    enum Deed: String, CaseIterable {
        case append, appendAndClose, rotate, seal, sealAndAppend, finishCommit,
            finishCommitAndRotate, recover
    }

    @Test(
        "Whatever a writer does between any two calls of a reader, it reads a sound prefix",
        arguments: Deed.allCases)
    func everyInterleaving(deed: Deed) throws {
        let (files, tail) = try prepared(deed)
        var call = 0
        var calls = Int.max
        while call < calls {
            let memory = MemoryDisk(files)
            let test = try TestLedger(on: memory)
            let before = try whole(files)
            var count = 0
            let lock = try #require(
                try memory.open("/ledger/LOCK", writing: false, creating: false))
            let isWriting = !tail.isEmpty && deed != .recover
            if isWriting { _ = try lock.lock(exclusive: true) }
            let disk = FaultDisk(memory) { _ in
                // While the reader itself holds the lock for a moment, a writer would wait.
                let isFree = isWriting || (try? lock.lock(exclusive: true)) == true
                if !isWriting { lock.unlock() }
                if count == call, isFree {
                    do { try self.act(deed, test, memory, tail, lock) } catch {
                        Issue.record(error, "\(deed)")
                    }
                }
                count += 1
                return nil
            }
            var lines: [String] = []
            let code = ledgerFailure { lines = try read(Ledger("/ledger", disk: disk)).lines }
            let after = try read(test.ledger()).lines

            #expect(code == nil, "\(deed) before call \(call)")
            #expect(after.starts(with: lines), "\(deed) before call \(call)")
            #expect(lines.count >= before, "\(deed) before call \(call)")
            calls = count
            call += 1
        }
        #expect(calls > 8)
    }

    /// The files at the start, and what is missing of a commit that is being written.
    private func prepared(_ deed: Deed) throws -> (files: [String: [UInt8]], tail: [UInt8]) {
        let disk = MemoryDisk()
        let test = try TestLedger(on: disk).append([2, 1, 1])
        guard deed.rawValue.hasPrefix("finish") || deed == .recover else {
            try test.beginSegment()
            try test.append([1, 1], close: true)
            return (disk.files, [])
        }
        let bytes = try #require(disk[Self.path])
        let cut = try #require(Place.all(in: bytes).last).offset + 130
        var files = disk.files
        files[Self.path] = Array(bytes[..<cut])
        return (files, Array(bytes[cut...]))
    }

    private func whole(_ files: [String: [UInt8]]) throws -> Int {
        try read(Ledger("/ledger", disk: MemoryDisk(files))).lines.count
    }

    private func act(
        _ deed: Deed, _ test: TestLedger, _ memory: MemoryDisk, _ tail: [UInt8],
        _ lock: any DiskFile
    ) throws {
        switch deed {
        case .append: try test.append([1])
        case .appendAndClose: try test.append([2, 1], close: true)
        case .rotate:
            try test.append([1])
            try test.beginSegment()
            try test.append([1], close: true)
        case .seal: _ = try test.writer().seal(all: true)
        case .sealAndAppend:
            _ = try test.writer().seal(all: true)
            try test.append([1, 1], close: true)
        case .finishCommit: try finish(memory, tail, lock)
        case .finishCommitAndRotate:
            try finish(memory, tail, lock)
            try test.beginSegment()
            try test.append([1], close: true)
        case .recover: try test.append([1], close: true)
        }
    }

    private func finish(_ memory: MemoryDisk, _ tail: [UInt8], _ lock: any DiskFile) throws {
        let file = try #require(try memory.open(Self.path, writing: true, creating: false))
        try file.write(tail, at: try file.size())
        lock.unlock()
    }

    @Test("Readers in other threads see a growing, sound log and never an error")
    func threads() throws {
        let folder = try TemporaryFolder()
        let test = try TestLedger(on: SystemDisk(), in: folder.file("ledger")).append([1])
        let isDone = Mutexed(false)

        DispatchQueue.concurrentPerform(iterations: 3) { index in
            do {
                if index == 0 {
                    defer { isDone.change { $0 = true } }
                    let writer = try test.writer()
                    for number in 1...40 {
                        try writer.append([
                            event(number), event(number, size: number % 5 == 0 ? 200_000 : 50),
                        ])
                        try writer.close()
                        if number % 10 == 0 { _ = try writer.seal(all: true) }
                    }
                    return
                }
                var last = 0
                while !isDone.value {
                    let lines = try read(test.ledger(), chained: index == 1).lines
                    if lines.count < last { Issue.record("the log shrank") }
                    last = lines.count
                }
            } catch { Issue.record(error) }
        }

        #expect(try test.ledger().verify().end.seq == 81)
    }
}
