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

    struct Version: Codable, Sendable {
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
        versions = [Version(name: name, description: description)]
        versions[0].snapshot = snapshot(0)
    }

    var newest: Version { versions[versions.count - 1] }

    /// The version that a read sees.
    mutating func read() -> Version {
        guard staleReads > 0, versions.count > 1 else { return newest }
        staleReads -= 1
        return versions[versions.count - 2]
    }

    /// A version by its snapshot id; the newest if none is named, nil if there is no such one.
    func version(_ snapshot: String?) -> Version? {
        guard let snapshot else { return newest }
        return versions.last { $0.snapshot == snapshot }
    }

    /// Makes a new version.
    mutating func change(_ body: (inout Version) -> Void) {
        var version = newest
        body(&version)
        version.snapshot = snapshot(versions.count)
        versions.append(version)
    }

    /// Adds rows at a position of the newest version, or at its end.
    mutating func add(_ uris: [String], at position: Int?, by user: String, _ now: Milliseconds) {
        let new = uris.map { number(Row(uri: $0, addedAt: now, addedBy: user)) }
        change { $0.order.insert(contentsOf: new, at: position ?? $0.order.count) }
    }

    /// Moves rows as they stand in an older version, or the newest.
    ///
    /// Rows that are gone stay gone; the place is in front of the first row behind `target` that is still
    /// there and does not move itself.
    mutating func move(_ range: Range<Int>, before target: Int, in version: Version) {
        let moving = version.order[range]
        let moved = Set(moving)
        let here = Set(newest.order)
        let anchor = version.order[target...].first { here.contains($0) && !moved.contains($0) }
        change {
            $0.order.removeAll { moved.contains($0) }
            let order = $0.order
            let place = anchor.flatMap { order.firstIndex(of: $0) } ?? order.count
            $0.order.insert(contentsOf: moving.filter(here.contains), at: place)
        }
    }

    /// Removes the rows of an older version, or the newest, that a test picks.
    mutating func remove(in version: Version, where isGone: (_ index: Int, _ uri: String?) -> Bool)
    {
        let gone = Set(
            version.order.enumerated().filter { isGone($0, rows[Int($1)].uri) }.map(\.element))
        change { $0.order.removeAll(where: gone.contains) }
    }

    /// Replaces all rows; one that was there before keeps its number and its time if it has no new one.
    ///
    /// - Returns: Whether anything changed.
    @discardableResult
    mutating func setItems(
        _ items: [(uri: String?, addedAt: Milliseconds?)], by user: String, _ now: Milliseconds = 0,
        keeping: Bool = true
    ) -> Bool {
        var old: [String?: [Int32]] = [:]
        if keeping {
            for row in newest.order.reversed() { old[rows[Int(row)].uri, default: []].append(row) }
        }
        let order = items.map { item in
            let known = old[item.uri]?.popLast()
            if let known, item.addedAt == nil || item.addedAt == rows[Int(known)].addedAt {
                return known
            }
            return number(Row(uri: item.uri, addedAt: item.addedAt ?? now, addedBy: user))
        }
        guard order != newest.order || !keeping else { return false }
        change { $0.order = order }
        return true
    }

    private mutating func number(_ row: Row) -> Int32 {
        rows.append(row)
        return Int32(rows.count - 1)
    }

    private func snapshot(_ number: Int) -> String {
        "AAAA" + identifier(of: "\(id) \(number)", length: 28)
    }
}
