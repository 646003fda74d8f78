/// A row of a playlist: one track at one place, with the key that keeps it there.
public struct PlaylistRow: Hashable, Sendable {
    /// Stable for as long as the row is in the playlist, wherever it moves.
    public var id: Int64
    /// What stands here; nil for a row whose content the service no longer names.
    public var uri: String?
    public var sortKey: SortKey
    /// When it was added, in milliseconds since 1970.
    public var addedAtMS: Int64
    public var createdAtMS: Int64
    public var updatedAtMS: Int64

    /// Takes a row as a table holds it.
    public init(
        id: Int64, uri: String?, sortKey: SortKey, addedAtMS: Int64, createdAtMS: Int64,
        updatedAtMS: Int64
    ) {
        self.id = id
        self.uri = uri
        self.sortKey = sortKey
        self.addedAtMS = addedAtMS
        self.createdAtMS = createdAtMS
        self.updatedAtMS = updatedAtMS
    }
}

/// A row as an event brings it in.
public struct PlaylistItem: Hashable, Sendable {
    public var uri: String?
    /// Nil for the time of the event.
    public var addedAtMS: Int64?

    /// Names a row.
    public init(uri: String?, addedAtMS: Int64? = nil) {
        self.uri = uri
        self.addedAtMS = addedAtMS
    }
}

/// A change of the rows of a playlist; positions start at 1.
public enum PlaylistEdit: Hashable, Sendable {
    /// New rows, the first of them at a position, or at the end.
    case add([PlaylistItem], at: Int?)
    /// Rows by their positions before the removal, ascending.
    case remove([Int])
    /// Rows from a position on; `to` is the first one's position after the move.
    case move(from: Int, count: Int, to: Int)
    /// The whole list; a row that stays takes over the time at which the item says that it was added.
    case set([PlaylistItem])
}

/// Why an edit cannot be made on a playlist as it stands.
public struct PlaylistEditError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String

    /// Says why.
    public init(description: String) { self.description = description }
}

/// The rows that an edit brought in, took away and changed.
public struct RowChanges: Sendable {
    public var inserted: [PlaylistRow] = []
    public var removed: [PlaylistRow] = []
    /// Rows with another key or another time at which they were added; those that did not move only
    /// because all keys were spread anew, or for their time.
    public var updated: [PlaylistRow] = []
    /// How many rows changed their place among the others.
    public var moved = 0

    /// No change.
    public init() {}
}

/// The rows of one playlist: the fold that the read model and every look into the past share.
public struct PlaylistRows: Sendable {
    public private(set) var rows: [PlaylistRow]

    /// Takes rows in order.
    public init(_ rows: [PlaylistRow] = []) { self.rows = rows }

    /// The part of the list that an edit touches, and what it leads to there.
    ///
    /// - Returns: For each row of that part the old row it is, and the item that it is taken from.
    private func arrangement(_ edit: PlaylistEdit) throws(PlaylistEditError) -> (
        range: Range<Int>, entries: [(old: Int?, item: PlaylistItem?)]
    ) {
        func check(_ position: Int, _ count: Int, _ isFine: Bool = true) throws(PlaylistEditError) {
            if isFine, 1 <= position, position <= count { return }
            throw PlaylistEditError(
                description:
                    "position \(position) is outside the list; it takes 1 to \(max(count, 1))")
        }
        switch edit {
        case .add(let items, let at):
            let at = at ?? rows.count + 1
            try check(at, rows.count + 1)
            return (at - 1..<at - 1, items.map { (nil, $0) })
        case .remove(let positions):
            for position in positions.reversed() { try check(position, rows.count) }
            guard zip(positions, positions.dropFirst()).allSatisfy(<) else {
                throw PlaylistEditError(description: "positions to remove must ascend")
            }
            guard let first = positions.first, let last = positions.last else { return (0..<0, []) }
            let gone = Set(positions)
            return (
                first - 1..<last, (first...last).filter { !gone.contains($0) }.map { ($0 - 1, nil) }
            )
        case .move(let from, let count, let to):
            let (last, isFar) = from.addingReportingOverflow(max(count, 1) - 1)
            try check(isFar ? from : last, rows.count, count > 0 && !isFar)
            try check(from, rows.count)
            try check(to, rows.count - count + 1)
            let (lower, upper) = (min(from, to) - 1, max(from, to) - 1 + count)
            let block = from - 1..<from - 1 + count
            var order = Array(lower..<block.lowerBound) + Array(block.upperBound..<upper)
            order.insert(contentsOf: block, at: to - 1 - lower)
            return (lower..<upper, order.map { ($0, nil) })
        case .set(let items):
            let difference = ListDifference(from: rows.map(\.uri), to: items.map(\.uri))
            return (rows.indices, zip(difference.origins, items).map { ($0, $1) })
        }
    }

