#if canImport(Glibc)
    private import Glibc
#endif

/// One value inside a JSON text that a ``JSONValidator`` has passed.
///
/// Nothing is copied or decoded until it is asked for, so that a fold which wants six fields of twenty
/// pays for six. On bytes that were never validated it finds nothing or stops early; it never reads
/// outside its view.
public struct JSONValue {
    /// The value's own text.
    public let bytes: Bytes

    /// Takes a text for a value.
    @inlinable public init(_ bytes: Bytes) { self.bytes = bytes }

    @inlinable public var isNull: Bool { bytes.first == UInt8(ascii: "n") }
    @inlinable public var isObject: Bool { bytes.first == UInt8(ascii: "{") }
    @inlinable public var isArray: Bool { bytes.first == UInt8(ascii: "[") }
    @inlinable public var isText: Bool { bytes.first == UInt8(ascii: "\"") }

    /// True or false; nil for anything else.
    @inlinable public var bool: Bool? {
        switch bytes.first {
        case UInt8(ascii: "t"): true
        case UInt8(ascii: "f"): false
        default: nil
        }
    }

    /// A whole number that fits 64 bits, also when written with a fraction or exponent (`3e2`, `7.0`).
    @inlinable public var integer: Int64? {
        guard let first = bytes.first else { return nil }
        let negative = first == UInt8(ascii: "-")
        var result: Int64 = 0
        var index = negative ? 1 : 0
        guard index < bytes.count, bytes.count <= 18 else { return slowInteger }
        while index < bytes.count {
            let digit = bytes[index] &- 0x30
            guard digit < 10 else { return slowInteger }
            result = result * 10 + Int64(digit)
            index += 1
        }
        return negative ? -result : result
    }

    @usableFromInline var slowInteger: Int64? {
        guard let first = bytes.first, first == UInt8(ascii: "-") || first &- 0x30 < 10 else {
            return nil
        }
        let token = String(decoding: bytes, as: UTF8.self)
        return Int64(token) ?? Double(token).flatMap { Int64(exactly: $0) }
    }

    /// The text of a string, escapes resolved; nil for anything else.
    ///
    /// NUL and lone surrogates, which no table can hold, become U+FFFD.
    public var text: String? {
        guard isText else { return nil }
        return withText { String(decoding: $0, as: UTF8.self) }
    }

    /// Whether the string is written just like this, without escapes.
    @inlinable public func isText(_ literal: StaticString) -> Bool {
        bytes.count == literal.utf8CodeUnitCount + 2 && isText && quoted.equals(literal)
    }

    /// The bytes between the quotes, escapes as written.
    @inlinable public var quoted: Bytes {
        bytes.count >= 2 ? bytes.part(1..<bytes.count - 1) : bytes.part(0..<0)
    }

    /// Gives the text's UTF-8 to a closure, without a copy where the string has no escapes.
    @inlinable public func withText<R>(_ body: (Bytes) throws -> R) rethrows -> R {
        let raw = quoted
        guard hasEscape(raw) else { return try body(raw) }
        return try unescaped(raw).withUnsafeBufferPointer(body)
    }

    /// Visits the members of an object in order; the key's bytes are as written.
    ///
    /// - Parameter visit: Returns false to stop.
    @inlinable public func members(_ visit: (_ key: Bytes, _ value: JSONValue) throws -> Bool)
        rethrows
    {
        guard isObject else { return }
        var at = skipWhitespace(bytes, 1)
        while at < bytes.count, bytes[at] == UInt8(ascii: "\"") {
            let keyEnd = endOfString(bytes, at)
            var start = skipWhitespace(bytes, keyEnd)
            guard start < bytes.count, bytes[start] == UInt8(ascii: ":") else { return }
            start = skipWhitespace(bytes, start + 1)
            let end = endOfValue(bytes, start)
            guard keyEnd - at >= 2, end > start else { return }
            guard try visit(bytes.part(at + 1..<keyEnd - 1), JSONValue(bytes.part(start..<end)))
            else { return }
            at = skipWhitespace(bytes, end)
            guard at < bytes.count, bytes[at] == UInt8(ascii: ",") else { return }
            at = skipWhitespace(bytes, at + 1)
        }
    }

    /// The members of an object; none of anything else.
    public var members: [(key: Bytes, value: JSONValue)] {
        var result: [(key: Bytes, value: JSONValue)] = []
        members {
            result.append(($0, $1))
            return true
        }
        return result
    }

    /// Visits the elements of an array in order.
    @inlinable public func elements(_ visit: (JSONValue) throws -> Void) rethrows {
        guard isArray else { return }
        var at = skipWhitespace(bytes, 1)
        while at < bytes.count, bytes[at] != UInt8(ascii: "]") {
            let end = endOfValue(bytes, at)
            guard end > at else { return }
            try visit(JSONValue(bytes.part(at..<end)))
            at = skipWhitespace(bytes, end)
            guard at < bytes.count, bytes[at] == UInt8(ascii: ",") else { return }
            at = skipWhitespace(bytes, at + 1)
        }
    }

