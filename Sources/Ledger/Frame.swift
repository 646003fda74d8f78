private import CLZ4

/// One standard LZ4 frame: content checksum and size on, 64 KB blocks.
enum Frame {
    /// Compresses lines.
    ///
    /// - Parameter sealed: Linked blocks and high compression instead of independent fast ones.
    static func compress(_ raw: UnsafeRawBufferPointer, sealed: Bool) -> [UInt8] {
        var preferences = LZ4F_preferences_t()
        preferences.frameInfo.blockSizeID = LZ4F_max64KB
        preferences.frameInfo.blockMode = sealed ? LZ4F_blockLinked : LZ4F_blockIndependent
        preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled
        preferences.frameInfo.contentSize = UInt64(raw.count)
        preferences.compressionLevel = sealed ? 4 : 0
        let bound = LZ4F_compressFrameBound(raw.count, &preferences)
        return [UInt8](unsafeUninitializedCapacity: bound) { buffer, count in
            count = LZ4F_compressFrame(
                buffer.baseAddress, bound, raw.baseAddress, raw.count, &preferences)
            precondition(LZ4F_isError(count) == 0, "the bound was made for these preferences")
        }
    }
}

extension Frame {
    /// Decompresses as much of a damaged frame as gives way; nothing of it may be believed.
    ///
    /// Block by block, and within a block to where its tokens stop making sense.
    static func salvage(_ frame: UnsafeRawBufferPointer) -> [UInt8] {
        let block = 64 << 10
        var output = [UInt8](repeating: 0, count: 16 * block)
        var made = 0
        var at = 15  // Magic, flags, block size, content size, header checksum: as Narada writes them.
        while at + 4 < frame.count, made + block <= output.count {
            let word = frame.loadUnaligned(fromByteOffset: at, as: UInt32.self).littleEndian
            let size = min(Int(word & 0x7FFF_FFFF), frame.count - at - 4)
            guard size > 0, word >> 31 == 0 else { break }
            let got = output.withUnsafeMutableBytes { place -> Int32 in
                let source = frame.bindMemory(to: CChar.self).baseAddress.map { $0 + at + 4 }
                guard let base = place.bindMemory(to: CChar.self).baseAddress else { return -1 }
                let known = min(made, block)
                return LZ4_decompress_safe_usingDict(
                    source, base + made, Int32(size), Int32(block), base + made - known,
                    Int32(known))
            }
            guard got > 0 else { break }
            made += Int(got)
            at += 4 + size
        }
        // Behind a block that failed stands what it gave before, and then zeros.
        return Array(output[..<made]) + output[made...].prefix { $0 != 0 }
    }
}

/// Decompresses frames one after the other.
final class FrameDecoder {
    private var context: OpaquePointer?

    init() {
        let made = LZ4F_createDecompressionContext(&context, UInt32(LZ4F_VERSION))
        precondition(LZ4F_isError(made) == 0, "no memory for a decompressor")
    }

    deinit { LZ4F_freeDecompressionContext(context) }

    /// Decompresses one frame into a place that is just large enough.
    ///
    /// - Returns: False if the frame is not whole and sound, or does not give just this many bytes.
    func decode(_ frame: UnsafeRawBufferPointer, into output: UnsafeMutableRawBufferPointer) -> Bool
    {
        LZ4F_resetDecompressionContext(context)
        var options = LZ4F_decompressOptions_t()
        options.stableDst = 1
        var consumed = 0
        var produced = 0
        while true {
            var source = frame.count - consumed
            var target = output.count - produced
            let hint = LZ4F_decompress(
                context, output.baseAddress.map { $0 + produced }, &target,
                frame.baseAddress.map { $0 + consumed }, &source, &options)
            guard LZ4F_isError(hint) == 0 else { return false }
            consumed += source
            produced += target
            if hint == 0 { return consumed == frame.count && produced == output.count }
            if source == 0 && target == 0 { return false }
        }
    }
}