    /// Applies an edit; rows outside the part that it touches are not looked at.
    ///
    /// - Parameters:
    ///   - seq: The event's seq: new rows get `seq * 65536 + ordinal` as their id.
    ///   - atMS: When the event was recorded.
    /// - Throws: ``PlaylistEditError`` if a position is outside the list; nothing is changed then.
    public mutating func apply(
        _ edit: PlaylistEdit, seq: Int64, atMS: Int64
    ) throws(PlaylistEditError) -> RowChanges {
        let (range, entries) = try arrangement(edit)
        if entries.count > 65_536, entries.count(where: { $0.old == nil }) > 65_536 {
            throw PlaylistEditError(description: "an event brings in at most 65,536 rows")
        }
        var id = seq << 16
        let part = entries.map { old, item in
            if let old {
                var row = rows[old]
                row.addedAtMS = item?.addedAtMS ?? row.addedAtMS
                return row
            }
            defer { id += 1 }
            return PlaylistRow(
                id: id, uri: item?.uri, sortKey: SortKey(""), addedAtMS: item?.addedAtMS ?? atMS,
                createdAtMS: atMS, updatedAtMS: atMS)
        }
        var changes = RowChanges()
        let old = Array(rows[range])
        let kept = Set(entries.compactMap(\.old))
        changes.removed = range.filter { !kept.contains($0) }.map { rows[$0] }
        let stay = ListDifference.longestIncreasing(entries.map { $0.old ?? -1 })
        let isFirst = rows.isEmpty
        rows.replaceSubrange(range, with: part)
        let respread = !assignKeys(from: range.lowerBound, stay) && !isFirst
        for (index, entry) in entries.enumerated() {
            let place = range.lowerBound + index
            if entry.old == nil {
                changes.inserted.append(rows[place])
            } else if !stay[index] {
                rows[place].updatedAtMS = atMS
                changes.moved += 1
                changes.updated.append(rows[place])
            } else if let origin = entry.old,
                respread || old[origin - range.lowerBound].addedAtMS != rows[place].addedAtMS
            {
                changes.updated.append(rows[place])
            }
        }
        if respread {
            let end = range.lowerBound + entries.count
            changes.updated += rows[..<range.lowerBound] + rows[end...]
        }
        return changes
    }

    /// Gives keys to the rows of a part that do not stay.
    ///
    /// - Returns: False if all rows were spread anew, as none stays or a gap is used up.
    private mutating func assignKeys(from start: Int, _ stay: [Bool]) -> Bool {
        var index = 0
        while index < stay.count {
            let end = stay[index...].firstIndex(of: true) ?? stay.count
            let (first, behind) = (start + index, start + end)
            index = end + 1
            guard first < behind else { continue }
            let lower = first > 0 ? rows[first - 1].sortKey : nil
            let upper = behind < rows.count ? rows[behind].sortKey : nil
            guard lower != nil || upper != nil,
                let keys = SortKey.between(lower, upper, count: behind - first)
            else {
                for (place, key) in SortKey.spread(rows.count).enumerated() {
                    rows[place].sortKey = key
                }
                return false
            }
            for (place, key) in zip(first..., keys) { rows[place].sortKey = key }
        }
        return true
    }
}
