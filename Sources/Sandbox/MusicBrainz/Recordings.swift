import Ledger

/// What MusicBrainz knows of the invented tracks, in its own way.
struct MusicBrainzState: Codable, Sendable {
    private(set) var recordings: [Recording] = []
    /// The places of recordings by MBID, also by those that were merged into them.
    private(set) var places: [String: Int] = [:]
    /// The MBID of each track's recording, by Spotify's id; some have none.
    private(set) var ofTrack: [String: String] = [:]

    /// Puts a recording in the place of the one with its MBID, or behind all others.
    mutating func put(_ recording: Recording) {
        let place = places[recording.mbid] ?? recordings.count
        recordings.replaceSubrange(place..<min(place + 1, recordings.count), with: [recording])
        for mbid in [recording.mbid] + recording.formerMBIDs { places[mbid] = place }
    }

    /// Knows most of these tracks, and makes of them what makes matching hard.
    mutating func invent(_ tracks: [Track]) {
        self = MusicBrainzState()
        for (index, track) in tracks.enumerated() where index % 11 != 4 {
            // What is on a compilation too is one recording.
            if index > 0, tracks[index - 1].isrc == track.isrc,
                let same = ofTrack[tracks[index - 1].id], let place = places[same]
            {
                recordings[place].releases.append(track)
                ofTrack[track.id] = same
                continue
            }
            var recording = Recording(track)
            let seconds = track.durationMS / 1000 + index % 5 - 2
            recording.lengthMS = index % 6 == 1 ? nil : seconds * 1000
            if index % 9 == 2 { recording.isrcs = [] }
            if index % 8 == 5 { recording.formerMBIDs = [uuid("merged " + track.id)] }
            recording.isIndexed = index % 17 != 3
            put(recording)
            ofTrack[track.id] = recording.mbid
            guard index % 13 == 6 else { continue }
            // Somebody gave its ISRC to another recording as well.
            recording.mbid = uuid("shared " + track.id)
            (recording.formerMBIDs, recording.artists) = ([], ["The Backing Band"])
            recording.disambiguation = "karaoke version"
            put(recording)
        }
    }
}

/// A recording with the releases it is on.
struct Recording: Codable, Sendable {
    var mbid: String
    var title: String
    /// The names as printed, and what stands between them.
    var artists: [String]
    var join = " & "
    var lengthMS: Int?
    var isrcs: [String]
    var disambiguation = ""
    var releases: [Track]
    /// MBIDs of recordings that were merged into it.
    var formerMBIDs: [String] = []
    /// Whether the search knows it already.
    var isIndexed = true

    /// A track as MusicBrainz writes it: what is not the title stands in the credit or as disambiguation.
    init(_ track: Track) {
        mbid = uuid("recording " + track.id)
        let name = track.name.firstRange(of: " (feat.").map { track.name[..<$0.lowerBound] }
        let parts = (name ?? track.name[...]).split(separator: " - ", maxSplits: 1)
        title = parts.first.map(String.init) ?? ""
        if parts.count > 1 { disambiguation = parts[1].lowercased() }
        if name != nil { join = " feat. " }
        (artists, lengthMS, releases) = (track.artists, track.durationMS, [track])
        isrcs = track.isrc.map { [$0] } ?? []
    }
}

/// A UUID that stands for a text, always the same one.
func uuid(_ text: String) -> String {
    let digits = Array(SHA256.digest(Array(text.utf8)).description)
    let parts = [0..<8, 8..<12, 13..<16, 17..<20, 20..<32].map { String(digits[$0]) }
    return "\(parts[0])-\(parts[1])-4\(parts[2])-a\(parts[3])-\(parts[4])"
}
