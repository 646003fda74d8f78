public import Music

/// Randomness that is the same on every machine: SplitMix64.
public struct Dice: RandomNumberGenerator, Sendable {
    private var state: UInt64
    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func one<C: RandomAccessCollection>(of values: C) -> C.Element {
        values[values.index(values.startIndex, offsetBy: Int(next() % UInt64(values.count)))]
    }
    mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &self) }
    mutating func chance(_ percent: Int) -> Bool { number(0...99) < percent }
}

/// A recording as it is, before services spell it.
struct Song {
    var title: String
    var lead: String
    var guests: [String] = []
    var album: String
    var durationMS: Int
    var isrc: String
    var mbid: String
    var trackNumber: Int
    var year: Int
    /// What it is beside the first recording of the song, in words.
    var version: String?
    /// Words beside the title that name no other recording.
    var neutral: String?
}

/// A maker of songs for one half of the set.
struct SongMaker {
    var dice: Dice
    let isTest: Bool

    mutating func word(_ table: [String]) -> String {
        let half = stride(from: isTest ? 1 : 0, to: table.count, by: 2).map { table[$0] }
        return dice.one(of: half)
    }

    /// A spelling: the first half of a list for training, all of it in the test.
    mutating func spelling(_ list: [String], _ song: Song) -> String {
        let known = isTest ? list[...] : list[..<((list.count + 1) / 2)]
        return filled(dice.one(of: known), song)
    }

    private mutating func filled(_ template: String, _ song: Song) -> String {
        var text = ""
        var rest = template[...]
        while let percent = rest.firstIndex(of: "%") {
            text += rest[..<percent]
            let code = rest.index(after: percent)
            switch rest[code] {
            case "A": text += artist()
            case "L": text += song.lead
            case "Y": text += String(dice.number(1965...2024))
            case "C": text += word(Words.last) + "ton"
            default: text += "the " + word(Words.english).firstUpper + " Hall"
            }
            rest = rest[rest.index(after: code)...]
        }
        return text + rest
    }

    mutating func noun() -> String { word(Words.english).firstUpper }

    mutating func artist() -> String {
        switch dice.number(0...9) {
        case 0...2: return word(Words.first) + " " + word(Words.last)
        case 3: return word(Words.last) + " & " + word(Words.last)
        case 4 where dice.chance(50): return "\(noun()), \(noun()) & \(noun())"
        case 5 where dice.chance(40): return word(Words.accented) + " " + word(Words.last)
        case 6 where dice.chance(15):
            return dice.one(of: ["Live", "Demo", "Mono", "The Covers", "Remix"])
        default:
            var text = ""
            var form = dice.one(of: Words.artistForms)[...]
            while let letter = form.first {
                form = form.dropFirst()
                if letter == "%" {
                    form = form.dropFirst()
                    text += noun()
                } else {
                    text.append(letter == "_" ? " " : letter)
                }
            }
            return text
        }
    }

    mutating func title() -> String {
        switch dice.number(0...19) {
        case 0: return noun()
        case 1: return "\(noun()) (\(noun()) \(noun()))"
        case 2: return "\(noun()), Pt. \(dice.number(1...3))"
        case 3: return word(Words.accented) + " " + noun()
        case 4: return word(Words.decoys).replacing("_", with: " ")
        case 5:
            return dice.one(of: [
                "Intro", "Interlude", "Home", "Hello", "Forever", "Untitled", "Outro",
            ])
        case 6: return "The \(noun())"
        case 7: return "\(noun()) & \(noun())"
        case 8: return "Don't \(noun()) My \(noun())"
        case 9: return "\(noun()) of the \(noun()) \(noun())"
        case 10: return "I'm Not Your \(noun())"
        case 11: return "\(noun()) \(dice.number(2...99))"
        default: return noun() + " " + noun()
        }
    }

    mutating func name(in table: [String]) -> String {
        let separator = table == Words.japanese || table == Words.chinese ? "" : " "
        return (0..<dice.number(1...2)).map { _ in word(table) }.joined(separator: separator)
    }

    mutating func song(title: String? = nil, lead: String? = nil) -> Song {
        Song(
            title: title ?? self.title(), lead: lead ?? artist(), album: noun() + " " + noun(),
            durationMS: dice.number(120_000...330_000), isrc: isrc(), mbid: mbid(),
            trackNumber: dice.number(1...14), year: dice.number(1968...2023))
    }

    mutating func isrc() -> String {
        let code = "QZ" + dice.one(of: ["AB1", "XK2", "M7Z"])
        return code + (0..<7).map { _ in String(dice.number(0...9)) }.joined()
    }

    mutating func mbid() -> String {
        let hex = Array("0123456789abcdef")
        return String(
            (0..<36).map { [8, 13, 18, 23].contains($0) ? "-" : hex[dice.number(0...15)] })
    }

