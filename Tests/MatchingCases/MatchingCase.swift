public import Music

/// A question with a known answer: which of the candidates, if any, is the subject's recording?
public struct MatchingCase: Sendable {
    public let kind: CaseKind
    public let isTest: Bool
    public let subject: TrackFacts
    public let candidates: [TrackFacts]
    /// The index of the right one; nil where no candidate is right.
    public let right: Int?
}

/// What makes a case hard.
public enum CaseKind: String, CaseIterable, Sendable {
    case plain, letterCase = "case", typo, diacritics, punctuation, featuring, artistList =
        "artist list"
    case remaster, neutralTail = "neutral tail", sameVersion = "version on both sides"
    case missingArtist = "missing artist", missingDuration = "missing duration", missingISRC =
        "missing ISRC"
    case wrongISRC = "wrong ISRC", sharedISRC = "shared ISRC"
    case threeSeconds = "±3 s", fifteenSeconds = "±15 s"
    case nonLatin = "non-Latin", romanised = "other script", punctuationOnly = "punctuation-only"
    case live, remix, otherVersion = "other one-sided version", untagged = "untagged version"
    case cover, karaoke, otherArtist = "same title other artist", otherTitle =
        "same artist other title"
}

extension MatchingCase {
    /// Makes a labelled set: the same for the same seed.
    ///
    /// - Parameter perKind: The cases of each kind in each half.
    public static func set(seed: UInt64, perKind: Int, isTest: Bool) -> [MatchingCase] {
        CaseKind.allCases.enumerated().flatMap { index, kind in
            (0..<perKind).map { number in
                let own =
                    seed &* 1_000_003 &+ UInt64(index * 1_000_000 + number * 2 + (isTest ? 1 : 0))
                var maker = SongMaker(dice: Dice(seed: own), isTest: isTest)
                return maker.makeCase(kind)
            }
        }
    }
}

extension SongMaker {
    mutating func makeCase(_ kind: CaseKind) -> MatchingCase {
        var song = self.song(title: nil)
        if kind == .featuring || dice.chance(15) {
            song.guests = (0..<dice.number(1...2)).map { _ in artist() }
        }
        var (subjectStyle, candidateStyle) = dice.one(of: [
            (ServiceStyle.spotify, ServiceStyle.musicbrainz), (.spotify, .musicbrainz),
            (.spotify, .lastfm), (.lastfm, .musicbrainz), (.musicbrainz, .lastfm),
            (.lastfm, .spotify),
        ])
        if kind == .wrongISRC || kind == .sharedISRC {
            (subjectStyle, candidateStyle) = (.spotify, .musicbrainz)
        }
        prepare(&song, kind)
        // What the subject says, what the right candidate says; nil where none is right.
        var left = song
        var right: Song? = song
        var rivals: [Song] = []
        degrade(&left, &right, &rivals, kind)
        rivals += distractors(right ?? left)
        if kind == .plain || kind == .missingDuration, dice.chance(30) {
            rivals.append(version(dice.one(of: VersionKind.allCases), of: song))
        }
        var subject = facts(left, subjectStyle)
        var candidates = rivals.map { facts($0, candidateStyle) }
        var index: Int?
        if let right {
            let place = dice.number(0...candidates.count)
            candidates.insert(facts(right, candidateStyle), at: place)
            index = place
        }
        if dice.chance(50), let place = index, kind.isSpelling {
            // Which side has the odd spelling is a matter of chance.
            let swapped = candidates[place]
            candidates[place] = worsened(swapped, kind)
        } else {
            subject = worsened(subject, kind)
        }
        let lengths = (Int64(left.durationMS), Int64(rivals[0].durationMS))
        finish(&subject, &candidates, index, kind, lengths)
        return MatchingCase(
            kind: kind, isTest: isTest, subject: subject, candidates: candidates, right: index)
    }

    private mutating func prepare(_ song: inout Song, _ kind: CaseKind) {
        switch kind {
        case .diacritics:
            song.title =
                word(Words.accented) + " " + (dice.chance(50) ? word(Words.accented) : noun())
            if dice.chance(40) { song.lead = word(Words.accented) + " " + word(Words.last) }
        case .nonLatin:
            let table = dice.one(of: [
                Words.cyrillic, Words.japanese, Words.japanese, Words.korean, Words.greek,
                Words.arabic, Words.chinese,
            ])
            song.title = name(in: table)
            song.lead = dice.chance(60) ? name(in: table) : artist()
        case .romanised:
            song.title = word(Words.romanised)
            song.lead = dice.chance(50) ? word(Words.romanised) : artist()
        case .punctuationOnly: song.title = dice.one(of: Words.punctuation)
        case .artistList:
            song.guests = (0..<dice.number(1...3)).map { _ in artist() }
        default: break
        }
    }

