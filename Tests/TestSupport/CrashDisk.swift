import Foundation
public import Ledger

/// A disk that loses power: what was not synced is there after it in part, by sectors, or not at all.
///
/// Before each call that changes something, `look` sees what a crash at this moment could leave.
public final class CrashDisk: Disk, @unchecked Sendable {
    fileprivate final class Node {
        var durable: [UInt8] = []
        var cached: [UInt8] = []
    }

    private var names: [String: Node] = [:]
    private var durableNames: [String: Node] = [:]
    /// Names given and taken (nil) since the directory was last synced, in order.
    private var pending: [(path: String, node: Node?)] = []
    private var generator: SplitMix64
    private let look: (MemoryDisk) -> Void

    public init(seed: UInt64, look: @escaping (MemoryDisk) -> Void) {
        generator = SplitMix64(seed: seed)
        self.look = look
    }

    /// What is left after a crash now.
    public func crash() -> MemoryDisk {
        var left = durableNames
        // Directories keep their order of operations, so that some first part of them is there.
        for change in pending.prefix(Int.random(in: 0...pending.count, using: &generator)) {
            left[change.path] = change.node
        }
        return MemoryDisk(left.mapValues { torn($0) })
    }

    private func torn(_ node: Node) -> [UInt8] {
        guard node.durable != node.cached else { return node.durable }
        guard node.cached.count > node.durable.count else {
            return Bool.random(using: &generator) ? node.durable : node.cached
        }
        let isLong = Bool.random(using: &generator)
        let size =
            isLong
            ? node.cached.count
            : Int.random(in: node.durable.count...node.cached.count, using: &generator)
        var bytes = node.durable + [UInt8](repeating: 0, count: size - node.durable.count)
        for sector in stride(from: node.durable.count / 512 * 512, to: size, by: 512)
        where Bool.random(using: &generator) {
            let range = sector..<min(sector + 512, size)
            bytes.replaceSubrange(range, with: node.cached[range])
        }
        return bytes
    }

    fileprivate func change() { look(crash()) }

    public func open(_ path: String, writing: Bool, creating: Bool) throws(LedgerError) -> (
        any DiskFile
    )? {
        if names[path] == nil, creating {
            change()
            let node = Node()
            names[path] = node
            pending.append((path, node))
        }
        return names[path].map { CrashFile($0, self) }
    }

    public func rename(_ path: String, to newPath: String) throws(LedgerError) {
        change()
        guard let node = names.removeValue(forKey: path) else { return }
        names[newPath] = node
        pending += [(newPath, node), (path, nil)]
    }

    public func remove(_ path: String) throws(LedgerError) {
        guard names.removeValue(forKey: path) != nil else { return }
        change()
        pending.append((path, nil))
    }

    public func list(_ directory: String) throws(LedgerError) -> [String] {
        let inside = names.keys.filter { $0.hasPrefix(directory + "/") }
        return Set(inside.map { String($0.dropFirst(directory.count + 1).prefix { $0 != "/" }) })
            .sorted()
    }

    public func makeDirectory(_ path: String) throws(LedgerError) {}

    public func syncDirectory(_ path: String) throws(LedgerError) {
        change()
        func isInside(_ file: String) -> Bool {
            file.dropLast(file.split(separator: "/").last?.count ?? 0) == path + "/"
        }
        for change in pending where isInside(change.path) {
            durableNames[change.path] = change.node
        }
        pending.removeAll { isInside($0.path) }
    }
}

private final class CrashFile: DiskFile {
    private let node: CrashDisk.Node
    private let disk: CrashDisk

    init(_ node: CrashDisk.Node, _ disk: CrashDisk) {
        self.node = node
        self.disk = disk
    }

    func size() throws(LedgerError) -> Int { node.cached.count }

    func read(
        at offset: Int, into buffer: UnsafeMutableRawPointer, count: Int
    ) throws(LedgerError) -> Int {
        let got = max(0, min(count, node.cached.count - offset))
        for index in 0..<got {
            buffer.storeBytes(of: node.cached[offset + index], toByteOffset: index, as: UInt8.self)
        }
        return got
    }

    func write(_ bytes: [UInt8], at offset: Int) throws(LedgerError) {
        disk.change()
        let end = offset + bytes.count
        node.cached += [UInt8](repeating: 0, count: max(0, end - node.cached.count))
        node.cached.replaceSubrange(offset..<end, with: bytes)
    }

    func truncate(to size: Int) throws(LedgerError) {
        disk.change()
        node.cached.removeSubrange(min(size, node.cached.count)...)
    }

    func sync() throws(LedgerError) {
        // Several crashes: many sectors, many ways to tear.
        for _ in 0..<4 { disk.change() }
        node.durable = node.cached
    }

    func dropCache() {}

    func lock(exclusive: Bool) throws(LedgerError) -> Bool { true }

    func unlock() {}
}
