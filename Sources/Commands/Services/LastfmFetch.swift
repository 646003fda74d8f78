import Connectors
import Events
import GRDB
import JSONText
import Ledger
import Music
import Projections
import Projector

/// Takes in what Last.fm tells about one user.
final class LastfmFetch {
    let session: Session
    let client: LastfmClient
    let user: String

    init(_ session: Session) throws {
        self.session = session
        client = try session.lastfm(limits: try session.limits())
        user =
            try session.credentials.read("lastfm")?["user"]
            ?? session.settings.require("LASTFM_USER")
    }

    private func stream(_ what: String) throws -> StreamName {
        try streamName("lastfm:\(what):\(TextURI.encoded(user))")
    }

    // MARK: Listens

    // Last.fm takes scrobbles that are up to two weeks old (`api/lastfm.md` §6.6), so that much is looked at again.
    private static let lateSeconds: Int64 = 14 * 86_400
    private static let rowsPerPage = 200  // The most that is documented (`api/lastfm.md` §6.1).

    /// A walk through the scrobbles of a span of time, newest first, and how far it has come.
    private struct Walk {
        var from: Int64
        var to: Int64
        var page: Int64 = 1
    }

    /// Where to go on: in a walk that was not finished, else in a new one since the last.
    private func walk(_ stream: StreamName) throws -> Walk {
        let row = try session.projector.read {
            try $0.row(
                "SELECT from_s, to_s, page_count, last_page, through_s FROM walks WHERE stream = ?",
                stream.description)
        }
        let now = session.clock.now / 1000
        guard let row else { return Walk(from: 0, to: now) }
        let pages: Int64 = row[2]
        // Pages without news are not recorded; a walk with gaps begins again.
        if pages > 0, pages == row[3] { return Walk(from: row[0], to: row[1], page: pages + 1) }
        return Walk(from: max(0, (row[4] ?? 0) - Self.lateSeconds), to: now)
    }

    /// Fetches the scrobbles that are not known yet, page by page, each recorded as it comes.
    ///
    /// - Returns: How many scrobbles are new, and the pages that could not be read.
    func listens() async throws -> (new: Int, unreadable: [Int]) {
        try session.catchUp()
        let stream = try stream("listens")
        let walk = try walk(stream)
        let known = try known(walk)
        var new = 0
        var unreadable: [Int] = []
        var total: Int64 = 0
        var query = [("to", "\(walk.to)")]
        if walk.from > 0 { query.append(("from", "\(walk.from)")) }
        try await pages(
            "user.getRecentTracks", "recenttracks", query, size: Self.rowsPerPage,
            from: Int(walk.page),
            unreadable: { unreadable.append($0) }
        ) { page, list, payload in
            total = list["@attr"]?["total"]?.number ?? list["total"]?.number ?? 0
            let fresh = fresh(list, known)
            new += fresh
            guard fresh > 0 else { return true }
            let data: JSON = [
                "from": .integer(walk.from), "to": .integer(walk.to), "page": JSON(page),
                "payload": .raw(payload),
            ]
            try session.append([NewEvent(.lastfmListensPage, on: stream, data)])
            return true
        }
        if unreadable.isEmpty {
            let data: JSON = [
                "from": .integer(walk.from), "to": .integer(walk.to), "count": .integer(total),
            ]
            try session.append([NewEvent(.lastfmListensFetched, on: stream, data)])
        }
        return (new, unreadable)
    }

    /// The scrobbles of a span that are listens already, by the hash of what makes each one.
    private func known(_ walk: Walk) throws -> Set<Int> {
        try session.projector.read {
            Set(
                try $0.rows(
                    """
                    SELECT l.listened_at, n.uri FROM listens l JOIN nodes n ON n.id = l.node_id
                    WHERE l.listened_at BETWEEN ? AND ? AND l.channel = ?
                    """, walk.from * 1000, walk.to * 1000, Channel.lastfm.rawValue
                ).map { Self.hash($0[0], $0[1]) })
        }
    }

    /// How many rows of a page are no listens yet.
    private func fresh(_ list: JSONValue, _ known: Set<Int>) -> Int {
        LastfmRow.rows(of: list).count { row in
            guard let time = row.timeMS else { return false }
            return known.isEmpty || !known.contains(Self.hash(time, row.uri ?? ""))
        }
    }

