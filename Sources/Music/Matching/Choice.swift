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

    /// Which of ambiguous candidates a subject is that is a name and no more, as an entity of Last.fm's is: the
    /// best accepted one, and with it all accepted ones that it does not lead by the margin.
    ///
    /// - Parameter ranked: The ambiguous ones, the likeliest first.
    /// - Returns: None where one of those it does not lead is not accepted: a person has to look.
    public static func namesakes(_ judgements: [Judgement], among ranked: [Int]) -> [Int] {
        guard let best = ranked.first(where: { judgements[$0].verdict == .accept }) else {
            return []
        }
        let own = judgements[best]
        let near = ranked.filter {
            !isOut(judgements[$0], against: own) && own.lead(over: judgements[$0]) < Weight.margin
        }
        return near.allSatisfy { judgements[$0].verdict == .accept } ? near : []
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
