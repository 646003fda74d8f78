import Foundation
public import JSONText
import Ledger

/// A request, as a handler sees it.
struct Call: Sendable {
    let method: String
    /// As it was sent, without the query.
    var path: String
    var query: [String: String]
    let form: [String: String]
    let headers: [String: String]
    /// Null if the body is something else.
    let body: JSON
    /// Where this sandbox is reached, such as `http://127.0.0.1:4000`.
    let origin: String
    /// What the braces of the route's pattern stood for.
    var id = ""

    /// Query and form together, as Last.fm takes them.
    var fields: [String: String] { query.merging(form) { $1 } }

    /// A parameter that is a number.
    func number(_ name: String) -> Int? { query[name].flatMap { Int($0) } }

    /// The call's own URL again with more or other parameters.
    func link(_ changes: [String: String]) -> String {
        origin + path + "?" + queried(query.merging(changes) { $1 })
    }
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
    static let lost = Reply(status: 0)

    static func text(_ text: String, _ type: String = "text/plain", _ status: Int = 200) -> Reply {
        let headers = ["Content-Type": type + "; charset=utf-8"]
        return Reply(status: status, headers: headers, body: Array(text.utf8))
    }

    static func json(_ value: JSON, _ status: Int = 200) -> Reply {
        text(value.text, "application/json", status)
    }

    static func html(_ text: String, _ status: Int = 200) -> Reply {
        let page = "<!doctype html><meta charset=utf-8><title>Sandbox</title>\(text)\n"
        return .text(page, "text/html", status)
    }

    static func redirect(_ url: String, _ fields: [String: String?] = [:]) -> Reply {
        let mark = fields.isEmpty ? "" : url.contains("?") ? "&" : "?"
        let query = queried(fields.compactMapValues(\.self))
        return Reply(status: 302, headers: ["Location": url + mark + query])
    }

    /// A page on which a person agrees or does not.
    static func question(_ call: Call) -> Reply {
        let links = ["approve", "deny"].map { "<a href='\(call.link(["answer": $0]))'>\($0)</a>" }
        return .html("<p>Let this program in? " + links.joined(separator: " "))
    }
}

/// An error that the service puts in its own words; what is nil it fills in.
struct Refusal: Error, CustomStringConvertible {
    var status: Int
    var message: String?
    /// Last.fm's number, the token endpoint's word, or the Web API's reason.
    var code: String?
    var headers: [String: String] = [:]
    var description: String { message ?? "Error \(status)" }

    init(_ status: Int, _ message: String? = nil, code: String? = nil, retryAfter: String? = nil) {
        (self.status, self.message, self.code) = (status, message, code)
        headers["Retry-After"] = retryAfter
    }
}

/// Refuses a call unless something holds.
func need(_ holds: Bool, _ status: Int, _ message: String? = nil, code: String? = nil) throws {
    if !holds { throw Refusal(status, message, code: code) }
}

extension Optional {
    /// The value, or a refusal.
    func or(_ status: Int, _ message: String? = nil, code: String? = nil) throws -> Wrapped {
        guard let self else { throw Refusal(status, message, code: code) }
        return self
    }
}

/// Reads a query or a form body; `+` is a space.
func fields(_ text: some StringProtocol) -> [String: String] {
    text.split(separator: "&").reduce(into: [:]) { fields, pair in
        let parts = pair.split(separator: "=", maxSplits: 1).map(decoded)
        fields[parts.first ?? ""] = parts.count > 1 ? parts[1] : ""
    }
}

/// Resolves `+` and `%XX`.
func decoded(_ text: some StringProtocol) -> String {
    String(text).replacing("+", with: " ").removingPercentEncoding ?? String(text)
}

/// Writes a query in order of its names.
func queried(_ fields: [String: String]) -> String {
    fields.sorted { $0.key < $1.key }.map { "\($0)=\(encoded($1))" }.joined(separator: "&")
}

/// Percent-encodes all but RFC 3986's unreserved characters.
func encoded(_ text: String) -> String {
    let letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
    let kept = CharacterSet(charactersIn: letters)
    return text.addingPercentEncoding(withAllowedCharacters: kept) ?? ""
}

extension JSON: Codable {
    /// Reads a value from the text that stands for it.
    public init(from decoder: any Decoder) throws {
        self = try JSON(parsing: Array(String(from: decoder).utf8))
    }

    /// Writes a value as a text: the members keep their order.
    public func encode(to encoder: any Encoder) throws { try text.encode(to: encoder) }

    /// A member; null if there is none.
    subscript(key: String) -> JSON { members.first { $0.0 == key }?.1 ?? .null }

    var integer: Int? { if case .integer(let number) = self { Int(number) } else { nil } }
    var bool: Bool? { if case .bool(let bool) = self { bool } else { nil } }
    /// A moment, written as RFC 3339 has it.
    var time: Milliseconds? { string.flatMap { ISOTime.parse($0) } }
    var isNull: Bool { if case .null = self { true } else { false } }
    var isArray: Bool { if case .array = self { true } else { false } }
}
