import GRDBSQLite
private import Ledger
private import Music

/// A group of tables that one fold keeps.
public enum ReadModel: String, CaseIterable, Sendable {
    case tracks, mappings, playlists, listens

    /// Its tables in the order of the schema.
    public var tables: [String] {
        switch self {
        case .tracks:
            [
                "nodes", "tracks", "play_counts", "lastfm_counts", "lastfm_asked", "matches",
                "members", "recordings", "musicbrainz_asked",
            ]
        case .mappings: ["track_mappings"]
        case .playlists:
            [
                "playlists", "playlist_names", "playlist_events", "playlist_mappings",
                "playlist_tracks", "page_items",
                "likes", "fetches", "outbox", "service_playlists",
                "limits", "workflow_runs", "transforms",
            ]
        case .listens: ["listens", "walks"]
        }
    }

    /// This one and those that stand on it.
    public var withDependents: Set<ReadModel> {
        switch self {
        case .tracks: Set(Self.allCases)
        case .mappings: [.mappings, .playlists, .listens]
        case .playlists, .listens: [self]
        }
    }
}

/// The SQL of the read models, embedded in the program.
public enum Schema {
    /// Counts up when a fold gives other rows for the same events.
    private static let foldVersion = 6

    public static let tables = String(decoding: PackageResources.tables_sql, as: UTF8.self)
    public static let indexes = String(decoding: PackageResources.indexes_sql, as: UTF8.self)
    public static let views = String(decoding: PackageResources.views_sql, as: UTF8.self)

    /// Of a row of `matches`: whether the decision in force makes the two one track.
    public static let isEdge = """
        word IS NOT 'rejected' AND (word IS NOT NULL OR confidence >= \(Identity.weak))
        """

    /// What a database must carry to be caught up instead of rebuilt.
    public static let hash = String(
        SHA256.digest(Array("\(foldVersion)\n\(tables)\(indexes)\(views)".utf8)).description.prefix(
            32))
}
