public import JSONText

/// A request, as a handler sees it.
struct Call: Sendable {
    let method: String
    /// As it was sent, without the query.
    let path: String
    let query: [(name: String, value: String)]
    let headers: [String: String]
    let body: [UInt8]
    /// Where this sandbox is reached, such as `http://127.0.0.1:4000`.
    let origin: String
    /// What the braces of the route's pattern stood for, in order.
    var arguments: [String] = []

    /// A parameter of the query.
    func query(_ name: String) -> String? { query.last { $0.name == name }?.value }

    /// The body's form fields, if it is a form.
    var form: [(name: String, value: String)] {
        isForm ? formFields(String(decoding: body, as: UTF8.self)) : []
    }

    var isForm: Bool { headers["content-type"]?.contains("form-urlencoded") ?? false }

    /// The body as JSON; null if it is something else.
    var json: JSON { JSON(parsing: body) ?? .null }
}

/// An answer.
struct Reply: Sendable {
    var status = 200
    var headers: [String: String] = [:]
    var body: [UInt8] = []
    /// Bytes of the body after which the connection is closed.
    var cutAfter: Int?
    /// Megabytes that follow the body, without an announced length.
    var padding: Int?
    /// The connection is closed without an answer.
    var isLost = false

    static func json(_ value: JSON, status: Int = 200) -> Reply {
        text(value.bytes, "application/json; charset=utf-8", status)
    }

    static func html(_ text: String, status: Int = 200) -> Reply {
        .text(
            Array("<!doctype html><meta charset=utf-8><title>Sandbox</title><p>\(text)\n".utf8),
            "text/html; charset=utf-8", status)
    }

    static func text(_ body: [UInt8], _ type: String, _ status: Int = 200) -> Reply {
        Reply(status: status, headers: ["Content-Type": type], body: body)
    }

    static func redirect(to url: String) -> Reply {
        Reply(status: 302, headers: ["Location": url])
    }
}

/// An error that the service puts in its own words; what is nil it fills in.
struct Refusal: Error {
    var status: Int
    var message: String?
    /// Last.fm's number, or the token endpoint's word.
    var code: String?
    var reason: String?
    var headers: [String: String] = [:]

    init(_ status: Int, _ message: String? = nil, code: String? = nil) {
        (self.status, self.message, self.code) = (status, message, code)
    }
}

/// Splits a query or a form body; `+` is a space.
func formFields(_ text: some StringProtocol) -> [(name: String, value: String)] {
    text.split(separator: "&").map { field in
        let parts = field.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        return (decoded(parts[0]), parts.count > 1 ? decoded(parts[1]) : "")
    }
}

/// Resolves `+` and `%XX`.
func decoded(_ text: some StringProtocol) -> String {
    let input = Array(text.utf8)
    var bytes: [UInt8] = []
    var at = 0
    while at < input.count {
        let hex = input[at] == UInt8(ascii: "%") ? input[(at + 1)...].prefix(2) : []
        if let byte = UInt8(String(decoding: hex, as: UTF8.self), radix: 16), hex.count == 2 {
            bytes.append(byte)
            at += 3
        } else {
            bytes.append(input[at] == UInt8(ascii: "+") ? 0x20 : input[at])
            at += 1
        }
    }
    return String(decoding: bytes, as: UTF8.self)
}

/// Percent-encodes all but RFC 3986's unreserved characters.
func encoded(_ text: String) -> String {
    let digits = Array("0123456789ABCDEF".utf8)
    var bytes: [UInt8] = []
    for byte in text.utf8 {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: bytes.append(byte)
        default: bytes += [0x25, digits[Int(byte >> 4)], digits[Int(byte & 15)]]
        }
    }
    return String(decoding: bytes, as: UTF8.self)
}

extension JSON: Codable {
    init?(parsing bytes: [UInt8]) {
        let value: JSON? = bytes.withUnsafeBufferPointer {
            guard (try? JSONValidator.check($0)) != nil else { return nil }
            return JSON(JSONValue($0))
        }
        guard let value else { return nil }
        self = value
    }

    private init(_ value: JSONValue) {
        if value.isObject {
            var members: [(String, JSON)] = []
            value.members { key, member in
                members.append((String(decoding: unescapedKey(key), as: UTF8.self), JSON(member)))
                return true
            }
            self = .object(members)
        } else if value.isArray {
            self = .array(value.elements.map { JSON($0) })
        } else if let text = value.text {
            self = .text(text)
        } else if let bool = value.bool {
            self = .bool(bool)
        } else {
            self = JSON(value.integer)
        }
    }

    public init(from decoder: any Decoder) throws {
        self = JSON(parsing: Array(try String(from: decoder).utf8)) ?? .null
    }

    public func encode(to encoder: any Encoder) throws { try text.encode(to: encoder) }

    /// A member; null if there is none.
    subscript(key: String) -> JSON { members.first { $0.0 == key }?.1 ?? .null }

    var members: [(String, JSON)] { if case .object(let members) = self { members } else { [] } }
    var elements: [JSON] { if case .array(let elements) = self { elements } else { [] } }
    var string: String? { if case .text(let text) = self { text } else { nil } }
    var integer: Int? { if case .integer(let number) = self { Int(number) } else { nil } }
    var bool: Bool? { if case .bool(let bool) = self { bool } else { nil } }
    var isNull: Bool { if case .null = self { true } else { false } }
    var isArray: Bool { if case .array = self { true } else { false } }

    /// An object without the members that are nil.
    static func sparse(_ members: [(String, JSON?)]) -> JSON {
        .object(members.compactMap { name, value in value.map { (name, $0) } })
    }
}
