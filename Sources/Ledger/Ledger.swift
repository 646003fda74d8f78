private import Glibc
private import JSONText

/// A position in the log and the chain there: what a read model has reached.
public struct Checkpoint: Hashable, Sendable, CustomStringConvertible {
    public let seq: Seq
    public let chain: Chain

    /// Names a position.
    public init(seq: Seq, chain: Chain) {
        self.seq = seq
        self.chain = chain
    }

    /// As `narada log head` prints it: `SEQ:HASH`.
    public var description: String { "\(seq):\(chain)" }
}

/// Somebody who remembers how far the log had come: HEAD, or the live read model.
public struct Witness: Hashable, Sendable {
    public let name: String
    public let checkpoint: Checkpoint
    /// What to do when it alone is ahead of the log.
    public let remedy: String

    /// Names a witness.
    public init(name: String, checkpoint: Checkpoint, remedy: String) {
        self.name = name
        self.checkpoint = checkpoint
        self.remedy = remedy
    }
}

/// A ledger directory as its readers and its writer find it.
public struct Ledger: Sendable {
    public let directory: String
    public let disk: any Disk
    /// The chain before the first event: SHA-256 of the bytes of FORMAT.
    public let origin: Checkpoint

    /// Opens a ledger for reading.
    ///
    /// - Throws: ``LedgerError`` `no-ledger` if there is none, `format-unknown` if it is for a newer reader.
    public init(_ directory: String, disk: any Disk = SystemDisk()) throws(LedgerError) {
        guard let format = try disk.contents(of: directory + "/FORMAT") else {
            throw LedgerError(
                .noLedger, "there is no ledger in \(directory)",
                remedy: "make one with `narada-cmd init`, or name the home with --home.")
        }
        let readable = format.withUnsafeBufferPointer { bytes -> Bool in
            guard (try? JSONValidator.check(bytes)) != nil else { return false }
            let value = JSONValue(bytes)
            return value["format"]?.isText("narada-ledger") == true
                && (value["min_reader"]?.integer).map { $0 <= 1 } == true
        }
        guard readable else {
            throw LedgerError(
                .formatUnknown, "\(directory)/FORMAT is not of a ledger that this Narada can read",
                remedy: "take a newer Narada, or bring FORMAT back from a copy.")
        }
        self.directory = directory
        self.disk = disk
        origin = Checkpoint(seq: 0, chain: SHA256.digest(format))
    }

    /// Makes an empty ledger; harmless where there is one.
    ///
    /// - Parameter id: The ledger's own UUID, in text.
    /// - Returns: Whether one was made.
    public static func create(
        _ directory: String, id: String, disk: any Disk = SystemDisk()
    ) throws(LedgerError) -> Bool {
        if try disk.contents(of: directory + "/FORMAT") != nil { return false }
        try disk.makeDirectory(directory)
        // Of two that make one at the same moment, the second takes what the first made.
        let lock = try disk.open(directory + "/LOCK", writing: true, creating: true)
        while try lock?.lock(exclusive: true) == false { usleep(1000) }
        defer { lock?.unlock() }
        if try disk.contents(of: directory + "/FORMAT") != nil { return false }
        guard try disk.list(directory).allSatisfy({ !$0.hasSuffix(".lz4") }) else {
            throw LedgerError(
                .formatUnknown, "\(directory) holds segments but no FORMAT",
                remedy: "bring FORMAT back from a copy; without it the chain cannot be checked.")
        }
        let format: JSON = [
            "format": "narada-ledger", "version": 1, "min_reader": 1, "ledger_id": .text(id),
        ]
        try disk.replace(directory + "/FORMAT", with: format.bytes + [0x0A])
        return true
    }

    /// The segments in order.
    func segments() throws(LedgerError) -> [SegmentFile] {
        try disk.list(directory).compactMap { name in
            guard name.hasSuffix(".lz4"), name.utf8.count == 16, let first = Seq(name.dropLast(4))
            else { return nil }
            return SegmentFile(path: directory + "/" + name, firstSeq: first)
        }
    }

    /// What HEAD remembers; nil if there is none.
    ///
    /// - Throws: `ledger-damaged` if it cannot be read: it is replaced whole, so a crash cannot tear it.
    public func head() throws(LedgerError) -> Witness? {
        guard let bytes = try disk.contents(of: directory + "/HEAD") else { return nil }
        let checkpoint = bytes.withUnsafeBufferPointer { text -> Checkpoint? in
            guard (try? JSONValidator.check(text)) != nil else { return nil }
            let value = JSONValue(text)
            guard let seq = value["seq"]?.integer, let hex = value["chain"]?.text,
                let chain = Digest(hex: hex), seq >= 0, hex == chain.description
            else { return nil }
            return Checkpoint(seq: seq, chain: chain)
        }
        guard let checkpoint else {
            throw LedgerError(
                .damaged, "\(directory)/HEAD cannot be read",
                remedy: "run `narada log verify` after deleting it; the segments hold everything.")
        }
        return Witness(
            name: "HEAD", checkpoint: checkpoint,
            remedy: "bring the missing segments back from a copy, or accept the loss with "
                + "`narada-cmd repair --discard-from SEQ`.")
    }

    func writeHead(_ checkpoint: Checkpoint) throws(LedgerError) {
        let text = "{\"seq\":\(checkpoint.seq),\"chain\":\"\(checkpoint.chain)\"}\n"
        try disk.replace(directory + "/HEAD", with: Array(text.utf8))
    }

    /// Left by a writer whose sync failed, for the next one.
    var suspectPath: String { directory + "/SUSPECT" }

    func hasFailedSync() throws(LedgerError) -> Bool { try disk.contents(of: suspectPath) != nil }

    /// The file that writers and readers put their `flock` on.
    func lockFile(creating: Bool) throws(LedgerError) -> (any DiskFile)? {
        try disk.open(directory + "/LOCK", writing: creating, creating: creating)
    }
}
