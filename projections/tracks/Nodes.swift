import GRDBSQLite
import JSONText
import Ledger

/// What a source tells of a connector entity; one that tells no title tells nothing.
struct NodeFacts {
    var title: JSONValue?
    var artists: [UInt8]?
    var album: JSONValue?
    var durationMS: Int64?
    var releaseDate: JSONValue?
    var isrc: JSONValue?
    /// How good the source is for names: the service itself, else a history row, else a playlist's row.
    var rank: Int64 = 0
}

/// A connector entity and the track it belongs to.
struct Node {
    let id: Int64
    let trackID: Int64
    fileprivate(set) var rank: Int64
    /// The stream that told its names; empty where they are its URI's.
    fileprivate(set) var source: String
}

/// Keeps nodes, tracks and mappings: every connector entity that an event names is its own track.
///
/// Names come whole from one stream, the best source of all, so that it does not matter which stream came first:
/// of equals that with the smallest name in bytes. The service's newest word in it completes and replaces its older
/// one; of the others the first stands.
final class Nodes {
    /// Nodes that were not new and got other facts, unless all are new.
    private(set) var described: Set<Int64> = []
    /// Nodes that are new, unless all are.
    private(set) var created: [String] = []
    private var known: [String: Node] = [:]
    private var newest: Int64 = 0  // the id of the node that came last
    private let isComplete: Bool
    private let keepsTracks: Bool
    private let keepsMappings: Bool
    private let find: Statement
    private let insertNode: Statement
    private let upsertTrack: Statement
    private let updateMember: Statement
    private let insertMapping: Statement
    private let updateNode: Statement
    private let updateDigest: Statement

    /// - Parameter fresh: Whether the tables hold nothing that is not loaded here; the index on URIs may
    ///   be missing then.
    init(_ database: OpaquePointer, models: Set<ReadModel>, fresh: Bool) throws {
        keepsTracks = models.contains(.tracks)
        keepsMappings = models.contains(.mappings)
        isComplete = fresh
        find = try Statement(database, "SELECT id, track_id, rank, source FROM nodes WHERE uri = ?")
        insertNode = try Statement(
            database, "INSERT INTO nodes(id, uri, track_id, rank, source) VALUES (?, ?, ?, ?, ?)")
        upsertTrack = try Statement(
            database,
            """
            INSERT INTO tracks(id, created_at, updated_at, title, artists, album, duration_ms,
                release_date, isrc, spotify_id, lastfm_url)
            VALUES (?1, ?2, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?10, ?11)
            ON CONFLICT(id) DO UPDATE SET \(Self.told)
            """)
        // A node that is grouped keeps its own facts beside the group's.
        updateMember = try Statement(
            database,
            """
            UPDATE members SET \(Self.told) WHERE node_id = ?1 RETURNING node_id
            """)
        insertMapping = try Statement(
            database,
            """
            INSERT OR IGNORE INTO track_mappings(id, track_id, connector_name, connector_id, match_method,
                confidence, last_verified) VALUES (?, ?, ?, ?, 'direct', 100, ?)
            """)
        updateNode = try Statement(
            database, "UPDATE nodes SET (rank, source) = (?2, ?3) WHERE id = ?1")
        updateDigest = try Statement(database, "UPDATE nodes SET digest = ?2 WHERE id = ?1")
        guard fresh else { return }
        try Statement(database, "SELECT id, track_id, rank, source, uri FROM nodes").each { row in
            known[row.text(4) ?? ""] = Node(row)
        }
    }

