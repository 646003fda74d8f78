import Events
import GRDBSQLite
import JSONText
import Ledger
import Music

/// Keeps the playlists, their rows, their links, the likes and what was fetched when.
final class PlaylistsFold {
    let sql: Statements
    private let nodes: Nodes
    private let isComplete: Bool
    private var states: [String: PlaylistState] = [:]
    private var owners: [String: String] = [:]  // connector playlist → the local one linked to it
    private var pages: [Seq: (stream: String, items: [PlaylistItem])] = [:]  // fetches still open
    private var pagesChanged = false

    private let insertRow: Statement
    private let updateRow: Statement

    init(_ database: OpaquePointer, nodes: Nodes, fresh: Bool) throws {
        sql = Statements(database)
        self.nodes = nodes
        isComplete = fresh
        insertRow = try Statement(
            database, "INSERT INTO playlist_tracks VALUES (?, ?, ?, ?, ?, ?, ?, ?)")
        updateRow = try Statement(
            database,
            "UPDATE playlist_tracks SET sort_key = ?2, updated_at = ?3, added_at = ?4 WHERE id = ?1"
        )
        try sql(
            """
            SELECT m.connector_name || ':playlist:' || m.connector_id, p.uri
            FROM playlist_mappings m JOIN playlists p ON p.id = m.playlist_id
            """
        ).each { owners[$0.text(0) ?? ""] = $0.text(1) }
        try sql("SELECT page_seq, stream, uri, added_at, ordinal FROM page_items ORDER BY 1, 5")
            .each {
                let item = PlaylistItem(
                    uri: $0.text(2), addedAtMS: $0.isNull(3) ? nil : $0.integer(3))
                // Ordinal -1 stands for the page itself, which may have no rows.
                pages[$0.integer(0), default: ($0.text(1) ?? "", [])].items +=
                    $0.integer(4) < 0 ? [] : [item]
            }
    }

    // MARK: Local events

    func playlist(
        _ kind: EventKind, _ data: JSONValue, _ items: [PlaylistItem], _ line: EventLine
    ) throws {
        let (stream, seq, at) = (line.streamName, line.seq, line.at)
        if kind == .playlistCreated, try state(stream) == nil {
            states[stream] = PlaylistState(uri: stream, createdSeq: seq)
            try sql(
                """
                INSERT INTO playlists(id, uri, source, created_at, name, track_count, updated_at,
                    edited_seq, synced_seq) VALUES (?, ?, ?, ?, '', 0, 0, 0, 0)
                """, seq << 16, stream,
                data["source"].map { String(decoding: $0.bytes, as: UTF8.self) }, at
            ).run()
        }
        guard var state = try state(stream) else {
            throw PlaylistEditError(description: "there is no playlist \(stream) at this point")
        }
        try concerns(state.id, seq, line)
        let uri = data["uri"]?.text ?? ""
        switch kind {
        case .playlistLinked: try link(state, to: uri, seq: seq)
        case .pushIntended, .pushCompleted, .pushFailed: try push(kind, data, state.id, line)
        default: break
        }
        states[stream] = nil  // The one reference is changed in place; a second would copy every row.
        let changes = try state.apply(kind, data, items: items, seq: seq, at: at)
        if kind == .playlistUnlinked {
            owners[uri] = nil
            try sql(
                "DELETE FROM playlist_mappings WHERE playlist_id = ? AND connector_name = 'spotify'",
                state.id
            ).run()
        }
        let isNaming = [.playlistCreated, .playlistRenamed, .playlistDeleted].contains(kind)
        try write(state, changes, seq: seq, at: at, named: isNaming)
    }

    /// Notes that a playlist's past has to do with an event, and what it says where that is short: edits are, and
    /// lie all over the log, where each would cost a commit to read.
    private func concerns(_ playlist: Int64, _ seq: Seq, _ line: EventLine?) throws {
        let text = line.flatMap { $0.line.count <= 1024 ? $0.line : nil }
        try sql(
            "INSERT OR IGNORE INTO playlist_events VALUES (?, ?, ?)", playlist, seq,
            text.map { String(decoding: $0, as: UTF8.self) }
        ).run()
    }

