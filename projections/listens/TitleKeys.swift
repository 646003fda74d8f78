import JSONText
import Ledger
import Music

/// What follows from texts that come again and again, kept in the one slot that a text's bytes lead to.
///
/// A history names few songs, each many times.
final class Slots<Value> {
    private var slots: [(text: [UInt8], value: Value?)] = []

    /// What was made of a text, or is made of it now.
    func value(of text: Bytes, _ make: () -> Value) -> Value {
        guard let first = text.first else { return make() }
        // A megabyte or two that most catch-ups never need.
        if slots.isEmpty { slots = .init(repeating: ([], nil), count: 1 << 16) }
        var hash = UInt64(text.count)
        for byte in text.suffix(8) { hash = hash << 7 ^ UInt64(byte) }
        hash = (hash ^ UInt64(first) << 53) &* 0x9E37_79B9_7F4A_7C15
        let slot = Int(hash >> 48)
        if let value = slots[slot].value, slots[slot].text.withUnsafeBufferPointer(text.equals) {
            return value
        }
        let value = make()
        slots[slot] = (Array(text), value)
        return value
    }
}

/// The numbers that titles are compared by.
public final class TitleKeys {
    private let slots = Slots<Int64>()

    /// Knows none yet.
    public init() {}

    /// The first 8 bytes of the SHA-256 of a title as it is compared; 0 for none.
    func key(_ title: Bytes) -> Int64 {
        guard !title.isEmpty else { return 0 }
        return slots.value(of: title) {
            SHA256.digest(TitleKey.normalized(title)).bytes.prefix(8).reduce(0) {
                $0 << 8 | Int64($1)
            }
        }
    }
}
