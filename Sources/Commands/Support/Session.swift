import ArgumentParser
import Connectors
import Events
import Foundation
import GRDB
import JSONText
import Ledger
import Projections
import Projector

/// One command's hold on a home: its ledger, its read models, its clock and its run.
final class Session {
    let globals: GlobalOptions
    let home: Home
    let ledger: Ledger
    let clock: Clock
    let run: String
    let progress: Progress
    let settings: Settings
    let credentials: Credentials
    /// The connections to services; libcurl is loaded with the first service.
    private(set) lazy var pool = HTTPPool(
        agent: "Narada/\(naradaVersion)" + (settings["NARADA_CONTACT"].map { " (\($0))" } ?? ""))
    var projector: Projector
    private var openWriter: LedgerWriter?
    private let lockTimeoutMS: Int
    private let task: String
    /// The seqs that this command's own events got.
    var appended: [ClosedRange<Seq>] = []

    /// Opens a home for a command that appends.
    ///
    /// - Parameters:
    ///   - task: What others read who wait for this command; nothing private.
    ///   - creating: Whether a home is made if there is none; not for a command that needs something there.
    convenience init(writing options: WriteOptions, task: String, creating: Bool = true) throws {
        try self.init(
            reading: options.globals, lockTimeout: options.lockTimeout, task: task,
            creating: creating)
    }

    /// Opens a home for reading, or for more with what the other initialiser gives.
    init(
        reading globals: GlobalOptions, lockTimeout: Double = 10, task: String = "",
        creating: Bool = false
    ) throws {
        self.globals = globals
        self.task = task
        lockTimeoutMS = Int(lockTimeout * 1000)
        settings = Settings()
        clock = try Self.clock(settings)
        home = Home(try Self.homePath(globals, settings))
        credentials = Credentials(home: home.path)
        var generator = SystemRandomNumberGenerator()
        run = ULID(at: clock.now, using: &generator).description
        if creating, try Ledger.create(home.ledgerPath, id: UUID().uuidString.lowercased()),
            !globals.quiet
        {
            Output.note("made a new home in \(home.path)")
        }
        ledger = try Ledger(home.ledgerPath)
        let progress = Progress(globals)
        self.progress = progress
        projector = Projector(home, ledger: ledger)
        let head = (try? ledger.head())??.checkpoint.seq
        projector.progress = {
            progress.show("bringing the read models up to date", Int($0), of: head.map(Int.init))
        }
    }

    private static func clock(_ settings: Settings) throws -> Clock {
        guard let text = settings["NARADA_NOW"] else { return Clock() }
        let moment = ISOTime.parse(text)
        try require(
            moment != nil,
            .configuration(
                "NARADA_NOW takes a time as 2026-11-22T10:00:00Z, not '\(text)'",
                hint: "set it right or unset it."))
        return Clock(fixedAt: moment)
    }

    private static func homePath(_ globals: GlobalOptions, _ settings: Settings) throws -> String {
        let path =
            globals.home ?? settings["NARADA_HOME"]
            ?? settings.environment["XDG_DATA_HOME"].map { $0 + "/narada" }
            ?? settings.environment["HOME"].map { $0 + "/.local/share/narada" } ?? ""
        try require(
            !path.isEmpty,
            .configuration(
                "neither --home nor NARADA_HOME nor HOME is set", hint: "name the home with --home."
            ))
        return path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
    }

    // MARK: Reading

    /// Brings the read models up to date if that can be done, and says so if not.
    func refresh() throws {
        do {
            try catchUp()
        } catch {
            guard let reached = projector.checkpoint()?.seq,
                error is ProjectorError || (error as? LedgerError)?.code == .io
            else { throw error }
            let behind = try ledger.visit(after: reached) { _ in } - reached
            guard behind > 0 else { return }
            note(
                "narada.db stands at event \(reached), \(Output.count(Int(behind), "event")) behind the log, "
                    + "and cannot be brought up to date here")
        }
    }

    /// Brings the read models up to date.
    func catchUp() throws {
        let report = try projector.catchUp()
        progress.finish()
        if let notice = report.notice { note(notice) }
    }

    /// The seq that the read models stand at, brought up to date.
    func caughtUpSeq() throws -> Seq {
        try catchUp()
        return projector.checkpoint()?.seq ?? 0
    }

    /// Makes sure that nothing is appended to a log that this Narada cannot fold; waits for nobody else.
    func checkReadable() throws {
        do { try catchUp() } catch let error as ProjectorError where error.code == .busy {}
    }

