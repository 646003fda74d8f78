extension CommitWalk {
    /// Judges what stands behind the last whole commit of the last segment: the table R1–R6 of the format.
    ///
    /// - Parameters:
    ///   - witnesses: Who remembers more.
    ///   - suspect: Whether a sync failed: what it left behind was never acknowledged, whatever it looks like.
    /// - Returns: The bytes of a commit that was never acknowledged, and the rule that says so; none for
    ///   what a failed sync left.
    /// - Throws: Damage, or the loss of something that was acknowledged.
    func judgeTail(_ witnesses: [Witness], suspect: Bool) throws(LedgerError) -> (
        bytes: [UInt8], rule: String?
    ) {
        let bytes = try reader?.tail(from: offset) ?? []
        let seq = position.seq + 1
        if let later = bytes.withUnsafeBytes({ Recovery.headerBehind($0, seq) }) {
            throw damage(
                "a commit does not verify, and whole ones follow it (R1)", through: later - 1)
        }
        if let witness = witnesses.first(where: { $0.checkpoint.seq >= seq }) {
            throw damage(
                "acknowledged events are damaged (\(witness.name) knows them) (R2)",
                through: witness.checkpoint.seq, .dataLost)
        }
        let rule = bytes.withUnsafeBytes { Recovery.tearing($0, at: offset, seq) }
        guard rule != nil || suspect else { throw damage("a commit does not verify (R6)") }
        return (bytes, rule)
    }
}

private enum Recovery {
    /// The rule by which a tail is torn.
    static func tearing(_ bytes: UnsafeRawBufferPointer, at offset: Int, _ seq: Seq) -> String? {
        if isShort(bytes, seq) { return "R3" }
        if bytes.allSatisfy({ $0 == 0 }) { return "R4" }
        return hasHole(bytes, at: offset) ? "R5" : nil
    }

    /// The first seq of a valid commit header with a higher seq; each is found by its magic.
    static func headerBehind(_ bytes: UnsafeRawBufferPointer, _ seq: Seq) -> Seq? {
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
            let start = Header(kind: Format.commit, firstSeq: seq, timeMS: 0, chain: Digest())
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
        return bytes.contains { byte in
            run = byte == 0 ? run + 1 : 0
            return run >= 32
        }
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
