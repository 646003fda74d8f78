import ArgumentParser
import Connectors
import Events
import GRDB
import JSONText
import Ledger
import Projections
import Projector

struct ImportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "import", abstract: "Take in files: a streaming history, playlists.",
        subcommands: [ImportHistory.self, ImportPlaylist.self])
}

struct ImportHistory: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "spotify-history", abstract: "Take in Spotify's extended streaming history.",
        discussion: """
            Example: narada-cmd import spotify-history my_spotify_data.zip

            Every file is validated whole before anything is appended.
            Importing again appends nothing; a later export appends only what is new.
            User name, IP address and user agent are never kept.
            """)
    @OptionGroup var options: WriteOptions
    @Argument(help: "ZIP archives, folders or JSON files.") var paths: [String]

    func run() throws {
        let files = try ExportFiles(paths)
        let session = try Session(writing: options, task: "import spotify-history")
        try session.checkReadable()
        let import_ = HistoryImport(session, files)
        try import_.validate()
        try import_.append()
        let summary = try import_.finish()
        precondition(summary.isWhole, "every row is accounted for")
        try session.answer(summary.members, text: summary.text)
    }
}

/// What became of the rows of an import: rows = listens + already + all skipped.
private struct ImportSummary {
    var rows = 0
    var already = 0
    /// New rows by the reason they do not count for; those that do, under none.
    var counts: [String: Int] = [:]
    /// New listens that were known through another channel.
    var joined = 0
    var files: [String] = []

    private var listens: Int { counts[""] ?? 0 }
    private var skipped: [(key: String, value: Int)] {
        counts.filter { $0.key != "" }.sorted { $0.key < $1.key }
    }
    /// Every row is accounted for once.
    var isWhole: Bool { rows == already + counts.values.reduce(0, +) }

    var members: [(String, JSON)] {
        [
            ("rows", JSON(rows)), ("listens", JSON(listens)), ("already", JSON(already)),
            ("skipped", .object(skipped.map { ($0.key, JSON($0.value)) })),
            ("joined", JSON(joined)), ("files", .texts(files)),
        ]
    }

    var text: String {
        let reasons = skipped.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        let total = rows - listens - already
        return "\(rows) rows = \(listens) listens + \(already) already + \(total) skipped"
            + (reasons.isEmpty ? "" : " (\(reasons))")
            + ", from \(Output.count(files.count, "file"))"
    }
}

/// An import of a streaming history, in two passes over its files.
private final class HistoryImport {
    private static let stream = StreamName(fixed: "export:spotify-history")
    private static let rowsPerCommit = 1000

    private let session: Session
    private let files: ExportFiles
    private var summary = ImportSummary()
    private var rowCount = 0
    private var known: Set<RowIdentity> = []
    private var knownThrough: Seq = 0
    private var pending: [(identity: RowIdentity, event: NewEvent)] = []
    private var pendingSize = 0

    init(_ session: Session, _ files: ExportFiles) {
        self.session = session
        self.files = files
        for name in files.accountFiles {
            session.note("\(name) is of the account data package and was left out")
        }
    }

    /// Reads every file to its end, so that a damaged one is known before anything is appended.
    func validate() throws {
        for file in files.files {
            let rows = try HistoryRows(file)
            while try rows.next() != nil {
                rowCount += 1
                if rowCount % 500 == 0 { session.progress.show("checking rows", rowCount, of: nil) }
            }
            summary.files.append(file.name)
            if session.globals.verbose { Output.note("\(file.name): \(rows.count) rows") }
        }
        session.progress.finish()
    }

    /// Appends the rows that are not recorded yet.
    func append() throws {
        try learnKnown()
        for file in files.files {
            let rows = try HistoryRows(file)
            while let row = try rows.next() {
                summary.rows += 1
                if summary.rows % 500 == 0 {
                    session.progress.show("importing rows", summary.rows, of: rowCount)
                }
                let identity = RowIdentity(row)
                guard known.insert(identity).inserted else {
                    summary.already += 1
                    continue
                }
                let event = Self.event(row, file.name, rows.count)
                pending.append((identity, event))
                pendingSize += event.data.count
                if pending.count == Self.rowsPerCommit || pendingSize > 8 << 20 { try flush() }
            }
        }
        try flush()
        session.progress.finish()
    }

    private static func event(_ row: JSONValue, _ file: String, _ number: Int) -> NewEvent {
        var payload: [UInt8] = []
        appendCompact(row, to: &payload) { isPrivate($0) }
        let data: JSON = [
            "file": .text(file), "row": JSON(number), "length": JSON(payload.count),
            "sha256": .text(SHA256.digest(payload).description), "payload": .raw(payload),
        ]
        return NewEvent(.spotifyHistoryRow, on: stream, data)
    }

    /// Takes in which rows the log holds; later only what others appended meanwhile.
    private func learnKnown() throws {
        let type = Array(EventKind.spotifyHistoryRow.rawValue.utf8)
        knownThrough = try session.ledger.visit(after: knownThrough) { line in
            guard line.type.elementsEqual(type), let payload = line.data["payload"] else { return }
            known.insert(RowIdentity(payload))
        }
    }

    /// Appends what is pending, unless another import was there first.
    private func flush() throws {
        while !pending.isEmpty {
            do {
                knownThrough = try session.append(
                    pending.map(\.event), expecting: [Self.stream: knownThrough])
                pending = []
            } catch let error as LedgerError where error.code == .conflict {
                for row in pending { known.remove(row.identity) }
                try learnKnown()
                let fresh = pending.filter { known.insert($0.identity).inserted }
                summary.already += pending.count - fresh.count
                pending = fresh
            }
        }
        pendingSize = 0
    }

    /// Counts what the new rows mean and notes the end of the import.
    func finish() throws -> ImportSummary {
        guard !session.appended.isEmpty else { return summary }
        // HEAD tells the projector how much there is, and so that a rebuild is the faster way.
        try? session.writer().close()
        do { try session.catchUp() } catch let error as ProjectorError where error.code == .busy {
            throw NaradaError(
                .tryAgain, error.code.rawValue, "all rows are in the ledger, but \(error.message)",
                hint: "run the import again for its summary.")
        }
        var joined: [Int64] = []
        let appended = session.appended
        try session.projector.read { db in
            joined = try db.values(
                "SELECT DISTINCT joined_id FROM listens WHERE joined_id IS NOT NULL")
            for range in appended {
                let found = try db.rows(
                    """
                    SELECT ifnull(reason, ''), count(*) FROM listens
                    WHERE id BETWEEN ? AND ? GROUP BY reason
                    """, range.lowerBound << 16, (range.upperBound + 1) << 16 - 1)
                for row in found { summary.counts[row[0], default: 0] += row[1] }
            }
        }
        summary.joined = joined.count { id in appended.contains { $0.contains(id >> 16) } }
        let stream = StreamName(fixed: "import:spotify-history")
        try session.append([NewEvent(.importFinished, on: stream, .object(summary.members))])
        return summary
    }
}