    /// Finds a node by its URI, makes it if it is new, and takes over better names.
    ///
    /// - Parameters:
    ///   - rank: How good a source the event is for names.
    ///   - facts: What it tells; asked for only when it is needed.
    func node(
        _ uri: Bytes, rank: Int64, in line: EventLine, facts: () -> NodeFacts
    ) throws -> Node {
        let name = String(decoding: uri, as: UTF8.self)
        if var node = try known[name] ?? load(name) {
            // Folded without its tracks, a mapping comes from the event that brought in its node.
            if !keepsTracks, node.id >> 16 == line.seq { try map(node, connector(name), line.at) }
            guard keepsTracks, rank > 0, rank >= node.rank else { return node }
            let (isSame, isSmaller) = node.source.withUTF8 { own in
                (own.elementsEqual(line.stream), line.stream.lexicographicallyPrecedes(own))
            }
            let isBetter = rank > node.rank || isSmaller
            guard isBetter || rank == 3 && isSame else { return node }
            if isBetter {
                (node.rank, node.source) = (rank, line.streamName)
                known[name] = node
                try updateNode.run(node.id, rank, node.source)
            }
            try write(facts(), uri, node, nil, line.at, replacing: isBetter)
            if !isComplete { described.insert(node.id) }
            return node
        }
        newest = max(newest + 1, line.seq << 16)
        let node = Node(
            id: newest, trackID: newest, rank: rank, source: rank == 0 ? "" : line.streamName)
        known[name] = node
        try insertNode.run(node.id, name, node.trackID, rank, rank == 0 ? nil : node.source)
        if !isComplete { created.append(name) }
        let connector = connector(name)
        try write(facts(), uri, node, connector, line.at)
        try map(node, connector, line.at)
        return node
    }

    /// Keeps what the service's last word on a node was, for who would record it again.
    func observed(_ node: Node, digest: JSONValue?) throws {
        if keepsTracks { try updateDigest.run(node.id, digest) }
    }

    /// Finds a node that an earlier event brought in.
    func existing(_ uri: String) throws -> Node? { try known[uri] ?? load(uri) }

    private func load(_ uri: String) throws -> Node? {
        guard !isComplete else { return nil }
        find.bind(1, uri)
        let node = try find.first { Node($0) }
        // A long catch-up keeps what it has met, within bounds; all of it can be found again.
        if known.count > 200_000 { known.removeAll(keepingCapacity: true) }
        if let node { known[uri] = node }
        return node
    }

    private func map(_ node: Node, _ connector: (name: String, id: String)?, _ at: Milliseconds)
        throws
    {
        guard keepsMappings, let connector else { return }
        try insertMapping.run(node.id, node.trackID, connector.name, connector.id, at)
    }

    /// What a word changes in the row of a node: what it does not tell stays if it is of the same stream (`?9`).
    private static let told =
        "updated_at = ?2, "
        + ["title", "artists", "album", "duration_ms", "release_date", "isrc"].enumerated().map {
            "\($1) = iif(?9, ?\($0 + 3), ifnull(?\($0 + 3), \($1)))"
        }.joined(separator: ", ")

    private func write(
        _ facts: NodeFacts, _ uri: Bytes, _ node: Node, _ connector: (name: String, id: String)?,
        _ at: Milliseconds, replacing isReplaced: Bool = false
    ) throws {
        let named = facts.rank == 0 ? TextURI(uri) : nil
        let title: (any Bindable)? = named?.title ?? facts.title
        let told: [(any Bindable)?] = [
            node.id, at, title,
            named.map { JSON.array([.text($0.artist)]).text }
                ?? facts.artists.map { String(decoding: $0, as: UTF8.self) },
            facts.album, facts.durationMS, facts.releaseDate, facts.isrc?.text?.uppercased(),
            isReplaced ? 1 as Int64 : 0,
        ]
        if !isComplete {
            updateMember.bind(told)
            if try updateMember.first({ _ in true }) != nil { return }
        }
        upsertTrack.bind(
            told + [
                connector?.name == "spotify" ? connector?.id : nil,
                connector?.name == "lastfm" ? connector?.id : nil,
            ])
        try upsertTrack.run()
    }

    /// What the service itself calls an entity.
    private func connector(_ uri: String) -> (name: String, id: String)? {
        if uri.hasPrefix("spotify:track:") { return ("spotify", String(uri.dropFirst(14))) }
        if uri.hasPrefix("mb:recording:") { return ("musicbrainz", String(uri.dropFirst(13))) }
        return TextURI.lastfmURL(of: uri).map { ("lastfm", $0) }
    }
}

extension Node {
    /// Reads `id, track_id, rank`.
    fileprivate init(_ row: Statement) {
        self.init(
            id: row.integer(0), trackID: row.integer(1), rank: row.integer(2),
            source: row.text(3) ?? "")
    }
}
