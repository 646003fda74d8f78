import Ledger
import TestSupport

/// Every bit of the active segment, FORMAT and HEAD, one in every byte of a sealed segment; frames forged
/// with sums that agree; and every byte that sealing writes come back another.
///
/// A case is one ledger.
@Sendable func bitFlips(_ plan: Plan) throws -> Tally {
    var tally = Tally()
    for seed in plan.seeds {
        var random = SplitMix64(seed: seed)
        let disk = MemoryDisk()
        let size = Int.random(in: 0...60, using: &random)
        let test = try TestLedger(on: disk).append([1, 2], size: size)
        _ = try test.writer().seal(all: true)
        try test.append([1, 1], size: size, close: true)
        let files = disk.files
        for path in files.keys.sorted() where !path.hasSuffix("LOCK") {
            let isSealed = path.hasSuffix("0001.lz4")
            for index in (files[path] ?? []).indices {
                let one = UInt8.random(in: 0...7, using: &random)
                for bit in isSealed ? one...one : 0...7 {
                    for head in [true, false] where head || path.hasSuffix(".lz4") {
                        var altered = files
                        altered[path]?[index] ^= 1 << bit
                        if !head { altered["/ledger/HEAD"] = nil }
                        judge(
                            altered, "\(path) \(index).\(bit), HEAD \(head), seed \(seed)", plan,
                            &tally)
                    }
                }
            }
        }
        try forged(seed, plan, &tally)
        try sealing(seed, plan, &tally)
    }
    return tally
}

/// What is altered must be refused by a check, by a reader beside a living writer, and where it is read
/// before an append also by a writer.
private func judge(_ files: [String: [UInt8]], _ what: String, _ plan: Plan, _ tally: inout Tally) {
    tally.cases += 1
    tally.faults += 1
    let disk = MemoryDisk(files)
    let verified = ledgerFailure {
        let ledger = try Ledger("/ledger", disk: plan.disk(disk))
        if plan.broken == .skipChain {
            _ = try read(ledger, chained: false)
        } else {
            _ = try ledger.verify()
        }
    }
    if verified == nil { tally.fail(.accepted, "a check passes \(what)") }
    let isRead =
        ledgerFailure {
            let lock = try disk.open("/ledger/LOCK", writing: true, creating: true)
            // Without HEAD nobody knows more than what can be read beside a writer.
            if files["/ledger/HEAD"] != nil { _ = try lock?.lock(exclusive: true) }
            defer { lock?.unlock() }
            _ = try read(
                Ledger("/ledger", disk: plan.disk(disk)), chained: plan.broken != .skipChain)
        } == nil
    if isRead { tally.fail(.accepted, "a reader beside a writer passes \(what)") }
}

/// A commit whose lines were changed by somebody who made all sums anew: only the chain can tell.
private func forged(_ seed: UInt64, _ plan: Plan, _ tally: inout Tally) throws {
    let path = "/ledger/000000000001.lz4"
    let honest = MemoryDisk()
    try TestLedger(on: honest).append([1, 1])
    let bytes = honest[path] ?? []
    for place in Place.all(in: bytes) {
        let line = String(
            decoding: event(Int(place.first) + 100 + Int(seed % 1000)).line(
                seq: place.first, at: TestLedger.now, run: TestLedger.run), as: UTF8.self)
        var raw = Array(line.utf8)
        // The page allows a frame without sizes and sums of its own: one block as it is, and the end.
        raw = [4, 0x22, 0x4D, 0x18, 0x60, 0x40, 0x82] + little(raw.count | 1 << 31, 4) + raw
        raw += [0, 0, 0, 0]
        var header = Array(bytes[place.offset..<place.offset + 96])
        header.replaceSubrange(28..<32, with: little(line.utf8.count, 4))
        header.replaceSubrange(32..<36, with: little(raw.count, 4))
        header.replaceSubrange(36..<44, with: SHA256.digest(raw).bytes.prefix(8))
        header.replaceSubrange(88..<96, with: SHA256.digest(Array(header[..<88])).bytes.prefix(8))
        var files = honest.files
        files[path]?.replaceSubrange(place.offset..<place.end, with: header + raw)
        judge(files, "a forged commit at \(place.first), seed \(seed)", plan, &tally)
    }
}

/// Sealing on a disk that gives back another byte than was written replaces nothing.
private func sealing(_ seed: UInt64, _ plan: Plan, _ tally: inout Tally) throws {
    let source = MemoryDisk()
    let test = try TestLedger(on: source).append([2, 1], size: 10)
    try test.beginSegment()
    let before = try read(test.ledger())
    var index = 0
    while true {
        let memory = MemoryDisk(source.files)
        let disk = AlteringDisk(memory, at: index)
        let code = ledgerFailure {
            _ = try TestLedger(on: plan.disk(disk)).writer().seal(all: false)
        }
        guard disk.hasAltered else { return }
        tally.cases += 1
        tally.faults += 1
        if code == nil { tally.fail(.accepted, "sealed with byte \(index) changed, seed \(seed)") }
        if ledgerFailure({ _ = try Ledger("/ledger", disk: memory).verify() }) != nil
            || (try? read(Ledger("/ledger", disk: memory))) != before
        {
            tally.fail(.lost, "byte \(index) changed while sealing, seed \(seed)")
        }
        index += 1
    }
}

func little(_ value: Int, _ count: Int) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
}

/// Writes one byte of a sealed segment's temporary file otherwise than it is told.
private final class AlteringDisk: Disk, @unchecked Sendable {
    private let inner: MemoryDisk
    private let index: Int
    private(set) var hasAltered = false

    init(_ inner: MemoryDisk, at index: Int) { (self.inner, self.index) = (inner, index) }

    func open(_ path: String, writing: Bool, creating: Bool) throws(LedgerError) -> (any DiskFile)?
    {
        try inner.open(path, writing: writing, creating: creating)
    }
    func rename(_ path: String, to newPath: String) throws(LedgerError) {
        try inner.rename(path, to: newPath)
    }
    func remove(_ path: String) throws(LedgerError) { try inner.remove(path) }
    func list(_ directory: String) throws(LedgerError) -> [String] {
        // Sealing looks at the names before it reads back: by then the bytes have been written.
        if var bytes = inner["/ledger/000000000001.lz4.tmp"], bytes.indices.contains(index),
            !hasAltered
        {
            bytes[index] ^= 1 << UInt8(index % 8)
            inner["/ledger/000000000001.lz4.tmp"] = bytes
            hasAltered = true
        }
        return try inner.list(directory)
    }
    func makeDirectory(_ path: String) throws(LedgerError) {}
    func syncDirectory(_ path: String) throws(LedgerError) {}
}
