private import CCrypto

/// SHA-256 (FIPS 180-4), fed piece by piece.
public struct SHA256 {
    private var context = SHA256_CTX()

    /// Starts with nothing.
    public init() { SHA256_Init(&context) }

    /// Takes in more bytes.
    public mutating func update(_ bytes: UnsafeRawBufferPointer) {
        SHA256_Update(&context, bytes.baseAddress, bytes.count)
    }

    /// Gives the 32 bytes.
    public mutating func finish() -> Digest {
        var digest = Digest()
        withUnsafeMutableBytes(of: &digest.words) {
            _ = SHA256_Final($0.bindMemory(to: UInt8.self).baseAddress, &context)
        }
        return digest
    }

    /// The digest of one piece.
    public static func digest(_ bytes: UnsafeRawBufferPointer) -> Digest {
        var hash = SHA256()
        hash.update(bytes)
        return hash.finish()
    }

    /// The digest of an array.
    public static func digest(_ bytes: [UInt8]) -> Digest { bytes.withUnsafeBytes { digest($0) } }
}

/// Thirty-two bytes of SHA-256.
public struct Digest: Hashable, Sendable, CustomStringConvertible {
    /// The bytes in memory order, as four words.
    public var words = SIMD4<UInt64>.zero

    init() {}

    /// Takes 32 bytes at a place in memory.
    public init(_ bytes: UnsafeRawBufferPointer) {
        precondition(bytes.count == 32, "a digest has 32 bytes")
        withUnsafeMutableBytes(of: &words) { $0.copyMemory(from: bytes) }
    }

    /// Reads 64 hexadecimal digits; nil for anything else.
    public init?(hex: some StringProtocol) {
        let digits = hex.utf8.compactMap { Character(Unicode.Scalar($0)).hexDigitValue }
        guard digits.count == 64, hex.utf8.count == 64 else { return nil }
        withUnsafeMutableBytes(of: &words) { bytes in
            for index in 0..<32 {
                bytes[index] = UInt8(digits[2 * index] << 4 | digits[2 * index + 1])
            }
        }
    }

    /// The bytes as an array.
    public var bytes: [UInt8] { withUnsafeBytes(of: words) { Array($0) } }

    /// The first bytes as a little-endian number: how headers keep a sum.
    public var prefix: UInt64 { UInt64(littleEndian: words[0]) }

    /// 64 lower-case hexadecimal digits.
    public var description: String { bytes.hex }
}

extension Sequence where Element == UInt8 {
    /// The bytes as lower-case hexadecimal digits.
    public var hex: String {
        let digits = Array("0123456789abcdef".utf8)
        return String(
            decoding: flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}

/// The running hash over the uncompressed lines: `chain_n = SHA-256(chain_{n-1} ‖ line_n ‖ "\n")`.
public typealias Chain = Digest

extension Digest {
    /// The chain after one more line, its newline included.
    func extended(by line: UnsafeRawBufferPointer) -> Chain {
        var hash = SHA256()
        withUnsafeBytes(of: words) { hash.update($0) }
        hash.update(line)
        return hash.finish()
    }
}
