import CCrypto
import JSONText
import Ledger

/// The one application that Last.fm knows here.
public enum LastfmApplication {
    /// Its API key.
    public static let key = "5a4d0b0c5a4d0b0c5a4d0b0c5a4d0b0c"
    /// Its shared secret.
    public static let secret = "5ec2e75ec2e75ec2e75ec2e75ec2e75e"
}

/// The signature of a call's parameters: MD5 over names and values in order of the names.
package func signature(_ parameters: [String: String], secret: String) -> String {
    let signed = parameters.filter { !["format", "callback", "api_sig"].contains($0.key) }
    let pairs = signed.sorted { Array($0.key.utf8).lexicographicallyPrecedes(Array($1.key.utf8)) }
    let text = Array((pairs.map { $0.key + $0.value }.joined() + secret).utf8)
    var digest = [UInt8](repeating: 0, count: 16)
    _ = MD5(text, text.count, &digest)
    return digest.hex
}

/// An error of Last.fm's by its number.
func failure(_ code: Int, _ message: String? = nil, status: Int? = nil) -> Refusal {
    let usual = table("lastfm_errors")[String(code)].elements.first?.integer
    return Refusal(status ?? usual ?? 400, message, code: String(code))
}

let lastfm = Service(
    name: "lastfm", base: "/lastfm/2.0/",
    render: { refusal, call in
        let codes = [401: 9, 403: 4, 404: 3, 429: 29, 503: 16, 504: 11]
        let code = refusal.code.flatMap { Int($0) } ?? codes[refusal.status] ?? 8
        let usual = table("lastfm_errors")[String(code)].elements.last?.string
        let text = refusal.message ?? usual ?? "Error"
        guard call.fields["format"] == "json" else {
            let error: JSON = ["code": JSON(code), "#text": .text(text)]
            return .text(xml("failed", [("error", error)]), "text/xml", refusal.status)
        }
        return .json(["error": JSON(code), "message": .text(text), "links": []], refusal.status)
    },
    routes: [("GET /", perform), ("POST /", perform)])

/// What answers the methods, by name.
private let methods: [String: @Sendable (inout World, [String: String]) throws -> JSON] = [
    "auth.getSession": session, "user.getRecentTracks": recentTracks,
    "user.getLovedTracks": lovedTracks, "user.getTopTracks": topTracks, "user.getInfo": account,
    "track.getInfo": trackInfo, "track.getCorrection": correction, "track.search": trackSearch,
    "track.scrobble": scrobble, "track.love": love, "track.unlove": love,
    "track.updateNowPlaying": updateNowPlaying,
    "auth.getToken": { world, _ in ["token": .text(newToken(&world))] },
]

/// Lets a method answer, after its signature where it has one, and its session where it writes.
private func perform(_ world: inout World, _ call: Call) throws -> Reply {
    let given = call.fields
    let method = given["method"] ?? ""
    guard let answer = methods[method] else { throw failure(3) }
    guard given["api_key"] == LastfmApplication.key else { throw failure(10) }
    let writes = table("lastfm_writes").elements.contains { $0.string == method }
    if writes, call.method != "POST" { throw failure(6, "This method is called by POST") }
    let hasSession = writes || given["sk"] != nil
    let right = signature(given, secret: LastfmApplication.secret)
    let isSigned = hasSession || method.hasPrefix("auth.")
    if isSigned, given["api_sig"]?.lowercased() != right { throw failure(13) }
    if hasSession, !world.lastfm.sessions.contains(given["sk"] ?? "") { throw failure(9) }
    let tree = try answer(&world, given)
    if given["format"] == "json" { return .json(tree) }
    return .text(xml("ok", tree.members), "text/xml")
}

// MARK: Log-in

let lastfmAuth = Service(
    name: "lastfm_auth", base: "/lastfm-auth/",
    render: { refusal, _ in .html(refusal.message ?? "Error", refusal.status) },
    routes: [("GET /", approve)])

private func newToken(_ world: inout World) -> String {
    let token = randomToken()
    world.lastfm.tokens[token] = .init(made: world.now)
    return token
}

private func approve(_ world: inout World, _ call: Call) throws -> Reply {
    try need(call.query["api_key"] == LastfmApplication.key, 403, "Invalid API key")
    let back = call.query["cb"]
    let token = back == nil ? call.query["token"] ?? "" : newToken(&world)
    try need(world.lastfm.tokens[token] != nil, 403, "Invalid token supplied")
    switch call.query["answer"] ?? world["login"].string {
    case "deny": return .html("You did not allow access.")
    case "ask": return .question(call)
    default: world.lastfm.tokens[token]?.isApproved = true
    }
    return back.map { .redirect($0, ["token": token]) }
        ?? .html("Allowed. You can close this page.")
}

private func session(_ world: inout World, _ given: [String: String]) throws -> JSON {
    guard let token = world.lastfm.tokens[given["token"] ?? ""] else { throw failure(4) }
    if world.now >= token.made + 3_600_000 { throw failure(15) }
    if !token.isApproved { throw failure(14) }
    world.lastfm.tokens[given["token"] ?? ""] = nil
    let key = randomToken()
    world.lastfm.sessions.insert(key)
    return ["session": ["name": .text(World.user), "key": .text(key), "subscriber": 0]]
}
