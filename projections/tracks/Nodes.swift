import GRDBSQLite
import JSONText
import Ledger

/// What a source tells of a connector entity.
struct NodeFacts {
    var title: JSONValue?
    var artists: [UInt8]?
    var album: JSONValue?
    var durationMS: Int64?
    var releaseDate: JSONValue?
    var isrc: JSONValue?
    var rank: Int64 = 0
}

/// A connector entity and the track it belongs to.
struct Node {
    let id: Int64
    let trackID: Int64
    fileprivate(set) var rank: Int64
}

/// Keeps nodes, tracks and mappings: every connector entity that an event names is its own track.
///
/// Names come from the best source so far: the service itself, else a history row, else a playlist's
/// row. The service's newest word replaces its older one; of the others the first stands.
final class Nodes {
    private var known: [String: Node] = [:]
    private let isComplete: Bool
    private let touched: (Int64) -> Void
    private let models: Set<ReadModel>
    private let find: Statement
    private let insertNode: Statement
    private let insertTrack: Statement
    private let insertMapping: Statement
    private let updateNode: Statement
    private let updateDigest: Statement
    private let updateTrack: Statement

    /// - Parameter fresh: Whether the tables hold nothing that is not loaded here; the index on URIs may
    ///   be missing then.
    /// - Parameter touched: Hears of nodes that are not new and got other facts, unless all are new.
    init(
        _ database: OpaquePointer, models: Set<ReadModel>, fresh: Bool,
        touched: @escaping (Int64) -> Void
    ) throws {
        self.models = models
        self.touched = touched
        isComplete = fresh
        find = try Statement(database, "SELECT id, track_id, rank FROM nodes WHERE uri = ?")
        insertNode = try Statement(
            database, "INSERT INTO nodes(id, uri, track_id, rank) VALUES (?, ?, ?, ?)")
        insertTrack = try Statement(
            database,
            """
            INSERT INTO tracks(id, created_at, updated_at, title, artists, album, duration_ms,
                release_date, isrc, spotify_id, lastfm_url) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
            """)
        insertMapping = try Statement(
            database,
            """
            INSERT OR IGNORE INTO track_mappings(id, track_id, connector_name, connector_id, match_method,
                confidence, last_verified) VALUES (?, ?, ?, ?, 'direct', 100, ?)
            """)
        updateNode = try Statement(database, "UPDATE nodes SET rank = ?2 WHERE id = ?1")
        updateDigest = try Statement(database, "UPDATE nodes SET digest = ?2 WHERE id = ?1")
        updateTrack = try Statement(
            database,
            """
            UPDATE tracks SET updated_at = ?3, title = ifnull(?4, title), artists = ifnull(?5, artists),
                album = ifnull(?6, album), duration_ms = ifnull(?7, duration_ms),
                release_date = ifnull(?8, release_date), isrc = ifnull(?9, isrc) WHERE id = ?1
            """)
        guard fresh else { return }
        try Statement(database, "SELECT id, track_id, rank, uri FROM nodes").each { row in
            known[row.text(3) ?? ""] = Node(
                id: row.integer(0), trackID: row.integer(1), rank: row.integer(2))
        }
    }

    /// Finds a node by its URI, makes it if it is new, and takes over better names.
    ///
    /// - Parameters:
    ///   - rank: How good a source the event is for names.
    ///   - ordinal: How many nodes the event brought in so far; counted up for a new one.
    ///   - facts: What it tells; asked for only when it is needed.
    func node(
        _ uri: Bytes, rank: Int64, in line: EventLine, ordinal: inout Int64, facts: () -> NodeFacts
    ) throws -> Node {
        let name = String(decoding: uri, as: UTF8.self)
        guard var node = try known[name] ?? load(name) else {
            let id = line.seq << 16 | ordinal
            ordinal += 1
            let node = Node(id: id, trackID: id, rank: rank)
            try insert(node, name, uri, facts(), line.at)
            known[name] = node
            return node
        }
        // Folded without its tracks, a mapping comes from the event that brought in its node.
        if !models.contains(.tracks), node.id >> 16 == line.seq {
            try map(node, connector(name), line.at)
        }
        guard rank > node.rank || (rank == 3 && node.rank == 3), models.contains(.tracks) else {
            return node
        }
        if rank > node.rank {
            node.rank = rank
            known[name] = node
            updateNode.bind(1, node.id)
            updateNode.bind(2, rank)
            try updateNode.run()
        }
        try write(facts(), uri, to: updateTrack, id: node.id, line.at)
        if !isComplete { touched(node.id) }
        return node
    }

