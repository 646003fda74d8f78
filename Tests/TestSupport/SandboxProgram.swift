import Connectors
import Foundation

/// `narada-sandbox` on a port of its own, and the way to its controls.
public final class SandboxProgram: @unchecked Sendable {
    /// The base URLs that it printed.
    public let urls: [String: String]
    private let process = Process()
    private let pool = HTTPPool(agent: "Narada/tests")

    /// Starts it and waits until it serves.
    public init(_ arguments: [String] = []) throws {
        process.executableURL = URL(fileURLWithPath: Program.folder + "/narada-sandbox")
        process.arguments = ["--port", "0"] + arguments
        let output = Pipe()
        process.standardOutput = output
        process.standardError = FileHandle.nullDevice
        try process.run()
        var line = Data()
        while !line.contains(0x0A) {
            let more = output.fileHandleForReading.availableData
            guard !more.isEmpty else { throw CocoaError(.fileReadUnknown) }
            line += more
        }
        urls = try JSONDecoder().decode([String: String].self, from: line)
    }

    deinit {
        process.terminate()
        process.waitUntilExit()
    }

    /// What a program needs to take it for the services.
    public var environment: [String: String] {
        [
            "NARADA_SPOTIFY_API_URL": urls["spotify_api"] ?? "",
            "NARADA_SPOTIFY_ACCOUNTS_URL": urls["spotify_accounts"] ?? "",
            "NARADA_LASTFM_URL": urls["lastfm"] ?? "",
            "NARADA_LASTFM_AUTH_URL": urls["lastfm_auth"] ?? "",
            "NARADA_MUSICBRAINZ_URL": urls["musicbrainz"] ?? "",
            "NARADA_LISTENBRAINZ_URL": urls["listenbrainz"] ?? "", "LISTENBRAINZ_USER": "sandbox",
            "SPOTIFY_CLIENT_ID": "sandbox-client", "NARADA_PACE": "off",
            "LASTFM_API_KEY": "5a4d0b0c5a4d0b0c5a4d0b0c5a4d0b0c",
            "LASTFM_API_SECRET": "5ec2e75ec2e75ec2e75ec2e75ec2e75e",
        ]
    }

    /// Calls its controls, such as `PUT` on `faults`; gives the answer.
    @discardableResult
    public func control(_ method: String, _ path: String, _ body: Any? = nil) async throws -> Any {
        let data = try body.map {
            [UInt8](try JSONSerialization.data(withJSONObject: $0, options: .fragmentsAllowed))
        }
        let answer = try await pool.send(
            HTTPRequest(
                method, (urls["control"] ?? "") + "/" + path,
                headers: [("content-type", "application/json")], body: data))
        guard (200...299).contains(answer.status) else {
            throw CocoaError(
                .fileReadUnknown,
                userInfo: ["answer": String(decoding: answer.body, as: UTF8.self)])
        }
        guard !answer.body.isEmpty else { return [:] }
        return try JSONSerialization.jsonObject(
            with: Data(answer.body), options: .fragmentsAllowed)
    }

    /// Opens a page as a browser would, along its redirects.
    public func visit(_ url: String) async throws -> Int {
        try await pool.send(HTTPRequest("GET", url)).status
    }
}
