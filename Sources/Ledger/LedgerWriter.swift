private import Glibc

/// Appends to a ledger: one writer at a time by `flock(LOCK)`, held only while it appends.
///
/// An append returns when its events are durable. After a failed sync the writer appends no more.
public final class LedgerWriter {
    public let ledger: Ledger
    /// What groups the events of one command.
    public let run: String
    /// What recovery did that a person should know of.
    public private(set) var notices: [String] = []
    /// Whether a segment was finished, so that sealing is worth while.
    public private(set) var hasRotated = false

    private let clock: Clock
    private let lockTimeoutMS: Int
    private let holder: String
    private let witnesses: [Witness]
    private let lock: any DiskFile
    private var walk: CommitWalk?
    private var file: (any DiskFile)?
    private var fileFirstSeq: Seq = 0
    private var headSeq: Seq = 0
    private var commitsSinceHead = 0
    private var clockChecked = false
    private var failed = false

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
        try locked { () throws(LedgerError) in
            let walk = try open()
            try checkStreams(expecting)
            if !clockChecked { try noteClock(walk) }
            clockChecked = true
            return try commit(events, walk)
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

    // MARK: Opening

    /// Opens the log the first time, later takes in what others appended; recovers a torn tail.
    func open() throws(LedgerError) -> CommitWalk {
        if let walk, try isUnchanged(walk) { return walk }
        let known = try (ledger.head()).map { [$0] } ?? []
        headSeq = known.first?.checkpoint.seq ?? 0
        let everyone = known + witnesses
        let suspect = try ledger.hasFailedSync()
        // Before anything is read ahead: what counts is what the disk has.
        if suspect { try dropCache() }
        let walk: CommitWalk
        if let old = self.walk {
            walk = old
            try renew(walk)
        } else {
            walk = try CommitWalk(ledger)
            try clearTemporaries()
        }
        let first = self.walk == nil
        var step = try pass(walk, witnesses: first ? everyone : known)
        if case .broken = step {
            try recover(walk, witnesses: everyone, suspect: suspect)
            step = .end
        }
        try walk.confront(first ? everyone : known, atEnd: true)
        if walk.segment == nil || walk.isSealed || suspect { try rotate(walk) }
        if suspect { try ledger.disk.remove(ledger.suspectPath) }
        try takeFile(walk)
        self.walk = walk
        if let event = pending {
            pending = nil
            _ = try commit([event], walk)
        }
        return walk
    }
    private var pending: NewEvent?

    /// Whether nobody wrote since this writer's last look: the same active segment, as long as it was.
    private func isUnchanged(_ walk: CommitWalk) throws(LedgerError) -> Bool {
        guard let file, walk.offset > Format.firstCommit, try file.size() == walk.offset else {
            return false
        }
        let names = try ledger.disk.list(ledger.directory)
        return names.last { $0.hasSuffix(".lz4") } == walk.segment.map { lastComponent($0.path) }
            && !names.contains("SUSPECT")
    }

    private func dropCache() throws(LedgerError) {
        guard let active = try ledger.segments().last else { return }
        try ledger.disk.open(active.path, writing: false, creating: false)?.dropCache()
    }

    /// Forgets what was read ahead, and opens an empty segment again: after a failed sync on its first
    /// commit another writer begins it anew under the same name.
    private func renew(_ walk: CommitWalk) throws(LedgerError) {
        walk.reader?.refresh()
        guard let segment = walk.segment else { return }
        // Sealing makes a finished segment smaller and keeps its events; a repair takes some away.
        let now =
            try ledger.segments().contains(segment)
            ? SegmentReader(segment.path, disk: ledger.disk) : nil
        let size = try now?.file.size() ?? 0
        let isSealed = try now?.segmentHeader()?.sealed == true
        guard isSealed || (now != nil && size >= walk.offset) else {
            throw LedgerError(
                .conflict, "the log was cut by another program while this one was writing",
                remedy: "run it again on the log as it is now.")
        }
        guard walk.offset == Format.firstCommit else { return }
        try walk.restart(at: segment)
        file = nil
    }

    /// Walks to the end; headers only in finished segments, everything in the active one.
    private func pass(_ walk: CommitWalk, witnesses: [Witness]) throws(LedgerError)
        -> SegmentReader.Step
    {
        let active = try ledger.segments().last
        let decoder = FrameDecoder()
        var buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 16, alignment: 16)
        defer { buffer.deallocate() }
        while true {
            let step = try walk.next(framed: walk.segment == active)
            guard case .commit(let header, let frame) = step else { return step }
            try walk.confront(witnesses, atEnd: false)
            guard frame.count > 0 else {
                // The step led into the active segment, whose commits are all read whole.
                if walk.segment == active { walk.back() }
                continue
            }
            if buffer.count < header.rawSize {
                buffer.deallocate()
                buffer = .allocate(byteCount: header.rawSize, alignment: 16)
            }
            try walk.decode(header, frame, with: decoder, into: buffer, chained: true) {
                (_, _, _) throws(LedgerError) in
            }
        }
    }

    /// A leftover of a rotation, of sealing or of HEAD is of no use to anybody.
    private func clearTemporaries() throws(LedgerError) {
        for name in try ledger.disk.list(ledger.directory) where name.hasSuffix(".tmp") {
            try ledger.disk.remove(ledger.directory + "/" + name)
        }
    }

