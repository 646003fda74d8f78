import ArgumentParser
import Events
import JSONText
import Ledger
import Projector

struct LogCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "log", abstract: "Look at the log itself.",
        subcommands: [LogCat.self, LogStat.self, LogHead.self, LogVerify.self])
}

struct LogCat: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cat", abstract: "Print events, a line each, as they are.",
        discussion: "Example: narada log cat --type playlist.edited --from 1000")
    @OptionGroup var globals: GlobalOptions
    @Option(help: "Only this type; a family with a dot at its end, such as playlist.") var type:
        String?
    @Option(help: "Only this stream.") var stream: String?
    @Option(help: "The first seq.") var from: Seq = 1
    @Option(help: "The last seq.") var to: Seq?

    func run() throws {
        let session = try Session(reading: globals)
        if let type, !type.hasSuffix("."), EventKind(rawValue: type) == nil {
            let near = nearest(type, among: EventKind.allCases.map(\.rawValue))
            Output.note(
                "note: no event of this Narada is called '\(type)'"
                    + (near.isEmpty ? "" : "; there is \(near.joined(separator: ", "))"))
        }
        let cursor = try LedgerCursor(
            session.ledger, after: max(0, from - 1), through: to, chained: false,
            witnesses: session.projector.witnesses())
        var output: [UInt8] = []
        while let batch = try cursor.next() {
            for index in 0..<batch.count {
                let bytes = batch[index]
                if type != nil || stream != nil {
                    guard let line = EventLine(bytes), stream == nil || line.streamName == stream,
                        matches(line.typeName)
                    else { continue }
                }
                output.append(contentsOf: bytes)
            }
            Output.write(output, to: 1)
            output.removeAll(keepingCapacity: true)
        }
        if let notice = cursor.notice { Output.note("note: \(notice)") }
    }

    private func matches(_ name: String) -> Bool {
        guard let type else { return true }
        return type.hasSuffix(".") ? name.hasPrefix(type) : name == type
    }
}

struct LogStat: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stat", abstract: "Segments, sizes and events by type.")
    @OptionGroup var globals: GlobalOptions

    func run() throws {
        let session = try Session(reading: globals)
        var types: [String: Int] = [:]
        let found = try session.ledger.verify { types[$0.typeName, default: 0] += 1 }
        let counts = types.sorted { $0.key < $1.key }
        let stored = found.segments.reduce(0) { $0 + $1.size }
        guard !globals.json else {
            return Output.json([
                "seq": .integer(found.end.seq), "chain": .text(found.end.chain.description),
                "raw_bytes": JSON(found.rawSize), "stored_bytes": JSON(stored),
                "types": .object(counts.map { ($0.key, JSON($0.value)) }),
                "segments": .array(
                    found.segments.map {
                        [
                            "name": .text($0.name), "first": .integer($0.firstSeq),
                            "bytes": JSON($0.size), "sealed": .bool($0.sealed),
                        ]
                    }),
            ])
        }
        Output.table(
            ["SEGMENT", "BYTES", "SEALED"],
            found.segments.map { [$0.name, String($0.size), $0.sealed ? "yes" : "no"] }, right: [1])
        Output.line("")
        Output.table(["TYPE", "EVENTS"], counts.map { [$0.key, String($0.value)] }, right: [1])
        Output.line(
            "\n\(found.end.seq) events, \(found.rawSize) bytes of text in \(stored) bytes stored")
        if let notice = found.notice { Output.note("note: \(notice)") }
    }
}

struct LogHead: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "head", abstract: "Print SEQ:HASH of the last event, to write down elsewhere.")
    @OptionGroup var globals: GlobalOptions

    func run() throws {
        let session = try Session(reading: globals)
        let cursor = try LedgerCursor(
            session.ledger, after: (try session.ledger.head())?.checkpoint.seq ?? 0, chained: false,
            witnesses: session.projector.witnesses())
        try cursor.drain()
        printEnd(cursor.checkpoint, globals, notice: cursor.notice)
    }
}

struct LogVerify: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Read everything and check every sum and the chain.",
        discussion: "Example: narada log verify --expect 812:9f86d081…")
    @OptionGroup var globals: GlobalOptions
    @Option(help: ArgumentHelp("A SEQ:HASH that was written down.", valueName: "seq:hash"))
    var expect: String?

    func run() throws {
        let session = try Session(reading: globals)
        var witnesses = session.projector.witnesses()
        if let expect {
            let parts = expect.split(separator: ":")
            guard parts.count == 2, let seq = Seq(parts[0]), seq >= 0,
                let chain = Digest(hex: parts[1].lowercased())
            else {
                throw NaradaError.usage(
                    "--expect takes SEQ:HASH, not '\(expect)'",
                    hint: "copy what `narada log head` printed.")
            }
            witnesses.append(
                Witness(
                    name: "--expect", checkpoint: Checkpoint(seq: seq, chain: chain),
                    remedy: "this is not the log that was written down; bring it back from a copy.")
            )
        }
        let found = try session.ledger.verify(witnesses: witnesses)
        printEnd(found.end, globals, notice: found.notice)
    }
}

private func printEnd(_ end: Checkpoint, _ globals: GlobalOptions, notice: String?) {
    if let notice { Output.note("note: \(notice)") }
    guard globals.json else { return Output.line(end.description) }
    Output.json([
        "seq": .integer(end.seq), "chain": .text(end.chain.description),
        "head": .text(end.description),
    ])
}
