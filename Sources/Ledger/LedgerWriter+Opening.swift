internal import JSONText

// How a writer comes to the end of the log: the check, what others appended, recovery.
extension LedgerWriter {
    /// Opens the log the first time, later takes in what others appended; recovers a torn tail.
    func open() throws(LedgerError) -> CommitWalk {
        if let walk, try isUnchanged(walk) { return walk }
        let known = try [ledger.head()].compactMap(\.self)
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
        var step: SegmentReader.Step
        do { step = try pass(walk, witnesses: first ? everyone : known) } catch {
            // What this writer remembers may be of a log that was cut since; the next run looks at it anew.
            throw first || error.code == .io ? error : cut
        }
        if case .broken = step {
            try recover(walk, witnesses: everyone, suspect: suspect)
            step = .end
        }
        try walk.position.confront(first ? everyone : known, atEnd: true)
        if walk.segment == nil || walk.isSealed || suspect { try rotate(walk) }
        if suspect { try ledger.disk.remove(ledger.suspectPath) }
        try takeFile(walk)
        // Who left it like this may have died before it was durable. What was cut would stand again behind or under
        // what is written now, or the new segment have no name.
        try ledger.disk.syncDirectory(ledger.directory)
        if let file { try sync(file, walk) }
        self.walk = walk
        if let event = pending {
            _ = try commit([event], walk)
            pending = nil
        }
        return walk
    }

    /// Whether nobody wrote since this writer's last look: the same active segment, as long as it was, by
    /// its path. After a seal and a repair the file that is open here may have lost its name.
    private func isUnchanged(_ walk: CommitWalk) throws(LedgerError) -> Bool {
        let names = try ledger.disk.list(ledger.directory)
        guard file != nil, walk.offset > Format.firstCommit, let path = walk.segment?.path,
            names.last(where: { $0.hasSuffix(".lz4") }) == lastComponent(path),
            !names.contains("SUSPECT")
        else { return false }
        let now = try SegmentReader(path, disk: ledger.disk)
        guard try now.file.size() == walk.offset else { return false }
        return try walk.stands(in: now)
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
        // The last one is sealed only where a repair took what stood behind it.
        let isLast = try ledger.segments().last == segment
        let isSealed = isLast ? false : try now?.segmentHeader()?.sealed == true
        var stands = isSealed
        if let now, !isSealed { stands = try walk.stands(in: now) }
        guard stands else {
            throw cut
        }
        guard walk.offset == Format.firstCommit else { return }
        try walk.restart(at: segment)
        file = nil
    }

    private var cut: LedgerError {
        LedgerError(
            .conflict, "the log was cut by another program while this one was writing",
            remedy: "run it again on the log as it is now.")
    }

    /// Walks to the end; headers only in finished segments, everything in the active one.
    private func pass(_ walk: CommitWalk, witnesses: [Witness]) throws(LedgerError)
        -> SegmentReader.Step
    {
        let active = try ledger.segments().last
        while true {
            let step = try walk.next(framed: walk.segment == active)
            guard case .commit(let header, let frame) = step else { return step }
            try walk.position.confront(witnesses, atEnd: false)
            guard frame.count > 0 else {
                // The step led into the active segment, whose commits are all read whole.
                if walk.segment == active { walk.back() }
                continue
            }
            try walk.visitLines(header, frame)
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
        guard let segment = walk.segment else { return }
        let tail = try walk.judgeTail(witnesses, suspect: suspect).bytes
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
        try sync(file, walk)
        walk.reader?.refresh()
        notices.append(
            "the log ended in \(tail.count) bytes of a commit that was never finished; "
                + "they are in quarantine/\(name)")
        pending = NewEvent(
            ledger: "ledger.tail_discarded",
            [
                "segment": .text(lastComponent(segment.path)), "offset": JSON(walk.offset),
                "length": JSON(tail.count), "sha256": .text(digest),
            ])
    }

    func takeFile(_ walk: CommitWalk) throws(LedgerError) {
        guard let segment = walk.segment, segment.firstSeq != fileFirstSeq || file == nil else {
            return
        }
        file = try ledger.disk.open(segment.path, writing: true, creating: false)
        fileFirstSeq = segment.firstSeq
    }
}
