/// What Last.fm keeps of the user, and its own catalogue of spellings.
struct LastfmState: Codable, Sendable {
    var songs: [Song] = []
    /// The places of the songs, by artist and title in small letters.
    var places: [String: Int] = [:]
    /// Oldest first.
    var listens: [Listen] = []
    var loves: [Listen] = []
    var tokens: [String: Token] = [:]
    var sessions: Set<String> = []
    var playing: Int?
    /// Scrobbles taken in by day, for the cap.
    var taken: [Int: Int] = [:]

    struct Token: Codable, Sendable {
        let made: Int64
        var isApproved = false
    }

    /// How often the user played each song, from a second on.
    func counts(since start: Int = 0) -> [Int] {
        var counts = [Int](repeating: 0, count: songs.count)
        for listen in listens[place(at: start)...] { counts[listen.song] += 1 }
        guard start == 0 else { return counts }
        return zip(songs, counts).map { $0.userPlays ?? $1 }
    }

    /// The place of a spelling; case makes no difference.
    func song(_ artist: String, _ track: String) -> Int? {
        places[artist.lowercased() + "\u{1}" + track.lowercased()]
    }

    /// Takes up a spelling, or finds it.
    mutating func add(_ song: Song) -> Int {
        if let known = self.song(song.artist, song.track) { return known }
        places[song.artist.lowercased() + "\u{1}" + song.track.lowercased()] = songs.count
        songs.append(song)
        return songs.count - 1
    }

    /// The place of the first listen that is not before a second.
    func place(at uts: Int) -> Int {
        listens.firstIndex { $0.uts >= uts } ?? listens.count
    }
}

/// A play, or a love with its time: small, for there may be hundreds of thousands.
struct Listen: Codable, Hashable, Sendable {
    let song: Int
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
    var redirect: Int?
    /// What Last.fm takes its recording's MBID for.
    var mbid: String?
}