    /// Reads the read models, up to date where possible.
    func read<R>(_ body: (Database) throws -> R) throws -> R {
        try refresh()
        return try projector.read(body)
    }

    // MARK: Appending

    /// The session's one writer; the log is opened at its first append.
    func writer() throws -> LedgerWriter {
        if let openWriter { return openWriter }
        let writer = try LedgerWriter(
            ledger, run: run, clock: clock, lockTimeoutMS: lockTimeoutMS, holder: task,
            witnesses: projector.witnesses())
        openWriter = writer
        return writer
    }

    /// Appends events as one commit.
    ///
    /// - Parameter expecting: Streams the decision stood on, with the seq at which they were read.
    /// - Returns: The last one's seq.
    @discardableResult
    func append(_ events: [NewEvent], expecting: [StreamName: Seq] = [:]) throws -> Seq {
        try append(expecting: expecting) { _ in events }
    }

    /// Appends events that name each other by seq, told the seq that the first one will have.
    @discardableResult
    func append(expecting: [StreamName: Seq], _ events: (Seq) -> [NewEvent]) throws -> Seq {
        let seqs = try writer().append(expecting: expecting, events)
        appended.append(seqs)
        return seqs.upperBound
    }

    /// Decides on what the read models show and appends; decides again when a stream has changed since.
    ///
    /// - Parameter decide: Gives the events from the tables; none to append nothing.
    func decide(_ decide: (Database) throws -> [NewEvent]) throws {
        for _ in 0..<100 {
            try catchUp()
            let (events, seq) = try projector.read { try (decide($0), $0.seq) }
            guard !events.isEmpty else { return }
            do {
                let streams = Dictionary(events.map { ($0.stream, seq) }) { first, _ in first }
                try append(events, expecting: streams)
                return
            } catch let error as LedgerError where error.code == .conflict {}
        }
        throw NaradaError(
            .tryAgain, "stream-changed", "others kept changing this while it was being decided",
            hint: "run it again.")
    }

    /// Tells the person at the terminal something about the work that goes on.
    func note(_ text: String) {
        progress.finish()
        if !globals.quiet { Output.note("note: \(text)") }
    }

    /// Ends a command that may have appended: HEAD, read models, notices.
    ///
    /// What was appended stays appended, so nothing that fails here makes the command fail: who runs it
    /// again would have it twice.
    func finish() throws {
        if let writer = openWriter {
            do { try writer.close() } catch {
                Output.note(
                    "note: HEAD was not written: \(error.message); the log is whole without it")
            }
            for notice in writer.notices { Output.note("note: \(notice)") }
        }
        guard !appended.isEmpty else { return }
        do { try catchUp() } catch let error as ProjectorError where error.code != .unreadable {
            Output.note(
                "note: \(error.message); the next command brings the read models up to date")
        }
    }

    /// Seals what a long command finished, after it has given its answer.
    func sealFinished() throws {
        guard let openWriter, openWriter.hasRotated else { return }
        do { _ = try openWriter.seal(all: false) } catch {
            Output.note("note: the log was not sealed: \(error.message); `narada-cmd seal` does it")
        }
    }

    /// Ends a writing command: answers with the run and its seqs, then tidies up.
    func answer(_ members: [(String, JSON)] = [], text: String) throws {
        try finish()
        if globals.json {
            let run: [(String, JSON)] = [
                ("run", .text(self.run)), ("first", JSON(appended.first?.lowerBound)),
                ("last", JSON(appended.last?.upperBound)),
            ]
            Output.json(.object(members + run))
        } else if !globals.quiet {
            Output.line(Output.safe(text))
            if let first = appended.first?.lowerBound, let last = appended.last?.upperBound {
                let count = Output.count(appended.reduce(0) { $0 + $1.count }, "event")
                Output.note(
                    "\(count) appended, \(first == last ? "\(first)" : "\(first) to \(last)")")
            }
        }
        try sealFinished()
    }
}

/// What every command takes that appends.
struct WriteOptions: ParsableArguments {
    @OptionGroup var globals: GlobalOptions
    @Option(help: ArgumentHelp("How long to wait for another writer.", valueName: "seconds"))
    var lockTimeout = 10.0

    func validate() throws {
        guard lockTimeout >= 0, lockTimeout < 1e6 else {
            throw ValidationError("--lock-timeout takes seconds from 0 on.")
        }
    }
}
