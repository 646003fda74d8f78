private import JSONText

/// MusicBrainz's web service, thin: what it knows of recordings.
///
/// An answer that it knows none is an answer. Source of the rules: https://musicbrainz.org/doc/MusicBrainz_API
public struct MusicBrainzClient: Sendable {
    /// One request a second (MusicBrainz API, "Rate Limiting"), and a tenth to spare: they arrive less
    /// evenly than they leave, and who is too fast is refused until they slow down.
    public static let manner = ServiceManner(
        spacing: (reads: .milliseconds(1100), writes: .milliseconds(1100)),
        blindWaits: [2, 4, 8, 16, 32, 60], blindLimits: [300, 900], leastWait: 5, judge: judge)

    /// ISRCs in one search: the address stays short, and the answer on a page or two.
    public static let isrcsPerSearch = 50
    private static let rowsPerPage = 100  // More than that is taken for 25.

    public let service: Service

    /// Takes the service, whose manner is ``manner``.
    public init(_ service: Service) { self.service = service }

    /// Asks for a recording; one that was merged answers under its new MBID.
    public func recording(_ mbid: String) async throws -> [UInt8] {
        try await get(
            "/recording/" + percentEncoded(mbid),
            [("inc", "artist-credits isrcs releases release-groups media")])
    }

    /// Asks for the recordings of an ISRC: twelve characters, upper case.
    public func isrc(_ isrc: String) async throws -> [UInt8] {
        try await get("/isrc/" + percentEncoded(isrc), [("inc", "artist-credits isrcs releases")])
    }

    /// Searches for the recordings of some ISRCs, at most ``isrcsPerSearch``; page by page.
    public func recordings(
        ofISRCs isrcs: [String], _ visit: (_ page: [UInt8]) throws -> Void
    ) async throws {
        var offset = 0
        var count = 1
        while offset < count {
            let page = try await search(
                "isrc:(\(isrcs.joined(separator: " OR ")))", limit: Self.rowsPerPage, from: offset)
            try visit(page)
            let rows = page.read { $0["recordings"]?.elements.count ?? 0 }
            count = rows == 0 ? 0 : Int(page.read { $0["count"]?.integer } ?? 0)
            offset += rows
        }
    }

    /// Searches for recordings by ``query(artist:title:)``, or in other words of Lucene's.
    public func search(_ query: String, limit: Int, from offset: Int = 0) async throws -> [UInt8] {
        try await get(
            "/recording", [("query", query), ("limit", "\(limit)"), ("offset", "\(offset)")])
    }

    /// The query for recordings whose title and credit hold these words in their order.
    public static func query(artist: String, title: String) -> String {
        func phrase(_ text: String) -> String {
            "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
        }
        return "recording:\(phrase(title)) AND artist:\(phrase(artist))"
    }

    private func get(_ path: String, _ query: [(String, String)]) async throws -> [UInt8] {
        try await service.json(
            HTTPRequest("GET", service.base + path + "?" + formEncoded(query + [("fmt", "json")])))
    }

    private static func judge(_ response: HTTPResponse) -> Verdict {
        let said = response.body.read { $0["error"]?.text }
        switch response.status {
        case 404 where said != nil: return .done
        // It refuses those who are too fast with the status of one that has too much to do.
        case 503 where said?.contains("rate limit") == true: return .limited(quota: nil)
        default:
            return .plain(
                response, of: "musicbrainz", said: said,
                [
                    400: (.misused, "this is a bug in Narada; please report it."),
                    401: (.notAllowed, "set NARADA_CONTACT to your address."),
                    404: (.notFound, "check the base URL."),
                ])
        }
    }
}
