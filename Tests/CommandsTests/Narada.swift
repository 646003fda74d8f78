import Foundation
import TestSupport
import Testing

/// A home of a test's own, and the programs on it under a fixed clock.
final class TestHome {
    let folder: TemporaryFolder
    var path: String { folder.file("home") }
    /// What the clock of the next program shows.
    var now = "2026-11-22T10:00:00Z"
    private var programs = Program.folder
    private var launcher: [String] = []

    init() throws { folder = try TemporaryFolder() }

    func run(_ program: String, _ arguments: [String], input: String? = nil) throws
        -> Program.Result
    {
        try Program(program, in: programs, through: launcher).run(
            arguments, environment: ["NARADA_HOME": path, "NARADA_NOW": now], input: input)
    }

    /// Goes on as somebody whom the modes of files bind: root gives the home to `nobody` and runs copies
    /// of the programs as that user, for the build may lie where nobody else may look.
    func dropRights() throws {
        guard geteuid() == 0 else { return }
        let files = FileManager.default
        let nobody = 65_534
        launcher = [
            "/usr/bin/setpriv", "--reuid=\(nobody)", "--regid=\(nobody)", "--clear-groups",
        ]
        for name in ["narada", "narada-cmd"] {
            try files.copyItem(atPath: programs + "/" + name, toPath: folder.file(name))
        }
        programs = folder.path
        for name in [""] + (try files.subpathsOfDirectory(atPath: path)).map({ "/" + $0 }) {
            try files.setAttributes(
                [.ownerAccountID: nobody, .groupOwnerAccountID: nobody], ofItemAtPath: path + name)
        }
    }

    /// Runs the write side, which must succeed; gives what it printed with `--json`.
    @discardableResult
    func cmd(_ arguments: String..., input: String? = nil, at line: Int = #line) throws -> [String:
        Any]
    {
        let result = try run("narada-cmd", arguments + ["--json"], input: input)
        try #require(
            result.status == 0,
            "line \(line): \(arguments) ended with \(result.status): \(result.error)")
        return try #require(
            try JSONSerialization.jsonObject(with: Data(result.output)) as? [String: Any])
    }

    /// Runs the read side, which must succeed; gives what it printed with `--json`.
    func read(_ arguments: String..., at line: Int = #line) throws -> Any {
        let result = try run("narada", arguments + ["--json"])
        try #require(
            result.status == 0,
            "line \(line): \(arguments) ended with \(result.status): \(result.error)")
        return try JSONSerialization.jsonObject(with: Data(result.output))
    }

    func list(_ arguments: String..., at line: Int = #line) throws -> [[String: Any]] {
        let result = try run("narada", arguments + ["--json"])
        try #require(
            result.status == 0,
            "line \(line): \(arguments) ended with \(result.status): \(result.error)")
        return try #require(
            try JSONSerialization.jsonObject(with: Data(result.output)) as? [[String: Any]])
    }

    /// What stands in a playlist, row by row; nil for a row that is not available.
    func uris(_ playlist: String, asOf: String? = nil, at line: Int = #line) throws -> [String?] {
        let result = try run(
            "narada", ["playlist", playlist, "--json"] + (asOf.map { ["--as-of", $0] } ?? []))
        try #require(result.status == 0, "line \(line): \(result.error)")
        let view = try #require(
            try JSONSerialization.jsonObject(with: Data(result.output)) as? [String: Any])
        return try #require(view["items"] as? [[String: Any]]).map { $0["uri"] as? String }
    }

    /// Appends events, a line each.
    @discardableResult
    func append(_ lines: [String], at line: Int = #line) throws -> [String: Any] {
        try cmd("append", "--file", "-", input: lines.joined(separator: "\n"), at: line)
    }

    /// The seq of the last event.
    func seq() throws -> Int {
        let head = try run("narada", ["log", "head"])
        return Int(head.text.prefix { $0 != ":" }) ?? -1
    }

    /// Writes a file beside the home.
    @discardableResult
    func file(_ name: String, _ text: String) throws -> String {
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder.file(name)))
        return folder.file(name)
    }
}

/// An error as `--json` prints it.
struct Refusal: Equatable {
    var status: Int32
    var code = ""
    var message = ""
    var hint = ""

    init(_ result: Program.Result) throws {
        status = result.status
        #expect(result.output.isEmpty, "an error leaves stdout alone")
        let last = result.error.split(separator: "\n").last.map(String.init) ?? ""
        let body = try #require(
            try JSONSerialization.jsonObject(with: Data(last.utf8)) as? [String: [String: Any]],
            "\(result.error)")
        let error = try #require(body["error"])
        code = error["code"] as? String ?? ""
        message = error["message"] as? String ?? ""
        hint = error["hint"] as? String ?? ""
        #expect(error["exit"] as? Int == Int(status))
        #expect(!code.isEmpty && !message.isEmpty && !hint.isEmpty)
    }
}

/// Tracks that tests put into playlists.
enum Tracks {
    static let a = "spotify:track:2B8geqnq9YIym0ixYn83Pd"
    static let b = "spotify:track:3aJ2aJz5xL03hpaqdPS7Ah"
    static let c = "spotify:track:5jzKL4BDMClWqRguW5qZvh"
    static let d = "text:track:Ghost/Melody"
}

func canonical(_ json: Any) throws -> String {
    String(
        decoding: try JSONSerialization.data(
            withJSONObject: json, options: [.sortedKeys, .fragmentsAllowed]), as: UTF8.self)
}
