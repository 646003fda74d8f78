import Commands
import Events
import Foundation
import GRDB
import JSONText
import Ledger
import Projections
import TestSupport

/// Parsers of what comes from outside, on mutations of a small corpus. A case is one input: it is read or
/// refused, within two seconds; `tools/torture` bounds the memory and sees crashes.
///
/// The corpus is what the project writes and prints itself (ledgers, events of random lives, workflows, exports and
/// playlist files) and `corpus.txt`: inputs that reach code which the others do not, found by `narada-fuzz`.
@Sendable func fuzz(_ plan: Plan) throws -> Tally {
    var tally = Tally()
    let targets: [(name: String, run: (inout Mutator) throws -> Void)]
    let corpus = try Corpus()
    targets =
        plan.broken == .carelessParser
        ? [("careless", corpus.careless)]
        : [
            ("segment", corpus.segment), ("line", corpus.line), ("fold", corpus.fold),
            ("fold", corpus.fold), ("file", corpus.file), ("corpus", corpus.committed),
        ]
    for seed in plan.seeds {
        var mutator = Mutator(seed: seed)
        let target = targets[Int(seed % UInt64(targets.count))]
        note(seed)
        let start = ContinuousClock.now
        do {
            try target.run(&mutator)
            tally.count("\(target.name) read")
        } catch let error as Unexpected {
            tally.fail(.accepted, "\(error.text), seed \(seed)")
        } catch { tally.count("\(target.name) refused") }
        if ContinuousClock.now - start > .seconds(2) {
            tally.fail(.wrong, "\(target.name) took \(ContinuousClock.now - start), seed \(seed)")
        }
        tally.cases += 1
        tally.faults += mutator.changes
    }
    return tally
}

private struct Unexpected: Error { let text: String }

/// Leaves the seed of the case that runs now where `tools/torture` looks after a crash.
private func note(_ seed: UInt64) {
    guard let path = ProcessInfo.processInfo.environment["TORTURE_NOTE"] else { return }
    let file = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    var text = Array("\(seed)".utf8)
    _ = Foundation.write(file, &text, text.count)
    close(file)
}

/// Changes inputs: bits, numbers at their edges, pieces doubled, cut, moved, taken from elsewhere.
struct Mutator {
    var random: SplitMix64
    private(set) var changes = 0

    init(seed: UInt64) { random = SplitMix64(seed: seed) }

    mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }

    mutating func mutate(_ input: [UInt8]) -> [UInt8] {
        var bytes = input
        for _ in 0..<[1, 1, 2, 4, 16][number(0...4)] {
            changes += 1
            guard !bytes.isEmpty else {
                bytes = [UInt8.random(in: 0...255, using: &random)]
                continue
            }
            let at = number(0...bytes.count - 1)
            let end = min(
                bytes.count, at + number(1...max(1, [4, 32, bytes.count][number(0...2)])))
            switch number(0...8) {
            case 0: bytes[at] ^= 1 << UInt8(number(0...7))
            case 1: bytes[at] = UInt8.random(in: 0...255, using: &random)
            case 2: bytes.removeSubrange(at..<end)
            case 3: bytes.insert(contentsOf: bytes[at..<end], at: at)
            case 4: bytes.replaceSubrange(at..<end, with: repeatElement(0, count: end - at))
            case 5:
                let edges: [UInt64] = [0, 1, 0x7FFF_FFFF, 0xFFFF_FFFF, .max, 1 << 63, 64 << 20]
                let value = edges[number(0...edges.count - 1)]
                for index in 0..<min([2, 4, 8][number(0...2)], bytes.count - at) {
                    bytes[at + index] = UInt8(truncatingIfNeeded: value >> (8 * index))
                }
            case 6:
                let words = [
                    "null", "-1", "1e999", "[[[[[[[[", "\"", "{}", "\\u0000", "\\ud800",
                    "9223372036854775808",
                    "99999999999999999999", "\u{202E}", "\n", "true", "0.1", "[]",
                    "1970-01-01T00:00:00Z",
                ]
                bytes.replaceSubrange(
                    at..<end, with: Array(words[number(0...words.count - 1)].utf8))
            case 7: bytes.removeSubrange(at...)
            default: bytes.swapAt(at, number(0...bytes.count - 1))
            }
            if bytes.count > 1 << 20 { bytes.removeSubrange((1 << 20)...) }
        }
        return bytes
    }

    /// One value of a JSON text exchanged for another, so that the text stays JSON.
    mutating func mutateJSON(_ text: [UInt8]) -> [UInt8] {
        changes += 1
        guard var value = try? JSONSerialization.jsonObject(with: Data(text)) else { return text }
        exchange(&value, depth: 0)
        let options: JSONSerialization.WritingOptions = [.sortedKeys, .fragmentsAllowed]
        guard let data = try? JSONSerialization.data(withJSONObject: value, options: options) else {
            return text
        }
        return Array(data)
    }

    private mutating func exchange(_ value: inout Any, depth: Int) {
        if var object = value as? [String: Any], !object.isEmpty, depth < 1 || number(0...4) > 0 {
            let key = object.keys.sorted()[number(0...object.count - 1)]
            if number(0...9) == 0 {
                object[key] = nil
            } else if var inner = object[key] {
                exchange(&inner, depth: depth + 1)
                object[key] = inner
            }
            value = object
        } else if var list = value as? [Any], !list.isEmpty, number(0...4) > 0 {
            let index = number(0...list.count - 1)
            if number(0...9) == 0 {
                list.append(list[index])
            } else {
                exchange(&list[index], depth: depth + 1)
            }
            value = list
        } else {
            let others: [Any] = [
                NSNull(), 0, -1, Int.max, Int.min, 1e300, true, "", "x", "\u{0}", "spotify:track:",
                "narada:playlist:x",
                [Any](), [String: Any](), ["uri": "spotify:track:1"],
                String(repeating: "é", count: 3000), 65_536,
                "2026-11-22T10:00:00Z", "9999-99-99T99:99:99Z", [[[1]]], 4_294_967_296,
                -9_007_199_254_740_993,
            ]
            value = others[number(0...others.count - 1)]
        }
    }
}

/// Reads inputs that a fuzzer makes which is guided by coverage; each begins with bytes that say what it is.
package final class GuidedFuzz {
    private let corpus: Corpus

    package init() throws { corpus = try Corpus() }

    /// Reads one; what it refuses is fine, what else it does the fuzzer sees.
    ///
    /// - Parameter isCareless: Gives it to the negative control instead.
    package func read(_ input: UnsafeBufferPointer<UInt8>, isCareless: Bool) {
        if isCareless { return corpus.careless(Array(input)) }
        do { try corpus.take(Array(input)) } catch let error as Unexpected {
            fatalError(error.text)
        } catch {}
    }

    /// The inputs to begin with.
    package var inputs: [[UInt8]] { corpus.inputs }
}

/// What is mutated, and who reads it.
private final class Corpus {
    private let folder: TemporaryFolder
    private let ledgers: [[String: [UInt8]]]
    private let lives: [[NewEvent]]
    private let files: [(name: String, command: [String], bytes: [UInt8])]
    private var used = 0
    private let database: DatabaseQueue

