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
    struct Row: Codable, Sendable {
        let uri: String?
        let addedAt: Milliseconds
        let addedBy: String
    }

    struct Version: Codable, Equatable, Sendable {
        var snapshot = ""
        var name: String
        var description: String?
        /// Numbers of rows.
        var order: [Int32] = []
    }

    let id: String
    var owner: String
    var isPublic = false
    var isCollaborative = false
    /// Whether it is in the user's library.
    var isFollowed = true
    private(set) var rows: [Row] = []
    /// Oldest first; never empty.
    private(set) var versions: [Version]
    /// How many reads still show the version before the newest.
    var staleReads = 0

    init(id: String, owner: String, name: String, description: String?) {
        (self.id, self.owner) = (id, owner)
        let snapshot = "AAAA" + identifier(id, length: 28)
        versions = [Version(snapshot: snapshot, name: name, description: description)]
    }

    var newest: Version { versions[versions.count - 1] }

    /// The user may see its rows in every mode and write them.
    var isMine: Bool { owner == World.user || isCollaborative }

    /// The version that a read sees.
    mutating func read() -> Version {
        guard staleReads > 0, versions.count > 1 else { return newest }
        staleReads -= 1
        return versions[versions.count - 2]
    }

    /// A version by its snapshot id; the newest if none is named.
    func version(_ snapshot: String?) throws -> Version {
        try (snapshot == nil ? newest : versions.last { $0.snapshot == snapshot })
            .or(400, "Invalid snapshot id")
    }

    /// The rows of a version in order.
    func rows(of version: Version) -> [Row] { version.order.map { rows[Int($0)] } }

    /// Makes a new version.
    mutating func change(_ body: (inout Version) -> Void) {
        var version = newest
        body(&version)
        version.snapshot = "AAAA" + identifier("\(id) \(versions.count)", length: 28)
        versions.append(version)
    }

    /// Adds rows at a position of the newest version, or at its end.
    mutating func add(_ uris: [String], at position: Int?, by user: String, _ now: Milliseconds) {
        let new = uris.map { number(Row(uri: $0, addedAt: now, addedBy: user)) }
        change { $0.order.insert(contentsOf: new, at: position ?? $0.order.count) }
    }

    /// Moves rows as they stand in an older version, or the newest.
    ///
    /// Rows that are gone stay gone; the place is in front of the first row from `target` on that is still
    /// there and does not move itself.
    mutating func move(_ range: Range<Int>, before target: Int, in version: Version) {
        let (moved, here) = (Set(version.order[range]), Set(newest.order))
        let anchor = version.order[target...].first { here.contains($0) && !moved.contains($0) }
        change {
            let rest = $0.order.filter { !moved.contains($0) }
            let place = anchor.flatMap { rest.firstIndex(of: $0) } ?? rest.count
            let moving = version.order[range].filter(here.contains)
            $0.order = rest[..<place] + moving + rest[place...]
        }
    }

    /// Removes the rows of an older version, or the newest, that a test picks.
    mutating func remove(in version: Version, where isGone: (Int, String?) -> Bool) {
        let gone = version.order.enumerated().filter { isGone($0, rows[Int($1)].uri) }
        change { $0.order.removeAll(where: Set(gone.map(\.element)).contains) }
    }

    /// Replaces all rows; with `keeping`, one that was there before keeps its number and its time unless
    /// it has a new one, and no version is made if nothing changes.
    mutating func setItems(
        _ items: [(uri: String?, addedAt: Milliseconds?)], by user: String, _ now: Milliseconds,
        keeping: Bool = true
    ) {
        var old: [String?: [Int32]] = [:]
        for row in newest.order.reversed() where keeping {
            old[rows[Int(row)].uri, default: []].append(row)
        }
        let order = items.map { item in
            let known = old[item.uri]?.popLast()
            let isKept = item.addedAt == nil || item.addedAt == known.map { rows[Int($0)].addedAt }
            if let known, isKept { return known }
            return number(Row(uri: item.uri, addedAt: item.addedAt ?? now, addedBy: user))
        }
        if order != newest.order || !keeping { change { $0.order = order } }
    }

    private mutating func number(_ row: Row) -> Int32 {
        rows.append(row)
        return Int32(rows.count - 1)
    }
}
