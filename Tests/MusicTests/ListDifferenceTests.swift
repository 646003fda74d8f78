import Music
import TestSupport
import Testing

@Suite("The difference of two lists")
struct ListDifferenceTests {
    private func randomList(_ generator: inout SplitMix64, upTo most: Int, names: Int) -> [String?]
    {
        (0..<Int.random(in: 0...most, using: &generator)).map { _ in
            let pick = Int.random(in: 0...names, using: &generator)
            return pick == 0 ? nil : "spotify:track:\(pick)"
        }
    }

    /// The length of the longest common subsequence, by the table of every pair of prefixes.
    private func longestCommon(_ old: [String?], _ new: [String?]) -> Int {
        var row = [Int](repeating: 0, count: new.count + 1)
        for left in old {
            var diagonal = 0
            for (index, right) in new.enumerated() {
                let above = row[index + 1]
                row[index + 1] = left == right ? diagonal + 1 : max(above, row[index])
                diagonal = above
            }
        }
        return row[new.count]
    }

    @Test("As many rows keep their place as a longest common subsequence has")
    func fewestMoves() {
        for seed in 0..<2000 as Range<UInt64> {
            var generator = SplitMix64(seed: seed)
            let names = Int.random(in: 1...9, using: &generator)
            let old = randomList(&generator, upTo: 12, names: names)
            let new = randomList(&generator, upTo: 12, names: names)

            let difference = ListDifference(from: old, to: new)

            #expect(difference.isKept.count { $0 } == longestCommon(old, new), "seed \(seed)")
            let kept = new.indices.filter { difference.isKept[$0] }.compactMap {
                difference.origins[$0]
            }
            #expect(kept == kept.sorted(), "seed \(seed)")
        }
    }

    @Test("The new list is made again from the old one by the difference")
    func reconstruction() {
        for seed in 0..<2000 as Range<UInt64> {
            var generator = SplitMix64(seed: seed)
            let old = randomList(&generator, upTo: 30, names: 8)
            let new = randomList(&generator, upTo: 30, names: 8)

            let difference = ListDifference(from: old, to: new)

            let made = new.indices.map { index in
                difference.origins[index].map { old[$0] } ?? new[index]
            }
            #expect(made == new, "seed \(seed)")
            let used = difference.origins.compactMap { $0 }
            #expect(
                Set(used).count == used.count, "seed \(seed): an old row stands for two new ones")
            #expect(
                Set(used).isDisjoint(with: difference.removed)
                    && used.count + difference.removed.count == old.count)
            #expect(difference.removed == difference.removed.sorted())
            #expect(Set(difference.added).isDisjoint(with: difference.moved))
            // What is both in the old and in the new list is moved, never removed here and added there.
            let added = Set(difference.added.map { new[$0] })
            let removed = Set(difference.removed.map { old[$0] })
            #expect(added.isDisjoint(with: removed), "seed \(seed)")
        }
    }

    @Test(
        arguments: [
            (old: "abcde", new: "abcde", added: [], removed: [], moved: []),
            (old: "", new: "ab", added: [0, 1], removed: [], moved: []),
            (old: "ab", new: "", added: [], removed: [0, 1], moved: []),
            (old: "abcde", new: "bcdea", added: [], removed: [], moved: [4]),
            (old: "abcde", new: "eabcd", added: [], removed: [], moved: [0]),
            (old: "abcde", new: "abXde", added: [2], removed: [2], moved: []),
            (old: "aaa", new: "aa", added: [], removed: [2], moved: []),
            (old: "aba", new: "aab", added: [], removed: [], moved: [1]),
        ] as [(old: String, new: String, added: [Int], removed: [Int], moved: [Int])])
    func cases(old: String, new: String, added: [Int], removed: [Int], moved: [Int]) {
        let difference = ListDifference(from: Array(old), to: Array(new))

        #expect(difference.added == added)
        #expect(difference.removed.count == removed.count)
        #expect(difference.moved.count == moved.count)
        if old.count == Set(old).count {
            #expect(difference.removed == removed && difference.moved == moved)
        }
    }

    @Test("A turned list of ten thousand rows keeps one")
    func turned() {
        let old = Array(0..<10_000)

        let difference = ListDifference(from: old, to: old.reversed())

        #expect(difference.isKept.count { $0 } == 1)
        #expect(difference.moved.count == 9_999)
    }
}
