package import JSONText
package import Ledger
package import Music

/// A row of a list that Last.fm returned, or its answer to a question about a track (`api/lastfm.md` §4).
package struct LastfmRow {
    private(set) var title: JSONValue?
    private var artist: JSONValue?
    private var time: JSONValue?
    private(set) var plays: Int64?
    private(set) var userPlays: Int64?
    private(set) var isPlaying = false

    /// Takes a row, or the `track` of an answer.
    package init(_ value: JSONValue) {
        value.members { key, value in
            switch key.count {
            case 4 where key.equals("name"): title = value.isText ? value : nil
            case 4 where key.equals("date"): time = value["uts"]
            case 5 where key.equals("@attr"):
                isPlaying = value["nowplaying"]?.isText("true") ?? false
            case 6 where key.equals("artist"): artist = value["#text"] ?? value["name"]
            case 9 where key.equals("playcount"): plays = value.number
            case 13 where key.equals("userplaycount"): userPlays = value.number
            default: break
            }
            return true
        }
    }

    /// The rows of a page: an array, one object for one row, or nothing that can be read as rows.
    package static func rows(of list: JSONValue?) -> [LastfmRow] {
        guard let track = list?.opened("track") else { return [] }
        return (track.isObject ? [track] : track.elements).map { LastfmRow($0) }
    }

    /// The entity that it names; nil without a title or an artist.
    package var uri: String? {
        guard let title = title?.text, let artist = artist?.text, !title.isEmpty, !artist.isEmpty
        else { return nil }
        return TextURI(lastfm: artist, title: title).uri
    }

    /// The names as they are written, which lead to one entity.
    var names: [UInt8] { [artist, title].flatMap { $0.map { Array($0.bytes) } ?? [] } }

    /// As a row of a list; its time is that of a love.
    package var item: PlaylistItem { PlaylistItem(uri: uri, addedAtMS: timeMS) }

    /// The time under `date`, which a track that plays now has not.
    package var timeMS: Milliseconds? {
        time?.number.flatMap { (0..<1 << 40).contains($0) ? $0 * 1000 : nil }
    }
}

extension JSONValue {
    /// A whole number, also one in quotes: Last.fm writes both.
    package var number: Int64? { integer ?? text.flatMap { Int64($0) } }
}
