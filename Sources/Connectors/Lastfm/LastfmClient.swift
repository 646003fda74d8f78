private import CCrypto
private import JSONText
private import Ledger

/// Last.fm's API, thin: signature, form, and what its numbers mean.
///
/// Source of the rules: https://www.last.fm/api
public final class LastfmClient: Sendable {
    /// How Last.fm wants to be called: at most 5 requests a second (its terms), fewer that write.
    public static let manner = ServiceManner(
        spacing: (reads: .milliseconds(250), writes: .seconds(1)), blindWaits: [60],
        blindLimits: [300, 900], judge: judge)

    public let service: Service
    let key: String
    private let secret: String?
    private let sessionKey: (@Sendable () throws -> String)?

    /// Takes the service, whose manner is ``manner``.
    ///
    /// - Parameters:
    ///   - secret: The app's shared secret; signed calls need it.
    ///   - sessionKey: Gives the person's own key for signed calls; nil before the log-in.
    public init(
        _ service: Service, key: String, secret: String?,
        sessionKey: (@Sendable () throws -> String)? = nil
    ) {
        self.service = service
        self.key = key
        self.secret = secret
        self.sessionKey = sessionKey
    }

    /// Calls a method; gives its answer's JSON.
    ///
    /// A listening history that its owner hides is asked for once more in the owner's name.
    ///
    /// - Parameters:
    ///   - isSigned: Whether the method wants a signature; all but `auth.*` then also want the person's key.
    ///   - isWrite: Whether the parameters go in the body, as those of all calls that change something.
    public func call(
        _ method: String, _ parameters: [(String, String)] = [], isSigned: Bool = false,
        isWrite: Bool = false
    ) async throws -> [UInt8] {
        do {
            return try await send(method, parameters, isSigned: isSigned, isWrite: isWrite)
        } catch let error as ServiceError where error.reason == "17" && !isSigned {
            guard secret != nil, sessionKey != nil else { throw error }
            return try await send(method, parameters, isSigned: true, isWrite: isWrite)
        }
    }

    private func send(
        _ method: String, _ parameters: [(String, String)], isSigned: Bool, isWrite: Bool
    ) async throws -> [UInt8] {
        var all = parameters + [("method", method), ("api_key", key)]
        if isSigned {
            guard let secret else {
                throw service.error(
                    .configuration, "LASTFM_API_SECRET is not set",
                    remedy: "it stands beside the key on https://www.last.fm/api/accounts.")
            }
            if !method.hasPrefix("auth."), let sessionKey { all.append(("sk", try sessionKey())) }
            all.append(("api_sig", Self.signature(of: all, secret: secret)))
        }
        let form = formEncoded(all + [("format", "json")])
        // Sent again, a love is as once, and of equal scrobbles Last.fm keeps one.
        return try await service.json(
            isWrite
                ? HTTPRequest(
                    "POST", service.base,
                    headers: [("content-type", "application/x-www-form-urlencoded")],
                    body: Array(form.utf8))
                : HTTPRequest("GET", service.base + "?" + form))
    }

    /// Signs parameters: MD5 over names and values in the order of the names' bytes, then the secret.
    ///
    /// Source of the rule: https://www.last.fm/api/authspec, section 8.
    public static func signature(of parameters: [(String, String)], secret: String) -> String {
        let sorted = parameters.filter { !["format", "callback", "api_sig"].contains($0.0) }
            .sorted { $0.0.utf8.lexicographicallyPrecedes($1.0.utf8) }
        let text = Array((sorted.map { $0.0 + $0.1 }.joined() + secret).utf8)
        var digest = [UInt8](repeating: 0, count: 16)
        _ = MD5(text, text.count, &digest)
        return digest.hex
    }

    /// What Last.fm's numbers mean; what is not here is a passing fault with a status of 5xx, else ours.
    /// Source: https://www.last.fm/api/errorcodes
    private static let codes: [Int64: (code: ServiceError.Code, remedy: String)] = [
        4: (.notAllowed, "log in again with `narada-cmd login lastfm`."),
        6: (.notFound, "check the spelling."),
        7: (.notFound, "check the spelling."),
        9: (.notAllowed, "log in again with `narada-cmd login lastfm`."),
        10: (.configuration, "check LASTFM_API_KEY; https://www.last.fm/api/accounts shows it."),
        13: (.configuration, "check LASTFM_API_SECRET; https://www.last.fm/api/accounts shows it."),
        14: (.notAllowed, "allow it in the browser."),
        15: (.notAllowed, "log in again with `narada-cmd login lastfm`."),
        17: (.notAllowed, "log in as that user with `narada-cmd login lastfm`."),
        26: (
            .notAllowed,
            "Last.fm has suspended this API key; ask its support before any other call."
        ),
    ]

    private static func judge(_ response: HTTPResponse) -> Verdict {
        let (number, message) = response.body.read { ($0["error"]?.integer, $0["message"]?.text) }
        let status = response.status
        let said =
            number.map { "it says '\((message ?? "").prefix(200))' (error \($0))" }
            ?? "status \(status)"
        func failed(_ code: ServiceError.Code, _ remedy: String) -> Verdict {
            .failed(
                ServiceError(
                    code: code, service: "lastfm", message: "Last.fm did not do it: \(said)",
                    remedy: remedy, reason: number.map { String($0) }, status: status))
        }
        if let (code, remedy) = number.flatMap({ codes[$0] }) { return failed(code, remedy) }
        switch (number, status) {
        case (29, _), (nil, 429): return .limited(quota: nil)
        case (8, _), (11, _), (16, _), (nil, 408), (_, 500...): return .passing(reason: said)
        case (_?, _): return failed(.misused, "this is a bug in Narada; please report it.")
        case (nil, 200...299): return .done
        case (nil, 404): return failed(.notFound, "check the base URL.")
        default: return failed(.refused, "check the base URL and what was asked for.")
        }
    }
}
