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

    /// Reads a SPEC; `shapes.json` says which kinds there are and what they take, with `!` if they must.
    init(_ spec: String) throws {
        let parts = spec.split(separator: ",").map { $0.split(separator: "=", maxSplits: 1) }
        let pairs = parts.map { (String($0.first ?? ""), $0.count > 1 ? String($0[1]) : nil) }
        let keys = Dictionary(pairs.dropFirst()) { $1 }
        func number(_ name: String, _ usual: Int) throws -> Int {
            let value = keys[name].map { Int($0 ?? "") } ?? usual
            return try value.or(400, "\(name) is not a number in '\(spec)'")
        }
        self.spec = spec
        (kind, value) = pairs.first ?? ("", nil)
        match = (keys["match"] ?? nil) ?? "*"
        (skip, times) = (try number("skip", 0), try number("times", 1))
        let isNumber = (0...1_000_000).contains(value.flatMap { Int($0) } ?? -1)
        let takes = table("faults")[kind].string ?? "!"
        let isRight = value == nil ? !takes.hasSuffix("!") : isNumber || takes.hasPrefix("text")
        let isKnown = takes != "!" && Set(keys.keys).isSubset(of: ["match", "skip", "times"])
        let usage = "KIND[=VALUE][,match=GLOB][,skip=N][,times=N]"
        try need(isRight && isKnown, 400, "'\(spec)' is no fault: \(usage)")
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

    /// What is answered instead of the service's own answer, which `ask` gives.
    func answer(_ service: Service, _ call: Call, _ ask: () -> Reply) -> Reply {
        switch kind {
        case "502": return .text("Bad gateway.", "text/plain", 502)
        case "html": return .html("<h1>502 Bad Gateway</h1>", 502)
        case "empty": return Reply()
        case "reset": return .lost
        case "redirect": return .redirect(value ?? "")
        case "error": return service.refuse(Refusal(200, code: value), call)
        case "huge":
            var reply = Reply.text("{\"items\":\"", "application/json")
            reply.padding = number ?? 33
            return reply
        case "quota":
            let refusal = Refusal(429, code: "QUOTA_EXCEEDED", retryAfter: value ?? "86000")
            return service.refuse(refusal, call)
        case "429": return service.refuse(Refusal(429, retryAfter: value), call)
        default:
            guard let status = Int(kind) else { return spoiled(ask()) }
            return service.refuse(Refusal(status), call)
        }
    }

    private func spoiled(_ answer: Reply) -> Reply {
        var reply = answer
        switch kind {
        case "cut": reply.cutAfter = number
        case "truncate": reply.body = Array(reply.body.prefix(number ?? 0))
        case "lost": reply = .lost
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
