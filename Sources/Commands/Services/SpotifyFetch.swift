import Connectors
import Events
import GRDB
import JSONText
import Ledger
import Music
import Projections
import Projector

/// A list as Spotify showed it in one walk over its pages, ready to be recorded.
struct ListReading {
    let stream: StreamName
    let seq: Seq  // Of the read models that the walk began with.
    var pages: [NewEvent] = []
    var items: [PlaylistItem] = []
    /// Older rows that were not read again.
    var kept = 0
    var facts: [(String, JSON)] = []

    /// The pages and the event that closes them, given the first page's seq.
    func closed(by kind: EventKind, first: Seq) -> [NewEvent] {
        let count: [(String, JSON)] = [
            ("count", JSON(items.count + kept)),
            ("pages", .numbers(pages.indices.map { Int(first) + $0 })),
        ]
        let kept = kept > 0 ? [("kept", JSON(kept))] : []
        return pages + [NewEvent(kind, on: stream, .object(count + kept + facts))]
    }
}

/// Takes in what Spotify shows: tracks once per change, pages, and what closes them.
final class SpotifyFetch {
    private static let pageSize = 50  // The most that every mode of Spotify gives (`api/spotify.md` §6.3).
    private static let observedPerCommit = 4 << 20

    let session: Session
    let client: SpotifyClient
    private let user: String?
    private var digests: [String: String] = [:]
    private var observed: [NewEvent] = []
    /// What this run saw for the first time, or changed.
    private var news: Set<String> = []
    private var observedSize = 0

    init(_ session: Session) throws {
        self.session = session
        client = try session.spotify(limits: try session.limits())
        let base = try session.settings.base(.spotify)
        user = try session.credentials.require("spotify", base: base)["user"]
    }

    // MARK: Pages

    /// Walks a list, recording its entities on the way.
    ///
    /// - Parameter isEnough: Looks at what was read so far and may end the walk early.
    func read(
        _ path: String, _ page: EventKind, on stream: StreamName, what: String,
        query: [(String, String)] = [],
        isEnough: (inout ListReading, JSONValue) -> Bool = { _, _ in false }
    ) async throws -> ListReading {
        var reading = ListReading(stream: stream, seq: try session.caughtUpSeq())
        var pages = client.pages(path, [("limit", "\(Self.pageSize)")] + query)
        while let body = try await pages.next() {
            let split = body.read { SplitPage($0) }
            try observe(split.entities)
            let event = NewEvent(
                page, on: stream,
                ["offset": JSON(reading.items.count), "payload": .raw(split.payload)])
            reading.pages.append(event)
            reading.items += event.data.read { listedItems(ofPage: $0) }
            let total = body.read { $0["total"]?.integer }
            session.progress.show("reading \(what)", reading.items.count, of: total.map(Int.init))
            if body.read({ isEnough(&reading, $0) }) { break }
        }
        session.progress.finish()
        return reading
    }

    /// Notes the entities of a page whose payload is another than the last one recorded for their URI.
    private func observe(_ entities: [SplitPage.Entity]) throws {
        let unknown = entities.map(\.uri).filter { digests[$0] == nil }
        // One look for all: each opens the database.
        let known = try session.projector.read { db in
            try Row.fetchAll(
                db,
                sql: """
                    SELECT uri, digest FROM nodes WHERE uri IN (SELECT value FROM json_each(?1))
                    UNION ALL SELECT uri, digest FROM service_playlists
                    WHERE uri IN (SELECT value FROM json_each(?1))
                    """, arguments: [JSON.array(unknown.map { .text($0) }).text])
        }
        for row in known { digests[row[0]] = row[1] }
        for entity in entities where digests[entity.uri] != entity.digest {
            digests[entity.uri] = entity.digest
            news.insert(entity.uri)
            let isPlaylist = entity.uri.hasPrefix("spotify:playlist:")
            observed.append(
                NewEvent(
                    isPlaylist ? .spotifyPlaylistObserved : .spotifyTrackObserved,
                    on: try streamName(entity.uri),
                    ["digest": .text(entity.digest), "payload": .raw(entity.payload)]))
            observedSize += entity.payload.count
            // What was seen is true whether the walk ends well or not.
            if observedSize > Self.observedPerCommit { try flush() }
        }
    }

    /// Appends the entities noted so far.
    func flush() throws {
        guard !observed.isEmpty else { return }
        try session.append(observed)
        forgetObserved()
    }

    private func forgetObserved() {
        observed = []
        observedSize = 0
    }

    /// Appends a reading whole: entities, pages, and what closes them.
    ///
    /// - Parameters:
    ///   - before: Events that stand in front of the pages.
    ///   - around: Events in front of and behind the closing one.
    func close(
        _ reading: ListReading, by kind: EventKind, before: [NewEvent] = [],
        expecting more: [StreamName: Seq] = [:],
        around: (before: [NewEvent], after: [NewEvent]) = ([], [])
    ) throws {
        let observed = observed
        let expecting = more.merging([reading.stream: reading.seq]) { old, _ in old }
        try session.append(expecting: expecting) { first in
            let lead = observed + before
            var closed = reading.closed(by: kind, first: first + Seq(lead.count))
            let closing = closed.removeLast()
            return lead + closed + around.before + [closing] + around.after
        }
        forgetObserved()
    }

