import Events
import Foundation
import JSONText
import Ledger
import TestSupport
import Testing

/// Ledgers with every event that was ever written; `NARADA_UPDATE_GOLDENS=1` adds one with what none has yet and
/// touches no other.
@Suite("Golden ledgers of every event")
struct GoldenCatalogueTests {
    private static let folder =
        URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/Goldens"

    private static func ledgers() throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder)
            .filter { $0.hasPrefix("ledger-") }.sorted()
    }

    /// The events of a ledger, as they were given to the writer.
    private static func events(in name: String) throws -> [NewEvent] {
        var events: [NewEvent] = []
        _ = try Ledger(folder + "/" + name).verify { line in
            guard let stream = StreamName(line.streamName) else { return }
            events.append(
                NewEvent(
                    type: line.typeName, version: line.version, stream: stream, cause: line.cause,
                    data: Array(line.data.bytes)))
        }
        return events
    }

    /// Writes events one by one; the first half is sealed.
    private static func write(_ events: [NewEvent], _ path: String) throws {
        _ = try Ledger.create(path, id: "0b0e9c9e-0000-4000-8000-6e6172616462")
        let moment = try #require(ISOTime.parse("2026-11-22T10:00:00.123Z"))
        let writer = try LedgerWriter(
            Ledger(path), run: "01JD9V5T8Q0000000000000000", clock: Clock(fixedAt: moment))
        for (index, event) in events.enumerated() {
            if index == events.count / 2 { _ = try writer.seal(all: true) }
            try writer.append([event])
        }
        try writer.close()
        try? FileManager.default.removeItem(atPath: path + "/LOCK")
    }

    @Test("Every type stands in one, in each of its versions, and is read")
    func complete() throws {
        var written: Set<String> = []
        for name in try Self.ledgers() {
            written.formUnion(try Self.events(in: name).map { "\($0.type) \($0.version)" })
        }
        let missing = Catalogue.types.filter {
            !written.contains("\($0.kind.rawValue) \($0.version)")
        }
        if ProcessInfo.processInfo.environment["NARADA_UPDATE_GOLDENS"] == "1", !missing.isEmpty {
            let examples = try missing.map { type in
                NewEvent(
                    type: type.kind.rawValue, version: type.version,
                    stream: try #require(StreamName(type.example.stream)),
                    data: Array(type.example.data.utf8))
            }
            try Self.write(examples, Self.folder + "/ledger-\(try Self.ledgers().count + 1)")
        } else {
            #expect(
                missing.map(\.kind.rawValue) == [],
                "NARADA_UPDATE_GOLDENS=1 adds a ledger with them")
        }
        for type in Catalogue.types where type.version > 1 {
            for version in 1..<type.version {
                #expect(written.contains("\(type.kind.rawValue) \(version)"))
            }
        }
    }

    @Test("Each verifies against its HEAD, and every event is still understood")
    func understood() throws {
        for name in try Self.ledgers() {
            let ledger = try Ledger(Self.folder + "/" + name)
            let head = try #require(try ledger.head())
            var faults: [String] = []
            let end = try ledger.verify(witnesses: [head]) { line in
                do { try Catalogue.read(line) { _, _ in } } catch { faults.append("\(error)") }
            }.end

            #expect(end == head.checkpoint && faults == [], "\(name)")
        }
    }

    @Test("The writer still writes these bytes, live and sealed")
    func sameBytes() throws {
        let folder = try TemporaryFolder()
        for name in try Self.ledgers() where name != "ledger-v1" {
            try Self.write(Self.events(in: name), folder.file(name))

            let golden = Self.folder + "/" + name
            let files = try FileManager.default.contentsOfDirectory(atPath: golden)
            #expect(files.count > 3)
            for file in files {
                #expect(
                    FileManager.default.contents(atPath: folder.file(name) + "/" + file)
                        == FileManager.default.contents(atPath: golden + "/" + file), "\(file)")
            }
        }
    }
}
