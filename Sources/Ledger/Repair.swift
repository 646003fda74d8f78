extension LedgerWriter {
    /// What was given up.
    public struct Discarded: Sendable {
        /// The first event that is gone; a commit goes whole.
        public let from: Seq
        public let bytes: Int
        /// File names under `quarantine/`.
        public let quarantined: [String]
    }

    /// Cuts the log before an event, on a person's word; the bytes go to quarantine.
    ///
    /// HEAD goes back first: a crash on the way leaves a log that is whole or refuses as before, and the
    /// same call finishes it. Read models past the cut are the caller's to delete, before.
    ///
    /// - Throws: `ledger-damaged` if the log cannot be read up to there.
    public func discard(from seq: Seq, dryRun: Bool) throws(LedgerError) -> Discarded {
        try locked { () throws(LedgerError) in
            let segments = try ledger.segments()
            // In the segment with the event before, behind whose last commit there may be something left.
            let last = segments.lastIndex { $0.firstSeq < seq }
            guard seq >= 1, let index = last ?? segments.firstIndex(where: { $0.firstSeq == seq })
            else {
                throw LedgerError(
                    .damaged, "no segment reaches back to event \(seq)", remedy: "name a later one."
                )
            }
            let segment = segments[index]
            let whole = segments[(index + 1)...]
            let cut = try place(of: seq, in: segment)
            let tail = try SegmentReader(segment.path, disk: ledger.disk).tail(from: cut.offset)
            let tailName = "\(lastComponent(segment.path))-\(cut.offset)-discarded"
            let names = whole.map { lastComponent($0.path) + "-discarded" }
            var bytes = tail.count
            for segment in whole {
                bytes += try SegmentReader(segment.path, disk: ledger.disk).file.size()
            }
            let result = Discarded(
                from: cut.end.seq + 1, bytes: bytes,
                quarantined: (tail.isEmpty ? [] : [tailName]) + names)
            guard !dryRun else { return result }

            let quarantine = ledger.directory + "/quarantine"
            try ledger.disk.makeDirectory(quarantine)
            try ledger.writeHead(cut.end)
            for (segment, name) in zip(whole, names).reversed() {
                try ledger.disk.rename(segment.path, to: quarantine + "/" + name)
                try ledger.disk.syncDirectory(quarantine)
                try ledger.disk.syncDirectory(ledger.directory)
            }
            if !tail.isEmpty { try ledger.disk.replace(quarantine + "/" + tailName, with: tail) }
            if cut.offset == 0 {
                try ledger.disk.remove(segment.path)
            } else if let file = try ledger.disk.open(segment.path, writing: true, creating: false)
            {
                // Also where nothing is left to cut: a call that was broken off may not have got to the sync.
                try file.truncate(to: cut.offset)
                try file.sync()
            }
            try ledger.disk.syncDirectory(ledger.directory)
            return result
        }
    }

    /// Where the commit begins that holds an event, and the log's end if it is cut there.
    private func place(of seq: Seq, in segment: SegmentFile) throws(LedgerError) -> (
        offset: Int, end: Checkpoint
    ) {
        let reader = try SegmentReader(segment.path, disk: ledger.disk)
        guard let header = try reader.segmentHeader() else {
            // Its own header is damaged: the whole file goes, and the log ends where the one before does.
            let before = try ledger.segments().last { $0.firstSeq < segment.firstSeq }
            guard let before else { return (0, ledger.origin) }
            return (0, try place(of: segment.firstSeq, in: before).end)
        }
        var end = Checkpoint(seq: segment.firstSeq - 1, chain: header.chain)
        var offset = Format.firstCommit
        while case .commit(let header, _) = try reader.step(
            at: offset, expecting: end.seq + 1, framed: true), header.lastSeq < seq
        {
            offset += Format.headerSize + header.frameSize
            end = Checkpoint(seq: header.lastSeq, chain: header.chain)
        }
        return (offset, end)
    }
}
