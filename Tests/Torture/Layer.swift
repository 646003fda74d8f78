import Foundation
import Ledger
import TestSupport

/// A fault that a layer must find: in a writer or a reader that exists in these tests alone.
///
/// Most are the real writer or reader on a disk that leaves a step out, so that nothing in the product knows
/// of them.
package enum Breakage: String, CaseIterable, Sendable {
    /// Segments are written and never synced.
    case noSync = "no-fdatasync"
    /// New names are never made durable.
    case noDirectorySync = "no-directory-sync"
    /// A failed sync is tried again, and the second answer believed.
    case retryAfterEIO = "retry-after-eio"
    /// An event counts as kept before the append is made.
    case acknowledgeEarly = "acknowledge-before-sync"
    /// HEAD names a commit that is not there yet.
    case headFirst = "head-before-data"
    /// Frames are believed by their own sums, the chain is not computed.
    case skipChain = "skip-chain"
    /// A file ends where the first zeros begin.
    case zeroIsEnd = "zero-length-is-end"
    /// What sealing wrote is believed without a look at the disk.
    case sealUnread = "seal-without-read-back"
    /// The checkpoint is committed before its rows.
    case checkpointApart = "checkpoint-apart"
    /// Recovery looks at no witness.
    case noWitness = "no-witness"
    /// Writers do not keep each other out.
    case noLock = "no-lock"
    /// A list is put back in another order.
    case wrongRestore = "wrong-restore"
    /// A parser that believes a length, waits for nothing or traps.
    case carelessParser = "careless-parser"
}

/// What running a layer found.
package struct Tally: Sendable {
    package enum Kind: String, Sendable {
        /// Something acknowledged is gone, or can only be had back by a person.
        case lost
        /// Something damaged was read as sound, or shortened in silence.
        case accepted
        /// Anything else that should not be: a crash, a hang, two recoveries that differ.
        case wrong
    }

    package var cases = 0
    package var faults = 0
    package var found: [Kind: Int] = [:]
    /// Further figures, such as how many tails were torn.
    package var figures: [String: Int] = [:]
    /// The first few things found, each with the seed that shows it again.
    package var failures: [String] = []

    package init() {}

    /// All that was found.
    package var total: Int { found.values.reduce(0, +) }

    package mutating func fail(_ kind: Kind, _ text: String) {
        found[kind, default: 0] += 1
        if failures.count < 5 { failures.append("\(kind.rawValue): \(text)") }
    }

    package mutating func count(_ figure: String, _ number: Int = 1) {
        figures[figure, default: 0] += number
    }
}

/// How a layer is to be run.
package struct Plan: Sendable {
    /// The seed of the first case; the next ones follow.
    package var seed: UInt64
    package var cases: Int
    package var isFull: Bool
    package var broken: Breakage?

    package init(seed: UInt64 = 1, cases: Int = 1, isFull: Bool = false, broken: Breakage? = nil) {
        (self.seed, self.cases, self.isFull, self.broken) = (seed, cases, isFull, broken)
    }

    package var seeds: Range<UInt64> { seed..<seed + UInt64(cases) }

    /// A disk as the broken writer or reader sees it.
    func disk(_ inner: any Disk) -> any Disk {
        broken.map { BrokenDisk(inner, $0) } ?? inner
    }
}

/// The layers that run in this process, by name.
package let layers: [String: @Sendable (Plan) throws -> Tally] = [
    "truncation": truncation, "bit-flips": bitFlips, "lost-sectors": lostSectors,
    "simulated-disk": simulatedDisk, "projections": projectionsLayer, "model": modelBased,
    "fuzz": fuzz,
]

/// A disk that leaves out a step on which a promise rests.
final class BrokenDisk: Disk, @unchecked Sendable {
    private let inner: any Disk
    fileprivate let breakage: Breakage
    /// What was meant to be written, by path.
    fileprivate var meant: [String: [UInt8]] = [:]

    init(_ inner: any Disk, _ breakage: Breakage) {
        (self.inner, self.breakage) = (inner, breakage)
    }

    func open(_ path: String, writing: Bool, creating: Bool) throws(LedgerError) -> (any DiskFile)?
    {
        if breakage == .noWitness, path.hasSuffix("/HEAD") { return nil }
        return try inner.open(path, writing: writing, creating: creating).map {
            BrokenFile($0, path, self)
        }
    }
    func rename(_ path: String, to newPath: String) throws(LedgerError) {
        meant[path] = nil
        try inner.rename(path, to: newPath)
    }
    func remove(_ path: String) throws(LedgerError) { try inner.remove(path) }
    func list(_ directory: String) throws(LedgerError) -> [String] { try inner.list(directory) }
    func makeDirectory(_ path: String) throws(LedgerError) { try inner.makeDirectory(path) }
    func syncDirectory(_ path: String) throws(LedgerError) {
        if breakage != .noDirectorySync { try inner.syncDirectory(path) }
    }
}

private final class BrokenFile: DiskFile {
    private let inner: any DiskFile
    private let path: String
    private let disk: BrokenDisk

    init(_ inner: any DiskFile, _ path: String, _ disk: BrokenDisk) {
        (self.inner, self.path, self.disk) = (inner, path, disk)
    }

    func size() throws(LedgerError) -> Int {
        let size = try inner.size()
        guard disk.breakage == .zeroIsEnd, path.hasSuffix(".lz4") else { return size }
        let bytes = try inner.bytes(from: 0, count: size)
        var run = 0
        for index in bytes.indices {
            run = bytes[index] == 0 ? run + 1 : 0
            if run == 96 { return index - 95 }
        }
        return size
    }
    func read(at offset: Int, into buffer: UnsafeMutableRawPointer, count: Int) throws(LedgerError)
        -> Int
    {
        if disk.breakage == .sealUnread, let bytes = disk.meant[path] {
            let part = bytes.dropFirst(offset).prefix(count)
            for (index, byte) in part.enumerated() {
                buffer.storeBytes(of: byte, toByteOffset: index, as: UInt8.self)
            }
            return part.count
        }
        guard disk.breakage == .zeroIsEnd else {
            return try inner.read(at: offset, into: buffer, count: count)
        }
        return try inner.read(at: offset, into: buffer, count: max(0, min(count, size() - offset)))
    }
    func write(_ bytes: [UInt8], at offset: Int) throws(LedgerError) {
        if path.hasSuffix(".lz4.tmp") { disk.meant[path] = bytes }
        try inner.write(bytes, at: offset)
    }
    func truncate(to size: Int) throws(LedgerError) { try inner.truncate(to: size) }
    func sync() throws(LedgerError) {
        switch disk.breakage {
        case .noSync where path.contains(".lz4"): return
        case .retryAfterEIO: do { try inner.sync() } catch { try inner.sync() }
        default: try inner.sync()
        }
    }
    func dropCache() { if disk.breakage != .retryAfterEIO { inner.dropCache() } }
    func lock(exclusive: Bool) throws(LedgerError) -> Bool {
        disk.breakage == .noLock ? true : try inner.lock(exclusive: exclusive)
    }
    func unlock() { inner.unlock() }
}
