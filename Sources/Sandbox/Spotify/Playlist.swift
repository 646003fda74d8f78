import Ledger

/// A saved track, or one that was played.
struct Like: Codable, Sendable {
    var uri: String
    var addedAt: Milliseconds
}

/// A playlist with all its versions.
///
/// Rows keep their number for as long as the playlist lives, so that a change which was meant for an older
/// version can be applied to the newest.
struct Playlist: Codable, Sendable {
    struct Row: Codable, Hashable, Sendable {
        let number: Int
        let uri: String?
        let addedAt: Milliseconds
        let addedBy: String
    }

    struct Version: Codable, Equatable, Sendable {
        var snapshot = ""
        var name: String
        var description: String?
        var rows: [Row] = []
    }

    let id: String
    var owner: String
    var isPublic = false
    var isCollaborative = false
    /// Whether it is in the user's library.
    var isFollowed = true
    /// Oldest first; never empty.
    private(set) var versions: [Version] = []
    /// How many reads still show the version before the newest.
    var staleReads = 0
    private var rowsMade = 0

    init(id: String, owner: String, name: String, description: String?) {
        (self.id, self.owner) = (id, owner)
        let snapshot = "AAAA" + identifier(id, length: 28)
        versions = [Version(snapshot: snapshot, name: name, description: description)]
    }

    var newest: Version { versions[versions.count - 1] }

    /// The version that a read sees.
    var shown: Version { staleReads > 0 ? versions[max(0, versions.count - 2)] : newest }

    /// What a client must be allowed to do to write it.
    var scope: String { "playlist-modify-" + (isPublic ? "public" : "private") }

    /// The user may see its rows in every mode and write them.
    var isMine: Bool { owner == World.user || isCollaborative }

    /// A version by its snapshot id; the newest if none is named.
    func version(_ snapshot: String?) throws -> Version {
        try (snapshot == nil ? newest : versions.last { $0.snapshot == snapshot })
            .or(400, "Invalid snapshot id")
    }

    /// Makes a new version.
    mutating func change(_ body: (inout Version) -> Void) {
        var version = newest
        body(&version)
        version.snapshot = "AAAA" + identifier("\(id) \(versions.count)", length: 28)
        versions.append(version)
    }

    /// Adds rows at a position of the newest version, or at its end.
    mutating func add(_ uris: [String], at position: Int?, by user: String, _ now: Milliseconds) {
        let new = uris.map { row($0, now, user) }
        change { $0.rows.insert(contentsOf: new, at: position ?? $0.rows.count) }
    }

    /// Moves rows as they stand in an older version, or the newest.
    ///
    /// Rows that are gone stay gone; the place is in front of the first row from `target` on that is still
    /// there and does not move itself.
    mutating func move(_ range: Range<Int>, before target: Int, in version: Version) {
        let here = Set(newest.rows)
        let moving = version.rows[range].filter(here.contains)
        change {
            $0.rows.removeAll(where: Set(moving).contains)
            let rest = $0.rows
            let anchor = version.rows[target...].lazy.compactMap { rest.firstIndex(of: $0) }.first
            $0.rows.insert(contentsOf: moving, at: anchor ?? rest.count)
        }
    }

    /// Removes the rows of an older version, or the newest, that a test picks.
    mutating func remove(in version: Version, where isGone: (Int, String?) -> Bool) {
        let gone = version.rows.enumerated().filter { isGone($0, $1.uri) }
        change { $0.rows.removeAll(where: Set(gone.map(\.element)).contains) }
    }

    /// Replaces all rows; with `keeping`, one that was there before keeps its number and its time unless
    /// it has a new one, and no version is made if nothing changes.
    mutating func setItems(
        _ items: [(uri: String?, addedAt: Milliseconds?)], by user: String, _ now: Milliseconds,
        keeping: Bool = true
    ) {
        var old = Dictionary(grouping: keeping ? newest.rows.reversed() : [], by: \.uri)
        let rows = items.map { item in
            let known = old[item.uri]?.popLast()
            if let known, item.addedAt ?? known.addedAt == known.addedAt { return known }
            return row(item.uri, item.addedAt ?? now, user)
        }
        if rows != newest.rows || !keeping { change { $0.rows = rows } }
    }

    private mutating func row(_ uri: String?, _ addedAt: Milliseconds, _ user: String) -> Row {
        rowsMade += 1
        return Row(number: rowsMade, uri: uri, addedAt: addedAt, addedBy: user)
    }
}
