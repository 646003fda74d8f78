import FlyingFox
import FlyingSocks
import Foundation
import Glibc
import JSONText
import Ledger

/// A stand-in for the services on loopback: one server, one invented user, one world.
public actor Sandbox {
    static let services = [
        spotifyAPI, spotifyAccounts, lastfm, lastfmAuth, musicbrainz, listenbrainz, control,
    ]

    private let folder: String?
    private var world: World
    private var server: HTTPServer?
    private var port: UInt16 = 0
    private var isDirty = false
    private var recent: [String: [ContinuousClock.Instant]] = [:]

    /// Makes a world, or takes up the one that was saved.
    ///
    /// - Parameters:
    ///   - size: What a new world has: `seed`, `tracks`, `playlists`, `listens`, `likes`.
    ///   - mode: How Spotify behaves: `dev2026`, `full2026` or `legacy`; as it was saved if nil.
    ///   - faults: What goes wrong, as `KIND[=VALUE][,match=GLOB][,skip=N][,times=N]`.
    ///   - folder: Where the world is kept between runs; nowhere if nil.
    /// - Throws: If an option has no meaning or the saved world cannot be read.
    public init(
        size: [String: Int] = [:], mode: String? = nil, faults: [String] = [], folder: String? = nil
    ) throws {
        self.folder = folder
        let saved = folder.flatMap { FileManager.default.contents(atPath: $0 + "/world.json") }
        world = try saved.map { try JSONDecoder().decode(World.self, from: $0) } ?? World(size)
        if let mode { try world.set([("mode", .text(mode))]) }
        world.faults = try faults.map { try Fault($0) }
    }

    /// Opens a port on 127.0.0.1, a free one if it is 0, and returns when it answers.
    public func start(port: UInt16 = 0) async throws {
        var configuration = HTTPServer.Configuration(
            address: try sockaddr_in.inet(ip4: "127.0.0.1", port: port), timeout: 3600,
            logger: .disabled)
        configuration.sharedRequestBufferSize = 64 << 20
        configuration.pool = PromptPool(pool: configuration.pool)
        let handler = ClosureHTTPHandler { [unowned self] in try await self.answer($0) }
        let server = HTTPServer(config: configuration, handler: handler)
        let running = Task { try await server.run() }
        do {
            try await server.waitUntilListening()
        } catch {
            running.cancel()
            try await running.value
            throw error
        }
        guard case .ip4(_, let port) = await server.listeningAddress else { return }
        (self.server, self.port) = (server, port)
        Task { [weak self] in
            while let self {
                try await self.save()
                try await Task.sleep(for: .milliseconds(500))
            }
        }
    }

    /// Closes the port and saves the world.
    public func stop() async throws {
        await server?.stop()
        try save()
    }

    /// Every service's base URL, as one JSON object.
    public var addresses: String {
        JSON.object(Sandbox.services.map { ($0.name, JSON.text(origin + $0.base)) }).text
    }

    private var origin: String { "http://127.0.0.1:\(port)" }

    private func save() throws {
        guard isDirty, let folder else { return }
        isDirty = false
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        let file = URL(fileURLWithPath: folder + "/world.json")
        try JSONEncoder().encode(world).write(to: file, options: .atomic)
    }

    private func answer(_ request: HTTPRequest) async throws -> HTTPResponse {
        let sent = request.headers.map { ($0.key.rawValue.lowercased(), $0.value) }
        let headers = Dictionary(sent) { $1 }
        // A page in a browser must not reach the sandbox under a name that it made point here.
        guard ["127.0.0.1:\(port)", "localhost:\(port)"].contains(headers["host"] ?? "") else {
            return response(.text("Misdirected request\n", "text/plain", 421))
        }
        let body = Array(try await request.bodyData)
        let isForm = headers["content-type"]?.contains("form-urlencoded") ?? false
        let call = Call(
            method: request.method.rawValue, path: request.target.path(),
            query: fields(request.target.query()),
            form: isForm ? fields(String(decoding: body, as: UTF8.self)) : [:], headers: headers,
            body: isForm ? .null : (try? JSON(parsing: body)) ?? .null, origin: origin)
        for service in Sandbox.services {
            guard let rest = service.rest(of: call.path) else { continue }
            isDirty = isDirty || call.method != "GET"
            return response(await answer(call, service, rest))
        }
        return response(Reply(status: 404))
    }

    private func answer(_ call: Call, _ service: Service, _ rest: String) async -> Reply {
        if service.name == control.name {
            guard call.headers["origin"] == nil else { return Reply(status: 403) }
            return service.answer(call, rest, in: &world)
        }
        let paths = [call.path, rest].flatMap { ["\(call.method) \($0)", $0] }
        let names = paths + [call.fields["method"] ?? ""]
        var fault: Fault?
        var delayMS = 0
        for index in world.faults.indices {
            let isFree = fault == nil || fault?.kind == "delay"
            guard world.faults[index].strikes(names, isFree: isFree) else { continue }
            fault = world.faults[index]
            if fault?.kind == "delay" { delayMS += fault?.number ?? 0 }
        }
        if delayMS > 0 { try? await Task.sleep(for: .milliseconds(delayMS)) }
        func ask() -> Reply {
            limited(service, call) ?? service.answer(call, rest, in: &world)
        }
        let reply = fault?.answer(service, call, ask) ?? ask()
        world.note(call, service.name, reply, fault?.kind)
        return reply
    }

    /// The refusal of a caller who asks more often than the setting `rate` allows, by the real clock.
    private func limited(_ service: Service, _ call: Call) -> Reply? {
        let rate = world["rate"]
        guard let seconds = rate["seconds"].integer,
            rate["service"].string ?? service.name == service.name
        else { return nil }
        let now = ContinuousClock.now
        recent[service.name, default: []].removeAll { $0 <= now - .seconds(seconds) }
        let isOver = recent[service.name, default: []].count >= rate["requests"].integer ?? 0
        // MusicBrainz refuses until the caller slows down.
        if !isOver || service.name == musicbrainz.name {
            recent[service.name, default: []].append(now)
        }
        return isOver ? service.refuse(Refusal(429, retryAfter: "\(seconds)"), call) : nil
    }

    private func response(_ reply: Reply) -> HTTPResponse {
        // FlyingFox asks a web socket's handler before it writes anything, and closes when that fails.
        guard reply.status != 0 else { return HTTPResponse(webSocket: Flow(head: [])) }
        var body = HTTPBodySequence(data: Data(reply.body), suggestedBufferSize: 1 << 16)
        if let padding = reply.padding {
            body = HTTPBodySequence(from: Flow(head: reply.body[...], padding: padding << 20))
        } else if let cut = reply.cutAfter, cut < reply.body.count {
            let flow = Flow(head: reply.body.prefix(cut))
            body = HTTPBodySequence(from: flow, count: reply.body.count)
        }
        let status = HTTPStatusCode(reply.status, phrase: reply.status < 400 ? "OK" : "Error")
        let headers = reply.headers.map { (HTTPHeader($0), $1) }
        return HTTPResponse(
            statusCode: status, headers: HTTPHeaders(Dictionary(headers) { $1 }), body: body)
    }
}

