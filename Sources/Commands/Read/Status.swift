import ArgumentParser
import GRDB
import JSONText
import Ledger
import Projector

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status", abstract: "What is here and how fresh it is.")
    @OptionGroup var globals: GlobalOptions

    func run() throws {
        let session = try Session(reading: globals)
        let (counts, reached, diverged) = try session.read { db in
            let counts = try [
                "SELECT count(*) FROM playlists WHERE is_deleted = 0",
                "SELECT count(*) FROM tracks WHERE is_deleted = 0",
                "SELECT count(*) FROM listens WHERE reason IS NULL",
                "SELECT count(*) FROM listens WHERE reason IS NOT NULL",
                "SELECT count(*) FROM likes WHERE is_deleted = 0",
            ].map { try Int.fetchOne(db, sql: $0) ?? 0 }
            let reached = try Row.fetchOne(db, sql: "SELECT seq, chain FROM checkpoint")
            let diverged = try String.fetchAll(
                db,
                sql: """
                    SELECT p.uri FROM playlists p WHERE p.is_deleted = 0 AND p.synced_seq > 0
                    AND p.edited_seq > p.synced_seq AND p.id IN (SELECT playlist_id FROM playlist_mappings)
                    ORDER BY p.id
                    """)
            return (
                counts, (seq: reached?[0] as Seq? ?? 0, chain: reached?[1] as String? ?? ""),
                diverged
            )
        }
        let cursor = try LedgerCursor(
            session.ledger, after: reached.seq, chained: false,
            witnesses: session.projector.witnesses())
        try cursor.drain()
        let end = cursor.checkpoint
        let at = end.seq == 0 ? nil : ISOTime.text(cursor.time)
        guard !globals.json else {
            return Output.json([
                "seq": .integer(end.seq), "at": JSON(at), "chain": .text(end.chain.description),
                "behind": .integer(end.seq - reached.seq), "playlists": JSON(counts[0]),
                "tracks": JSON(counts[1]),
                "listens": JSON(counts[2]), "diverged": .array(diverged.map { .text($0) }),
                "not_counted": JSON(counts[3]), "likes": JSON(counts[4]),
                "home": .text(session.home.path),
            ])
        }
        Output.table(
            ["", ""],
            [
                ["home", session.home.path],
                ["ledger", "\(end.seq) events, the last at \(at ?? "–")"],
                [
                    "read models",
                    end.seq == reached.seq
                        ? "up to date" : "\(end.seq - reached.seq) events behind",
                ],
                ["playlists", String(counts[0])], ["tracks", String(counts[1])],
                ["listens", "\(counts[2]), and \(counts[3]) rows that do not count"],
                ["likes", String(counts[4])],
            ] + diverged.map { ["diverged", $0] })
    }
}
