import Foundation
import TestSupport
import Testing

/// A home that talks to a sandbox of its own.
final class ServiceHome {
    let folder: TemporaryFolder
    let sandbox: SandboxProgram
    /// Everything that the programs printed, for whoever looks for secrets.
    private(set) var printed = ""
    var path: String { folder.file("home") }
    var environment: [String: String]

    init(_ sandboxArguments: [String] = [], loggedIn: Bool = true) async throws {
        folder = try TemporaryFolder()
        sandbox = try SandboxProgram(sandboxArguments)
        environment = sandbox.environment
        environment["NARADA_HOME"] = folder.file("home")
        if loggedIn {
            try await login("spotify")
            try await login("lastfm")
        }
    }

    /// Logs in as a person with a browser would.
    func login(_ service: String, expecting status: Int32 = 0) async throws {
        let (process, output, finish) = try Program("narada-cmd").watched(
            ["login", service, "--no-browser", "--timeout", "30", "--verbose"],
            environment: environment)
        // The first line is the address that the person is to open.
        while !output().contains("\n"), process.isRunning {
            try await Task.sleep(for: .milliseconds(5))
        }
        let url = try #require(output().split(separator: "\n").first)
        _ = try await sandbox.visit(String(url))
        let result = finish()
        printed += output().split(separator: "\n").dropFirst().joined(separator: "\n")
        printed += result.error
        try #require(result.status == status, "\(result.error)")
    }

    func run(
        _ program: String, _ arguments: [String], input: String? = nil
    ) throws -> Program.Result {
        let result = try Program(program).run(
            arguments, environment: environment, input: input)
        printed += result.text + result.error
        return result
    }

    /// Runs the write side, which must succeed; gives what it printed with `--json`.
    @discardableResult
    func cmd(_ arguments: String..., at line: Int = #line) throws -> [String: Any] {
        let result = try run("narada-cmd", arguments + ["--json", "--verbose"])
        try #require(
            result.status == 0,
            "line \(line): \(arguments) ended with \(result.status): \(result.error)")
        return try #require(
            try JSONSerialization.jsonObject(with: Data(result.output)) as? [String: Any])
    }

    /// Runs the write side, which must refuse with a status.
    @discardableResult
    func refused(_ arguments: String..., status: Int32, at line: Int = #line) throws -> Refusal {
        let refusal = try Refusal(try run("narada-cmd", arguments + ["--json"]))
        try #require(refusal.status == status, "line \(line): \(refusal)")
        return refusal
    }

    func read(_ arguments: String..., at line: Int = #line) throws -> Any {
        let result = try run("narada", arguments + ["--json"])
        try #require(
            result.status == 0,
            "line \(line): \(arguments) ended with \(result.status): \(result.error)")
        return try JSONSerialization.jsonObject(with: Data(result.output))
    }

    /// A playlist's name and rows.
    func playlist(_ reference: String, asOf: String? = nil) throws -> (
        name: String, rows: [String?]
    ) {
        let result = try run(
            "narada", ["playlist", reference, "--json"] + (asOf.map { ["--as-of", $0] } ?? []))
        try #require(result.status == 0, "\(result.error)")
        let view = try #require(
            try JSONSerialization.jsonObject(with: Data(result.output)) as? [String: Any])
        return (
            view["name"] as? String ?? "",
            try #require(view["items"] as? [[String: Any]]).map { $0["uri"] as? String }
        )
    }

    /// The seq of the last event.
    func seq() throws -> Int {
        Int(try run("narada", ["log", "head"]).text.prefix { $0 != ":" }) ?? -1
    }

    /// The events of a type, their data.
    func events(_ type: String) throws -> [[String: Any]] {
        try run("narada", ["log", "cat", "--type", type]).text.split(separator: "\n").map { line in
            let event = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            return try #require(event?["data"] as? [String: Any])
        }
    }

    // MARK: The sandbox's side

    func faults(_ specs: String...) async throws {
        try await sandbox.control("PUT", "faults", specs)
    }

    func settings(_ values: [String: Any]) async throws {
        try await sandbox.control("PUT", "settings", values)
    }

    /// What the sandbox was asked: method and path, and the fault that it answered with.
    func journal() async throws -> [[String: Any]] {
        try #require(try await sandbox.control("GET", "journal") as? [[String: Any]])
    }

    func forgetJournal() async throws { try await sandbox.control("DELETE", "journal") }

    /// A playlist as its person would change it in another program.
    func remote(_ id: String, _ change: [String: Any]) async throws {
        try await sandbox.control("PUT", "spotify/playlists/\(id)", change)
    }

    /// The sandbox's own record of a playlist.
    func remote(_ id: String) async throws -> (name: String, rows: [String?], addedAt: [String?]) {
        let record = try #require(
            try await sandbox.control("GET", "spotify/playlists/\(id)") as? [String: Any])
        let items = try #require(record["items"] as? [[String: Any]])
        return (
            record["name"] as? String ?? "", items.map { $0["uri"] as? String },
            items.map { $0["added_at"] as? String }
        )
    }
}
