import Foundation
public import Ledger

/// A disk that loses power: what was not synced is there after it in part, by sectors, or not at all.
///
/// Files have what is durable and what the system shows; a sync brings the sectors written since over. A
/// sync that fails brings some of them over and forgets the rest, as Linux does: the next one says that all
/// is well. Names are durable when their directory is synced; before that any subset of the changes may be.
/// Before each call that changes something, `look` sees what a crash at this moment could leave.
public final class CrashDisk: Disk, @unchecked Sendable {
    fileprivate final class Node {
        var durable: [UInt8]
        var cached: [UInt8]
        var dirty: Set<Int> = []

        init(_ bytes: [UInt8] = []) { (durable, cached) = (bytes, bytes) }
    }

    /// What is to go wrong, told the number of a call that changes something, from 0: its `errno`.
    public typealias Plan = (Int) -> Int32?

    private var names: [String: Node]
    private var durableNames: [String: Node]
    /// Changes of names since their directory was last synced; each is there after a crash, or is not.
    private var pending: [[(path: String, node: Node?)]] = []
    private var generator: SplitMix64
    private var plan: Plan
    private var look: (MemoryDisk) -> Void
    /// Calls so far that change something.
    public private(set) var calls = 0
    /// Calls that failed.
    public private(set) var faults = 0

    public init(
        seed: UInt64, files: [String: [UInt8]] = [:], failing plan: @escaping Plan = { _ in nil },
        look: @escaping (MemoryDisk) -> Void
    ) {
        generator = SplitMix64(seed: seed)
        names = files.mapValues { Node($0) }
        durableNames = names
        self.plan = plan
        self.look = look
    }

    /// What is left after a crash now.
    public func crash() -> MemoryDisk {
        var left = durableNames
        for change in pending where Bool.random(using: &generator) {
            for (path, node) in change { left[path] = node }
        }
        // In one order, or the same seed would tear otherwise.
        return MemoryDisk(
            [String: [UInt8]](
                uniqueKeysWithValues: left.sorted { $0.key < $1.key }.map { ($0, torn($1)) }))
    }

    private func torn(_ node: Node) -> [UInt8] {
        let (old, new) = (node.durable.count, node.cached.count)
        guard old != new || !node.dirty.isEmpty else { return node.durable }
        let size =
            switch Int.random(in: 0...3, using: &generator) {
            case 0: old
            case 1 where old < new: Int.random(in: old...new, using: &generator)
            default: new
            }
        var bytes = Array(node.durable.prefix(size))
        bytes += [UInt8](repeating: 0, count: size - bytes.count)
        for sector in node.dirty.sorted() where Bool.random(using: &generator) {
            guard sector * 512 < min(size, new) else { continue }
            let range = sector * 512..<min(sector * 512 + 512, size, new)
            bytes.replaceSubrange(range, with: node.cached[range])
        }
        return bytes
    }

    /// A call that changes something: what a crash before it would leave is looked at, and it may fail.
    fileprivate func change(_ what: String, failing effect: () -> Void = {}) throws(LedgerError) {
        calls += 1
        look(crash())
        guard let code = plan(calls - 1) else { return }
        faults += 1
        effect()
        throw LedgerError(.io, "fault at \(what)", remedy: "none.", errno: code)
    }

    fileprivate func sync(_ node: Node, _ path: String) throws(LedgerError) {
        // Several crashes: many sectors, many ways to tear.
        for _ in 0..<3 { look(crash()) }
        try change("sync of \(path)") {
            node.durable = torn(node)
            node.dirty = []
        }
        flush(node)
    }

    private func flush(_ node: Node) {
        let size = node.cached.count
        var bytes = Array(node.durable.prefix(size))
        bytes += [UInt8](repeating: 0, count: size - bytes.count)
        for sector in node.dirty {
            let range = min(sector * 512, size)..<min(sector * 512 + 512, size)
            bytes.replaceSubrange(range, with: node.cached[range])
        }
        node.durable = bytes
        node.dirty = []
    }