    init() throws {
        guard !Self.committedInputs.isEmpty else {
            throw Unexpected(text: "corpus.txt is not where it was built")
        }
        database = try DatabaseQueue()
        try database.inDatabase { try $0.execute(sql: Schema.tables + Schema.indexes) }

        folder = try TemporaryFolder(in: "/dev/shm")
        ledgers = try [false, true].map { isSealed in
            let disk = MemoryDisk()
            let test = try TestLedger(on: disk).append([2, 1], size: 100)
            if isSealed { _ = try test.writer().seal(all: true) } else { try test.beginSegment() }
            try test.append([1, 2], close: true)
            return disk.files
        }
        lives = (1...12 as ClosedRange<UInt64>).map { seed in
            var life = RandomLife(seed: seed)
            return (0..<25).flatMap { _ in life.commit() }
        }
        let row =
            #"{"ts":"2024-03-01T10:00:00Z","platform":"ios","ms_played":210000,"conn_country":"DE","#
            + #""master_metadata_track_name":"Añoranza","master_metadata_album_artist_name":"A","#
            + #""master_metadata_album_album_name":"B","spotify_track_uri":"spotify:track:2B8geqnq9YIym0ixYn83Pd","#
            + #""reason_start":"clickrow","reason_end":"trackdone","shuffle":false,"skipped":null,"#
            + #""offline_timestamp":1709287000,"incognito_mode":false,"episode_name":null}"#
        let history =
            "[" + [row, row.replacing("210000", with: "12000")].joined(separator: ",\n") + "]"
        let account =
            #"[{"endTime":"2024-03-01 10:00","artistName":"A","trackName":"T","msPlayed":200000}]"#
        let lists =
            #"{"playlists":[{"name":"M","lastModifiedDate":"2024-01-01","items":[{"track":{"trackName":"T","#
            + #""artistName":"A","albumName":"B","trackUri":"spotify:track:2B8geqnq9YIym0ixYn83Pd"},"#
            + #""episode":null,"localTrack":null,"addedDate":"2024-01-01"}],"description":null}]}"#
        let m3u =
            "#EXTM3U\n#PLAYLIST:Morning\n#EXTINF:210,A - T\nspotify:track:2B8geqnq9YIym0ixYn83Pd\n"
        let workflow =
            #"{"id":"w","name":"W","parameters":{"playlist":{"type":"string","default":"M"}},"tasks":["#
            + #"{"id":"a","type":"source.playlist","config":{"playlist":"${playlist}"},"upstream":[]},"#
            + #"{"id":"b","type":"sort.by_metric","config":{"metric":"plays","reverse":true},"upstream":["a"]}]}"#
        files =
            [
                ("Streaming_History_Audio_1.json", ["import", "spotify-history"], history),
                ("StreamingHistory0.json", ["import", "spotify-history"], account),
                ("Playlist1.json", ["import", "playlist"], lists),
                ("m.m3u8", ["import", "playlist"], m3u),
                ("w.json", ["validate"], workflow),
            ].map { ($0.0, $0.1, Array($0.2.utf8)) } + [
                (
                    "my_spotify_data.zip", ["import", "spotify-history"],
                    Self.archive("Streaming_History_Audio_1.json", history)
                )
            ]
    }

    /// An archive of one stored member.
    private static func archive(_ name: String, _ text: String) -> [UInt8] {
        let (path, data) = (Array(name.utf8), Array(text.utf8))
        var crc: UInt32 = .max
        for byte in data {
            crc ^= UInt32(byte)
            for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
        }
        let common =
            little(20, 2) + little(0, 8) + little(Int(~crc), 4) + little(data.count, 4)
            + little(data.count, 4) + little(path.count, 2) + little(0, 2)
        let local = little(0x0403_4B50, 4) + common + path + data
        let central =
            little(0x0201_4B50, 4) + little(20, 2) + common + little(0, 14) + path
        return local + central + little(0x0605_4B50, 4) + little(0, 4) + little(1, 2) + little(1, 2)
            + little(central.count, 4) + little(local.count, 4) + little(0, 2)
    }

    // MARK: Inputs with what they are in front

    private static let committedInputs: [[UInt8]] = {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/corpus.txt"
        let lines = (FileManager.default.contents(atPath: file) ?? Data())
            .split(separator: UInt8(ascii: "\n"))
        return lines.compactMap { Data(base64Encoded: Data($0)) }.map { [UInt8]($0) }
    }()

