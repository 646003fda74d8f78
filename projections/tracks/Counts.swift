import Events
import JSONText
import Ledger

extension Groups {
    /// Takes in what Last.fm counted for one of its entities.
    ///
    /// - Parameter plays: Everybody's plays; nil keeps what an earlier answer said.
    func count(
        _ node: Node, user: String?, plays: Int64?, userPlays: Int64?, id: Int64, at: Milliseconds
    ) throws {
        guard isKept else { return }
        counted.insert(node.id)
        try sql(
            """
            INSERT INTO lastfm_counts VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            ON CONFLICT(node_id, user_id) DO UPDATE SET play_count = ifnull(?4, play_count),
                user_play_count = ?5, last_updated = ?6
            """, id, node.id, user, plays, userPlays ?? 0, at
        ).run()
    }

    /// Notes when Last.fm was asked about a track, whatever the answer was.
    ///
    /// - Parameter node: The entity that answered.
    func asked(_ line: EventLine, user: String?, node: Node?) throws {
        guard isKept else { return }
        try sql(
            "INSERT OR REPLACE INTO lastfm_asked VALUES (?, ?, ?, ?)", line.streamName, user,
            line.at, node?.id
        ).run()
    }

    /// Sums the counts of the entities of some tracks, for each track and user.
    func sumCounts(_ tracks: [Int64]) throws {
        // All go before the first comes: an id may go from one track to another.
        for track in tracks {
            try sql("DELETE FROM play_counts WHERE track_id = ?", track).run()
        }
        for track in tracks {
            try sql(
                """
                INSERT INTO play_counts SELECT min(id), ?1, user_id, sum(play_count),
                    sum(user_play_count), max(last_updated), 0, NULL
                FROM lastfm_counts WHERE node_id IN (SELECT id FROM nodes WHERE id = ?1 AND track_id = ?1
                    UNION ALL SELECT id FROM nodes WHERE track_id = ?1 AND track_id <> id)
                GROUP BY user_id
                """, track
            ).run()
        }
    }
}