    private func link(_ state: PlaylistState, to uri: String, seq: Seq) throws {
        let prefix = "spotify:playlist:"
        guard uri.hasPrefix(prefix) else {
            throw PlaylistEditError(description: "'\(uri)' is not a playlist of a known service")
        }
        guard owners[uri] == nil, state.links.isEmpty else {
            throw PlaylistEditError(
                description: "\(uri) or the playlist is linked already; unlink it first")
        }
        owners[uri] = state.uri
        try sql(
            "INSERT INTO playlist_mappings VALUES (?, ?, 'spotify', ?, NULL)", seq << 16, state.id,
            String(uri.dropFirst(prefix.count))
        ).run()
    }

    /// An intention is settled once, by an event of the same playlist.
    private func push(
        _ kind: EventKind, _ data: JSONValue, _ playlist: Int64, _ line: EventLine
    ) throws {
        let (target, writes) = (data["to"], data["writes"]?.integer)
        guard let intended = data["intended"]?.integer else {
            return try sql(
                "INSERT INTO outbox VALUES (?, 'push', ?, ?, 'intended', ?, NULL, ?6, ?6)",
                line.seq << 16, playlist, target, writes, nil, line.at
            ).run()
        }
        let settled = try sql(
            """
            UPDATE outbox SET status = ?, target = ifnull(?, target), writes = ifnull(?, writes),
                reason = ?, updated_at = ? WHERE id = ? AND playlist_id = ? AND status = 'intended'
            RETURNING id
            """, String(kind.rawValue.dropFirst("push.".count)), target, writes, data["reason"],
            line.at, intended << 16, playlist
        ).first { $0.integer(0) }
        guard settled != nil else {
            throw EventFault(
                field: "intended", reason: "\(intended) is no open intention of this playlist")
        }
        if kind == .pushCompleted { try synced(playlist, line.at) }
    }

    private func synced(_ playlist: Int64, _ at: Milliseconds) throws {
        try sql("UPDATE playlist_mappings SET last_synced = ? WHERE playlist_id = ?", at, playlist)
            .run()
    }

    private func write(
        _ state: PlaylistState, _ changes: RowChanges, seq: Seq, at: Milliseconds, named: Bool
    ) throws {
        states[state.uri] = state
        for row in changes.removed {
            try sql("DELETE FROM playlist_tracks WHERE id = ?", row.id).run()
        }
        for row in changes.updated {
            try updateRow.run(row.id, row.sortKey.description, row.updatedAtMS, row.addedAtMS)
        }
        for row in changes.inserted {
            let node = try row.uri.flatMap { try nodes.existing($0) }
            try insertRow.run(
                row.id, state.id, node?.trackID, row.sortKey.description, row.createdAtMS,
                row.updatedAtMS, node?.id, row.addedAtMS)
        }
        if named {
            let name = state.isDeleted ? "" : state.name
            try sql("INSERT INTO playlist_names VALUES (?, ?, ?)", state.id, seq, name).run()
        }
        try sql(
            """
            UPDATE playlists SET name = ?2, description = ?3, track_count = ?4, updated_at = ?5,
                edited_seq = ?6, synced_seq = ?7, is_deleted = ?8,
                deleted_at = iif(?8, ifnull(deleted_at, ?9), NULL) WHERE id = ?1
            """, state.id, state.name, state.description, Int64(state.rows.rows.count),
            state.updatedAtMS, state.editedSeq, state.syncedSeq, Int64(state.isDeleted ? 1 : 0), at
        ).run()
    }

