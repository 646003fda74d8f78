import CCrypto
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

    func until(_ time: Milliseconds) -> Grant {
        var copy = self
        copy.expires = time
        return copy
    }

    func expired() -> Grant { until(0) }
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
        var reply = Reply.json(
            ["error": .text(word), "error_description": .text(refusal.message ?? "Error")],
            status: refusal.status)
        reply.headers.merge(refusal.headers) { $1 }
        return reply
    },
    routes: [
        ("GET /authorize", { world, call in try authorize(&world, call) }),
        ("POST /api/token", { world, call in try token(&world, call) }),
    ])

private func authorize(_ world: inout World, _ call: Call) throws -> Reply {
    let redirect = call.query("redirect_uri") ?? ""
    let isLoopback = ["http://127.0.0.1", "http://[::1]"].contains {
        redirect == $0 || redirect.hasPrefix($0 + ":") || redirect.hasPrefix($0 + "/")
    }
    guard let client = call.query("client_id"), !client.isEmpty else {
        return .html("INVALID_CLIENT: Invalid client", status: 400)
    }
    guard isLoopback || redirect.hasPrefix("https://") else {
        return .html("INVALID_CLIENT: Invalid redirect URI", status: 400)
    }
    func back(_ answer: String) -> Reply {
        let state = call.query("state").map { "&state=" + encoded($0) } ?? ""
        return .redirect(to: redirect + (redirect.contains("?") ? "&" : "?") + answer + state)
    }
    guard call.query("response_type") == "code" else {
        return back("error=unsupported_response_type")
    }
    let challenge = call.query("code_challenge")
    if let challenge, call.query("code_challenge_method") != "S256" || challenge.utf8.count != 43 {
        return back("error=invalid_request&error_description=code_challenge_method+must+be+S256")
    }
    switch call.query("answer") ?? world["login"].string {
    case "deny": return back("error=access_denied")
    case "ask":
        let here =
            call.path + "?"
            + call.query.map { encoded($0.name) + "=" + encoded($0.value) }.joined(
                separator: "&amp;")
        return .html(
            "<a href='\(here)&amp;answer=approve'>Agree</a> <a href='\(here)&amp;answer=deny'>Cancel</a>"
        )
    default: break
    }
    let code = randomToken()
    world.spotify.codes[code] = Grant(
        clientID: client, redirect: redirect, challenge: challenge,
        scope: call.query("scope") ?? "",
        consentedAt: world.now, expires: world.now + 600_000)
    try world.set([("consent", "ok")])
    return back("code=" + code)
}

private func token(_ world: inout World, _ call: Call) throws -> Reply {
    let fields = Dictionary(call.form.map { ($0.name, $0.value) }) { $1 }
    // Clients with a secret send id and secret this way; the secret may be anything.
    let basic = call.headers["authorization"]?.split(separator: " ").last.flatMap {
        Data(base64Encoded: String($0))
    }
    let client =
        fields["client_id"]
        ?? basic.map { String(decoding: $0.prefix { $0 != 0x3A }, as: UTF8.self) }
    func invalid(_ message: String) -> Refusal { Refusal(400, message, code: "invalid_grant") }
    let grant: Grant
    var refresh: String?
    switch fields["grant_type"] {
    case "authorization_code":
        guard let known = world.spotify.codes.removeValue(forKey: fields["code"] ?? "") else {
            throw invalid("Invalid authorization code")
        }
        guard world.now < known.expires else { throw invalid("Authorization code expired") }
        guard fields["redirect_uri"] == known.redirect else {
            throw invalid("Invalid redirect URI")
        }
        guard known.challenge == nil || known.challenge == fields["code_verifier"].map(challenge)
        else {
            throw invalid("code_verifier was incorrect")
        }
        guard known.challenge != nil || basic != nil else {
            throw Refusal(400, "Invalid client secret", code: "invalid_client")
        }
        grant = known
        refresh = randomToken()
    case "refresh_token":
        let old = fields["refresh_token"] ?? ""
        guard let known = world.spotify.refreshTokens[old] else {
            throw invalid("Invalid refresh token")
        }
        let halfYear: Milliseconds = 183 * 86_400_000
        guard world["consent"].string == "ok", world.now < known.consentedAt + halfYear else {
            throw invalid(
                world["consent"].string == "revoked"
                    ? "Refresh token revoked" : "Refresh token expired")
        }
        grant = known
        guard world["rotate_refresh"].bool == true else { break }
        world.spotify.refreshTokens[old] = nil
        refresh = randomToken()
    default:
        throw Refusal(
            400, "grant_type parameter is missing or unknown", code: "unsupported_grant_type")
    }
    guard client == grant.clientID else {
        throw Refusal(400, "Invalid client", code: "invalid_client")
    }
    let life = world["token_life"].integer ?? 3600
    let access = randomToken()
    world.spotify.grants[access] = grant.until(world.now + Int64(life) * 1000)
    if let refresh { world.spotify.refreshTokens[refresh] = grant }
    return .json(
        .sparse(
            [
                ("access_token", .text(access)), ("token_type", "Bearer"),
                ("scope", .text(grant.scope)),
                ("expires_in", JSON(life)), ("refresh_token", refresh.map { .text($0) }),
            ]))
}
