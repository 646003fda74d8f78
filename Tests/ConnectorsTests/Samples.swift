import Connectors
import Foundation
import JSONText
import TestSupport
import Testing

/// Files of a streaming history as tests need them.
enum Sample {
    /// A row of the extended history; more members may follow.
    static func row(_ number: Int, ms: Int = 200_000, more: String = "") -> String {
        let second = number % 60 < 10 ? "0\(number % 60)" : "\(number % 60)"
        return
            #"{"ts":"2025-04-28T21:16:\#(second)Z","ms_played":\#(ms),"master_metadata_track_name":"Track \#(number)","spotify_track_uri":"spotify:track:2B8geqnq9YIym0ixYn83Pd"\#(more)}"#
    }

    static func list(_ rows: [String]) -> String { "[" + rows.joined(separator: ",") + "]" }

    /// The rows of one file, each as it came.
    static func rows(in path: String) throws -> [String] {
        try rows(of: try #require(try ExportFiles([path]).files.first))
    }

    static func rows(of file: HistoryFile) throws -> [String] {
        let rows = try HistoryRows(file)
        var texts: [String] = []
        while let row = try rows.next() { texts.append(String(decoding: row.bytes, as: UTF8.self)) }
        #expect(rows.count == texts.count)
        return texts
    }

    /// Writes bytes as a history file and reads its rows.
    static func read(_ bytes: some Sequence<UInt8>, as name: String = "endsong_0.json") throws
        -> [String]
    {
        let folder = try TemporaryFolder()
        try Data(bytes).write(to: URL(fileURLWithPath: folder.file(name)))
        return try withExtendedLifetime(folder) { try rows(in: folder.file(name)) }
    }

    static func read(_ text: String) throws -> [String] { try read(text.utf8) }

    /// The message of the refusal, which must be of bad input; nil if the text was taken.
    static func refusal(_ bytes: some Sequence<UInt8>) throws -> String? {
        do {
            _ = try read(bytes)
            return nil
        } catch let error as ExportError {
            #expect(error.code == .malformed)
            return error.message
        }
    }

    static func refusal(_ text: String) throws -> String? { try refusal(text.utf8) }

    /// Makes an archive with Python's zipfile, which can also make what ours never would.
    static func zip(_ path: String, _ members: [(name: String, data: [UInt8])]) throws {
        let folder = try TemporaryFolder()
        var arguments = ["python3", "-c", script, path]
        for (index, member) in members.enumerated() {
            try Data(member.data).write(to: URL(fileURLWithPath: folder.file("\(index)")))
            arguments += [member.name, folder.file("\(index)")]
        }
        try withExtendedLifetime(folder) { try python(arguments) }
    }

    static func python(_ arguments: [String]) throws {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = arguments
        try process.run()
        process.waitUntilExit()
        try #require(process.terminationStatus == 0)
    }

    private static let script = """
        import sys, zipfile, warnings
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(sys.argv[1], "w", zipfile.ZIP_DEFLATED) as archive:
            for name, path in zip(sys.argv[2::2], sys.argv[3::2]):
                info = zipfile.ZipInfo(name, (2026, 11, 22, 10, 0, 0))
                info.compress_type = zipfile.ZIP_DEFLATED
                archive.writestr(info, open(path, "rb").read())
        """
}
