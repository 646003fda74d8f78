import JSONText
import Ledger

/// A track as both services know it.
struct Track: Codable, Sendable {
    var id: String
    var name: String
    var artists: [String]
    var album: String
    var isrc: String?
    var durationMS: Int
    var released: String
    var number = 1

    var uri: String { "spotify:track:\(id)" }
}

/// The tracks that exist.
struct Catalogue: Codable, Sendable {
    private(set) var tracks: [Track] = []
    private var places: [String: Int] = [:]

    /// A track by its id; setting one adds or replaces it.
    subscript(id: String) -> Track? {
        get { places[id].map { tracks[$0] } }
        set {
            guard let newValue else { return }
            if let place = places[id] {
                tracks[place] = newValue
            } else {
                places[id] = tracks.count
                tracks.append(newValue)
            }
        }
    }

    /// Makes up a track for a URI that nobody has heard of, always the same one.
    mutating func ensure(_ uri: String?) {
        guard let uri, uri.hasPrefix("spotify:track:") else { return }
        let id = String(uri.dropFirst(14))
        guard self[id] == nil else { return }
        self[id] = Track(
            id: id, name: "Track \(id.prefix(6))", artists: ["Artist \(id.suffix(3))"],
            album: "Album \(id.suffix(2))", durationMS: 200_000, released: "2020-01-01")
    }
}

/// SplitMix64.
struct Dice: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func pick<T>(_ values: [T]) -> T {
        values[Int.random(in: values.indices, using: &self)]
    }
}

