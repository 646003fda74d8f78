private import JSONText
private import Synchronization

/// Spotify's Web API, thin: its paths and bodies, what its answers mean, and its two worlds of paths.
///
/// What comes back is JSON as Spotify wrote it, checked and within bounds.
/// Source of the rules: https://developer.spotify.com/documentation/web-api
public final class SpotifyClient: Sendable {
    /// How Spotify wants to be called and what its answers mean.
    public static let manner = ServiceManner(
        spacing: (reads: .milliseconds(250), writes: .milliseconds(250)),
        blindWaits: [30, 60, 120], blindLimits: [240], group: group, judge: judge)

    /// Which paths this client id has. The new ones came in February 2026; a proxy or a stand-in may know
    /// only the old ones.
    private enum World { case unknown, new, old }

    public let service: Service
    private let root: String
    private let world = Mutex(World.unknown)

    /// Takes the service, whose manner is ``manner``.
    public init(_ service: Service) {
        self.service = service
        root = service.base.hasSuffix("/") ? String(service.base.dropLast()) : service.base
    }

    // MARK: Reading

    /// Reads what a path such as `/me` or `/playlists/ID/items` shows.
    public func get(_ path: String, _ query: [(String, String)] = []) async throws -> [UInt8] {
        let query = query.isEmpty ? "" : "?" + formEncoded(query)
        guard path.hasSuffix("/items") else { return try await json("GET", path + query) }
        return try await either(
            { try await self.json("GET", path + query) },
            { try await self.json("GET", path.dropLast(5) + "tracks" + query) })
    }

    /// The pages of a list, each as it came, along its `next` links.
    public func pages(_ path: String, _ query: [(String, String)] = []) -> SpotifyPages {
        SpotifyPages(self, path, query)
    }

    /// Reads a page that a link names; only one of this service's own.
    fileprivate func page(at url: String) async throws -> [UInt8] {
        guard url.hasPrefix(root + "/") else {
            throw service.error(
                .malformed, "Spotify's list goes on at another address than \(root)",
                remedy: "check the base URL.")
        }
        return try await service.json(HTTPRequest("GET", url))
    }

    // MARK: Writing

    /// Makes a private playlist; gives it as Spotify describes it.
    ///
    /// - Throws: ``ServiceError/Code/uncertain`` if it may be there: look among the person's playlists first.
    public func createPlaylist(name: String, description: String?) async throws -> [UInt8] {
        let body = JSON.known([
            "name": .text(name), "public": false, "description": description.map { .text($0) },
        ])
        return try await either(
            { try await self.json("POST", "/me/playlists", body, .afterVerifying) },
            {
                let user = try await self.get("/me").read { $0["id"]?.text ?? "" }
                return try await self.json(
                    "POST", "/users/\(percentEncoded(user))/playlists", body, .afterVerifying)
            })
    }

    /// Puts at most 100 items in front of a row, counted from 0, or at the end; gives the new snapshot.
    ///
    /// - Throws: ``ServiceError/Code/uncertain`` if they may be there: read the list first.
    public func add(_ uris: [String], at index: Int?, to id: String) async throws -> String? {
        let body = JSON.known([
            "uris": .array(uris.map { .text($0) }), "position": index.map { JSON($0) },
        ])
        return try await items("POST", id, body, .afterVerifying)
    }

    /// Takes all rows of at most 100 URIs out of a version of the list; gives the new snapshot.
    public func remove(
        _ uris: [String], from id: String, snapshot: String?
    ) async throws -> String? {
        let rows = JSON.array(uris.map { ["uri": .text($0)] })
        let version: JSON? = snapshot.map { .text($0) }
        return try await items(
            "DELETE", id, .known(["items": rows, "snapshot_id": version]), .safely,
            old: .known(["tracks": rows, "snapshot_id": version]))
    }

    /// Moves rows in front of another one, all counted from 0 in a version of the list; gives the new snapshot.
    ///
    /// Spotify applies a move to the version it names and merges it with what came since. Whether the same
    /// move twice is then one or two is not written anywhere, so it is not repeated blindly.
    /// - Throws: ``ServiceError/Code/uncertain`` if it may be done: read the list first.
    public func reorder(
        from start: Int, count: Int, before index: Int, in id: String, snapshot: String?
    ) async throws -> String? {
        let body = JSON.known([
            "range_start": JSON(start), "range_length": JSON(count), "insert_before": JSON(index),
            "snapshot_id": snapshot.map { .text($0) },
        ])
        return try await items("PUT", id, body, .afterVerifying)
    }

    /// Makes at most 100 items the whole list; gives the new snapshot.
    public func replace(_ uris: [String], in id: String) async throws -> String? {
        try await items("PUT", id, ["uris": .array(uris.map { .text($0) })], .safely)
    }

    /// Gives a playlist another name or description; nil leaves one as it is.
    public func change(name: String?, description: String?, of id: String) async throws {
        let body = JSON.known([
            "name": name.map { .text($0) }, "description": description.map { .text($0) },
        ])
        _ = try await service.send(request("PUT", "/playlists/\(percentEncoded(id))", body))
    }

