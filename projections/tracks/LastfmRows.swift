package import JSONText
package import Ledger
package import Music

/// A row of a list that Last.fm returned, or its answer to a question about a track (`api/lastfm.md` §4).
package struct LastfmRow {
    let value: JSONValue

    /// Takes a row, or the `track` of an answer.
    package init(_ value: JSONValue) { self.value = value }

    /// The rows of a page: an array, one object for one row, or nothing that can be read as rows.
    package static func rows(of list: JSONValue?) -> [LastfmRow] {
        guard let track = list?["track"] else { return [] }
        return (track.isObject ? [track] : track.elements).map { LastfmRow($0) }
    }

    /// The entity that it names; nil without a title or an artist.
    package var uri: String? {
        let artist = value["artist"]?["#text"]?.text ?? value["artist"]?["name"]?.text ?? ""
        guard let title = value["name"]?.text, !title.isEmpty, !artist.isEmpty else { return nil }
        return TextURI(lastfm: artist, title: title).uri
    }

    /// As a row of a list; its time is that of a love.
    package var item: PlaylistItem { PlaylistItem(uri: uri, addedAtMS: timeMS) }

    /// The time under `date`, which a track that plays now has not.
    package var timeMS: Milliseconds? {
        value["date"]?["uts"]?.number.flatMap { (0..<1 << 40).contains($0) ? $0 * 1000 : nil }
    }

    package var isPlaying: Bool { value["@attr"]?["nowplaying"]?.isText("true") ?? false }
}

extension JSONValue {
    /// A whole number, also one in quotes: Last.fm writes both.
    package var number: Int64? { integer ?? text.flatMap { Int64($0) } }
}