/// Base-62 letters that stand for a text, always the same ones.
func identifier(of text: String, length: Int = 22) -> String {
    let alphabet = Array("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
    var digest = SHA256.digest(Array(text.utf8))
    return withUnsafeBytes(of: &digest.words) { bytes in
        String(decoding: bytes.prefix(length).map { alphabet[Int($0) % 62] }, as: UTF8.self)
    }
}

extension World {
    /// The last play of every invented world. Fixed, so that one seed gives one world for good.
    static let lastPlay = ISOTime.parse("2026-11-20T21:30:00Z") ?? 0

    /// Replaces everything by an invented world of this size.
    mutating func invent(_ size: WorldSize) {
        (catalogue, lastfm.listens, lastfm.songs, lastfm.loves) = (Catalogue(), [], Songs(), [])
        spotify = SpotifyState(grants: spotify.grants, refreshTokens: spotify.refreshTokens)
        var dice = Dice(state: size.seed)
        for index in 0..<max(1, size.tracks) { inventTrack(index, size.seed, &dice) }
        let songs = catalogue.tracks.enumerated().map { lastfm.songs.add(spelling($1, $0)) }
        inventListens(size.listens, songs, &dice)
        for (index, track) in catalogue.tracks.shuffled(using: &dice).prefix(size.likes)
            .enumerated()
        {
            let added = World.lastPlay - Int64(index) * 43_200_000
            spotify.likes.append(Like(uri: track.uri, addedAt: added / 1000 * 1000))
        }
        for index in stride(from: 2, to: songs.count, by: 7) {
            lastfm.loves.append(
                Love(song: songs[index], uts: Int(World.lastPlay / 1000) - index * 5000))
        }
        for index in 0..<size.playlists { inventPlaylist(index, size.seed, &dice) }
    }

    private mutating func inventTrack(_ index: Int, _ seed: UInt64, _ dice: inout Dice) {
        let artists = [
            "Ólöf Ränta", "The Paper Kites of Łódź", "椎名ほたる", "Señor Ñandú", "Mørk & Søn",
            "DJ Žižkov",
            "Кино Ночь", "Zoë Quayle", "AC//Tram", "!Ay!", "Beyoncá", "Sigur Ræs",
        ]
        let heads = [
            "Blue", "Naïve", "Midnight", "夜の", "Ночной", "Última", "Glass", "Über",
            "Don't Stop the",
            "Half-Lit", "Été", "O.K.",
        ]
        let tails = [
            "Harbour", "Señorita", "Kreuzung", "電車", "Поезд", "Café", "Machine", "(Part II)",
            "Façade",
            "Ægir", "Sky & Sea", "Rain",
        ]
        let number = index / (heads.count * tails.count)
        var track = Track(
            id: identifier(of: "track \(seed) \(index)"),
            name: "\(dice.pick(heads)) \(dice.pick(tails))" + (number > 0 ? " \(number + 1)" : ""),
            artists: [dice.pick(artists)], album: "",
            durationMS: Int.random(in: 95...410, using: &dice) * 1000 + 333,
            released: "\(Int.random(in: 1968...2025, using: &dice))-0\(index % 9 + 1)-11",
            number: index % 12 + 1)
        track.isrc =
            "ZZ\(dice.pick(["A1B", "XYZ", "0AA"]))\(track.released.dropFirst(2).prefix(2))\(String(100_000 + index).suffix(5))"
        track.album = "\(dice.pick(heads)) \(dice.pick(["Days", "Archive", "Собрание", "Été"]))"
        // Later versions of the track before: what makes matching hard.
        if index > 0, let base = catalogue.tracks.last {
            switch index % 10 {
            case 3:
                (track.name, track.artists) = ("\(base.name) - Remastered 2011", base.artists)
                track.album = "\(base.album) (Deluxe Edition)"
            case 5:
                let guest = dice.pick(artists)
                track.name += " (feat. \(guest))"
                if guest != track.artists[0] { track.artists.append(guest) }
            case 7:
                (track.name, track.artists, track.isrc) = (base.name, base.artists, base.isrc)
                (track.album, track.durationMS) = (
                    "Hits \(track.released.prefix(4))", base.durationMS
                )
            case 9: (track.name, track.artists) = ("\(base.name) - Live at Tivoli", base.artists)
            default: break
            }
        }
        catalogue[track.id] = track
    }

    /// How Last.fm's listeners write a track: every other one without what is not the title.
    private func spelling(_ track: Track, _ index: Int) -> Song {
        var name = track.name[...]
        if index % 4 < 2 {
            for tail in [" (feat.", " - Remastered"] {
                name = name.firstRange(of: tail).map { name[..<$0.lowerBound] } ?? name
            }
        }
        return Song(
            artist: track.artists[0], track: String(name), album: track.album,
            durationMS: track.durationMS)
    }

    private mutating func inventListens(_ count: Int, _ songs: [Int32], _ dice: inout Dice) {
        // Fifteen years for a great many, some weeks or months for a few.
        let gap = min(86_400, max(400, 15 * 31_536_000 / max(1, count)))
        var time = Int(World.lastPlay / 1000)
        lastfm.listens.reserveCapacity(count)
        for index in 0..<count {
            // Some tracks are played far more often than others.
            let place = min(
                Int.random(in: songs.indices, using: &dice),
                Int.random(in: songs.indices, using: &dice))
            lastfm.listens.append(Listen(song: songs[place], uts: time))
            if index < 50 {
                let track = catalogue.tracks[place]
                let ended = Int64(time * 1000 + track.durationMS)
                spotify.recent.append(Like(uri: track.uri, addedAt: ended))
            }
            time -= Int.random(in: 420...(2 * gap), using: &dice)
        }
        lastfm.listens.reverse()
    }

    private mutating func inventPlaylist(_ index: Int, _ seed: UInt64, _ dice: inout Dice) {
        let names = [
            "Morning – 朝", "Road trip 🚗", "Évening & <calm>", "Somebody else's", "Together",
        ]
        let picked = catalogue.tracks.shuffled(using: &dice).prefix(index < 5 ? 25 : 60)
        var uris: [String?] = picked.map { $0.uri }
        if index == 1 {
            uris.insert(contentsOf: [uris[0], uris[0]], at: min(5, uris.count))
            uris.insert("spotify:local:Garage+Band:Demo+Tape:R%C3%A9hearsal+3:187", at: 2)
            uris.insert("spotify:episode:" + identifier(of: "episode \(seed)"), at: 4)
            uris.insert(nil, at: 6)
        }
        let start = World.lastPlay / 1000 * 1000 - Int64(400 - index) * 86_400_000
        var list = Playlist(
            id: identifier(of: "playlist \(seed) \(index)"),
            owner: index == 3 ? "friend" : World.user,
            name: names[index % 5],
            description: index % 2 == 0 ? "Made for tests &amp; trials" : nil)
        (list.isPublic, list.isCollaborative) = (index % 5 == 3, index % 5 == 4)
        list.setItems(
            uris.enumerated().map { ($1, start + Int64($0) * 3_600_000) }, by: list.owner)
        spotify.playlists.append(list)
    }
}
