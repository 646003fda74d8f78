/// Appends a value's text without the white space between its tokens; all else as it came.
///
/// - Parameters:
///   - value: A validated value.
///   - dropping: Says which members of the outermost object are left out, by unescaped key.
public func appendCompact(
    _ value: JSONValue, to output: inout [UInt8], dropping: ((Bytes) -> Bool)? = nil
) {
    guard let dropping, value.isObject else {
        appendTokens(value.bytes, to: &output)
        return
    }
    output.append(UInt8(ascii: "{"))
    var first = true
    value.members { key, member in
        let dropped = unescapedKey(key).withUnsafeBufferPointer(dropping)
        guard !dropped else { return true }
        if !first { output.append(UInt8(ascii: ",")) }
        first = false
        output.append(UInt8(ascii: "\""))
        output.append(contentsOf: key)
        output.append(contentsOf: [UInt8(ascii: "\""), UInt8(ascii: ":")])
        appendTokens(member.bytes, to: &output)
        return true
    }
    output.append(UInt8(ascii: "}"))
}

extension JSONValue {
    /// The value's text without the white space between its tokens; all else as it came.
    public var compact: [UInt8] { compact(replacing: []) }

    /// The value's text without white space, with other text in the place of some of its parts.
    ///
    /// - Parameter parts: Values inside this one, none inside another, in order, each with what stands there
    ///   instead.
    public func compact(replacing parts: [(part: JSONValue, by: [UInt8])]) -> [UInt8] {
        guard let start = bytes.baseAddress else { return [] }
        var output: [UInt8] = []
        var at = 0
        for (part, replacement) in parts {
            guard let address = part.bytes.baseAddress else { continue }
            appendTokens(bytes.part(at..<address - start), to: &output)
            output += replacement
            at = address - start + part.bytes.count
        }
        appendTokens(bytes.part(at..<bytes.count), to: &output)
        return output
    }
}

/// A key with its escapes resolved.
public func unescapedKey(_ key: Bytes) -> [UInt8] { hasEscape(key) ? unescaped(key) : Array(key) }

private func appendTokens(_ bytes: Bytes, to output: inout [UInt8]) {
    var at = 0
    while at < bytes.count {
        let byte = bytes[at]
        if byte == UInt8(ascii: "\"") {
            let end = endOfString(bytes, at)
            output.append(contentsOf: bytes.part(at..<end))
            at = end
        } else {
            if !isWhitespace(byte) { output.append(byte) }
            at += 1
        }
    }
}

/// Appends a string in quotes, escaping only what JSON requires.
public func appendQuoted(_ text: some StringProtocol, to output: inout [UInt8]) {
    let digits = Array("0123456789abcdef".utf8)
    output.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): output.append(contentsOf: [0x5C, byte])
        case 0x0A: output.append(contentsOf: [0x5C, UInt8(ascii: "n")])
        case 0x09: output.append(contentsOf: [0x5C, UInt8(ascii: "t")])
        case 0x0D: output.append(contentsOf: [0x5C, UInt8(ascii: "r")])
        case 0..<0x20:
            output.append(contentsOf: Array("\\u00".utf8))
            output.append(contentsOf: [digits[Int(byte >> 4)], digits[Int(byte & 15)]])
        default: output.append(byte)
        }
    }
    output.append(UInt8(ascii: "\""))
}

/// A value to write: what commands print and what events are made of. Members keep their order.
public indirect enum JSON: Sendable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByBooleanLiteral, ExpressibleByNilLiteral, ExpressibleByArrayLiteral,
    ExpressibleByDictionaryLiteral
{
    case null
    case bool(Bool)
    case integer(Int64)
    case text(String)
    case array([JSON])
    case object([(String, JSON)])
    /// Text that is JSON already.
    case raw([UInt8])

    public init(stringLiteral value: String) { self = .text(value) }
    public init(integerLiteral value: Int64) { self = .integer(value) }
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    public init(nilLiteral: ()) { self = .null }
    public init(arrayLiteral elements: JSON...) { self = .array(elements) }
    public init(dictionaryLiteral elements: (String, JSON)...) { self = .object(elements) }

    /// A text, or null.
    public init(_ text: String?) { self = text.map { .text($0) } ?? .null }
    /// A number, or null.
    public init(_ number: (some BinaryInteger)?) {
        self = number.map { .integer(Int64($0)) } ?? .null
    }

    /// Reads a text of any origin.
    ///
    /// - Throws: ``JSONFault`` at the first byte that is not JSON or goes past a bound.
    public init(parsing bytes: [UInt8]) throws(JSONFault) {
        self = try bytes.withUnsafeBufferPointer { bytes throws(JSONFault) in
            try JSONValidator.check(bytes)
            let start = skipWhitespace(bytes, 0)
            return JSON(JSONValue(bytes.part(start..<endOfValue(bytes, start))))
        }
    }

    /// Copies a validated value; a number that is not whole stays as it is written.
    public init(_ value: JSONValue) {
        if value.isObject {
            self = .object(
                value.members.map { (String(decoding: unescapedKey($0), as: UTF8.self), JSON($1)) })
        } else if value.isArray {
            self = .array(value.elements.map { JSON($0) })
        } else {
            self =
                value.text.map { .text($0) } ?? value.integer.map { .integer($0) }
                ?? value.bool.map { .bool($0) } ?? (value.isNull ? .null : .raw(Array(value.bytes)))
        }
    }

    /// An object of those members that are there.
    public static func known(_ members: KeyValuePairs<String, JSON?>) -> JSON {
        .object(members.compactMap { name, value in value.map { (name, $0) } })
    }

    /// The members of an object; none of anything else.
    public var members: [(String, JSON)] {
        if case .object(let members) = self { members } else { [] }
    }
    /// The elements of an array; none of anything else.
    public var elements: [JSON] {
        if case .array(let elements) = self { elements } else { [] }
    }
    /// The text of a text.
    public var string: String? { if case .text(let text) = self { text } else { nil } }

    /// The compact text.
    public var bytes: [UInt8] {
        var output: [UInt8] = []
        append(to: &output)
        return output
    }

    /// The compact text as a string.
    public var text: String { String(decoding: bytes, as: UTF8.self) }

    /// Appends the compact text.
    public func append(to output: inout [UInt8]) {
        switch self {
        case .null: output.append(contentsOf: "null".utf8)
        case .bool(let value): output.append(contentsOf: (value ? "true" : "false").utf8)
        case .integer(let value): output.append(contentsOf: String(value).utf8)
        case .text(let value): appendQuoted(value, to: &output)
        case .raw(let bytes): output.append(contentsOf: bytes)
        case .array(let values):
            output.append(UInt8(ascii: "["))
            for (index, value) in values.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                value.append(to: &output)
            }
            output.append(UInt8(ascii: "]"))
        case .object(let members):
            output.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                if index > 0 { output.append(UInt8(ascii: ",")) }
                appendQuoted(member.0, to: &output)
                output.append(UInt8(ascii: ":"))
                member.1.append(to: &output)
            }
            output.append(UInt8(ascii: "}"))
        }
    }
}
