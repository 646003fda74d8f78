import Events
import GRDBSQLite
import JSONText
import Ledger
import Music

/// Keeps the playlists, their rows, their links, the likes and what was fetched when.
final class PlaylistsFold {
    private let database: OpaquePointer
    let sql: Statements
    private let nodes: Nodes
    private var states: [String: PlaylistState] = [:]
    private var owners: [String: String] = [:]  // connector playlist → the local one linked to it
    private var pages: [Seq: (stream: String, items: [PlaylistItem])] = [:]
    private var pagesChanged = false
    private let isComplete: Bool

    private let insertRow: Statement
    private let updateRow: Statement
    private let deleteRow: Statement

    init(_ database: OpaquePointer, nodes: Nodes, fresh: Bool) throws {
        self.database = database
        sql = Statements(database)
        self.nodes = nodes
        isComplete = fresh
        insertRow = try Statement(
            database, "INSERT INTO playlist_tracks VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
        updateRow = try Statement(
            database,
            "UPDATE playlist_tracks SET sort_key = ?2, updated_at = ?3, added_at = ?4 WHERE id = ?1"
        )
        deleteRow = try Statement(database, "DELETE FROM playlist_tracks WHERE id = ?")
        try loadPages()
        try Statement(
            database,
            """
            SELECT m.connector_name, m.connector_id, p.uri FROM playlist_mappings m
            JOIN playlists p ON p.id = m.playlist_id
            """
        ).each { owners[Self.connectorURI($0.text(0), $0.text(1))] = $0.text(2) }
    }

    // MARK: Local events

    func playlist(_ fact: PlaylistFact, stream: String, seq: Seq, at: Milliseconds) throws {
        if case .created(_, _, _, let source) = fact, try state(stream) == nil,
            let state = PlaylistState(uri: stream, fact, seq: seq, at: at)
        {
            states[stream] = state
            try sql(
                """
                INSERT INTO playlists(id, uri, source, created_at, name, track_count, updated_at,
                    edited_seq, synced_seq) VALUES (?, ?, ?, ?, '', 0, 0, 0, 0)
                """, seq << 16, stream, source.map { String(decoding: $0, as: UTF8.self) }, at
            ).run()
        }
        guard var state = try state(stream) else {
            throw PlaylistEditError(description: "there is no playlist \(stream) at this point")
        }
        if case .linked(let uri) = fact { try link(state, to: uri, seq: seq) }
        if case .push(let step) = fact { try push(step, state.createdSeq << 16, seq: seq, at: at) }
        states[stream] = nil  // The one reference is changed in place; a second would copy every row.
        let changes = try state.apply(fact, seq: seq, at: at)
        if case .unlinked(let uri) = fact {
            owners[uri] = nil
            try sql(
                "DELETE FROM playlist_mappings WHERE playlist_id = ? AND connector_name = ?",
                state.createdSeq << 16, Self.connector(uri).name
            ).run()
        }
        try write(state, changes, seq: seq, at: at, named: fact.isNaming)
    }

    private func link(_ state: PlaylistState, to uri: String, seq: Seq) throws {
        let connector = Self.connector(uri)
        guard connector.name == "spotify" else {
            throw PlaylistEditError(description: "'\(uri)' is not a playlist of a known service")
        }
        guard owners[uri] == nil, state.links.isEmpty else {
            throw PlaylistEditError(
                description: "\(uri) or the playlist is linked already; unlink it first")
        }
        owners[uri] = state.uri
        try sql(
            "INSERT INTO playlist_mappings VALUES (?, ?, ?, ?, NULL)", seq << 16,
            state.createdSeq << 16, connector.name, connector.id
        ).run()
    }

    /// An intention is settled once, by an event of the same playlist.
    private func push(_ step: PushStep, _ playlist: Int64, seq: Seq, at: Milliseconds) throws {
        guard let intended = step.intended else {
            return try sql(
                "INSERT INTO outbox VALUES (?, 'push', ?, ?, 'intended', ?, NULL, ?6, ?6)",
                seq << 16, playlist, step.target, step.writes, nil, at
            ).run()
        }
        let settled = try sql(
            """
            UPDATE outbox SET status = ?, target = ifnull(?, target), writes = ifnull(?, writes),
                reason = ?, updated_at = ? WHERE id = ? AND playlist_id = ? AND status = 'intended'
            RETURNING id
            """, step.status, step.target, step.writes, step.reason, at, intended << 16, playlist
        ).first { $0.integer(0) }
        guard settled != nil else {
            throw EventFault(
                field: "intended", reason: "\(intended) is no open intention of this playlist")
        }
        if step.status == "completed" { try synced(playlist, at) }
    }

    private func synced(_ playlist: Int64, _ at: Milliseconds) throws {
        try sql("UPDATE playlist_mappings SET last_synced = ? WHERE playlist_id = ?", at, playlist)
            .run()
    }

    private func write(
        _ state: PlaylistState, _ changes: RowChanges, seq: Seq, at: Milliseconds, named: Bool
    ) throws {
        states[state.uri] = state
        let id = state.createdSeq << 16
        for row in changes.removed {
            deleteRow.bind(1, row.id)
            try deleteRow.run()
        }
        for row in changes.updated {
            updateRow.bind(1, row.id)
            updateRow.bind(2, row.sortKey.description)
            updateRow.bind(3, row.updatedAtMS)
            updateRow.bind(4, row.addedAtMS)
            try updateRow.run()
        }
        for row in changes.inserted {
            let node = try row.uri.flatMap { try nodes.existing($0) }
            insertRow.bind(1, row.id)
            insertRow.bind(2, id)
            insertRow.bind(3, node?.trackID)
            insertRow.bind(4, row.sortKey.description)
            insertRow.bind(5, row.createdAtMS)
            insertRow.bind(6, row.updatedAtMS)
            insertRow.bind(7, node?.id)
            insertRow.bind(8, row.addedAtMS)
            try insertRow.run()
        }
        if named {
            let name = state.isDeleted ? "" : state.name
            try sql("INSERT INTO playlist_names VALUES (?, ?, ?)", id, seq, name).run()
        }
        try sql(
            """
            UPDATE playlists SET name = ?2, description = ?3, track_count = ?4, updated_at = ?5,
                edited_seq = ?6, synced_seq = ?7, is_deleted = ?8,
                deleted_at = iif(?8, ifnull(deleted_at, ?9), NULL) WHERE id = ?1
            """, id, state.name, state.description, Int64(state.rows.rows.count),
            state.updatedAtMS, state.editedSeq, state.syncedSeq, Int64(state.isDeleted ? 1 : 0), at
        ).run()
    }

    /// The playlist as it is folded so far.
    private func state(_ uri: String) throws -> PlaylistState? {
        if let state = states[uri] { return state }
        guard !isComplete else { return nil }
        let header = try Statement(
            database,
            """
            SELECT id, created_at, name, description, updated_at, is_deleted, edited_seq, synced_seq
            FROM playlists WHERE uri = ?
            """)
        header.bind(1, uri)
        let query = try Statement(
            database,
            """
            SELECT t.id, n.uri, t.sort_key, t.added_at, t.created_at, t.updated_at
            FROM playlist_tracks t LEFT JOIN nodes n ON n.id = t.node_id
            WHERE t.playlist_id = ? ORDER BY t.sort_key
            """)
        let links = owners.filter { $0.value == uri }.map(\.key)
        try header.each { row in
            var rows: [PlaylistRow] = []
            query.bind(1, row.integer(0))
            try query.each {
                rows.append(
                    PlaylistRow(
                        id: $0.integer(0), uri: $0.text(1), sortKey: SortKey($0.text(2) ?? ""),
                        addedAtMS: $0.integer(3), createdAtMS: $0.integer(4),
                        updatedAtMS: $0.integer(5)))
            }
            states[uri] = PlaylistState(
                uri: uri, createdSeq: row.integer(0) >> 16, createdAtMS: row.integer(1),
                name: row.text(2) ?? "", description: row.text(3), updatedAtMS: row.integer(4),
                isDeleted: row.integer(5) != 0, rows: rows, links: Set(links),
                editedSeq: row.integer(6), syncedSeq: row.integer(7))
        }
        return states[uri]
    }

    private static func connector(_ uri: String) -> (name: String, id: String) {
        let prefix = "spotify:playlist:"
        return uri.hasPrefix(prefix) ? ("spotify", String(uri.dropFirst(prefix.count))) : ("", uri)
    }

    private static func connectorURI(_ name: String?, _ id: String?) -> String {
        "\(name ?? ""):playlist:\(id ?? "")"
    }

    // MARK: Fetches

    /// A page waits for the event that closes its fetch.
    func page(_ items: [PlaylistItem], stream: String, seq: Seq) {
        pages[seq] = (stream, items)
        pagesChanged = true
    }

    /// Notes that a fetch is complete.
    func fetched(_ count: Int64, _ line: EventLine) throws {
        try sql(
            "INSERT INTO fetches VALUES (?, ?, ?, ?)", line.seq << 16, line.streamName, line.at,
            count
        ).run()
    }

    /// Takes in the pages of a fetch that is complete.
    func fetched(_ kind: EventKind, _ data: JSONValue, _ line: EventLine) throws {
        let (stream, at) = (line.streamName, line.at)
        var items: [PlaylistItem] = []
        for page in data["pages"]?.elements ?? [] {
            guard let seq = page.integer, let found = pages[seq], found.stream == stream else {
                throw PlaylistEditError(
                    description: "page \(page.integer ?? 0) of this fetch is not there")
            }
            items += found.items
        }
        // Playlists are always read whole; of likes only the newest may have been read.
        let isLikes = [.spotifyLikesFetched, .lastfmLovesFetched].contains(kind)
        let kept = isLikes ? data["kept"]?.integer : nil
        let count = Int64(items.count) + (kept ?? 0)
        guard data["count"]?.integer == count else {
            throw PlaylistEditError(
                description: "the pages hold \(count) rows with those kept, not the count named")
        }
        let before = pages.count
        pages = pages.filter { $0.value.stream != stream }
        pagesChanged = pagesChanged || pages.count != before
        try fetched(count, line)
        switch kind {
        case .spotifyLikesFetched:
            try likes(items, of: "spotify", kept: kept, seq: line.seq, at: at)
        case .lastfmLovesFetched:
            try likes(items, of: "lastfm", kept: kept, seq: line.seq, at: at)
        case .spotifyPlaylistsFetched: try listed(items.compactMap(\.uri))
        default: try playlistFetched(items, data, stream: stream, seq: line.seq, at: at)
        }
    }

    private func playlistFetched(
        _ items: [PlaylistItem], _ data: JSONValue, stream: String, seq: Seq, at: Milliseconds
    ) throws {
        try sql(
            """
            INSERT INTO service_playlists(id, uri, name, snapshot_id, fetched_snapshot, item_count,
                description, updated_at) VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7)
            ON CONFLICT(uri) DO UPDATE SET name = ifnull(?3, name), snapshot_id = ifnull(?4, snapshot_id),
                fetched_snapshot = ?4, item_count = ?5, description = ifnull(?6, description),
                updated_at = ?7
            """, seq << 16, stream, data["name"]?.text, data["snapshot_id"]?.text,
            Int64(items.count), data["description"]?.text, at
        ).run()
        guard let owner = owners[stream], var state = try state(owner) else { return }
        let name = state.name
        states[owner] = nil
        let changes = try state.follow(items, data, seq: seq, at: at)
        states[owner] = state
        guard let changes else { return }
        try write(state, changes, seq: seq, at: at, named: state.name != name)
        try synced(state.createdSeq << 16, at)
    }

    /// A playlist as a list of playlists shows it.
    func observed(_ data: JSONValue, stream: String, seq: Seq, at: Milliseconds) throws {
        guard let list = data["payload"] else { return }
        try sql(
            """
            INSERT INTO service_playlists(id, uri, name, owner, snapshot_id, item_count, description,
                digest, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT(uri) DO UPDATE SET (name, owner, snapshot_id, item_count, description, digest,
                updated_at) = (excluded.name, excluded.owner, excluded.snapshot_id,
                excluded.item_count, excluded.description, excluded.digest, excluded.updated_at)
            """, seq << 16, stream, list["name"]?.text, list["owner"]?["id"]?.text,
            list["snapshot_id"]?.text, (list["items"] ?? list["tracks"])?["total"]?.integer,
            list["description"]?.text, data["digest"]?.text, at
        ).run()
    }

    /// The list of playlists is complete: what it does not name is not listed any more.
    private func listed(_ uris: [String]) throws {
        try sql("UPDATE service_playlists SET is_listed = 0 WHERE is_listed = 1").run()
        for uri in uris {
            try sql("UPDATE service_playlists SET is_listed = 1 WHERE uri = ?", uri).run()
        }
    }

    /// Takes in a list of likes.
    ///
    /// - Parameter kept: How many older ones were not read again and stay; nil for a whole list.
    private func likes(
        _ items: [PlaylistItem], of service: String, kept: Int64?, seq: Seq, at: Milliseconds
    ) throws {
        var known: [Int64: (id: Int64, isDeleted: Bool)] = [:]
        try sql("SELECT node_id, id, is_deleted FROM likes WHERE service = ?", service).each {
            known[$0.integer(0)] = ($0.integer(1), $0.integer(2) != 0)
        }
        var ordinal: Int64 = 0
        for item in items {
            guard let node = try item.uri.flatMap({ try nodes.existing($0) }) else { continue }
            if let like = known[node.id] {
                known[node.id] = (-1, false)  // Seen; a second row of one track changes nothing.
                guard like.isDeleted else { continue }
                try sql(
                    """
                    UPDATE likes SET is_deleted = 0, deleted_at = NULL, liked_at = ?, updated_at = ?
                    WHERE id = ?
                    """, item.addedAtMS, at, like.id
                ).run()
                continue
            }
            try sql(
                "INSERT INTO likes VALUES (?, ?, ?, ?, ?, ?6, ?6, 0, NULL)", seq << 16 | ordinal,
                node.id, node.trackID, service, item.addedAtMS, at
            ).run()
            known[node.id] = (-1, false)
            ordinal += 1
        }
        let unnamed = known.values.filter { $0.id >= 0 && !$0.isDeleted }
        guard kept == nil || kept == Int64(unnamed.count) else {
            throw EventFault(
                field: "kept", reason: "must be \(unnamed.count), the likes that no page names")
        }
        for like in kept == nil ? unnamed : [] {
            try sql(
                "UPDATE likes SET is_deleted = 1, deleted_at = ?1, updated_at = ?1 WHERE id = ?2",
                at, like.id
            ).run()
        }
    }

    // MARK: Pages between two batches

    private func loadPages() throws {
        try Statement(
            database,
            "SELECT page_seq, stream, uri, added_at, ordinal FROM page_items ORDER BY 1, 5"
        ).each { row in
            let item = PlaylistItem(
                uri: row.text(2), addedAtMS: row.isNull(3) ? nil : row.integer(3))
            // Ordinal -1 stands for the page itself, which may have no rows.
            pages[row.integer(0), default: (row.text(1) ?? "", [])].items +=
                row.integer(4) < 0 ? [] : [item]
        }
    }

    /// Writes down the pages whose fetch is still open.
    func flush() throws {
        guard pagesChanged else { return }
        pagesChanged = false
        try Statement(database, "DELETE FROM page_items").run()
        for (seq, page) in pages {
            for (ordinal, item) in ([nil] + page.items).enumerated() {
                try sql(
                    "INSERT INTO page_items VALUES (?, ?, ?, ?, ?)", seq, Int64(ordinal) - 1,
                    page.stream, item?.uri, item?.addedAtMS
                ).run()
            }
        }
    }
}

extension PlaylistFact {
    /// Whether it gives the playlist a name or takes it away.
    fileprivate var isNaming: Bool {
        switch self {
        case .created, .renamed, .deleted: true
        default: false
        }
    }
}