    /// The elements of an array; none for anything else.
    public var elements: [JSONValue] {
        var result: [JSONValue] = []
        elements { result.append($0) }
        return result
    }

    /// The first member with this key; a null counts as absent.
    public subscript(key: StaticString) -> JSONValue? {
        var found: JSONValue?
        members { name, value in
            guard name.equals(key) else { return true }
            found = value
            return false
        }
        return found.flatMap { $0.isNull ? nil : $0 }
    }

    /// The first member with this key, for who goes on to its own members or elements and to nothing else:
    /// where it ends was not looked for, so its bytes go on to the end of this value's.
    public func opened(_ key: StaticString) -> JSONValue? {
        guard isObject else { return nil }
        var at = skipWhitespace(bytes, 1)
        while at < bytes.count, bytes[at] == UInt8(ascii: "\"") {
            let keyEnd = endOfString(bytes, at)
            let start = skipWhitespace(bytes, skipWhitespace(bytes, keyEnd) + 1)
            guard keyEnd - at >= 2, start < bytes.count else { return nil }
            if bytes.part(at + 1..<keyEnd - 1).equals(key) {
                let value = JSONValue(bytes.part(start..<bytes.count))
                return value.isNull ? nil : value
            }
            let end = skipWhitespace(bytes, endOfValue(bytes, start))
            guard end < bytes.count, bytes[end] == UInt8(ascii: ",") else { return nil }
            at = skipWhitespace(bytes, end + 1)
        }
        return nil
    }
}

@inlinable func skipWhitespace(_ bytes: Bytes, _ offset: Int) -> Int {
    var at = offset
    while at < bytes.count, isWhitespace(bytes[at]) { at += 1 }
    return at
}

/// The offset behind a string that begins at `start`; the view's end if it is not closed.
@inlinable func endOfString(_ bytes: Bytes, _ start: Int) -> Int {
    var at = start + 1
    let ones: UInt64 = 0x0101_0101_0101_0101
    let raw = UnsafeRawBufferPointer(bytes)
    while at < bytes.count {
        if at + 8 <= bytes.count {
            // Eight bytes at once: the lowest high bit that stays stands where a quote or a backslash is.
            let word = UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: at, as: UInt64.self))
            let (quote, slash) = (word ^ ones &* 0x22, word ^ ones &* 0x5C)
            let hits = (quote &- ones) & ~quote | (slash &- ones) & ~slash
            let skipped = (hits & (ones &* 0x80)).trailingZeroBitCount >> 3
            at += skipped
            if skipped == 8 { continue }
        }
        let byte = bytes[at]
        if byte == UInt8(ascii: "\"") { return at + 1 }
        at += byte == UInt8(ascii: "\\") ? 2 : 1
    }
    return bytes.count
}

/// The offset behind a value that begins at `start`.
@inlinable func endOfValue(_ bytes: Bytes, _ start: Int) -> Int {
    guard start < bytes.count else { return start }
    var at = start
    switch bytes[start] {
    case UInt8(ascii: "\""): return endOfString(bytes, start)
    case UInt8(ascii: "{"), UInt8(ascii: "["):
        var depth = 0
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: "\""):
                at = endOfString(bytes, at)
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                if depth == 0 { return at + 1 }
            default: break
            }
            at += 1
        }
        return at
    default:
        while at < bytes.count {
            let byte = bytes[at]
            if byte == UInt8(ascii: ",") || byte == UInt8(ascii: "}") || byte == UInt8(ascii: "]")
                || isWhitespace(byte)
            {
                return at
            }
            at += 1
        }
        return at
    }
}

@usableFromInline func hasEscape(_ raw: Bytes) -> Bool {
    guard let base = raw.baseAddress, !raw.isEmpty else { return false }
    return memchr(base, 0x5C, raw.count) != nil
}

/// Resolves the escapes of a string's inside.
public func unescaped(_ raw: Bytes) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity(raw.count)
    // UTF-16 of escapes that stand together; what is no pair becomes U+FFFD when they are decoded.
    var units: [UInt16] = []
    var at = 0
    while at < raw.count {
        let isEscape = raw[at] == UInt8(ascii: "\\") && at + 1 < raw.count
        if isEscape, raw[at + 1] == UInt8(ascii: "u") {
            let digits = raw[min(at + 2, raw.count)..<min(at + 6, raw.count)].compactMap(hexDigit)
            let unit = digits.reduce(0) { $0 << 4 | $1 }
            units.append(unit == 0 || digits.count < 4 ? 0xFFFD : UInt16(unit))
            at += 6
            continue
        }
        if !units.isEmpty {
            result += String(decoding: units, as: UTF16.self).utf8
            units = []
        }
        result.append(isEscape ? escapes[raw[at + 1]] ?? raw[at + 1] : raw[at])
        at += isEscape ? 2 : 1
    }
    return result + String(decoding: units, as: UTF16.self).utf8
}

private let escapes =
    [
        UInt8(ascii: "b"): 8, UInt8(ascii: "f"): 12, UInt8(ascii: "n"): 10, UInt8(ascii: "r"): 13,
        UInt8(ascii: "t"): 9,
    ] as [UInt8: UInt8]
