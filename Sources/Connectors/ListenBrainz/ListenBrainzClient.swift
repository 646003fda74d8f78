private import JSONText

/// ListenBrainz's API, thin.
///
/// Source of the rules: https://listenbrainz.readthedocs.io/en/latest/users/api/
public struct ListenBrainzClient: Sendable {
    /// About 30 requests in ten seconds are free; the answers say when no more are.
    public static let manner = ServiceManner(
        spacing: .milliseconds(350), blindWaits: [10, 30],
        blindLimits: [300, 900], judge: judge)

    /// The most rows of a page.
    public static let rowsPerPage = 1000

    public let service: Service
    private let token: String?

    /// Takes the service, whose manner is ``manner``.
    ///
    /// - Parameter token: The user's; nil to read what is public.
    public init(_ service: Service, token: String?) {
        self.service = service
        self.token = token
    }

    /// Asks; gives the answer's JSON.
    ///
    /// - Parameter path: What stands behind `/1/`, such as `user/NAME/listens`.
    public func get(_ path: String, _ query: [(String, String)] = []) async throws -> [UInt8] {
        let mark = query.isEmpty ? "" : "?" + formEncoded(query)
        return try await service.json(
            HTTPRequest(
                "GET", "\(service.base)/1/\(path)\(mark)",
                headers: token.map { [("authorization", "Token " + $0)] } ?? []))
    }

    /// The name of the token's user; nil for a token that is not valid.
    public func user() async throws -> String? {
        try await get("validate-token").read {
            $0["valid"]?.bool == true ? $0["user_name"]?.text : nil
        }
    }

    private static func judge(_ response: HTTPResponse) -> Verdict {
        .plain(
            response, of: "listenbrainz", said: response.body.read { $0["error"]?.text },
            [
                400: (.refused, "look at what was sent."),
                401: (.notAllowed, "log in again with `narada-cmd login listenbrainz`."),
                404: (.notFound, "check the user's name and the base URL."),
            ])
    }
}
