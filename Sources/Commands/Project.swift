public import ArgumentParser
import Events
import GRDB
import JSONText
import Ledger
import Projections
import Projector

extension ReadModel: ExpressibleByArgument {}

/// `narada-project`: brings the read models up to date, or makes them again.
public struct NaradaProject: ParsableCommand {
    public static let configuration = CommandConfiguration(
        commandName: "narada-project",
        abstract: "Fold the log into the read models: catch up, rebuild, look back, check.",
        discussion: """
            Examples:
              narada-project --rebuild
              narada-project --as-of 2026-05-01 --into then.db
            narada-project-tracks, -mappings, -playlists and -listens do the same for one read model.
            """, version: naradaVersion)

    /// The read model that the program's own name stands for.
    nonisolated(unsafe) public static var onlyOne: String?

    @OptionGroup var globals: GlobalOptions
    @Flag(help: "Fold everything anew into a file beside, then swap.") var rebuild = false
    @Option(
        help: "Only these read models and what stands on them: tracks,mappings,playlists,listens.")
    var only: String?
    @Option(help: "Stop at this moment; needs --into.") var asOf: When?
    @Option(help: ArgumentHelp("Write to a file of its own instead.", valueName: "file")) var into:
        String?
    @Flag(help: "Rebuild aside and compare; exit 65 if anything differs.") var check = false
    @Flag(help: "Print how SQLite answers the main queries, and do nothing else.") var explainPlan =
        false

    public init() {}

    public func validate() throws {
        if asOf != nil, into == nil { throw ValidationError("--as-of needs --into FILE.") }
        if check, rebuild || into != nil || only != nil || asOf != nil {
            throw ValidationError("--check stands alone.")
        }
        if into != nil, only != nil {
            throw ValidationError("--into takes all read models; leave --only out.")
        }
    }

    public func run() throws {
        let session = try Session(reading: globals)
        if explainPlan { return try printPlans(session) }
        if check { return try runCheck(session) }
        let models = try wantedModels()
        let report: ProjectionReport
        if let into {
            report = try session.projector.project(
                through: asOf?.seq(in: session) ?? session.ledger.seq(at: .max), into: into)
        } else if rebuild || only != nil {
            report = try session.projector.rebuild(models ?? Set(ReadModel.allCases))
        } else {
            report = try session.projector.catchUp()
        }
        session.progress.finish()
        if let notice = report.notice { session.note(notice) }
        print(report)
    }

    private func wantedModels() throws -> Set<ReadModel>? {
        try (only ?? (rebuild ? Self.onlyOne : nil)).map { names in
            try Set(
                names.split(separator: ",").map { name in
                    if let model = ReadModel(rawValue: String(name)) { return model }
                    let names = ReadModel.allCases.map(\.rawValue)
                    throw NaradaError.usage(
                        "there is no read model '\(name)'",
                        hint: didYouMean(String(name), among: names)
                            ?? "it takes \(names.joined(separator: ", ")).")
                })
        }
    }

    private func print(_ report: ProjectionReport) {
        func json(_ value: Double) -> JSON { .raw(Array(seconds(value).utf8)) }
        if globals.json {
            return Output.json([
                "from": .integer(report.from), "to": .integer(report.to),
                "events": JSON(report.events), "seconds": json(report.seconds),
                "rebuilt": .texts(report.rebuilt.map(\.rawValue)),
                "stages": .object(report.stages.map { ($0.name, json($0.seconds)) }),
            ])
        }
        guard !globals.quiet else { return }
        let what =
            report.rebuilt.isEmpty
            ? "caught up" : "rebuilt \(report.rebuilt.map(\.rawValue).joined(separator: ", "))"
        Output.line(
            "\(what): \(report.events) events, now at \(report.to), \(seconds(report.seconds)) s")
        guard globals.verbose else { return }
        for (name, taken) in report.stages {
            let what = name == "read" ? "read, decompress, chain, scan (beside fold)" : name
            Output.note("  \(what): \(seconds(taken)) s")
        }
    }

    private func seconds(_ value: Double) -> String { "\((value * 1000).rounded() / 1000)" }

    private func runCheck(_ session: Session) throws {
        let (report, differing) = try session.projector.check()
        session.progress.finish()
        guard differing.isEmpty else {
            globals.json
                ? Output.json(["differing": .texts(differing)])
                : Output.line(differing.joined(separator: "\n"))
            throw NaradaError(
                .badInput, "read-model-differs",
                "\(differing.count) tables differ from a rebuild: \(differing.joined(separator: ", "))",
                hint: "run `narada-project --rebuild`; the log is the truth.")
        }
        if globals.json { return Output.json(["differing": [], "to": .integer(report.to)]) }
        Output.line("live and rebuilt are equal at event \(report.to)")
    }

    private func printPlans(_ session: Session) throws {
        let queries = [
            "SELECT * FROM playlist_tracks WHERE playlist_id = 1 ORDER BY sort_key",
            "SELECT id, track_id FROM nodes WHERE uri = 'spotify:track:x'",
            "SELECT * FROM listen_counts WHERE track_id = 1",
            "SELECT * FROM listens WHERE listened_at BETWEEN 1 AND 2 ORDER BY listened_at",
            "SELECT * FROM track_mappings WHERE connector_name = 'spotify' AND connector_id = 'x'",
        ]
        try session.read { db in
            for query in queries {
                Output.line(query)
                for row in try db.rows("EXPLAIN QUERY PLAN " + query) {
                    Output.line("  " + (row["detail"] as String))
                }
            }
        }
    }
}
