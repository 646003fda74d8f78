private import Glibc

/// What the log needs of a file system; tests put faults behind it.
public protocol Disk: Sendable {
    /// Opens a file; `nil` if there is none and it is not to be made.
    func open(_ path: String, writing: Bool, creating: Bool) throws(LedgerError) -> (any DiskFile)?
    /// Gives a file another name, replacing what had it.
    func rename(_ path: String, to newPath: String) throws(LedgerError)
    /// Removes a file; none there is no error.
    func remove(_ path: String) throws(LedgerError)
    /// The names in a directory, sorted; none if it does not exist.
    func list(_ directory: String) throws(LedgerError) -> [String]
    /// Makes a directory and what is missing above it, private to its owner.
    func makeDirectory(_ path: String) throws(LedgerError)
    /// Makes names that were added to or removed from a directory durable.
    func syncDirectory(_ path: String) throws(LedgerError)
}

/// An open file, closed when nobody holds it any more.
public protocol DiskFile: AnyObject {
    /// The size in bytes.
    func size() throws(LedgerError) -> Int
    /// Reads up to `count` bytes at an offset; fewer only at the end of the file.
    func read(at offset: Int, into buffer: UnsafeMutableRawPointer, count: Int) throws(LedgerError)
        -> Int
    /// Writes all bytes at an offset.
    func write(_ bytes: [UInt8], at offset: Int) throws(LedgerError)
    /// Cuts the file.
    func truncate(to size: Int) throws(LedgerError)
    /// Makes what was written durable.
    func sync() throws(LedgerError)
    /// Asks the system to forget cached pages, so that the next read is from the disk.
    func dropCache()
    /// Takes a `flock` without waiting; false if another holds it.
    func lock(exclusive: Bool) throws(LedgerError) -> Bool
    /// Gives the `flock` back.
    func unlock()
}

extension Disk {
    /// Reads a small file whole; `nil` if there is none.
    public func contents(of path: String, limit: Int = 1 << 20) throws(LedgerError) -> [UInt8]? {
        guard let file = try open(path, writing: false, creating: false) else { return nil }
        return try file.bytes(from: 0, count: min(try file.size(), limit))
    }

    /// Replaces a small file: temporary file, sync, rename, sync of the directory.
    public func replace(_ path: String, with bytes: [UInt8]) throws(LedgerError) {
        let temporary = path + ".tmp"
        try remove(temporary)
        guard let file = try open(temporary, writing: true, creating: true) else { return }
        try file.write(bytes, at: 0)
        try file.sync()
        try rename(temporary, to: path)
        try syncDirectory(parent(of: path))
    }
}

extension DiskFile {
    /// Reads a range, shorter where the file ends.
    public func bytes(from offset: Int, count: Int) throws(LedgerError) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: max(0, count))
        guard !bytes.isEmpty else { return bytes }
        let pointer = UnsafeMutableRawPointer.allocate(byteCount: bytes.count, alignment: 16)
        defer { pointer.deallocate() }
        let got = try read(at: offset, into: pointer, count: bytes.count)
        bytes.withUnsafeMutableBytes { $0.copyMemory(from: .init(start: pointer, count: got)) }
        return Array(bytes.prefix(got))
    }
}

/// The file system of the machine.
public struct SystemDisk: Disk {
    /// The one there is.
    public init() {}

    public func open(
        _ path: String, writing: Bool, creating: Bool
    ) throws(LedgerError) -> (any DiskFile)? {
        let flags = (writing ? O_RDWR : O_RDONLY) | (creating ? O_CREAT : 0) | O_CLOEXEC
        let descriptor = Glibc.open(path, flags, 0o600)
        if descriptor >= 0 { return SystemFile(descriptor, path) }
        if errno == ENOENT && !creating { return nil }
        throw failure("open", path)
    }

    public func rename(_ path: String, to newPath: String) throws(LedgerError) {
        if Glibc.rename(path, newPath) != 0 { throw failure("rename", path) }
    }

    public func remove(_ path: String) throws(LedgerError) {
        if unlink(path) != 0 && errno != ENOENT { throw failure("remove", path) }
    }

    public func list(_ directory: String) throws(LedgerError) -> [String] {
        guard let stream = opendir(directory) else {
            if errno == ENOENT { return [] }
            throw failure("list", directory)
        }
        defer { closedir(stream) }
        var names: [String] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    public func makeDirectory(_ path: String) throws(LedgerError) {
        if mkdir(path, 0o700) != 0 {
            if errno == EEXIST { return }
            guard errno == ENOENT, path.count > 1 else { throw failure("make the directory", path) }
            try makeDirectory(parent(of: path))
            if mkdir(path, 0o700) != 0 && errno != EEXIST {
                throw failure("make the directory", path)
            }
        }
        // The name itself has to last; a directory above may be closed to reading, as /home can be.
        try? syncDirectory(parent(of: path))
    }

    public func syncDirectory(_ path: String) throws(LedgerError) {
        let descriptor = Glibc.open(path.isEmpty ? "." : path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw failure("open", path) }
        defer { close(descriptor) }
        if fsync(descriptor) != 0 { throw failure("sync", path) }
    }
}

private final class SystemFile: DiskFile {
    private let descriptor: Int32
    private let path: String

    init(_ descriptor: Int32, _ path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    deinit { close(descriptor) }

    func size() throws(LedgerError) -> Int {
        var status = stat()
        if fstat(descriptor, &status) != 0 { throw failure("look at", path) }
        return Int(status.st_size)
    }

    func read(
        at offset: Int, into buffer: UnsafeMutableRawPointer, count: Int
    ) throws(LedgerError) -> Int {
        var done = 0
        while done < count {
            let got = pread(descriptor, buffer + done, count - done, off_t(offset + done))
            if got == 0 { break }
            if got > 0 { done += got } else if errno != EINTR { throw failure("read", path) }
        }
        return done
    }

    func write(_ bytes: [UInt8], at offset: Int) throws(LedgerError) {
        var done = 0
        while done < bytes.count {
            let put = bytes.withUnsafeBytes { raw in
                pwrite(
                    descriptor, raw.baseAddress.map { $0 + done }, bytes.count - done,
                    off_t(offset + done))
            }
            if put >= 0 { done += put } else if errno != EINTR { throw failure("write", path) }
        }
    }

    func truncate(to size: Int) throws(LedgerError) {
        if ftruncate(descriptor, off_t(size)) != 0 { throw failure("cut", path) }
    }

    func sync() throws(LedgerError) {
        if fdatasync(descriptor) != 0 { throw failure("sync", path) }
    }

    func dropCache() { _ = posix_fadvise(descriptor, 0, 0, Int32(POSIX_FADV_DONTNEED)) }

    func lock(exclusive: Bool) throws(LedgerError) -> Bool {
        if flock(descriptor, (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB) == 0 { return true }
        if errno == EWOULDBLOCK || errno == EINTR { return false }
        throw failure("lock", path)
    }

    func unlock() { _ = flock(descriptor, LOCK_UN) }
}

/// The directory a path lies in.
func parent(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
}

private func failure(_ verb: String, _ path: String) -> LedgerError {
    let code = errno
    let remedy =
        switch code {
        case ENOSPC, EDQUOT: "free some space and run it again."
        case EROFS, EACCES, EPERM: "make it writable for you, or choose another home with --home."
        default: "look at the disk, then run `narada log verify`."
        }
    return LedgerError(
        .io, "cannot \(verb) \(path): \(String(cString: strerror(code)))", remedy: remedy,
        errno: code)
}
