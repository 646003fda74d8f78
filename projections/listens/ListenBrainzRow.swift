package import JSONText
package import Ledger
import Music

/// A listen as ListenBrainz returns it (`api/listenbrainz.md` §4).
package struct ListenBrainzRow {
    package let timeMS: Milliseconds
    /// When and what, also where two of one second differ.
    package let key: String
    let title: JSONValue?
    let item: ListedItem

    /// The entity that it names: what the program that sent it says, else its names.
    ///
    /// What ListenBrainz itself takes it for is a guess, and not used here.
    package var uri: String? { item.item.uri }

    /// Takes a row of a page; nil for one without a time.
    init?(_ row: JSONValue) {
        guard let time = row["listened_at"]?.number, (0..<1 << 40).contains(time) else {
            return nil
        }
        let metadata = row["track_metadata"]
        let info = metadata?["additional_info"]
        (timeMS, title) = (time * 1000, metadata?["track_name"])
        key = "\(time) \(row["recording_msid"]?.text ?? "")"
        let names = [metadata?["artist_name"], title].compactMap(\.self)
        var (uri, facts): (String?, NodeFacts) = (nil, NodeFacts())
        if let page = info?["spotify_id"]?.text?.split(separator: "/"), page.last?.utf8.count == 22
        {
            uri = page.dropLast().last == "track" ? "spotify:track:\(page.last ?? "")" : nil
        } else if let mbid = info?["recording_mbid"]?.text, mbid.utf8.count == 36 {
            uri = "mb:recording:" + mbid.lowercased()
        }
        uri = uri.flatMap { StreamName($0)?.description }
        let texts = names.compactMap(\.text).filter { !$0.isEmpty }
        if uri == nil, texts.count == 2 {
            uri = TextURI(artist: texts[0], title: texts[1]).uri
        } else if names.count == 2, title?.isText == true {
            facts = NodeFacts(
                title: title, artists: NodeFacts.names([names[0]]),
                album: metadata?["release_name"], durationMS: info?["duration_ms"]?.integer, rank: 1
            )
        }
        item = ListedItem(item: PlaylistItem(uri: uri), facts: facts)
    }

    /// The rows of a response.
    package static func rows(of response: JSONValue?) -> [ListenBrainzRow] {
        (response?["payload"]?["listens"]?.elements ?? []).compactMap { ListenBrainzRow($0) }
    }
}
