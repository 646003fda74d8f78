/// Which of several candidates a subject is, by their indexes.
public enum Choice: Hashable, Sendable {
    /// This one, by a margin.
    case accept(Int)
    /// Perhaps one of these, the likeliest first: a person has to look.
    case ambiguous([Int])
    case none
}

extension Matcher {
    /// Chooses among judged candidates of one subject.
    ///
    /// The best one has to lead by the margin over each other that is not ruled out. A candidate that has an
    /// identifier of the subject, and whose version or length contradicts it, is not ruled out against one that
    /// has no identifier: a person has to look which of the two is wrong.
    public static func choose(_ judgements: [Judgement]) -> Choice {
        let ranked = judgements.indices.filter { judgements[$0].verdict != .reject }
            .sorted { (judgements[$0].score, $1) > (judgements[$1].score, $0) }
        if ranked.isEmpty { return .none }
        let best = ranked.first { index in
            let own = judgements[index]
            return own.verdict == .accept
                && ranked.allSatisfy { other in
                    other == index || isOut(judgements[other], against: own)
                        || own.lead(over: judgements[other]) >= Weight.margin
                }
        }
        return best.map { .accept($0) } ?? .ambiguous(ranked)
    }

    private static func isOut(_ rival: Judgement, against own: Judgement) -> Bool {
        rival.vetoes.contains { $0 == .title || $0 == .artist || own.method != .artistTitle }
    }

    /// Judges every candidate and chooses.
    ///
    /// - Parameter commonness: How many artists are known to have a song of the subject's title.
    public static func choose(
        _ subject: TrackReading, _ candidates: [TrackReading], commonness: Int = 0
    ) -> Choice {
        choose(candidates.map { judge(subject, $0, commonness: commonness) })
    }
}
