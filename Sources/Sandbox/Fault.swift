import Glibc
import JSONText

/// Something that goes wrong on purpose: `KIND[=VALUE][,match=GLOB][,skip=N][,times=N]`.
struct Fault: Sendable {
    let spec: String
    let kind: String
    let value: String?
    private var match = "*"
    private var skip = 0
    private var times = 1
    private var seen = 0
    /// How often it happened.
    private(set) var fired = 0

    private static let kinds: Set = [
        "429", "quota", "401", "403", "500", "502", "503", "504", "html", "error", "cut",
        "truncate", "garbage", "empty", "huge", "delay", "lost", "reset", "redirect",
    ]
    private static let numbered: Set = ["error", "cut", "truncate", "delay"]

    /// Reads a SPEC.
    init(_ spec: String) throws {
        self.spec = spec
        let parts = spec.split(separator: ",").map {
            $0.split(separator: "=", maxSplits: 1).map(String.init)
        }
        let first = parts.first ?? []
        (kind, value) = (first.first ?? "", first.count > 1 ? first[1] : nil)
        let needsNumber = Fault.numbered.contains(kind)
        guard Fault.kinds.contains(kind), !needsNumber || value.flatMap(Int.init) != nil,
            kind != "redirect" || value != nil
        else {
            throw Refusal(400, "'\(spec)' is no fault: KIND[=VALUE][,match=…][,skip=N][,times=N]")
        }
        for part in parts.dropFirst() {
            switch (part.first, part.count > 1 ? Int(part[1]) : nil) {
            case ("match", _) where part.count > 1: match = part[1]
            case ("skip", let number?): skip = number
            case ("times", let number?): times = number
            default: throw Refusal(400, "'\(part.joined(separator: "="))' is unknown in '\(spec)'")
            }
        }
    }

    /// Whether it happens to a request that goes by these names; counts it.
    ///
    /// - Parameter isFree: False if another fault happens to it already; then it is only seen.
    mutating func strikes(_ names: [String], isFree: Bool) -> Bool {
        guard names.contains(where: { fnmatch(match, $0, 0) == 0 }) else { return false }
        seen += 1
        guard isFree, seen > skip, times == 0 || fired < times else { return false }
        fired += 1
        return true
    }

    /// What is answered instead of asking the service; nil if the service is asked all the same.
    func replaced(_ service: Service, _ call: Call) -> Reply? {
        switch kind {
        case "429", "quota":
            var refusal = Refusal(429)
            if kind == "quota" { refusal.reason = "QUOTA_EXCEEDED" }
            refusal.headers["Retry-After"] = value ?? (kind == "quota" ? "86000" : nil)
            return service.render(refusal, call)
        case "401", "403", "500", "503", "504":
            return service.render(Refusal(Int(kind) ?? 500), call)
        case "error": return service.render(Refusal(200, code: value), call)
        case "502": return .text(Array("Bad gateway.".utf8), "text/plain", 502)
        case "html": return .html("<h1>502 Bad Gateway</h1>", status: 502)
        case "empty": return Reply()
        case "reset": return Reply(isLost: true)
        case "redirect": return .redirect(to: value ?? "")
        case "huge":
            var reply = Reply.text(Array("{\"items\":\"".utf8), "application/json")
            reply.padding = value.flatMap(Int.init) ?? 33
            return reply
        default: return nil
        }
    }

    /// What becomes of the service's own answer.
    func spoiled(_ reply: Reply) -> Reply {
        var reply = reply
        switch (kind, value.flatMap(Int.init)) {
        case ("cut", let count): reply.cutAfter = count
        case ("truncate", let count?): reply.body = Array(reply.body.prefix(count))
        case ("lost", _): reply.isLost = true
        case ("garbage", _):
            // Into the first string that is a value: behind `":"`, or in front of everything.
            let quotes = Array(":\"".utf8)
            let at = reply.body.indices.dropLast().first {
                Array(reply.body[$0...$0 + 1]) == quotes
            }
            reply.body.insert(contentsOf: [0x01, 0x0B, 0x1F], at: at.map { $0 + 2 } ?? 0)
        default: break
        }
        return reply
    }

    var json: JSON { ["spec": .text(spec), "fired": JSON(fired), "seen": JSON(seen)] }
}
