import Music
import TestSupport
import Testing

@Suite("Rows of a playlist")
struct PlaylistRowsTests {
    /// A row of the model: what stands there, and since when.
    private struct Model: Equatable {
        var id: Int64
        var uri: String?
        var addedAtMS: Int64
    }

    private func randomItems(_ generator: inout SplitMix64, most: Int) -> [PlaylistItem] {
        (0..<Int.random(in: 0...most, using: &generator)).map { _ in
            let pick = Int.random(in: 0...8, using: &generator)
            return PlaylistItem(
                uri: pick == 0 ? nil : "spotify:track:\(pick)",
                addedAtMS: Bool.random(using: &generator)
                    ? Int64.random(in: 0...9999, using: &generator) : nil)
        }
    }

    private func randomEdit(_ generator: inout SplitMix64, count: Int) -> PlaylistEdit {
        switch Int.random(in: 0..<4, using: &generator) {
        case 0:
            let at =
                Bool.random(using: &generator)
                ? Int.random(in: 1...count + 1, using: &generator) : nil
            return .add(randomItems(&generator, most: 5), at: at)
        case 1 where count > 0:
            return .remove(
                (1...count).filter { _ in Int.random(in: 0..<4, using: &generator) == 0 })
        case 2 where count > 0:
            let from = Int.random(in: 1...count, using: &generator)
            let length = Int.random(in: 1...count - from + 1, using: &generator)
            return .move(
                from: from, count: length,
                to: Int.random(in: 1...count - length + 1, using: &generator))
        default: return .set(randomItems(&generator, most: 12))
        }
    }

    /// What an edit does to a plain array. A whole new list is compared by what stands in it.
    private func uris(_ edit: PlaylistEdit, _ old: [String?]) -> [String?] {
        var list = old
        switch edit {
        case .add(let items, let at):
            list.insert(contentsOf: items.map(\.uri), at: (at ?? old.count + 1) - 1)
        case .remove(let positions):
            for position in positions.reversed() { list.remove(at: position - 1) }
        case .move(let from, let count, let to):
            let block = Array(list[from - 1..<from - 1 + count])
            list.removeSubrange(from - 1..<from - 1 + count)
            list.insert(contentsOf: block, at: to - 1)
        case .set(let items): list = items.map(\.uri)
        }
        return list
    }

