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
    Data(SHA256.digest(Array(verifier.utf8)).bytes).base64EncodedString()
        .replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
}

let spotifyAccounts = Service(
    name: "spotify_accounts", base: "/spotify-accounts",
    render: { refusal, _ in
        let usual = refusal.status < 500 ? "invalid_request" : "server_error"
        let word = refusal.status == 400 ? refusal.code ?? "invalid_grant" : usual
        let text = JSON.text(refusal.message ?? "Error")
        return .json(["error": .text(word), "error_description": text], refusal.status)
    },
    routes: [("GET /authorize", authorize), ("POST /api/token", token)])

private func authorize(_ world: inout World, _ call: Call) throws -> Reply {
    let query = call.query
    let redirect = query["redirect_uri"] ?? ""
    let isLoopback = redirect.wholeMatch(of: /http:\/\/(127\.0\.0\.1|\[::1\])(:\d+)?(\/.*)?/) != nil
    guard let client = query["client_id"], isLoopback || redirect.hasPrefix("https://") else {
        let what = query["client_id"] == nil ? "client" : "redirect URI"
        return .html("INVALID_CLIENT: Invalid \(what)", 400)
    }
    let challenge = query["code_challenge"]
    let isS256 = query["code_challenge_method"] == "S256" && challenge?.utf8.count == 43
    if query["response_type"] != "code" || challenge != nil && !isS256 {
        return .redirect(redirect, ["error": "invalid_request", "state": query["state"]])
    }
    switch query["answer"] ?? world["login"].string {
    case "deny":
        return .redirect(redirect, ["error": "access_denied", "state": query["state"]])
    case "ask": return .question(call)
    default: break
    }
    let code = randomToken()
    world.spotify.codes[code] = Grant(
        clientID: client, redirect: redirect, challenge: challenge, scope: query["scope"] ?? "",
        consentedAt: world.now, expires: world.now + 600_000)
    try world.set([("consent", "ok")])
    return .redirect(redirect, ["code": code, "state": query["state"]])
}

private func token(_ world: inout World, _ call: Call) throws -> Reply {
    // Clients with a secret send it with their id this way; it may be any.
    let basic = call.headers["authorization"]?.split(separator: " ").last
        .flatMap { Data(base64Encoded: String($0)) }
        .map { String(decoding: $0.prefix { $0 != UInt8(ascii: ":") }, as: UTF8.self) }
    let form = call.form
    var grant: Grant
    switch form["grant_type"] {
    case "refresh_token":
        let known = world.spotify.refreshTokens[form["refresh_token"] ?? ""]
        grant = try known.or(400, "Invalid refresh token")
        try need(world["consent"].string != "revoked", 400, "Refresh token revoked")
        let isOver = world.now >= grant.consentedAt + 183 * 86_400_000
        try need(world["consent"].string == "ok" && !isOver, 400, "Refresh token expired")
    case "authorization_code":
        let known = world.spotify.codes.removeValue(forKey: form["code"] ?? "")
        grant = try known.or(400, "Invalid authorization code")
        try need(world.now < grant.expires, 400, "Authorization code expired")
        try need(form["redirect_uri"] == grant.redirect, 400, "Invalid redirect URI")
        let proof = form["code_verifier"].map(challenge)
        let isProven = grant.challenge == nil || grant.challenge == proof
        try need(isProven, 400, "code_verifier was incorrect")
        let hasSecret = grant.challenge != nil || basic != nil
        try need(hasSecret, 400, "Invalid client secret", code: "invalid_client")
    default:
        let text = "grant_type must be authorization_code or refresh_token"
        throw Refusal(400, text, code: "unsupported_grant_type")
    }
    let isSame = form["client_id"] ?? basic == grant.clientID
    try need(isSame, 400, "Invalid client", code: "invalid_client")
    let access = randomToken()
    let life = world["token_life"].integer ?? 3600
    var values = ["access": .text(access), "scope": .text(grant.scope), "life": JSON(life)]
    if form["grant_type"] != "refresh_token" || world["rotate_refresh"].bool == true {
        let refresh = randomToken()
        world.spotify.refreshTokens[form["refresh_token"] ?? ""] = nil
        world.spotify.refreshTokens[refresh] = grant
        values["refresh"] = .text(refresh)
    }
    grant.expires = world.now + Int64(life) * 1000
    world.spotify.grants[access] = grant
    return .json(shape("token", values))
}
