import MatchingCases
import Music
import Testing

/// A track with all that Spotify says, to be changed by what a test is about.
private func track(
    _ title: String, _ artists: [String] = ["Clara Finch"], album: String? = "Paper Moon",
    durationMS: Int64? = 200_000, isrc: String? = nil, mbid: String? = nil
) -> TrackFacts {
    TrackFacts(
        title: title, artists: artists, album: album, durationMS: durationMS, isrc: isrc,
        mbid: mbid,
        trackNumber: 3, releaseYear: 2010)
}

private func judge(_ one: TrackFacts, _ other: TrackFacts, commonness: Int = 0) -> Judgement {
    Matcher.judge(TrackReading(one), TrackReading(other), commonness: commonness)
}

@Suite("Judging whether two tracks are one recording")
struct JudgementTests {
    @Test(
        "Spellings of one title are one recording",
        arguments: [
            ("Silver River", "silver RIVER"), ("Silver River", "Silver  River!"),
            ("Café Moon", "Cafe Moon"),
            ("Café Moon", "Cafe\u{301} Moon"), ("Don't Stop", "Don’t Stop"),
            ("Don't Stop", "Dont Stop"),
            ("Salt & Stone", "Salt and Stone"), ("The Salt", "Salt"),
            ("Moon, Pt. 2", "Moon (Part II)"),
            ("Moon, Pt. 1", "Moon - Part One"), ("Silver River (feat. Ada)", "Silver River"),
            ("Silver River ft. Ada & Bo", "Silver River [featuring Ada, Bo]"),
            ("Moon (with Ada)", "Moon"),
            ("Moon - Remastered 2011", "Moon"), ("Moon (2011 Digital Remaster)", "Moon"),
            ("Moon - 2011 - Remaster", "Moon"), ("Moon - Album Version", "Moon"),
            ("Moon (Stereo)", "Moon"),
            ("Moon (From \"The Hall\")", "Moon"), ("Moon (Bonus Track)", "Moon [Explicit]"),
            ("Moon - Live at the Hall", "Moon (live at the Hall)"),
            ("Moon - Ada Remix", "Moon (Ada remix)"),
            ("Salt (A Deal)", "Salt - A Deal"), ("(No) Satisfaction", "(no) satisfaction"),
            ("ｱｲﾄﾞﾙ", "アイドル"), ("アイドル！", "「アイドル」"), ("Ｍｏｏｎ", "Moon"), ("Ёлка", "Елка"),
            ("Straße", "STRASSE"), ("Sørensen", "Sorensen"), ("???", "？？？"), ("봄날", "봄날"),
            ("逆走♡アイドル (オリジナルカラオケ)", "逆走アイドル (カラオケ)"), ("Moon ②", "Moon 2"), ("ﬁre", "Fire"),
            ("Bohemain Rhapsody", "Bohemian Rhapsody"), ("Silvr River", "Silver River"),
            ("Дорога", "Doroga"),
        ])
    func oneTitle(one: String, other: String) {
        let judgement = judge(track(one), track(other))

        #expect(judgement.verdict == .accept)
        #expect(judgement.vetoes.isEmpty)
        // A subtitle on one side only would be worth less.
        #expect(judgement[.title] ?? 0 >= 45)
        #expect((60...75).contains(judgement.confidence))
    }

    @Test(
        "Spellings of one credit are one recording",
        arguments: [
            (["Ada", "Bo"], ["Ada feat. Bo"]), (["Ada", "Bo"], ["Bo", "Ada"]),
            (["Ada", "Bo"], ["Ada & Bo"]),
            (["Ada", "Bo", "Cy"], ["Ada, Bo & Cy"]), (["Ada", "Bo"], ["Ada; Bo"]),
            (["Ada", "Bo"], ["Ada x Bo"]),
            (["Ada", "Bo"], ["Ada vs. Bo"]), (["Ada", "Bo"], ["Ada"]),
            (["Simon & Gale"], ["Simon and Gale"]),
            (["The Moons"], ["Moons, The"]), (["Utada Hikaru"], ["Hikaru Utada"]),
            (["A$AP Bo"], ["ASAP Bo"]),
            (["Clara Finch"], ["Clara Fnich"]), (["Motörhead"], ["Motorhead"]),
            (["Silver Finch"], ["SilverFinch"]),
        ])
    func oneCredit(one: [String], other: [String]) {
        #expect(judge(track("Silver River", one), track("Silver River", other)).verdict == .accept)
    }

