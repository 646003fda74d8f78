import Glibc
import JSONText

/// Something that goes wrong on purpose: `KIND[=VALUE][,match=GLOB][,skip=N][,times=N]`.
struct Fault: Sendable {
    let spec: String
    let kind: String
    let value: String?
    private let match: String
    private let skip: Int
    private let times: Int
    private var seen = 0
    private var fired = 0

    /// What is answered instead of asking the service, and what happens to the service's own answer.
    private static let instead: Set = [
        "429", "quota", "401", "403", "500", "502", "503", "504", "html", "error", "empty", "huge",
        "reset", "redirect",
    ]
    private static let after: Set = ["cut", "truncate", "garbage", "delay", "lost"]
    private static let numbered: Set = ["error", "cut", "truncate", "delay"]

    /// Reads a SPEC.
    init(_ spec: String) throws {
        let parts = spec.split(separator: ",").map { $0.split(separator: "=", maxSplits: 1) }
        let pairs = parts.map { (String($0.first ?? ""), $0.count > 1 ? String($0[1]) : nil) }
        var keys = Dictionary(pairs.dropFirst()) { $1 }
        func number(_ name: String, _ usual: Int) throws -> Int {
            guard let text = keys.removeValue(forKey: name) else { return usual }
            return try text.flatMap { Int($0) }.or(400, "\(name) is not a number in '\(spec)'")
        }
        self.spec = spec
        (kind, value) = pairs.first ?? ("", nil)
        match = (keys.removeValue(forKey: "match") ?? nil) ?? "*"
        (skip, times) = (try number("skip", 0), try number("times", 1))
        let isKnown = Fault.instead.contains(kind) || Fault.after.contains(kind)
        let needsNumber = Fault.numbered.contains(kind) || kind == "huge" && value != nil
        let hasValue = !needsNumber || (0...1_000_000).contains(value.flatMap { Int($0) } ?? -1)
        try need(
            isKnown && hasValue && keys.isEmpty && (kind != "redirect" || value != nil), 400,
            "'\(spec)' is no fault: KIND[=VALUE][,match=GLOB][,skip=N][,times=N]")
    }

    /// The value as a number.
    var number: Int? { value.flatMap { Int($0) } }

    /// Whether it happens to a request that goes by these names; counts it.
    ///
    /// It is only seen, and does not happen, if it is not free to: another fault struck the request.
    mutating func strikes(_ names: [String], isFree: Bool) -> Bool {
        guard names.contains(where: { fnmatch(match, $0, 0) == 0 }) else { return false }
        seen += 1
        guard isFree, seen > skip, times == 0 || fired < times else { return false }
        fired += 1
        return true
    }

    /// What is answered instead of asking the service; nil if the service is asked all the same.
    func replaced(_ service: Service, _ call: Call) -> Reply? {
        guard Fault.instead.contains(kind) else { return nil }
        var refusal = Refusal(Int(kind) ?? (kind == "quota" ? 429 : 200))
        switch kind {
        case "502": return .text("Bad gateway.", "text/plain", 502)
        case "html": return .html("<h1>502 Bad Gateway</h1>", 502)
        case "empty": return Reply()
        case "reset": return Reply(isLost: true)
        case "redirect": return .redirect(value ?? "")
        case "huge":
            var reply = Reply.text("{\"items\":\"", "application/json")
            reply.padding = number ?? 33
            return reply
        case "error": refusal.code = value
        case "quota":
            (refusal.reason, refusal.headers["Retry-After"]) = ("QUOTA_EXCEEDED", value ?? "86000")
        case "429": refusal.headers["Retry-After"] = value
        default: break
        }
        return service.render(refusal, call)
    }

    /// What becomes of the service's own answer.
    func spoiled(_ reply: Reply) -> Reply {
        var reply = reply
        switch kind {
        case "cut": reply.cutAfter = number
        case "truncate": reply.body = Array(reply.body.prefix(number ?? 0))
        case "lost": reply.isLost = true
        case "garbage":
            // Into the first string that is a value, or in front of everything.
            let place = reply.body.firstRange(of: Array(":\"".utf8))?.upperBound ?? 0
            reply.body.insert(contentsOf: [0x01, 0x0B, 0x1F], at: place)
        default: break
        }
        return reply
    }

    var json: JSON { ["spec": .text(spec), "fired": JSON(fired), "seen": JSON(seen)] }
}