    /// Those of the file, then one of each kind as it should be.
    var inputs: [[UInt8]] {
        var inputs = Self.committedInputs
        for choice in 0..<64 { inputs.append([0, UInt8(choice)] + segmentFile(choice).bytes) }
        for (life, events) in lives.enumerated() {
            for (place, event) in events.enumerated().prefix(256) {
                inputs.append([2, UInt8(life), UInt8(place)] + event.data)
                guard life == 0 else { continue }
                inputs.append([1] + event.line(seq: 7, at: TestLedger.now, run: TestLedger.run))
            }
        }
        for (place, file) in files.enumerated() { inputs.append([3, UInt8(place)] + file.bytes) }
        return inputs
    }

    /// Reads an input: kind, choices, bytes.
    func take(_ input: [UInt8]) throws {
        guard input.count > 3 else { return }
        let rest = Array(input[2...])
        switch input[0] % 4 {
        case 0: try segment(Int(input[1]), rest)
        case 1: try line(Array(input[1...]))
        case 2:
            var events = lives[Int(input[1]) % lives.count]
            events = Array(events.prefix(Int(input[2]) % events.count + 1))
            events[events.count - 1].data = Array(input[3...])
            try fold(events)
        default: try file(files[Int(input[1]) % files.count], rest)
        }
    }

    /// Mutations of what the guided fuzzer found.
    func committed(_ mutator: inout Mutator) throws {
        let inputs = Self.committedInputs
        guard let input = inputs.randomElement(using: &mutator.random) else { return }
        try take(Array(input.prefix(2)) + mutator.mutate(Array(input.dropFirst(2))))
    }

    // MARK: Kinds

    /// A ledger, one of its files, and whether sums are to agree, by the bits of a number.
    private func segmentFile(_ choice: Int) -> (
        files: [String: [UInt8]], path: String, bytes: [UInt8]
    ) {
        var files = ledgers[choice & 1]
        if choice & 2 != 0 { files["/ledger/HEAD"] = nil }
        let paths = files.keys.filter { !$0.hasSuffix("LOCK") }.sorted()
        let path = paths[(choice >> 3) % paths.count]
        return (files, path, files[path] ?? [])
    }

    /// Header parser, frame reader, recovery, writer, sealing.
    func segment(_ mutator: inout Mutator) throws {
        let choice = mutator.number(0...63)
        try segment(choice, mutator.mutate(segmentFile(choice).bytes))
    }

    private func segment(_ choice: Int, _ input: [UInt8]) throws {
        var (files, path, _) = segmentFile(choice)
        let before = files
        var bytes = input
        // Half of them with sums that agree, so that what stands behind them is reached too.
        if path.hasSuffix(".lz4"), choice & 4 != 0 { resum(&bytes) }
        files[path] = bytes
        guard files != before else { return }
        let disk = MemoryDisk(files)
        let ledger = try Ledger("/ledger", disk: disk)
        _ = try? read(ledger)
        let writer = try TestLedger(on: disk).writer()
        _ = try writer.refresh()
        let lines = try read(ledger).lines.filter { !$0.contains("ledger.tail_discarded") }
        try writer.append([event(1)])
        _ = try writer.seal(all: true)
        _ = try ledger.verify()
        let known = try read(Ledger("/ledger", disk: MemoryDisk(before))).lines
        if !known.starts(with: lines) {
            throw Unexpected(text: "\(path): other events than were written")
        }
    }

    private func resum(_ bytes: inout [UInt8]) {
        var at = 15
        while at + 96 <= bytes.count {
            let frame = Int(number(bytes, at + 32, 4))
            let end = min(bytes.count, at + 96 + frame)
            if frame > 0 {
                bytes.replaceSubrange(
                    at + 36..<at + 44,
                    with: SHA256.digest(Array(bytes[at + 96..<end])).bytes.prefix(8))
            }
            bytes.replaceSubrange(
                at + 88..<at + 96, with: SHA256.digest(Array(bytes[at..<at + 88])).bytes.prefix(8))
            at += 96 + frame
        }
    }

