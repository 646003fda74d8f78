import ArgumentParser
import Events
import GRDB
import JSONText
import Ledger
import Music
import Projections
import Projector

/// A service whose names for tracks can be found.
enum ResolvedConnector: String, ExpressibleByArgument, CaseIterable {
    case musicbrainz, lastfm

    /// What its entities begin with.
    var prefix: String { self == .musicbrainz ? "mb:recording:" : "lastfm:track:" }
}

/// Judges what services told about tracks of Spotify's: from the ledger alone, so that it can be done again.
///
/// A track is at most one recording of MusicBrainz's. An entity of Last.fm's is no more than its names, so it may
/// be several tracks, and several of them one track.
struct Resolution {
    /// A track of Spotify's to be found elsewhere.
    struct Subject {
        let uri: String
        let reading: TrackReading
        let isrc: String?
        var artist: String { reading.facts.artists.first ?? "" }
        var title: String { reading.facts.title }
        /// The entity of Last.fm's that has its names.
        var lastfmURI: String { TextURI(lastfm: artist, title: title).uri }
        /// What MusicBrainz is asked about it, the best evidence first.
        var streams: [String] {
            let names = "mb:search:\(TextURI.encoded(artist))/\(TextURI.encoded(title))"
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

        var event: NewEvent {
            get throws {
                let pair = [subject, candidate].sorted {
                    $0.utf8.lexicographicallyPrecedes($1.utf8)
                }
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

    /// What a service calls a track, and the events that told it.
    private struct Entity {
        let uri: String
        let reading: TrackReading
        var seqs: [Seq]
    }

    /// The tracks of Spotify's that have names, those that were played most often first.
    let subjects: [Subject]
    private let library: CandidateIndex

    init(_ db: Database) throws {
        subjects = try db.rows(
            """
            SELECT e.uri, e.title, e.artists, e.album, e.duration_ms, e.isrc, e.release_date
            FROM entities e WHERE e.uri GLOB 'spotify:track:*' AND e.title <> '' AND e.artists <> '[]'
            ORDER BY (SELECT count(*) FROM listens l WHERE l.track_id = e.track_id
                AND l.reason IS NULL) DESC, e.id
            """
        ).map { row in
            let isrc = (row[5] as String?).map { $0.uppercased().replacing("-", with: "") }
            return Subject(
                uri: row[0], reading: TrackReading(Self.facts(row, isrc: isrc)), isrc: isrc)
        }
        library = CandidateIndex(subjects.map(\.reading))
    }

    /// Those of some URIs, in the order of their plays.
    func subjects(_ uris: some Sequence<String>) -> [Subject] {
        let wanted = Set(uris)
        return subjects.filter { wanted.contains($0.uri) }
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

    // MARK: Judging

    /// An entity and those that it may be one with.
    private struct Question {
        let uri: String
        let reading: TrackReading
        let others: [Entity]
        /// What is decided on it and others, by their URIs.
        let known: [String: Row]
        /// Where it is a name and no more: the tracks from whose names Last.fm led to it.
        var led: Set<String>?
    }

    /// Judges subjects by what is recorded, and compares with what was asserted before.
    ///
    /// - Parameter connector: The service whose names are judged; all if nil.
    /// - Returns: Only what differs; how many are left for a person to look at.
    func claims(
        _ wanted: [Subject], _ connector: ResolvedConnector? = nil, _ db: Database
    ) throws -> (changes: [Claim], ambiguous: Int) {
        var questions: [Question] = []
        var changes: [Claim] = []
        if connector != .lastfm {
            questions += try recordings(wanted, db)
            changes += try Self.merges(db)
        }
        if connector != .musicbrainz { questions += try names(wanted, db) }
        let answers = questions.map(judge)
        return (answers.flatMap(\.claims) + changes, answers.count { $0.isAmbiguous })
    }

    private func judge(_ question: Question) -> (claims: [Claim], isAmbiguous: Bool) {
        // Where a person has spoken a matcher is silent; what was rejected leaves room for the next best.
        let others = question.others.filter {
            question.known[$0.uri]?[3] as String? != "rejected"
        }
        let commonness = library.commonness(of: question.reading)
        let judgements = others.map {
            Matcher.judge(question.reading, $0.reading, commonness: commonness)
        }
        func claim(_ other: String) -> Claim {
            question.led == nil
                ? Claim(subject: question.uri, candidate: other)
                : Claim(subject: other, candidate: question.uri)
        }
        var claims: [String: Claim] = [:]
        func add(_ place: Int, _ method: Judgement.Method, _ confidence: Int) {
            var new = claim(others[place].uri)
            (new.method, new.confidence) = (method, confidence)
            new.evidence = Self.evidence(judgements[place], others[place].seqs)
            claims[others[place].uri] = new
        }
        var (sure, unsure): ([Int], [Int]) = ([], [])
        switch Matcher.choose(judgements) {
        case .accept(let place): sure = [place]
        case .ambiguous(let places):
            sure = question.led != nil ? Matcher.namesakes(judgements, among: places) : []
            unsure = sure.isEmpty ? places : []
        case .none: break
        }
        for place in sure { add(place, judgements[place].method, judgements[place].confidence) }
        // To other names than those asked for Last.fm itself led; but a take is none of another.
        for place in others.indices where question.led?.contains(others[place].uri) == true {
            guard !sure.contains(place), !judgements[place].vetoes.contains(.version) else {
                continue
            }
            add(place, .artistTitle, Identity.weak)
            unsure = []
        }
        // Below an edge: somebody has to look.
        for place in unsure.prefix(3) {
            add(place, .fuzzy, min(50, max(30, judgements[place].confidence)))
        }
        for (other, row) in question.known {
            let (confidence, method, word): (Int?, String?, String?) = (row[1], row[2], row[3])
            let isSame =
                claims[other].map { $0.confidence == confidence && $0.method?.rawValue == method }
                ?? (method == nil)
            if isSame || word != nil {
                claims[other] = nil
            } else {
                claims[other, default: claim(other)].known = confidence
            }
        }
        let sorted = claims.values.sorted {
            ($0.subject, $0.candidate) < ($1.subject, $1.candidate)
        }
        return (sorted, !unsure.isEmpty)
    }

    private static func evidence(_ judgement: Judgement, _ seqs: [Seq]) -> JSON {
        let parts = Judgement.Part.allCases.compactMap { part in
            judgement[part].map { ("\(part)", JSON($0)) }
        }
        return [
            "score": JSON(judgement.score), "parts": .object(parts),
            "vetoes": .texts(judgement.vetoes.map(\.rawValue)),
            "from": .array(seqs.map { .integer($0) }),
        ]
    }

    /// What is decided on tracks of Spotify's and a service's entities, by one of the two, then by the other.
    private static func known(
        _ connector: ResolvedConnector, by column: String, _ db: Database
    ) throws -> [String: [String: Row]] {
        let other = column == "a_uri" ? "b_uri" : "a_uri"
        let rows = try db.rows(
            """
            SELECT \(other), confidence, method, word, \(column) FROM matches
            WHERE a_uri GLOB '\(connector.prefix)*' AND b_uri GLOB 'spotify:track:*'
            """)
        return Dictionary(grouping: rows) { $0[4] as String }.mapValues {
            Dictionary($0.map { ($0[0] as String, $0) }) { $1 }
        }
    }

    /// Those of some subjects that have no sure name at a service, neither by what is decided nor by what would be.
    func open(_ wanted: [Subject], _ connector: ResolvedConnector, _ db: Database) throws
        -> [Subject]
    {
        let decided: [String] = try db.values(
            "SELECT b_uri FROM matches WHERE a_uri GLOB '\(connector.prefix)*' AND \(Schema.isEdge)"
        )
        let claims = try claims(wanted, connector, db).changes
        let settled = Set(decided).union(claims.filter(\.isEdge).map(\.subject))
        return wanted.filter { !settled.contains($0.uri) }
    }

    // MARK: Entities

    /// Subjects and the recordings that MusicBrainz's answers about them named, each once; a merged one by its heir.
    private func recordings(_ wanted: [Subject], _ db: Database) throws -> [Question] {
        let known = try Self.known(.musicbrainz, by: "b_uri", db)
        return try wanted.map { subject in
            var found: [Entity] = []
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
                    var facts = Self.facts(row, isrc: isNamed ? subject.isrc : isrcs.first)
                    facts.disambiguation = row[7]
                    found.append(Entity(uri: row[0], reading: TrackReading(facts), seqs: [row[8]]))
                }
            }
            return Question(
                uri: subject.uri, reading: subject.reading, others: found,
                known: known[subject.uri] ?? [:])
        }
    }

    /// The entities of Last.fm's that may be some subjects, and all tracks that they may be: by their names alone,
    /// for lengths and MBIDs there are often another's.
    private func names(_ wanted: [Subject], _ db: Database) throws -> [Question] {
        let known = try Self.known(.lastfm, by: "a_uri", db)
        let asked = try db.rows(
            """
            SELECT a.uri, n.uri FROM lastfm_asked a JOIN nodes n ON n.id = a.node_id
            WHERE n.uri <> a.uri
            """)
        let places = Dictionary(grouping: subjects.indices) { subjects[$0].lastfmURI }
        let led = Dictionary(grouping: asked) { $0[1] as String }.mapValues { rows in
            rows.flatMap { places[$0[0]] ?? [] }
        }
        let uris = Set(wanted.map(\.uri))
        let entities = try db.rows(
            "SELECT uri, title, artists, id >> 16 FROM entities WHERE uri GLOB 'lastfm:track:*'")
        return entities.compactMap { row in
            let uri: String = row[0]
            let reading = TrackReading(
                TrackFacts(title: row[1] ?? "", artists: artistNames(row[2])))
            let led = led[uri] ?? []
            let tracks = Set(library.candidates(for: reading) + led).sorted().map { place in
                Entity(
                    uri: subjects[place].uri, reading: subjects[place].reading, seqs: [row[3]])
            }
            let known = known[uri] ?? [:]
            guard (tracks.map(\.uri) + known.keys).contains(where: uris.contains) else {
                return nil
            }
            return Question(
                uri: uri, reading: reading, others: tracks, known: known,
                led: Set(led.map { subjects[$0].uri }))
        }
    }

    /// That one recording went into another is MusicBrainz's own word.
    private static func merges(_ db: Database) throws -> [Claim] {
        try db.rows(
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
    }
}
