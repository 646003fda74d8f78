import ArgumentParser
import Events
import Foundation
import JSONText
import Ledger
import Projections
import Projector

struct InitCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "init", abstract: "Make an empty home; harmless when there is one.")
    @OptionGroup var options: WriteOptions

    func run() throws {
        let session = try Session(writing: options, task: "init")
        _ = try session.writer().refresh()
        try session.catchUp()
        try session.answer(
            [("home", .text(session.home.path))], text: "the home is \(session.home.path)")
    }
}

struct EventsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "events", abstract: "List the types of events.")
    @OptionGroup var globals: GlobalOptions

    func run() throws {
        guard globals.json else {
            return Output.table(
                ["TYPE", "V", "STREAM", "MEANING"],
                Catalogue.types.map { [$0.kind.rawValue, "\($0.version)", $0.stream, $0.meaning] })
        }
        Output.json(
            .array(
                Catalogue.types.map { type in
                    let example: JSON = [
                        "type": .text(type.kind.rawValue), "stream": .text(type.example.stream),
                        "data": .raw(Array(type.example.data.utf8)),
                    ]
                    return [
                        "type": .text(type.kind.rawValue), "v": JSON(type.version),
                        "stream": .text(type.stream), "meaning": .text(type.meaning),
                        "schema": type.schema, "example": example,
                    ]
                }))
    }
}

struct AppendCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "append", abstract: "Append events as one commit, all or none.",
        discussion: """
            Example: narada-cmd append --type playlist.renamed --stream narada:playlist:01JD… --data '{"name":"Evening"}'

            A file holds one {"type","stream","data"} a line. What no read model could fold is refused.
            """)
    @OptionGroup var options: WriteOptions
    @Option(help: "The type of a single event.") var type: String?
    @Option(help: "What it is about.") var stream: String?
    @Option(help: "Its data, a JSON object.") var data: String?
    @Option(help: "A file of events, a line each; - for stdin.") var file: String?
    @Flag(help: "Check the events and append nothing.") var dryRun = false

    func validate() throws {
        guard (file == nil) == (type != nil && stream != nil && data != nil),
            file != nil || type != nil
        else {
            throw ValidationError(
                "Name one event with --type, --stream and --data, or many with --file.")
        }
    }

    func run() throws {
        let events = try file.map { try Self.events(in: $0) } ?? [try single()]
        try require(
            !events.isEmpty,
            .badInput("there is no event in \(file ?? "it")", hint: "write one JSON object a line.")
        )
        let session = try Session(writing: options, task: "append")
        var seq: Seq = 0
        for attempt in 1... {
            seq = try rehearse(events, session)
            guard !dryRun else { break }
            do {
                let expecting = Dictionary(events.map { ($0.event.stream, seq) }) { $1 }
                try session.append(events.map(\.event), expecting: expecting)
                break
            } catch let error as LedgerError where error.code == .conflict && attempt < 100 {}
        }
        try session.answer(
            [("count", JSON(events.count))],
            text: dryRun ? "\(Output.count(events.count, "event")) could be appended" : "done")
    }

    private typealias Numbered = (line: Int, event: NewEvent)
    private static let bounds = JSONBounds(value: 16 << 20)
    private static let limit = 64 << 20

    private func single() throws -> Numbered {
        guard let type, let stream, var data else { throw ValidationError("Name the event.") }
        do {
            try data.withUTF8 { try JSONValidator.check($0, bounds: Self.bounds) }
        } catch {
            throw NaradaError.badInput(
                "--data is not JSON: \(error)", hint: "quote it whole, as '{\"name\":\"Evening\"}'."
            )
        }
        let object: JSON = [
            "type": .text(type), "stream": .text(stream), "data": .raw(Array(data.utf8)),
        ]
        return try object.bytes.withUnsafeBufferPointer { try Self.event(JSONValue($0), line: 1) }
    }

    /// Reads the events of a file, every one of them checked.
    private static func events(in path: String) throws -> [Numbered] {
        let file = path == "-" ? FileHandle.standardInput : FileHandle(forReadingAtPath: path)
        let bytes = try input(file, path, atMost: limit)
        try require(
            bytes.count <= limit,
            .badInput("\(path) is larger than a commit may be (64 MB)", hint: "append it in parts.")
        )
        let lines = bytes.split(separator: 0x0A, omittingEmptySubsequences: false).enumerated()
        return try lines.filter { !$0.element.allSatisfy { [0x20, 0x0D, 0x09].contains($0) } }.map {
            (index, line) in
            try Array(line).withUnsafeBufferPointer { line in
                do { try JSONValidator.check(line, bounds: bounds) } catch {
                    throw refusal(index + 1, "not JSON: \(error)")
                }
                return try event(JSONValue(line), line: index + 1)
            }
        }
    }

    private static func event(_ value: JSONValue, line: Int) throws -> Numbered {
        do { return (line, try Catalogue.newEvent(value)) } catch {
            throw refusal(line, error.description)
        }
    }

    /// Tries the events on the read models; nothing of it stays.
    private func rehearse(_ events: [Numbered], _ session: Session) throws -> Seq {
        do {
            return try session.projector.rehearse(events.map(\.event), at: session.clock.now) { _ in
            }.seq
        } catch let error as FoldError {
            let base = session.projector.checkpoint()?.seq ?? 0
            let index = Int(error.seq - base) - 1
            throw refusal(events.indices.contains(index) ? events[index].line : 1, error.reason)
        }
    }
}