    /// Saves at most 40 items in the person's library, or takes them out; twice is as once.
    public func library(saving: Bool, _ uris: [String]) async throws {
        let method = saving ? "PUT" : "DELETE"
        let ids = uris.map { JSON.text($0.split(separator: ":").last.map(String.init) ?? $0) }
        // The old paths have one each for every kind; the project saves tracks alone.
        try await either(
            {
                let query = formEncoded([("uris", uris.joined(separator: ","))])
                _ = try await self.service.send(self.request(method, "/me/library?" + query))
            },
            {
                _ = try await self.service.send(
                    self.request(method, "/me/tracks", ["ids": .array(ids)]))
            })
    }

    private func items(
        _ method: String, _ id: String, _ body: JSON, _ repeats: HTTPRequest.Repeat,
        old: JSON? = nil
    ) async throws -> String? {
        let path = "/playlists/\(percentEncoded(id))/"
        let answer = try await either(
            { try await self.json(method, path + "items", body, repeats) },
            { try await self.json(method, path + "tracks", old ?? body, repeats) })
        return answer.read { $0["snapshot_id"]?.text }
    }

    // MARK: Calling

    private func request(
        _ method: String, _ path: String, _ body: JSON? = nil,
        _ repeats: HTTPRequest.Repeat = .safely
    ) -> HTTPRequest {
        HTTPRequest(
            method, root + path,
            headers: body == nil ? [] : [("content-type", "application/json")], body: body?.bytes,
            repeats: repeats)
    }

    private func json(
        _ method: String, _ path: String, _ body: JSON? = nil,
        _ repeats: HTTPRequest.Repeat = .safely
    ) async throws -> [UInt8] {
        try await service.json(request(method, path, body, repeats))
    }

    /// Calls a new path, or the old one where there are only those.
    ///
    /// A 404 of a new path may mean that there is no such path or no such thing. As long as neither world is
    /// known, the old path decides: only if it answers is this the old world.
    private func either<R>(
        _ new: () async throws -> R, _ old: () async throws -> R
    ) async throws -> R {
        if world.withLock({ $0 }) == .old { return try await old() }
        do {
            let answer = try await new()
            world.withLock { $0 = .new }
            return answer
        } catch let missing as ServiceError where [404, 405].contains(missing.status) {
            guard world.withLock({ $0 }) == .unknown else { throw missing }
            do {
                let answer = try await old()
                world.withLock { $0 = .old }
                return answer
            } catch let error as ServiceError where [403, 404, 405].contains(error.status) {
                throw missing
            }
        }
    }

    // MARK: What answers mean

    private static func group(_ request: HTTPRequest) -> String? {
        let path = request.url.prefix { $0 != "?" }.split(separator: "/").drop { $0 != "v1" }
        let parts = path.dropFirst().map(String.init)
        return parts.first == "me" ? parts.prefix(2).joined(separator: "/") : parts.first
    }

    private static func judge(_ response: HTTPResponse) -> Verdict {
        let (status, message, reason) = response.body.read { body in
            let error = body["error"]
            return (
                error?["status"]?.integer.map { Int($0) }, error?["message"]?.text,
                error?["reason"]?.text
            )
        }
        let code = status.map { (400...599).contains($0) ? $0 : response.status } ?? response.status
        let said = message.map { "it says '\($0.prefix(200))'" } ?? "status \(code)"
        func failed(_ kind: ServiceError.Code, _ what: String, _ remedy: String) -> Verdict {
            .failed(
                ServiceError(
                    code: kind, service: "spotify", message: "\(what): \(said)", remedy: remedy,
                    reason: reason, status: code))
        }
        switch code {
        case 200...299: return .done
        case 401: return .unauthorised(reason: said)
        case 403 where message?.lowercased().contains("scope") == true:
            return failed(
                .notAllowed, "the log-in does not cover this",
                "log in again with `narada-cmd login spotify`.")
        case 403:
            return failed(
                .notAllowed, "Spotify does not allow this",
                "it shows playlists to those who own or share them only; the app's owner needs Premium and its user a place on the app's list."
            )
        case 404: return failed(.notFound, "Spotify has no such thing", "check the name or URI.")
        case 408, 500...599: return .passing(reason: said)
        case 429: return .limited(quota: reason)
        default:
            return failed(.refused, "Spotify refused it", "check what was asked for.")
        }
    }
}

/// The pages of one of Spotify's lists, along `next`, never the same page twice.
public struct SpotifyPages {
    fileprivate let client: SpotifyClient
    fileprivate var first: (path: String, query: [(String, String)])?
    private var link: String?
    private var seen: Set<String> = []

    fileprivate init(_ client: SpotifyClient, _ path: String, _ query: [(String, String)]) {
        self.client = client
        first = (path, query)
    }

    /// Reads the next page as it came; nil behind the last one.
    public mutating func next() async throws -> [UInt8]? {
        let page: [UInt8]
        if let first {
            page = try await client.get(first.path, first.query)
            self.first = nil
        } else {
            guard let link else { return nil }
            // More pages than any list has: a stand-in or a fault that never ends.
            guard seen.insert(link).inserted, seen.count < 5000 else {
                throw client.service.error(
                    .malformed, "Spotify's list never ends", remedy: "try again later.")
            }
            page = try await client.page(at: link)
        }
        // An empty page ends the list whatever it links to.
        link = page.read { $0["items"]?.elements.isEmpty == false ? $0["next"]?.text : nil }
        return page
    }
}
