private import JSONText

/// A log-in as desktop programs do it: a token, the person's word in a browser, a session that lasts.
///
/// Source of the rules: https://www.last.fm/api/desktopauth
extension LastfmClient {
    /// Asks for a session until the person has allowed it; gives what is kept of it.
    ///
    /// - Parameters:
    ///   - page: The base URL of the page on which people allow it.
    ///   - show: Brings the person to an address; called once more if the first token has ended meanwhile.
    /// - Throws: ``ServiceError/Code/notAllowed`` if nobody allowed it in time.
    public func logIn(
        page: String, within timeout: Duration, show: (String) -> Void
    ) async throws -> [String: String] {
        let end = service.pace.now() + timeout
        var tokens = 0
        var token = ""
        while true {
            if token.isEmpty {
                tokens += 1
                let answer = try await call("auth.getToken", isSigned: true)
                token = answer.read { $0["token"]?.text ?? "" }
                show(page + "?" + formEncoded([("api_key", key), ("token", token)]))
            }
            do {
                let answer = try await call("auth.getSession", [("token", token)], isSigned: true)
                return answer.read {
                    let session = $0["session"]
                    return [
                        "base": service.base, "user": session?["name"]?.text ?? "",
                        "session_key": session?["key"]?.text ?? "",
                    ]
                }
            } catch let error as ServiceError
                where ["4", "15"].contains(error.reason) && tokens < 2
            {
                token = ""
            } catch let error as ServiceError where error.reason == "14" {
                guard service.pace.now() < end else {
                    throw service.error(
                        .notAllowed, "nobody allowed it in time",
                        remedy: "run `narada-cmd login lastfm` again and allow it in the browser.")
                }
                try await service.pace.sleep(.seconds(2))
            }
        }
    }
}
