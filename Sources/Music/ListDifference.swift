/// A longest run of ascending numbers among those that are taken one after the other.
///
/// Of equal ones the first is kept.
private struct Ascent {
    /// A number that ended the best run of its length when it came, and the one before it there.
    private var links: [(value: Int, tag: Int, before: Int)] = []
    /// The link that ends the best run of each length.
    private var ends: [Int] = []

    mutating func take(_ value: Int, tag: Int) {
        var low = 0
        var high = ends.count
        while low < high {
            let middle = (low + high) / 2
            if links[ends[middle]].value < value { low = middle + 1 } else { high = middle }
        }
        if low < ends.count, links[ends[low]].value == value { return }
        if low == ends.count { ends.append(links.count) } else { ends[low] = links.count }
        links.append((value, tag, low > 0 ? ends[low - 1] : -1))
    }

    /// The numbers of the run, from the last to the first, each with its tag.
    func forEach(_ body: (_ value: Int, _ tag: Int) -> Void) {
        var next = ends.last ?? -1
        while next >= 0 {
            body(links[next].value, links[next].tag)
            next = links[next].before
        }
    }
}

/// What became of each row of a list in another list, with as few rows moved as possible.
public struct ListDifference: Sendable {
    /// For each new row the old row it is, or nil for one that was added.
    public private(set) var origins: [Int?]
    /// For each new row whether it keeps its place among those that stay.
    public private(set) var isKept: [Bool]
    /// Old rows that are gone, ascending.
    public private(set) var removed: [Int]

    /// Compares two lists; equal elements are interchangeable, nils (unavailable rows) too.
    public init<Element: Hashable>(from old: [Element], to new: [Element]) {
        origins = Self.longestCommonSubsequence(old, new)
        isKept = origins.map { $0 != nil }
        var used = [Bool](repeating: false, count: old.count)
        for case let index? in origins { used[index] = true }
        // What stands in both lists besides has moved: the first unused old row of the same name.
        var waiting: [Element: [Int]] = [:]
        for index in old.indices.reversed() where !used[index] {
            waiting[old[index], default: []].append(index)
        }
        for index in new.indices where origins[index] == nil {
            guard let origin = waiting[new[index]]?.popLast() else { continue }
            origins[index] = origin
            used[origin] = true
        }
        removed = old.indices.filter { !used[$0] }
    }

    /// New rows that are old rows at another place, ascending.
    public var moved: [Int] { origins.indices.filter { origins[$0] != nil && !isKept[$0] } }
    /// New rows that were not there, ascending.
    public var added: [Int] { origins.indices.filter { origins[$0] == nil } }

    /// For each new row the old row it is in a longest common subsequence.
    ///
    /// Hunt and Szymanski 1977: the longest increasing run of match positions, the positions of one
    /// element visited from the back so that none is used twice.
    private static func longestCommonSubsequence<Element: Hashable>(
        _ old: [Element], _ new: [Element]
    ) -> [Int?] {
        var result = [Int?](repeating: nil, count: new.count)
        var start = 0
        while start < min(old.count, new.count), old[start] == new[start] {
            result[start] = start
            start += 1
        }
        var oldEnd = old.count
        var newEnd = new.count
        while oldEnd > start, newEnd > start, old[oldEnd - 1] == new[newEnd - 1] {
            oldEnd -= 1
            newEnd -= 1
            result[newEnd] = oldEnd
        }
        var places: [Element: [Int]] = [:]
        for index in start..<oldEnd { places[old[index], default: []].append(index) }
        var ascent = Ascent()
        for index in start..<newEnd {
            for place in (places[new[index]] ?? []).reversed() { ascent.take(place, tag: index) }
        }
        ascent.forEach { place, index in result[index] = place }
        return result
    }

    /// Marks a longest increasing subsequence of the entries that are not negative.
    static func longestIncreasing(_ values: [Int]) -> [Bool] {
        var marks = [Bool](repeating: false, count: values.count)
        var ascent = Ascent()
        for (index, value) in values.enumerated() where value >= 0 {
            ascent.take(value, tag: index)
        }
        ascent.forEach { _, index in marks[index] = true }
        return marks
    }
}
