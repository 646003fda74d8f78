import JSONText

extension NodeFacts {
    /// Reads Spotify's track object, of any of its shapes.
    init(spotifyTrack track: JSONValue) {
        guard let name = track["name"], name.isText else { return }
        rank = 3
        title = name
        artists = Self.names(track["artists"]?.elements.compactMap { $0["name"] } ?? [])
        album = track["album"]?["name"]
        durationMS = track["duration_ms"]?.integer
        releaseDate = track["album"]?["release_date"]
        isrc = track["external_ids"]?["isrc"]
    }

    /// The JSON array of some names, each written the one way; nil if there are none.
    static func names(_ texts: [JSONValue]) -> [UInt8]? {
        guard !texts.isEmpty else { return nil }
        var output: [UInt8] = [UInt8(ascii: "[")]
        for (index, text) in texts.enumerated() {
            if index > 0 { output.append(UInt8(ascii: ",")) }
            if text.bytes.contains(UInt8(ascii: "\\")) {
                appendQuoted(text.text ?? "", to: &output)
            } else {
                output.append(contentsOf: text.bytes)
            }
        }
        output.append(UInt8(ascii: "]"))
        return output
    }
}
