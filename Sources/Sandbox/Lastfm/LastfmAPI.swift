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
    return digest.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
}

/// An error of Last.fm's by its number.
func failure(_ code: Int, _ message: String? = nil, status: Int? = nil) -> Refusal {
    let usual = table("lastfm_errors")[String(code)].elements
    return Refusal(status ?? usual.first?.integer ?? 400, message, code: String(code))
}

let lastfm = Service(
    name: "lastfm", base: "/lastfm/2.0/", operation: { call, _ in call.fields["method"] ?? "" },
    render: { refusal, call in
        let codes = [401: 9, 403: 4, 404: 3, 429: 29, 503: 16, 504: 11]
        let code = refusal.code.flatMap { Int($0) } ?? codes[refusal.status] ?? 8
        let usual = table("lastfm_errors")[String(code)].elements
        let text = refusal.message ?? usual.last?.string ?? "Error"
        // An unknown method is a bad request here, not a missing page.
        let status = refusal.code == nil && code == 3 ? 400 : refusal.status
        var reply = Reply.text(errorXML(code, text), "text/xml", status)
        if call.fields["format"] == "json" {
            reply = .json(["error": JSON(code), "message": .text(text), "links": []], status)
        }
        reply.headers.merge(refusal.headers) { $1 }
        return reply
    },
    routes: [
        method("auth.getToken", signed: true) { world, _ in
            let token = randomToken()
            world.lastfm.tokens[token] = .init(made: world.now)
            return ["token": .text(token)]
        },
        method("auth.getSession", signed: true, session),
        method("user.getRecentTracks", recentTracks), method("user.getLovedTracks", lovedTracks),
        method("user.getTopTracks", topTracks), method("user.getInfo", account),
        method("track.getInfo", trackInfo), method("track.getCorrection", correction),
        method("track.search", trackSearch),
        method("track.love", writes: true) { world, given in
            let song = world.lastfm.songs.add(try named(given))
            world.lastfm.loves.removeAll { $0.song == song }
            world.lastfm.loves.append(Listen(song: song, uts: Int(world.now / 1000)))
            return [:]
        },
        method("track.unlove", writes: true) { world, given in
            let song = world.lastfm.songs.add(try named(given))
            world.lastfm.loves.removeAll { $0.song == song }
            return [:]
        },
        method("track.updateNowPlaying", writes: true) { world, given in
            world.lastfm.playing = world.lastfm.songs.add(try named(given))
            let row = scrobbled(given, "", try named(given), 0).members
            return ["nowplaying": .object(row.filter { $0.0 != "timestamp" })]
        },
        method("track.scrobble", writes: true, scrobble),
    ])

typealias Method = @Sendable (inout World, [String: String]) throws -> JSON

/// A method; one that is signed checks the signature, one that writes also the session.
private func method(
    _ name: String, signed: Bool = false, writes: Bool = false, _ body: @escaping Method
) -> Service.Route {
    (
        name,
        { world, call in
            let given = call.fields
            guard given["api_key"] == LastfmApplication.key else { throw failure(10) }
            if writes, call.method != "POST" { throw failure(6, "This method is called by POST") }
            let hasSession = writes || given["sk"] != nil
            let right = signature(given, secret: LastfmApplication.secret)
            if signed || hasSession, given["api_sig"]?.lowercased() != right { throw failure(13) }
            if hasSession, !world.lastfm.sessions.contains(given["sk"] ?? "") { throw failure(9) }
            let answer = try body(&world, given)
            return given["format"] == "json" ? .json(answer) : .text(answerXML(answer), "text/xml")
        }
    )
}

// MARK: Log-in

let lastfmAuth = Service(
    name: "lastfm_auth", base: "/lastfm-auth/",
    render: { refusal, _ in .html(refusal.message ?? "Error", refusal.status) },
    routes: [("GET ", approve)])

private func approve(_ world: inout World, _ call: Call) throws -> Reply {
    try need(call.query["api_key"] == LastfmApplication.key, 403, "Invalid API key")
    let back = call.query["cb"]
    let token = back == nil ? call.query["token"] ?? "" : randomToken()
    if back != nil { world.lastfm.tokens[token] = .init(made: world.now) }
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
