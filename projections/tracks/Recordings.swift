import Events
import JSONText
import Ledger

extension NodeFacts {
    /// Reads MusicBrainz's recording object, as a look-up or a search gives it (`api/musicbrainz.md` §4, §6).
    init(recording: JSONValue) {
        rank = 3
        title = recording["title"]
        let credit = recording["artist-credit"]?.elements ?? []
        artists = Self.names(credit.compactMap { $0["name"] ?? $0["artist"]?["name"] })
        album = recording["releases"]?.elements.first?["title"]
        durationMS = recording["length"]?.integer
        releaseDate = recording["first-release-date"].flatMap { $0.isText("") ? nil : $0 }
        isrc = recording["isrcs"]?.elements.first
    }
}

extension Groups {
    /// Takes in what MusicBrainz answered, whatever it was asked.
    ///
    /// - Parameters:
    ///   - recordings: Those that it named, each with its node.
    ///   - merged: The node of the recording that was asked for, where the answer is of another one.
    func answered(_ recordings: [(node: Node, row: JSONValue)], merged: Node?, _ line: EventLine)
        throws
    {
        guard isKept else { return }
        var uris: [JSON] = []
        for (node, row) in recordings {
            let mbid = row["id"]?.text?.lowercased() ?? ""
            uris.append(.text("mb:recording:" + mbid))
            let isrcs = row["isrcs"]?.elements.compactMap(\.text) ?? []
            try sql(
                "INSERT OR REPLACE INTO recordings VALUES (?, ?, ?, ?, NULL, ?)", node.id,
                JSON.array(isrcs.map { .text($0) }).text, row["disambiguation"],
                row["video"]?.bool == true ? 1 as Int64 : 0, line.seq
            ).run()
        }
        if let merged {
            try sql(
                "INSERT OR REPLACE INTO recordings VALUES (?, '[]', NULL, 0, ?, ?)", merged.id,
                uris.first?.string, line.seq
            ).run()
        }
        try sql(
            "INSERT OR REPLACE INTO musicbrainz_asked VALUES (?, ?, ?, ?)", line.streamName,
            line.at,
            line.seq, JSON.array(uris).text
        ).run()
    }
}