    // MARK: Playlists

    /// What became of a playlist that was looked at.
    enum Outcome {
        case fetched(local: String, count: Int)
        case unchanged(local: String?)
        /// Somebody else's: Spotify shows its name and no rows.
        case closed
    }

    /// Fetches the list of the person's playlists, then those of them that have changed.
    func mine(_ report: (_ uri: String, _ name: String, Outcome) -> Void) async throws {
        let list = try await read(
            "/me/playlists", .spotifyPlaylistsPage, on: StreamName(fixed: "spotify:playlists"),
            what: "the list of playlists")
        try close(list, by: .spotifyPlaylistsFetched)
        try session.catchUp()
        for uri in list.items.compactMap(\.uri) {
            let row = try session.projector.read {
                try $0.row(
                    """
                    SELECT name, ifnull(description, ''), snapshot_id, owner FROM service_playlists
                    WHERE uri = ?
                    """, uri)
            }
            guard let row else { continue }
            let facts = Facts(name: row[0], description: row[1], snapshot: row[2])
            let isOwn = row[3] as String? == user
            let (local, snapshot) = try known(uri)
            let isNamedSame =
                local.map {
                    $0.isDiverged
                        || $0.name == facts.name
                            && $0.description ?? "" == facts.description
                } ?? true
            if snapshot != nil, snapshot == facts.snapshot, isNamedSame {
                report(uri, facts.name, .unchanged(local: local?.uri))
            } else if snapshot == nil, !isOwn, !news.contains(uri) {
                report(uri, facts.name, .closed)  // It was when it looked like this the last time.
            } else {
                do {
                    report(uri, facts.name, try await fetch(uri, facts: facts))
                } catch let error as ServiceError
                    where error.code == .notAllowed && !isOwn || error.code == .notFound
                {
                    report(uri, facts.name, .closed)
                }
            }
        }
    }
}

extension SpotifyFetch {
    /// What Spotify says about a playlist beside its rows.
    struct Facts {
        var name: String
        var description: String
        var snapshot: String?
        var body: [UInt8] = []
    }

    func facts(of uri: String) async throws -> Facts {
        let body = try await client.get(
            Self.path(uri),
            [("fields", "id,uri,name,description,snapshot_id,owner(id),collaborative")])
        return body.read { value in
            Facts(
                name: value["name"]?.text ?? "", description: value["description"]?.text ?? "",
                snapshot: value["snapshot_id"]?.text, body: body)
        }
    }

    /// The playlist of Spotify's that a person named: by URI, URL, or a local one that is linked to it.
    func uri(of reference: String) throws -> String {
        let uri = connectorURI(reference) ?? reference
        if uri.hasPrefix("spotify:playlist:"), uri.count > 17, isID(uri.dropFirst(17)) {
            return uri
        }
        let found = try session.read { try FoundPlaylist.find(reference, $0) }
        return try found.linked
            ?? fail(
                .notFound(
                    "'\(found.name)' is not linked to a playlist of Spotify's",
                    hint: "name that by its spotify:playlist: URI or its URL."))
    }

    static func path(_ uri: String) -> String { "/playlists/\(uri.dropFirst(17))" }

    /// Reads a playlist's rows, again where it changes meanwhile.
    func reading(of uri: String, facts: Facts? = nil) async throws -> (ListReading, Facts) {
        var facts = if let facts { facts } else { try await self.facts(of: uri) }
        var tries = 0
        while true {
            tries += 1
            var reading = try await read(
                Self.path(uri) + "/items", .spotifyPlaylistPage, on: try streamName(uri),
                what: "'\(facts.name)'", query: [("additional_types", "track,episode")])
            if reading.pages.count > 1, tries < 3 {
                let after = try await self.facts(of: uri)
                guard after.snapshot == facts.snapshot else {
                    facts = after
                    continue
                }
            }
            reading.facts = [
                ("snapshot_id", .text(facts.snapshot ?? "")), ("name", .text(facts.name)),
                ("description", .text(facts.description)),
            ]
            return (reading, facts)
        }
    }

