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

    private let session: Session
    private let client: MusicBrainzClient

    init(_ session: Session) throws {
        self.session = session
        client = try session.musicbrainz(limits: try session.limits())
    }

    /// Asks for the recordings of some ISRCs, as many at once as a search takes.
    ///
    /// - Parameter isrcs: As services give them; what is no ISRC is passed over.
    /// - Returns: How many were asked for, and how many of these MusicBrainz does not find.
    func isrcs(
        _ isrcs: [String], maxAgeMS: Milliseconds, limit: Int = .max
    ) async throws -> (asked: Int, missing: Int) {
        let codes = isrcs.map { $0.uppercased().replacing("-", with: "") }.filter {
            $0.wholeMatch(of: /[A-Z]{2}[A-Z0-9]{3}[0-9]{7}/) != nil
        }
        let wanted = try open(codes.map { "isrc:" + $0 }, maxAgeMS: maxAgeMS).prefix(limit)
        var missing = 0
        for start in stride(from: 0, to: wanted.count, by: MusicBrainzClient.isrcsPerSearch) {
            let batch = wanted[start...].prefix(MusicBrainzClient.isrcsPerSearch)
            session.progress.show("asking MusicBrainz", start, of: wanted.count)
            var found: [String: [JSON]] = [:]
            try await client.recordings(ofISRCs: batch.map { String($0.dropFirst(5)) }) { page in
                page.read { page in
                    for row in page["recordings"]?.elements ?? [] {
                        let isrcs = row["isrcs"]?.elements.compactMap(\.text) ?? []
                        for isrc in Set(isrcs) {
                            found["isrc:" + isrc, default: []].append(.raw(row.compact))
                        }
                    }
                }
            }
            missing += batch.count { found[$0] == nil }
            try session.append(
                try batch.map { stream in
                    let rows: JSON = ["recordings": .array(found[stream] ?? [])]
                    let data: JSON = ["by": "search", "payload": rows]
                    return NewEvent(.musicbrainzISRCObserved, on: try streamName(stream), data)
                })
        }
        session.progress.finish()
        return (wanted.count, missing)
    }

    /// Asks for a recording by its URI; one that was merged answers as another.
    ///
    /// - Returns: Whether MusicBrainz was asked.
    func recording(_ uri: String, maxAgeMS: Milliseconds) async throws -> Bool {
        try await ask(.musicbrainzRecordingObserved, uri, [], maxAgeMS) {
            try await client.recording(String(uri.dropFirst("mb:recording:".count)))
        }
    }

    /// Searches for recordings by their names.
    ///
    /// - Returns: Whether MusicBrainz was asked.
    func search(artist: String, title: String, maxAgeMS: Milliseconds) async throws -> Bool {
        let stream = "mb:search:\(TextURI.encoded(artist))/\(TextURI.encoded(title))"
        let query = MusicBrainzClient.query(artist: artist, title: title)
        return try await ask(
            .musicbrainzSearchObserved, stream, [("query", .text(query))], maxAgeMS
        ) {
            try await client.search(query, limit: Self.rowsPerSearch)
        }
    }

    private func ask(
        _ kind: EventKind, _ stream: String, _ more: [(String, JSON)], _ maxAgeMS: Milliseconds,
        _ request: () async throws -> [UInt8]
    ) async throws -> Bool {
        guard try !open([stream], maxAgeMS: maxAgeMS).isEmpty else { return false }
        let payload = try await request().read { JSON.raw($0.compact) }
        let data = JSON.object(more + [("payload", payload)])
        try session.append([NewEvent(kind, on: try streamName(stream), data)])
        return true
    }

    /// What of this the ledger cannot answer, each once.
    private func open(_ streams: [String], maxAgeMS: Milliseconds) throws -> [String] {
        let known: [String] = try session.read {
            try $0.values(
                """
                SELECT stream FROM musicbrainz_asked WHERE (found <> '[]' OR asked_at > ?)
                AND stream IN (SELECT value FROM json_each(?))
                """, session.clock.now - maxAgeMS, JSON.texts(streams).text)
        }
        var seen = Set(known)
        return streams.filter { seen.insert($0).inserted }
    }
}
