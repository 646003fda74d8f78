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
            let counts: [Int] = try [
                "playlists WHERE is_deleted = 0", "tracks WHERE is_deleted = 0",
                "listens WHERE reason IS NULL", "listens WHERE reason IS NOT NULL",
                "likes WHERE is_deleted = 0",
            ].map { try db.value("SELECT count(*) FROM " + $0) ?? 0 }
            return (counts, try db.seq, try db.values(FoundPlaylist.diverged) as [String])
        }
        let cursor = try LedgerCursor(
            session.ledger, after: reached, chained: false,
            witnesses: session.projector.witnesses())
        try cursor.drain()
        let end = cursor.checkpoint
        let behind = end.seq - reached
        let at = end.seq == 0 ? nil : ISOTime.text(cursor.time)
        guard !globals.json else {
            return Output.json([
                "seq": .integer(end.seq), "at": JSON(at), "chain": .text(end.chain.description),
                "behind": .integer(behind), "playlists": JSON(counts[0]),
                "tracks": JSON(counts[1]), "listens": JSON(counts[2]),
                "diverged": .texts(diverged),
                "not_counted": JSON(counts[3]), "likes": JSON(counts[4]),
                "home": .text(session.home.path),
            ])
        }
        Output.table(
            ["", ""],
            [
                ["home", session.home.path],
                ["ledger", "\(end.seq) events, the last at \(at ?? "–")"],
                ["read models", behind == 0 ? "up to date" : "\(behind) events behind"],
                ["playlists", String(counts[0])], ["tracks", String(counts[1])],
                ["listens", "\(counts[2]), and \(counts[3]) rows that do not count"],
                ["likes", String(counts[4])],
            ] + diverged.map { ["diverged", $0] })
    }
}