    private static func hash(_ time: Milliseconds, _ uri: String) -> Int {
        var hasher = Hasher()
        hasher.combine(time)
        hasher.combine(uri)
        return hasher.finalize()
    }

    /// Walks the pages of a list until the last, each checked to be this user's.
    private func pages(
        _ method: String, _ container: StaticString, _ query: [(String, String)], size: Int,
        from first: Int = 1, unreadable: ((Int) -> Void)? = nil,
        _ visit: (_ page: Int, _ list: JSONValue, _ payload: [UInt8]) throws -> Bool
    ) async throws {
        var page = first
        var last = first
        while page <= last {
            do {
                let body = try await client.call(
                    method,
                    [("user", user), ("limit", "\(size)"), ("page", "\(page)")] + query)
                let goesOn = try body.read { answer in
                    guard let list = answer[container] else { return false }
                    last = Int((list["@attr"] ?? list)["totalPages"]?.number ?? 0)
                    return try visit(page, list, answer.compact)
                }
                if !goesOn { break }
            } catch let error as ServiceError where error.code == .malformed && unreadable != nil {
                unreadable?(page)
                session.note("page \(page) cannot be read: \(error.message)")
            }
            session.progress.show("reading \(container)", page, of: last)
            page += 1
        }
        session.progress.finish()
    }

    // MARK: Loves

    /// Fetches the loved tracks: only the newest where the total says that the others are as they were.
    ///
    /// - Returns: How many there are, and whether anything has changed.
    func loves() async throws -> (count: Int, changed: Bool) {
        try session.catchUp()
        let known = try session.likes(of: "lastfm")
        var reading = ListReading(stream: try stream("loves"), seq: try session.caughtUpSeq())
        try await pages("user.getLovedTracks", "lovedtracks", [], size: 1000) {
            page, list, payload in
            reading.pages.append(
                NewEvent(
                    .lastfmLovesPage, on: reading.stream,
                    ["offset": JSON(reading.items.count), "payload": .raw(payload)]))
            reading.items += LastfmRow.rows(of: list).map(\.item)
            let total = list["@attr"]?["total"]?.number
            return !reading.keepRest(
                of: known, total: total, isLast: total == Int64(reading.items.count))
        }
        guard reading.differs(from: known) else { return (known.count, false) }
        try session.append(expecting: [reading.stream: reading.seq]) { first in
            reading.closed(by: .lastfmLovesFetched, first: first)
        }
        return (reading.items.count + reading.kept, true)
    }

    // MARK: Counts

    /// Fetches the plays of all tracks the user ever scrobbled, unless that was done lately.
    ///
    /// - Returns: How many tracks Last.fm named; nil if the counts are younger than `maxAgeMS`.
    func allCounts(maxAgeMS: Milliseconds) async throws -> Int? {
        try session.catchUp()
        let stream = try stream("counts")
        let fetched: Milliseconds? = try session.projector.read {
            try $0.value(
                "SELECT max(fetched_at) FROM fetches WHERE stream = ?", stream.description)
        }
        if let fetched, session.clock.now - fetched < maxAgeMS { return nil }
        var count = 0
        var read: [NewEvent] = []
        try await pages("user.getTopTracks", "toptracks", [("period", "overall")], size: 1000) {
            _, list, payload in
            let data: JSON = ["offset": JSON(count), "payload": .raw(payload)]
            read.append(NewEvent(.lastfmCountsPage, on: stream, data))
            count += LastfmRow.rows(of: list).count
            return true
        }
        // Not before all are there: ranks change from one walk to the next, so none can go on where one stopped.
        let seqs = try read.map { JSON(try session.append([$0])) }
        let data: JSON = ["count": JSON(count), "pages": .array(seqs)]
        try session.append([NewEvent(.lastfmCountsFetched, on: stream, data)])
        _ = try session.resolve(.lastfm) { $0.subjects }
        return count
    }

    /// Asks for the plays of some tracks, but for those that were asked for lately.
    ///
    /// A track that Last.fm does not find by its names is asked for by the MBID of its recording; that Last.fm
    /// keeps many wrong MBIDs does no harm, since what answers is judged by its names.
    ///
    /// - Parameter uris: Tracks of Spotify's; others have no names to ask for.
    /// - Returns: How many were asked, and how many of those Last.fm does not know.
    func counts(of uris: [String], maxAgeMS: Milliseconds) async throws -> (
        asked: Int, missing: Int
    ) {
        let tracks = try session.read { try Resolution($0).subjects(uris) }
        let result = try await counts(of: tracks, maxAgeMS: maxAgeMS)
        _ = try session.resolve(.lastfm) { $0.subjects(uris) }
        return result
    }

