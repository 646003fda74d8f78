@_spi(_Unicode) private import Swift

/// What titles of one song are compared by, whatever channel spelt them.
public enum TitleKey {
    /// A title in lower case without diacritics, its words apart by single spaces.
    ///
    /// White space and punctuation part words; full-width letters are as others. A title of nothing but
    /// punctuation stays what it is. See `docs/decisions/0008-title-keys.md` for where the rules come from.
    public static func normalized(_ title: UnsafeBufferPointer<UInt8>) -> [UInt8] {
        var words = Words(capacity: title.count)
        if title.allSatisfy({ $0 < 0x80 }) {
            for byte in title { words.append(ascii: byte) }
        } else {
            // Upper case first: it takes ß apart, and the two small sigmas become one.
            let folded = String(decoding: title, as: UTF8.self).uppercased().lowercased()
            for scalar in folded._nfd { words.append(scalar) }
        }
        return words.isEmpty ? Array(title) : words.bytes
    }
}

/// Words that are put together letter by letter.
private struct Words {
    private(set) var bytes: [UInt8] = []
    private var isBetween = false

    var isEmpty: Bool { bytes.isEmpty }

    init(capacity: Int) { bytes.reserveCapacity(capacity) }

    mutating func append(ascii byte: UInt8) {
        switch byte {
        case 0x41...0x5A: letter(byte | 0x20)
        // Letters, digits and what is a symbol rather than punctuation: $ + < = > ^ ` | ~
        case 0x61...0x7A, 0x30...0x39, 0x24, 0x2B, 0x3C...0x3E, 0x5E, 0x60, 0x7C, 0x7E:
            letter(byte)
        default: isBetween = true
        }
    }

    mutating func append(_ scalar: Unicode.Scalar) {
        switch scalar.value {
        case ..<0x80: append(ascii: UInt8(scalar.value))
        case 0xFF01...0xFF5E: append(ascii: UInt8(scalar.value - 0xFEE0))
        case 0x300...0x36F, 0x1AB0...0x1AFF, 0x1DC0...0x1DFF, 0x20D0...0x20FF: break
        default:
            switch scalar.properties.generalCategory {
            case .spaceSeparator, .lineSeparator, .paragraphSeparator, .control, .format,
                .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
                .initialPunctuation, .finalPunctuation, .otherPunctuation:
                isBetween = true
            default:
                for byte in UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter { letter(byte) }
            }
        }
    }

    private mutating func letter(_ byte: UInt8) {
        if isBetween, !bytes.isEmpty { bytes.append(0x20) }
        isBetween = false
        bytes.append(byte)
    }
}
