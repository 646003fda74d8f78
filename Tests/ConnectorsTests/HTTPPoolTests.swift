import Connectors
import Foundation
import TestSupport
import Testing

@Suite("The pool of connections")
struct HTTPPoolTests {
    private func fault(
        _ request: HTTPRequest, _ pool: HTTPPool = HTTPPool(agent: "Narada/test")
    ) async throws -> TransportFault? {
        do {
            _ = try await pool.send(request)
            return nil
        } catch let fault as TransportFault { return fault }
    }

    @Test("An answer cut at any byte, headers too, is a lost answer", arguments: [false, true])
    func cuts(isChunked: Bool) async throws {
        let body = #"{"ok":"yes"}"#
        let whole =
            isChunked
            ? Array(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\(String(body.count, radix: 16))\r\n\(body)\r\n0\r\n\r\n"
                    .utf8) : httpAnswer(200, [], body)
        let server = RawServer { _, number in
            number < whole.count - (isChunked ? 1 : 0)
                ? (Array(whole.prefix(number)), .close) : (whole, .keep)
        }
        let pool = HTTPPool(agent: "Narada/test")

        // The last byte of a chunked answer says nothing new.
        for cut in 0..<whole.count - (isChunked ? 1 : 0) {
            let fault = try await fault(HTTPRequest("GET", server.url), pool)
            guard case .lost = fault else {
                Issue.record("cut after \(cut) bytes: \(String(describing: fault))")
                continue
            }
        }
        let answer = try await pool.send(HTTPRequest("GET", server.url))

        #expect(String(decoding: answer.body, as: UTF8.self) == body)
    }