    /// Moves a torn tail to quarantine and notes it, or refuses.
    private func recover(_ walk: CommitWalk, witnesses: [Witness], suspect: Bool)
        throws(LedgerError)
    {
        guard let reader = walk.reader, let segment = walk.segment else { return }
        let tail = try reader.tail(from: walk.offset)
        let verdict = Recovery.judge(
            tail, at: walk.offset, expecting: walk.position.seq + 1, witnesses: witnesses)
        switch verdict {
        // What a failed sync left behind was never acknowledged, whatever it looks like.
        case .refuse("R6", _, _) where suspect: break
        case .refuse(let rule, let reason, let last):
            throw walk.refusal(rule, reason, through: last)
        case .torn: break
        }
        let digest = SHA256.digest(tail).description
        let directory = ledger.directory + "/quarantine"
        let name = "\(lastComponent(segment.path))-\(walk.offset)-\(digest.prefix(16))"
        try ledger.disk.makeDirectory(directory)
        try ledger.disk.replace(directory + "/" + name, with: tail)
        try ledger.disk.syncDirectory(ledger.directory)
        guard let file = try ledger.disk.open(segment.path, writing: true, creating: false) else {
            return
        }
        try file.truncate(to: walk.offset)
        try sync(file, segment.path)
        reader.refresh()
        notices.append(
            "the log ended in \(tail.count) bytes of a commit that was never finished; "
                + "they are in quarantine/\(name)")
        let data =
            "{\"segment\":\"\(lastComponent(segment.path))\",\"offset\":\(walk.offset),"
            + "\"length\":\(tail.count),\"sha256\":\"\(digest)\"}"
        pending = NewEvent(
            type: "ledger.tail_discarded", stream: StreamName(fixed: "ledger"),
            data: Array(data.utf8))
    }

    private func takeFile(_ walk: CommitWalk) throws(LedgerError) {
        guard let segment = walk.segment, segment.firstSeq != fileFirstSeq || file == nil else {
            return
        }
        file = try ledger.disk.open(segment.path, writing: true, creating: false)
        fileFirstSeq = segment.firstSeq
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
        let data =
            "{\"clock\":\"\(ISOTime.text(now))\",\"last_at\":\"\(ISOTime.text(walk.timeMS))\"}"
        _ = try commit(
            [
                NewEvent(
                    type: "ledger.clock_behind", stream: StreamName(fixed: "ledger"),
                    data: Array(data.utf8))
            ], walk)
    }

    private func commit(_ events: [NewEvent], _ walk: CommitWalk) throws(LedgerError)
        -> ClosedRange<Seq>
    {
        precondition(!events.isEmpty, "a commit has at least one event")
        try prepare(walk)
        let first = walk.position.seq + 1
        let timeMS = max(clock.now, walk.timeMS)
        var lines: [UInt8] = []
        var chain = walk.position.chain
        let at = Array(ISOTime.text(timeMS).utf8)
        let runBytes = Array(run.utf8)
        for (index, event) in events.enumerated() {
            precondition(isOneLine(event.data), "an event's data stands on one line")
            let start = lines.count
            event.appendLine(to: &lines, seq: first + Seq(index), at: at, run: runBytes)
            guard lines.count - start <= Format.maxEvent, lines.count <= Format.maxCommit else {
                throw LedgerError(
                    .tooLarge, "an event of more than 16 MB or a commit of more than 64 MB",
                    remedy: "append it in smaller parts.")
            }
            chain = lines.withUnsafeBytes { chain.extended(by: .init(rebasing: $0[start...])) }
        }
        let frame = lines.withUnsafeBytes { Frame.compress($0, sealed: false) }
        let header = Header(
            commitAt: first, events: events.count, rawSize: lines.count, frame: frame,
            timeMS: timeMS,
            chain: chain, sealed: false)
        try write(header.encoded + frame, walk)
        walk.stand(
            at: walk.offset + Format.headerSize + frame.count,
            Checkpoint(seq: header.lastSeq, chain: chain), timeMS: timeMS)
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

    private func isOneLine(_ data: [UInt8]) -> Bool {
        data.withUnsafeBytes { bytes in
            bytes.baseAddress.map { memchr($0, 0x0A, bytes.count) == nil } ?? true
        }
    }

    /// One write, one sync; an interrupt waits until both are done.
    private func write(_ bytes: [UInt8], _ walk: CommitWalk) throws(LedgerError) {
        guard let file, let path = walk.segment?.path else { return }
        var interrupts = sigset_t()
        var before = sigset_t()
        sigemptyset(&interrupts)
        sigaddset(&interrupts, SIGINT)
        pthread_sigmask(SIG_BLOCK, &interrupts, &before)
        defer { pthread_sigmask(SIG_SETMASK, &before, nil) }
        do {
            try file.write(bytes, at: walk.offset)
        } catch {
            // Nothing was acknowledged: the log ends where it ended before.
            try file.truncate(to: walk.offset)
            try sync(file, path)
            throw error
        }
        try sync(file, path)
    }

    /// Makes a segment durable; where that fails, the file is under suspicion.
    private func sync(_ file: any DiskFile, _ path: String) throws(LedgerError) {
        do {
            try file.sync()
        } catch {
            // After a failed sync the cache may show what the disk does not have: another try would lie.
            failed = true
            try? ledger.disk.replace(ledger.suspectPath, with: Array(path.utf8))
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
        let header = Header(segmentAt: first, timeMS: walk.timeMS, chain: walk.position.chain)
        let path = ledger.directory + "/" + SegmentFile.name(first)
        try ledger.disk.replace(path, with: Format.emptyFrame + header.encoded)
        file = nil
        try walk.restart(at: SegmentFile(path: path, firstSeq: first))
    }
}
