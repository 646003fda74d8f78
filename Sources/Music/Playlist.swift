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

    /// The list that an edit leads to.
    ///
    /// - Returns: For each row the old row it is, and the item that it is taken from.
    private func arrangement(_ edit: PlaylistEdit) throws(PlaylistEditError) -> [(
        old: Int?, item: PlaylistItem?
    )] {
        var list: [(old: Int?, item: PlaylistItem?)] = rows.indices.map { ($0, nil) }
        switch edit {
        case .add(let items, let at):
            let at = at ?? rows.count + 1
            guard (1...rows.count + 1).contains(at) else { throw outside(at, rows.count + 1) }
            list.insert(contentsOf: items.map { (nil, $0) }, at: at - 1)
        case .remove(let positions):
            for position in positions.reversed() {
                guard (1...max(rows.count, 1)).contains(position), !rows.isEmpty else {
                    throw outside(position, rows.count)
                }
            }
            guard zip(positions, positions.dropFirst()).allSatisfy(<) else {
                throw PlaylistEditError(description: "positions to remove must ascend")
            }
            for position in positions.reversed() { list.remove(at: position - 1) }
        case .move(let from, let count, let to):
            let last = from.addingReportingOverflow(max(count, 1) - 1)
            guard count >= 1, from >= 1, !last.overflow, last.partialValue <= rows.count else {
                throw outside(last.overflow ? from : last.partialValue, rows.count)
            }
            guard (1...rows.count - count + 1).contains(to) else {
                throw outside(to, rows.count - count + 1)
            }
            let block = list[from - 1..<from - 1 + count]
            list.removeSubrange(from - 1..<from - 1 + count)
            list.insert(contentsOf: block, at: to - 1)
        case .set(let items):
            let difference = ListDifference(from: rows.map(\.uri), to: items.map(\.uri))
            list = zip(difference.origins, items).map { ($0, $1) }
        }
        return list
    }

    /// Applies an edit.
    ///
    /// - Parameters:
    ///   - seq: The event's seq: new rows get `seq * 65536 + ordinal` as their id.
    ///   - atMS: When the event was recorded.
    /// - Throws: ``PlaylistEditError`` if a position is outside the list; nothing is changed then.
    public mutating func apply(
        _ edit: PlaylistEdit, seq: Int64, atMS: Int64
    ) throws(PlaylistEditError) -> RowChanges {
        if let changes = try applyInPlace(edit, seq: seq, atMS: atMS) { return changes }
        let list = try arrangement(edit)
        if list.count > 65_536, list.count(where: { $0.old == nil }) > 65_536 {
            throw PlaylistEditError(description: "an event brings in at most 65,536 rows")
        }
        let stay = Self.longestIncreasing(list.map { $0.old ?? -1 })
        var result: [PlaylistRow] = []
        result.reserveCapacity(list.count)
        var next: Int64 = 0
        for entry in list {
            if let old = entry.old {
                result.append(rows[old])
                if let added = entry.item?.addedAtMS { result[result.count - 1].addedAtMS = added }
            } else {
                result.append(
                    PlaylistRow(
                        id: seq << 16 | next, uri: entry.item?.uri, sortKey: SortKey(""),
                        addedAtMS: entry.item?.addedAtMS ?? atMS, createdAtMS: atMS,
                        updatedAtMS: atMS))
                next += 1
            }
        }
        var changes = RowChanges()
        let kept = Set(list.compactMap(\.old))
        changes.removed = rows.indices.filter { !kept.contains($0) }.map { rows[$0] }
        let respread = assignKeys(&result, stay: stay)
        for (index, entry) in list.enumerated() {
            if entry.old == nil {
                changes.inserted.append(result[index])
            } else if !stay[index] {
                result[index].updatedAtMS = atMS
                changes.moved += 1
                changes.updated.append(result[index])
            } else if respread || rows[entry.old ?? 0].addedAtMS != result[index].addedAtMS {
                changes.updated.append(result[index])
            }
        }
        rows = result
        return changes
    }

    /// Adds rows between two that stay, or removes some, without looking at all the others.
    ///
    /// - Returns: Nil for other edits, for the first rows of all and where the gap is used up.
    private mutating func applyInPlace(
        _ edit: PlaylistEdit, seq: Int64, atMS: Int64
    ) throws(PlaylistEditError) -> RowChanges? {
        var changes = RowChanges()
        switch edit {
        case .add(let items, let at):
            let index = (at ?? rows.count + 1) - 1
            guard !rows.isEmpty, (1...65_536).contains(items.count),
                (0...rows.count).contains(index)
            else { return nil }
            let lower = index > 0 ? rows[index - 1].sortKey : nil
            let upper = index < rows.count ? rows[index].sortKey : nil
            guard let keys = SortKey.between(lower, upper, count: items.count) else { return nil }
            for (ordinal, (item, key)) in zip(items, keys).enumerated() {
                changes.inserted.append(
                    PlaylistRow(
                        id: seq << 16 | Int64(ordinal), uri: item.uri, sortKey: key,
                        addedAtMS: item.addedAtMS ?? atMS, createdAtMS: atMS, updatedAtMS: atMS))
            }
            rows.insert(contentsOf: changes.inserted, at: index)
        case .remove(let positions):
            guard positions.count < rows.count, positions.allSatisfy((1...rows.count).contains),
                zip(positions, positions.dropFirst()).allSatisfy(<)
            else { return nil }
            changes.removed = positions.map { rows[$0 - 1] }
            for position in positions.reversed() { rows.remove(at: position - 1) }
        case .move, .set: return nil
        }
        return changes
    }

    /// Gives keys to the rows that do not stay; spreads all anew where a gap is used up.
    private func assignKeys(_ list: inout [PlaylistRow], stay: [Bool]) -> Bool {
        guard stay.contains(true) else { return spread(&list, rows.isEmpty) }
        var index = 0
        while index < list.count {
            guard !stay[index] else {
                index += 1
                continue
            }
            var end = index
            while end < list.count, !stay[end] { end += 1 }
            let lower = index > 0 ? list[index - 1].sortKey : nil
            let upper = end < list.count ? list[end].sortKey : nil
            guard let keys = SortKey.between(lower, upper, count: end - index) else {
                return spread(&list, false)
            }
            for (offset, key) in keys.enumerated() { list[index + offset].sortKey = key }
            index = end
        }
        return false
    }

    private func spread(_ list: inout [PlaylistRow], _ first: Bool) -> Bool {
        for (index, key) in SortKey.spread(list.count).enumerated() { list[index].sortKey = key }
        return !first
    }

    private func outside(_ position: Int, _ count: Int) -> PlaylistEditError {
        PlaylistEditError(
            description: "position \(position) is outside the list; it takes 1 to \(max(count, 1))")
    }

    /// Marks a longest increasing subsequence of the entries that are not negative.
    static func longestIncreasing(_ values: [Int]) -> [Bool] {
        var marks = [Bool](repeating: false, count: values.count)
        var ends: [Int] = []
        var before = [Int](repeating: -1, count: values.count)
        for (index, value) in values.enumerated() where value >= 0 {
            var low = 0
            var high = ends.count
            while low < high {
                let middle = (low + high) / 2
                if values[ends[middle]] < value { low = middle + 1 } else { high = middle }
            }
            before[index] = low > 0 ? ends[low - 1] : -1
            if low == ends.count { ends.append(index) } else { ends[low] = index }
        }
        var next = ends.last ?? -1
        while next >= 0 {
            marks[next] = true
            next = before[next]
        }
        return marks
    }
}
