/// Reads one JSON value strictly (RFC 8259, UTF-8, bounds) and says where it ends.
///
/// It is the gate for everything from outside; what passed it may be read with ``JSONValue``.
public struct JSONValidator {
    private let bytes: Bytes
    private let bounds: JSONBounds
    private var at = 0

    /// Starts at the beginning of a text.
    public init(_ bytes: Bytes, bounds: JSONBounds = JSONBounds()) {
        self.bytes = bytes
        self.bounds = bounds
    }

    /// Checks that a text is one value and nothing else but white space.
    ///
    /// - Throws: ``JSONFault`` at the first byte that is not JSON or goes past a bound.
    public static func check(_ bytes: Bytes, bounds: JSONBounds = JSONBounds()) throws(JSONFault) {
        var validator = JSONValidator(bytes, bounds: bounds)
        let end = try validator.value()
        validator.skipWhitespace()
        if validator.at != bytes.count { throw validator.fault("more text after the value") }
        if end > bounds.value {
            throw validator.fault("a value of more than \(bounds.value) bytes")
        }
    }

    /// Reads a value and gives the offset behind it.
    public mutating func value() throws(JSONFault) -> Int {
        try value(depth: 0)
        return at
    }

    private mutating func value(depth: Int) throws(JSONFault) {
        skipWhitespace()
        guard let first = peek() else { throw fault("the text ends where a value should stand") }
        switch first {
        case UInt8(ascii: "{"): try members(to: UInt8(ascii: "}"), keyed: true, depth: depth + 1)
        case UInt8(ascii: "["): try members(to: UInt8(ascii: "]"), keyed: false, depth: depth + 1)
        case UInt8(ascii: "\""): try string()
        case UInt8(ascii: "t"): try literal("true")
        case UInt8(ascii: "f"): try literal("false")
        case UInt8(ascii: "n"): try literal("null")
        default: try number()
        }
    }

    /// Reads an array, or an object with its keys.
    private mutating func members(to bracket: UInt8, keyed: Bool, depth: Int) throws(JSONFault) {
        if depth > bounds.depth { throw fault("nested deeper than \(bounds.depth)") }
        at += 1
        if try close(bracket) { return }
        while true {
            if keyed { try key() }
            try value(depth: depth)
            if try close(bracket) { return }
            try expect(UInt8(ascii: ","))
        }
    }

    private mutating func key() throws(JSONFault) {
        skipWhitespace()
        guard peek() == UInt8(ascii: "\"") else { throw fault("a key should stand here") }
        try string()
        skipWhitespace()
        try expect(UInt8(ascii: ":"))
    }

    private mutating func close(_ bracket: UInt8) throws(JSONFault) -> Bool {
        skipWhitespace()
        guard let byte = peek() else { throw fault("the text ends inside an array or object") }
        guard byte == bracket else { return false }
        at += 1
        return true
    }

    private mutating func string() throws(JSONFault) {
        let start = at
        var isASCII = true
        at += 1
        while true {
            guard let byte = peek() else { throw fault("the text ends inside a string") }
            switch byte {
            case UInt8(ascii: "\""):
                at += 1
                if at - start - 2 > bounds.text {
                    throw fault("a text of more than \(bounds.text) bytes")
                }
                return isASCII ? () : try checkUTF8(start..<at)
            case UInt8(ascii: "\\"): try escape()
            case 0..<0x20: throw fault("a control character inside a string")
            case 0x20..<0x80: at += 1
            default:
                isASCII = false
                at += 1
            }
        }
    }

    private mutating func escape() throws(JSONFault) {
        at += 1
        switch peek() {
        case UInt8(ascii: "u"):
            for step in 1...4 {
                guard at + step < bytes.count, hexDigit(bytes[at + step]) != nil else {
                    throw fault("\\u without four hexadecimal digits")
                }
            }
            at += 5
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"), UInt8(ascii: "b"),
            UInt8(ascii: "f"), UInt8(ascii: "n"), UInt8(ascii: "r"), UInt8(ascii: "t"):
            at += 1
        default: throw fault("an unknown escape in a string")
        }
    }

    /// UTF-8 by RFC 3629: no overlong forms, no surrogates.
    private func checkUTF8(_ range: Range<Int>) throws(JSONFault) {
        do { _ = try UTF8Span(validating: bytes.part(range).span) } catch {
            throw JSONFault(
                offset: range.lowerBound + error.byteOffsets.lowerBound,
                reason: "a text that is not UTF-8")
        }
    }

    private mutating func number() throws(JSONFault) {
        let start = at
        if peek() == UInt8(ascii: "-") { at += 1 }
        if peek() == UInt8(ascii: "0") { at += 1 } else { try digits() }
        if peek() == UInt8(ascii: ".") {
            at += 1
            try digits()
        }
        if let byte = peek(), byte | 0x20 == UInt8(ascii: "e") {
            at += 1
            if let sign = peek(), sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") { at += 1 }
            try digits()
        }
        if at - start > 400 { throw fault("a number of more than 400 digits") }
    }

    private mutating func digits() throws(JSONFault) {
        let start = at
        while let byte = peek(), (0x30...0x39).contains(byte) { at += 1 }
        if at == start { throw fault("not a JSON value") }
    }

    private mutating func literal(_ word: StaticString) throws(JSONFault) {
        let end = at + word.utf8CodeUnitCount
        guard end <= bytes.count, bytes.part(at..<end).equals(word) else {
            throw fault("not a JSON value")
        }
        at = end
    }

    private mutating func expect(_ byte: UInt8) throws(JSONFault) {
        guard peek() == byte else {
            throw fault("'\(Character(Unicode.Scalar(byte)))' should stand here")
        }
        at += 1
    }

    private mutating func skipWhitespace() {
        while let byte = peek(), isWhitespace(byte) { at += 1 }
    }

    private func peek() -> UInt8? { at < bytes.count ? bytes[at] : nil }

    private func fault(_ reason: String) -> JSONFault { JSONFault(offset: at, reason: reason) }
}

@inlinable func isWhitespace(_ byte: UInt8) -> Bool {
    byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09
}

func hexDigit(_ byte: UInt8) -> Int? { Character(Unicode.Scalar(byte)).hexDigitValue }
