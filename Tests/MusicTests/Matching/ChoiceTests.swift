import MatchingCases
import Music
import Testing

@Suite("Choosing among candidates")
struct ChoiceTests {
    private func choose(_ subject: TrackFacts, _ candidates: [TrackFacts]) -> Choice {
        Matcher.choose(TrackReading(subject), candidates.map { TrackReading($0) })
    }

    private func track(
        _ title: String, album: String? = nil, durationMS: Int64? = nil, isrc: String? = nil
    ) -> TrackFacts {
        TrackFacts(
            title: title, artists: ["Clara Finch"], album: album, durationMS: durationMS, isrc: isrc
        )
    }

    @Test("The one that leads by a margin is chosen, in whatever order they come")
    func margin() {
        let subject = track("Silver River", durationMS: 200_000)
        let near = track("Silver River", durationMS: 200_500)
        let far = track("Silver River", durationMS: 212_000)

        #expect(choose(subject, [far, near]) == .accept(1))
        #expect(choose(subject, [near, far]) == .accept(0))
    }

    @Test("Two that are as good are for a person to tell apart")
    func ambiguous() {
        let subject = track("Silver River", durationMS: 200_000)
        let candidates = [200_500, 202_000].map { track("Silver River", durationMS: $0) }

        #expect(choose(subject, candidates) == .ambiguous([0, 1]))
        #expect(choose(subject, [track("Golden Sea")]) == .none)
        #expect(choose(subject, []) == .none)
    }

    @Test("What is not known does not win over what is known and a little off")
    func missing() {
        let subject = track("Silver River", album: "Paper Moon", durationMS: 200_000)
        let off = track("Silver River", album: "Paper Moon", durationMS: 209_000)
        let unknown = track("Silver River", album: "Paper Moon")
        let known = track("Silver River", album: "Paper Moon", durationMS: 200_000)

        #expect(choose(subject, [off, unknown]) == .ambiguous([1, 0]))
        #expect(choose(subject, [known, unknown]) == .accept(0))
    }

    @Test("An identifier whose version contradicts it leaves the others to a person")
    func contradicted() {
        let subject = track("Silver River", isrc: "QZAB11200001")
        let live = track("Silver River (Live)", isrc: "QZAB11200001")
        let plain = track("Silver River")
        let shared = track("Silver River", isrc: "QZAB11200001")

        #expect(choose(subject, [live, plain]) == .ambiguous([0, 1]))
        #expect(choose(subject, [live, shared]) == .accept(1))
        #expect(choose(subject, [track("Golden Sea", isrc: "QZAB11200001"), plain]) == .accept(1))
    }

    @Test("A name is all tracks that bear it, unless one that is near is not sure")
    func namesakes() {
        func chosen(_ name: String, _ candidates: [TrackFacts]) -> [Int] {
            let subject = TrackReading(TrackFacts(title: name, artists: ["Clara Finch"]))
            let judgements = candidates.map { Matcher.judge(subject, TrackReading($0)) }
            guard case .ambiguous(let ranked) = Matcher.choose(judgements) else { return [-1] }
            return Matcher.namesakes(judgements, among: ranked)
        }
        let (short, long) = (
            track("Silver River", durationMS: 200_000), track("Silver River", durationMS: 300_000)
        )
        let live = track("Silver River (Live)")
        let other = TrackFacts(title: "Silver River", artists: ["Otto Brandt"])
        let shared = TrackFacts(title: "Silvre River", artists: ["Otto Brandt", "Clara Finch"])

        #expect(chosen("Silver River", [short, live, long, other]) == [0, 2])
        #expect(chosen("Silver River - 2011 Remaster", [short, long]) == [0, 1])
        #expect(chosen("Silver River (Live)", [short, live]) == [-1], "one alone is no question")
        #expect(chosen("Silvre River", [short, shared]).isEmpty)
        #expect(chosen("Silver River", [shared, other]).isEmpty, "nothing that is sure")
    }

    @Test("The blocks hold every pair that would be accepted, but for those that the index names")
    func blocking() {
        let (tracks, pool) = MatchingCase.library(seed: 5, count: 600)
        let index = CandidateIndex(pool.map { TrackReading($0) })
        var accepted = 0
        for (place, facts) in tracks.enumerated() {
            let subject = TrackReading(facts)
            let found = index.candidates(for: subject)

            let all = index.candidates.indices.filter {
                Matcher.judge(subject, index.candidates[$0]).verdict == .accept
            }

            #expect(all.allSatisfy { found.contains($0) }, "\(facts)")
            if all.contains(place) { accepted += 1 }
        }
        #expect(accepted > 570)
        #expect(index.commonness(of: TrackReading(tracks[0])) >= 1)
    }

    /// `tools/bench-matching` measures the whole set; this keeps its marks.
    @Test("On a small labelled set the marks hold")
    func labelled() {
        var all = Score()
        for kind in CaseKind.allCases {
            var score = Score()
            for matchingCase in MatchingCase.set(seed: 21, perKind: 20, isTest: true)
            where matchingCase.kind == kind {
                let outcome = matchingCase.judged().outcome
                score.add(outcome, matchingCase)
                all.add(outcome, matchingCase)
            }
            switch kind {
            case .live, .remix, .otherVersion, .cover, .karaoke, .otherArtist, .otherTitle:
                #expect(score.wrong == 0, "\(kind.rawValue)")
                #expect(score.right > 0, "\(kind.rawValue)")
            default: break
            }
        }
        #expect(all.wrong <= 1)
        #expect(all.recall ?? 0 >= 92)
    }
}
