package import JSONText
package import Ledger
import Music

/// A listen as ListenBrainz returns it (`api/listenbrainz.md` §4).
package struct ListenBrainzRow {
    package let timeMS: Milliseconds?
    /// What it is called, also where two of one second differ.
    package let key: String
    /// The entity that it names: what the program that sent it says, else its names.
    ///
    /// What ListenBrainz itself takes it for is a guess, and not used here.
    package let uri: String?
    let title: JSONValue?
    let item: ListedItem

    /// Takes a row of a page.
    package init(_ row: JSONValue) {
        let metadata = row["track_metadata"]
        let info = metadata?["additional_info"]
        timeMS = row["listened_at"]?.number.flatMap { (0..<1 << 40).contains($0) ? $0 * 1000 : nil }
        key = "\(timeMS ?? 0) \(row["recording_msid"]?.text ?? "")"
        title = metadata?["track_name"]
        let artist = metadata?["artist_name"]
        let track = info?["spotify_id"]?.text.flatMap {
            Self.id($0, behind: "open.spotify.com/track/", 22)
        }
        let mbid = info?["recording_mbid"]?.text.flatMap { Self.id($0, behind: "", 36) }
        if let track {
            uri = "spotify:track:" + track
        } else if let mbid {
            uri = "mb:recording:" + mbid.lowercased()
        } else if let artist = artist?.text, let title = title?.text, !artist.isEmpty,
            !title.isEmpty
        {
            uri = TextURI(artist: artist, title: title).uri
        } else {
            uri = nil
        }
        var facts = NodeFacts()
        if track ?? mbid != nil, let artist, let title {
            facts = NodeFacts(
                title: title, artists: NodeFacts.names([artist]), album: metadata?["release_name"],
                durationMS: info?["duration_ms"]?.integer, rank: 1)
        }
        item = ListedItem(item: PlaylistItem(uri: uri), facts: facts)
    }

    /// The rows of a response.
    package static func rows(of response: JSONValue?) -> [ListenBrainzRow] {
        (response?["payload"]?["listens"]?.elements ?? []).map { ListenBrainzRow($0) }
    }

    /// An identifier of so many letters, digits and hyphens behind a text, or at the beginning.
    private static func id(_ text: String, behind mark: String, _ count: Int) -> String? {
        let start = mark.isEmpty ? text.startIndex : text.firstRange(of: mark)?.upperBound
        let id = start.map {
            text[$0...].prefix { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-") }
        }
        return id?.utf8.count == count ? id.map(String.init) : nil
    }
}