    private mutating func degrade(
        _ left: inout Song, _ right: inout Song?, _ rivals: inout [Song], _ kind: CaseKind
    ) {
        let song = left
        switch kind {
        case .remaster:
            left.neutral = spelling(Neutral.remaster, song)
            if dice.chance(30) { right?.neutral = spelling(Neutral.remaster, song) }
            if dice.chance(50) { swap(&left.neutral, &right!.neutral) }
            if dice.chance(40) { left.isrc = isrc() }
            right?.year -= dice.number(0...30)
        case .neutralTail:
            left.neutral = spelling(Neutral.other, song)
            if dice.chance(40) { swap(&left.neutral, &right!.neutral) }
        case .sameVersion:
            left = version(dice.one(of: VersionKind.allCases), of: song)
            right = left
            rivals.append(song)
        case .wrongISRC: left.isrc = isrc()
        case .sharedISRC:
            rivals.append(version(dice.one(of: [.edit, .remix, .live, .instrumental]), of: song))
        case .threeSeconds: right?.durationMS += dice.number(-3000...3000)
        case .fifteenSeconds:
            right?.durationMS += dice.number(6000...15_000) * (dice.chance(50) ? 1 : -1)
        case .romanised:
            let pairs = { (text: String) in
                text.split(separator: "=", maxSplits: 1).map(String.init)
            }
            let (title, lead) = (pairs(song.title), pairs(song.lead))
            left.title = title[0]
            right?.title = title[1]
            left.lead = lead[0]
            right?.lead = lead.last ?? lead[0]
        case .live: oneSided([.live], &left, &right, &rivals)
        case .remix: oneSided([.remix], &left, &right, &rivals)
        case .karaoke: karaoke(&left, &right, &rivals)
        case .otherVersion:
            let others: [VersionKind] = [
                .acoustic, .demo, .instrumental, .edit, .spedUp, .slowed, .language, .rerecorded,
            ]
            oneSided(others, &left, &right, &rivals)
        case .untagged:
            // Another take or mix that no word tells apart, only its length.
            var other = version(.demo, of: song)
            other.version = nil
            other.durationMS =
                song.durationMS + dice.number(20_000...90_000) * (dice.chance(60) ? 1 : -1)
            if dice.chance(50) { right = nil }
            rivals.append(other)
        case .cover:
            rivals.append(cover(of: song))
            if dice.chance(50) { right = nil }
        case .otherArtist:
            for _ in 0..<dice.number(1...3) { rivals.append(self.song(title: song.title)) }
            if dice.chance(50) { right = nil }
        case .otherTitle:
            for _ in 0..<dice.number(2...4) {
                var other = self.song(title: near(song.title), lead: song.lead)
                if dice.chance(50) { (other.album, other.year) = (song.album, song.year) }
                if dice.chance(30) {
                    other.durationMS = song.durationMS + dice.number(-3000...3000)
                }
                rivals.append(other)
            }
            if dice.chance(50) { right = nil }
        default: break
        }
    }

    /// A version on one side only, the right one there in half the cases.
    private mutating func oneSided(
        _ kinds: [VersionKind], _ left: inout Song, _ right: inout Song?, _ rivals: inout [Song]
    ) {
        let song = left
        if dice.chance(30) {
            // The subject is the version; the first recording is what is offered.
            left = version(dice.one(of: kinds), of: song)
            right = left
            rivals.append(song)
        } else {
            for _ in 0..<dice.number(1...2) {
                rivals.append(version(dice.one(of: kinds), of: song))
            }
        }
        if dice.chance(50) { right = nil }
    }

    private mutating func karaoke(_ left: inout Song, _ right: inout Song?, _ rivals: inout [Song])
    {
        for _ in 0..<dice.number(1...2) {
            var other = version(.karaoke, of: left)
            switch dice.number(0...3) {
            case 0: other.lead = noun() + " Karaoke"
            case 1: other.lead = "The \(noun()) Players"
            case 2: (other.lead, other.version) = ("Karaoke - " + left.lead, nil)
            default: break
            }
            rivals.append(other)
        }
        if dice.chance(50) { right = nil }
    }

    private mutating func cover(of song: Song) -> Song {
        var other = self.song(title: song.title)
        if dice.chance(50) { other.durationMS = song.durationMS + dice.number(-2000...2000) }
        switch dice.number(0...4) {
        case 0: other.version = "\(song.lead) Cover"
        case 1: other.version = "Cover"
        case 2: other.lead = "The \(song.lead) Tribute Band"
        case 3: (other.lead, other.version) = (song.lead, "Cover by \(artist())")
        default: break
        }
        return other
    }

    /// A title of the same artist that is near to another.
    private mutating func near(_ title: String) -> String {
        var words = title.split(separator: " ").map(String.init)
        // A plural or another word makes another title; "The" and "Pt." more or less do not.
        let telling = words.indices.filter {
            words[$0].count > 3 && words[$0].allSatisfy(\.isLetter)
        }
        guard !telling.isEmpty else { return self.title() }
        let place = dice.one(of: telling)
        switch dice.number(0...7) {
        case 0:
            if let digit = words.indices.last(where: { words[$0].contains(where: \.isNumber) }) {
                words[digit] = words[digit].contains("1") ? "2" : "1"
                if words.joined(separator: " ") == title { words[digit] = "3" }
            } else {
                words.append(String(dice.number(2...4)))
            }
        case 1:
            words[place] =
                words[place].hasSuffix("s") ? String(words[place].dropLast()) : words[place] + "s"
        case 2: words[place] = noun()
        case 3:
            words.append(dice.one(of: ["Again", "Tonight", "II", "(Reprise)", "(Intro)", "Pt. 2"]))
        case 4: words.insert(dice.one(of: ["My", "No", "Another", "Your"]), at: 0)
        case 5 where words.count > 1: words.remove(at: place)
        case 6 where words.count > 1 && words[0] != "The": words.swapAt(0, words.count - 1)
        default: return self.title()
        }
        let text = words.joined(separator: " ")
        return text.lowercased() == title.lowercased() ? noun() + " " + noun() : text
    }

