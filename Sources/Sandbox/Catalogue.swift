import JSONText
import Ledger

/// A track as the services know it.
struct Track: Codable, Sendable {
    var id: String
    var name: String
    var artists: [String]
    var album: String
    var isrc: String?
    var durationMS = 200_000
    var released = "2020-01-01"
    var number = 1

    var uri: String { "spotify:track:\(id)" }
}

/// Base-62 letters that stand for a text, always the same ones.
func identifier(_ text: String, length: Int = 22) -> String {
    let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
    let bytes = SHA256.digest(Array(text.utf8)).bytes.prefix(length)
    return String(decoding: bytes.map { alphabet[Int($0) % 62] }, as: UTF8.self)
}

extension World {
    /// The last play of every invented world; fixed, so that one seed gives one world for good.
    fileprivate static let lastPlay = ISOTime.parse("2026-11-20T21:30:00Z") ?? 0

    /// Makes up a track for a URI that nobody has heard of, always the same one.
    mutating func ensure(_ uri: String?) {
        guard let uri, uri.hasPrefix("spotify:track:") else { return }
        let id = String(uri.dropFirst(14))
        let made = Track(
            id: id, name: "Track \(id.prefix(6))", artists: ["Artist \(id.suffix(3))"],
            album: "Album \(id.suffix(2))")
        tracks[id] = tracks[id] ?? made
    }

    /// Replaces everything by an invented world; sizes that are not named are small.
    mutating func invent(_ wanted: [String: Int]) {
        let size = Dictionary(table("size").members.map { ($0.0, $0.1.integer ?? 0) }) { $1 }
            .merging(wanted) { max(0, $1) }
        func count(_ name: String) -> Int { size[name] ?? 0 }
        var dice = Dice(seed: UInt64(count("seed")))
        var all: [Track] = []
        for index in 0..<max(1, count("tracks")) { all.append(dice.track(index, after: all.last)) }
        tracks = Dictionary(all.map { ($0.id, $0) }) { $1 }
        lastfm = LastfmState(tokens: lastfm.tokens, sessions: lastfm.sessions)
        let songs = all.enumerated().map { lastfm.add(spelling($1, $0)) }
        let plays = dice.plays(count("listens"), of: songs.count)
        lastfm.listens = plays.reversed().map { Listen(song: songs[$0.place], uts: $0.uts) }
        musicbrainz.invent(all)
        listenbrainz = ListenBrainzState()
        submit(plays.prefix(1000).map { (all[$0.place], $0.uts) })
        spotify = SpotifyState(grants: spotify.grants, refreshTokens: spotify.refreshTokens)
        spotify.recent = plays.prefix(50).map {
            Like(uri: all[$0.place].uri, addedAt: Int64($0.uts * 1000 + all[$0.place].durationMS))
        }
        let liked = all.shuffled(using: &dice).prefix(count("likes"))
        spotify.likes = liked.enumerated().map {
            Like(uri: $1.uri, addedAt: World.lastPlay - Int64($0) * 43_200_000)
        }
        lastfm.loves = stride(from: 2, to: songs.count, by: 7).map {
            Listen(song: songs[$0], uts: Int(World.lastPlay / 1000) - $0 * 5000)
        }
        spotify.playlists = (0..<count("playlists")).map { dice.playlist($0, of: all) }
    }

    /// How Last.fm's listeners write a track: every other one without what is not the title.
    private func spelling(_ track: Track, _ index: Int) -> Song {
        var name = track.name
        for tail in [" (feat.", " - Remastered"] where index % 4 < 2 {
            name = name.firstRange(of: tail).map { String(name[..<$0.lowerBound]) } ?? name
        }
        return Song(
            artist: track.artists[0], track: name, album: track.album, durationMS: track.durationMS)
    }
}

/// SplitMix64, and what it makes up.
private struct Dice: RandomNumberGenerator {
    private let seed: UInt64
    private var state: UInt64

    init(seed: UInt64) { (self.seed, state) = (seed, seed) }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    private mutating func roll(_ range: ClosedRange<Int>) -> Int {
        Int.random(in: range, using: &self)
    }

    private mutating func word(_ kind: String) -> String {
        table("words")[kind].elements.randomElement(using: &self)?.string ?? ""
    }

    mutating func track(_ index: Int, after last: Track?) -> Track {
        let year = roll(1968...2025)
        let number = index < 144 ? "" : " \(index / 144 + 1)"
        var track = Track(
            id: identifier("track \(seed) \(index)"),
            name: word("heads") + " " + word("tails") + number,
            artists: [word("artists")], album: word("heads") + " " + word("albums"),
            isrc: "ZZA1B" + "\(year % 100 + 100)".suffix(2) + "\(100_000 + index)".suffix(5),
            durationMS: roll(95...410) * 1000 + 333, released: "\(year)-0\(index % 9 + 1)-11",
            number: index % 12 + 1)
        // Later versions of the track before: what makes matching hard.
        let base = last ?? track
        switch index % 10 {
        case 3:
            (track.name, track.artists) = ("\(base.name) - Remastered 2011", base.artists)
            track.album = "\(base.album) (Deluxe Edition)"
        case 5:
            track.artists.append(word("artists") + " Jr.")
            track.name += " (feat. \(track.artists[1]))"
        case 7:
            (track.name, track.artists, track.isrc) = (base.name, base.artists, base.isrc)
            (track.album, track.durationMS) = ("Hits \(year)", base.durationMS)
        case 9: (track.name, track.artists) = ("\(base.name) - Live at Tivoli", base.artists)
        default: break
        }
        return track
    }

    /// Plays of so many tracks, newest first; some tracks are played far more often than others.
    mutating func plays(_ count: Int, of tracks: Int) -> [(place: Int, uts: Int)] {
        // Fifteen years for a great many, some weeks or months for a few.
        let gap = min(86_400, max(450, 15 * 31_536_000 / max(1, count)))
        var time = Int(World.lastPlay / 1000)
        return (0..<count).map { _ in
            let place = min(roll(0...tracks - 1), roll(0...tracks - 1))
            defer { time -= roll(420...2 * gap) }
            return (place, time)
        }
    }

    mutating func playlist(_ index: Int, of tracks: [Track]) -> Playlist {
        var uris: [String?] = tracks.shuffled(using: &self).prefix(25).map(\.uri)
        if index == 1, uris.count > 5 {
            uris.insert(contentsOf: [uris[0], uris[0]], at: 5)
            uris.insert("spotify:local:Garage+Band:Demo+Tape:R%C3%A9hearsal+3:187", at: 2)
            uris.insert("spotify:episode:" + identifier("episode \(seed)"), at: 4)
            uris.insert(nil, at: 6)
        }
        let start = World.lastPlay - Int64(400 - index) * 86_400_000
        var list = Playlist(
            id: identifier("playlist \(seed) \(index)"), owner: index == 3 ? "friend" : World.user,
            name: table("words")["playlists"].elements[index % 5].string ?? "",
            description: index % 2 == 0 ? "Made for tests &amp; trials" : nil)
        (list.isPublic, list.isCollaborative) = (index % 5 == 3, index % 5 == 4)
        let rows = uris.enumerated().map { ($1, start + Int64($0) * 3_600_000 as Milliseconds?) }
        list.setItems(rows, by: list.owner, start)
        return list
    }
}