    /// The playlist as it is folded so far.
    private func state(_ uri: String) throws -> PlaylistState? {
        if let state = states[uri] { return state }
        guard !isComplete else { return nil }
        var found: PlaylistState?
        try sql(
            """
            SELECT id, name, description, updated_at, is_deleted, edited_seq, synced_seq
            FROM playlists WHERE uri = ?
            """, uri
        ).each { row in
            var state = PlaylistState(uri: uri, createdSeq: row.integer(0) >> 16)
            state.name = row.text(1) ?? ""
            state.description = row.text(2)
            state.updatedAtMS = row.integer(3)
            state.isDeleted = row.integer(4) != 0
            state.editedSeq = row.integer(5)
            state.syncedSeq = row.integer(6)
            found = state
        }
        guard var state = found else { return nil }
        var rows: [PlaylistRow] = []
        try sql(
            """
            SELECT t.id, n.uri, t.sort_key, t.added_at, t.created_at, t.updated_at
            FROM playlist_tracks t LEFT JOIN nodes n ON n.id = t.node_id
            WHERE t.playlist_id = ? ORDER BY t.sort_key
            """, state.id
        ).each {
            rows.append(
                PlaylistRow(
                    id: $0.integer(0), uri: $0.text(1), sortKey: SortKey($0.text(2) ?? ""),
                    addedAtMS: $0.integer(3), createdAtMS: $0.integer(4),
                    updatedAtMS: $0.integer(5)))
        }
        state.rows = PlaylistRows(rows)
        state.links = Set(owners.filter { $0.value == uri }.map(\.key))
        states[uri] = state
        return state
    }

    // MARK: Fetches

    /// A page waits for the event that closes its fetch.
    func page(_ items: [PlaylistItem], _ line: EventLine) {
        pages[line.seq] = (line.streamName, items)
        pagesChanged = true
    }

    /// Writes down the pages that wait.
    func flush() throws {
        guard pagesChanged else { return }
        try sql("DELETE FROM page_items").run()
        for (seq, page) in pages {
            for (ordinal, item) in ([nil] + page.items).enumerated() {
                try sql("INSERT INTO page_items VALUES (?, ?, ?, ?, ?)").run(
                    seq, Int64(ordinal) - 1, page.stream, item?.uri, item?.addedAtMS)
            }
        }
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
        var items: [PlaylistItem] = []
        for page in data["pages"]?.elements ?? [] {
            let seq = page.integer ?? 0
            guard let found = pages[seq], found.stream == line.streamName else {
                throw PlaylistEditError(description: "page \(seq) of this fetch is not there")
            }
            items += found.items
        }
        // Playlists are always read whole; of likes only the newest may have been read.
        let isLikes = [.spotifyLikesFetched, .lastfmLovesFetched].contains(kind)
        let kept = isLikes ? data["kept"]?.integer : nil
        let (count, isTooMany) = Int64(items.count).addingReportingOverflow(kept ?? 0)
        guard data["count"]?.integer == count, !isTooMany else {
            throw PlaylistEditError(
                description: "the pages hold \(count) rows with those kept, not the count named")
        }
        pages = pages.filter { $0.value.stream != line.streamName }
        pagesChanged = true
        try fetched(count, line)
        switch kind {
        case .spotifyLikesFetched: try likes(items, of: "spotify", kept: kept, line)
        case .lastfmLovesFetched: try likes(items, of: "lastfm", kept: kept, line)
        case .spotifyPlaylistsFetched: try listed(items.compactMap(\.uri))
        default: try playlistFetched(items, data, line)
        }
    }