    /// How many bytes a write that fails has written all the same.
    fileprivate func part(of count: Int) -> Int { Int.random(in: 0..<count, using: &generator) }

    public func open(_ path: String, writing: Bool, creating: Bool) throws(LedgerError) -> (
        any DiskFile
    )? {
        if names[path] == nil, creating {
            try change("making of \(path)")
            let node = Node()
            names[path] = node
            pending.append([(path, node)])
        }
        return names[path].map { CrashFile($0, self, path) }
    }

    public func rename(_ path: String, to newPath: String) throws(LedgerError) {
        try change("renaming of \(path)")
        guard let node = names.removeValue(forKey: path) else { return }
        names[newPath] = node
        let (added, removed) = ((newPath, Node?.some(node)), (path, Node?.none))
        // Within one directory a rename is there whole or not; across two, each has its part.
        pending +=
            directory(path) == directory(newPath) ? [[added, removed]] : [[added], [removed]]
    }

    public func remove(_ path: String) throws(LedgerError) {
        guard names[path] != nil else { return }
        try change("removal of \(path)")
        names[path] = nil
        pending.append([(path, nil)])
    }

    public func list(_ directory: String) throws(LedgerError) -> [String] {
        let inside = names.keys.filter { $0.hasPrefix(directory + "/") }
        return Set(inside.map { String($0.dropFirst(directory.count + 1).prefix { $0 != "/" }) })
            .sorted()
    }

    public func makeDirectory(_ path: String) throws(LedgerError) {}

    public func syncDirectory(_ path: String) throws(LedgerError) {
        try change("sync of \(path)")
        for change in pending where directory(change[0].path) == path {
            for (path, node) in change { durableNames[path] = node }
        }
        pending.removeAll { directory($0[0].path) == path }
    }

    private func directory(_ path: String) -> String {
        String(path.dropLast((path.split(separator: "/").last?.count ?? 0) + 1))
    }
}

private final class CrashFile: DiskFile {
    private let node: CrashDisk.Node
    private let disk: CrashDisk
    private let path: String

    init(_ node: CrashDisk.Node, _ disk: CrashDisk, _ path: String) {
        (self.node, self.disk, self.path) = (node, disk, path)
    }

    func size() throws(LedgerError) -> Int { node.cached.count }

    func read(
        at offset: Int, into buffer: UnsafeMutableRawPointer, count: Int
    ) throws(LedgerError) -> Int {
        let got = max(0, min(count, node.cached.count - offset))
        guard got > 0 else { return 0 }
        node.cached.withUnsafeBytes {
            UnsafeMutableRawBufferPointer(start: buffer, count: got)
                .copyMemory(from: .init(rebasing: $0[offset..<offset + got]))
        }
        return got
    }

    func write(_ bytes: [UInt8], at offset: Int) throws(LedgerError) {
        try disk.change("write to \(path)") {
            put(Array(bytes.prefix(disk.part(of: bytes.count))), at: offset)
        }
        put(bytes, at: offset)
    }

    private func put(_ bytes: [UInt8], at offset: Int) {
        let end = offset + bytes.count
        guard end > offset else { return }
        node.cached += [UInt8](repeating: 0, count: max(0, end - node.cached.count))
        node.cached.replaceSubrange(offset..<end, with: bytes)
        node.dirty.formUnion(offset / 512...(end - 1) / 512)
    }

    func truncate(to size: Int) throws(LedgerError) {
        try disk.change("cut of \(path)")
        guard size < node.cached.count else { return }
        node.cached.removeSubrange(size...)
        node.dirty = node.dirty.filter { $0 * 512 < size }
    }

    func sync() throws(LedgerError) { try disk.sync(node, path) }

    func dropCache() {
        // Clean pages go; what waits to be written stays.
        guard node.dirty.isEmpty else { return }
        let size = node.cached.count
        node.cached = Array(node.durable.prefix(size))
        node.cached += [UInt8](repeating: 0, count: size - node.cached.count)
    }

    func lock(exclusive: Bool) throws(LedgerError) -> Bool { true }

    func unlock() {}
}
