import Events
import Foundation
import JSONText
import Ledger
import Music
import Testing
import Workflows

/// A world of one playlist, which remembers what was asked of it.
final class FakeWorld: WorkflowWorld {
    struct Refused: Error {}

    var lists: [String: [TrackRow]] = [:]
    var counts: [Metric: [String: Int64]] = [:]
    /// What Last.fm would count, once it is asked.
    var atLastfm: [String: Int64] = [:]
    var failingPush = false
    /// Called whenever something is measured.
    var whenMeasured: () -> Void = {}
    private(set) var calls: [String] = []
    private(set) var events: [NewEvent] = []
    var readSeq: Seq = 10

    func refresh() -> Seq { readSeq }

    func playlist(_ reference: String, asOf: String?) throws -> (
        name: String, seq: Seq, rows: [TrackRow]
    ) {
        guard let rows = lists[reference] else { throw Refused() }
        return (reference, asOf.flatMap { Seq($0) } ?? readSeq, rows)
    }

    func fetchLastfmCounts(for rows: [TrackRow], maxAge: String) async throws {
        calls.append("counts of \(rows.count), \(maxAge)")
        counts[.lastfmUserPlays] = atLastfm
        readSeq += 1
    }

    func values(of metric: Metric, for rows: [TrackRow]) throws -> [MetricValue?] {
        defer { whenMeasured() }
        return rows.map { row in
            row.uri.flatMap { counts[metric]?[$0] }.map { .integer($0) }
        }
    }

    func createPlaylist(name: String, description: String?, rows: [TrackRow]) throws -> String {
        calls.append("create \(name): \(rows.map { $0.uri ?? "-" }.joined(separator: " "))")
        lists[name] = rows
        readSeq += 1
        return "narada:playlist:\(calls.count)"
    }

    func setRows(of playlist: String, to rows: [TrackRow]) throws -> String {
        calls.append("set \(playlist): \(rows.map { $0.uri ?? "-" }.joined(separator: " "))")
        return "narada:playlist:of-\(playlist)"
    }

    func push(_ playlist: String, to service: String) async throws {
        if failingPush { throw Refused() }
        calls.append("push \(playlist) to \(service)")
    }

    func append(_ events: [NewEvent]) throws {
        self.events += events
        readSeq += Seq(events.count)
    }

    func words(for error: any Error) -> String { "in words: \(type(of: error))" }

    /// The data of the events of a kind, each of which must be what the catalogue says.
    func data(_ kind: EventKind) throws -> [[String: Any]] {
        try events.filter { $0.type == kind.rawValue }.map { event in
            try event.data.withUnsafeBufferPointer { bytes in
                try Catalogue.type(kind).validate(stream: event.stream, JSONValue(bytes))
            }
            return try #require(
                try JSONSerialization.jsonObject(with: Data(event.data)) as? [String: Any])
        }
    }
}

/// The documents that come with Narada.
enum Shipped: String, CaseIterable {
    case sortByPlays = "sort_by_plays"
    case sortInPlace = "sort_in_place"
    case mostPlayed = "most_played"

    static let docs = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appendingPathComponent("docs").path

    var bytes: [UInt8] {
        Array(
            FileManager.default.contents(atPath: "\(Self.docs)/workflows/\(rawValue).json")
                ?? Data())
    }
}

/// Runs a document; the clock shows 2026-11-22 10:00.
func run(
    _ document: [UInt8], _ parameters: [String: String] = [:], in world: FakeWorld,
    isDry: Bool = false
) async throws -> WorkflowOutcome {
    let stream = try #require(StreamName("workflow:01JD9V5T8Q6Z3M1K7R2W4X0YBQ"))
    return try await WorkflowRun.run(
        try Workflow(document).plan(parameters), in: world, on: stream, seed: 7,
        startedAtMS: ISOTime.parse("2026-11-22T10:00:00Z") ?? 0, isDry: isDry)
}

/// A document of these tasks, with a parameter `p` and one `q` that has a default.
func document(_ tasks: String) -> [UInt8] {
    Array(
        #"{"id":"w","name":"W","parameters":{"p":{"meaning":"a list"},"q":{"meaning":"b","default":"3"}},"tasks":[\#(tasks)]}"#
            .utf8)
}

func text(_ value: Any?) -> String { value.map { "\($0)" } ?? "" }
