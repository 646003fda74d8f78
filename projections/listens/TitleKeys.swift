import JSONText
import Ledger
import Music

/// The numbers that titles are compared by, each computed once for as long as it is asked for.
public final class TitleKeys {
    private var slots = [(text: [UInt8], key: Int64)](repeating: ([], 0), count: 1 << 16)

    /// Knows none yet.
    public init() {}

    /// The first 8 bytes of the SHA-256 of a title as it is compared.
    ///
    /// A history names few titles again and again: each is looked up in the one slot that its bytes lead to.
    func key(_ title: Bytes) -> Int64 {
        guard let first = title.first else { return 0 }
        var hash = UInt64(title.count)
        for byte in title.suffix(8) { hash = hash << 7 ^ UInt64(byte) }
        hash = (hash ^ UInt64(first) << 53) &* 0x9E37_79B9_7F4A_7C15
        let slot = Int(hash >> 48)
        if slots[slot].text.withUnsafeBufferPointer(title.equals) { return slots[slot].key }
        let key = SHA256.digest(TitleKey.normalized(title)).bytes.prefix(8).reduce(0) {
            $0 << 8 | Int64($1)
        }
        slots[slot] = (Array(title), key)
        return key
    }
}
