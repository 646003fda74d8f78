import Foundation
public import Ledger

/// What is asked of a disk, by the last part of each path; `note` is the test's own mark.
public enum DiskCall: Hashable, Sendable {
    case write(String, at: Int, count: Int)
    case sync(String)
    case truncate(String, to: Int)
    case dropCache(String)
    case read(String)
    case rename(String, to: String)
    case remove(String)
    case syncDirectory
    case makeDirectory(String)
    case list(String)
    case open(String)
    case note(String)
}

/// What happens to a call instead of what was asked.
public enum DiskFault: Sendable {
    /// Nothing is done and the system says why.
    case fails(Int32)
    /// A write stops after so many bytes.
    case stops(Int32, after: Int)
    /// Success is said and nothing is done: the disk of a negative control.
    case lies
    /// A write is held back until the next sync has been said to be done: another negative control.
    case comesLate
}

/// Writes down what is asked of another disk, in order, and fails where it is told to.
public final class FaultDisk: Disk, @unchecked Sendable {
    private let inner: any Disk
    private let mutex = NSRecursiveLock()
    private var recorded: [DiskCall] = []
    private var fault: (DiskCall) -> DiskFault?
    private var late: [() -> Void] = []

    /// Puts faults before a disk; the closure sees each call before it is made.
    public init(_ inner: any Disk, fault: @escaping (DiskCall) -> DiskFault? = { _ in nil }) {
        self.inner = inner
        self.fault = fault
    }

    /// All calls so far, those that failed too.
    public var calls: [DiskCall] { mutex.withLock { recorded } }

    /// Marks a place in the record, such as an acknowledgement.
    public func note(_ text: String) { mutex.withLock { recorded.append(.note(text)) } }

    /// Changes what fails from here on.
    public func plan(_ fault: @escaping (DiskCall) -> DiskFault?) {
        mutex.withLock { self.fault = fault }
    }

    /// Whether the call is to be made now; `later` makes it when it is held back.
    fileprivate func admits(
        _ call: DiskCall, later: @escaping () -> Void = {}
    ) throws(LedgerError) -> Bool {
        mutex.lock()
        defer { mutex.unlock() }
        switch fault(call) {
        case .fails(let code), .stops(let code, _):
            recorded.append(call)
            throw LedgerError(.io, "fault at \(call)", remedy: "none.", errno: code)
        case .lies: return false
        case .comesLate:
            late.append {
                self.recorded.append(call)
                later()
            }
            return false
        case nil:
            recorded.append(call)
            return true
        }
    }

    fileprivate func makeUpForLateWrites() {
        mutex.lock()
        defer { mutex.unlock() }
        let waiting = late
        late = []
        for action in waiting { action() }
    }

    fileprivate func length(ofWrite call: DiskCall) -> Int? {
        mutex.withLock { if case .stops(_, let count)? = fault(call) { count } else { nil } }
    }

    public func open(_ path: String, writing: Bool, creating: Bool) throws(LedgerError) -> (
        any DiskFile
    )? {
        _ = try admits(.open(last(path)))
        guard let file = try inner.open(path, writing: writing, creating: creating) else {
            return nil
        }
        return FaultFile(file, last(path), self)
    }

    public func rename(_ path: String, to newPath: String) throws(LedgerError) {
        if try admits(.rename(last(path), to: last(newPath))) {
            try inner.rename(path, to: newPath)
        }
    }

    public func remove(_ path: String) throws(LedgerError) {
        if try admits(.remove(last(path))) { try inner.remove(path) }
    }

    public func list(_ directory: String) throws(LedgerError) -> [String] {
        _ = try admits(.list(last(directory)))
        return try inner.list(directory)
    }

    public func makeDirectory(_ path: String) throws(LedgerError) {
        if try admits(.makeDirectory(last(path))) { try inner.makeDirectory(path) }
    }

    public func syncDirectory(_ path: String) throws(LedgerError) {
        if try admits(.syncDirectory) { try inner.syncDirectory(path) }
    }

    private func last(_ path: String) -> String {
        path.split(separator: "/").last.map(String.init) ?? path
    }
}

private final class FaultFile: DiskFile {
    private let inner: any DiskFile
    private let name: String
    private let disk: FaultDisk

    init(_ inner: any DiskFile, _ name: String, _ disk: FaultDisk) {
        self.inner = inner
        self.name = name
        self.disk = disk
    }

    func size() throws(LedgerError) -> Int { try inner.size() }

    func read(
        at offset: Int, into buffer: UnsafeMutableRawPointer, count: Int
    ) throws(LedgerError) -> Int {
        _ = try disk.admits(.read(name))
        return try inner.read(at: offset, into: buffer, count: count)
    }

    func write(_ bytes: [UInt8], at offset: Int) throws(LedgerError) {
        let call = DiskCall.write(name, at: offset, count: bytes.count)
        if let count = disk.length(ofWrite: call) {
            try inner.write(Array(bytes.prefix(count)), at: offset)
        }
        let inner = inner
        if try disk.admits(call, later: { try? inner.write(bytes, at: offset) }) {
            try inner.write(bytes, at: offset)
        }
    }

    func truncate(to size: Int) throws(LedgerError) {
        if try disk.admits(.truncate(name, to: size)) { try inner.truncate(to: size) }
    }

    func sync() throws(LedgerError) {
        if try disk.admits(.sync(name)) { try inner.sync() }
        disk.makeUpForLateWrites()
    }

    func dropCache() {
        if (try? disk.admits(.dropCache(name))) == true { inner.dropCache() }
    }

    func lock(exclusive: Bool) throws(LedgerError) -> Bool { try inner.lock(exclusive: exclusive) }

    func unlock() { inner.unlock() }
}
