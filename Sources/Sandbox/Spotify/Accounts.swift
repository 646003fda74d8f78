import Foundation
import JSONText
import Ledger

/// What Spotify keeps of the user.
struct SpotifyState: Codable, Sendable {
    var playlists: [Playlist] = []
    /// Newest first.
    var likes: [Like] = []
    var recent: [Like] = []
    var codes: [String: Grant] = [:]
    /// By access token.
    var grants: [String: Grant] = [:]
    var refreshTokens: [String: Grant] = [:]
}

/// A log-in, or what came of it.
struct Grant: Codable, Sendable {
    let clientID: String
    let redirect: String
    let challenge: String?
    let scope: String
    let consentedAt: Milliseconds
    var expires: Milliseconds
}

/// The code challenge of a verifier (RFC 7636, S256).
package func challenge(of verifier: String) -> String {
    var digest = SHA256.digest(Array(verifier.utf8))
    let text = withUnsafeBytes(of: &digest.words) { Data($0).base64EncodedString() }
    return text.replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
}

let spotifyAccounts = Service(
    name: "spotify_accounts", base: "/spotify-accounts",
    render: { refusal, _ in
        let word = refusal.code ?? (refusal.status < 500 ? "invalid_request" : "server_error")
        let text = JSON.text(refusal.message ?? "Error")
        var reply = Reply.json(["error": .text(word), "error_description": text], refusal.status)
        reply.headers.merge(refusal.headers) { $1 }
        return reply
    },
    routes: [("GET /authorize", authorize), ("POST /api/token", token)])

private func authorize(_ world: inout World, _ call: Call) throws -> Reply {
    let redirect = call.query["redirect_uri"] ?? ""
    let isLoopback = redirect.wholeMatch(of: /http:\/\/(127\.0\.0\.1|\[::1\])(:\d+)?(\/.*)?/) != nil
    guard let client = call.query["client_id"], isLoopback || redirect.hasPrefix("https://") else {
        let what = call.query["client_id"] == nil ? "client" : "redirect URI"
        return .html("INVALID_CLIENT: Invalid \(what)", 400)
    }
    let state = call.query["state"]
    let challenge = call.query["code_challenge"]
    let isPlain = call.query["code_challenge_method"] != "S256" || challenge?.utf8.count != 43
    if call.query["response_type"] != "code" || challenge != nil && isPlain {
        return .redirect(redirect, ["error": "invalid_request", "state": state])
    }
    switch call.query["answer"] ?? world["login"].string {
    case "deny": return .redirect(redirect, ["error": "access_denied", "state": state])
    case "ask": return .question(call)
    default: break
    }
    let code = randomToken()
    world.spotify.codes[code] = Grant(
        clientID: client, redirect: redirect, challenge: challenge,
        scope: call.query["scope"] ?? "",
        consentedAt: world.now, expires: world.now + 600_000)
    try world.set([("consent", "ok")])
    return .redirect(redirect, ["code": code, "state": state])
}

private func token(_ world: inout World, _ call: Call) throws -> Reply {
    // Clients with a secret send it with their id this way; it may be any.
    let basic = call.headers["authorization"]?.split(separator: " ").last
        .flatMap { Data(base64Encoded: String($0)) }
        .map { String(decoding: $0.prefix { $0 != UInt8(ascii: ":") }, as: UTF8.self) }
    func need(_ holds: Bool, _ message: String, _ code: String = "invalid_grant") throws {
        if !holds { throw Refusal(400, message, code: code) }
    }
    let old = call.form["refresh_token"] ?? ""
    let isRefresh = call.form["grant_type"] == "refresh_token"
    try need(
        isRefresh || call.form["grant_type"] == "authorization_code",
        "grant_type must be authorization_code or refresh_token", "unsupported_grant_type")
    let known =
        isRefresh
        ? world.spotify.refreshTokens[old]
        : world.spotify.codes.removeValue(forKey: call.form["code"] ?? "")
    var grant = try known.or(
        400, isRefresh ? "Invalid refresh token" : "Invalid authorization code",
        code: "invalid_grant")
    if isRefresh {
        try need(world["consent"].string != "revoked", "Refresh token revoked")
        let isOver = world.now >= grant.consentedAt + 183 * 86_400_000
        try need(world["consent"].string == "ok" && !isOver, "Refresh token expired")
    } else {
        try need(world.now < grant.expires, "Authorization code expired")
        try need(call.form["redirect_uri"] == grant.redirect, "Invalid redirect URI")
        let proof = call.form["code_verifier"].map(challenge)
        try need(grant.challenge == nil || grant.challenge == proof, "code_verifier was incorrect")
        try need(grant.challenge != nil || basic != nil, "Invalid client secret", "invalid_client")
    }
    let client = call.form["client_id"] ?? basic
    try need(client == grant.clientID, "Invalid client", "invalid_client")
    let access = randomToken()
    let life = world["token_life"].integer ?? 3600
    var answer: [(String, JSON)] = [
        ("access_token", .text(access)), ("token_type", "Bearer"), ("scope", .text(grant.scope)),
        ("expires_in", JSON(life)),
    ]
    if !isRefresh || world["rotate_refresh"].bool == true {
        let refresh = randomToken()
        world.spotify.refreshTokens[old] = nil
        world.spotify.refreshTokens[refresh] = grant
        answer.append(("refresh_token", .text(refresh)))
    }
    grant.expires = world.now + Int64(life) * 1000
    world.spotify.grants[access] = grant
    return .json(.object(answer))
}
