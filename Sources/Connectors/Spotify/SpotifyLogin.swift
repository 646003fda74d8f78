private import FoundationEssentials
private import JSONText
public import Ledger

/// A log-in to Spotify: authorization code with PKCE, and tokens that are renewed.
///
/// Source of the rules: RFC 7636; https://developer.spotify.com/documentation/web-api/tutorials/code-pkce-flow
public struct SpotifyLogin: Sendable {
    /// What is asked for: all that the commands need.
    public static let scopes = [
        "playlist-read-private", "playlist-read-collaborative", "playlist-modify-public",
        "playlist-modify-private", "user-library-read", "user-library-modify",
        "user-read-recently-played", "user-top-read", "user-follow-modify", "user-follow-read",
    ]
    /// How the accounts service wants to be called and what its answers mean.
    public static let manner = ServiceManner(
        spacing: (reads: .milliseconds(250), writes: .milliseconds(250)),
        blindWaits: [30, 60, 120], blindLimits: [240], judge: judge)

    private let accounts: Service
    private let credentials: Credentials
    private let base: String

    /// Takes the accounts service, whose manner is ``manner``.
    ///
    /// - Parameter base: The base URL of the API that the tokens are for.
    public init(_ accounts: Service, for base: String, in credentials: Credentials) {
        self.accounts = accounts
        self.base = base
        self.credentials = credentials
    }

    // MARK: Logging in

    /// The S256 challenge of a verifier: base64url of SHA-256, without padding.
    public static func challenge(of verifier: String) -> String {
        base64URL(SHA256.digest(Array(verifier.utf8)).bytes)
    }

    /// Random text that nobody can guess: 256 bits, 43 characters.
    public static func secret() -> String {
        base64URL((0..<32).map { _ in UInt8.random(in: 0...255) })
    }

    /// The page on which the person allows it.
    public func authorizeURL(
        clientID: String, redirect: String, state: String, verifier: String
    ) -> String {
        accounts.base + "/authorize?"
            + formEncoded([
                ("client_id", clientID), ("response_type", "code"), ("redirect_uri", redirect),
                ("scope", Self.scopes.joined(separator: " ")), ("state", state),
                ("code_challenge_method", "S256"),
                ("code_challenge", Self.challenge(of: verifier)),
            ])
    }

    /// Changes the code that came back for tokens and keeps them; gives the scopes that were not granted.
    public func finish(
        code: String, clientID: String, redirect: String, verifier: String
    ) async throws -> [String] {
        let now = ISOTime.text(accounts.clock.now, fraction: false)
        let fields = try await tokens([
            ("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect),
            ("client_id", clientID), ("code_verifier", verifier),
        ])
        try await credentials.locked {
            try credentials.write(
                "spotify",
                fields.merging(["client_id": clientID, "consented_at": now]) { $1 })
        }
        let granted = Set((fields["scope"] ?? "").split(separator: " ").map(String.init))
        return Self.scopes.filter { !granted.contains($0) }
    }

    // MARK: Staying logged in

    /// An access token that is good for now, renewed where it must be.
    ///
    /// One renewal at a time, across processes: a refresh token may be good only once. A new one is on disk
    /// before the access token beside it is used.
    /// - Parameter rejected: The token that Spotify just did not accept.
    public func token(_ rejected: String?) async throws -> String {
        func usable() throws -> (token: String?, fields: [String: String]) {
            let fields = try credentials.require("spotify", base: base)
            guard fields["accounts"] == accounts.base else {
                throw ended("the log-in is one of \(fields["accounts"] ?? "another service")")
            }
            let end = fields["expires_at"].flatMap { ISOTime.parse($0) } ?? 0
            let token = fields["access_token"]
            return (token == rejected || accounts.clock.now >= end ? nil : token, fields)
        }
        if let token = try usable().token { return token }
        return try await credentials.locked {
            // Another task or program may have renewed it meanwhile.
            let (token, old) = try usable()
            if let token { return token }
            do {
                let new = try await tokens([
                    ("grant_type", "refresh_token"), ("refresh_token", old["refresh_token"] ?? ""),
                    ("client_id", old["client_id"] ?? ""),
                ])
                try credentials.write("spotify", old.merging(new) { $1 })
                return new["access_token"] ?? ""
            } catch let error as ServiceError where error.reason == "invalid_grant" {
                try credentials.write("spotify", nil)
                throw ended(
                    "the log-in has ended: Spotify keeps one for six months, or it was taken back")
            }
        }
    }

    /// What to tell from two weeks before the person's consent ends; nil before.
    ///
    /// It ends six months after the log-in, however often tokens are renewed.
    /// Source: https://developer.spotify.com/blog/2026-06-18-refresh-token-expiration
    public static func consentWarning(_ fields: [String: String], now: Milliseconds) -> String? {
        let day: Milliseconds = 86_400_000
        guard let start = fields["consented_at"].flatMap({ ISOTime.parse($0) }),
            now > start + (181 - 14) * day
        else { return nil }
        return "the log-in to Spotify ends about \(ISOTime.text(start + 181 * day).prefix(10)); "
            + "`narada-cmd login spotify` makes a new one"
    }

    /// Asks for tokens; gives the fields that are kept.
    private func tokens(_ form: [(String, String)]) async throws -> [String: String] {
        let answer = try await accounts.json(
            HTTPRequest(
                "POST", accounts.base + "/api/token",
                headers: [("content-type", "application/x-www-form-urlencoded")],
                body: Array(formEncoded(form).utf8)))
        return try answer.read { answer in
            guard let token = answer["access_token"]?.text else {
                throw accounts.error(
                    .malformed, "Spotify's answer has no token", remedy: "try again later.")
            }
            // A minute early, so that no request meets the end of it.
            let life = max(0, (answer["expires_in"]?.integer ?? 3600) - 60)
            let end = ISOTime.text(accounts.clock.now + life * 1000, fraction: false)
            var fields = [
                "base": base, "accounts": accounts.base, "access_token": token, "expires_at": end,
            ]
            fields["refresh_token"] = answer["refresh_token"]?.text
            fields["scope"] = answer["scope"]?.text
            return fields
        }
    }

    private func ended(_ message: String) -> ServiceError {
        accounts.error(
            .notAllowed, message, remedy: "log in again with `narada-cmd login spotify`.")
    }

    private static func judge(_ response: HTTPResponse) -> Verdict {
        let (error, description) = response.body.read {
            ($0["error"]?.text, $0["error_description"]?.text ?? "")
        }
        func failed(_ code: ServiceError.Code, _ remedy: String) -> Verdict {
            .failed(
                ServiceError(
                    code: code, service: "spotify",
                    message: "Spotify refuses the log-in: \(error ?? "") \(description)",
                    remedy: remedy, reason: error, status: response.status))
        }
        switch (response.status, error) {
        case (200...299, _): return .done
        case (429, _): return .limited(quota: nil)
        case (400...499, "invalid_grant"):
            return failed(.notAllowed, "log in again with `narada-cmd login spotify`.")
        case (400...499, "invalid_client"):
            return failed(.configuration, "check SPOTIFY_CLIENT_ID.")
        case (400...499, .some):
            return failed(.misused, "this is a bug in Narada; please report it.")
        // Also pages of a gateway: they say nothing about the log-in.
        default: return .passing(reason: "status \(response.status)")
        }
    }
}

private func base64URL(_ bytes: [UInt8]) -> String {
    Data(bytes).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
        .replacing("=", with: "")
}