    /// Keeps what the service's last word on a node was, for who would record it again.
    func observed(_ node: Node, digest: JSONValue?) throws {
        guard models.contains(.tracks) else { return }
        updateDigest.bind(1, node.id)
        updateDigest.bind(2, text: digest)
        try updateDigest.run()
    }

    /// Finds a node that an earlier event brought in.
    func existing(_ uri: String) throws -> Node? { try known[uri] ?? load(uri) }

    private func load(_ uri: String) throws -> Node? {
        guard !isComplete else { return nil }
        find.bind(1, uri)
        let node = try find.first {
            Node(id: $0.integer(0), trackID: $0.integer(1), rank: $0.integer(2))
        }
        // A long catch-up keeps what it has met, within bounds; all of it can be found again.
        if known.count > 200_000 { known.removeAll(keepingCapacity: true) }
        if let node { known[uri] = node }
        return node
    }

    private func insert(
        _ node: Node, _ name: String, _ uri: Bytes, _ facts: NodeFacts, _ at: Milliseconds
    ) throws {
        let connector = connector(name)
        if models.contains(.tracks) {
            insertNode.bind(1, node.id)
            insertNode.bindInPlace(2, uri)
            insertNode.bind(3, node.trackID)
            insertNode.bind(4, node.rank)
            try insertNode.run()
            insertTrack.bind(10, connector?.name == "spotify" ? connector?.id : nil)
            insertTrack.bind(11, connector?.name == "lastfm" ? connector?.id : nil)
            try write(facts, uri, to: insertTrack, id: node.id, at)
        }
        try map(node, connector, at)
    }

    private func map(_ node: Node, _ connector: (name: String, id: String)?, _ at: Milliseconds)
        throws
    {
        guard models.contains(.mappings), let connector else { return }
        insertMapping.bind(1, node.id)
        insertMapping.bind(2, node.trackID)
        insertMapping.bind(3, connector.name)
        insertMapping.bind(4, connector.id)
        insertMapping.bind(5, at)
        try insertMapping.run()
    }

    private func write(
        _ facts: NodeFacts, _ uri: Bytes, to statement: Statement, id: Int64, _ at: Milliseconds
    ) throws {
        statement.bind(1, id)
        if statement === insertTrack { statement.bind(2, at) }
        statement.bind(3, at)
        if facts.rank == 0, let named = TextURI(uri) {
            statement.bind(4, named.title)
            statement.bind(5, JSON.array([.text(named.artist)]).text)
        } else {
            statement.bind(4, text: facts.title)
            statement.bind(5, facts.artists.map { String(decoding: $0, as: UTF8.self) })
        }
        statement.bind(6, text: facts.album)
        statement.bind(7, facts.durationMS)
        statement.bind(8, text: facts.releaseDate)
        statement.bind(9, facts.isrc?.text?.uppercased())
        try statement.run()
    }

    /// What the service itself calls an entity.
    private func connector(_ uri: String) -> (name: String, id: String)? {
        if uri.hasPrefix("spotify:track:") { return ("spotify", String(uri.dropFirst(14))) }
        return TextURI.lastfmURL(of: uri).map { ("lastfm", $0) }
    }
}
