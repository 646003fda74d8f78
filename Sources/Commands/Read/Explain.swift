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
            REF is an event's seq, a track (its plays, and why it is one with what others call it), or
            PLAYLIST#POSITION (that row).
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
        guard seq > 0, try session.ledger.event(seq, { try show($0, session) }) != nil else {
            throw NaradaError.notFound(
                "there is no event \(seq)", hint: "`narada log head` tells the last one.")
        }
    }

    private func show(_ line: EventLine, _ session: Session) throws {
        let made = try session.read { db in
            try ReadModel.allCases.flatMap(\.tables).compactMap { table -> (String, [Row])? in
                guard try db.columns(in: table).contains(where: { $0.name == "id" }) else {
                    return nil
                }
                let rows = try db.rows(
                    "SELECT * FROM \(table) WHERE id BETWEEN ? AND ? ORDER BY id", line.seq << 16,
                    (line.seq + 1) << 16 - 1)
                return rows.isEmpty ? nil : (table, rows)
            }
        }
        let verdict = verdict(line, made.first { $0.0 == "listens" }?.1.first?["reason"])
        guard !globals.json else {
            return Output.json([
                "event": .raw(Array(line.line.dropLast())), "verdict": JSON(verdict),
                "rows": .object(made.map { ($0.0, .array($0.1.map(Self.json))) }),
            ])
        }
        let lines =
            [
                "event \(line.seq), \(line.typeName) version \(line.version), on \(line.streamName)",
                "recorded \(ISOTime.text(line.at)) by run \(line.runName)",
            ] + [verdict].compactMap(\.self)
            + ["data " + String(decoding: line.data.bytes, as: UTF8.self)]
            + made.flatMap { table, rows in rows.map { "made \(table) " + Self.json($0).text } }
        for line in lines { Output.line(Output.safe(line)) }
    }

    private static func json(_ row: Row) -> JSON {
        .object(
            row.map { name, value in
                let number = Int64.fromDatabaseValue(value)
                return (name, number.map { .integer($0) } ?? JSON(String.fromDatabaseValue(value)))
            })
    }

    /// Why a row of a history counts or not.
    ///
    /// - Parameter known: The reason in the read models, which also see what stands beside it.
    private func verdict(_ line: EventLine, _ known: String?) -> String? {
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
        let isDuplicate = known == Play.Reason.nearDuplicate.rawValue
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
        var steps: [Row] = []
        let (found, row, title) = try session.read { db in
            let found = try FoundPlaylist.find(name, db)
            let rows = try found.rows(db)
            guard position > 0, rows.indices.contains(position - 1) else {
                throw NaradaError.notFound(
                    "'\(found.name)' has no position \(position)",
                    hint: "it has \(rows.count) rows.")
            }
            let row = rows[position - 1]
            _ = try found.state(at: nil, in: session.ledger, db) { line, changes, _ in
                let isAdded = changes.inserted.contains { $0.id == row.id }
                let isMoved = changes.updated.contains {
                    $0.id == row.id && $0.updatedAtMS == line.at
                }
                guard isAdded || isMoved else { return }
                steps.append([
                    "seq": line.seq, "at": line.at, "type": line.typeName, "run": line.runName,
                    "what": isAdded ? "added" : "moved",
                ])
            }
            return (found, row, try TrackNames.of([row.uri], db).first?.value.line)
        }
        let events = Listing(
            columns: [
                .init("seq", nil, .number), .init("at", nil, .time), .init("type"), .init("run"),
                .init("what"),
            ], rows: steps)
        guard !globals.json else {
            return Output.json([
                "playlist": .text(found.uri), "position": JSON(position), "uri": JSON(row.uri),
                "sort_key": .text(row.sortKey.description),
                "added_at": .text(ISOTime.text(row.addedAtMS)), "events": events.json,
            ])
        }
        let what = "\(title ?? "") \(row.uri ?? "(not available)")"
        Output.line(Output.safe("'\(found.name)', position \(position): \(what)"))
        for step in steps {
            let (what, seq, type): (String, Seq, String) = (step["what"], step["seq"], step["type"])
            Output.line(
                "\(what) by event \(seq), \(type), \(ISOTime.text(step["at"])), run \(step["run"] as String)"
            )
        }
        Output.note("`narada explain SEQ` shows an event with its payload")
    }

    // MARK: A count

    private func count(_ session: Session) throws {
        let (uri, title, rows, decisions) = try session.read { db in
            let id = try trackID(reference, db)
            let names = try db.row(
                "SELECT \(trackURIColumn), t.title FROM tracks t JOIN nodes n ON n.id = t.id WHERE t.id = ?",
                id)
            let rows = Listing(
                columns: [
                    .init("seq", "SEQ", .number), .init("listened_at", "STARTED", .time),
                    .init("ms_played", "PLAYED", .duration), .init("channels", nil, .channels),
                    .init("reason", "COUNTS", .verdict),
                ],
                rows: try db.rows(
                    """
                    SELECT id >> 16, listened_at, ms_played, '' || channel, reason FROM listens
                    WHERE track_id = ? ORDER BY listened_at, id
                    """, id))
            // All that was decided on its entities, also what keeps others apart from it.
            let decisions = Listing(
                columns: [
                    .init("a", "ONE"), .init("b", "OTHER"), .init("word", "PERSON"),
                    .init("method", "MATCHER"), .init("confidence", "SURE", .number),
                    .init("is_one", "ONE TRACK"), .init("seq", "EVENT", .number),
                ],
                rows: try db.rows(
                    """
                    SELECT a_uri, b_uri, word, method, confidence, iif(a.track_id = b.track_id, 'yes', 'no'),
                        ifnull(word_seq, asserted_seq)
                    FROM matches LEFT JOIN nodes a ON a.uri = a_uri LEFT JOIN nodes b ON b.uri = b_uri
                    WHERE ?1 IN (a.track_id, b.track_id) ORDER BY a_uri, b_uri
                    """, id))
            return (names?[0] as String? ?? "", names?[1] as String?, rows, decisions)
        }
        let plays = rows.rows.count { ($0[4] as String?) == nil }
        guard !globals.json else {
            return Output.json([
                "uri": .text(uri), "plays": JSON(plays), "rows": rows.json,
                "decisions": decisions.json,
            ])
        }
        let counts = (Output.count(plays, "play"), Output.count(rows.rows.count, "row"))
        Output.line(Output.safe("\(title ?? uri): \(counts.0) from \(counts.1)"))
        rows.print(globals)
        guard !decisions.rows.isEmpty else { return }
        Output.line("")
        decisions.print(globals)
        Output.note(
            "`narada explain EVENT` shows the evidence, and the events with the payloads it is from"
        )
    }
}
