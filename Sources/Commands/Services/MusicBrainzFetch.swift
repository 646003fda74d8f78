import Connectors
import Events
import GRDB
import JSONText
import Ledger
import Projections
import Projector

/// Asks MusicBrainz about recordings and records what it answers; asks nothing that the ledger can answer.
///
/// An answer that names recordings is kept for good; one that names none is asked again when it is older
/// than `maxAgeMS`.
final class MusicBrainzFetch {
    private static let rowsPerSearch = 10  // What a search by names puts behind these is not meant.
    private static let lookups = 20  // Misses of searches, whose index lags, that are asked for one by one.

    let session: Session
    private let client: MusicBrainzClient

    init(_ session: Session) throws {
        self.session = session
        client = try session.musicbrainz(limits: try session.limits())
    }

    /// Asks for the recordings of some ISRCs, as many at once as a search takes.
    ///
    /// - Parameter isrcs: As services give them; what is no ISRC is passed over.
    /// - Returns: How many were asked for, and how many of these MusicBrainz does not know.
    func isrcs(_ isrcs: [String], maxAgeMS: Milliseconds) async throws -> (asked: Int, missing: Int)
    {
        let codes = isrcs.map { $0.uppercased().replacing("-", with: "") }.filter {
            $0.wholeMatch(of: /[A-Z]{2}[A-Z0-9]{3}[0-9]{7}/) != nil
        }
        let wanted = try open(codes.map { "isrc:" + $0 }, maxAgeMS: maxAgeMS).map {
            $0.dropFirst(5)
        }
        var (missing, lookups) = (0, Self.lookups)
        for start in stride(from: 0, to: wanted.count, by: MusicBrainzClient.isrcsPerSearch) {
            let batch = wanted[start...].prefix(MusicBrainzClient.isrcsPerSearch).map(String.init)
            session.progress.show("asking MusicBrainz", start, of: wanted.count)
            var found: [String: [JSON]] = [:]
            try await client.recordings(ofISRCs: batch) { page in
                page.read { page in
                    for row in page["recordings"]?.elements ?? [] {
                        var recording: [UInt8] = []
                        appendCompact(row, to: &recording)
                        for isrc in Set(row["isrcs"]?.elements.compactMap(\.text) ?? []) {
                            found[isrc, default: []].append(.raw(recording))
                        }
                    }
                }
            }
            let alone = batch.filter { found[$0] == nil }.prefix(lookups)
            lookups -= alone.count
            let rest = batch.filter { !alone.contains($0) }
            missing += rest.count { found[$0] == nil }
            try record(
                try rest.map { isrc in
                    let payload: JSON = ["recordings": .array(found[isrc] ?? [])]
                    return try answer(
                        .musicbrainzISRCObserved, "isrc:" + isrc, payload, [("by", "search")])
                })
            for isrc in alone {
                let body = try await client.isrc(isrc)
                if body.read({ $0["recordings"] == nil }) { missing += 1 }
                try record([
                    try answer(
                        .musicbrainzISRCObserved, "isrc:" + isrc, compact(body), [("by", "lookup")])
                ])
            }
        }
        session.progress.finish()
        return (wanted.count, missing)
    }

    /// Asks for a recording by its MBID.
    func recording(_ mbid: String, maxAgeMS: Milliseconds) async throws {
        let stream = "mb:recording:" + mbid.lowercased()
        guard try !open([stream], maxAgeMS: maxAgeMS).isEmpty else { return }
        let body = try await client.recording(mbid)
        try record([try answer(.musicbrainzRecordingObserved, stream, compact(body))])
    }

    /// Searches for recordings by their names.
    func search(artist: String, title: String, maxAgeMS: Milliseconds) async throws {
        let stream = "mb:search:\(TextURI.encoded(artist))/\(TextURI.encoded(title))"
        guard try !open([stream], maxAgeMS: maxAgeMS).isEmpty else { return }
        let query = MusicBrainzClient.query(artist: artist, title: title)
        let body = try await client.search(query, limit: Self.rowsPerSearch)
        try record([
            try answer(
                .musicbrainzSearchObserved, stream, compact(body), [("query", .text(query))])
        ])
    }

    /// What of this the ledger cannot answer, each once.
    private func open(_ streams: [String], maxAgeMS: Milliseconds) throws -> [String] {
        try session.catchUp()
        let known: [String] = try session.projector.read {
            try String.fetchAll(
                $0,
                sql: """
                    SELECT stream FROM musicbrainz_asked WHERE (found <> '[]' OR asked_at > ?)
                    AND stream IN (SELECT value FROM json_each(?))
                    """,
                arguments: [session.clock.now - maxAgeMS, JSON.texts(streams).text])
        }
        var seen = Set(known)
        return streams.filter { seen.insert($0).inserted }
    }

    private func answer(
        _ kind: EventKind, _ stream: String, _ payload: JSON, _ more: [(String, JSON)] = []
    ) throws -> NewEvent {
        NewEvent(kind, on: try streamName(stream), .object(more + [("payload", payload)]))
    }

    private func record(_ events: [NewEvent]) throws {
        if !events.isEmpty { try session.append(events) }
    }

    private func compact(_ body: [UInt8]) -> JSON {
        var bytes: [UInt8] = []
        body.read { appendCompact($0, to: &bytes) }
        return .raw(bytes)
    }
}
