/// What Last.fm keeps of the user, and its own catalogue of spellings.
struct LastfmState: Codable, Sendable {
    var songs = Songs()
    /// Oldest first.
    var listens: [Listen] = []
    var loves: [Love] = []
    var tokens: [String: Token] = [:]
    var sessions: Set<String> = []
    var playing: Int32?
    /// Scrobbles taken in by day, for the cap.
    var taken: [Int64: Int] = [:]

    struct Token: Codable, Sendable {
        let made: Int64
        var isApproved: Bool
    }
}

/// A play: small, for there may be hundreds of thousands.
struct Listen: Codable, Sendable {
    let song: Int32
    let uts: Int
}

struct Love: Codable, Sendable {
    let song: Int32
    var uts: Int
}

/// An artist and a title in one spelling, with what Last.fm counts for it.
struct Song: Codable, Sendable {
    var artist: String
    var track: String
    var album: String?
    var durationMS: Int?
    var userPlays: Int?
    var plays: Int?
    var listeners: Int?
    /// The spelling that this one is corrected to.
    var redirect: Int32?
}

/// All spellings.
struct Songs: Codable, Sendable {
    private(set) var all: [Song] = []
    private var places: [String: Int32] = [:]

    var count: Int { all.count }

    subscript(place: Int32) -> Song {
        get { all[Int(place)] }
        set { all[Int(place)] = newValue }
    }

    /// The number of a spelling; case makes no difference.
    func place(_ artist: String, _ track: String) -> Int32? { places[key(artist, track)] }

    /// Takes up a spelling, or finds it.
    mutating func add(_ song: Song) -> Int32 {
        if let known = place(song.artist, song.track) { return known }
        let place = Int32(all.count)
        all.append(song)
        places[key(song.artist, song.track)] = place
        return place
    }

    private func key(_ artist: String, _ track: String) -> String {
        artist.lowercased() + "\u{1}" + track.lowercased()
    }
}
