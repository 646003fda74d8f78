import Foundation
public import Ledger

/// A file system in memory: names lead to nodes as on Unix, so an open file outlives its name.
public final class MemoryDisk: Disk, @unchecked Sendable {
    fileprivate final class Node {
        var bytes: [UInt8]
        var exclusive: ObjectIdentifier?
        var shared: Set<ObjectIdentifier> = []

        init(_ bytes: [UInt8]) { self.bytes = bytes }
    }

    private var nodes: [String: Node]
    fileprivate let mutex = NSLock()

    /// Starts with these files, by path.
    public init(_ files: [String: [UInt8]] = [:]) { nodes = files.mapValues(Node.init) }

    /// What is there now, by path.
    public var files: [String: [UInt8]] { mutex.withLock { nodes.mapValues(\.bytes) } }

    /// A file's bytes; a set makes a new file under the name, or removes it.
    public subscript(path: String) -> [UInt8]? {
        get { mutex.withLock { nodes[path]?.bytes } }
        set { mutex.withLock { nodes[path] = newValue.map(Node.init) } }
    }

    public func open(_ path: String, writing: Bool, creating: Bool) throws(LedgerError) -> (
        any DiskFile
    )? {
        mutex.lock()
        defer { mutex.unlock() }
        if nodes[path] == nil, creating { nodes[path] = Node([]) }
        return nodes[path].map { MemoryFile($0, self) }
    }

    public func rename(_ path: String, to newPath: String) throws(LedgerError) {
        mutex.lock()
        defer { mutex.unlock() }
        guard let node = nodes.removeValue(forKey: path) else { throw Self.missing(path) }
        nodes[newPath] = node
    }

    public func remove(_ path: String) throws(LedgerError) { self[path] = nil }

    public func list(_ directory: String) throws(LedgerError) -> [String] {
        let inside = files.keys.filter { $0.hasPrefix(directory + "/") }
            .map { String($0.dropFirst(directory.count + 1).prefix { $0 != "/" }) }
        return Set(inside).sorted()
    }

    public func makeDirectory(_ path: String) throws(LedgerError) {}

    public func syncDirectory(_ path: String) throws(LedgerError) {}

    private static func missing(_ path: String) -> LedgerError {
        LedgerError(.io, "no file \(path)", remedy: "make it.", errno: ENOENT)
    }
}

private final class MemoryFile: DiskFile {
    private let node: MemoryDisk.Node
    private let disk: MemoryDisk

    init(_ node: MemoryDisk.Node, _ disk: MemoryDisk) {
        self.node = node
        self.disk = disk
    }

    deinit { unlock() }

    func size() throws(LedgerError) -> Int { disk.mutex.withLock { node.bytes.count } }

    func read(
        at offset: Int, into buffer: UnsafeMutableRawPointer, count: Int
    ) throws(LedgerError) -> Int {
        disk.mutex.withLock {
            let got = max(0, min(count, node.bytes.count - offset))
            guard got > 0 else { return 0 }
            node.bytes.withUnsafeBytes {
                buffer.copyMemory(from: .init(rebasing: $0[offset..<offset + got]), count: got)
            }
            return got
        }
    }

    func write(_ bytes: [UInt8], at offset: Int) throws(LedgerError) {
        disk.mutex.withLock {
            let end = offset + bytes.count
            if node.bytes.count < end {
                node.bytes += [UInt8](repeating: 0, count: end - node.bytes.count)
            }
            node.bytes.replaceSubrange(offset..<end, with: bytes)
        }
    }

    func truncate(to size: Int) throws(LedgerError) {
        disk.mutex.withLock { node.bytes.removeSubrange(min(size, node.bytes.count)...) }
    }

    func sync() throws(LedgerError) {}

    func dropCache() {}

    func lock(exclusive: Bool) throws(LedgerError) -> Bool {
        disk.mutex.withLock {
            let me = ObjectIdentifier(self)
            let others = node.shared.subtracting([me])
            guard node.exclusive == nil || node.exclusive == me, !exclusive || others.isEmpty else {
                return false
            }
            node.exclusive = exclusive ? me : nil
            node.shared = exclusive ? [] : others.union([me])
            return true
        }
    }

    func unlock() {
        disk.mutex.withLock {
            if node.exclusive == ObjectIdentifier(self) { node.exclusive = nil }
            node.shared.remove(ObjectIdentifier(self))
        }
    }
}

extension UnsafeMutableRawPointer {
    fileprivate func copyMemory(from bytes: UnsafeRawBufferPointer, count: Int) {
        if let base = bytes.baseAddress { copyMemory(from: base, byteCount: count) }
    }
}