    private func pick(_ mutator: inout Mutator) -> [NewEvent] {
        lives[mutator.number(0...lives.count - 1)]
    }

    /// Lines, JSON, the catalogue.
    func line(_ mutator: inout Mutator) throws {
        let events = pick(&mutator)
        let event = events[mutator.number(0...events.count - 1)]
        try line(mutator.mutate(event.line(seq: 7, at: TestLedger.now, run: TestLedger.run)))
    }

    private func line(_ line: [UInt8]) throws {
        try line.withUnsafeBufferPointer { bytes in
            guard let read = EventLine(bytes) else { throw Unexpected.refusal }
            try JSONValidator.check(bytes)
            _ = try ReadableEvent(read, TitleKeys())
            let object: JSON = [
                "type": .text(read.typeName), "stream": .text(read.streamName),
                "data": .raw(Array(read.data.bytes)),
            ]
            _ = try object.bytes.withUnsafeBufferPointer { try Catalogue.newEvent(JSONValue($0)) }
        }
    }

    /// Folds and converters: a life with some payloads mutated, each valid JSON.
    func fold(_ mutator: inout Mutator) throws {
        var events = pick(&mutator)
        for _ in 0..<mutator.number(1...4) {
            let index = mutator.number(0...events.count - 1)
            events[index].data = mutator.mutateJSON(events[index].data)
        }
        try fold(events)
    }

    private func fold(_ events: [NewEvent]) throws {
        try database.inDatabase { db in
            guard let handle = db.sqliteConnection else { return }
            try db.inTransaction {
                let fold = try Fold(handle, fresh: false)
                let titleKeys = TitleKeys()
                for (index, event) in events.enumerated() {
                    let line = event.line(seq: Seq(index + 1), at: TestLedger.now, run: "r")
                    try line.withUnsafeBufferPointer { bytes in
                        guard let read = EventLine(bytes), (try? JSONValidator.check(bytes)) != nil
                        else { throw Unexpected.refusal }
                        try fold.apply(ReadableEvent(read, titleKeys))
                    }
                }
                try fold.finish(all: false)
                return .rollback
            }
        }
    }

    /// Importers and the workflow parser, through their commands.
    func file(_ mutator: inout Mutator) throws {
        let one = files[mutator.number(0...files.count - 1)]
        let isJSON = one.name.hasSuffix(".json") && mutator.number(0...1) == 0
        try file(one, isJSON ? mutator.mutateJSON(one.bytes) : mutator.mutate(one.bytes))
    }

    private func file(
        _ one: (name: String, command: [String], bytes: [UInt8]), _ bytes: [UInt8]
    ) throws {
        let home = folder.file("home")
        if used % 100 == 0 {
            try? FileManager.default.removeItem(atPath: home)
            _ = try narada(NaradaCmd.self, ["init", "--home", home])
        }
        used += 1
        let path = folder.file(one.name)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
        _ = try narada(NaradaCmd.self, one.command + [path, "--home", home, "--json"])
    }

    /// The negative control: believes a length, loops on a zero, traps on a large number.
    func careless(_ mutator: inout Mutator) throws {
        careless(mutator.mutate(Array(repeating: 1, count: 64)))
    }

    func careless(_ bytes: [UInt8]) {
        var at = 0
        while at < bytes.count {
            let length = Int(bytes[at])
            if length > 200 {
                let room = [UInt8](repeating: 1, count: length << 24)
                precondition(room[length] == 1)
            }
            at += length
            _ = bytes[min(at, bytes.count)]
        }
    }
}

extension Unexpected {
    /// What is refused as it should be.
    static var refusal: any Error { LedgerError(.damaged, "not a line", remedy: "none.") }
}
