import Events
import GRDB
import JSONText
import Ledger
import Music
import Projections
import Projector

/// Judges what MusicBrainz answered about tracks of Spotify's: from the ledger alone, so that it can be done again.
struct Resolution {
    /// A track of Spotify's to be found elsewhere.
    struct Subject {
        let uri: String
        let reading: TrackReading
        let isrc: String?
        /// What MusicBrainz is asked about it, the best evidence first.
        var streams: [String] {
            let facts = reading.facts
            let names = facts.artists.first.map {
                "mb:search:\(TextURI.encoded($0))/\(TextURI.encoded(facts.title))"
            }
            return [isrc.map { "isrc:" + $0 }, names].compactMap(\.self)
        }
    }

    /// What a matcher says of a pair, or that it says nothing any more.
    struct Claim {
        let subject: String
        let candidate: String
        /// Nil where an assertion is to be taken back.
        var method: Judgement.Method?
        var confidence = 0
        var evidence: JSON = [:]
        /// The confidence that stands in the ledger now.
        var known: Int?

        var isEdge: Bool { confidence >= Identity.weak }
        var wasEdge: Bool { known ?? 0 >= Identity.weak }
        var pair: [String] {
            [subject, candidate].sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        }

        var event: NewEvent {
            get throws {
                let stream = try streamName("match:\(pair[0])|\(pair[1])")
                guard let method else {
                    return NewEvent(
                        .matchRetracted, on: stream, ["uris": .texts(pair), "of": "matcher"])
                }
                return NewEvent(
                    .matchAsserted, on: stream,
                    [
                        "uris": .texts(pair), "method": .text(method.rawValue),
                        "confidence": JSON(confidence), "matcher": JSON(Matcher.version),
                        "evidence": evidence,
                    ])
            }
        }
    }

    /// The tracks of Spotify's that have names, those that were played most often first.
    ///
    /// - Parameter playlist: Only those in its rows.
    static func subjects(_ db: Database, playlist: FoundPlaylist? = nil) throws -> [Subject] {
        try db.rows(
            """
            SELECT e.uri, e.title, e.artists, e.album, e.duration_ms, e.isrc, e.release_date
            FROM entities e WHERE e.uri GLOB 'spotify:track:*' AND e.title <> '' AND e.artists <> '[]'
                AND (?1 IS NULL OR e.id IN (SELECT node_id FROM playlist_tracks WHERE playlist_id = ?1))
            ORDER BY (SELECT count(*) FROM listens l WHERE l.track_id = e.track_id
                AND l.reason IS NULL) DESC, e.id
            """, playlist?.id
        ).map { row in
            let isrc = (row[5] as String?).map { $0.uppercased().replacing("-", with: "") }
            return Subject(
                uri: row[0], reading: TrackReading(facts(row, isrc: isrc)), isrc: isrc)
        }
    }

    /// What a row of names tells: title, artists, album, length, …, date of release from its second column on.
    private static func facts(_ row: Row, isrc: String?) -> TrackFacts {
        var facts = TrackFacts(title: row[1] ?? "", artists: artistNames(row[2]))
        facts.album = row[3]
        facts.durationMS = row[4]
        facts.isrc = isrc
        facts.releaseYear = (row[6] as String?).flatMap { Int($0.prefix(4)) }
        return facts
    }