    /// Another recording of a song.
    mutating func version(_ kind: VersionKind, of song: Song) -> Song {
        var other = song
        other.version = spelling(kind.spellings, song)
        other.neutral = nil
        other.isrc = isrc()
        other.mbid = mbid()
        if dice.chance(60) { other.album = noun() + " " + noun() }
        other.year += dice.number(0...6)
        // The same playback without the voice has the same length; others seldom.
        switch kind {
        case .instrumental, .karaoke: other.durationMS += dice.number(-1500...1500)
        case .spedUp: other.durationMS = song.durationMS * 8 / 10
        case .slowed: other.durationMS = song.durationMS * 12 / 10
        case .edit: other.durationMS = max(60_000, song.durationMS - dice.number(5000...90_000))
        default: other.durationMS = max(60_000, song.durationMS + dice.number(-20_000...60_000))
        }
        return other
    }
}

extension String {
    var firstUpper: String { prefix(1).uppercased() + dropFirst() }
}

/// How a service spells a song.
public enum ServiceStyle: String, CaseIterable, Sendable {
    case spotify, musicbrainz, lastfm
}

extension SongMaker {
    /// A song as a service gives it; what it leaves out is as often left out as in recorded answers.
    mutating func facts(_ song: Song, _ style: ServiceStyle) -> TrackFacts {
        switch style {
        case .spotify: spotify(song)
        case .musicbrainz: musicbrainz(song)
        case .lastfm: lastfm(song)
        }
    }

    private mutating func spotify(_ song: Song) -> TrackFacts {
        var title = song.title
        if !song.guests.isEmpty, dice.chance(60) {
            title += dice.one(of: [" (feat. ", " (with "]) + list(song.guests) + ")"
        }
        for tail in [song.version, song.neutral] {
            if let tail { title += dice.chance(75) ? " - " + tail : " (\(tail))" }
        }
        return TrackFacts(
            title: title, artists: [song.lead] + song.guests, album: song.album,
            durationMS: Int64(song.durationMS), isrc: dice.chance(95) ? song.isrc : nil,
            trackNumber: song.trackNumber, releaseYear: song.year)
    }

    /// 25 % without a length, 65 % without an ISRC: counted in 650 recorded rows.
    private mutating func musicbrainz(_ song: Song) -> TrackFacts {
        var title = song.title
        if let version = song.version {
            title += " (\(dice.chance(70) ? lowered(version) : version))"
        }
        var artists = [song.lead]
        if !song.guests.isEmpty {
            artists =
                dice.chance(50)
                ? artists + song.guests : ["\(song.lead) feat. \(list(song.guests))"]
        }
        return TrackFacts(
            title: title, artists: artists, album: dice.chance(90) ? song.album : nil,
            durationMS: dice.chance(75) ? Int64(song.durationMS + dice.number(-1500...1500)) : nil,
            isrc: dice.chance(35) ? song.isrc : nil, mbid: song.mbid,
            trackNumber: dice.chance(80) ? song.trackNumber : nil,
            releaseYear: dice.chance(85) ? song.year + dice.one(of: [0, 0, 0, -1, 1]) : nil)
    }

    private mutating func lastfm(_ song: Song) -> TrackFacts {
        var title = song.title
        var artist = song.lead
        if !song.guests.isEmpty {
            switch dice.number(0...3) {
            case 0: title += " (feat. \(list(song.guests)))"
            case 1: title += " ft. \(list(song.guests))"
            case 2: artist += dice.one(of: [" feat. ", " featuring ", " ft "]) + list(song.guests)
            default: break
            }
        }
        for tail in [song.version, song.neutral] {
            if let tail { title += dice.one(of: [" - \(tail)", " (\(tail))", " [\(tail)]"]) }
        }
        let isHint = dice.chance(40)
        return TrackFacts(
            title: title, artists: [artist], album: dice.chance(60) ? song.album : nil,
            durationMS: dice.chance(50) ? Int64(song.durationMS / 1000 * 1000) : nil,
            // A good part of Last.fm's MBIDs names a track or another recording.
            mbid: isHint ? (dice.chance(70) ? song.mbid : mbid()) : nil)
    }

    /// Version words as MusicBrainz writes them: lower case, but names of artists and places.
    private func lowered(_ version: String) -> String {
        version.split(separator: " ").map {
            ["Live", "Remix", "Version", "Demo", "Mix", "Edit", "Acoustic", "Radio"].contains($0)
                ? $0.lowercased() : String($0)
        }.joined(separator: " ")
    }

    mutating func list(_ names: [String]) -> String {
        guard names.count > 1, let last = names.last else { return names.first ?? "" }
        return names.dropLast().joined(separator: ", ") + " & " + last
    }
}

extension TrackFacts {
    /// Describes a track by all that there is.
    public init(
        title: String, artists: [String], album: String? = nil, durationMS: Int64? = nil,
        isrc: String? = nil, mbid: String? = nil, trackNumber: Int? = nil, releaseYear: Int? = nil
    ) {
        self.init(title: title, artists: artists)
        (self.album, self.durationMS, self.isrc, self.mbid) = (album, durationMS, isrc, mbid)
        (self.trackNumber, self.releaseYear) = (trackNumber, releaseYear)
    }
}
