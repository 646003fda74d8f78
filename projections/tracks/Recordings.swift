import Events
import JSONText
import Ledger

extension NodeFacts {
    /// Reads MusicBrainz's recording object, as a look-up or a search gives it (`api/musicbrainz.md` §4, §6).
    init(recording: JSONValue) {
        guard let title = recording["title"], title.isText else {
            self.init()
            return
        }
        let credit = recording["artist-credit"]?.elements ?? []
        self.init(
            title: title,
            artists: Self.names(credit.compactMap { $0["name"] ?? $0["artist"]?["name"] }),
            album: recording["releases"]?.elements.first?["title"],
            durationMS: recording["length"]?.integer,
            releaseDate: recording["first-release-date"].flatMap { $0.isText("") ? nil : $0 },
            isrc: recording["isrcs"]?.elements.first, rank: 3)
    }
}

extension Groups {
    /// Takes in what MusicBrainz tells of a recording beside its names.
    ///
    /// Of several streams that whose names it has is heard; that it was merged, its own stream alone tells.
    ///
    /// - Parameter heir: The URI of the recording that it was merged into.
    func recording(_ node: Node, _ row: JSONValue, mergedInto heir: String?, _ line: EventLine)
        throws
    {
        guard isKept, heir != nil || node.source == line.streamName else { return }
        let isrcs = heir == nil ? row["isrcs"]?.elements.compactMap(\.text) ?? [] : []
        let told = heir == nil ? "isrcs, disambiguation" : "merged_into"
        let excluded =
            heir == nil ? "excluded.isrcs, excluded.disambiguation" : "excluded.merged_into"
        try sql(
            """
            INSERT INTO recordings VALUES (?, ?, ?, ?, ?)
            ON CONFLICT DO UPDATE SET (\(told), seq) = (\(excluded), excluded.seq)
            """, node.id,
            JSON.array(isrcs.map { .text($0) }).text, heir == nil ? row["disambiguation"] : nil,
            heir, line.seq
        ).run()
    }

    /// Takes in that MusicBrainz answered, with these recordings, whatever it was asked.
    func answered(_ found: [String], _ line: EventLine) throws {
        guard isKept else { return }
        try sql(
            "INSERT OR REPLACE INTO musicbrainz_asked VALUES (?, ?, ?, ?)", line.streamName,
            line.at, line.seq, JSON.array(found.map { .text($0) }).text
        ).run()
    }
}
