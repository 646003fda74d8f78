import FlyingFox
import FlyingSocks
import Foundation
import Glibc
import JSONText
import Ledger

/// A stand-in for the services on loopback: one server, one invented user, one world.
public actor Sandbox {
    /// What a sandbox starts with.
    public struct Options: Sendable {
        public var port: UInt16 = 0
        /// Where the world is kept between runs; nowhere if nil.
        public var folder: String?
        public var faults: [String] = []
        public var mode = "dev2026"
        public var size = WorldSize()

        public init() {}
    }

    static let services = [spotifyAPI, spotifyAccounts, lastfm, lastfmAuth, control]
    /// Base URLs of services that are not there yet, so that programs find nobody rather than the real ones.
    private static let reserved = [
        (name: "musicbrainz", base: "/musicbrainz/ws/2"),
        (name: "listenbrainz", base: "/listenbrainz"),
    ]

    private let options: Options
    private var world: World
    private var server: HTTPServer?
    private var port: UInt16 = 0
    private var isDirty = false
    private var recent: [String: [ContinuousClock.Instant]] = [:]

    /// Makes a world, or takes up the one that was saved in the folder.
    ///
    /// - Throws: If an option has no meaning or the saved world cannot be read.
    public init(_ options: Options) throws {
        self.options = options
        let saved = options.folder.flatMap {
            FileManager.default.contents(atPath: $0 + "/world.json")
        }
        world =
            try saved.map { try JSONDecoder().decode(World.self, from: $0) } ?? World(options.size)
        if saved == nil || options.mode != "dev2026" {
            try world.set([("mode", .text(options.mode))])
        }
        world.faults = try options.faults.map { try Fault($0) }
    }

    /// Opens the port, on 127.0.0.1 only, and returns when it answers.
    public func start() async throws {
        var configuration = HTTPServer.Configuration(
            address: try sockaddr_in.inet(ip4: "127.0.0.1", port: options.port), timeout: 3600,
            logger: .disabled)
        configuration.sharedRequestBufferSize = 64 << 20
        let handler = ClosureHTTPHandler { [unowned self] in try await self.answer($0) }
        let server = HTTPServer(config: configuration, handler: handler)
        let running = Task { try await server.run() }
        do {
            try await server.waitUntilListening()
        } catch {
            try await running.value
            throw error
        }
        guard case .ip4(_, let port) = await server.listeningAddress else { return }
        (self.server, self.port) = (server, port)
        guard options.folder != nil else { return }
        Task { [weak self] in
            while true {
                try await Task.sleep(for: .milliseconds(500))
                guard let self else { return }
                try await self.save()
            }
        }
    }

    /// Closes the port and saves the world.
    public func stop() async throws {
        await server?.stop()
        try save()
    }

    /// The line that the program prints: every service's base URL.
    public var addresses: String {
        let bases = Sandbox.services.map { (name: $0.name, base: $0.base) } + Sandbox.reserved
        return JSON.object(bases.map { ($0.name, JSON.text(origin + $0.base)) }).text
    }

    private var origin: String { "http://127.0.0.1:\(port)" }

    private func save() throws {
        guard isDirty, let folder = options.folder else { return }
        isDirty = false
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true,
            attributes: [.posixPermissions: 0o700])
        try JSONEncoder().encode(world).write(
            to: URL(fileURLWithPath: folder + "/world.json"), options: .atomic)
    }

    private func answer(_ request: HTTPRequest) async throws -> HTTPResponse {
        var headers: [String: String] = [:]
        for (name, value) in request.headers { headers[name.rawValue.lowercased()] = value }
        // A page in a browser must not reach the sandbox under a name that it made point here.
        guard ["127.0.0.1:\(port)", "localhost:\(port)"].contains(headers["host"] ?? "") else {
            return response(.text(Array("Misdirected request\n".utf8), "text/plain", 421))
        }
        let call = Call(
            method: request.method.rawValue, path: request.target.path(),
            query: formFields(request.target.query()), headers: headers,
            body: Array(try await request.bodyData), origin: origin)
        for service in Sandbox.services {
            guard let rest = service.rest(of: call.path) else { continue }
            let operation = service.operation(call, rest)
            isDirty = true
            if service.name == "control" {
                guard headers["origin"] == nil else { return response(Reply(status: 403)) }
                return response(service.answer(call, operation: operation, in: &world))
            }
            return response(await answer(call, service, operation, rest))
        }
        return response(Reply(status: 404))
    }

    private func answer(
        _ call: Call, _ service: Service, _ operation: String, _ rest: String
    ) async -> Reply {
        let names = [call.path, rest].flatMap { ["\(call.method) \($0)", $0] } + [operation]
        var fault: Fault?
        var delayMS = 0
        for index in world.faults.indices {
            let isFree = fault == nil || fault?.kind == "delay"
            guard world.faults[index].strikes(names, isFree: isFree) else { continue }
            fault = world.faults[index]
            if fault?.kind == "delay" { delayMS += fault?.value.flatMap(Int.init) ?? 0 }
        }
        if delayMS > 0 { try? await Task.sleep(for: .milliseconds(delayMS)) }
        let reply =
            fault?.replaced(service, call) ?? limited(service, call)
            ?? service.answer(call, operation: operation, in: &world)
        let final = fault?.spoiled(reply) ?? reply
        world.note(call, service.name, final, fault?.kind)
        return final
    }

    /// The refusal of a caller who asks more often than the setting `rate` allows, by the real clock.
    private func limited(_ service: Service, _ call: Call) -> Reply? {
        let rate = world["rate"]
        guard let requests = rate["requests"].integer, let seconds = rate["seconds"].integer else {
            return nil
        }
        let now = ContinuousClock.now
        var times = recent[service.name, default: []].filter { $0 > now - .seconds(seconds) }
        defer { recent[service.name] = times }
        guard times.count >= requests else {
            times.append(now)
            return nil
        }
        var refusal = Refusal(429)
        refusal.headers["Retry-After"] = String(seconds)
        return service.render(refusal, call)
    }

    private func response(_ reply: Reply) -> HTTPResponse {
        guard !reply.isLost else { return HTTPResponse(webSocket: Hangup()) }
        let body: HTTPBodySequence
        if let padding = reply.padding {
            body = HTTPBodySequence(from: Flow(head: reply.body, padding: padding << 20))
        } else if let cut = reply.cutAfter, cut < reply.body.count {
            body = HTTPBodySequence(
                from: Flow(head: Array(reply.body.prefix(cut)), breaks: true),
                count: reply.body.count)
        } else {
            body = HTTPBodySequence(data: Data(reply.body), suggestedBufferSize: 1 << 16)
        }
        var headers = HTTPHeaders()
        for (name, value) in reply.headers { headers[HTTPHeader(name)] = value }
        let status = HTTPStatusCode(reply.status, phrase: reply.status < 400 ? "OK" : "Error")
        return HTTPResponse(statusCode: status, headers: headers, body: body)
    }
}

/// FlyingFox asks a web socket's handler before it writes anything, and closes when that fails.
private struct Hangup: WSHandler {
    func makeFrames(
        for client: AsyncThrowingStream<WSFrame, any Error>
    ) async throws -> AsyncStream<WSFrame> { throw SocketError.disconnected }
}

/// A body that ends in a closed connection, or is longer than anybody should read.
private struct Flow: AsyncBufferedSequence, AsyncBufferedIteratorProtocol {
    typealias Element = UInt8
    var head: [UInt8]
    var padding = 0
    var breaks = false

    func makeAsyncIterator() -> Flow { self }

    mutating func next() async throws -> UInt8? { try await nextBuffer(suggested: 1)?.first }

    mutating func nextBuffer(suggested count: Int) async throws -> [UInt8]? {
        let part = Array(head.prefix(count))
        head.removeFirst(part.count)
        if !part.isEmpty { return part }
        if breaks { throw SocketError.disconnected }
        let size = Swift.min(count, padding)
        padding -= size
        return size == 0 ? nil : [UInt8](repeating: UInt8(ascii: "x"), count: size)
    }
}