    @Test("A call that must not be repeated is sent once, also on a connection that was kept")
    func keptConnection() async throws {
        let server = RawServer { request, _ in
            request.hasPrefix("GET") ? (httpAnswer(), .keep) : ([], .close)
        }
        let pool = HTTPPool(agent: "Narada/test")
        _ = try await pool.send(HTTPRequest("GET", server.url))

        let fault = try await fault(
            HTTPRequest("POST", server.url, body: [1], repeats: .afterVerifying), pool)

        guard case .lost = fault else { return #expect(fault == .lost("")) }
        #expect(server.requests.count { $0.hasPrefix("POST") } == 1)
    }

    @Test("Two calls share a connection and say who calls")
    func reuse() async throws {
        let server = RawServer { _, _ in (httpAnswer(200, ["X-Test:  a"], "[]"), .keep) }
        let pool = HTTPPool(agent: "Narada/0.1 (me@example.org)")

        let first = try await pool.send(HTTPRequest("GET", server.url + "/a"))
        _ = try await pool.send(HTTPRequest("PUT", server.url + "/b"))

        #expect(first.header("x-test") == "a")
        #expect(server.connectionCount == 1)
        let requests = server.requests
        #expect(requests[0].hasPrefix("GET /a HTTP/1.1\r\n"))
        #expect(requests[0].contains("User-Agent: Narada/0.1 (me@example.org)\r\n"))
        #expect(requests[0].contains("gzip"))
        #expect(requests[1].hasPrefix("PUT /b HTTP/1.1\r\n"))
        #expect(requests[1].contains("Content-Length: 0\r\n"))
    }

    @Test("Nobody listens: nothing was sent")
    func refused() async throws {
        let server = RawServer { _, _ in ([], .close) }
        let fault = try await fault(HTTPRequest("GET", server.url.dropLast(5) + "1"))
        guard case .notSent = fault else { return #expect(fault == .notSent("")) }
    }

    @Test(
        "Plain http goes to this machine only",
        arguments: [
            "http://192.0.2.1/", "http://localhost.example.org/", "http://127.0.0.1.example.org/",
            "http://a:b@127.0.0.1/", "ftp://127.0.0.1/", "file:///etc/passwd", "nonsense",
        ])
    func plain(url: String) async throws {
        guard case .refused = try await fault(HTTPRequest("GET", url)) else {
            Issue.record("\(url) was called")
            return
        }
    }

    // MARK: Redirects

    @Test("A redirect to another place takes no credentials along; to the same place it does")
    func redirects() async throws {
        let other = RawServer { _, _ in (httpAnswer(200, [], "[]"), .keep) }
        let target = other.url
        let server = RawServer { request, _ in
            switch request.split(separator: " ")[1] {
            case "/there": (httpAnswer(302, ["Location: \(target)/x"]), .keep)
            case "/here": (httpAnswer(307, ["Location: /end"]), .keep)
            default: (httpAnswer(200, [], "[]"), .keep)
            }
        }
        let pool = HTTPPool(agent: "Narada/test")
        let secret = [("authorization", "Bearer S3CRET")]

        _ = try await pool.send(HTTPRequest("GET", server.url + "/there", headers: secret))
        _ = try await pool.send(HTTPRequest("GET", server.url + "/here", headers: secret))
        let posted = try await pool.send(
            HTTPRequest("POST", server.url + "/there", headers: secret, body: Array("S3CRET".utf8)))

        #expect(other.requests.count == 1)
        #expect(!other.requests[0].contains("S3CRET"))
        #expect(server.requests.contains { $0.hasPrefix("GET /end") && $0.contains("S3CRET") })
        #expect(posted.status == 302, "only GET is followed")
    }

    @Test(
        "Redirects that never end or lead out of this machine in plain text are not taken",
        arguments: ["/again", "http://192.0.2.1/", "ftp://127.0.0.1/"])
    func badRedirects(location: String) async throws {
        let server = RawServer { _, _ in (httpAnswer(301, ["Location: \(location)"]), .keep) }

        let fault = try await fault(HTTPRequest("GET", server.url))

        guard case .unusable = fault else { return #expect(fault == .unusable("")) }
        #expect(server.requests.count == (location == "/again" ? 6 : 1))
    }

    // MARK: Bounds

    @Test("A body past the bound is not taken, said, unsaid or unpacked", arguments: 0..<3)
    func bodies(kind: Int) async throws {
        // 200,000 zeros.
        let packed =
            "H4sIAAAAAAACA+3BMQEAAADCoPVPbQZ/oAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACA1wB7WOBcQA0DAA=="
        let head = "HTTP/1.1 200 OK\r\n"
        let gzip = Array(try #require(Data(base64Encoded: packed)))
        let server = RawServer { _, _ in
            switch kind {
            case 0: (Array((head + "Content-Length: 33554433\r\n\r\n").utf8), .stall)
            case 1:
                (Array((head + "\r\n").utf8) + [UInt8](repeating: 32, count: 100_001), .close)
            default:
                (
                    Array(
                        (head
                            + "Content-Encoding: gzip\r\nContent-Length: \(gzip.count)\r\n\r\n")
                            .utf8) + gzip, .keep
                )
            }
        }
        var limits = HTTPLimits()
        if kind > 0 { limits.body = 100_000 }

        let fault = try await fault(
            HTTPRequest("GET", server.url), HTTPPool(agent: "Narada/test", limits: limits))

        guard case .unusable = fault else { return #expect(fault == .unusable("")) }
    }

    @Test("Headers without end are not taken")
    func headers() async throws {
        let many = String(repeating: "X-A: \(String(repeating: "a", count: 1000))\r\n", count: 200)
        let server = RawServer { _, _ in (Array(("HTTP/1.1 200 OK\r\n" + many).utf8), .stall) }

        let fault = try await fault(HTTPRequest("GET", server.url))

        guard case .unusable = fault else { return #expect(fault == .unusable("")) }
    }

    @Test("A server that stalls is left, and what it may have done is uncertain")
    func stall() async throws {
        let server = RawServer { _, _ in (Array("HTTP/1.1 200 OK\r\n".utf8), .stall) }
        var limits = HTTPLimits()
        limits.totalMS = 200

        let fault = try await fault(
            HTTPRequest("GET", server.url), HTTPPool(agent: "Narada/test", limits: limits))

        guard case .lost = fault else { return #expect(fault == .lost("")) }
    }

    @Test("A cancelled task takes its transfer out, and the pool goes on")
    func cancellation() async throws {
        let server = RawServer { request, _ in
            request.hasPrefix("GET /stall") ? ([], .stall) : (httpAnswer(), .keep)
        }
        let pool = HTTPPool(agent: "Narada/test")
        let task = Task { try await pool.send(HTTPRequest("GET", server.url + "/stall")) }
        while server.requests.isEmpty { await Task.yield() }

        task.cancel()

        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(try await pool.send(HTTPRequest("GET", server.url)).status == 200)
    }
}
