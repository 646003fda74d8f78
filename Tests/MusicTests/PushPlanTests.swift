import Music
import TestSupport
import Testing

@Suite("The plan of a push")
struct PushPlanTests {
    /// A service's list, and what its calls do to it.
    private static func apply(_ writes: [PushPlan.Write], to list: [String?]) -> [String?] {
        var list = list
        for write in writes {
            switch write {
            case .remove(let uris): list.removeAll { uri in uri.map { uris.contains($0) } ?? false }
            case .move(let from, let count, let before):
                let block = list[from..<from + count]
                list.removeSubrange(from..<from + count)
                list.insert(contentsOf: block, at: before > from ? before - count : before)
            case .add(let uris, let at): list.insert(contentsOf: uris, at: at)
            }
        }
        return list
    }

    private static func track(_ number: Int) -> String { "spotify:track:\(number)" }

    @Test("Any list becomes any other, but for what a service cannot hold or let go")
    func anyToAny() {
        for seed in 0..<2000 as Range<UInt64> {
            var generator = SplitMix64(seed: seed)
            func list() -> [String?] {
                (0..<Int.random(in: 0...12, using: &generator)).map { _ in
                    switch Int.random(in: 0...9, using: &generator) {
                    case 0: nil
                    case 1: "spotify:local:::a:\(Int.random(in: 0...2, using: &generator))"
                    default: Self.track(Int.random(in: 0...8, using: &generator))
                    }
                }
            }
            let old = list()
            let wanted = list()

            let plan = PushPlan(from: old, to: wanted)

            let result = Self.apply(plan.writes, to: old)
            let possible = wanted.indices.filter { !plan.cannotAdd.contains($0) }.map { wanted[$0] }
            #expect(result.count == possible.count + plan.cannotRemove.count, "seed \(seed)")
            if plan.cannotRemove.isEmpty { #expect(result == possible, "seed \(seed)") }
            for index in plan.cannotAdd {
                #expect(wanted[index]?.hasPrefix("spotify:track:") != true, "seed \(seed)")
            }
            for index in plan.cannotRemove {
                #expect(old[index]?.hasPrefix("spotify:track:") != true, "seed \(seed)")
            }
            // A row without a URI, and one that could not be added again, is never lost.
            for uri in [nil, "spotify:local:::a:0"] {
                let held = old.count { $0 == uri }
                let needed = min(held, wanted.count { $0 == uri })
                #expect(result.count { $0 == uri } >= needed, "seed \(seed)")
            }
        }
    }

    @Test("A permutation takes moves only, one for each run of rows out of order")
    func permutations() {
        let list = (0..<10).map { Self.track($0) as String? }
        let swapped = Array(list[3..<6] + list[0..<3] + list[6...])

        #expect(PushPlan(from: list, to: swapped).writes == [.move(from: 3, count: 3, before: 0)])
        #expect(PushPlan(from: list, to: list).writes.isEmpty)
        for seed in 0..<300 as Range<UInt64> {
            var generator = SplitMix64(seed: seed)
            let wanted = list.shuffled(using: &generator)
            let plan = PushPlan(from: list, to: wanted)
            let onlyMoves = plan.writes.allSatisfy { if case .move = $0 { true } else { false } }
            #expect(onlyMoves && Self.apply(plan.writes, to: list) == wanted, "seed \(seed)")
        }
    }

    @Test("Runs of added and removed rows take one call each, at most 100 rows in one")
    func runs() {
        let list = (0..<300).map { Self.track($0) as String? }

        let plan = PushPlan(from: list, to: Array(list[0..<20]))
        #expect(plan.writes.count == 3)
        let grown = PushPlan(from: Array(list[0..<20]), to: list)
        #expect(
            grown.writes.map { if case .add(_, let at) = $0 { at } else { -1 } } == [20, 120, 220])
    }

    @Test("One of several equal rows goes by removing all and adding the others again")
    func duplicates() {
        let old = [Self.track(1), Self.track(2), Self.track(1)] as [String?]

        let plan = PushPlan(from: old, to: [Self.track(1), Self.track(2)])

        #expect(plan.writes == [.remove([Self.track(1)]), .add([Self.track(1)], at: 0)])
    }
}
