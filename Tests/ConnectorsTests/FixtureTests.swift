import Connectors
import Foundation
import JSONText
import Ledger
import Music
import Projections
import Testing

/// The synthetic exports beside the repository, where they are at hand.
private let fixtures =
    URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent()
    .deletingLastPathComponent().appendingPathComponent("shared/fixtures/spotify-export").path
private let haveFixtures = FileManager.default.fileExists(atPath: fixtures)

@Suite(
    "The exports beside the repository",
    .enabled(if: haveFixtures, "../shared/fixtures is not here"))
struct FixtureTests {
    /// What `expected.json` counts.
    private struct Counts: Equatable {
        var rows = 0
        var distinct: Set<RowIdentity> = []
        var withURI = 0
        var uris: Set<String> = []
        var incognito = 0
        var times: [String] = []
        var atLeast30s = 0

        mutating func add(_ row: JSONValue) {
            rows += 1
            guard distinct.insert(RowIdentity(row)).inserted else { return }
            let history = HistoryRow(row)
            if let uri = history.uri?.text {
                withURI += 1
                uris.insert(uri)
                if history.play.playedMS >= 30_000 { atLeast30s += 1 }
            }
            if history.play.isIncognito { incognito += 1 }
            times.append(row["ts"]?.text ?? "")
        }
    }

    @Test(
        "Rows, duplicates, tracks and times are what is expected",
        arguments: [
            (
                "extended_layout",
                [
                    "Streaming_History_Audio_2021-2023_0.json",
                    "Streaming_History_Audio_2023-2026_1.json",
                ]
            ),
            ("endsong_layout", ["endsong_0.json"]),
        ])
    func expected(layout: String, names: [String]) throws {
        let data = try #require(
            FileManager.default.contents(atPath: "\(fixtures)/\(layout)/expected.json"))
        let expected = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
        var counts = Counts()

        let files = try ExportFiles(["\(fixtures)/\(layout)"]).files.filter {
            names.contains($0.name)
        }
        for file in files {
            let rows = try HistoryRows(file)
            while let row = try rows.next() { counts.add(row) }
        }

        #expect(files.map(\.name) == names)
        #expect(counts.rows == expected["rows_total"] as? Int)
        #expect(counts.distinct.count == expected["rows_after_removing_exact_duplicates"] as? Int)
        #expect(counts.withURI == expected["rows_with_track_uri"] as? Int)
        #expect(counts.distinct.count - counts.withURI == expected["rows_without_track"] as? Int)
        #expect(counts.uris.count == expected["distinct_track_uris"] as? Int)
        #expect(counts.incognito == expected["incognito_rows"] as? Int)
        #expect(counts.atLeast30s == expected["ms_played_at_least_30000"] as? Int)
        #expect(counts.times.min() == expected["first_ts"] as? String)
        #expect(counts.times.max() == expected["last_ts"] as? String)
    }

    @Test("Real rows are read whole")
    func realSamples() throws {
        let files = try ExportFiles(["\(fixtures)/real_samples"]).files
        #expect(files.count == 2)
        for file in files { #expect(!(try Sample.rows(of: file)).isEmpty) }
    }

    @Test(
        "Account data is told apart from a history",
        arguments: ["account_data_layout", "account_data_old_layout"])
    func account(layout: String) {
        let error = #expect(throws: ExportError.self) { try ExportFiles(["\(fixtures)/\(layout)"]) }
        #expect(error?.code == .missing)
    }
}
