import Music
import TestSupport
import Testing

@Suite("Sort keys")
struct SortKeyTests {
    @Test("The first list spreads from a0000000 to z0000000")
    func firstList() {
        #expect(SortKey.spread(0).isEmpty)
        #expect(SortKey.spread(1).map(\.description) == ["a0000000"])
        #expect(SortKey.spread(2).map(\.description) == ["a0000000", "z0000000"])
        #expect(SortKey.spread(3).map(\.description) == ["a0000000", "mi000000", "z0000000"])
    }

    @Test("A spread list ascends strictly, in eight digits", arguments: [2, 3, 7, 1000, 65_536])
    func spreadAscends(count: Int) {
        let keys = SortKey.spread(count)

        #expect(keys.count == count)
        #expect(keys.first == SortKey("a0000000"))
        #expect(keys.last == SortKey("z0000000"))
        #expect(zip(keys, keys.dropFirst()).allSatisfy(<))
        #expect(keys.allSatisfy { $0.description.utf8.count == 8 })
    }

    @Test(
        "The middle of two keys is the middle of their fractions",
        arguments: [
            ("a0000000", "m0000000", "g0000000"),
            ("a0000000", "a0000002", "a0000001"),
            ("a0000000", "a0000001", "a0000000i"),
            ("a0000000", "a0000000i", "a00000009"),
            ("a0000000", "a00000001", "a00000000i"),
            ("azzzzzzz", "b0000000", "azzzzzzzi"),
        ])
    func middle(lower: String, upper: String, wanted: String) {
        let key = SortKey.between(SortKey(lower), SortKey(upper), count: 1)

        #expect(key?.map(\.description) == [wanted])
    }

    @Test("Keys are compared as bytes, a shorter one before its extensions")
    func order() {
        let ascending = ["0", "09", "0a", "9", "a", "a0000000", "a00000001", "a0000001", "z"].map {
            SortKey($0)
        }

        #expect(zip(ascending, ascending.dropFirst()).allSatisfy(<))
        #expect(ascending.shuffled().sorted() == ascending)
    }

    @Test("Any number of keys between two neighbours stand in order between them")
    func manyBetween() throws {
        for seed in 0..<50 as Range<UInt64> {
            var generator = SplitMix64(seed: seed)
            let keys = SortKey.spread(Int.random(in: 2...500, using: &generator))
            let place = Int.random(in: 0...keys.count, using: &generator)
            let lower = place > 0 ? keys[place - 1] : nil
            let upper = place < keys.count ? keys[place] : nil
            let count = Int.random(in: 1...5000, using: &generator)

            let between = try #require(SortKey.between(lower, upper, count: count))

            let all = [lower].compactMap { $0 } + between + [upper].compactMap { $0 }
            #expect(between.count == count)
            #expect(zip(all, all.dropFirst()).allSatisfy(<), "seed \(seed)")
        }
    }

    @Test("Random insertions keep a strict order and at most 32 digits")
    func randomInsertions() throws {
        for seed in 0..<20 as Range<UInt64> {
            var generator = SplitMix64(seed: seed)
            var keys: [SortKey] = []
            // Half of the insertions go to one place, which uses its gap up.
            let favourite = Int.random(in: 0...3, using: &generator)
            var respreads = 0
            for step in 0..<600 {
                let place =
                    step % 2 == 0
                    ? Int.random(in: 0...keys.count, using: &generator) : min(favourite, keys.count)
                let lower = place > 0 ? keys[place - 1] : nil
                let upper = place < keys.count ? keys[place] : nil
                guard let key = SortKey.between(lower, upper, count: 1)?.first else {
                    respreads += 1
                    keys = SortKey.spread(keys.count + 1)
                    continue
                }
                if let lower { #expect(lower < key, "seed \(seed), step \(step)") }
                if let upper { #expect(key < upper, "seed \(seed), step \(step)") }
                #expect(key.description.utf8.count <= 32)
                keys.insert(key, at: place)
            }
            #expect(Set(keys).count == keys.count)
            #expect(respreads < 10, "seed \(seed)")
        }
    }

    @Test(
        "A gap that is halved for ever is used up in the end, not before 32 digits or 24 of them new"
    )
    func exhaustion() throws {
        var lower = SortKey("a0000000")
        let upper = SortKey("a0000001")
        var longest = 8
        var steps = 0
        while let key = SortKey.between(lower, upper, count: 1)?.first {
            try #require(lower < key && key < upper)
            longest = max(longest, key.description.utf8.count)
            lower = key
            steps += 1
            try #require(steps < 1000)
        }

        #expect(longest == 32 || longest == 31)
        #expect(steps > 100)
        #expect(SortKey.between(lower, upper, count: 1) == nil)
    }

    @Test("Ten thousand rows appended one by one need eight digits", arguments: [true, false])
    func appending(atEnd: Bool) throws {
        var last = try #require(SortKey.spread(2).last)
        if !atEnd { last = SortKey("a0000000") }
        for _ in 0..<10_000 {
            let next = try #require(
                (atEnd
                    ? SortKey.between(last, nil, count: 1) : SortKey.between(nil, last, count: 1))?
                    .first)
            #expect(atEnd ? last < next : next < last)
            #expect(next.description.utf8.count == 8)
            last = next
        }
    }
}
