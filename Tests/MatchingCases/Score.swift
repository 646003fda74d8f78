public import Music

/// What some way of matching made of a case.
public enum Outcome: Sendable, Hashable {
    case accept(Int), ambiguous, none
}

/// How well a way of matching did on some cases.
public struct Score: Sendable, Codable {
    public var cases = 0
    /// Cases with a right candidate.
    public var answerable = 0
    public var right = 0
    /// Accepts of a candidate that is not the right one.
    public var wrong = 0
    public var ambiguous = 0

    public init() {}

    /// Adds a case's outcome.
    public mutating func add(_ outcome: Outcome, _ matchingCase: MatchingCase) {
        cases += 1
        if matchingCase.right != nil { answerable += 1 }
        switch outcome {
        case .accept(let index) where index == matchingCase.right: right += 1
        case .accept: wrong += 1
        case .ambiguous: ambiguous += 1
        case .none: break
        }
    }

    /// The share of accepts that are right, in percent; nil without accepts.
    public var precision: Double? {
        right + wrong == 0 ? nil : 100 * Double(right) / Double(right + wrong)
    }
    /// The share of cases with a right candidate in which it was accepted, in percent.
    public var recall: Double? {
        answerable == 0 ? nil : 100 * Double(right) / Double(answerable)
    }
}

extension MatchingCase {
    /// What Narada makes of the case.
    public func judged(commonness: Int = 0) -> (outcome: Outcome, judgements: [Judgement]) {
        let reading = TrackReading(subject)
        let judgements = candidates.map {
            Matcher.judge(reading, TrackReading($0), commonness: commonness)
        }
        switch Matcher.choose(judgements) {
        case .accept(let index): return (.accept(index), judgements)
        case .ambiguous: return (.ambiguous, judgements)
        case .none: return (.none, judgements)
        }
    }

    /// What exact equality makes of it: artist and title in lower case without punctuation.
    public var judgedByEquality: Outcome {
        let own = Self.plain(subject)
        let equal = candidates.indices.filter { Self.plain(candidates[$0]) == own }
        return equal.isEmpty ? .none : equal.count == 1 ? .accept(equal[0]) : .ambiguous
    }

    private static func plain(_ facts: TrackFacts) -> [String] {
        [facts.title, facts.artists.joined(separator: ", ")].map { text in
            text.lowercased().filter { $0.isLetter || $0.isNumber || $0.isWhitespace }
                .split(whereSeparator: \.isWhitespace).joined(separator: " ")
        }
    }
}
