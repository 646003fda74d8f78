private import JSONText
private import Ledger

/// A log-in to Last.fm as desktop programs do it: a token, the person's word in a browser, a session that lasts.
///
/// Source of the rules: https://www.last.fm/api/desktopauth
public struct LastfmLogin: Sendable {
    private let client: LastfmClient
    private let page: String
    private let key: String

    /// Takes a client without a session.
    ///
    /// - Parameters:
    ///   - page: The base URL of the page on which people allow it.
    ///   - key: The app's key.
    public init(_ client: LastfmClient, page: String, key: String) {
        self.client = client
        self.page = page
        self.key = key
    }

    /// Asks for a session until the person has allowed it; gives what is kept of it.
    ///
    /// - Parameters:
    ///   - show: Brings the person to an address; called once more if the first token has ended meanwhile.
    ///   - pace: How time passes between questions.
    /// - Throws: ``ServiceError/Code/notAllowed`` if nobody allowed it in time.
    public func session(
        within timeout: Duration, pace: Pace = Pace(), show: (String) -> Void
    ) async throws -> [String: String] {
        let end = pace.now() + timeout
        var tokens = 0
        var token = ""
        while true {
            if token.isEmpty {
                tokens += 1
                let answer = try await client.call("auth.getToken", isSigned: true)
                token = answer.read { $0["token"]?.text ?? "" }
                show(page + "?" + formEncoded([("api_key", key), ("token", token)]))
            }
            do {
                let answer = try await client.call(
                    "auth.getSession", [("token", token)], isSigned: true)
                return answer.read {
                    let session = $0["session"]
                    return [
                        "base": client.service.base, "user": session?["name"]?.text ?? "",
                        "session_key": session?["key"]?.text ?? "",
                    ]
                }
            } catch let error as ServiceError
                where ["4", "15"].contains(error.reason) && tokens < 2
            {
                token = ""
            } catch let error as ServiceError where error.reason == "14" {
                guard pace.now() < end else {
                    throw client.service.error(
                        .notAllowed, "nobody allowed it in time",
                        remedy: "run `narada-cmd login lastfm` again and allow it in the browser.")
                }
                try await pace.sleep(.seconds(2))
            }
        }
    }
}