    /// Asks for the plays of some tracks, and claims nothing about them.
    func counts(
        of tracks: [Resolution.Subject], maxAgeMS: Milliseconds, limit: Int = .max
    ) async throws -> (asked: Int, missing: Int) {
        let wanted = try stale(tracks, maxAgeMS: maxAgeMS).prefix(limit)
        var pending: [NewEvent] = []
        var asked = 0
        var missing = 0
        func flush() throws {
            if !pending.isEmpty { try session.append(pending) }
            pending = []
        }
        do {
            for (track, stream, mbid) in wanted {
                var answers = [
                    try await info(
                        [("artist", track.artist), ("track", track.title), ("autocorrect", "1")])
                ]
                if let mbid, Self.entity(answers[0]) == nil {
                    // The last one is kept as the answer.
                    let other = try await info([("mbid", mbid)])
                    answers.insert(other, at: isSure(track, other) ? 1 : 0)
                }
                for answer in answers {
                    let data: JSON = ["user": .text(user), "payload": .raw(answer)]
                    pending.append(NewEvent(.lastfmTrackObserved, on: stream, data))
                }
                if answers.allSatisfy({ Self.entity($0) == nil }) { missing += 1 }
                asked += 1
                session.progress.show("asking Last.fm", asked, of: wanted.count)
                if pending.count >= 40 { try flush() }
            }
        } catch {
            try flush()  // What was answered is kept, whatever ends the rest.
            throw error
        }
        try flush()
        session.progress.finish()
        return (asked, missing)
    }

    /// The entity that an answer is about; nil for one that says it knows none.
    private static func entity(_ answer: [UInt8]) -> String? {
        answer.read { $0["track"].flatMap { LastfmRow($0).uri } }
    }

    /// Whether an answer's names are surely a track's.
    private func isSure(_ track: Resolution.Subject, _ answer: [UInt8]) -> Bool {
        guard let entity = Self.entity(answer),
            let names = Array(entity.utf8).withUnsafeBufferPointer({ TextURI($0) })
        else { return false }
        let facts = TrackFacts(title: names.title, artists: [names.artist])
        return Matcher.judge(track.reading, TrackReading(facts)).verdict == .accept
    }

    /// Last.fm's answer about a track, also the one that says it knows none.
    private func info(_ track: [(String, String)]) async throws -> [UInt8] {
        do {
            return try await client.call("track.getInfo", track + [("username", user)])
                .read { $0.compact }
        } catch let error as ServiceError where error.code == .notFound {
            let said: JSON = [
                "error": JSON(Int(error.reason ?? "") ?? 6), "message": .text(error.message),
            ]
            return said.bytes
        }
    }

    /// The tracks among these whose counts are older than they may be; the stream that an answer goes to, and the
    /// MBID of the recording that each is, where that is known.
    private func stale(_ tracks: [Resolution.Subject], maxAgeMS: Milliseconds) throws -> [(
        track: Resolution.Subject, stream: StreamName, mbid: String?
    )] {
        let oldest = session.clock.now - maxAgeMS
        return try session.read { db in
            try tracks.compactMap { track in
                let asked = track.lastfmURI
                let fresh = try db.row(
                    """
                    SELECT 1 FROM lastfm_asked WHERE uri = ?1 AND user_id = ?2 AND asked_at > ?3
                    UNION SELECT 1 FROM matches m JOIN nodes n ON n.uri = a_uri
                    JOIN lastfm_counts c ON c.node_id = n.id
                    WHERE b_uri = ?4 AND a_uri GLOB 'lastfm:track:*' AND \(Schema.isEdge)
                        AND c.user_id = ?2 AND c.last_updated > ?3
                    """, asked, user, oldest, track.uri)
                guard fresh == nil, let stream = StreamName(asked) else { return nil }
                let mbid: String? = try db.value(
                    """
                    SELECT substr(m.uri, 14) FROM nodes n JOIN nodes m ON m.track_id = n.track_id
                    WHERE n.uri = ? AND m.uri GLOB 'mb:recording:*' ORDER BY m.uri
                    """, track.uri)
                return (track, stream, mbid)
            }
        }
    }
}
