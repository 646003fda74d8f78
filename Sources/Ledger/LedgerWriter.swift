private import Glibc
internal import JSONText

/// Appends to a ledger: one writer at a time by `flock(LOCK)`, held only while it appends.
///
/// An append returns when its events are durable. After a failed sync the writer appends no more.
public final class LedgerWriter {
    public let ledger: Ledger
    /// What groups the events of one command.
    public let run: String
    /// What recovery did that a person should know of.
    public internal(set) var notices: [String] = []
    /// Whether a segment was finished, so that sealing is worth while.
    public private(set) var hasRotated = false

    private let clock: Clock
    private let lockTimeoutMS: Int
    private let holder: String
    let witnesses: [Witness]
    private let lock: any DiskFile
    var walk: CommitWalk?
    var file: (any DiskFile)?
    var fileFirstSeq: Seq = 0
    var headSeq: Seq = 0
    private var commitsSinceHead = 0
    private var clockChecked = false
    private var failed = false
    /// What recovery has to tell, appended before anything else.
    var pending: NewEvent?

    /// Prepares to append; the log itself is opened and checked under the lock of the first append.
    ///
    /// - Parameters:
    ///   - run: The ULID of this command.
    ///   - lockTimeoutMS: How long to wait for another writer.
    ///   - holder: What another process reads about this one while it waits, without secrets.
    ///   - witnesses: Who besides HEAD remembers how far the log had come.
    public init(
        _ ledger: Ledger, run: String, clock: Clock = Clock(), lockTimeoutMS: Int = 10_000,
        holder: String = "narada", witnesses: [Witness] = []
    ) throws(LedgerError) {
        self.ledger = ledger
        self.run = run
        self.clock = clock
        self.lockTimeoutMS = lockTimeoutMS
        self.holder = holder
        self.witnesses = witnesses
        guard let lock = try ledger.lockFile(creating: true) else {
            throw LedgerError(.io, "cannot make LOCK", remedy: "make the home writable.")
        }
        self.lock = lock
    }

    /// Appends events as one commit, durable when this returns.
    ///
    /// - Parameters:
    ///   - events: At least one; each up to 16 MB, all up to 64 MB.
    ///   - expecting: Streams a decision stood on, with the seq of the whole log at which it was read;
    ///     none of them may have got an event since.
    /// - Returns: The seqs given.
    /// - Throws: `stream-changed`, `ledger-busy`, `too-large`, damage found on opening, `io-error`.
    @discardableResult
    public func append(
        _ events: [NewEvent], expecting: [StreamName: Seq] = [:]
    ) throws(LedgerError) -> ClosedRange<Seq> {
        try append(expecting: expecting) { _ in events }
    }

    /// Appends events that name each other by seq, all or none, durable when it returns.
    ///
    /// - Parameter events: Gives them, told the seq that the first one will have.
    @discardableResult
    public func append(
        expecting: [StreamName: Seq], _ events: (Seq) -> [NewEvent]
    ) throws(LedgerError) -> ClosedRange<Seq> {
        try locked { () throws(LedgerError) in
            let walk = try open()
            try checkStreams(expecting)
            if !clockChecked { try noteClock(walk) }
            clockChecked = true
            return try commit(events(walk.position.seq + 1), walk)
        }
    }

    /// The end of the log, everything that others appended taken in.
    public func refresh() throws(LedgerError) -> Checkpoint {
        try locked { () throws(LedgerError) in try open().position }
    }

    /// Writes HEAD. A writer that is never closed costs the log nothing but a younger witness.
    public func close() throws(LedgerError) {
        guard !failed, commitsSinceHead > 0, walk != nil else { return }
        try locked { () throws(LedgerError) in try writeHead(try open()) }
    }

    /// Does something while this writer alone has the log.
    func locked<R>(_ body: () throws(LedgerError) -> R) throws(LedgerError) -> R {
        guard !failed else {
            throw LedgerError(
                .io, "an earlier write of this run could not be made durable",
                remedy: "look at the disk, then run it again.")
        }
        var waitedMS = 0
        while try !lock.lock(exclusive: true) {
            guard waitedMS < lockTimeoutMS else { throw busy() }
            usleep(10_000)
            waitedMS += 10
        }
        defer { lock.unlock() }
        // Who waits can say for whom; the text is a courtesy and need not be durable.
        let text = Array("pid \(getpid()): \(holder)\n".utf8)
        if try lock.bytes(from: 0, count: text.count + 1) != text {
            try lock.truncate(to: 0)
            try lock.write(text, at: 0)
        }
        return try body()
    }

    private func busy() -> LedgerError {
        let text = (try? lock.bytes(from: 0, count: 300)).map {
            String(decoding: $0, as: UTF8.self)
        }
        let name = text?.split(separator: "\n").first.map { " (\($0))" } ?? ""
        return LedgerError(
            .busy, "another program is writing to this ledger\(name)",
            remedy: "run it again when that one has finished, or wait longer with --lock-timeout.")
    }

    // MARK: Appending