    private func playlistFetched(
        _ items: [PlaylistItem], _ data: JSONValue, _ line: EventLine
    ) throws {
        let (stream, seq, at) = (line.streamName, line.seq, line.at)
        try sql(
            """
            INSERT INTO service_playlists(id, uri, name, snapshot_id, fetched_snapshot, item_count,
                description, updated_at) VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6, ?7)
            ON CONFLICT(uri) DO UPDATE SET name = ifnull(?3, name), snapshot_id = ifnull(?4, snapshot_id),
                fetched_snapshot = ?4, item_count = ?5, description = ifnull(?6, description),
                updated_at = ?7
            """, seq << 16, stream, data["name"], data["snapshot_id"], Int64(items.count),
            data["description"], at
        ).run()
        guard let owner = owners[stream], var state = try state(owner) else { return }
        let pages = (data["pages"]?.elements ?? []).compactMap(\.integer)
        for page in pages { try concerns(state.id, page, nil) }
        try concerns(state.id, seq, line)
        let name = state.name
        states[owner] = nil
        let changes = try state.follow(items, data, seq: seq, at: at)
        states[owner] = state
        guard let changes else { return }
        try write(state, changes, seq: seq, at: at, named: state.name != name)
        try synced(state.id, at)
    }

    /// A playlist as a list of playlists shows it.
    func observed(_ data: JSONValue, _ line: EventLine) throws {
        guard let list = data["payload"] else { return }
        try sql(
            """
            INSERT INTO service_playlists(id, uri, name, owner, snapshot_id, item_count, description,
                digest, updated_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT(uri) DO UPDATE SET (name, owner, snapshot_id, item_count, description, digest,
                updated_at) = (excluded.name, excluded.owner, excluded.snapshot_id,
                excluded.item_count, excluded.description, excluded.digest, excluded.updated_at)
            """, line.seq << 16, line.streamName, list["name"], list["owner"]?["id"],
            list["snapshot_id"], (list["items"] ?? list["tracks"])?["total"]?.integer,
            list["description"], data["digest"], line.at
        ).run()
    }

    /// The list of playlists is complete: what it does not name is not listed any more.
    private func listed(_ uris: [String]) throws {
        let list = JSON.array(uris.map { .text($0) }).text
        try sql(
            "UPDATE service_playlists SET is_listed = uri IN (SELECT value FROM json_each(?))", list
        ).run()
    }

    /// Takes in a list of likes.
    ///
    /// - Parameter kept: How many older ones were not read again and stay; nil for a whole list.
    private func likes(
        _ items: [PlaylistItem], of service: String, kept: Int64?, _ line: EventLine
    ) throws {
        var unnamed: [Int64: (id: Int64, isDeleted: Bool)] = [:]
        try sql("SELECT node_id, id, is_deleted FROM likes WHERE service = ?", service).each {
            unnamed[$0.integer(0)] = ($0.integer(1), $0.integer(2) != 0)
        }
        var named: Set<Int64> = []
        var ordinal: Int64 = 0
        for item in items {
            guard let node = try item.uri.flatMap({ try nodes.existing($0) }) else { continue }
            // A second row of one track changes nothing.
            guard named.insert(node.id).inserted else { continue }
            guard let like = unnamed.removeValue(forKey: node.id) else {
                try sql(
                    "INSERT INTO likes VALUES (?, ?, ?, ?, ?, ?6, ?6, 0, NULL)",
                    line.seq << 16 | ordinal, node.id, node.trackID, service, item.addedAtMS,
                    line.at
                ).run()
                ordinal += 1
                continue
            }
            guard like.isDeleted else { continue }
            try sql(
                """
                UPDATE likes SET is_deleted = 0, deleted_at = NULL, liked_at = ?, updated_at = ?
                WHERE id = ?
                """, item.addedAtMS, line.at, like.id
            ).run()
        }
        unnamed = unnamed.filter { !$0.value.isDeleted }
        guard kept == nil || kept == Int64(unnamed.count) else {
            throw EventFault(
                field: "kept", reason: "must be \(unnamed.count), the likes that no page names")
        }
        for like in kept == nil ? Array(unnamed.values) : [] {
            try sql(
                "UPDATE likes SET is_deleted = 1, deleted_at = ?1, updated_at = ?1 WHERE id = ?2",
                line.at, like.id
            ).run()
        }
    }
}

extension PlaylistState {
    /// The id of its row.
    fileprivate var id: Int64 { createdSeq << 16 }
}