    @Test("Edits do what they do to a plain array, and rows keep who they are")
    func model() throws {
        for seed in 0..<200 as Range<UInt64> {
            var generator = SplitMix64(seed: seed)
            var rows = PlaylistRows()
            for seq in 1...30 as ClosedRange<Int64> {
                let before = rows.rows
                let edit = randomEdit(&generator, count: before.count)

                let changes = try rows.apply(edit, seq: seq, atMS: seq * 1000)

                let after = rows.rows
                let comment: Comment = "seed \(seed), event \(seq): \(edit)"
                #expect(after.map(\.uri) == uris(edit, before.map(\.uri)), comment)
                #expect(
                    zip(after, after.dropFirst()).allSatisfy { $0.sortKey < $1.sortKey }, comment)
                #expect(Set(after.map(\.id)).count == after.count, comment)
                let old = Dictionary(uniqueKeysWithValues: before.map { ($0.id, $0) })
                for (index, row) in after.enumerated() {
                    guard let was = old[row.id] else {
                        #expect(row.id >> 16 == seq && row.createdAtMS == seq * 1000, comment)
                        continue
                    }
                    // A whole list says itself when its rows were added.
                    var added = was.addedAtMS
                    if case .set(let items) = edit { added = items[index].addedAtMS ?? added }
                    #expect(
                        row.uri == was.uri && row.addedAtMS == added
                            && row.createdAtMS == was.createdAtMS,
                        comment)
                }
                // New rows are numbered in document order, from 0.
                let new = after.filter { old[$0.id] == nil }
                #expect(new.map { $0.id & 0xFFFF } == new.indices.map { Int64($0) }, comment)
                check(changes, before, after, comment)
            }
        }
    }

    /// The changes say what happened, and no row got a new key that could have kept its own.
    private func check(
        _ changes: RowChanges, _ before: [PlaylistRow], _ after: [PlaylistRow], _ comment: Comment
    ) {
        let old = Dictionary(uniqueKeysWithValues: before.map { ($0.id, $0) })
        let new = Dictionary(uniqueKeysWithValues: after.map { ($0.id, $0) })
        #expect(changes.inserted == after.filter { old[$0.id] == nil }, comment)
        #expect(changes.removed == before.filter { new[$0.id] == nil }, comment)
        let differing = after.filter { row in old[row.id].map { $0 != row } ?? false }
        #expect(Set(changes.updated).isSuperset(of: differing), comment)
        #expect(changes.updated.allSatisfy { new[$0.id] == $0 }, comment)
        let stayed = after.compactMap { row in before.firstIndex { $0.id == row.id } }
        let fewest = stayed.count - longestIncreasing(stayed)
        #expect(changes.moved == fewest, comment)
        let newKeys = after.count { row in old[row.id].map { $0.sortKey != row.sortKey } ?? false }
        #expect(newKeys <= fewest, comment)  // No gap is used up here, so nothing is respread.
    }

    private func longestIncreasing(_ values: [Int]) -> Int {
        var best = [Int](repeating: 1, count: values.count)
        for index in values.indices {
            for earlier in 0..<index where values[earlier] < values[index] {
                best[index] = max(best[index], best[earlier] + 1)
            }
        }
        return best.max() ?? 0
    }

    @Test("Equal and unavailable rows stay where they are when others come between")
    func duplicates() throws {
        let items = ["a", nil, "a", nil, "b"].map { PlaylistItem(uri: $0) }
        var rows = PlaylistRows()
        _ = try rows.apply(.add(items, at: nil), seq: 1, atMS: 1)
        let before = rows.rows

        let list = ["a", "c", nil, "a", nil, "b", "a"].map { PlaylistItem(uri: $0) }
        let changes = try rows.apply(.set(list), seq: 2, atMS: 2)

        #expect(changes.removed.isEmpty && changes.moved == 0 && changes.inserted.count == 2)
        #expect(rows.rows.filter { $0.id >> 16 == 1 } == before)
    }

    @Test("The same list again changes nothing")
    func sameAgain() throws {
        let items = (0..<100).map { PlaylistItem(uri: $0 % 7 == 0 ? nil : "t\($0 % 10)") }
        var rows = PlaylistRows()
        _ = try rows.apply(.set(items), seq: 1, atMS: 1)
        let before = rows.rows

        let changes = try rows.apply(.set(items), seq: 2, atMS: 2)

        #expect(rows.rows == before)
        #expect(
            changes.inserted.isEmpty && changes.removed.isEmpty && changes.updated.isEmpty
                && changes.moved == 0)
    }

    @Test("One row moved from the front to the end is one new key")
    func oneMove() throws {
        var rows = PlaylistRows()
        _ = try rows.apply(
            .add((0..<50).map { PlaylistItem(uri: "t\($0)") }, at: nil), seq: 1, atMS: 1)
        let before = rows.rows

        let changes = try rows.apply(.move(from: 1, count: 1, to: 50), seq: 2, atMS: 2)

        #expect(changes.moved == 1 && changes.updated.map(\.id) == [before[0].id])
        #expect(Array(rows.rows.dropLast()) == Array(before.dropFirst()))
    }

    @Test(
        "A position outside the list is refused and changes nothing",
        arguments: [
            .add([PlaylistItem(uri: "x")], at: 0), .add([PlaylistItem(uri: "x")], at: 5),
            .add([PlaylistItem(uri: "x")], at: -1), .add([], at: 9),
            .remove([0]), .remove([4]), .remove([1, 4]), .remove([2, 1]), .remove([2, 2]),
            .remove([-3]),
            .move(from: 0, count: 1, to: 1), .move(from: 4, count: 1, to: 1),
            .move(from: 1, count: 0, to: 1),
            .move(from: 2, count: 3, to: 1), .move(from: 1, count: 2, to: 3),
            .move(from: 1, count: 1, to: 0),
            .move(from: Int.max, count: Int.max, to: 1), .move(from: 1, count: Int.max, to: 1),
            .move(from: 1, count: 1, to: Int.max),
        ] as [PlaylistEdit])
    func outside(edit: PlaylistEdit) throws {
        var rows = PlaylistRows()
        _ = try rows.apply(
            .add(["a", "b", "c"].map { PlaylistItem(uri: $0) }, at: nil), seq: 1, atMS: 1)
        let before = rows.rows

        #expect(throws: PlaylistEditError.self) { try rows.apply(edit, seq: 2, atMS: 2) }
        #expect(rows.rows == before)
    }

    @Test("An empty list takes rows and nothing else")
    func empty() throws {
        var rows = PlaylistRows()
        #expect(throws: PlaylistEditError.self) { try rows.apply(.remove([1]), seq: 1, atMS: 1) }
        #expect(throws: PlaylistEditError.self) {
            try rows.apply(.move(from: 1, count: 1, to: 1), seq: 1, atMS: 1)
        }
        _ = try rows.apply(.remove([]), seq: 1, atMS: 1)
        _ = try rows.apply(.set([]), seq: 1, atMS: 1)
        #expect(rows.rows.isEmpty)
    }

    @Test("A used-up gap respreads the list once; ids, order and times stay")
    func respread() throws {
        var rows = PlaylistRows()
        _ = try rows.apply(
            .add(["a", "z"].map { PlaylistItem(uri: $0) }, at: nil), seq: 1, atMS: 1)
        var respreads = 0
        var seq: Int64 = 1
        while respreads == 0, seq < 500 {
            seq += 1
            let before = rows.rows
            let changes = try rows.apply(
                .add([PlaylistItem(uri: "t\(seq)")], at: 2), seq: seq, atMS: seq)
            guard !changes.updated.isEmpty else { continue }
            respreads += 1
            #expect(changes.moved == 0)
            #expect(changes.updated.count == before.count)
            var expected = before.map(\.id)
            expected.insert(seq << 16, at: 1)
            #expect(rows.rows.map(\.id) == expected)
            #expect(
                rows.rows.filter { $0.id != seq << 16 }.map(\.updatedAtMS)
                    == before.map(\.updatedAtMS))
            #expect(rows.rows.map(\.sortKey) == SortKey.spread(before.count + 1))
        }
        #expect(respreads == 1)
        #expect(seq > 100)
    }
}