/// Reads a file, and one byte more than it may have where there is more.
func input(_ file: FileHandle?, _ path: String, atMost limit: Int) throws -> Data {
    // A folder opens as a file does and fails when it is read.
    guard let file, let bytes = try? file.read(upToCount: limit + 1) ?? Data() else {
        throw NaradaError.notFound("cannot read \(path)", hint: "check the path.")
    }
    return bytes
}

private func refusal(_ line: Int, _ reason: String) -> NaradaError {
    .badInput("line \(line): \(reason)", hint: "mend it; nothing was appended.")
}

struct RepairCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "repair",
        abstract: "Give up a damaged end of the log; its bytes go to quarantine.",
        discussion: "Example: narada-cmd repair --discard-from 812 --dry-run")
    @OptionGroup var options: WriteOptions
    @Option(help: "The first event to give up; a commit goes whole.") var discardFrom: Seq
    @Flag(help: "Say what would be given up and do nothing.") var dryRun = false

    func run() throws {
        let session = try Session(writing: options, task: "repair", creating: false)
        if !dryRun { try session.projector.forget(after: discardFrom - 1) }
        let result = try session.writer().discard(from: discardFrom, dryRun: dryRun)
        if !dryRun { try session.catchUp() }
        try session.answer(
            [
                ("from", .integer(result.from)), ("bytes", JSON(result.bytes)),
                ("quarantined", .texts(result.quarantined)),
            ],
            text:
                "\(dryRun ? "would give up" : "gave up") events from \(result.from) on, \(result.bytes) bytes"
                + (result.quarantined.isEmpty
                    ? "" : ", in quarantine as \(result.quarantined.joined(separator: ", "))"))
    }
}

struct SealCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "seal", abstract: "Compress the log better; its events stay as they are.")
    @OptionGroup var options: WriteOptions

    func run() throws {
        let session = try Session(writing: options, task: "seal", creating: false)
        let sealed = try session.writer().seal(all: true)
        try session.answer(
            [
                ("segments", JSON(sealed.segments)), ("bytes_before", JSON(sealed.bytesBefore)),
                ("bytes_after", JSON(sealed.bytesAfter)),
            ],
            text: sealed.segments == 0
                ? "nothing to seal"
                : "sealed \(Output.count(sealed.segments, "segment")): \(sealed.bytesBefore) bytes are now \(sealed.bytesAfter)"
        )
    }
}
