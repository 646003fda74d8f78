import Foundation
import FoundationNetworking
import Sandbox
import Testing

/// A JSON value that can be walked through without asking at every step.
struct Tree: CustomStringConvertible {
    let any: Any?
    init(_ any: Any?) { self.any = any }
    init(parsing data: Data) {
        any = try? JSONSerialization.jsonObject(with: data, options: .fragmentsAllowed)
    }

    subscript(key: String) -> Tree { Tree((any as? [String: Any])?[key]) }
    subscript(index: Int) -> Tree { rows.indices.contains(index) ? rows[index] : Tree(nil) }
    var rows: [Tree] { (any as? [Any] ?? []).map { Tree($0) } }
    var keys: Set<String> { Set((any as? [String: Any] ?? [:]).keys) }
    var string: String? { any as? String }
    var int: Int? { any as? Int }
    var isNull: Bool { any is NSNull }
    var description: String { "\(any ?? "nothing")" }
}

struct Answer {
    let status: Int
    let headers: [String: String]
    let data: Data
    var json: Tree { Tree(parsing: data) }
}

/// A client of one sandbox, logged in to both services.
final class Client: NSObject, URLSessionTaskDelegate, @unchecked Sendable {
    let sandbox: Sandbox
    let bases: Tree
    private(set) var token = ""
    private(set) var sessionKey = ""

    static let scopes =
        "playlist-read-private playlist-read-collaborative playlist-modify-public "
        + "playlist-modify-private user-library-read user-library-modify user-read-recently-played user-top-read"
    static let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

    init(mode: String = "dev2026", folder: String? = nil) async throws {
        sandbox = try Sandbox(mode: mode, folder: folder)
        try await sandbox.start()
        bases = Tree(parsing: Data(await sandbox.addresses.utf8))
        super.init()
        token = try await tokens(try await code()).json["access_token"].string ?? ""
    }

    func stop() async throws { try await sandbox.stop() }

    func urlSession(
        _ session: URLSession, task: URLSessionTask, willPerformHTTPRedirection: HTTPURLResponse,
        newRequest: URLRequest, completionHandler: @escaping @Sendable (URLRequest?) -> Void
    ) { completionHandler(nil) }

    /// One request on a connection of its own.
    func send(
        _ method: String, _ url: String, body: Any? = nil, form: [String: String]? = nil,
        headers: [String: String] = [:]
    ) async throws -> Answer {
        var request = URLRequest(url: try #require(URL(string: url)))
        request.httpMethod = method
        for (name, value) in headers { request.setValue(value, forHTTPHeaderField: name) }
        if let body {
            request.httpBody = try JSONSerialization.data(
                withJSONObject: body, options: .fragmentsAllowed)
            request.setValue("application/json", forHTTPHeaderField: "Content-Type")
        }
        if let form {
            request.httpBody = Data(Client.query(form).utf8)
            request.setValue(
                "application/x-www-form-urlencoded", forHTTPHeaderField: "Content-Type")
        }
        let session = URLSession(configuration: .ephemeral, delegate: self, delegateQueue: nil)
        defer { session.invalidateAndCancel() }
        let (data, response) = try await session.data(for: request)
        let http = try #require(response as? HTTPURLResponse)
        let pairs = http.allHeaderFields.map { ("\($0.key)".lowercased(), "\($0.value)") }
        return Answer(
            status: http.statusCode, headers: Dictionary(pairs) { $1 }, data: data)
    }

    static func query(_ fields: [String: String]) -> String {
        fields.map { name, value in
            "\(name)=" + (value.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? "")
        }.joined(separator: "&")
    }

    // MARK: Spotify

    func authorize(_ changes: [String: String] = [:]) async throws -> Answer {
        let usual = [
            "client_id": "test", "response_type": "code",
            "redirect_uri": "http://127.0.0.1:9/callback",
            "scope": Client.scopes, "state": "a b&c", "code_challenge_method": "S256",
            "code_challenge": "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        ]
        let url = (bases["spotify_accounts"].string ?? "") + "/authorize?"
        return try await send("GET", url + Client.query(usual.merging(changes) { $1 }))
    }

    func code() async throws -> String {
        let location = try await authorize().headers["location"] ?? ""
        let items = URLComponents(string: location)?.queryItems ?? []
        return items.first { $0.name == "code" }?.value ?? ""
    }

    func tokens(_ code: String, _ changes: [String: String] = [:]) async throws -> Answer {
        let usual = [
            "client_id": "test", "grant_type": "authorization_code", "code": code,
            "redirect_uri": "http://127.0.0.1:9/callback", "code_verifier": Client.verifier,
        ]
        let url = (bases["spotify_accounts"].string ?? "") + "/api/token"
        return try await send("POST", url, form: usual.merging(changes) { $1 })
    }

    func spotify(_ method: String, _ path: String, _ body: Any? = nil) async throws -> Answer {
        try await send(
            method, (bases["spotify_api"].string ?? "") + path, body: body,
            headers: ["Authorization": "Bearer " + token])
    }

    // MARK: Last.fm

    /// Calls a method; signed and with the session if it has a body to send.
    func lastfm(_ method: String, _ name: String, _ fields: [String: String] = [:]) async throws
        -> Answer
    {
        let base = bases["lastfm"].string ?? ""
        var fields = fields.merging(["method": name, "api_key": LastfmApplication.key]) { $1 }
        if method == "GET" {
            return try await send(
                "GET",
                base + "?" + Client.query(fields.merging(["format": "json"]) { old, _ in old }))
        }
        if !name.hasPrefix("auth."), fields["sk"] == nil { fields["sk"] = sessionKey }
        fields["api_sig"] = fields["api_sig"] ?? signature(fields, secret: LastfmApplication.secret)
        fields["format"] = "json"
        return try await send("POST", base, form: fields)
    }

    func logInToLastfm() async throws {
        let token = try await lastfm("POST", "auth.getToken").json["token"].string ?? ""
        let page = Client.query(["api_key": LastfmApplication.key, "token": token])
        _ = try await send("GET", (bases["lastfm_auth"].string ?? "") + "?" + page)
        let session = try await lastfm("POST", "auth.getSession", ["token": token]).json["session"]
        sessionKey = session["key"].string ?? ""
    }

    // MARK: Control

    @discardableResult
    func control(_ method: String, _ path: String, _ body: Any? = nil) async throws -> Answer {
        try await send(method, (bases["control"].string ?? "") + path, body: body)
    }

    func set(_ settings: [String: Any]) async throws {
        #expect(try await control("PUT", "/settings", settings).status == 200)
    }

    /// A playlist of this user's own with these tracks.
    func makePlaylist(_ uris: [String], id: String = "0123456789abcdefghijkl") async throws
        -> String
    {
        #expect(
            try await control("PUT", "/spotify/playlists/\(id)", ["name": "Test", "items": uris])
                .status == 200)
        return id
    }

    func uris(_ id: String) async throws -> [String?] {
        try await control("GET", "/spotify/playlists/\(id)").json["items"].rows.map {
            $0["uri"].string
        }
    }
}

/// A well-formed track URI for a number.
func uri(_ number: Int) -> String {
    let digits = String(number)
    return "spotify:track:" + String(repeating: "0", count: 22 - digits.count) + digits
}