/// Lets the headers of an answer go out at once; else its body waits 40 ms for the client to confirm them.
private struct PromptPool: AsyncSocketPool {
    let pool: any AsyncSocketPool

    func prepare() async throws { try await pool.prepare() }
    func run() async throws { try await pool.run() }

    func suspendSocket(_ socket: Socket, untilReadyFor events: Socket.Events) async throws {
        // Connections have it from the socket that listens, which waits here first.
        var isOn: Int32 = 1
        setsockopt(
            socket.file.rawValue, Int32(IPPROTO_TCP), TCP_NODELAY, &isOn, socklen_t(4))
        try await pool.suspendSocket(socket, untilReadyFor: events)
    }
}

/// A body that ends in a closed connection, or is longer than anybody should read.
private struct Flow: AsyncBufferedSequence, AsyncBufferedIteratorProtocol, WSHandler {
    var head: ArraySlice<UInt8>
    /// Bytes behind the head; nil to close the connection there.
    var padding: Int?

    func makeAsyncIterator() -> Flow { self }

    mutating func next() async throws -> UInt8? { try await nextBuffer(suggested: 1)?.first }

    mutating func nextBuffer(suggested count: Int) async throws -> [UInt8]? {
        guard head.isEmpty else {
            defer { head = head.dropFirst(count) }
            return Array(head.prefix(count))
        }
        guard let left = padding else { throw SocketError.disconnected }
        padding = left - Swift.min(count, left)
        return left == 0 ? nil : Array(repeating: UInt8(ascii: "x"), count: Swift.min(count, left))
    }

    func makeFrames(
        for client: AsyncThrowingStream<WSFrame, any Error>
    ) async throws -> AsyncStream<WSFrame> { throw SocketError.disconnected }
}