    @Test(
        "A version on one side only, or another one, is a veto that nothing outvotes",
        arguments: [
            "Moon (Live)", "Moon - Live at the Hall", "Moon - Ada Remix", "Moon (Acoustic)",
            "Moon [Demo]",
            "Moon - Instrumental", "Moon (Karaoke Version)",
            "Moon (Originally Performed by Clara Finch)",
            "Moon (Cover)", "Moon - Radio Edit", "Moon (Single Version)", "Moon - Extended Mix",
            "Moon - Sped Up",
            "Moon (Slowed + Reverb)", "Moon - Spanish Version", "Moon (Re-Recorded)", "Moon - Mono",
            "Moon (Clara's Version)", "Moon (2019 Version)", "Moon (Reprise)", "Moon (ライブ)",
            "Moon (off vocal ver.)",
            "Moon (12\" Mix)", "Moon (純カラオケ)", "Moon - Remastered 2011 - Live",
        ])
    func oneSidedVersion(title: String) {
        let version = track(title, isrc: "QZAB11200001", mbid: "a")

        #expect(judge(track("Moon"), track(title)).vetoes == [.version])
        #expect(judge(track("Moon"), track(title)).verdict == .reject)
        #expect(judge(track("Moon - Bo Remix"), track(title)).vetoes == [.version])
        #expect(
            judge(version, track("Moon", isrc: "QZAB11200001", mbid: "a")).verdict == .candidate)
    }

    @Test("What MusicBrainz writes beside a title names a version too")
    func disambiguation() {
        var live = track("Moon")
        live.disambiguation = "live, 2009-03-01: London"

        #expect(judge(track("Moon"), live).vetoes == [.version])
        #expect(judge(track("Moon (Live)"), live).verdict == .accept)
    }

    @Test(
        "Another title of the same artist is another recording",
        arguments: [
            ("Moon 1", "Moon 2"), ("Moon, Pt. 1", "Moon, Pt. 2"), ("Moon", "Moon II"),
            ("Dream", "Dreams"),
            ("Silver River", "Silver River Again"), ("Light", "Night"), ("Skit (1)", "Skit (2)"),
            ("City (Hau'oli)", "City (Malie)"), ("!!!", "???"), ("夜明け", "夜更け"),
            ("Tambourine Letter", "Tambourine Lantern"),
        ])
    func otherTitle(one: String, other: String) {
        let judgement = judge(track(one), track(other))

        #expect(judgement.verdict != .accept)
        #expect(judgement.vetoes == [.title])
    }

    @Test(
        "Another artist is another recording",
        arguments: [
            ["Nadia Quill"], ["The Clara Finch Tribute Band"], ["Clara"], ["Finch & Quill"],
            ["Clara Finch Karaoke"],
        ])
    func otherArtist(artists: [String]) {
        let judgement = judge(track("Silver River"), track("Silver River", artists))

        #expect(judgement.verdict == .reject)
        #expect(judgement.vetoes == [.artist])
    }

    @Test("An identifier decides, within its band, unless the rest contradicts it")
    func identifiers() {
        let own = track("Silver River", isrc: "qz-ab1-12-00001", mbid: "a")
        let bare = track("Silver River", album: nil, durationMS: nil, isrc: "QZAB11200001")
        let japanese = track("銀の川", isrc: "QZAB11200001")

        #expect(judge(own, bare).method == .isrc)
        #expect((90...95).contains(judge(own, bare).confidence))
        #expect(judge(own, track("Silver River", mbid: "A")).method == .mbid)
        #expect((80...85).contains(judge(own, track("Silver River", mbid: "A")).confidence))
        #expect(judge(own, japanese).verdict == .accept)
        for other in [
            track("Golden Sea", isrc: "QZAB11200001"),
            track("Silver River", ["Nadia Quill"], isrc: "QZAB11200001"),
            track("Silver River", durationMS: 290_000, isrc: "QZAB11200001"),
            track("銀の川", ["銀座"], album: nil, durationMS: nil, isrc: "QZAB11200001"),
        ] {
            #expect(judge(own, other).verdict == .candidate)
            #expect((30...50).contains(judge(own, other).confidence))
        }
    }

    @Test(
        "The farther lengths are apart the less they speak, until they are a veto",
        arguments: [(0, 30), (1500, 30), (3000, 24), (5000, 8), (9000, -8), (15_000, -18)])
    func lengths(apart: Int64, worth: Int) {
        let judgement = judge(track("Moon"), track("Moon", durationMS: 200_000 + apart))

        #expect(judgement[.duration] == worth)
        #expect(judgement.verdict == .accept)
        #expect(judge(track("Moon"), track("Moon", durationMS: 220_000)).verdict == .candidate)
        #expect(judge(track("Moon"), track("Moon", durationMS: 226_000)).vetoes == [.duration])
        #expect(judge(track("Moon"), track("Moon", durationMS: 0))[.duration] == nil)
    }

    @Test("Marks that differ are worth less than marks that agree")
    func marks() {
        let same = judge(track("Café"), track("Cafe\u{301}"))

        #expect(judge(track("Café"), track("Cafe")).score < same.score)
        #expect(judge(track("Año"), track("Ano")).score < judge(track("Año"), track("Año")).score)
    }

    @Test("A title that many artists have proves less")
    func commonness() {
        let (one, other) = (track("Intro"), track("Intro"))
        let scores = [1, 2, 4, 30, 5000].map { judge(one, other, commonness: $0).score }
        let bare = track("Intro", [], album: nil)

        #expect(scores == scores.sorted(by: >))
        #expect(Set(scores).count > 3)
        #expect(judge(bare, track("Intro"), commonness: 30).verdict == .candidate)
    }

    @Test("Which of two tracks is the subject does not matter, nor do repetitions")
    func symmetry() {
        let (nine, ten) = (
            TrackFacts(title: "Stolen 29", artists: ["Ada"]),
            TrackFacts(title: "Stollen 29", artists: ["Ada"])
        )
        #expect(judge(nine, ten) == judge(ten, nine))
        for matchingCase in MatchingCase.set(seed: 11, perKind: 20, isTest: true) {
            let subject = TrackReading(matchingCase.subject)
            for facts in matchingCase.candidates {
                let there = Matcher.judge(subject, TrackReading(facts), commonness: 3)
                let back = Matcher.judge(TrackReading(facts), subject, commonness: 3)
                #expect(there == back, "\(matchingCase.subject) \(facts)")
            }
        }
    }

    @Test("Confidence stays in the band of its method, and vetoes keep from accepting")
    func bands() {
        let bands: [Judgement.Method: ClosedRange<Int>] = [
            .isrc: 90...95, .mbid: 80...85, .artistTitle: 60...75, .fuzzy: 0...50,
        ]
        for matchingCase in MatchingCase.set(seed: 12, perKind: 20, isTest: true) {
            for judgement in matchingCase.judged().judgements {
                #expect(bands[judgement.method]?.contains(judgement.confidence) == true)
                #expect((judgement.verdict == .accept) == (judgement.confidence >= 60))
                #expect(judgement.verdict != .accept || judgement.vetoes.isEmpty)
                let sum = Judgement.Part.allCases.reduce(0) { $0 + (judgement[$1] ?? 0) }
                #expect(sum == judgement.score)
            }
        }
    }
}