    /// Fetches one playlist whole and lets the local one follow, which is made if there is none.
    func fetch(_ uri: String, facts: Facts? = nil, pulling: Bool = false) async throws -> Outcome {
        var attempts = 0
        while true {
            attempts += 1
            var facts = if let facts { facts } else { try await self.facts(of: uri) }
            let (known, snapshot) = try known(uri)
            if !pulling, let snapshot, snapshot == facts.snapshot, let known,
                known.name == facts.name
            {
                return .unchanged(local: known.uri)
            }
            let reading: ListReading
            do {
                (reading, facts) = try await self.reading(of: uri, facts: facts)
            } catch let error as ServiceError where error.code == .notAllowed {
                try recordClosed(facts)
                throw error
            }
            let local = known?.uri ?? newPlaylistURI(session)
            let stream = try streamName(local)
            let made =
                known != nil
                ? []
                : [
                    try created(
                        local, name: facts.name, description: facts.description, items: nil),
                    NewEvent(.playlistLinked, on: stream, ["uri": .text(uri)]),
                ]
            let pulled = pulling ? [NewEvent(.playlistPulled, on: stream, [:])] : []
            do {
                try close(
                    reading, by: .spotifyPlaylistFetched, before: made,
                    expecting: pulling ? [stream: reading.seq] : [:], around: (pulled, []))
                return .fetched(local: local, count: reading.items.count)
            } catch let error as LedgerError where error.code == .conflict && attempts < 3 {
                continue  // Another fetch was there first, perhaps with a newer list.
            }
        }
    }

    /// Keeps what is shown of a playlist whose rows are not.
    private func recordClosed(_ facts: Facts) throws {
        let page = JSON.object([("items", .array([.raw(facts.body)]))]).bytes
        let split = page.read { SplitPage($0) }
        try observe(split.entities)
        try flush()
    }

    /// The local playlist of one of Spotify's, and the state of that whose rows were fetched last.
    private func known(_ uri: String) throws -> (local: FoundPlaylist?, snapshot: String?) {
        try session.catchUp()
        return try session.projector.read { db in
            (
                try FoundPlaylist.matching(uri, db).first { $0.linked == uri },
                try db.value("SELECT fetched_snapshot FROM service_playlists WHERE uri = ?", uri)
            )
        }
    }

    // MARK: Likes and plays

    /// Fetches the liked tracks: only the newest where the total says that the others are as they were.
    ///
    /// - Returns: How many there are, and whether anything has changed.
    func likes() async throws -> (count: Int, changed: Bool) {
        try session.catchUp()
        let known = try session.likes(of: "spotify")
        let reading = try await read(
            "/me/tracks", .spotifyLikesPage, on: StreamName(fixed: "spotify:likes"),
            what: "liked tracks"
        ) { reading, page in
            reading.keepRest(of: known, total: page["total"]?.integer, isLast: page["next"] == nil)
        }
        guard reading.differs(from: known) else {
            try flush()
            return (known.count, false)
        }
        try close(reading, by: .spotifyLikesFetched)
        return (reading.items.count + reading.kept, true)
    }

    /// Fetches the last plays that Spotify tells.
    ///
    /// - Returns: How many of them are new.
    func recent() async throws -> Int {
        try session.catchUp()
        let reading = try await read(
            "/me/player/recently-played", .spotifyRecentPage,
            on: StreamName(fixed: "spotify:recent"), what: "recent plays",
            isEnough: { _, _ in true })
        guard let page = reading.pages.first else { return 0 }
        let fresh = try session.projector.read { db in
            try page.data.read { data in
                try (data["payload"]?["items"]?.elements ?? []).count { row in
                    let uri = (row["track"] ?? row["item"])?["uri"]?.text
                    return try db.row(
                        """
                        SELECT 1 FROM listens l JOIN nodes n ON n.id = l.node_id
                        WHERE l.ended_at = ? AND l.channel = ? AND n.uri = ?
                        """, row["played_at"]?.text.flatMap { ISOTime.parse($0) },
                        Channel.spotifyRecent.rawValue, uri) == nil
                }
            }
        }
        try flush()
        if fresh > 0 { try session.append([page], expecting: [reading.stream: reading.seq]) }
        return fresh
    }
}

extension ListReading {
    /// Ends a walk through likes, newest first, where all that is older is known.
    mutating func keepRest(of known: [String: Milliseconds?], total: Int64?, isLast: Bool) -> Bool {
        guard !isLast, let last = items.last, let uri = last.uri, let date = known[uri],
            date == last.addedAtMS
        else { return false }
        let rest = known.count - Set(items.compactMap(\.uri)).count { known[$0] != nil }
        guard Int(total ?? -1) == items.count + rest else { return false }
        kept = rest
        return true
    }

    /// Whether the rows read, with those kept, are other likes than the known ones.
    func differs(from known: [String: Milliseconds?]) -> Bool {
        items.count + kept != known.count
            || items.contains { item in item.uri.map { known[$0] != item.addedAtMS } ?? true }
    }
}

extension Session {
    /// The likes of a service, with their dates.
    func likes(of service: String) throws -> [String: Milliseconds?] {
        let rows = try projector.read {
            try $0.rows(
                """
                SELECT n.uri, l.liked_at FROM likes l JOIN nodes n ON n.id = l.node_id
                WHERE l.service = ? AND l.is_deleted = 0
                """, service)
        }
        return Dictionary(rows.map { ($0[0] as String, $0[1] as Milliseconds?) }) { $1 }
    }
}
