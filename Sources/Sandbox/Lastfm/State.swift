/// What Last.fm keeps of the user, and its own catalogue of spellings.
struct LastfmState: Codable, Sendable {
    var songs = Songs()
    /// Oldest first.
    var listens: [Listen] = []
    var loves: [Listen] = []
    var tokens: [String: Token] = [:]
    var sessions: Set<String> = []
    var playing: Int32?
    /// Scrobbles taken in by day, for the cap.
    var taken: [Int: Int] = [:]

    struct Token: Codable, Sendable {
        let made: Int64
        var isApproved = false
    }

    /// How often the user played each song, from a second on.
    func counts(since start: Int = 0) -> [Int] {
        var counts = [Int](repeating: 0, count: songs.all.count)
        for listen in listens[place(at: start)...] { counts[Int(listen.song)] += 1 }
        guard start == 0 else { return counts }
        return zip(songs.all, counts).map { $0.userPlays ?? $1 }
    }

    /// The place of the first listen that is not before a second.
    func place(at uts: Int) -> Int {
        listens.firstIndex { $0.uts >= uts } ?? listens.count
    }
}

/// A play, or a love with its time: small, for there may be hundreds of thousands.
struct Listen: Codable, Hashable, Sendable {
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

    subscript(place: Int32) -> Song {
        get { all[Int(place)] }
        set { all[Int(place)] = newValue }
    }

    /// The number of a spelling; case makes no difference.
    func place(_ artist: String, _ track: String) -> Int32? { places[key(artist, track)] }

    /// Takes up a spelling, or finds it.
    mutating func add(_ song: Song) -> Int32 {
        if let known = place(song.artist, song.track) { return known }
        all.append(song)
        places[key(song.artist, song.track)] = Int32(all.count - 1)
        return Int32(all.count - 1)
    }

    private func key(_ artist: String, _ track: String) -> String {
        artist.lowercased() + "\u{1}" + track.lowercased()
    }
}
