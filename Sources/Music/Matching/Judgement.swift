/// What a matcher makes of two tracks, and why. Raw values and names of parts stand in decisions.
public struct Judgement: Hashable, Sendable {
    /// Whether the two are one recording; a candidate is never an edge: a person has to look.
    public enum Verdict: String, Sendable { case accept, candidate, reject }

    /// What a resolution rests on. `direct` is an importer's own word and no judgement.
    public enum Method: String, Sendable {
        case direct, isrc, mbid, fuzzy
        case artistTitle = "artist_title"
    }

    /// What speaks against two tracks being one recording, whatever speaks for it.
    ///
    /// Another title; other artists; a live take, a remix and the like on one side only or another one; lengths
    /// too far apart.
    public enum Veto: String, Sendable { case title, artist, version, duration }

    /// A kind of evidence.
    public enum Part: Int, CaseIterable, Sendable {
        case isrc, mbid, title, commonness, artists, version, duration, album, position, year
    }

    public private(set) var verdict = Verdict.reject
    public private(set) var method = Method.fuzzy
    /// 0–100, within the method's band (`design.md` §6).
    public private(set) var confidence = 0
    /// What speaks against it. Without an identifier in common the first veto ends the judgement.
    public internal(set) var vetoes: [Veto] = []
    /// The sum of the evidence, in tenths of a bit.
    public private(set) var score = 0
    private var values = SIMD16<Int16>(repeating: .min)

    /// A part's worth in tenths of a bit; nil where one side does not know.
    public internal(set) subscript(part: Part) -> Int? {
        get { values[part.rawValue] == .min ? nil : Int(values[part.rawValue]) }
        set {
            score += (newValue ?? 0) - (self[part] ?? 0)
            values[part.rawValue] = newValue.map { Int16($0) } ?? .min
        }
    }

    mutating func set(_ verdict: Verdict, _ method: Method, _ confidence: Int) {
        (self.verdict, self.method, self.confidence) = (verdict, method, confidence)
    }

    func speaks(_ part: Part) -> Bool { values[part.rawValue] > 0 }

    /// By how much the evidence speaks for this candidate rather than another one of the same subject.
    ///
    /// What one of the two does not know can't speak against the other: where only one has a part, it counts if
    /// it speaks for its side.
    func lead(over other: Judgement) -> Int {
        Part.allCases.reduce(0) { lead, part in
            guard let own = self[part], let others = other[part] else {
                return lead + max(0, self[part] ?? 0) - max(0, other[part] ?? 0)
            }
            return lead + own - others
        }
    }
}
