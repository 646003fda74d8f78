/// What the bytes behind the last whole commit are: the table R1–R6 of the format.
enum TailVerdict: Equatable {
    /// A commit that was being written and never acknowledged.
    case torn(rule: String)
    /// Damage, or the loss of something that was acknowledged.
    case refuse(rule: String, reason: String, through: Seq?)
}

enum Recovery {
    /// Judges a tail of the last segment.
    ///
    /// - Parameters:
    ///   - tail: The bytes from the first commit that does not verify to the end of the file.
    ///   - offset: Where the tail begins in the file.
    ///   - seq: The seq that should follow.
    ///   - witnesses: Who remembers more.
    static func judge(_ tail: [UInt8], at offset: Int, expecting seq: Seq, witnesses: [Witness])
        -> TailVerdict
    {
        tail.withUnsafeBytes { bytes in
            if let later = headerBehind(bytes, seq) {
                return .refuse(
                    rule: "R1", reason: "a commit does not verify, and whole ones follow it",
                    through: later - 1)
            }
            if let witness = witnesses.first(where: { $0.checkpoint.seq >= seq }) {
                return .refuse(
                    rule: "R2",
                    reason: "acknowledged events are damaged (\(witness.name) knows them)",
                    through: witness.checkpoint.seq)
            }
            if isShort(bytes, seq) { return .torn(rule: "R3") }
            if bytes.allSatisfy({ $0 == 0 }) { return .torn(rule: "R4") }
            if hasHole(bytes, at: offset) { return .torn(rule: "R5") }
            return .refuse(rule: "R6", reason: "a commit does not verify", through: nil)
        }
    }

    /// The first seq of a valid commit header with a higher seq; each is found by its magic.
    private static func headerBehind(_ bytes: UnsafeRawBufferPointer, _ seq: Seq) -> Seq? {
        let magic: [UInt8] = [0x5E, 0x2A, 0x4D, 0x18]
        guard bytes.count >= Format.headerSize else { return nil }
        for start in 0...bytes.count - Format.headerSize where bytes[start] == magic[0] {
            guard bytes[start + 1] == magic[1], bytes[start + 2] == magic[2],
                let header = Header(.init(rebasing: bytes[start..<start + Format.headerSize]))
            else { continue }
            if header.firstSeq > seq { return header.firstSeq }
        }
        return nil
    }

    private static func isShort(_ bytes: UnsafeRawBufferPointer, _ seq: Seq) -> Bool {
        if bytes.count < Format.headerSize {
            // The first 24 bytes of a header that would follow are known, but for the sealed bit.
            let start = Header(
                kind: Format.commit, firstSeq: seq, timeMS: 0, chain: Digest())
            return bytes.prefix(24).elementsEqual(start.encoded.prefix(min(24, bytes.count)))
                || bytes.allSatisfy { $0 == 0 }
        }
        guard let header = Header(bytes), header.firstSeq == seq, header.kind == Format.commit
        else { return false }
        return bytes.count < Format.headerSize + header.frameSize
    }

    // JSON text has no NUL and a zero match offset is invalid LZ4: no valid frame has such a run.
    private static func hasHole(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        if bytes.count >= 12, bytes.suffix(12).allSatisfy({ $0 == 0 }) { return true }
        // A commit begins with its magic: where its part of the first sector is zero, that was lost.
        if bytes.prefix(512 - offset % 512).allSatisfy({ $0 == 0 }) { return true }
        var run = 0
        for (index, byte) in bytes.enumerated() {
            run = byte == 0 ? run + 1 : 0
            if run >= 32 || (run >= 512 && (offset + index + 1) % 512 == 0) { return true }
        }
        return false
    }
}

extension CommitWalk {
    /// The error of a refused tail.
    func refusal(_ rule: String, _ reason: String, through last: Seq?) -> LedgerError {
        let error = damage("\(reason) (\(rule))", through: last)
        return LedgerError(rule == "R2" ? .dataLost : .damaged, error.message, remedy: error.remedy)
    }
}

extension Checkpoint {
    /// Compares the whole end of the log, or a place on the way, with those who remember one (R0).
    func confront(_ witnesses: [Witness], atEnd: Bool) throws(LedgerError) {
        for witness in witnesses {
            let known = witness.checkpoint
            if known.seq == seq, known.chain != chain {
                throw LedgerError(
                    .otherHistory,
                    "\(witness.name) knows another history at event \(known.seq) (R0)",
                    remedy: witness.remedy)
            }
            if atEnd, known.seq > seq {
                throw LedgerError(
                    .dataLost,
                    "the log ends at event \(seq), but \(witness.name) knows \(known.seq) (R0)",
                    remedy: witness.remedy)
            }
        }
    }
}
