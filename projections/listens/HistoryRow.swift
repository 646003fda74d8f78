public import JSONText
import Ledger
public import Music

/// Converter of a row of Spotify's extended streaming history (`api/spotify-export.md` §2).
public struct HistoryRow {
    public private(set) var play = Play()
    public private(set) var uri: JSONValue?
    public private(set) var title: JSONValue?
    public private(set) var artist: JSONValue?
    public private(set) var album: JSONValue?

    /// Reads what a play needs; keys that lack, or hold something else than they should, are as absent.
    public init(_ payload: JSONValue) {
        payload.members { key, value in
            guard !value.isNull else { return true }
            take(key, value)
            return true
        }
        play.hasURI = uri != nil
        play.hasTitle = title != nil
    }

    private mutating func take(_ key: Bytes, _ value: JSONValue) {
        switch key.count {
        case 2 where key.equals("ts"):
            if value.isText { play.endedAtMS = ISOTime.parse(value.quoted) }
        case 7 where key.equals("skipped"): play.isSkipped = value.bool == true
        case 9 where key.equals("ms_played"): play.playedMS = value.integer ?? 0
        case 10 where key.equals("reason_end"):
            play.isDone = value.isText("trackdone")
            play.isLeft = !play.isDone && Play.skipReasons.contains { value.isText($0) }
        case 13 where key.equals("audiobook_uri"): play.isAudiobook = true
        case 14 where key.equals("incognito_mode"): play.isIncognito = value.bool == true
        case 17 where key.equals("spotify_track_uri"): if value.isText { uri = value }
        case 17 where key.equals("offline_timestamp"): play.offlineTimestamp = value.integer
        case 19 where key.equals("spotify_episode_uri"): play.isEpisode = true
        case 21 where key.equals("audiobook_chapter_uri"): play.isAudiobook = true
        case 26 where key.equals("master_metadata_track_name"): if value.isText { title = value }
        case 32 where key.equals("master_metadata_album_album_name"): album = value
        case 33 where key.equals("master_metadata_album_artist_name"): artist = value
        default: break
        }
    }

    /// How good a source it is for names.
    var rank: Int64 { title == nil ? 0 : 2 }

    var facts: NodeFacts {
        rank == 0
            ? NodeFacts()
            : NodeFacts(
                title: title, artists: artist.flatMap { NodeFacts.names([$0]) }, album: album,
                rank: rank)
    }
}