    private func checkStreams(_ expecting: [StreamName: Seq]) throws(LedgerError) {
        guard let walk, let oldest = expecting.values.min(), oldest < walk.position.seq else {
            return
        }
        let cursor = try LedgerCursor(ledger, after: oldest, chained: false)
        while let batch = try cursor.next() {
            for index in 0..<batch.count {
                guard let line = EventLine(batch[index]), let name = StreamName(line.streamName),
                    let seen = expecting[name], line.seq > seen
                else { continue }
                throw LedgerError(
                    .conflict, "event \(line.seq) changed \(name) since it was read at \(seen)",
                    remedy: "look again and decide again.")
            }
        }
    }

    private func noteClock(_ walk: CommitWalk) throws(LedgerError) {
        let now = clock.now
        guard now < walk.timeMS - 1000 else { return }
        let data: JSON = [
            "clock": .text(ISOTime.text(now)), "last_at": .text(ISOTime.text(walk.timeMS)),
        ]
        _ = try commit([NewEvent(ledger: "ledger.clock_behind", data)], walk)
    }

    func commit(_ events: [NewEvent], _ walk: CommitWalk) throws(LedgerError) -> ClosedRange<Seq> {
        precondition(!events.isEmpty, "a commit has at least one event")
        try prepare(walk)
        let first = walk.position.seq + 1
        let timeMS = max(clock.now, walk.timeMS)
        var lines: [UInt8] = []
        var chain = walk.position.chain
        let at = Array(ISOTime.text(timeMS).utf8)
        let runBytes = Array(run.utf8)
        for (index, event) in events.enumerated() {
            precondition(!event.data.contains(0x0A), "an event's data stands on one line")
            let start = lines.count
            event.appendLine(to: &lines, seq: first + Seq(index), at: at, run: runBytes)
            guard lines.count - start <= Format.maxEvent, lines.count <= Format.maxCommit else {
                throw LedgerError(
                    .tooLarge, "an event of more than 16 MB or a commit of more than 64 MB",
                    remedy: "append it in smaller parts.")
            }
            chain = lines.withUnsafeBytes { chain.extended(by: .init(rebasing: $0[start...])) }
        }
        let (header, bytes) = Header.commit(
            lines, at: first, events: events.count, timeMS: timeMS, chain: chain, sealed: false)
        try write(bytes, walk)
        walk.stand(
            at: walk.offset + bytes.count, Checkpoint(seq: header.lastSeq, chain: chain),
            timeMS: timeMS)
        commitsSinceHead += 1
        return first...header.lastSeq
    }

    /// Does what is due before a commit and not behind it: what is durable is acknowledged, whatever
    /// fails next.
    private func prepare(_ walk: CommitWalk) throws(LedgerError) {
        if commitsSinceHead >= Format.headEvery { try writeHead(walk) }
        guard walk.offset >= Format.rotateAt else { return }
        try rotate(walk)
        hasRotated = true
        try takeFile(walk)
    }

    /// One write, one sync; an interrupt waits until both are done.
    private func write(_ bytes: [UInt8], _ walk: CommitWalk) throws(LedgerError) {
        guard let file else { return }
        var interrupts = sigset_t()
        var before = sigset_t()
        sigemptyset(&interrupts)
        sigaddset(&interrupts, SIGINT)
        pthread_sigmask(SIG_BLOCK, &interrupts, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        do { try file.write(bytes, at: walk.offset) } catch {
            // Nothing was acknowledged: the log ends where it ended before.
            try file.truncate(to: walk.offset)
            try sync(file, walk)
            throw error
        }
        try sync(file, walk)
    }

    /// Makes a segment durable; where that fails, the file is under suspicion.
    func sync(_ file: any DiskFile, _ walk: CommitWalk) throws(LedgerError) {
        do { try file.sync() } catch {
            // After a failed sync the cache may show what the disk does not have: another try would lie.
            failed = true
            let path = Array((walk.segment?.path ?? "").utf8)
            do { try ledger.disk.replace(ledger.suspectPath, with: path) } catch {
                // Nobody will know of it: the next writer must at least not build on these bytes.
                try? file.truncate(to: walk.offset)
            }
            throw error
        }
    }

    private func writeHead(_ walk: CommitWalk) throws(LedgerError) {
        commitsSinceHead = 0
        guard walk.position.seq > headSeq else { return }
        try ledger.writeHead(walk.position)
        headSeq = walk.position.seq
    }

    /// Begins a new segment behind the last commit; the walk goes over to it.
    func rotate(_ walk: CommitWalk) throws(LedgerError) {
        let first = walk.position.seq + 1
        let header = Header(
            kind: Format.segment, firstSeq: first, timeMS: walk.timeMS, chain: walk.position.chain)
        let path = ledger.directory + "/" + SegmentFile.name(first)
        try ledger.disk.replace(path, with: Format.emptyFrame + header.encoded)
        file = nil
        try walk.restart(at: SegmentFile(path: path, firstSeq: first))
    }
}
