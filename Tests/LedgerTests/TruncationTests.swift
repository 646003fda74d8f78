import Foundation
import Ledger
import TestSupport
import Testing

@Suite("A segment that was cut")
struct TruncationTests {
    private static let path = "/ledger/000000000001.lz4"

    @Test("A crash while the recovery itself runs is recovered from")
    func crashDuringRecovery() throws {
        let source = MemoryDisk()
        try TestLedger(on: source).append([2, 2])
        let bytes = try #require(source[Self.path])
        let places = Place.all(in: bytes)
        source[Self.path] = bytes.dropLast(7)
        let tail = Array(bytes.dropLast(7)[places[0].end...])

        for failing in 0..<50 {
            let memory = MemoryDisk(source.files)
            var count = 0
            let disk = FaultDisk(memory) { call in
                if case .read = call { return nil }
                count += 1
                return count > failing ? .fails(EIO) : nil
            }
            _ = try? TestLedger(on: disk).writer().refresh()

            let test = try TestLedger(on: memory)
            try test.append([1])

            #expect(try test.ledger().verify().end.seq >= 3, "call \(failing)")
            #expect(
                memory.files.contains { $0.key.contains("quarantine") && $0.value == tail },
                "call \(failing)")
        }
    }
}
