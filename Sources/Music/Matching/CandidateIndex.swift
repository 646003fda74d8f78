/// Candidates laid out so that a subject is compared with the few that may be it.
///
/// Blocks: the same ISRC, the same MBID, the same title, the same title with its tails, or an artist in common and
/// a title of nearly the same letters. A track whose title and artists are all mistyped and that has no identifier
/// is not found, nor is one in another script whose artists are too.
public struct CandidateIndex: Sendable {
    /// The candidates, in the order given.
    public let candidates: [TrackReading]
    private var byKey: [UInt64: [Int32]] = [:]
    private var byArtist: [UInt64: [Int32]] = [:]

    /// Lays candidates out.
    public init(_ candidates: [TrackReading]) {
        self.candidates = candidates
        for (index, candidate) in candidates.enumerated() {
            for key in Self.keys(candidate) { byKey[key, default: []].append(Int32(index)) }
            for name in candidate.artists.names {
                byArtist[name.unorderedKey, default: []].append(Int32(index))
            }
        }
    }

    private static func keys(_ reading: TrackReading) -> Set<UInt64> {
        Set([reading.isrc, reading.mbid, reading.title.key, reading.whole].compactMap { $0 })
    }

    /// The indexes of the candidates that a subject may be, in order.
    public func candidates(for subject: TrackReading) -> [Int] {
        var found = Set(Self.keys(subject).flatMap { byKey[$0] ?? [] })
        for name in subject.artists.names {
            for index in byArtist[name.unorderedKey] ?? [] {
                let title = candidates[Int(index)].title
                let isNear = Likeness.leastDistance(subject.title, title) <= Likeness.mostSlips
                if isNear || title.isLatin != subject.title.isLatin { found.insert(index) }
            }
        }
        return found.sorted().map(Int.init)
    }

    /// How many leading artists among the candidates have a song of a subject's title.
    public func commonness(of subject: TrackReading) -> Int {
        Set((byKey[subject.title.key] ?? []).compactMap { candidates[Int($0)].artists.lead?.key })
            .count
    }
}
