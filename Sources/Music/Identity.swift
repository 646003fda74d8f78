/// Which connector entities are one track, by the decisions that are in force (`design.md` §6).
///
/// A pure function of sets: it does not matter what came first.
public enum Identity {
    /// The decision in force on two entities.
    public struct Decision: Sendable {
        public let pair: [String]
        public let verdict: Verdict

        /// Decides on two URIs, the smaller one in bytes first.
        public init(_ pair: [String], _ verdict: Verdict) {
            self.pair = pair
            self.verdict = verdict
        }
    }

    public enum Verdict: Hashable, Sendable {
        /// A person said that they are one.
        case confirmed
        /// A person said that they are not.
        case rejected
        /// A matcher claimed it, with a confidence of 1 to 100.
        case asserted(Int)
    }

    /// From this confidence on an assertion unites whatever stands on its sides.
    public static let strong = 80
    /// From this confidence on an assertion leads an entity that nothing else holds to another; below, nowhere.
    public static let weak = 60

    /// How much an entity is worth as another one's support: MusicBrainz, then Spotify, then names alone.
    static func kind(_ uri: String) -> Int {
        uri.hasPrefix("mb:") ? 0 : uri.hasPrefix("spotify:") ? 1 : 2
    }

    /// Divides entities into tracks.
    ///
    /// First what a person confirmed, then strong assertions, the surest first, leaving out what would bring
    /// a rejected pair together. Then each entity that is still alone takes its one best weak assertion to a
    /// group or to an entity of a better kind; so no weak one ties two groups together.
    ///
    /// - Returns: For each entity a number that those of its group share, and no other.
    public static func groups(of uris: [String], by decisions: [Decision]) -> [Int] {
        let places = Dictionary(zip(uris, uris.indices)) { first, _ in first }
        var parts = Parts(count: uris.count)
        var edges: [(from: Int, to: Int, rank: Int, pair: [String])] = []
        for decision in decisions {
            guard let from = places[decision.pair[0]], let to = places[decision.pair[1]] else {
                continue
            }
            switch decision.verdict {
            case .rejected: parts.keepApart(from, to)
            case .confirmed: edges.append((from, to, 101, decision.pair))
            case .asserted(let confidence):
                if confidence >= weak { edges.append((from, to, confidence, decision.pair)) }
            }
        }
        edges.sort { left, right in
            if left.rank != right.rank { return left.rank > right.rank }
            let (one, other) = (left.pair.joined(separator: "|"), right.pair.joined(separator: "|"))
            return one.utf8.lexicographicallyPrecedes(other.utf8)
        }
        for edge in edges where edge.rank >= strong { _ = parts.unite(edge.from, edge.to) }

        let isAlone = uris.indices.map { parts.size($0) == 1 }
        var weakEdges: [Int: [Int]] = [:]  // of those alone, best first
        for edge in edges where edge.rank < strong {
            for (one, other) in [(edge.from, edge.to), (edge.to, edge.from)]
            where isAlone[one] && (!isAlone[other] || kind(uris[other]) < kind(uris[one])) {
                weakEdges[one, default: []].append(other)
            }
        }
        let order = weakEdges.keys.sorted { left, right in
            let (one, other) = (kind(uris[left]), kind(uris[right]))
            return one != other
                ? one < other : uris[left].utf8.lexicographicallyPrecedes(uris[right].utf8)
        }
        for place in order {
            _ = weakEdges[place]?.first { parts.unite(place, $0) }
        }
        return uris.indices.map { parts.part($0) }
    }

    /// Disjoint sets, some of which must stay apart.
    private struct Parts {
        private var parent: [Int]
        private var members: [[Int]]
        private var foes: [Set<Int>]

        init(count: Int) {
            parent = Array(0..<count)
            members = parent.map { [$0] }
            foes = .init(repeating: [], count: count)
        }

        mutating func keepApart(_ one: Int, _ other: Int) {
            foes[one].insert(other)
            foes[other].insert(one)
        }

        func part(_ place: Int) -> Int { parent[place] }
        func size(_ place: Int) -> Int { members[parent[place]].count }

        /// - Returns: Whether both are in one set then.
        mutating func unite(_ one: Int, _ other: Int) -> Bool {
            var (kept, gone) = (parent[one], parent[other])
            guard kept != gone else { return true }
            guard !foes[gone].contains(where: { parent[$0] == kept }) else { return false }
            // The smaller set goes over.
            if members[kept].count < members[gone].count { swap(&kept, &gone) }
            for member in members[gone] { parent[member] = kept }
            members[kept] += members[gone]
            foes[kept].formUnion(foes[gone])
            members[gone] = []
            return true
        }
    }
}
