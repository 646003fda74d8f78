import ArgumentParser
import Events
import GRDB
import JSONText
import Ledger
import Music
import Projections
import Projector

struct ExplainCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "explain",
        abstract: "From a number or a position back to the events it came from.",
        discussion: """
            REF is an event's seq, a track (its plays), or PLAYLIST#POSITION (that row).
            Examples:
              narada explain 4711
              narada explain spotify:track:2B8geqnq9YIym0ixYn83Pd
              narada explain Morning#3
            """)
    @OptionGroup var globals: GlobalOptions
    @Argument(help: "A seq, a track, or PLAYLIST#POSITION.") var reference: String

    func run() throws {
        let session = try Session(reading: globals)
        if let seq = Seq(reference.hasPrefix("seq:") ? reference.dropFirst(4) : reference[...]) {
            return try event(seq, session)
        }
        if let mark = reference.lastIndex(of: "#"),
            let position = Int(reference[reference.index(after: mark)...])
        {
            return try row(String(reference[..<mark]), position, session)
        }
        try count(session)
    }

    // MARK: An event

    private func event(_ seq: Seq, _ session: Session) throws {
        guard seq > 0,
            let batch = try LedgerCursor(
                session.ledger, after: seq - 1, through: seq, chained: false
            ).next(), let line = EventLine(batch[0])
        else {
            throw NaradaError.notFound(
                "there is no event \(seq)", hint: "`narada log head` tells the last one.")
        }
        let range = seq << 16...((seq + 1) << 16 - 1)
        let made = try session.read { db in
            try ReadModel.allCases.flatMap(\.tables).compactMap { table -> (String, [Row])? in
                let columns = try db.columns(in: table).map(\.name)
                guard columns.contains("id") else { return nil }
                let rows = try Row.fetchAll(
                    db, sql: "SELECT * FROM \(table) WHERE id BETWEEN ? AND ? ORDER BY id",
                    arguments: [range.lowerBound, range.upperBound])
                return rows.isEmpty ? nil : (table, rows)
            }
        }
        let isDuplicate =
            made.first { $0.0 == "listens" }?.1.first?["reason"]
            == Play.Reason.nearDuplicate.rawValue
        let verdict = verdict(line, isDuplicate: isDuplicate)
        guard !globals.json else {
            return Output.json([
                "event": .raw(Array(line.line.dropLast())), "verdict": JSON(verdict),
                "rows": .object(made.map { ($0.0, .array($0.1.map(Self.json))) }),
            ])
        }
        Output.line("event \(seq), \(line.typeName) version \(line.version), on \(line.streamName)")
        Output.line("recorded \(ISOTime.text(line.at)) by run \(line.runName)")
        if let verdict { Output.line(Output.safe(verdict)) }
        Output.line(Output.safe("data " + String(decoding: line.data.bytes, as: UTF8.self)))
        for (table, rows) in made {
            for row in rows { Output.line(Output.safe("made \(table) " + Self.json(row).text)) }
        }
    }

    private static func json(_ row: Row) -> JSON {
        .object(
            row.map { name, value in
                let number = Int64.fromDatabaseValue(value)
                return (name, number.map { .integer($0) } ?? JSON(String.fromDatabaseValue(value)))
            })
    }

    /// Why a row of a history counts or not.
    private func verdict(_ line: EventLine, isDuplicate: Bool) -> String? {
        guard EventKind(line.type) == .spotifyHistoryRow, let payload = line.data["payload"] else {
            return nil
        }
        let play = HistoryRow(payload).play
        let place = "row \(line.data["row"]?.integer ?? 0) of \(line.data["file"]?.text ?? "?")"
        let ended = play.endedAtMS.map { ISOTime.text($0, fraction: false) }
        let facts =
            "\(play.playedMS) ms played, ended \(ended ?? "at no possible time"), "
            + "reason_end \(payload["reason_end"]?.text ?? "unknown"), "
            + (play.isSkipped ? "skipped" : "not skipped")
        guard let reason = play.reason ?? (isDuplicate ? .nearDuplicate : nil) else {
            return "\(place) is a listen: \(facts)"
        }
        return
            "\(place) does not count, \(reason.rawValue): \(Self.meaning[reason] ?? ""); \(facts)"
    }

    private static let meaning: [Play.Reason: String] = [
        .badTime: "its time cannot be read", .podcast: "it is an episode",
        .audiobook: "it is an audiobook", .noTrack: "it names no track",
        .incognito: "it was a private session",
        .short: "under 30 s, or under 4 min and left before its end",
        .nearDuplicate: "an earlier row has the same track and length and ended at most 2 s apart",
        .joined: "a more trusted channel tells of the same listen",
    ]

    // MARK: A position

    private func row(_ name: String, _ position: Int, _ session: Session) throws {
        let (found, row, title) = try session.read { db in
            let found = try FoundPlaylist.find(name, db)
            let rows = try found.rows(db)
            guard position > 0, rows.indices.contains(position - 1) else {
                throw NaradaError.notFound(
                    "'\(found.name)' has no position \(position)",
                    hint: "it has \(rows.count) rows.")
            }
            let row = rows[position - 1]
            return (found, row, try TrackNames.of([row.uri], db).first?.value.line)
        }
        var steps: [(what: String, step: PlaylistPast.Step)] = []
        _ = try PlaylistPast(playlist: found, ledger: session.ledger).state(at: nil) { step in
            if step.changes.inserted.contains(where: { $0.id == row.id }) {
                steps.append(("added", step))
            }
            if step.changes.updated.contains(where: { $0.id == row.id && $0.updatedAtMS == step.at }
            ) {
                steps.append(("moved", step))
            }
        }
        guard !globals.json else {
            return Output.json([
                "playlist": .text(found.uri), "position": JSON(position), "uri": JSON(row.uri),
                "sort_key": .text(row.sortKey.description),
                "added_at": .text(ISOTime.text(row.addedAtMS)),
                "events": .array(
                    steps.map { .object($0.step.members + [("what", .text($0.what))]) }),
            ])
        }
        let what = "\(title ?? "") \(row.uri ?? "(not available)")"
        Output.line(Output.safe("'\(found.name)', position \(position): \(what)"))
        for (what, step) in steps {
            Output.line(
                "\(what) by event \(step.seq), \(step.type), \(ISOTime.text(step.at)), run \(step.run)"
            )
        }
        Output.note("`narada explain SEQ` shows an event with its payload")
    }

    // MARK: A count

    private func count(_ session: Session) throws {
        let (uri, title, rows) = try session.read { db in
            let id = try trackID(reference, db)
            let names = try Row.fetchOne(
                db,
                sql:
                    "SELECT \(trackURIColumn), t.title FROM tracks t JOIN nodes n ON n.id = t.id WHERE t.id = ?",
                arguments: [id])
            let rows = try Listing(
                [
                    .init("seq", "SEQ", .number), .init("listened_at", "STARTED", .time),
                    .init("ms_played", "PLAYED", .duration), .init("channels", nil, .channels),
                    .init("reason", "COUNTS", .verdict),
                ], db,
                """
                SELECT id >> 16, listened_at, ms_played, '' || channel, reason FROM listens
                WHERE track_id = ? ORDER BY listened_at, id
                """, [id])
            return (names?[0] as String? ?? "", names?[1] as String?, rows)
        }
        let plays = rows.rows.count { ($0[4] as String?) == nil }
        guard !globals.json else {
            return Output.json(["uri": .text(uri), "plays": JSON(plays), "rows": rows.json])
        }
        let counts = (Output.count(plays, "play"), Output.count(rows.rows.count, "row"))
        Output.line(Output.safe("\(title ?? uri): \(counts.0) from \(counts.1)"))
        rows.print(globals)
    }
}