    /// Judges subjects by what is recorded, and compares with what was asserted before.
    ///
    /// - Returns: Only what differs; how many are left for a person to look at.
    static func claims(_ subjects: [Subject], _ db: Database) throws -> (
        changes: [Claim], ambiguous: Int
    ) {
        let library = CandidateIndex(subjects.map(\.reading))
        var changes: [Claim] = []
        var ambiguous = 0
        for subject in subjects {
            let candidates = try candidates(of: subject, db)
            let commonness = library.commonness(of: subject.reading)
            let judgements = candidates.map {
                Matcher.judge(subject.reading, $0.reading, commonness: commonness)
            }
            var wanted: [String: Claim] = [:]
            func claim(_ place: Int, _ method: Judgement.Method, _ confidence: Int) {
                let judgement = judgements[place]
                let parts = Judgement.Part.allCases.compactMap { part in
                    judgement[part].map { ("\(part)", JSON($0)) }
                }
                let evidence: JSON = [
                    "score": JSON(judgement.score), "parts": .object(parts),
                    "vetoes": .texts(judgement.vetoes.map(\.rawValue)),
                    "from": .array(candidates[place].seqs.map { .integer($0) }),
                ]
                let uri = candidates[place].uri
                wanted[uri] = Claim(
                    subject: subject.uri, candidate: uri, method: method, confidence: confidence,
                    evidence: evidence)
            }
            switch Matcher.choose(judgements) {
            case .accept(let place):
                claim(place, judgements[place].method, judgements[place].confidence)
            case .ambiguous(let places):
                ambiguous += 1
                // Below an edge: somebody has to look.
                for place in places.prefix(3) {
                    claim(place, .fuzzy, min(50, max(30, judgements[place].confidence)))
                }
            case .none: break
            }
            let known = try db.rows(
                """
                SELECT other, confidence, method, word FROM (
                    SELECT b_uri AS other, * FROM matches WHERE a_uri = ?1
                    UNION ALL SELECT a_uri AS other, * FROM matches WHERE b_uri = ?1)
                WHERE other GLOB 'mb:recording:*'
                """, subject.uri)
            for row in known {
                let other: String = row[0]
                let isSame =
                    wanted[other].map { $0.confidence == row[1] && $0.method?.rawValue == row[2] }
                    ?? ((row[2] as String?) == nil)
                // Where a person has spoken a matcher is silent.
                if isSame || (row[3] as String?) != nil {
                    wanted[other] = nil
                } else {
                    wanted[other, default: Claim(subject: subject.uri, candidate: other)].known =
                        row[1]
                }
            }
            changes += wanted.values.sorted { $0.candidate < $1.candidate }
        }
        // That one recording went into another is MusicBrainz's own word.
        changes += try db.rows(
            """
            SELECT n.uri, r.merged_into, r.seq FROM recordings r JOIN nodes n ON n.id = r.node_id
            WHERE r.merged_into IS NOT NULL AND NOT EXISTS (SELECT 1 FROM matches
                WHERE a_uri = min(n.uri, r.merged_into) AND b_uri = max(n.uri, r.merged_into))
            """
        ).map { row in
            Claim(
                subject: row[0], candidate: row[1], method: .direct, confidence: 100,
                evidence: ["from": [.integer(row[2])]])
        }
        return (changes, ambiguous)
    }

    /// The recordings that answers about a subject named, each once; a merged one by its heir.
    private static func candidates(of subject: Subject, _ db: Database) throws -> [(
        uri: String, reading: TrackReading, seqs: [Seq]
    )] {
        var found: [(uri: String, reading: TrackReading, seqs: [Seq])] = []
        for stream in subject.streams {
            let rows = try db.rows(
                """
                SELECT e.uri, e.title, e.artists, e.album, e.duration_ms, r.isrcs, e.release_date,
                    r.disambiguation, a.seq
                FROM musicbrainz_asked a, json_each(a.found) j JOIN nodes n ON n.uri = j.value
                LEFT JOIN recordings m ON m.node_id = n.id
                JOIN entities e ON e.uri = ifnull(m.merged_into, n.uri)
                LEFT JOIN recordings r ON r.node_id = e.id
                WHERE a.stream = ? ORDER BY j.key
                """, stream)
            for row in rows {
                if let place = found.firstIndex(where: { $0.uri == row[0] }) {
                    found[place].seqs.append(row[8])
                    continue
                }
                let isrcs = artistNames(row[5])
                let isNamed = subject.isrc.map(isrcs.contains) == true
                var facts = facts(row, isrc: isNamed ? subject.isrc : isrcs.first)
                facts.disambiguation = row[7]
                found.append((row[0], TrackReading(facts), [row[8]]))
            }
        }
        return found
    }
}
