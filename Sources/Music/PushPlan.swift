/// The calls that make a service's list what another list is, with as few rows touched as its rules allow.
///
/// Spotify removes all rows of a URI at once, keeps dates and local files only for rows that are moved, and
/// takes no local files in. Source: `api/spotify.md` §6.4.
public struct PushPlan: Sendable {
    /// One call; indices start at 0.
    public enum Write: Hashable, Sendable {
        /// All rows of these URIs go; at most 100.
        case remove([String])
        /// Rows from an index on go in front of the row that has index `before` as the list stands.
        case move(from: Int, count: Int, before: Int)
        /// New rows, at most 100, the first of them at an index.
        case add([String], at: Int)
    }

    /// The most URIs that a call takes.
    private static let callSize = 100

    /// The calls in order, each for the list that the one before leaves.
    public private(set) var writes: [Write] = []
    /// Indices of wanted rows that the service cannot be given.
    public private(set) var cannotAdd: [Int] = []
    /// Indices of the service's rows that cannot be removed; they stay behind the row they follow.
    public private(set) var cannotRemove: [Int] = []

    /// Plans the way from the service's list to the wanted one; nil stands for a row without a URI.
    public init(from old: [String?], to wanted: [String?]) {
        let difference = ListDifference(from: old, to: wanted)
        var rows = zip(wanted, difference.origins).map { (uri: $0, origin: $1) }
        cannotAdd = rows.indices.filter { rows[$0].origin == nil && !Self.canAdd(rows[$0].uri) }
        for index in cannotAdd.reversed() { rows.remove(at: index) }

        // Where a row of that URI is to stay and could not be added again, none of them can be removed.
        let bound = Set(rows.filter { !Self.canAdd($0.uri) }.map(\.uri))
        cannotRemove = difference.removed.filter { old[$0] == nil || bound.contains(old[$0]) }
        for index in cannotRemove {
            let before = rows.lastIndex { ($0.origin ?? .max) < index }
            rows.insert((old[index], index), at: before.map { $0 + 1 } ?? 0)
        }
        let kept = Set(cannotRemove)
        let gone = Set(difference.removed.filter { !kept.contains($0) }.map { old[$0] })
        var named: Set<String?> = []
        let removals = old.compactMap { gone.contains($0) && named.insert($0).inserted ? $0 : nil }
        writes = Self.cut(removals).map { .remove($0) }
        for index in rows.indices where gone.contains(rows[index].uri) { rows[index].origin = nil }

        move(
            old.indices.filter { !gone.contains(old[$0]) }, into: rows.compactMap(\.origin))
        var index = 0
        while index < rows.count {
            let run = rows[index...].prefix { $0.origin == nil }.compactMap(\.uri)
            for (offset, part) in Self.cut(run).enumerated() {
                writes.append(.add(part, at: index + offset * Self.callSize))
            }
            index += max(run.count, 1)
        }
    }

    /// Whether the service takes such a row in.
    private static func canAdd(_ uri: String?) -> Bool {
        guard let uri else { return false }
        return uri.hasPrefix("spotify:track:") || uri.hasPrefix("spotify:episode:")
    }

    private static func cut(_ uris: [String]) -> [[String]] {
        stride(from: 0, to: uris.count, by: callSize).map {
            Array(uris[$0..<min($0 + callSize, uris.count)])
        }
    }

    /// Moves the rows that are not part of a longest ascending run, each behind the one it is to follow.
    private mutating func move(_ list: [Int], into order: [Int]) {
        var list = list
        let stays = ListDifference.longestIncreasing(order)
        var index = 0
        while index < order.count {
            guard !stays[index], let from = list.firstIndex(of: order[index]) else {
                index += 1
                continue
            }
            var count = 1
            while index + count < order.count, !stays[index + count], from + count < list.count,
                list[from + count] == order[index + count]
            {
                count += 1
            }
            let previous = index == 0 ? nil : list.firstIndex(of: order[index - 1])
            let before = previous.map { $0 + 1 } ?? 0
            if from != before {
                writes.append(.move(from: from, count: count, before: before))
                let block = list[from..<from + count]
                list.removeSubrange(from..<from + count)
                list.insert(contentsOf: block, at: before > from ? before - count : before)
            }
            index += count
        }
    }
}