    /// What a search brings up beside the right one.
    private mutating func distractors(_ song: Song) -> [Song] {
        var rivals = (0..<dice.number(1...3)).map { _ in self.song(title: title(), lead: song.lead)
        }
        rivals.removeAll { $0.title == song.title }
        if dice.chance(40) { rivals.append(self.song(title: song.title)) }
        rivals.append(self.song())
        return rivals
    }

    private mutating func worsened(_ facts: TrackFacts, _ kind: CaseKind) -> TrackFacts {
        var facts = facts
        let isTitle = dice.chance(60)
        func change(_ change: (String) -> String) {
            if isTitle {
                facts.title = change(facts.title)
            } else if let first = facts.artists.first {
                facts.artists[0] = change(first)
            }
        }
        switch kind {
        case .letterCase:
            facts.title = otherCase(facts.title)
            facts.artists = facts.artists.map { otherCase($0) }
        case .typo: change { mistyped($0) }
        case .diacritics:
            facts.title = otherMarks(facts.title)
            facts.artists = facts.artists.map { otherMarks($0) }
        case .punctuation: change { otherSigns($0) }
        case .nonLatin: facts.title = otherForm(facts.title)
        case .artistList: facts.artists = otherList(facts.artists)
        default: break
        }
        return facts
    }

    private mutating func otherList(_ artists: [String]) -> [String] {
        switch dice.number(0...4) {
        case 0: [list(artists)]
        case 1:
            [artists.joined(separator: dice.one(of: [", ", "; ", " / ", " x ", " vs. ", " & "]))]
        case 2: Array(artists.prefix(1))
        case 3: [artists[0]] + artists.dropFirst().shuffled(using: &dice)
        default: Array(artists.shuffled(using: &dice))
        }
    }

    private mutating func finish(
        _ subject: inout TrackFacts, _ candidates: inout [TrackFacts], _ right: Int?,
        _ kind: CaseKind,
        _ lengths: (Int64, Int64)
    ) {
        switch kind {
        case .missingArtist:
            if dice.chance(50) {
                subject.artists = dice.one(of: [[], ["Unknown Artist"], ["Various Artists"], [""]])
            } else if let right {
                candidates[right].artists = []
            }
        case .missingDuration:
            subject.durationMS = nil
            if dice.chance(50) {
                for index in candidates.indices { candidates[index].durationMS = nil }
            }
        case .untagged:
            // The length is all that tells them apart, so it is there.
            subject.durationMS = subject.durationMS ?? lengths.0
            for index in candidates.indices where candidates[index].durationMS == nil {
                candidates[index].durationMS = index == right ? lengths.0 : lengths.1
            }
        case .missingISRC:
            subject.isrc = nil
            for index in candidates.indices { candidates[index].isrc = nil }
        case .wrongISRC:
            // The subject's code belongs to another of the candidates, or the right one has another's.
            if let other = candidates.indices.first(where: { $0 != right }), dice.chance(60) {
                candidates[other].isrc = subject.isrc
            } else if let right {
                candidates[right].isrc = isrc()
            }
        case .sharedISRC:
            let other = candidates.indices.first {
                $0 != right && candidates[$0].title.hasPrefix(subject.title.prefix(3))
            }
            if let right, let isrc = subject.isrc {
                candidates[right].isrc = isrc
                if let other { candidates[other].isrc = isrc }
            }
        default: break
        }
    }
}

extension CaseKind {
    var isSpelling: Bool {
        [.letterCase, .typo, .diacritics, .punctuation, .nonLatin, .artistList].contains(self)
    }
}

extension MatchingCase {
    /// Tracks of a library and as many candidates; the candidate at an index is the track at that index.
    public static func library(seed: UInt64, count: Int) -> (
        tracks: [TrackFacts], candidates: [TrackFacts]
    ) {
        var maker = SongMaker(dice: Dice(seed: seed), isTest: true)
        let artists = (0..<max(1, count / 12)).map { _ in maker.artist() }
        var tracks: [TrackFacts] = []
        var candidates: [TrackFacts] = []
        for _ in 0..<count {
            let song = maker.song(lead: maker.dice.one(of: artists))
            var track = maker.facts(song, .spotify)
            let candidate = maker.facts(song, .musicbrainz)
            if maker.dice.chance(10) { track.title = maker.mistyped(track.title) }
            tracks.append(track)
            candidates.append(candidate)
        }
        return (tracks, candidates)
    }
}
