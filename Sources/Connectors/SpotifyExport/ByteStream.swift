private import CZip
private import Glibc

/// Bytes that come one after the other.
public protocol ByteStream: AnyObject {
    /// Reads up to the buffer's size; 0 at the end.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws(ExportError) -> Int
}

/// A file of the machine.
final class FileStream: ByteStream {
    private let descriptor: Int32
    private let path: String

    init(_ path: String) throws(ExportError) {
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        self.path = path
        if descriptor < 0 { throw Self.failure(path) }
    }

    deinit { close(descriptor) }

    func read(into buffer: UnsafeMutableRawBufferPointer) throws(ExportError) -> Int {
        while true {
            let got = Glibc.read(descriptor, buffer.baseAddress, buffer.count)
            if got >= 0 { return got }
            if errno != EINTR { throw Self.failure(path) }
        }
    }

    static func failure(_ path: String) -> ExportError {
        let isMissing = errno == ENOENT || errno == ENOTDIR
        return ExportError(
            isMissing ? .missing : .unreadable,
            "cannot read \(path): \(String(cString: strerror(errno)))",
            remedy: isMissing ? "check the path." : "check its permissions and the disk.")
    }
}

/// A ZIP archive that is read member by member; nothing is ever written where a member's name says.
///
/// Bounds: `design.md` §7. What a header claims is checked before, what comes out while it comes.
final class ZipArchive {
    private static let maxMembers = 10_000
    private static let maxMember = 2 << 30
    private static let maxRatio = 200

    private let archive: OpaquePointer
    private let label: String

    /// Opens the archive at a path, or takes over the open descriptor of one that has a label only.
    init(_ label: String, descriptor: Int32? = nil) throws(ExportError) {
        var code: Int32 = 0
        let opened =
            descriptor.map { zip_fdopen($0, 0, &code) } ?? zip_open(label, ZIP_RDONLY, &code)
        guard let opened else {
            if let descriptor { close(descriptor) }
            throw Self.damaged(label, code)
        }
        archive = opened
        self.label = label
        if zip_get_num_entries(archive, 0) > Self.maxMembers {
            throw bound("more than \(Self.maxMembers) members")
        }
    }

    deinit { zip_discard(archive) }

    /// The members' names with their numbers, in order of the names.
    var members: [(name: String, index: UInt64)] {
        (0..<UInt64(max(0, zip_get_num_entries(archive, 0)))).compactMap { index in
            zip_get_name(archive, index, 0).map { (String(cString: $0), index) }
        }.sorted { $0.0.utf8.lexicographicallyPrecedes($1.0.utf8) }
    }

    /// Opens a member for reading.
    func open(_ index: UInt64) throws(ExportError) -> any ByteStream {
        var status = zip_stat_t()
        zip_stat_init(&status)
        guard zip_stat_index(archive, index, 0, &status) == 0,
            let member = zip_fopen_index(archive, index, 0)
        else { throw malformed(String(cString: zip_strerror(archive))) }
        if status.size > Self.maxMember { throw bound("a member of more than 2 GB") }
        let limit = min(Self.maxMember, max(Int(status.comp_size), 4096) * Self.maxRatio)
        if status.size > limit {
            throw bound("a member that grows more than \(Self.maxRatio)-fold")
        }
        return Member(member, self, limit: limit)
    }

    /// A member that is an archive itself, through a temporary file that has no name.
    func nested(_ index: UInt64, label: String) throws(ExportError) -> ZipArchive {
        let stream = try open(index)
        let place = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        var template = Array((place + "/narada-XXXXXX").utf8CString)
        let descriptor = mkstemp(&template)
        guard descriptor >= 0 else { throw FileStream.failure("a temporary file") }
        unlink(template)
        let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let got = try stream.read(into: buffer)
            if got == 0 { break }
            if write(descriptor, buffer.baseAddress, got) != got {
                throw FileStream.failure("a temporary file")
            }
        }
        lseek(descriptor, 0, SEEK_SET)
        return try ZipArchive(label, descriptor: descriptor)
    }

    private final class Member: ByteStream {
        private let member: OpaquePointer
        private let archive: ZipArchive
        private var left: Int

        init(_ member: OpaquePointer, _ archive: ZipArchive, limit: Int) {
            self.member = member
            self.archive = archive
            left = limit
        }

        deinit { zip_fclose(member) }

        func read(into buffer: UnsafeMutableRawBufferPointer) throws(ExportError) -> Int {
            let got = Int(zip_fread(member, buffer.baseAddress, UInt64(buffer.count)))
            if got < 0 { throw archive.malformed("a member is damaged or encrypted") }
            left -= got
            if left < 0 { throw archive.bound("a member that is larger than it may be") }
            return got
        }
    }

    private func malformed(_ reason: String) -> ExportError {
        Self.refusal("\(label) cannot be unpacked: \(reason)")
    }

    private func bound(_ what: String) -> ExportError { malformed("it has \(what)") }

    private static func damaged(_ path: String, _ code: Int32) -> ExportError {
        var error = zip_error_t()
        zip_error_init_with_code(&error, code)
        defer { zip_error_fini(&error) }
        let reason = String(cString: zip_error_strerror(&error))
        return refusal("\(path) is not a whole ZIP archive: \(reason)")
    }

    private static func refusal(_ message: String) -> ExportError {
        ExportError(
            .malformed, message, remedy: "download it again; nothing was imported.")
    }
}
