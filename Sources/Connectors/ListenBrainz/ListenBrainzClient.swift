public import JSONText
public import Ledger

/// ListenBrainz's API, thin.
///
/// Source of the rules: https://listenbrainz.readthedocs.io/en/latest/users/api/
public struct ListenBrainzClient: Sendable {
    /// About 30 requests in ten seconds are free; the answers say when no more are.
    public static let manner = ServiceManner(
        spacing: (reads: .milliseconds(350), writes: .seconds(1)), blindWaits: [10, 30],
        blindLimits: [300, 900], judge: judge)

    /// The most rows of a page, and the most listens of one submission.
    public static let rowsPerPage = 1000
    private static let bytesPerListen = 10_240
    private static let bytesPerSubmission = 10_000_000

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
            HTTPRequest("GET", "\(service.base)/1/\(path)\(mark)", headers: authorization))
    }

    /// Sends what is once the same when it is sent twice, such as `feedback/recording-feedback`.
    public func post(_ path: String, _ body: JSON) async throws {
        _ = try await service.json(
            HTTPRequest(
                "POST", "\(service.base)/1/\(path)",
                headers: authorization + [("content-type", "application/json")], body: body.bytes))
    }

    private var authorization: [(name: String, value: String)] {
        token.map { [("authorization", "Token " + $0)] } ?? []
    }

    /// The name of the token's user; nil for a token that is not valid.
    public func user() async throws -> String? {
        try await get("validate-token").read {
            $0["valid"]?.bool == true ? $0["user_name"]?.text : nil
        }
    }

    // MARK: Submitting

    /// A listen as it is submitted.
    ///
    /// - Parameters:
    ///   - time: When it began.
    ///   - info: What else is known, such as `duration_ms`, `isrc`, `spotify_id`, `recording_mbid`.
    /// - Returns: Nil for one that ListenBrainz does not take: without names, before October 2002, too large.
    public static func listen(
        at time: Milliseconds, artist: String, title: String, release: String? = nil,
        info: [(String, JSON)] = []
    ) -> JSON? {
        let about = [("submission_client", JSON("Narada"))] + info
        let names = [
            ("artist_name", artist), ("track_name", title), ("release_name", release ?? ""),
        ]
        let named = names.filter { !$0.1.allSatisfy(\.isWhitespace) && !$0.1.contains("\0") }
        let metadata = named.map { ($0, JSON.text($1)) } + [("additional_info", .object(about))]
        let listen: JSON = [
            "listened_at": .integer(time / 1000), "track_metadata": .object(metadata),
        ]
        let isNamed = named.prefix(2).map(\.0) == ["artist_name", "track_name"]
        guard isNamed, time >= 1_033_430_400_000, listen.bytes.count <= bytesPerListen else {
            return .none
        }
        return listen
    }

    /// Submits listens of ``listen(at:artist:title:release:info:)``, as many at once as it takes.
    ///
    /// What it has already is there once. One that it refuses would take all others of its submission with
    /// it: then halves are tried.
    ///
    /// - Parameter isHistory: Whether they are of the past; else it is one that has just ended.
    /// - Returns: The places of those that it refuses, each with its reason.
    public func submit(
        _ listens: [JSON], isHistory: Bool = true
    ) async throws -> [(place: Int, reason: String)] {
        var refused: [(place: Int, reason: String)] = []
        var open = [listens.indices]
        while let range = open.popLast(), !range.isEmpty {
            let rows = listens[range]
            let size = rows.reduce(0) { $0 + $1.bytes.count + 1 }
            do {
                guard range.count <= Self.rowsPerPage, size < Self.bytesPerSubmission else {
                    throw service.error(.refused, "too many at once", remedy: "")
                }
                let type = isHistory || range.count > 1 ? "import" : "single"
                try await post(
                    "submit-listens",
                    ["listen_type": .text(type), "payload": .array(Array(rows))])
            } catch let error as ServiceError where error.code == .refused {
                guard range.count > 1 else {
                    refused.append((range.lowerBound, error.message))
                    continue
                }
                let middle = range.lowerBound + min(range.count / 2, Self.rowsPerPage)
                open += [middle..<range.upperBound, range.lowerBound..<middle]
            }
        }
        return refused
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
